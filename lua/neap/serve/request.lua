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
local SLASH <const> = 0x2f

--- A request. Its body is read as a file is: with `read`, `lines`, `chunks`; or at once, with
--- `body` and `json`.
---@class neap.serve.Request: neap.Reader
---@field method string in capitals
---@field path string decoded, without the query
---@field params table<string, string> what the named segments of the route stand for
---@field query table<string, string> decoded; of a name that is given twice, the last value
---@field query_string string as it was sent, "" if there is none
---@field headers table<string, string> by names in lower case
---@field host string|nil as the header has it
---@field origin string|nil as the header has it
---@field authorization string|nil as the header has it
---@field peer string the address of the client
---@field private link neap.serve.Link
---@field private text string|nil where the head is, until `headers` are there
---@field private from integer where it begins
---@field private left integer|nil bytes of the body, or of its chunk, that have not come
---@field private chunked boolean|nil more chunks may come
---@field private continues boolean|nil the client waits for 100 (Continue)
---@field private closes boolean|nil no other request will follow
---@field private is_old boolean|nil of HTTP/1.0
---@field private count integer|nil bytes of the body so far
---@field private is_measured boolean|nil its size, or that of its chunk, is no problem
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

-- Refuses a body that will have too many bytes.
local function check_size(self)
  local max = self.link.server.max_body
  if (self.count or 0) + self.left > max then
    refuse(self, 413, ("the body has more than %d bytes"):format(max))
  end
end

-- Calls a method of the connection. Where that fails, the request is none any more.
local function try(self, method, ...)
  local ok, result = pcall(method, self.link.connection, ...)
  if ok then return result end
  if core.is_cancelled() then error(result, 0) end
  if type(result) == "table" and result.code == "line" then return nil end
  refuse(self, 408, "the body of the request has not come")
end

-- Reads a line of what frames the body, of at most `max` bytes.
local function read_line(self, max)
  local connection = self.link.connection
  local line = try(self, connection.read, "L", max)
  if line and line:find("\r\n$") then return line end
  refuse(self, 400, "a chunk of the body is not framed as one")
end

local function read_trailers(self)
  local left = MAX_TRAILERS
  repeat
    local line = read_line(self, left)
    left = left - #line
  until line == "\r\n" or left <= 0
  if left <= 0 then refuse(self, 431, "the trailers of the body are too long") end
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
  self.chunked = nil
  return false
end

-- Tells a client that waits for it to send the body.
local function invite(self)
  if self.continues then
    self.continues = nil
    self.link.connection:write("HTTP/1.1 100 Continue\r\n\r\n")
  end
end

local function receive(self)
  local link, left = self.link, self.left or 0
  if left == 0 then
    if not self.chunked then return nil end
    invite(self)
    if not begin_chunk(self) then return nil end
  end
  if not self.is_measured or left == 0 then
    check_size(self)
    self.is_measured = true
  end
  invite(self)
  local piece = try(self, link.connection.read_some, self.left)
  if not piece then refuse(self, 400, "the connection ended amid the body") end
  self.left = self.left - #piece
  self.count = (self.count or 0) + #piece
  return piece
end

-- Waits for bytes of the body, for neap.io.reader.
function Request:receive()
  local link = self.link
  if link.request ~= self then
    error(new_error { code = "closed", retryable = false,
      message = "the request has been answered; its body is gone" }, 0)
  end
  link.deadline = core.now() + link.server.seconds.body
  local piece = receive(self)
  link.deadline = math.huge
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
  if core.is_cancelled() then error(value, 0) end
  error(refusal(400, ("the body is no JSON: %s"):format(core.text(value))), 0)
end

--- Whether bytes of the body have not been read.
---@param self neap.serve.Request
---@return boolean
function M.has_rest(self)
  return self.chunked ~= nil or (self.left or 0) > 0
end

--- Whether what has not been read can be dropped, so that another request can follow.
---@param self neap.serve.Request
---@param most integer bytes
---@return boolean
function M.can_drain(self, most)
  -- A client that waits for 100 (Continue) may send its body, or not.
  return not self.chunked and not self.continues and self.left <= most
end

--- Reads and drops what is left of a body that is not chunked, and waits.
---@param self neap.serve.Request
function M.drain(self)
  local link = self.link
  link.deadline = core.now() + link.server.seconds.body
  while self.left > 0 do
    local piece = link.connection:read_some(self.left)
    if not piece then return end
    self.left = self.left - #piece
  end
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

-- The segments of a path, decoded each; nil where they cannot be, or lead upwards.
local function read_segments(path)
  local segments = {}
  for segment in path:sub(2):gmatch("[^/]*") do
    local decoded = decode(segment)
    if not decoded or decoded == "." or decoded == ".." then return nil end
    segments[#segments + 1] = decoded
  end
  return segments
end

--- Takes the path of a request apart, and decodes it. Nil if it is no path.
---@param self neap.serve.Request
---@return string[]|nil segments
function M.segments(self)
  local path = self.path
  if path == "*" and self.method == "OPTIONS" then path = "/*" end
  local segments = path:find("^/") and read_segments(path)
  if not segments then return nil end
  self.path = "/" .. table.concat(segments, "/")
  return segments
end

-- What is made when it is asked for.
local made = {}

function made.headers(self)
  local headers = core.serve.fields(self.text, self.from)
  self.text = nil
  return headers
end

function made.query(self)
  local query = read_query(self.query_string)
  if not query then error(refusal(400, "the query of the request cannot be decoded"), 0) end
  return query
end

function made.params() return {} end

function made.peer(self) return self.link.connection.peer end

local methods = RequestMeta.__index

function RequestMeta.__index(self, key)
  local method = methods[key]
  if method then return method end
  local make = made[key]
  if not make then return nil end
  local value = make(self)
  self[key] = value
  return value
end

-- Takes the authority out of a target that is a whole URL: RFC 9112, section 3.2.2.
local function take_authority(self)
  local authority, path = self.path:match("^%a[%w+.-]*://([^/]*)(.*)$")
  if not authority then return end
  self.host = authority
  self.headers.host = authority
  self.path = path == "" and "/" or path
end

--- Makes a request of its head.
---@param link neap.serve.Link
---@param head table by neap.core
---@param text string that the head is in
---@param from integer where it begins there
---@return neap.serve.Request
function M.new(link, head, text, from)
  head.link, head.text, head.from = link, text, from
  local self = setmetatable(head, RequestMeta)
  if self.path:byte() ~= SLASH then take_authority(self) end
  return self
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
