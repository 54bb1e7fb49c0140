-- Questions that a test answers.
-- SPDX-License-Identifier: MIT
local failure = require("spec.helper").failure
local neap = require "neap"

local testing = neap.testing

-- Calls f on the virtual clock with a fake of these answers.
local function with(answers, f)
  testing.run(function()
    local fake <close> = testing.input(answers)
    f(fake)
  end)
end

describe("a fake of the input", function()
  it("answers one question after the other, whatever is asked", function()
    with({ "ebb", "", "flow" }, function(fake)
      assert.equal("ebb", neap.input("Tide? "))
      assert.equal("", neap.input())
      assert.equal("flow", neap.input(7))
      assert.same({ "Tide? ", "", "7" }, fake.prompts)
    end)
  end)

  it("answers by what is asked, first of all", function()
    with({
      "first", "second", ["Name? "] = "Selene", ["More? "] = { "yes", "no" },
    }, function()
      local lines = {}
      for i, prompt in ipairs { "Name? ", "More? ", "x", "More? ", "Name? ", "More? ", "y" } do
        lines[i] = neap.input(prompt)
      end
      assert.same({ "Selene", "yes", "first", "no", "Selene", "no", "second" }, lines)
    end)
  end)

  it("has an end, and functions for answers that take their time", function()
    with({
      function(prompt)
        neap.sleep(60)
        return prompt .. "!"
      end,
      function() end,
      false,
    }, function()
      assert.equal("Who?!", neap.input("Who?"))
      assert.equal(60, neap.now())
      assert.is_nil(neap.input())
      assert.is_nil(neap.input())
    end)
  end)

  it("names a question that has no answer", function()
    with({ "one" }, function()
      neap.input("Name? ")
      local err = failure(neap.input, "Rank?\n")
      assert.equal('neap.input: the fake has no answer for question 2, "Rank?\\\n"', err.message)
      assert.same({ "input", false }, { err.code, err.retryable })
      assert.matches("question 3, which has no prompt", failure(neap.input).message)
    end)
  end)

  it("gives each who asks at once an answer, in turn, and none to who is cancelled", function()
    with({ "one", "two" }, function()
      local tasks = {}
      for i = 1, 3 do tasks[i] = neap.spawn(neap.input) end
      tasks[1]:cancel()
      testing.settle()
      assert.same({ "one", "two" }, { tasks[2]:await(), tasks[3]:await() })
    end)
  end)

  it("leaves no trace when it is closed", function()
    local stream = require "neap.core".stream
    local input = neap.input
    local before = stream.ask
    testing.input({}):close()
    assert.equal(before, stream.ask)
    with({ "kept" }, function() assert.equal("kept", input()) end)
    assert.equal(before, stream.ask)
  end)

  it("refuses answers that make no sense", function()
    local function misused(message, answers)
      assert.equal(message, (failure(testing.input, answers):gsub("^[^:]+:%d+: ", "")))
    end
    misused("bad argument #1 to 'input' (table of answers expected, got nil)", nil)
    misused("testing.input: 1: an answer is a string, a function or false, got a number", { 7 })
    misused("testing.input: a: an answer is a string, a function or false, got a table",
      { a = { "x", {} } })
    misused("testing.input: an answer has a prompt or a number, got true", { [true] = "x" })
    local fake <close> = testing.input {}
    misused("testing.input: there is a fake already; close it first", {})
    assert.is_table(fake.prompts)
  end)
end)
