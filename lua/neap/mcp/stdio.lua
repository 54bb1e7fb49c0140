--- A server that is a program, which is talked to by its standard input and output.
-- SPDX-License-Identifier: MIT
--
-- One task keeps the program: it starts it, reads what it says, and ends it. Whoever waits
-- for an answer waits for that task, so a caller that is cancelled takes no byte from
-- others. The task belongs to nobody, since a connection may be used by any task; it ends
-- with the connection.
local core = require "neap.core"
local failure = require "neap.mcp.failure"
local messages = require "neap.mcp.message"
local neap = require "neap"
local new_error = require "neap.error".new
local words = require "neap.mcp.words"

local M = {}

-- How long a server may take to end by itself when its input has ended, and how long what
-- it has left in its error output is waited for.
local GRACE, LAST_WORDS = 2, 0.5

-- How many messages are kept for a server that does not read.
local MOST_UNREAD = 1000

---@class neap.mcp.Entry a request under way
---@field text string
---@field done neap.Event
---@field answer? table
---@field failure? any

---@class neap.mcp.Stdio
---@field label string
---@field hide fun(text: string): string takes secrets out of a text
---@field on_message fun(self: table, message: table) is told what is no answer
---@field failure? any why nothing can be asked any more
---@field private pending table<integer, neap.mcp.Entry>
---@field private outbox table[] what is to be written
---@field private more neap.Event set when there is more to write
---@field private opened neap.Event
---@field private closing neap.Event
---@field private words neap.mcp.Words
---@field private noise integer lines that were no messages
local Stdio = {}
Stdio.__index = Stdio

-- Ends all that waits, and refuses what comes.
local function fail(self, err)
  if not self.failure then self.failure = err end
  local pending = self.pending
  self.pending = {}
  for _, entry in pairs(pending) do
    entry.failure = self.failure
    entry.done:set()
  end
  self.opened:set()
end

--- The last lines of the server's stderr, as the end of a sentence.
---@return string
---@return string|nil stderr
function Stdio:last_words()
  local text = self.words:last()
  local noise = self.noise > 0
    and ("; %d line(s) of its output were no messages"):format(self.noise) or ""
  if not text then return noise, nil end
  return ("%s; its stderr ends with:\n%s"):format(noise, text), text
end

-- Settles the request that an answer is for; others have been given up.
local function settle(self, answer)
  local entry = self.pending[answer.id]
  if not entry then return end
  self.pending[answer.id] = nil
  entry.answer = answer
  entry.done:set()
end

local function receive(self, value)
  local kind = messages.kind(value)
  if kind == "answer" then
    settle(self, value)
  elseif kind then
    self:on_message(value)
  elseif type(value) == "table" and value[1] ~= nil then
    for _, each in ipairs(value) do receive(self, each) end -- a batch
  else
    self.noise = self.noise + 1
  end
end

-- Reads messages until there are no more. Returns why, if that is an error.
local function read(self, process)
  local ok, err = neap.try(function()
    for line in process.stdout:lines() do
      if line:find("%S") then receive(self, messages.decode(line)) end
    end
  end)
  return not ok and err or nil
end

-- Writes what is in the outbox. Whoever reads notices when the server is gone.
local function write(self, process)
  while true do
    local entry = table.remove(self.outbox, 1)
    if entry then
      if not neap.try(process.stdin.write, process.stdin, entry.text, "\n") then return end
    elseif self.closing:is_set() then
      return neap.try(process.stdin.finish, process.stdin)
    else
      self.more:wait()
      self.more:clear()
    end
  end
end

local function read_errors(self, process)
  neap.try(function()
    for bytes in process.stderr:chunks() do self.words:add(bytes) end
  end)
end

-- How a program has ended, in words.
local function ending(result)
  if not result then return "has closed its output" end
  if result.signal then return ("was ended by %s"):format(result.signal) end
  return ("has ended with exit code %d"):format(result.code)
end

-- The error of a server that says no more.
local function death(self, process, why, errors)
  if self.closing:is_set() then return nil end
  if why and why.code == "line" then
    return failure.broken(self.label, "the server has sent a message that is too long: %s",
      why.message)
  end
  local _, result = neap.try(neap.timeout, LAST_WORDS, process.wait, process)
  if type(result) == "table" and result.ok == nil then result = nil end -- an error
  neap.try(neap.timeout, LAST_WORDS, errors.await, errors)
  local end_of_sentence, stderr = self:last_words()
  return failure.new("dead", ("%s: the server %s%s"):format(self.label, ending(result),
    end_of_sentence), { status = result and result.code, signal = result and result.signal,
    stderr = stderr, retryable = false })
end

-- Talks to the program until it says no more, or is to be closed.
local function talk(self, process)
  local errors = neap.spawn(read_errors, self, process)
  neap.spawn(write, self, process)
  local why
  neap.race {
    function() why = read(self, process) end,
    function()
      self.closing:wait()
      neap.sleep(GRACE)
    end,
  }
  fail(self, death(self, process, why, errors) or self.failure)
