--- Responses, whole or streamed.
-- SPDX-License-Identifier: MIT
local class = require "neap.base.class"
local core = require "neap.core"
local dates = require "neap.http.date"
local new_error = require "neap.error".new
local options = require "neap.base.options"
local reader = require "neap.io.reader"
local retry = require "neap.http.retry"
local rules = require "neap.base.schema".rules

local json = core.json

local M = {}

---@class neap.http.Response: neap.Reader
---@field status integer the status code
---@field ok boolean whether the status is from 200 to 299
---@field headers table<string, string|string[]> by name in lower case; several
--- values of one name are joined with ", ", only those of "set-cookie" are a list
---@field body string|nil decoded (gzip, br, zstd, deflate); nil while it streams
---@field url string the address that answered, after redirects; without user and password
---@field private what string the function that was called, for messages
---@field private handle? userdata of a streamed response
---@field private closed? boolean
---@field private given? boolean the body has been read
---@field private sse? neap.sse.Stream the state of events
---@field private closing? neap.Event set by close, to end an attempt to reconnect
---@field private resend? fun(headers: table): neap.http.Response
---@field private no_resend? string why the request must not be sent again
local Response, ResponseMeta = class("neap.http.Response")
reader.extend(Response)

-- The number of bytes of a failed response's body that the error keeps.
local MAX_ERROR_BODY = 64 * 1024

--- Returns an address as errors may show it: without query and user.
---@param url string
---@return string
function M.public(url)
  return (url:gsub("[?#].*$", ""):gsub("://[^/]*@", "://"))
end

--- Makes a response of the binding's table.
---@param response table
---@return neap.http.Response
function M.new(response)
  return setmetatable(response, ResponseMeta)
end

-- Waits for the next bytes, for neap.io.reader.
function Response:receive()
  if self.handle then return (self.handle:receive()) end
  if self.given or self.body == "" then return nil end
  self.given = true
  return self.body
end

--- Replaces the option `idle_timeout` from now on. A response that is not streamed has come
--- already, and nothing changes.
---@param seconds number|nil more than 0; nil: no limit
function Response:limit_idle(seconds)
  if seconds ~= nil then options.argument(1, "limit_idle", seconds, rules.seconds) end
  if self.handle then self.handle:limit_idle(seconds or 0) end
end

--- Drops the rest of the body, and the connection with it. A task that waits for the body
--- gets an error of code "closed", and so does an iteration over events, even while it
--- reconnects. Closing again, or closing a whole response, does nothing. `<close>` variables
--- and the collector close a response as well.
function Response:close()
  self.closed = true
  if not self.handle then return end
  self.handle:close()
  self.rest = nil
  if self.sse then self.sse:drop() end
  if self.closing then self.closing:set() end
end

ResponseMeta.__close = Response.close

--- Decodes the body; of a streamed response, waits for the rest of it. If it is no JSON,
--- raises an error object of code "json" that names the address and has `line`, `column`
--- and `offset`.
---@return any
function Response:json()
  if not self.body then self.body = self:read("a") end
  local ok, value = pcall(json.decode, self.body)
  if ok then return value end
  if type(value) == "table" then
    value.url = M.public(self.url)
    value.message = ("%s: %s"):format(value.url, value.message)
  end
  error(value, 0)
end

--- Iterates over server-sent events by the HTML standard of WHATWG. Waits for each. An event
--- that is incomplete at the end of the stream is dropped.
---
--- Raises an error object of code "http" unless the status is 200 and the type is
--- text/event-stream, and one of code "line" when an event has more than 16 MiB of data.
---
--- With `reconnect`, the iteration goes on after the end of the stream: the request is sent
--- again, with the header Last-Event-ID, and the response becomes that of the new
--- connection. The server ends the iteration with status 204, the script with `close`.
---@param opts? neap.http.EventOptions
---@return fun(): neap.http.Event|nil
function Response:events(opts)
  local iterate = require "neap.http.sse".events(self, opts)
  return iterate
end

-- The seconds for which the server asks to wait; nil if it does not.
function Response:retry_after()
  return dates.retry_after(self.headers)
end

-- Replaces this response by another one to the same request.
function Response:take_over(other)
  self.handle:close()
  self.handle, self.rest, self.at = other.handle, nil, nil
  self.status, self.ok, self.headers, self.url =
    other.status, other.ok, other.headers, other.url
end

-- Returns the error for a response that tells of a failure.
function Response:failure(why, body)
  return new_error {
    code = "http",
    message = ("%s %s: %s"):format(self.what, M.public(self.url), why),
    status = self.status,
    url = M.public(self.url),
    body = body,
    retryable = self.status >= 500 or retry.is_retryable(self.status),
    retry_after = self:retry_after(),
  }
end

-- Raises that error, with the beginning of the body.
function Response:refuse(why)
  local body = self.body
  if not body then
    local ok
    ok, body = pcall(self.read, self, MAX_ERROR_BODY)
    self:close()
    if not ok and core.is_cancelled() then error(body, 0) end
    body = ok and body or ""
  end
  error(self:failure(why, body), 0)
end

return M
