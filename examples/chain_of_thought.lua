-- A chain of thought that can be looked at: a model makes a plan, takes its steps one
-- after the other, and revises the plan after each. Plan and results are plain data.
--
--   neap examples/chain_of_thought.lua [QUESTION]
--
--   Plan -> Step -> Revise -- "done" --> Answer
--            ^        | "next"
--            `--------'
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local llm, Node, Flow = neap.llm, neap.Node, neap.Flow

local QUESTION <const> = "High tide is at 06:12, and again 12 h 25 min later. A ferry leaves "
  .. "at 14:50 and sails for 2 h 35 min. How long does it wait for the second high tide?"

local model = llm.new { offline = {
  '{"steps": ["When is the second high tide?", "When does the ferry arrive?", '
    .. '"How long is it from then to the tide?"]}',
  "06:12 and 12 h 25 min are 18:37.",
  '{"is_right": true, "steps": ["When does the ferry arrive?", '
    .. '"How long is it from then to the tide?"]}',
  "14:50 and 2 h 35 min are 16:25.", -- is an hour off
  '{"is_right": false, "steps": ["When does the ferry arrive? Add the minutes first.", '
    .. '"How long is it from then to the tide?"]}',
  "50 min and 35 min are 1 h 25 min, so it is 17:25.",
  '{"is_right": true, "steps": ["How long is it from then to the tide?"]}',
  "From 17:25 to 18:37 it is 1 h 12 min.",
  '{"is_right": true, "steps": []}',
  "It waits for 1 h 12 min.",
} }

local Plan = llm.schema { "steps: string[], each a small question" }
local Revision = llm.schema {
  "is_right: boolean, whether the last result is right; it is dropped if it is not",
  "steps: string[], those that are still to be taken; none when the answer is clear",
}

-- What the model is told of the work so far.
local function account(shared)
  local lines = { "Question: " .. shared.question, "" }
  for _, each in ipairs(shared.taken) do
    lines[#lines + 1] = ("Done: %s %s"):format(each.step, each.result)
  end
  for _, step in ipairs(shared.steps) do lines[#lines + 1] = "To do: " .. step end
  return table.concat(lines, "\n") .. "\n\n"
end

local plan = Node { name = "plan" }

function plan:exec(shared)
  return (model:object(Plan, account(shared) .. "Which steps lead to the answer?"))
end

function plan:post(shared, _, made)
  shared.steps = made.steps[1] and made.steps or { shared.question }
end

local step = Node { name = "step" }

function step:exec(shared)
  return (model:chat(account(shared) .. "Take only this step: " .. shared.steps[1]))
end

function step:post(shared, _, result)
  local taken = { step = table.remove(shared.steps, 1), result = result }
  table.insert(shared.taken, taken)
  print(("%s\n  %s"):format(taken.step, taken.result))
end

local revise = Node { name = "revise" }

function revise:exec(shared)
  return (model:object(Revision, account(shared)
    .. "Is the last result right? Which steps are to be taken now?"))
end

function revise:post(shared, _, revision)
  if not revision.is_right then
    table.remove(shared.taken)
    print("  That is wrong.")
  end
  shared.steps = revision.steps
  return #revision.steps > 0 and "next" or "done"
end

local answer = Node { name = "answer" }

function answer:exec(shared)
  return (model:chat(account(shared) .. "Give the answer in one sentence."))
end

function answer:post(shared, _, text)
  shared.answer = text
  print("\n" .. text)
end

local flow = Flow { name = "chain_of_thought", start = plan,
  plan >> step >> revise,
  revise - "next" >> step,
  revise - "done" >> answer,
}

function flow:prep(shared)
  shared.question = shared.question or QUESTION
  shared.steps, shared.taken = {}, {}
end

if not neap.is_main() then return flow end -- to neap run, graph and check

-- A plan that never ends is stopped by the number of visits.
flow:run({ question = ... }, { max_steps = 50 })
