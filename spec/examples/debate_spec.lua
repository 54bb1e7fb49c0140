-- Two sides and a moderator.
-- SPDX-License-Identifier: MIT
local example = require "spec.example"

local function ruling(remark, verdict)
  return { content = ('{"remark": "%s", "verdict": "%s"}'):format(remark, verdict) }
end

describe("debate", function()
  it("goes on until the moderator has decided", function()
    example.succeeds([[
for: The tide comes twice a day, and nobody has to pay for it.
against: The ferries come just as often, and would stand in front of a wall.
moderator: Can ferries and power share the harbour?
for: A lock lets the ferries pass in ten minutes.
against: Ten minutes, twelve times a day, are two hours of waiting.
moderator: A wait that is known is a price one can name.
The winner: for
]], example.run("debate"))
  end)

  it("tells each side its part, and what was said", function()
    local asked = example.asked("debate", "Bridges are better.")
    assert.equal([[
Motion: Bridges are better.

for: The tide comes twice a day, and nobody has to pay for it.

You speak against the motion. Answer what was said last, in one sentence.]], asked[2][1].content)
    assert.matches("moderator: Can ferries and power share the harbour?\n\n"
      .. "You speak for the motion.", asked[4][1].content, 1, true)
    assert.matches("are two hours of waiting.\n\nWho has won?", asked[6][1].content, 1, true)
  end)

  it("has the moderator decide in the last round", function()
    local replies = {}
    for round = 1, 3 do
      replies[#replies + 1] = { content = "Yes." }
      replies[#replies + 1] = { content = "No." }
      replies[#replies + 1] = ruling("Round " .. round .. ".", "go_on")
    end
    replies[#replies + 1] = ruling("Enough.", "against")
    local result = example.with_model("debate", replies)
    assert.equal(("for: Yes.\nagainst: No.\nmoderator: Round 1.\n"
      .. "for: Yes.\nagainst: No.\nmoderator: Round 2.\n"
      .. "for: Yes.\nagainst: No.\nmoderator: Enough.\nThe winner: against\n"), result.stdout)
    assert.equal("", result.stderr)
  end)
end)
