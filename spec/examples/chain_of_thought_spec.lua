-- A plan, its steps, and their revision.
-- SPDX-License-Identifier: MIT
local example = require "spec.example"

local function plan(...)
  return { content = ('{"steps": [%s]}'):format(table.concat({ ... }, ", ")) }
end

local function revision(is_right, ...)
  return { content = ('{"is_right": %s, "steps": [%s]}'):format(is_right,
    table.concat({ ... }, ", ")) }
end

describe("chain_of_thought", function()
  it("takes a step again that was wrong", function()
    example.succeeds([[
When is the second high tide?
  06:12 and 12 h 25 min are 18:37.
When does the ferry arrive?
  14:50 and 2 h 35 min are 16:25.
  That is wrong.
When does the ferry arrive? Add the minutes first.
  50 min and 35 min are 1 h 25 min, so it is 17:25.
How long is it from then to the tide?
  From 17:25 to 18:37 it is 1 h 12 min.

It waits for 1 h 12 min.
]], example.run("chain_of_thought"))
  end)

  it("keeps what is right, and drops what is wrong", function()
    local asked = example.asked("chain_of_thought", "How long?")
    assert.equal(10, #asked)
    assert.equal([[
Question: How long?

Done: When is the second high tide? 06:12 and 12 h 25 min are 18:37.
To do: When does the ferry arrive? Add the minutes first.
To do: How long is it from then to the tide?

Take only this step: When does the ferry arrive? Add the minutes first.]], asked[6][1].content)
    assert.equal([[
Question: How long?

Done: When is the second high tide? 06:12 and 12 h 25 min are 18:37.
Done: When does the ferry arrive? Add the minutes first. 50 min and 35 min are 1 h 25 min, ]]
      .. [[so it is 17:25.
Done: How long is it from then to the tide? From 17:25 to 18:37 it is 1 h 12 min.

Give the answer in one sentence.]], asked[10][1].content)
  end)

  it("takes the question for a step where the plan has none", function()
    local result = example.with_model("chain_of_thought", { plan(), { content = "Seven." },
      revision(true), { content = "It is seven." } }, "What is 3 + 4?")
    assert.equal("What is 3 + 4?\n  Seven.\n\nIt is seven.\n", result.stdout)
    assert.equal("", result.stderr)
  end)

  it("stops a model that never comes to an end", function()
    local replies = { plan('"Think."') }
    for i = 2, 60, 2 do
      replies[i], replies[i + 1] = { content = "Hm." }, revision(false, '"Think."')
    end
    local result = example.with_model("chain_of_thought", replies)
    assert.matches("max_steps", result.stderr, 1, true)
    assert.equal(1, result.status)
  end)
end)
