--- An answer that no server sends: it is played piece by piece, as if one did.
-- SPDX-License-Identifier: MIT
local core = require "neap.core"
local exchange = require "neap.llm.exchange"
local fold = require "neap.llm.fold"

local M = {}

---@class neap.llm.Answer
---@field text? string given word by word
---@field reasoning? string given before the text
---@field calls? neap.llm.Call[] given behind the text
---@field stop? string default: "stop", or "tools" where there are calls
---@field usage? table<string, integer>
---@field model? string
---@field vendor? table<string, string> what a message keeps for vendors
---@field vectors? neap.Vector[] of `embed`
---@field failure? neap.Error raised behind the pieces, in the place of an end
---@field is_final? boolean after the failure the call is over
---@field after? number seconds until the first piece
---@field between? number seconds before each further one

---@class neap.llm.Played: neap.llm.Exchange
---@field private answer? neap.llm.Answer once it is known
---@field private deltas neap.llm.Delta[] all of it
---@field private at integer how many of them have been given
local Played = {}
Played.__index = Played

-- Adds the words of a text, each with the white space behind it.
local function add_words(deltas, kind, text)
  for word in (text or ""):gmatch("%s*%S*%s*") do
    if word ~= "" then deltas[#deltas + 1] = { kind = kind, text = word } end
  end
end

local function deltas_of(answer)
  local deltas = {}
  add_words(deltas, "reasoning", answer.reasoning)
  add_words(deltas, "text", answer.text)
  for i, call in ipairs(answer.calls or {}) do
    table.insert(deltas, { kind = "call", index = i, id = call.id, name = call.name,
      arguments = "" })
    table.insert(deltas, { kind = "call", index = i, arguments = call.arguments })
  end
  return deltas
end

-- Asks the provider, and notes what is no piece of its answer.
local function open(self)
  local ask, state = self.ask, self.state
  local answer = ask.provider.waits and self:within(ask.provider.answer, ask.call)
    or ask.provider.answer(ask.call)
  if type(answer) == "string" then answer = { text = answer } end
  self.answer, self.deltas, self.at = answer, deltas_of(answer), 0
  if answer.usage then fold.add(state.reply.usage, answer.usage) end
  state.reply.model, state.reply.vectors = answer.model, answer.vectors
  state.kept = answer.vendor
end

-- Lets the time pass that the next piece takes.
local function wait(self)
  local seconds = self.at == 0 and self.answer.after or self.at > 0 and self.answer.between or 0
  if seconds > 0 then self:within(core.sleep, seconds) end
  self.heard = true
end

Played.within = exchange.within

--- Begins to play; the provider is asked at the first read.
---@param ask neap.llm.Ask
---@return neap.llm.Played
function M.new(ask)
  return setmetatable({ ask = ask, state = fold.new(), began = core.now() }, Played)
end

--- Waits for what comes next: a list of deltas; nil at the end.
---@return neap.llm.Delta[]|nil
function Played:read()
  if not self.answer then open(self) end
  local at, answer = self.at, self.answer
  if at == 0 or at < #self.deltas then wait(self) end
  self.at = at + 1
  local delta = self.deltas[at + 1]
  if delta then
    fold.add_deltas(self.state, { delta })
    return { delta }
  end
  if answer.failure then
    self.ask.is_over = answer.is_final
    error(answer.failure, 0)
  end
  self.state.reply.stop = answer.stop or "stop"
  return nil
end

--- There is no connection to drop.
function Played:close() end

return M
