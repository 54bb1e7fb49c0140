-- A flow that searches until it knows enough.
-- SPDX-License-Identifier: MIT
local example = require "spec.example"
local helper = require "spec.helper"

local SEARCH <const> = '{"reason": "More.", "action": "search", "query": "%s"}'

describe("research", function()
  local folder = helper.tmpdir()
  helper.write(folder .. "/tides.md", "# Tides\n\nHigh tide is at noon.\n\nLow tide is at six.\n")
  helper.write(folder .. "/ships.md", "The ferry leaves at nine.\n")
  helper.write(folder .. "/other.txt", "High tide is never.\n")

  it("searches, decides, and answers by what it has found", function()
    local result, asked = example.with_model("research", {
      SEARCH:format("high tide"), SEARCH:format("ferry"),
      '{"reason": "Enough.", "action": "answer"}', "At noon; at nine.",
    }, "When is high tide, and the ferry?", folder)
    assert.same({ status = 0, stderr = "", stdout = [[
search: high tide
search: ferry
answer: Enough.
At noon; at nine.
]] }, result)
    local function prompt(i) return asked[i].messages[1].content end
    assert.not_matches("High tide", prompt(1))
    assert.matches("High tide is at noon.", prompt(2), 1, true)
    assert.not_matches("ferry leaves", prompt(2))
    assert.matches("noon.+nine", prompt(4))
    assert.not_matches("never", prompt(4))
  end)

  it("answers after three searches, whatever the model wants", function()
    local search = SEARCH:format("tide")
    local result, asked = example.with_model("research",
      { search, search, search, "I cannot say." }, "Why?", folder)
    assert.equal("search: tide\nsearch: tide\nsearch: tide\nanswer: No more searches.\n"
      .. "I cannot say.\n", result.stdout)
    assert.equal(4, #asked)
  end)

  it("searches the manual, and needs no model", function()
    local result = example.run("research")
    assert.equal(0, result.status)
    assert.matches("^search: [^\n]+\nsearch: [^\n]+\nanswer: [^\n]+\nIt says: ", result.stdout)
    assert.matches("With `neap.on_interrupt`, a script answers Ctrl-C itself", result.stdout,
      1, true)
  end)
end)
