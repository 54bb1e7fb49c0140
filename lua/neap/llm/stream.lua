--- The answer of a model, piece by piece, over as many attempts as it takes.
-- SPDX-License-Identifier: MIT
local cassettes = require "neap.llm.cassette"
local class = require "neap.base.class"
local core = require "neap.core"
local exchange = require "neap.llm.exchange"
local failure = require "neap.llm.failure"
local fold = require "neap.llm.fold"
local meter = require "neap.llm.meter"
local new_error = require "neap.error".new
local played = require "neap.llm.played"

local M = {}

---@class neap.llm.Stream
---@field reply? neap.llm.Reply once all has come
local Stream, StreamMeta = class("neap.llm.Stream")

---@class neap.llm.Progress what a stream knows, kept apart from it: a key is in it
---@field ask neap.llm.Ask that goes on
---@field usage neap.llm.Usage of the attempts that are over
---@field attempt integer of that ask, from 0
---@field requests integer of all
---@field exchange neap.llm.Exchange|false of the attempt that goes on
---@field metered neap.llm.Metered|false|nil the request of that
---@field queue neap.llm.Delta[] what has come and was not given
---@field at integer
---@field is_given? boolean a piece has been given to whoever asked
---@field first_token? number
---@field has_ended? boolean nothing more comes
---@field is_read? boolean a task waits for what comes
---@field why? string why reading it is an error
---@field account? neap.llm.Account nil: the stream is a part of a call
---@field wants_answer? boolean what ends otherwise is a failure

---@type table<neap.llm.Stream, neap.llm.Progress>
local progress_of = setmetatable({}, { __mode = "k" })

-- Raises that nothing can be read.
local function refuse(code, why)
  error(new_error { code = code, retryable = false, message = "llm.stream: " .. why }, 0)
end

local CLOSED = "the stream has been closed"

local function begin(p)
  local ask = p.ask
  local ok, metered = pcall(meter.open, ask)
  if not ok then
    if failure.is(metered) or ask.is_over then
      metered.attempts, metered.usage = p.requests, p.usage
    end
    error(metered, 0)
  end
  p.metered = metered
  local made = (ask.provider.answer and played or exchange).new(ask)
  if ask.cassette then made = cassettes.tape(ask.cassette, made) end
  if p.has_ended then -- closed while this has waited for a limit, or by a finalizer
    if p.metered then p.metered:drop() end
    p.metered = false
    refuse("closed", CLOSED)
  end
  p.exchange = made
  p.requests = p.requests + 1
  ask.account:ask(ask.provider, ask.call.model)
  for _, total in ipairs(ask.totals) do total.calls = total.calls + 1 end
end

-- Ends an attempt, whose tokens have been paid for whatever became of it. Gives what
-- had come of the reply.
local function put_an_end_to(p, err)
  local done, metered = p.exchange, p.metered
  p.exchange = false
  if metered then
    -- Once it is settled, and not before: there may be no memory for that.
    if done then metered:close(done.state, err) else metered:drop() end
    p.metered = false
  end
  if not done then return nil end
  local usage = meter.priced(done.state.reply.usage, p.ask.prices)
  fold.add(p.usage, usage)
  for _, total in ipairs(p.ask.totals) do fold.add(total, usage) end
  done:close()
  return done.state
end

-- Gives the reply as it is.
local function reply_of(p, state)
  local ask = p.ask
  local reply = fold.reply(state, ask.call.vendor, core.json.encode)
  reply.usage, reply.attempts, reply.first_token = p.usage, p.requests, p.first_token
  reply.seconds = core.now() - ask.began
  reply.model = reply.model or ask.call.model
  return reply
end

-- Adds to an error what the attempts have come to. What was tried as often as it may
-- be is not to be multiplied by the attempts of a node.
local function complete(p, err, state)
  local is_own = failure.is(err)
    or type(err) == "table" and err.code == "timeout" and p.ask.is_over
  if not is_own then return end
  err.attempts, err.usage = p.requests, p.usage
  local has_come = state.text[1] or state.reasoning[1] or state.reply.calls[1]
  if has_come then err.partial = reply_of(p, state) end
  if err.code == "llm" and p.attempt > 0 and p.attempt + 1 >= p.ask.call.options.max_retries then
    err.retryable = false
  end
end

-- Goes on to what else can be asked. Returns whether there is something.
local function go_on(p, err)
  local ask = p.ask
  local other = ask.otherwise and failure.may_pass_elsewhere(err) and ask.otherwise()
  if not other then return false end
  core.tell_retry("llm.first", p.attempt, err, 0)
  p.ask, p.attempt = other, 0
  return true
end

