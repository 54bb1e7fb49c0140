--- Server-sent events: parsing a stream of them, and reconnecting after a break.
-- SPDX-License-Identifier: MIT
--
-- By the HTML standard of WHATWG, section "Server-sent events", except that bytes which are
-- not UTF-8 are not replaced.
local concurrent = require "neap.task.concurrent"
local core = require "neap.core"
local new_error = require "neap.error".new
local options = require "neap.base.options"
local reader = require "neap.io.reader"
local retry = require "neap.http.retry"

local byte, find, sub = string.byte, string.find, string.sub

local M = {}

local MAX_LINE = reader.MAX_LINE

---@class neap.http.Event
---@field event string its type; "message" unless the server names one
---@field data string its lines, joined with line breaks
---@field id string the last id that the server sent; "" if it sent none

-- The state of the parser. It is not in local variables, so that a task that is cancelled
-- in the middle of an event loses nothing.
---@class neap.sse.Stream
---@field chunk? string the bytes received; from `at` on they are not yet parsed
---@field at integer
---@field has_cr boolean whether there is a carriage return in the chunk
---@field is_plain boolean whether a whole event may be cut out of the chunk at once
---@field after_cr boolean a line feed that comes next belongs to the line before
---@field partial string[] the beginning of a line
---@field partial_size integer the bytes in `partial`
---@field in_comment boolean the line is a comment, which is not kept
---@field size integer of the data of the event so far
---@field data string[] the lines of the event so far
---@field type string its type, "" if it has none
---@field id string its id
---@field last_id string the id of the last event that has ended
---@field is_first boolean no line has been parsed yet
---@field is_between boolean the last line ended an event, and the next has not begun
---@field retry? number seconds to wait before reconnecting, as the server says
---@field has_ended? boolean the stream has ended
local Stream = {}
Stream.__index = Stream

local function new_stream(last_id, seconds)
  return setmetatable({ at = 1, has_cr = false, is_plain = false, after_cr = false, partial = {},
    partial_size = 0, in_comment = false, size = 0, data = {}, type = "", id = last_id,
    last_id = last_id, is_first = true, is_between = false, retry = seconds }, Stream)
end

-- Raises an error if an event would have too many bytes of data.
local function limit(size)
  if size > MAX_LINE then
    error(new_error { code = "line", retryable = false,
      message = ("an event is longer than %d bytes"):format(MAX_LINE) }, 0)
  end
end

-- Drops the bytes that are not yet parsed.
function Stream:drop()
  self.chunk = nil
end

-- Whether a comment begins here: at the beginning of a line, or behind the byte order mark
-- of the first line.
local function begins_comment(self, piece)
  local size = self.partial_size
  if size == 0 and piece:byte() == 58 then return true end
  return self.is_first and size < 4
    and (table.concat(self.partial) .. piece:sub(1, 4)):find("^\xEF\xBB\xBF:") ~= nil
end

