-- A person who approves, edits and rejects.
-- SPDX-License-Identifier: MIT
local example = require "spec.example"
local helper = require "spec.helper"

local CHOICE <const> = '["(a)pprove, (e)dit, (r)eject or (q)uit? "] = '

-- Runs it with a person who gives these answers.
local function play(answers, ...)
  return example.with_fakes(("local person <close> = neap.testing.input { %s }"):format(answers),
    example.NO_MODEL, "human_in_the_loop", ...)
end

describe("human_in_the_loop", function()
  it("sends what is approved", function()
    example.succeeds("\nDear guests, the ferry will be late.\n\n"
      .. "Sent: Dear guests, the ferry will be late.\n", play(CHOICE .. '"Approve"'))
  end)

  it("has the model write again what is rejected, and a person what is edited", function()
    example.succeeds([[

Dear guests, the ferry will be late.


Dear guests, we are sorry: the ferry will be late. Say why.


Dear guests, have a tea.

Sent: Dear guests, have a tea.
]], play(CHOICE .. [[{ "r", "e", "a" }, ["What has to change? "] = "Say why.",
  ["The letter: "] = "Dear guests, have a tea."]]))
  end)

  it("asks again where the answer is not clear", function()
    local result = play(CHOICE .. '{ "", "fine", " a " }')
    assert.equal(3, select(2, result.stdout:gsub("\nDear guests", "")))
    assert.matches("\nSent: Dear guests, the ferry will be late.\n$", result.stdout)
  end)

  it("sends nothing when the person quits, or is gone", function()
    for _, answers in ipairs { CHOICE .. '"q"', CHOICE .. "false",
      CHOICE .. '"r", ["What has to change? "] = false',
      CHOICE .. '"e", ["The letter: "] = false' } do
      example.succeeds("\nDear guests, the ferry will be late.\n\n", play(answers))
    end
    local result = helper.run({ helper.neap, example.path("human_in_the_loop") },
      { cwd = helper.root, env = example.NO_MODEL, stdin = "reject\n" })
    assert.matches("What has to change%? $", result.stdout)
    assert.equal(0, result.status)
  end)

  it("shows the model the letter as it was edited", function()
    local result, asked = example.talk("human_in_the_loop", { "Dear guests.", "Guests!" },
      "e\nDear all.\nr\nShorter.\na\n", "Be kind.")
    assert.equal(0, result.status)
    assert.matches("Sent: Guests!\n$", result.stdout)
    assert.equal(2, #asked)
    assert.same({ { role = "user", content = "Be kind." } }, asked[1].messages)
    assert.same({ { role = "user", content = "Be kind." },
      { role = "assistant", content = "Dear all." },
      { role = "user", content = "Shorter." } }, asked[2].messages)
  end)
end)
