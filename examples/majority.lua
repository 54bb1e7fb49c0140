-- Asks a model several times at once, and takes the answer that comes most often.
--
--   neap examples/majority.lua [QUESTION [TIMES]]
--
-- A model that has to reason is wrong in many ways, and right in one. An answer that
-- fails has no vote.
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local llm = neap.llm

local QUESTION <const> = "A snail climbs 3 metres each day and slips back 2 each night. "
  .. "On which day does it get out of a well of 10 metres?"

-- The steps come first: what was reasoned before can be used for the answer.
local Answer = llm.schema { "steps: string[]", "answer: string, the bare result" }

-- What a model might say, for those who have none.
local model = llm.new { offline = {
  '{"steps": ["It is at 7 m after the 7th night.", "7 + 3 = 10"], "answer": "8"}',
  '{"steps": ["It gains 1 m a day.", "10 / 1 = 10"], "answer": "10"}',
  '{"steps": ["After 7 nights 7 m are done."], "answer": "8"}',
  "Eight, I should say.",
  '{"steps": ["The last 3 m need no night."], "answer": " 8 "}',
} }

local sample = neap.BatchNode { name = "sample", concurrency = 16, on_error = "collect" }

function sample:prep(shared)
  local list = {}
  for i = 1, shared.times or 5 do list[i] = shared.question or QUESTION end
  return list
end

function sample:exec(_, question)
  return model:object(Answer, question, { attempts = 1 })
end

function sample:post(shared, _, results) shared.samples = results end

local vote = neap.Node { name = "vote" }

function vote:exec(shared)
  local votes, best, most = {}, nil, 0
  for i = 1, shared.samples.n do
    local given = shared.samples[i] and shared.samples[i].answer:lower():match("^%s*(.-)%s*$")
    if given then
      votes[given] = (votes[given] or 0) + 1
      if votes[given] > most then best, most = given, votes[given] end
    end
  end
  if not best then error(shared.samples.errors[1] or "nobody was asked", 0) end
  return { answer = best, votes = most }
end

function vote:post(shared, _, result)
  shared.result = result
  print(("%s (%d of %d)"):format(result.answer, result.votes, shared.samples.n))
end

local flow = neap.Flow { name = "majority", start = sample, sample >> vote }

if not neap.is_main() then return flow end -- to neap run, graph and check

local question, times = ...
flow:run { question = question, times = tonumber(times) }