-- Waits for the next attempt; raises where there is none.
local function wait_for_next(p, err, state)
  local ask = p.ask
  local may_go_on = not p.is_given and not ask.is_over
  local may_help = may_go_on and type(err) == "table" and err.retryable == true
  local delay = may_help
    and core.next_attempt(ask.call.options, p.attempt, math.random(), err)
  if not delay then
    if may_go_on and go_on(p, err) then return end
    complete(p, err, state)
    error(err, 0)
  end
  core.tell_retry("llm." .. ask.what, p.attempt, err, delay)
  local left = ask.deadline - core.now()
  core.sleep(math.max(0, math.min(delay, left)))
  if delay >= left then
    ask.is_over = true
    local late = exchange.timeout(ask)
    complete(p, late, state)
    error(late, 0)
  end
  p.attempt = p.attempt + 1
end

-- Calls f. What it raises ends the call: asked again, the model would begin anew.
local function guard(p, f, ...)
  local ok, err = pcall(f, ...)
  if ok then return end
  p.is_read = false
  if not p.has_ended then p.has_ended, p.why = true, "the stream has ended with an error" end
  if p.account then p.account:close(err) end
  error(err, 0)
end

-- An attempt has ended, well or with an error: so does the call, or another follows.
local function take_end(self, p, ok, err)
  if p.has_ended then -- by another task
    if not ok and core.is_cancelled() then error(err, 0) end
    refuse("closed", CLOSED)
  end
  local state = put_an_end_to(p, not ok and err or nil)
  if not ok then
    p.first_token = nil
    wait_for_next(p, err, state)
    if p.has_ended then refuse("closed", CLOSED) end
    return
  end
  p.has_ended = true
  self.reply = reply_of(p, state)
  if p.wants_answer and self.reply.stop ~= "stop" then
    error(failure.no_answer(self.reply), 0)
  end
  if p.account then p.account:close(nil, self.reply) end
end

-- Waits for what comes next: a list of deltas, nil at the end.
local function advance(self, p)
  if p.is_read then refuse("busy", "another task is waiting for the answer already") end
  if p.why then refuse("closed", p.why) end
  while not p.has_ended do
    p.is_read = true
    if not p.exchange then guard(p, begin, p) end
    local active = p.exchange
    if not active then guard(p, refuse, "closed", CLOSED) end -- by a finalizer
    local ok, deltas = pcall(active.read, active)
    if ok and deltas and not p.has_ended then
      p.is_read = false
      if deltas[1] and not p.first_token then p.first_token = core.now() - p.ask.began end
      return deltas
    end
    guard(p, take_end, self, p, ok, deltas)
    p.is_read = false
  end
end

-- Waits for the next delta of one of these kinds.
local function next_delta(self, kind)
  local p = progress_of[self]
  while true do
    local delta = p.queue[p.at]
    if not delta then
      local deltas = advance(self, p)
      if not deltas then return nil end
      p.queue, p.at = deltas, 1
    else
      p.at = p.at + 1
      if not kind or delta.kind == kind then
        p.is_given = true
        return delta
      end
    end
  end
end

--- Begins a stream. Its request is sent when it is first read.
---@param ask neap.llm.Ask
---@param account? neap.llm.Account of the call that ends with it; nil where it is a part
---@return neap.llm.Stream
function M.new(ask, account)
  local stream = setmetatable({}, StreamMeta)
  progress_of[stream] = { ask = ask, account = account, usage = fold.usage(ask.prices and 0),
    attempt = 0, requests = 0, queue = {}, at = 1,
    -- There is room for these from now on: what is reserved is not lost for want of memory.
    exchange = false, metered = false, has_ended = false, is_read = false }
  return stream
end

--- Waits for the next piece of text; nil at the end.
---@return string|nil
function StreamMeta.__call(self)
  local delta = next_delta(self, "text")
  return delta and delta.text
end

--- Iterates over all that comes: text, reasoning, calls. Waits for each. Leaving the
--- loop drops the connection.
---@return fun(): neap.llm.Delta|nil
function Stream:deltas()
  return function() return next_delta(self) end, nil, nil, self
end

--- Waits for the whole reply, of which nobody is given a piece before: so it may be
--- asked for again when the answer breaks off in its middle.
---@param wants_answer? boolean a reply that is none is raised as an error
---@return neap.llm.Reply
function Stream:finish(wants_answer)
  local p = progress_of[self]
  p.wants_answer = wants_answer == true
  while advance(self, p) do p.queue, p.at = {}, 1 end
  return self.reply
end

--- Drops what is still to come, and with it the connection. Closing again does
--- nothing. A `<close>` variable that goes is closed.
function Stream:close()
  local p = progress_of[self]
  put_an_end_to(p)
  p.has_ended, p.why, p.queue, p.at = true, nil, {}, 1
  if p.account then p.account:close(core.is_cancelled() and { code = "cancelled" } or nil) end
end

StreamMeta.__close = Stream.close

-- What a stream that nobody has closed keeps of limits and budgets is given back.
function StreamMeta:__gc()
  local p = progress_of[self]
  if p then put_an_end_to(p) end
end

return M
