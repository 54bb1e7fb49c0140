-- A worker answers, and a judge sends it back until the answer is good enough.
--
--   neap examples/supervisor.lua [QUESTION]
--
-- The worker is an agent with a tool, and a node of a flow like any other. After three
-- drafts the last one is taken, and the exit status is 1.
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local llm = neap.llm

local DRAFTS <const> = 3
local QUESTION <const> = "Which ferry takes me to Oslo before noon?"

local timetable = llm.tool {
  name = "timetable",
  description = "Tells when ferries leave.",
  parameters = { "to: Oslo|Kiel" },
  run = function(arguments)
    return arguments.to == "Oslo" and { "09:30", "21:00" } or { "14:15" }
  end,
}

-- It goes on with its messages, which have the drafts that were sent back.
local worker = llm.agent {
  name = "worker",
  model = llm.new { offline = {
    { calls = { { name = "timetable", arguments = { to = "Oslo" } } } },
    "Take the early one.",
    "Take the ferry at 09:30, for the next one leaves at 21:00.",
  } },
  tools = { timetable },
  prompt = function(shared)
    local messages = shared.worker and shared.worker.messages or {}
    table.insert(messages, { role = "user", content = shared.remark or shared.question })
    return messages
  end,
}

local strict = llm.new { offline = {
  '{"reason": "It does not say when.", "passes": false}',
  '{"reason": "It says when, and why.", "passes": true}',
} }

local Verdict = llm.schema { "reason: string, in one sentence", "passes: boolean" }

local judge = neap.Node { name = "judge" }

function judge:exec(shared)
  return strict:object(Verdict, ("Does this answer say when, and give a reason?\n\n"
    .. "Question: %s\n\nAnswer: %s"):format(shared.question, shared.answer))
end

function judge:post(shared, _, verdict)
  shared.drafts = shared.drafts + 1
  print(("draft %d: %s\n  %s"):format(shared.drafts, shared.answer, verdict.reason))
  if verdict.passes then return "passed" end
  if shared.drafts == DRAFTS then return "given_up" end
  shared.remark = "That is not good enough: " .. verdict.reason
  return "again"
end

local flow = neap.Flow {
  name = "supervisor",
  start = worker,
  worker >> judge,
  judge - "again" >> worker,
  judge - "passed" >> neap.END,
  judge - "given_up" >> neap.END,
}

function flow:prep(shared)
  shared.question, shared.drafts = shared.question or QUESTION, 0
end

if not neap.is_main() then return flow end -- to neap run, graph and check

local action = flow:run { question = ... }
return action == "passed" and 0 or 1
