--- The fake of neap.http: a test answers the requests.
-- SPDX-License-Identifier: MIT
local class = require "neap.base.class"
local concurrent = require "neap.task.concurrent"
local core = require "neap.core"
local answers = require "neap.testing.answers"
local fake = require "neap.testing.fake"
local new_error = require "neap.error".new
local options = require "neap.base.options"
local responses = require "neap.http.response"

local M = {}

---@class neap.testing.Request
---@field method string
---@field url string
---@field headers table<string, string|neap.Secret> by name in lower case. What was given as
--- a secret is one here
---@field body? string

--- A fake of neap.http. A route is written as "GET http://host/path" or, for all methods, as
--- "http://host/path"; "*" at its end stands for any text. The query counts if the route has
--- one. The longest route that fits is taken. If none fits, the request fails.
---
--- The value of a route is an answer (a table, or a string that is the body), a function that
--- makes an answer from the request and may wait, or a list of these, one for each request,
--- the last one again and again.
---@class neap.testing.Http
---@field close fun(self) lets requests reach servers again
---@field requests neap.testing.Request[] the requests so far
---@field private routes table
---@field private turns table<string, integer>
local Fake, FakeMeta, begin = fake("neap.testing.Http", function(self)
  core.http.request, core.http.upload = self.real.request, self.real.upload
end)

-- The limit of a body that is received whole, in bytes, as of real responses.
local MAX_BODY = 64 * 1024 * 1024

local function check_routes(routes)
  answers.check_all(routes, "http", "routes")
  for route, given in pairs(routes) do
    if type(route) ~= "string" or not route:gsub("^%u+ ", ""):find("^https?://") then
      options.blame(('testing.http: a route is "GET http://host/path", got %s')
        :format(tostring(route)))
    end
    for _, answer in ipairs(answers.is_list(given) and given or { given }) do
      if type(answer) ~= "function" then answers.check(answer, "testing.http", "body", route) end
    end
  end
end

