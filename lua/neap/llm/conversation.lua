--- Conversations: what was said is remembered, as far as it has room.
-- SPDX-License-Identifier: MIT
local class = require "neap.base.class"
local failure = require "neap.llm.failure"
local messages = require "neap.llm.message"
local options = require "neap.base.options"
local schema = require "neap.base.schema"
local tokens = require "neap.llm.tokens"

local M = {}

---@class neap.llm.Conversation
---@field messages neap.llm.Message[] plain data; may be replaced
local Conversation, ConversationMeta = class("neap.llm.Conversation")

---@class neap.llm.ConversationStream
---@field reply? neap.llm.Reply once all has come
local Stream, StreamMeta = class("neap.llm.ConversationStream")

-- What is known of conversations, and of their streams.
local private = setmetatable({}, { __mode = "k" })

-- How far an estimate may be corrected.
local LEAST, MOST = 0.25, 4

local SUMMARY = "What was said before, in short: "

-- Parts messages into those of the system, which stay, and turns, each from a message of
-- the user to the next: so no call is parted from its result.
local function turns_of(list)
  local system, turns = {}, {}
  for _, message in ipairs(list) do
    if message.role == "system" then
      system[#system + 1] = message
    elseif message.role == "user" or not turns[1] then
      turns[#turns + 1] = { message }
    else
      table.insert(turns[#turns], message)
    end
  end
  return system, turns
end

-- The first of the turns that have room in so many tokens; the last has it always, and
-- the first is the user's.
local function first_with_room(turns, room)
  local first = #turns
  room = room - tokens.messages(turns[first])
  while first > 1 do
    room = room - tokens.messages(turns[first - 1])
    if room < 0 then break end
    first = first - 1
  end
  while first < #turns and turns[first][1].role ~= "user" do first = first + 1 end
  return first
end

-- Has the model summarise messages.
local function ask_for_summary(own, list)
  local lines = {}
  for i, message in ipairs(list) do
    lines[i] = ("%s: %s"):format(message.role, messages.text(message.content))
  end
  local prompt = ("Summarise this conversation for yourself, so that you can go on with it, "
    .. "in at most %d words:\n\n%s"):format(math.max(20, own.window // 8),
      table.concat(lines, "\n\n"))
  return (own.model:chat(prompt))
end

-- The messages that have room in the window. Where what falls out is summarised, the
-- others get half of the window, so that this is not done each time.
local function with_room(own, list)
  if not own.window then return list end
  local system, turns = turns_of(list)
  local room = own.window / own.factor - #(own.system or "") / tokens.BYTES
    - tokens.messages(system)
  local first = first_with_room(turns, room)
  if first == 1 then return list end
  if own.summarise then
    first = first_with_room(turns, math.min(room, own.window / own.factor / 2))
  end
  local kept, dropped = {}, {}
  for _, message in ipairs(system) do
    local is_summary = own.summarise and message.summary
    table.insert(is_summary and dropped or kept, message)
  end
  for i, turn in ipairs(turns) do
    local to = i < first and dropped or kept
    table.move(turn, 1, #turn, #to + 1, to)
  end
  if own.summarise then
    local text
    if own.summarise == true then text = ask_for_summary(own, dropped)
    else text = own.summarise(dropped) end
    if type(text) ~= "string" then -- what was said must not be lost by it
      error(("llm.conversation: the function 'summarise' gives a text, got %s")
        :format(type(text)), 0)
    end
    if text ~= "" then
      table.insert(kept, 1, { role = "system", content = SUMMARY .. text, summary = true })
    end
  end
  return kept
end

-- Begins a turn: what is sent, and what is done with the reply.
local function begin(self, content, opts, what)
  local own = private[self]
  local before = self.messages
  -- An object that has come from a file is no list without messages: who writes that back
  -- would lose it.
  if type(before) ~= "table" or before[1] == nil and next(before) ~= nil then
    options.blame(("%s: the messages of a conversation are a list, got %s"):format(what,
      type(before) == "table" and "a table without a first message" or type(before)))
  end
  opts = options.check(opts, what, schema.options.chat)
  local said = messages.list({ { role = "user", content = content } }, nil, what)[1]
  local list = table.move(before, 1, #before, 1, {})
  list[#list + 1] = said
  list = with_room(own, list)
  local all = {}
  for name, value in pairs(opts) do all[name] = value end
  all.system = all.system or own.system
  local function finish(reply)
    local estimate = tokens.messages(list) + #(all.system or "") / tokens.BYTES
    if reply.usage.input > 0 and reply.attempts == 1 and estimate > 0 then
      own.factor = math.max(LEAST, math.min(MOST, reply.usage.input / estimate))
    end
    -- Another turn may have ended in the meantime; then this one stands behind it.
    local new = self.messages == before and list or table.move(self.messages, 1, #self.messages,
      1, {})
    if new ~= list then new[#new + 1] = said end
    new[#new + 1] = reply.message
    self.messages = new
  end
  return list, all, finish
end

--- Says something, and waits for the answer, which is remembered. What raises leaves the
--- messages as they were.
---@param content string|neap.llm.Part[]
---@param opts? neap.llm.CallOptions
---@return string text
---@return neap.llm.Reply reply
function Conversation:say(content, opts)
  local list, all, finish = begin(self, content, opts, "say")
  local text, reply = private[self].model:chat(list, all)
  finish(reply)
  return text, reply
end

--- Says something: `for piece in conversation:stream(content)` gives the pieces of the
--- answer. It is remembered when its end was read; with `partial` also what has come of one
--- that fails, or is left.
---@param content string|neap.llm.Part[]
---@param opts? neap.llm.CallOptions
---@return neap.llm.ConversationStream
function Conversation:stream(content, opts)
  local list, all, finish = begin(self, content, opts, "stream")
  local stream = setmetatable({}, StreamMeta)
  private[stream] = { inner = (private[self].model:stream(list, all)), finish = finish,
    pieces = private[self].partial and {} or nil }
  return stream, nil, nil, stream
end

--- Waits for the next piece of text; nil at the end.
---@return string|nil
function StreamMeta.__call(self)
  local own = private[self]
  local piece = own.inner()
  if piece and own.pieces then table.insert(own.pieces, piece) end
  if piece or self.reply or own.is_closed then return piece end
  local reply = own.inner.reply
  if reply.stop ~= "stop" then error(failure.no_answer(reply), 0) end
  self.reply = reply
  own.finish(reply)
end

-- Remembers what has come of an answer that is left, if that was asked for.
local function keep_partial(self, own)
  local pieces = own.pieces
  own.pieces = nil
  if not pieces or not pieces[1] or self.reply then return end
  own.finish { message = { role = "assistant", content = table.concat(pieces) },
    usage = { input = 0 } }
end

--- Drops what is still to come.
function Stream:close()
  local own = private[self]
  own.is_closed = true
  own.inner:close()
  keep_partial(self, own)
end

StreamMeta.__close = Stream.close

--- Makes a conversation.
---@param opts neap.llm.ConversationOptions
---@return neap.llm.Conversation
function M.new(opts)
  opts = options.check(opts, "llm.conversation")
  if not opts.model then options.blame("llm.conversation: the option 'model' is missing") end
  if opts.summarise and not opts.window then
    options.blame("llm.conversation: 'summarise' needs a 'window'")
  end
  local conversation = setmetatable({ messages = {} }, ConversationMeta)
  private[conversation] = { model = opts.model, system = opts.system, window = opts.window,
    summarise = opts.summarise, partial = opts.partial, factor = 1 }
  return conversation
end

return M