-- Keeps the beginning of a line whose end has not come yet. Comments are not kept, however
-- long they are.
local function keep_partial(self, piece)
  if self.in_comment or piece == "" then return end
  if begins_comment(self, piece) then
    self.in_comment, self.is_first = true, false
    self.partial, self.partial_size = {}, 0
    return
  end
  self.partial[#self.partial + 1] = piece
  self.partial_size = self.partial_size + #piece
  limit(self.size + self.partial_size - #"data: ")
end

-- Takes the next line from the chunk; nil if there is no whole line.
local function take_line(self)
  local chunk, at = self.chunk, self.at
  if not chunk then return nil end
  self.is_between = false
  if self.after_cr and chunk:byte(at) == 10 then at = at + 1 end
  self.after_cr = false
  local stop
  if self.has_cr then
    stop = chunk:find("[\r\n]", at)
  else -- a plain search is many times faster
    stop = chunk:find("\n", at, true)
  end
  if not stop then
    self.chunk = nil
    keep_partial(self, at == 1 and chunk or chunk:sub(at))
    return nil
  end
  self.after_cr = chunk:byte(stop) == 13
  self.at = stop + 1
  if stop == #chunk then self.chunk = nil end
  local line = chunk:sub(at, stop - 1)
  if self.in_comment then
    self.in_comment = false
    return ":"
  elseif self.partial[1] then
    self.partial[#self.partial + 1] = line
    line, self.partial, self.partial_size = table.concat(self.partial), {}, 0
  end
  if self.is_first then
    self.is_first = false
    line = line:gsub("^\xEF\xBB\xBF", "")
  end
  return line
end

-- Ends an event. Returns it, unless it has no data.
local function dispatch(self)
  self.last_id = self.id
  local data, name = self.data, self.type
  self.type, self.size, self.is_between = "", 0, not self.after_cr
  if not data[1] then return nil end
  self.data = {}
  return {
    event = name == "" and "message" or name,
    data = data[2] and table.concat(data, "\n") or data[1],
    id = self.last_id,
  }
end

local fields = {
  event = function(self, value) self.type = value end,
  data = function(self, value)
    limit(self.size + #value)
    self.size = self.size + #value + 1
    self.data[#self.data + 1] = value
  end,
  id = function(self, value)
    if not value:find("\0", 1, true) then self.id = value end
  end,
  retry = function(self, value)
    if value:find("^%d+$") then self.retry = tonumber(value) / 1000 end
  end,
}

-- Parses one line. Returns an event if the line ends one.
local function interpret(self, line)
  if line == "" then return dispatch(self) end
  local colon = line:find(":", 1, true)
  local name, value = line, ""
  if colon then
    name = line:sub(1, colon - 1)
    value = line:sub(line:byte(colon + 1) == 32 and colon + 2 or colon + 1)
  end
  local take = fields[name]
  if take then take(self, value) end
end

-- Takes a whole event with one line of data, which most are, in one step instead of through
-- the functions above. Nil if the next event is not of this form.
local function take_plain(self)
  local chunk, at = self.chunk, self.at
  if not chunk or not self.is_plain or not self.is_between then return nil end
  local stop = find(chunk, "\n", at, true)
  if not stop or byte(chunk, stop + 1) ~= 10 or sub(chunk, at, at + 5) ~= "data: " then
    return nil
  end
  self.at = stop + 2
  if stop + 1 == #chunk then self.chunk = nil end
  return { event = "message", data = sub(chunk, at + 6, stop - 1), id = self.last_id }
end

-- Returns the next event in the chunk, nil if there is none.
local function next_event(self)
  local plain = take_plain(self)
  if plain then return plain end
  while true do
    local line = take_line(self)
    if not line then return nil end
    local event = interpret(self, line)
    if event then return event end
  end
end

-- Returns why a response is not a stream of events, nil if it is one.
local function fault(response)
  local kind = response.headers["content-type"] or ""
  if response.status ~= 200 then
    return ("status %d"):format(response.status)
  elseif not kind:lower():find("^%s*text/event%-stream%s*$")
    and not kind:lower():find("^%s*text/event%-stream%s*;") then
    return ("the answer is %s, not text/event-stream"):format(kind == "" and "of no type" or kind)
  end
end

-- Waits for more bytes; false at the end of the stream.
local function feed(response)
  local bytes, stream = response:read_some(), response.sse
  if not bytes then return false end
  local has_cr = find(bytes, "\r", 1, true) ~= nil
  stream.chunk, stream.at, stream.has_cr = bytes, 1, has_cr
  stream.is_plain = not has_cr and #bytes <= MAX_LINE
  return true
end

-- Returns the result of f, or nil and an error that is retryable; raises other errors.
local function attempt(f, ...)
  local ok, result = pcall(f, ...)
  if ok then return result end
  if type(result) == "table" and result.retryable == true then return nil, result end
  error(result, 0)
end

-- The options for the waits between attempts, as of a node.
local function policy(stream, opts)
  local wait = stream.retry or opts.wait
  return { wait = wait, backoff = opts.backoff, max_wait = math.max(opts.max_wait, wait),
    jitter = opts.jitter }
end

-- Calls f, which may wait, in a task that is cancelled when the response is closed.
local function unless_closed(response, f, ...)
  local arguments = table.pack(...)
  concurrent.race {
    function() f(table.unpack(arguments, 1, arguments.n)) end,
    function() response.closing:wait() end,
  }
  if response.closed then
    error(new_error { code = "closed", retryable = false,
      message = ("%s: the response has been closed"):format(response.what) }, 0)
  end
end

-- The outcome of an attempt to reconnect. When it is closed, it closes a response that was
-- not taken from it.
local answer = { __close = function(found)
  if found.other then found.other:close() end
end }

-- Sends the request again and notes the outcome in `found`: `other`, the response that
-- replaces this one; `is_over`, if the server has no more events; or a `failure` that is
-- retryable, and the wait that the server `asked` for.
local function connect(response, headers, found)
  local other
  other, found.failure = attempt(response.resend, headers)
  found.asked = nil
  if not other then return end
  local why = fault(other)
  if other.status == 204 then
    other:close()
    found.is_over = true
  elseif why then
    found.asked = other:retry_after()
    found.failure = select(2, attempt(other.refuse, other, why))
  else
    found.other = other
  end
end

-- Raises an error if the server asks for a longer wait than allowed.
local function check_asked(response, opts, asked, failure)
  if not retry.asks_too_much(opts, asked) then return end
  error(new_error { code = "http", retryable = true, retry_after = asked, cause = failure,
    url = failure.url, message = ("%s: the server asks to be left alone for %g s, which is "
      .. "more than 'max_retry_after' allows"):format(response.what, asked) }, 0)
end

-- Reconnects, and lets the response go on with the new connection; false if the server has
-- no more events. If no attempts are left, raises `failure` or the last failure after it.
local function reconnect(response, opts, failure)
  local stream = response.sse
  local headers = stream.last_id ~= "" and { ["Last-Event-ID"] = stream.last_id } or {}
  local found <close> = setmetatable({ failure = failure }, answer)
  local function sleep(seconds) unless_closed(response, core.sleep, seconds) end
  for n = 0, math.huge do
    if n >= (opts.max_retries or math.huge) then error(found.failure, 0) end
    check_asked(response, opts, math.max(found.asked or 0, stream.retry or 0), found.failure)
    retry.wait(response.what, policy(stream, opts), n, found.failure, found.asked, sleep)
    unless_closed(response, connect, response, headers, found)
    if found.is_over then return false end
    if found.other then
      response:take_over(found.other)
      found.other = nil
      response.sse = new_stream(stream.last_id, stream.retry)
      return true
    end
  end
end

-- Waits for more of the stream, reconnecting if asked to; false at its end.
local function go_on(response, opts)
  if not opts.reconnect then return feed(response) end
  local more, failure = attempt(feed, response)
  return more or reconnect(response, opts, failure or new_error {
    code = "http", retryable = true, message = "events: the server has ended the stream" })
end

--- Returns the iterator of Response:events.
---@param response neap.http.Response
---@param opts? table
---@return fun(): neap.http.Event|nil
function M.events(response, opts)
  opts = options.take(opts, "events")
  if opts.reconnect and not response.resend then
    options.blame("events: the option 'reconnect' is for responses with stream = true")
  elseif opts.reconnect and response.no_resend then
    options.blame("events: " .. response.no_resend)
  end
  local why = fault(response)
  if why then response:refuse(why) end
  response.sse = response.sse or new_stream("")
  if opts.reconnect then response.closing = response.closing or core.event() end
  return function()
    while true do
      local stream = response.sse
      local event = stream.chunk and next_event(stream)
      if event then return event end
      if stream.has_ended or not go_on(response, opts) then
        response.sse.has_ended = true
        return nil
      end
    end
  end
end

return M
