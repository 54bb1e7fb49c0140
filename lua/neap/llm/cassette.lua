--- What models have answered, in a file: recorded once, then given without a network.
-- SPDX-License-Identifier: MIT
--
-- A line of JSON for each request: what was asked, and the reply or the error. A key is
-- in none of them, a header neither; neap.llm.content sees to that.
local contents = require "neap.llm.content"
local core = require "neap.core"
local difference = require "neap.llm.difference"
local failure = require "neap.llm.failure"
local fold = require "neap.llm.fold"
local new_error = require "neap.error".new
local text = require "neap.base.encoding"

local json = core.json

local M = {}

-- The version of the lines. Another one cannot be read.
local VERSION = 1

local LINE = { "version", "request", "reply", "error" }

-- What is kept of an error.
local ERROR = { "code", "kind", "message", "status", "retryable", "retry_after" }

-- How many differences an error shows.
local SHOWN = 5

local function refuse(path, message, ...)
  error(failure.new("cassette", ("the cassette %s %s"):format(text.line(path),
    message:format(...))), 0)
end

-- Writes to the file of a cassette.
local function write(path, bytes, append)
  local ok, err = core.system.write_file(path, bytes, append)
  if not ok then refuse(path, "cannot be written: %s", err) end
end

-- The parts of a list, nil for one without.
local function unless_empty(list)
  return next(list) ~= nil and list or nil
end

-- What a cassette keeps of a reply; nil if nothing has come.
local function reply_of(state, vendor)
  local reply, usage = fold.reply(state, vendor, json.encode), {}
  for name, count in pairs(state.reply.usage) do usage[name] = count > 0 and count or nil end
  return unless_empty { text = reply.text ~= "" and reply.text or nil, model = reply.model,
    reasoning = reply.reasoning, calls = unless_empty(reply.calls), stop = reply.stop,
    usage = unless_empty(usage), vendor = reply.message.vendor }
end

---@class neap.llm.Tape: neap.llm.Exchange an exchange that is written down
---@field private exchange neap.llm.Exchange
---@field private path string
---@field private has_begun? boolean
---@field private is_written? boolean
local Tape = {}
Tape.__index = Tape

-- Writes down what has come, and how it ended.
local function write_down(self, err)
  if self.is_written then return end
  self.is_written = true
  local ask, vectors, kept = self.exchange.ask, self.state.reply.vectors, nil
  local hide = contents.hider(ask.call, self.exchange.key or ask.key, ask.url)
  if err then
    kept = { final = ask.is_over }
    for _, name in ipairs(ERROR) do kept[name] = err[name] end
  end
  local reply = contents.plain(reply_of(self.state, ask.call.vendor), hide)
  if vectors then reply.vectors = vectors end
  write(self.path, json.encode(json.object({
    version = VERSION,
    request = contents.of(ask.call, hide),
    reply = reply,
    error = contents.plain(kept, hide),
  }, LINE)) .. "\n", true)
end

-- Writes down that nobody waited for the rest.
local function write_left(self)
  write_down(self, { code = "llm", kind = "broken", retryable = false,
    message = "nobody has waited for the rest of this answer when it was recorded" })
end

-- The cassettes that this process has begun, by their paths.
local begun = {}

--- Begins a cassette, the first time in this process; then what is recorded is
--- added to it.
---@param path string
function M.begin(path)
  if begun[path] then return end
  write(path, "")
  begun[path] = true
end

--- Has an exchange written down at its end.
---@param path string
---@param exchange neap.llm.Exchange
---@return neap.llm.Exchange
function M.tape(path, exchange)
  return setmetatable({ path = path, exchange = exchange, state = exchange.state }, Tape)
end

--- Waits for what comes next: a list of deltas; nil at the end.
---@return neap.llm.Delta[]|nil
function Tape:read()
  self.has_begun = true
  local ok, deltas = pcall(self.exchange.read, self.exchange)
  if ok and deltas then return deltas end
  if ok then
    write_down(self)
    return nil
  end
  local is_failure = type(deltas) == "table" and type(deltas.code) == "string"
    and type(deltas.message) == "string"
  if core.is_cancelled() then
    pcall(write_left, self)
  elseif is_failure then
    pcall(write_down, self, deltas)
  end
  self.is_written = true
  error(deltas, 0)
end

--- Drops the connection. What has come until now is kept.
function Tape:close()
  self.exchange:close()
  if self.has_begun then write_left(self) end
end

local function is_text(value) return value == nil or type(value) == "string" end

local function are_strings(value, names)
  for _, name in ipairs(names) do
    if type(value) ~= "table" or type(value[name]) ~= "string" then return false end
  end
  return true
end

-- Whether a value is nil, or a table of which all values are of this type.
local function are_all(value, name)
  if value == nil then return true end
  if type(value) ~= "table" then return false end
  for _, each in pairs(value) do
    if type(each) ~= name then return false end
  end
  return true
