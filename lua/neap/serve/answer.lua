--- Answers: what a handler returns, as it is sent.
-- SPDX-License-Identifier: MIT
local core = require "neap.core"
local encode, null = require "neap.json".encode, require "neap.json".null
local new_error = require "neap.error".new
local options = require "neap.base.options"
local secret = require "neap.secret"
local time = core.system.time

local M = {}

-- RFC 9110, section 15.
local REASONS = { [200] = "OK", [201] = "Created", [202] = "Accepted", [204] = "No Content",
  [206] = "Partial Content", [301] = "Moved Permanently", [302] = "Found", [303] = "See Other",
  [304] = "Not Modified", [307] = "Temporary Redirect", [308] = "Permanent Redirect",
  [400] = "Bad Request", [401] = "Unauthorized", [403] = "Forbidden", [404] = "Not Found",
  [405] = "Method Not Allowed", [406] = "Not Acceptable", [408] = "Request Timeout",
  [409] = "Conflict", [410] = "Gone", [411] = "Length Required", [412] = "Precondition Failed",
  [413] = "Content Too Large", [414] = "URI Too Long", [415] = "Unsupported Media Type",
  [417] = "Expectation Failed", [421] = "Misdirected Request", [422] = "Unprocessable Content",
  [429] = "Too Many Requests", [431] = "Request Header Fields Too Large",
  [500] = "Internal Server Error", [501] = "Not Implemented", [502] = "Bad Gateway",
  [503] = "Service Unavailable", [504] = "Gateway Timeout", [505] = "HTTP Version Not Supported" }

-- What the server sets by itself.
local OURS = { ["content-length"] = true, ["transfer-encoding"] = true, date = true }

local TEXT <const> = "Content-Type: text/plain; charset=utf-8\r\n"
local JSON <const> = "Content-Type: application/json\r\n"
local BYTES <const> = "Content-Type: application/octet-stream\r\n"
local EVENTS <const> = "Content-Type: text/event-stream\r\n"

-- The begin of each answer, for one second.
local begins, begun_at = {}, nil

local function status_line(status)
  local now = time()
  if now ~= begun_at then
    begins, begun_at = {}, now
  end
  local line = begins[status]
  if not line then
    line = ("HTTP/1.1 %d %s\r\nDate: %s\r\n"):format(status, REASONS[status] or "",
      core.serve.date(now))
    begins[status] = line
  end
  return line
end

---@class neap.serve.Answer
---@field status integer
---@field body nil|string|fun(): string|nil
---@field events? neap.serve.Events
---@field lines string the fields, each with its end
---@field type string the field with the type of the body, "" if there is none
---@field closes boolean|nil the handler wants the connection to be closed

local function fault(format, ...)
  error(new_error { code = "answer", retryable = false, message = format:format(...) }, 0)
end

local function add_line(answer, name, value)
  if secret.is(value) then value = value:reveal() end
  if type(value) ~= "string" and type(value) ~= "number" then
    fault("the header '%s' is a %s; a string or number expected", name, type(value))
  end
  value = tostring(value)
  if value:find("[\0-\8\10-\31\127]") then
    fault("the header '%s' has a control character", name)
  end
  answer.lines = ("%s%s: %s\r\n"):format(answer.lines, name, value)
end

M.add_line = add_line

local function add_headers(answer, headers)
  if type(headers) ~= "table" then
    fault("the headers of the answer are a %s; a table expected", type(headers))
  end
  for name, value in pairs(headers) do
    if type(name) ~= "string" or not name:find("^[%w!#$%%&'*+.^_`|~-]+$") then
      fault("the answer has a header whose name is '%s'", tostring(name))
    end
    local lower = name:lower()
    if OURS[lower] then fault("the header '%s' is set by the server itself", name) end
    if lower == "content-type" then answer.type = "" end
    if lower == "connection" then
      answer.closes = tostring(value):lower() == "close"
    elseif type(value) == "table" and not secret.is(value) then
      for _, each in ipairs(value) do add_line(answer, name, each) end
    else
      add_line(answer, name, value)
    end
  end
