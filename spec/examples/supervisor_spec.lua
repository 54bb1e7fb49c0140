-- A worker, and a judge who sends it back.
-- SPDX-License-Identifier: MIT
local example = require "spec.example"

local function verdict(reason, passes)
  return ('{"reason": "%s", "passes": %s}'):format(reason, passes)
end

describe("supervisor", function()
  it("sends the worker back with the reason, and passes what is good", function()
    local result, asked = example.with_model("supervisor", {
      example.call("timetable", { to = "Kiel" }), "Soon.", verdict("No time.", false),
      "At 14:15.", verdict("Good.", true),
    }, "When to Kiel?")
    assert.same({ status = 0, stderr = "", stdout = [[
draft 1: Soon.
  No time.
draft 2: At 14:15.
  Good.
]] }, result)
    local seen = {}
    for i, message in ipairs(asked[4].messages) do
      seen[i] = ("%s: %s"):format(message.role, message.content)
    end
    assert.same({ "user: When to Kiel?", "assistant: null", 'tool: ["14:15"]', "assistant: Soon.",
      "user: That is not good enough: No time." }, seen)
    assert.matches("Question: When to Kiel?\n\nAnswer: At 14:15.", asked[5].messages[1].content,
      1, true)
  end)

  it("takes the third draft as it is", function()
    local bad = verdict("Bad.", false)
    local result, asked = example.with_model("supervisor", { "a", bad, "b", bad, "c", bad }, "Why?")
    assert.equal(1, result.status)
    assert.equal("draft 1: a\n  Bad.\ndraft 2: b\n  Bad.\ndraft 3: c\n  Bad.\n", result.stdout)
    assert.equal(6, #asked)
  end)

  it("needs no model", function()
    example.succeeds([[
draft 1: Take the early one.
  It does not say when.
draft 2: Take the ferry at 09:30, for the next one leaves at 21:00.
  It says when, and why.
]], example.run("supervisor"))
  end)
end)
