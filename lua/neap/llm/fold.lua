--- Making a reply of the pieces in which it comes.
-- SPDX-License-Identifier: MIT
--
-- A provider turns each event of a stream into a list of deltas, and notes in
-- `state.reply` what is no piece of the answer: stop, usage, model. Here the deltas
-- are put together. Nothing waits.
local M = {}

---@class neap.llm.Delta
---@field kind "text"|"reasoning"|"call"
---@field text? string of text and reasoning: the piece
---@field index? integer of a call: which one it belongs to, from 1
---@field id? string of a call, in its first delta
---@field name? string of a call, in its first delta
---@field arguments? string of a call: a piece of the JSON text

---@class neap.llm.Call
---@field id string
---@field name string
---@field arguments string JSON text, as the model wrote it

---@class neap.llm.Usage
---@field input integer tokens of what was sent, those from a cache included
---@field cached integer of these, read from a cache
---@field cache_write integer of these, written to a cache
---@field output integer tokens of the answer, reasoning included
---@field reasoning integer of these, reasoning
---@field cost? number where prices are known

---@class neap.llm.Reply
---@field text string
---@field reasoning? string
---@field calls neap.llm.Call[]
---@field stop? "stop"|"tools"|"length"|"filter"|"context"|"pause"|"other" nil in the `partial`
--- of an error
---@field usage neap.llm.Usage of all attempts together
---@field model? string as the server calls it
---@field request_id? string
---@field seconds number of the whole call
---@field first_token? number seconds until the first piece came
---@field attempts integer
---@field message neap.llm.Message what is appended to the list of messages
---@field vectors? neap.Vector[] of `embed`
---@field raw? any what the server has sent, decoded; of a stream, its last event

---@class neap.llm.State
---@field reply neap.llm.Reply as far as it has come
---@field vendor? any what the vendor wants to have back with this reply
---@field kept? table<string, string> the same as a message has it, in its place
---@field refusal? string why the model has not answered, in its own words
---@field failure? table the event, or the body, that is an error
---@field fault? string why what has come is no answer

--- The names of what usage counts.
M.COUNTS = { "input", "cached", "cache_write", "output", "reasoning" }

--- Counts nothing yet.
---@param cost? number 0 where prices are known
---@return neap.llm.Usage
function M.usage(cost)
  return { input = 0, cached = 0, cache_write = 0, output = 0, reasoning = 0, cost = cost }
end

--- Adds what `more` has counted to `usage`.
---@param usage neap.llm.Usage
---@param more neap.llm.Usage
function M.add(usage, more)
  for _, name in ipairs(M.COUNTS) do usage[name] = usage[name] + (more[name] or 0) end
  if more.cost then usage.cost = (usage.cost or 0) + more.cost end
end

--- Begins a reply. A provider may keep what it has to remember in the state, too.
---@return neap.llm.State
function M.new()
  return { reply = { calls = {}, usage = M.usage() }, text = {}, reasoning = {} }
end

local take = {
  text = function(state, delta) table.insert(state.text, delta.text) end,
  reasoning = function(state, delta) table.insert(state.reasoning, delta.text) end,
  call = function(state, delta)
    local call = state.reply.calls[delta.index]
    if not call then
      call = { id = delta.id, name = delta.name, arguments = {} }
      state.reply.calls[delta.index] = call
    end
    table.insert(call.arguments, delta.arguments)
  end,
}

--- Adds deltas to a reply.
---@param state neap.llm.State
---@param deltas neap.llm.Delta[]
function M.add_deltas(state, deltas)
  for _, delta in ipairs(deltas) do take[delta.kind](state, delta) end
end

-- The calls with their arguments in one piece. A call without any has an empty
-- object of them.
local function joined(calls)
  local list = {}
  for i, call in ipairs(calls) do
    local arguments = table.concat(call.arguments)
    list[i] = { id = call.id, name = call.name,
      arguments = arguments:find("%S") and arguments or "{}" }
  end
  return list
end

--- Gives the reply as it is now.
---@param state neap.llm.State
---@param key string under which a message keeps what the vendor wants back
---@param encode fun(value: any): string
---@return neap.llm.Reply
function M.reply(state, key, encode)
  local reply = {}
  for name, value in pairs(state.reply) do reply[name] = value end
  reply.text = table.concat(state.text)
  reply.reasoning = state.reasoning[1] and table.concat(state.reasoning)
  reply.calls = joined(state.reply.calls)
  local may_be_calls = reply.stop == "stop" or reply.stop == "other"
  if may_be_calls and reply.calls[1] then reply.stop = "tools" end
  reply.message = { role = "assistant", content = reply.text,
    calls = reply.calls[1] and reply.calls,
    vendor = state.kept or state.vendor ~= nil and { [key] = encode(state.vendor) } or nil }
  return reply
end

return M
