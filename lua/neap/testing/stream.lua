--- Streams in memory, for the fakes of programs and peers.
-- SPDX-License-Identifier: MIT
--
-- They wait, hold up writers and fail like real ones, but take no real time.
local class = require "neap.base.class"
local core = require "neap.core"
local new_error = require "neap.error".new

local M = {}

-- The number of bytes that may be written but not yet read before a writer is held up.
local ROOM = 64 * 1024

-- One direction of a stream: the bytes that were written and not yet read.
---@class neap.testing.Pipe
---@field record? fun(bytes: string) is called with the bytes that are written
---@field failure? any the error of the writing end
local function new_pipe()
  return { pieces = {}, first = 1, last = 0, size = 0, ended = false, abandoned = false,
    changed = core.event(), turn = core.semaphore(1) }
end

-- Lets the tasks that wait for a pipe look at it again.
local function tell(pipe)
  local changed = pipe.changed
  pipe.changed = core.event()
  changed:set()
end

local function fail(code, words, why, errno)
  error(new_error { code = code, errno = errno, message = ("%s: %s"):format(words, why) }, 0)
end

-- A handle for neap.stream: one end, which reads from one pipe and writes to another.
---@class neap.testing.Handle
---@field label string the other end, for messages
---@field code string of its errors
---@field from neap.testing.Pipe
---@field to neap.testing.Pipe
local Handle, HandleMeta = class("neap.testing.StreamHandle")

function Handle:check_open(words)
  if self.closed then fail("closed", words, "closed") end
end

-- Waits for bytes; nil at the end.
function Handle:receive()
  local words, from = "read from " .. self.label, self.from
  core.may_wait(words)
  self:check_open(words)
  if self.is_reading then fail("busy", words, "another task is waiting for that already") end
  self.is_reading = true
  local _ <close> = setmetatable({}, { __close = function() self.is_reading = false end })
  while from.size == 0 do
    if from.failure ~= nil then error(from.failure, 0) end
    if from.ended then return nil end
    from.changed:wait()
    self:check_open(words)
  end
  local piece = from.pieces[from.first]
  from.pieces[from.first] = nil
  from.first, from.size = from.first + 1, from.size - #piece
  tell(from)
  return piece
end

function Handle:available()
  return self.from.size
end

-- Raises an error if nothing can be written any more.
function Handle:check_writable(words)
  if self.closed or self.to.ended then fail("closed", words, "closed") end
  if self.from.failure ~= nil then error(self.from.failure, 0) end
  if self.to.abandoned then fail(self.code, words, "broken pipe", "EPIPE") end
end

-- Writes, in the order of the calls, and waits until there is room again.
function Handle:write(bytes)
  local words, to = "write to " .. self.label, self.to
  core.may_wait(words)
  local _ <close> = to.turn:acquire()
  self:check_writable(words)
  if bytes == "" then return end
  to.last, to.size = to.last + 1, to.size + #bytes
  to.pieces[to.last] = bytes
  if to.record then to.record(bytes) end
  tell(to)
  while to.size > ROOM and not to.abandoned do
    to.changed:wait()
    self:check_open(words)
  end
end

-- Writes the end.
function Handle:finish()
  local words, to = "finish " .. self.label, self.to
  core.may_wait(words)
  local _ <close> = to.turn:acquire()
  self:check_writable(words)
  to.ended = true
  tell(to)
end

function Handle:close()
  if self.closed then return end
  self.closed = true
  self.to.ended, self.from.abandoned = true, true
  self.from.pieces, self.from.size = {}, 0
  self.from.first, self.from.last = 1, 0
  tell(self.to)
  tell(self.from)
end

--- Closes the stream. The other end fails with `failure` when it has read all that was
--- written.
---@param failure any
function Handle:break_off(failure)
  self.to.failure = failure
  self:close()
end

--- Makes two connected handles: bytes written to one are read from the other.
---@param code string of their errors
---@param label string the other end of the first one, for messages
---@param other_label string the other end of the second one
---@param record? fun(bytes: string) is called with the bytes that are written to the first
---@return neap.testing.Handle, neap.testing.Handle
function M.pair(code, label, other_label, record)
  local there, back = new_pipe(), new_pipe()
  there.record = record
  return setmetatable({ code = code, label = label, from = back, to = there }, HandleMeta),
    setmetatable({ code = code, label = other_label, from = there, to = back }, HandleMeta)
end

--- Makes a handle from which a text can be read, and to which nothing can be written.
---@param text string
---@param label string the other end, for messages
---@return neap.testing.Handle
function M.of(text, label)
  local from, to = new_pipe(), new_pipe()
  if text ~= "" then from.pieces[1], from.last, from.size = text, 1, #text end
  from.ended, to.abandoned = true, true
  return setmetatable({ code = "stream", label = label, from = from, to = to }, HandleMeta)
end

return M
