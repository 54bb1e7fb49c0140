-- A person decides: a model writes a letter, and it is not sent before somebody at the
-- terminal has approved it, written it anew, or said what the model has to change.
--
--   neap examples/human_in_the_loop.lua [TASK]
--
--   Draft <-- "rejected" -- Ask -- "approved" --> Send
--     `-------------------> ^ |
--                           `-' "edited"
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local llm, Node, Flow = neap.llm, neap.Node, neap.Flow

local TASK <const> = "Tell the guests that the ferry will be late."

local ACTIONS <const> = { a = "approved", e = "edited", r = "rejected", q = "abandoned" }
local QUESTIONS <const> = { edited = "The letter: ", rejected = "What has to change? " }

local model = llm.new { offline = function(messages)
  if #messages == 1 then return "Dear guests, the ferry will be late." end
  return "Dear guests, we are sorry: the ferry will be late. " .. messages[#messages].content
end }

-- The last message is the letter. The model sees all of them, also what a person wrote.
local draft = Node { name = "draft" }

function draft:exec(shared) return select(2, model:chat(shared.messages)) end

function draft:post(shared, _, reply) table.insert(shared.messages, reply.message) end

local ask = Node { name = "ask" }

function ask:prep(shared) print("\n" .. shared.messages[#shared.messages].content .. "\n") end

-- Waits for the person; other tasks would go on meanwhile. At the end of the input, as by
-- Ctrl-D, there is no answer, and that is no approval.
function ask:exec()
  local choice = neap.input("(a)pprove, (e)dit, (r)eject or (q)uit? ") or "q"
  return ACTIONS[choice:lower():match("%a")] or "unclear"
end

function ask:post(shared, _, action)
  local text = QUESTIONS[action] and neap.input(QUESTIONS[action])
  if QUESTIONS[action] and not text then return "abandoned" end
  if action == "edited" then
    shared.messages[#shared.messages] = { role = "assistant", content = text }
  elseif action == "rejected" then
    table.insert(shared.messages, { role = "user", content = text })
  end
  return action
end

local send = Node { name = "send" }

function send:post(shared)
  shared.sent = shared.messages[#shared.messages].content
  print("Sent: " .. shared.sent)
end

local flow = Flow { name = "human_in_the_loop", start = draft,
  draft >> ask,
  ask - "approved" >> send,
  ask - "edited" >> ask,
  ask - "rejected" >> draft,
  ask - "unclear" >> ask,
  ask - "abandoned" >> neap.END,
}

function flow:prep(shared)
  shared.messages = { { role = "user", content = shared.task or TASK } }
end

if not neap.is_main() then return flow end -- to neap run, graph and check

flow:run { task = ... }