end

local function is_callable(value)
  if type(value) == "function" then return true end
  local meta = getmetatable(value)
  return type(meta) == "table" and meta.__call ~= nil
end

local CALLABLE = { test = is_callable, expected = "function" }

--- Events that a handler answers with.
---@class neap.serve.Events
---@field iterator fun(): any
local events_meta = { __name = "neap.serve.Events" }

--- Makes the body of an answer of events, by the HTML standard of WHATWG, section
--- "Server-sent events".
---@param iterator fun(): string|table|nil
---@return neap.serve.Events
function M.events(iterator)
  options.argument(1, "events", iterator, CALLABLE)
  return setmetatable({ iterator = iterator }, events_meta)
end

local function is_events(value)
  return getmetatable(value) == events_meta
end

local function set_body(answer, body)
  if body == nil then return end
  if type(body) == "string" then
    answer.body, answer.type = body, TEXT
  elseif is_events(body) then
    answer.events, answer.type = body, EVENTS
    answer.lines = "Cache-Control: no-store\r\n"
  elseif is_callable(body) then
    answer.body, answer.type = body, BYTES
  elseif type(body) == "table" or type(body) == "boolean" or type(body) == "number"
      or body == null then
    answer.body, answer.type = encode(body), JSON
  else
    fault("the body of the answer is a %s; a string, table, iterator or events expected",
      type(body))
  end
end

--- Makes an answer of what a handler has returned: a status, a body and headers. Without a
--- status, it is 200, or 204 where there is no body either.
---@param status any
---@param body any
---@param headers any
---@return neap.serve.Answer
function M.new(status, body, headers)
  if math.type(status) ~= "integer" then
    status, body, headers = status == nil and body == nil and 204 or 200, status, body
  end
  if status < 200 or status > 599 then
    fault("the status of the answer is %d; one from 200 to 599 expected", status)
  end
  local answer = { status = status, body = nil, lines = "", type = "" }
  set_body(answer, body)
  if headers ~= nil then add_headers(answer, headers) end
  return answer
end

--- Makes the answer to a request that is refused.
---@param status integer
---@param message string
---@param headers? table
---@return neap.serve.Answer
function M.refusal(status, message, headers)
  return M.new(status, { error = { status = status, message = message } }, headers)
end

--- The text of an answer, as it is sent.
---@param answer neap.serve.Answer
---@param framing string the fields that frame it
---@param body string
---@return string
function M.text(answer, framing, body)
  return status_line(answer.status) .. answer.type .. answer.lines .. framing .. "\r\n" .. body
end

-- A field of an event. Its lines are lines of the stream.
local function event_lines(name, value)
  return (("%s: %s\n"):format(name, (tostring(value):gsub("\r\n?", "\n"):gsub("\n",
    ("\n%s: "):format(name)))))
end

--- An event, as it is sent.
---@param event any a string, which is the data, or a table with `data`, `event`, `id`, `retry`
---@return string
function M.event(event)
  if type(event) ~= "table" then return event_lines("data", event) .. "\n" end
  local parts = {}
  for _, name in ipairs { "event", "id" } do
    local value = event[name]
    if value ~= nil then
      if tostring(value):find("[\0\r\n]") then
        fault("the field '%s' of an event has a line break or a zero byte", name)
      end
      parts[#parts + 1] = ("%s: %s\n"):format(name, value)
    end
  end
  if event.retry then parts[#parts + 1] = ("retry: %d\n"):format(event.retry * 1000 // 1) end
  local data = event.data
  if type(data) == "table" then data = encode(data) end
  if data ~= nil then parts[#parts + 1] = event_lines("data", data) end
  return table.concat(parts) .. "\n"
end

return M