end

local function is_reply(reply)
  if reply == nil then return true end
  if type(reply) ~= "table" or not are_all(reply.calls, "table") then return false end
  if not are_all(reply.vectors, "table") then return false end
  for _, call in ipairs(reply.calls or {}) do
    if not are_strings(call, { "id", "name", "arguments" }) then return false end
  end
  return is_text(reply.text) and is_text(reply.reasoning) and is_text(reply.stop)
    and is_text(reply.model) and are_all(reply.usage, "number") and are_all(reply.vendor, "string")
end

local function is_line(line)
  local err, request = line.error, line.request
  return type(request) == "table"
    and (type(request.messages) == "table" or are_all(request.texts or 0, "string"))
    and is_reply(line.reply) and (line.reply ~= nil or err ~= nil)
    and (err == nil or are_strings(err, { "code", "message" }))
end

-- The answer that a line holds.
local function answer_of(line)
  local answer = {}
  for name, value in pairs(line.reply or {}) do answer[name] = value end
  local err = line.error
  if err then
    answer.is_final = err.final == true
    local fields = {}
    for _, name in ipairs(ERROR) do fields[name] = err[name] end
    answer.failure = new_error(fields)
  end
  return answer
end

-- Reads a line, the last of which may be cut off.
local function read_line(path, number, bytes, is_cut)
  local ok, line = pcall(json.decode, bytes)
  if not ok then
    refuse(path, is_cut and "is cut off in line %d" or "is damaged in line %d: no JSON", number)
  elseif type(line) ~= "table" or line.version == nil then
    refuse(path, "is damaged in line %d: it has no version", number)
  elseif line.version ~= VERSION then
    refuse(path, "is of version %s in line %d; this neap reads version %d: record it again",
      tostring(line.version), number, VERSION)
  elseif not is_line(line) then
    refuse(path, "is damaged in line %d: it is no request with its answer", number)
  end
  local request = contents.plain(line.request)
  return { number = number, request = request, key = contents.key(request),
    answer = answer_of(line) }
end

---@class neap.llm.Cassette
---@field path string
---@field lines table[]
---@field by_key table<string, table[]> the lines by what was asked

--- Reads a cassette. Raises kind "cassette" for one that cannot be read.
---@param path string
---@return neap.llm.Cassette
function M.load(path)
  local bytes, err = core.system.read_file(path)
  if not bytes then refuse(path, "cannot be read: %s", err) end
  local cassette = { path = path, lines = {}, by_key = {} }
  for each, ending in bytes:gmatch("([^\n]*)(\n?)") do
    if each ~= "" or ending ~= "" then
      local line = read_line(path, #cassette.lines + 1, each, ending == "")
      table.insert(cassette.lines, line)
      local alike = cassette.by_key[line.key] or {}
      cassette.by_key[line.key] = alike
      table.insert(alike, line)
    end
  end
  return cassette
end

-- Whether a line answers for the model of a request: one without takes that of any.
local function is_model(line, request)
  return not request.model or line.request.model == request.model
end

-- The line whose request differs least, of those that were not given; and in what.
local function nearest(cassette, request)
  local best, differences, least
  for _, line in ipairs(cassette.lines) do
    local asked = { model = request.model or line.request.model, messages = request.messages,
      texts = request.texts, options = request.options }
    local list, distance = difference.between(line.request, asked)
    if not line.is_given and (not least or distance < least) then
      best, differences, least = line, list, distance
    end
  end
  return best, differences
end

-- Raises that a request is not there.
local function miss(cassette, request, alike)
  for _, line in ipairs(alike) do
    if is_model(line, request) then
      refuse(cassette.path, "has no such request left; its answer in line %d has been given",
        line.number)
    end
  end
  local line, list = nearest(cassette, request)
  if not line then
    refuse(cassette.path, "has no such request, and all that it has (%d) have been given",
      #cassette.lines)
  end
  local lines = difference.lines(list, SHOWN, "  %s: recorded %s, asked %s")
  refuse(cassette.path, "has no such request. The nearest is in line %d:\n%s", line.number, lines)
end

-- Gives the answer to a request.
local function take(cassette, request)
  local alike = cassette.by_key[contents.key(request)] or {}
  for _, line in ipairs(alike) do
    if is_model(line, request) and not line.is_given then
      line.is_given = true
      return line.answer
    end
  end
  miss(cassette, request, alike)
end

--- Makes the provider that answers from a cassette.
---@param cassette neap.llm.Cassette
---@param key? any the client's, which is in no cassette
---@return neap.llm.Provider
function M.provider(cassette, key)
  local function answer(call)
    return take(cassette, contents.of(call, contents.hider(call, key)))
  end
  return { name = "replay", features = { schema = true, tools = true }, answer = answer,
    embed = { answer = answer } }
end

return M