end

-- Whatever ends the keeper, nobody waits for it any longer.
local kept = { __close = function(held, err)
  local self = held.transport
  if self.failure then return end
  local why = type(err) == "table" and err.message or err
  fail(self, failure.new("dead", ("%s: the connection has ended: %s"):format(self.label,
    core.text(why)), { retryable = false }))
end }

-- The task that keeps the program.
local function keep(self, command)
  local _ <close> = setmetatable({ transport = self }, kept)
  local ok, process = pcall(neap.process.spawn, command)
  if not ok then return fail(self, process) end
  local started <close> = process
  self.opened:set()
  talk(self, started)
  started:close()
  neap.try(started.wait, started)
end

local function check(self)
  if self.failure then error(self.failure, 0) end
end

local function send(self, entry)
  self.outbox[#self.outbox + 1] = entry
  self.more:set()
end

--- Is told the version that holds, which a program knows by itself.
function Stdio:agreed() end

--- Sends a notification or an answer. Does not wait. A server that asks and asks, and does
--- not read, gets no more answers.
---@param message table
function Stdio:notify(message)
  if self.failure or #self.outbox >= MOST_UNREAD then return end
  send(self, { text = messages.encode(message) })
end

--- Begins a request. Does not wait.
---@param message table
---@return neap.mcp.Entry
function Stdio:begin(message)
  check(self)
  local entry = { id = message.id, text = messages.encode(message), done = neap.event() }
  self.pending[message.id] = entry
  send(self, entry)
  return entry
end

--- Asks for a stream of notifications, if that needs a request. Does not wait; the request
--- is answered when the stream ends.
---@param message? table
function Stdio:listen(message)
  if message then self:begin(message) end
end

--- Gives a request up. The server is told, unless it has not seen it.
---@param entry neap.mcp.Entry
---@param reason? string nil: it is not told
function Stdio:forget(entry, reason)
  if self.pending[entry.id] ~= entry then return end
  self.pending[entry.id] = nil
  for i, each in ipairs(self.outbox) do
    if each == entry then return table.remove(self.outbox, i) end
  end
  if reason then
    self:notify(messages.notification("notifications/cancelled",
      { requestId = entry.id, reason = reason }))
  end
end

--- Waits for the answer of a request that has begun.
---@param entry neap.mcp.Entry
---@return table answer
function Stdio:finish(entry)
  entry.done:wait()
  if entry.failure then error(entry.failure, 0) end
  return entry.answer
end

local forgotten = { __close = function(held)
  held.transport:forget(held.entry, "nobody waits any more")
end }

--- Asks, and waits for the answer. A caller that is cancelled, or does not wait any longer,
--- gives the request up.
---@param message table
---@return table answer
function Stdio:request(message)
  local entry = self:begin(message)
  local _ <close> = setmetatable({ transport = self, entry = entry }, forgotten)
  return (self:finish(entry))
end

-- Refuses what comes, and lets what waits end.
local function shut(self)
  if self.closing:is_set() then return end
  self.closing:set()
  fail(self, new_error { code = "closed", retryable = false,
    message = self.label .. ": the connection has been closed" })
  self.more:set()
end

--- Ends the connection. Waits until nothing of it is left. With `patiently`, the server has
--- time to end by itself, and has ended when this returns; else it is ended.
---@param patiently boolean
function Stdio:close(patiently)
  shut(self)
  if not patiently then self.keeper:cancel() end
  -- That the keeper was cancelled is no error of whoever closes.
  neap.try(neap.shield, 3 * GRACE, pcall, self.keeper.await, self.keeper)
end

--- Ends the connection in the collector, where nobody waits.
function Stdio:abandon()
  shut(self)
  self.keeper:cancel()
end

local unopened = { __close = function(held, err)
  if err ~= nil then held.transport:close(false) end
end }

--- Starts a server. Waits. Raises code "process" if it cannot be started.
---@param command string[] the program and its arguments
---@param env? table
---@param on_message fun(self: table, message: table)
---@return neap.mcp.Stdio
function M.open(command, env, on_message)
  local hide = words.hider(env, false)
  local self = setmetatable({ label = "mcp " .. command[1]:match("[^/]*$"), hide = hide,
    on_message = on_message, pending = {}, outbox = {}, noise = 0, words = words.new(hide),
    more = neap.event(), opened = neap.event(), closing = neap.event() }, Stdio)
  local argv = table.move(command, 1, #command, 1, { env = env, stderr = "pipe", grace = GRACE })
  self.keeper = neap.spawn_detached(keep, self, argv)
  local _ <close> = setmetatable({ transport = self }, unopened)
  self.opened:wait()
  check(self)
  return self
end

return M
