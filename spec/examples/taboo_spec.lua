-- Two agents that talk over channels.
-- SPDX-License-Identifier: MIT
local example = require "spec.example"

describe("taboo", function()
  it("hands hints and guesses over, and drops a hint that is taboo", function()
    example.succeeds([[
hint:  It has two highs a day.
guess: A thermometer?
hint:  Twice a day the beach is gone.
guess: The tide!
Guessed!
]], example.run("taboo"))
  end)

  it("tells each agent only what it may know", function()
    local asked = example.asked("taboo")
    assert.equal(5, #asked)
    for i = 2, 5, 3 do -- the guesser
      for _, message in ipairs(asked[i]) do assert.not_matches("tide", message.content) end
    end
    assert.equal("'A thermometer?' is wrong. Give another hint.", asked[3][4].content)
    assert.equal("You have said 'sea'. Give another hint.", asked[4][6].content)
    assert.same({ { "system", "user", "assistant", "user" }, "Twice a day the beach is gone." },
      { example.roles(asked[5]), asked[5][4].content })
  end)

  it("ends after five hints, taboo ones included", function()
    local replies = { { content = "An ebb." } }
    for i = 2, 8, 2 do
      replies[i], replies[i + 1] = { content = "It floats." }, { content = "A boat." }
    end
    local result = example.with_model("taboo", replies, "raft", "ebb")
    assert.equal(("hint:  It floats.\nguess: A boat.\n"):rep(4) .. "The word was: raft\n",
      result.stdout)
    assert.equal("", result.stderr)
    assert.equal(0, result.status)
  end)

  it("ends when one of the two fails", function()
    local result = example.with_model("taboo", { { content = "It floats." },
      { content = "" , refusal = "I do not guess." } }, "raft")
    assert.equal("hint:  It floats.\n", result.stdout)
    assert.matches("taboo > guesser > guess (exec): ", result.stderr, 1, true)
    assert.equal(1, result.status)
  end)
end)