-- Whether a route, without its method, fits this address.
local function fits(route, url)
  local beginning = route:match("^(.*)%*$")
  if beginning then return url:sub(1, #beginning) == beginning end
  url = url:gsub("#.*$", "")
  return url == route or (not route:find("?", 1, true) and url:gsub("%?.*$", "") == route)
end

-- The route for a request; nil if there is none.
function Fake:find(method, url)
  local best, length = nil, -1
  for route in pairs(self.routes) do
    local only, address = route:match("^(%u+) (.*)$")
    address = address or route
    if (not only or only == method) and fits(address, url)
      and (#address > length or (#address == length and only)) then
      best, length = route, #address
    end
  end
  return best
end

-- The answer whose turn it is.
function Fake:answer(route, request)
  local answer = answers.take(self.turns, route, self.routes[route])
  if type(answer) == "function" then answer = answer(request) end
  return (answers.check(answer, "testing.http", "body", route))
end

-- The upload of a request's body.
local Upload, UploadMeta = class("neap.testing.Upload")
UploadMeta.__close = function() end

local function new_upload(size)
  return setmetatable({ size = size, pieces = {}, written = 0, ended = core.event() }, UploadMeta)
end

local function wrong_size(self, fault)
  error(new_error { code = "http", retryable = false,
    message = ("the body has %s bytes than the %d of body_size"):format(fault, self.size) }, 0)
end

function Upload:write(bytes)
  core.may_wait("room for the body of a request")
  self.written = self.written + #bytes
  if self.size and self.written > self.size then wrong_size(self, "more") end
  self.pieces[#self.pieces + 1] = bytes
end

function Upload:finish()
  if self.size and self.written < self.size then wrong_size(self, "fewer") end
  self.ended:set()
end

-- The error that a real request raises when no response comes.
local function failure_of(what, url, answer)
  return {
    code = answer.code or "http",
    message = ("%s %s: %s"):format(what, responses.public(url), answer.error),
    retryable = answer.retryable ~= false,
    url = responses.public(url),
  }
end

-- The handle of a streamed response.
local Handle, HandleMeta = class("neap.testing.Handle")

local function refuse(self, code, message)
  error(new_error { code = code, retryable = false,
    message = ("%s: %s"):format(self.what, message) }, 0)
end

local reading = { __close = function(read) read.handle.is_read = false end }

-- Waits for the next piece, at most until the response is closed, or has been idle for too
-- long.
local function wait_for_piece(self)
  if self.is_read then refuse(self, "busy", "another task is waiting for the body already") end
  self.is_read = true
  local _ <close> = setmetatable({ handle = self }, reading)
  concurrent.race {
    function() core.sleep(math.min(self.delay, self.max_idle)) end,
    function() self.closed:wait() end,
  }
  if self.delay > self.max_idle and not self.closed:is_set() then
    self.failure = failure_of(self.what, self.url, { code = "timeout",
      error = ("idle timeout of %g s"):format(self.max_idle) })
    self.at = math.huge
  end
end

function Handle:limit_idle(seconds)
  self.max_idle = seconds > 0 and seconds or math.huge
end

function Handle:receive()
  core.may_wait("the body of a response")
  local piece = self.chunks[self.at]
  if piece and self.delay > 0 and not self.closed:is_set() then
    wait_for_piece(self)
    piece = self.chunks[self.at]
  end
  if self.closed:is_set() then refuse(self, "closed", "the response has been closed") end
  if piece and self.received + #piece > self.max_body then
    self.failure = failure_of(self.what, self.url, { retryable = false,
      error = ("the body is larger than %d bytes"):format(self.max_body) })
    self.at, piece = math.huge, nil
  end
  if not piece then
    if self.failure then error(new_error(self.failure), 0) end
    return nil
  end
  self.at, self.received = self.at + 1, self.received + #piece
  return piece
end

function Handle:close()
  self.closed:set()
end

local function header_table(list, hidden)
  local headers = {}
  for i = 1, list and #list or 0, 2 do headers[list[i]:lower()] = list[i + 1] end
  for name, secret in pairs(hidden or {}) do headers[name] = secret end
  return headers
end

local function response_headers(answer)
  local headers = {}
  for name, value in pairs(answer.headers or {}) do
    name, value = name:lower(), tostring(value)
    headers[name] = name == "set-cookie" and { value } or value
  end
  if answer.json ~= nil then headers["content-type"] = "application/json" end
  return headers
end

local function time_out(what, request)
  error(new_error(failure_of(what, request.url, { code = "timeout",
    error = ("total timeout of %g s"):format(request.timeout) })), 0)
end

-- Waits for the answer's delay, at most until the time limit of the request.
local function wait(what, request, seconds)
  if request.timeout and seconds >= request.timeout then
    core.sleep(request.timeout)
    time_out(what, request)
  end
  core.sleep(seconds)
end

-- The pieces of a body, none of which is empty. Some answers have none.
local function pieces_of(answer, seen, status)
  if seen.method == "HEAD" or status == 204 or status == 304 then return {} end
  local body = answer.body or answer.json ~= nil and core.json.encode(answer.json) or ""
  local pieces = {}
  for _, piece in ipairs(answer.chunks or { body }) do
    if piece ~= "" then pieces[#pieces + 1] = piece end
  end
  return pieces
end

-- Returns the whole of a body that comes in pieces.
local function gather_body(handle)
  local pieces = {}
  for piece in handle.receive, handle do pieces[#pieces + 1] = piece end
  return table.concat(pieces)
end

-- Stands in for the request of neap.core.
function Fake:request(what, request)
  core.may_wait(what)
  local seen = { method = request.method, url = request.url, body = request.body,
    headers = header_table(request.headers, request.hidden) }
  self.requests[#self.requests + 1] = seen
  if request.upload then
    request.upload.ended:wait()
    seen.body = table.concat(request.upload.pieces)
  end
  local route = self:find(seen.method, seen.url)
  if not route then
    error(new_error(failure_of(what, seen.url, { retryable = false,
      error = ("the fake has no route for %s %s"):format(seen.method, seen.url) })), 0)
  end
  local answer = self:answer(route, seen)
  wait(what, request, answer.delay or 0)
  if answer.error and not answer.chunks then
    error(new_error(failure_of(what, seen.url, answer)), 0)
  end
  local status = answer.status or 200
  local handle = setmetatable({ what = what, url = seen.url, at = 1, received = 0,
    chunks = pieces_of(answer, seen, status), delay = answer.chunk_delay or 0,
    max_idle = request.idle_timeout or math.huge, closed = core.event(),
    max_body = request.max_body or request.stream and math.huge or MAX_BODY,
    failure = answer.error and failure_of(what, seen.url, answer) }, HandleMeta)
  local response = { what = what, status = status, ok = status >= 200 and status <= 299,
    headers = response_headers(answer), url = seen.url }
  if request.stream then
    response.handle = handle
  else
    response.body = gather_body(handle)
  end
  return response
end

--- Opens the fake.
---@param routes table<string, any>
---@return neap.testing.Http
function M.new(routes)
  check_routes(routes)
  local self = setmetatable({ routes = routes, requests = {}, turns = {},
    real = { request = core.http.request, upload = core.http.upload } }, FakeMeta)
  begin(self)
  core.http.request = function(what, request, url)
    if url then request = { method = request.method, url = url } end
    return (self:request(what, request))
  end
  core.http.upload = new_upload
  return self
end

return M
