-- A debate: two sides speak in turn, and after each round a moderator says who has won,
-- or that it goes on.
--
--   neap examples/debate.lua [MOTION]
--
--   For -> Against -> Moderator -- "for", "against" ->
--    ^                    | "go_on"
--    `--------------------'
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local llm, Node, Flow = neap.llm, neap.Node, neap.Flow

local ROUNDS <const> = 3
local MOTION <const> = "The harbour should have a tidal power station."

local model = llm.new { offline = {
  "The tide comes twice a day, and nobody has to pay for it.",
  "The ferries come just as often, and would stand in front of a wall.",
  '{"verdict": "go_on", "remark": "Can ferries and power share the harbour?"}',
  "A lock lets the ferries pass in ten minutes.",
  "Ten minutes, twelve times a day, are two hours of waiting.",
  '{"verdict": "for", "remark": "A wait that is known is a price one can name."}',
} }

-- Both sides are nodes of one class; they differ in a field.
local Side = Node:extend { name = "Side" }

function Side:prep(shared)
  return ("Motion: %s\n\n%s\n\nYou speak %s the motion. Answer what was said last, in one "
    .. "sentence."):format(shared.motion, table.concat(shared.said, "\n"), self.name)
end

function Side:exec(_, prompt) return (model:chat(prompt)) end

function Side:post(shared, _, text)
  shared.said[#shared.said + 1] = ("%s: %s"):format(self.name, text)
  print(shared.said[#shared.said])
end

local moderator = Node { name = "moderator" }

-- In the last round it cannot say that it goes on: the schema has no word for it.
function moderator:exec(shared)
  local verdicts = shared.round < ROUNDS and "for|against|go_on" or "for|against"
  return (model:object({ "remark: string, one sentence", "verdict: " .. verdicts },
    ("You moderate a debate on the motion: %s\n\n%s\n\nWho has won? If that is open, say what "
      .. "the next round should be about."):format(shared.motion,
        table.concat(shared.said, "\n"))))
end

function moderator:post(shared, _, ruling)
  shared.said[#shared.said + 1] = "moderator: " .. ruling.remark
  print(shared.said[#shared.said])
  shared.round = shared.round + 1
  shared.winner = ruling.verdict
  if ruling.verdict == "go_on" then return "go_on" end
  return "decided"
end

local yes, no = Side { name = "for" }, Side { name = "against" }

local debate = Flow { name = "debate", start = yes,
  yes >> no >> moderator,
  moderator - "go_on" >> yes,
  moderator - "decided" >> neap.END,
}

function debate:prep(shared)
  shared.motion = shared.motion or MOTION
  shared.said, shared.round = {}, 1
end

function debate:post(shared) print("The winner: " .. shared.winner) end

if not neap.is_main() then return debate end -- to neap run, graph and check

debate:run { motion = ... }
