--- Requests that a server has received.
-- SPDX-License-Identifier: MIT
local class = require "neap.base.class"
local core = require "neap.core"
local encoding = require "neap.base.encoding"
local json = require "neap.json"
local new_error = require "neap.error".new
local options = require "neap.base.options"
local reader = require "neap.io.reader"
local rules = require "neap.base.schema".rules

local M = {}

-- The longest line before a chunk, extensions included, and the most bytes of trailers.
local MAX_CHUNK_LINE <const>, MAX_TRAILERS <const> = 1024, 65536

--- A request. Its body is read as a file is: with `read`, `lines`, `chunks`; or at once, with
--- `body` and `json`.
---@class neap.serve.Request: neap.Reader
---@field method string in capitals
---@field path string decoded, without the query
---@field params table<string, string> what the named segments of the route stand for
---@field query table<string, string> decoded; of a name that is given twice, the last value
---@field query_string string as it was sent, "" if there is none
---@field headers table<string, string> by names in lower case
---@field peer string the address of the client
---@field private link neap.serve.Link
---@field private left integer|nil bytes of the body, or of its chunk, that have not come
---@field private chunked boolean
---@field private size integer bytes of the body so far
---@field private max integer
local Request, RequestMeta = class("neap.serve.Request")
reader.extend(Request)

--- Makes the error that is answered with a status, when a handler lets it pass.
---@param status integer 400 to 599
---@param message string what the client reads
---@return neap.Error
local function refusal(status, message)
  return new_error { code = "request", status = status, message = message, retryable = false }
end

M.refusal = refusal

local function refuse(self, status, message)
  self.link.is_broken = true -- what follows in the connection cannot be told apart
  error(refusal(status, message), 0)
end

-- Counts bytes of the body.
local function count(self, bytes)
  self.size = self.size + bytes
  if self.size > self.max then
    refuse(self, 413, ("the body has more than %d bytes"):format(self.max))
  end
end

-- Reads a line of what frames the body, of at most `max` bytes.
local function read_line(self, max)
  local ok, line = pcall(self.link.connection.read, self.link.connection, "L", max)
  if ok and line and line:find("\r\n$") then return line end
  if not ok and line.code ~= "line" then error(line, 0) end
  refuse(self, 400, "a chunk of the body is not framed as one")
end

local function read_trailers(self)
  local left = MAX_TRAILERS
  repeat
    local line = read_line(self, left)
    left = left - #line
  until line == "\r\n"
end

-- Begins the next chunk; false when there is none.
local function begin_chunk(self)
  if self.left then -- of the chunk before
    if read_line(self, 2) ~= "\r\n" then refuse(self, 400, "a chunk is longer than it says") end
  end
  self.left = core.serve.chunk(read_line(self, MAX_CHUNK_LINE))
  if not self.left then refuse(self, 400, "a chunk of the body has no length") end
  if self.left > 0 then return true end
  read_trailers(self)
  self.chunked = false
  return false
end

-- Tells a client that waits for it to send the body.
local function invite(self)
  if self.link.continues then
    self.link.continues = false
    self.link.connection:write("HTTP/1.1 100 Continue\r\n\r\n")
  end
end

-- Waits for bytes of the body, for neap.io.reader.
function Request:receive()
  local link = self.link
  if link.request ~= self then
    error(new_error { code = "closed", retryable = false,
      message = "the request has been answered; its body is gone" }, 0)
  end
  if not self.chunked and (self.left or 0) == 0 then return nil end
  invite(self)
  link.deadline = core.now() + link.seconds.body
  if self.chunked and (self.left or 0) == 0 and not begin_chunk(self) then
    link.deadline = math.huge
    return nil
  end
  local piece = link.connection:read_some(self.left)
  link.deadline = math.huge
  if not piece then refuse(self, 400, "the connection ended amid the body") end
  self.left = self.left - #piece
  count(self, #piece)
  return piece
end

--- Reads the whole body, or what is left of it, and waits. One that is longer than the
--- server's `max_body` raises code "request", which is answered with status 413.
---@return string
function Request:body()
  return (self:read("a"))
end

--- Reads the body as JSON, and waits. One that is no JSON raises code "request", which is
--- answered with status 400.
---@return any
function Request:json()
  local ok, value = pcall(json.decode, self:read("a"), encoding.FOREIGN_JSON)
  if ok then return value end
  error(refusal(400, ("the body is no JSON: %s"):format(tostring(value.message or value))), 0)
end

--- Reads and drops what is left of the body, up to so many bytes. Returns whether nothing is
--- left.
---@param most integer
---@return boolean
function M.drain(self, most)
  if self.link.continues then return false end -- it has not sent any
  if self.left and self.left > most then return false end
  self.max = self.size + most
  return (pcall(function()
    while Request.receive(self) do end
  end))
end

-- Decodes a part of a target; nil where it cannot be.
local function decode(text)
  if not text:find("%", 1, true) then return text end
  local is_wrong = text:gsub("%%%x%x", ""):find("%", 1, true) or text:find("%00", 1, true)
  if is_wrong then return nil end
  return (text:gsub("%%(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end))
end

local function read_query(text)
  local query = {}
  for pair in text:gmatch("[^&]+") do
    local name, value = pair:match("^([^=]*)=?(.*)$")
    name, value = decode((name:gsub("+", " "))), decode((value:gsub("+", " ")))
    if not name or not value then return nil end
    query[name] = value
  end
  return query
end

-- The segments of a path, decoded each; nil where they cannot be.
local function read_segments(path)
  local segments = {}
  for segment in path:sub(2):gmatch("[^/]*") do
    local decoded = decode(segment)
    if not decoded then return nil end
    segments[#segments + 1] = decoded
  end
  return segments
end

--- Makes a request of its head. Returns nil and what is wrong with the target if it has no
--- path.
---@param link neap.serve.Link
---@param head table by neap.core
---@param max integer bytes of the body
---@return neap.serve.Request|nil
---@return string|string[] problem, or the segments of the path
function M.new(link, head, max)
  local target = head.target
  local scheme, authority, rest = target:match("^(%a[%w+.-]*)://([^/?]*)(.*)$")
  if scheme then
    head.headers.host = authority -- RFC 9112, section 3.2.2
    target = rest:find("^/") and rest or "/" .. rest
  end
  if target == "*" and head.method == "OPTIONS" then target = "/*" end
  local path, query_string = target:match("^(/[^?]*)%??(.*)$")
  local segments = path and read_segments(path)
  local query = segments and (query_string == "" and {} or read_query(query_string))
  if not query then return nil, "the target of the request is no path" end
  return setmetatable({
    method = head.method, path = "/" .. table.concat(segments, "/"), params = {},
    query = query, query_string = query_string, headers = head.headers,
    peer = link.connection.peer, link = link, left = head.length,
    chunked = head.chunked or false, size = 0, max = max,
  }, RequestMeta), segments
end

local STATUS = { test = function(value)
  return math.type(value) == "integer" and value >= 400 and value <= 599
end, expected = "status from 400 to 599" }

--- Raises the error that is answered with a status and a message.
---@param status integer
---@param message string
function M.refuse(status, message)
  options.argument(1, "refuse", status, STATUS)
  options.argument(2, "refuse", message, rules.string)
  error(refusal(status, message), 0)
end

return M
