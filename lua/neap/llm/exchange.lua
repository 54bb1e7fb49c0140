--- One request to a model: it is sent, and what comes is read event by event.
-- SPDX-License-Identifier: MIT
local FOREIGN_JSON = require "neap.base.encoding".FOREIGN_JSON
local concurrent = require "neap.task.concurrent"
local core = require "neap.core"
local failure = require "neap.llm.failure"
local fold = require "neap.llm.fold"
local limits = require "neap.llm.limit"
local messages = require "neap.llm.message"
local new_error = require "neap.error".new
local reader = require "neap.io.reader"
local redact = require "neap.llm.redact"
local secret = require "neap.secret"
local sse = require "neap.http.sse"

local find, sub = string.find, string.sub

local M = {}

---@class neap.llm.Ask what the attempts of a call have in common
---@field call neap.llm.CallOf
---@field provider neap.llm.Provider
---@field url string
---@field public_url string without query and user
---@field body string
---@field headers table<string, string|number> of the provider
---@field own_headers table<string, string|number|neap.Secret> of whoever calls
---@field key? string|neap.Secret|fun(): string|neap.Secret|nil
---@field http table
---@field began number
---@field deadline number the end of the whole call
---@field is_over? boolean the deadline has passed
---@field account neap.llm.Account of the call
---@field totals table[] the usage of whoever counts it: clients, the account
---@field otherwise? fun(): neap.llm.Ask|nil what is asked when this has failed
---@field prices? neap.llm.Prices
---@field budget? neap.llm.Budget
---@field limit? neap.llm.Limit
---@field cassette? string the path of the file that records it
---@field refusal? string what the server has said last, with words of the prompt

-- How much of a body is read: of an error, of a reply that is no stream.
local MAX_ERROR, MAX_BODY = 64 * 1024, 64 * 1024 * 1024

-- How long the end of a body is waited for behind the last event, in seconds. Then
-- the connection can be used again.
local LINGER = 0.1

---@class neap.llm.Exchange
---@field state neap.llm.State
---@field private ask neap.llm.Ask
---@field private began number
---@field private heard? boolean the first event has come
---@field key? string with which it was sent
---@field private secrets string[] what must not stand in an error
---@field private response? neap.http.Response
---@field private next? fun(): string|nil, string|nil the data and the name of an event
---@field private has_ended? boolean
---@field private is_closed? boolean
local Exchange = {}
Exchange.__index = Exchange

-- The body of a response, for which nobody waits too long.
local Body = {}
Body.__index = Body
reader.extend(Body)

-- The seconds that may be waited now, and what has happened when they have passed.
local function limit(self)
  local now, opts = core.now(), self.ask.call.options
  local own = self.heard and opts.silence or self.began + opts.first_token - now
  local left = self.ask.deadline - now
  if left < own then return left, "timeout" end
  return own, "stalled"
end

local function expire(self, why)
  local opts = self.ask.call.options
  if why == "timeout" then
    self.ask.is_over = true
    error(M.timeout(self.ask), 0)
  end
  error(failure.new("stalled", self.heard
    and ("the model has said nothing for %g s"):format(opts.silence)
    or ("the model has not begun to answer within %g s"):format(opts.first_token),
    { url = self.ask.public_url, request_id = self.request_id }), 0)
end

--- Calls f, which waits, as long as may be waited. What f raises itself, also when that
--- is a timeout of its own, goes through.
---@param self neap.llm.Exchange
---@param f function
---@param ... any
---@return any ... what f returns
function M.within(self, f, ...)
  local seconds, why = limit(self)
  if seconds <= 0 then expire(self, why) end
  local stop = core.now() + seconds
  local results = table.pack(pcall(concurrent.timeout, seconds, f, ...))
  if results[1] then return table.unpack(results, 2, results.n) end
  local err = results[2]
  local has_passed = type(err) == "table" and err.code == "timeout" and core.now() >= stop
  if has_passed and not core.is_cancelled() then expire(self, why) end
  error(err, 0)
end

local within = M.within

-- The error for what the server, or the connection, has done.
local function failed(self, kind, message, fields)
  fields = fields or {}
  fields.url, fields.request_id = self.ask.public_url, self.request_id
  return failure.new(kind, message, fields)
end

-- Reads what has come next. Once the model has begun, HTTP itself sees to `silence`: a task
-- for each piece would cost more than the piece. What the script does between two pieces does
-- not count, so the limit holds only while the script waits.
local function read_some(exchange, response)
  local has_limit = exchange.heard and exchange.ask.deadline == math.huge and response.limit_idle
  if not has_limit then return (within(exchange, response.read_some, response)) end
  response:limit_idle(exchange.ask.call.options.silence)
  local ok, bytes = pcall(response.read_some, response)
  if ok then
    response:limit_idle(nil)
    return bytes
  end
  local has_passed = type(bytes) == "table" and bytes.code == "timeout"
  if has_passed and not core.is_cancelled() then expire(exchange, "stalled") end
  error(bytes, 0)
end

function Body:receive()
  local exchange = self.exchange
  local response = exchange.response
  local ok, bytes
  if response.read_some then
    ok, bytes = pcall(read_some, exchange, response)
  else
    ok, bytes, response.body = true, response.body, nil
  end
  if ok then
    exchange.heard = exchange.heard or bytes ~= nil and not exchange.next
    return bytes
  end
  if type(bytes) == "table" and bytes.code == "http" and not core.is_cancelled() then
    bytes = failed(exchange, "broken", "the answer broke off: " .. bytes.message,
      { status = response.status })
  end
  error(bytes, 0)
end

-- The header for the key: a secret, if the key is one.
local function header_of(auth, key)
  local text = secret.text(key)
  if auth == "bearer" then text = "Bearer " .. text end
  return auth == "bearer" and "authorization" or auth, secret.is(key) and secret.new(text) or text
end

local function add_headers(headers, more)
  for name, value in pairs(more) do headers[name:lower()] = value end
end

-- Refuses a key that no header can hold, in words that tell where to look.
local function check_key(self, key)
  if key == nil then return end
  if type(key) ~= "string" then
    error(failed(self, "auth", ("the function for the key has given a %s"):format(type(key))), 0)
  end
  if key == "" then error(failed(self, "auth", "the key is an empty text"), 0) end
  if key:find("%c") then
    error(failed(self, "auth", "the key has a control character in it, such as the newline at "
      .. "the end of a file"), 0)
  end
end

-- Whether nothing that looks like a key was sent to a provider that takes one.
local function lacks_key(self)
  local auth = self.ask.provider.auth
  if self.key or not auth then return false end
  for name in pairs(self.ask.own_headers) do
    if name == "authorization" or name == auth then return false end
  end
  return true
end

-- Sends the request. The key is asked for now: it may be another each time.
local function send(self)
  local ask = self.ask
  local key = ask.key
  if type(key) == "function" then key = key() end
  check_key(self, secret.text(key))
  local headers = { ["content-type"] = "application/json" }
  add_headers(headers, ask.headers)
  local auth = ask.provider.auth
  if key and auth then
    local name, value = header_of(auth, key)
    headers[name] = value
  end
  add_headers(headers, ask.own_headers)
  self.key = secret.text(key)
  self.secrets = { self.key }
  for _, value in pairs(ask.own_headers) do
    table.insert(self.secrets, tostring(secret.text(value)))
  end
  local response = ask.http.request { method = "POST", url = ask.url, headers = headers,
    body = ask.body, stream = true, connect_timeout = ask.call.options.connect_timeout }
  return response
end

-- What may be done about a failure, in words that go behind the server's.
local function hint(self, kind, status, is_silent)
  if kind == "auth" and status == 401 and lacks_key(self) then
    return "; no key was sent: there is neither the option 'key' nor NEAP_LLM_KEY"
  elseif kind == "model" then
    return "; the option 'model', or NEAP_LLM_MODEL, says which one"
  elseif kind == "request" and is_silent and (status == 404 or status == 405) then
    return "; is the address right?"
  end
  return ""
end

-- Raises the error that a body, or an event, is.
local function refuse(self, body, text)
  local response, provider = self.response, self.ask.provider
  local status = response.status
  local kind, sentence, asked = provider.failed(status, response.headers, body, text)
  local param = failure.text(failure.at(body, "error", "param"))
  self.ask.refusal = ("%s %s"):format(sentence or "", param or "")
  local is_silent = not sentence
  sentence = redact.sentence(sentence, self.secrets, messages.texts(self.ask.call.messages))
  local is_status = status < 200 or status > 299
  if not sentence then
    sentence = is_status and ("the server has answered with status %d%s"):format(status,
        is_silent and kind == "request" and " at " .. self.ask.public_url or "")
      or "the server has sent an error"
  elseif is_status then
    sentence = ("%s (status %d)"):format(sentence, status)
  end
  sentence = sentence .. hint(self, kind, status, is_silent)
  local word = is_status and kind ~= "quota" and response.headers["x-should-retry"] or nil
  local retryable
  if word == "true" or word == "false" then retryable = word == "true" end
  self.request_id = self.request_id or failure.text(failure.at(body, "request_id"))
  error(failed(self, kind, sentence, { status = status, retryable = retryable,
    retry_after = asked or failure.retry_after(response.headers) }), 0)
end

local function decode(text)
  local ok, value = pcall(core.json.decode, text)
  if not ok then ok, value = pcall(core.json.decode, text, FOREIGN_JSON) end
  if ok then return value end
  return nil, failure.json_fault(value)
end

-- Raises that what has come makes no sense.
local function break_off(self, message)
  error(failed(self, "broken", message, { status = self.response.status }), 0)
end

-- Adds what a provider has made of data.
local function take(self, deltas, data)
  local state = self.state
  if state.failure then refuse(self, state.failure) end
  if state.fault then break_off(self, state.fault) end
  state.reply.raw = data
  fold.add_deltas(state, deltas)
  return deltas
end

-- Ends what is whole.
local function finish(self)
  self.has_ended = true
  if self.ask.provider.finish then self.ask.provider.finish(self.state) end
  self:close()
end

local function is_page(self)
  local kind = self.response.headers["content-type"]
  return type(kind) == "string" and kind:lower():find("^text/html") ~= nil
end

-- Raises that a page has come, as from a proxy, or from an address that is not of a model. The
-- next request would get it, too.
local function refuse_page(self)
  error(failed(self, "broken", ("the reply is no JSON but HTML or XML, from %s; is the address "
    .. "right?"):format(self.ask.public_url), { status = self.response.status,
    retryable = false }), 0)
end

-- Reads a body that is no stream.
local function read_whole(self)
  local provider, state = self.ask.provider, self.state
  local text = self.body:read(MAX_BODY) or ""
  local body, fault = decode(text)
  if fault and not text:find("%S") then break_off(self, "the reply is empty") end
  if fault and (text:find("^%s*<") or is_page(self)) then refuse_page(self) end
  if fault then break_off(self, "the reply makes no sense: " .. fault) end
  if type(body) ~= "table" then break_off(self, "the reply has no answer in it") end
  local deltas = take(self, (provider.parse or provider.event)(state, body), body)
  if not state.reply.stop then break_off(self, "the reply has no answer in it") end
  finish(self)
  return deltas
end

-- Waits for the end of the body, which is near.
local function linger(self)
  local response = self.response
  if not response.read_some then return end
  local ok, err = pcall(concurrent.timeout, LINGER, function()
    while response:read_some() do end -- luacheck: ignore 542
  end)
  if not ok and core.is_cancelled() then error(err, 0) end
end

-- Waits for the next event that is not empty; nil at the end.
local function next_event(self)
  while true do
    local text, name = self.next()
    if not text or find(text, "%S") then return text, name end
  end
end

-- Whether something of the answer has come.
local function has_begun(state)
  return state.text[1] or state.reasoning[1] or state.reply.calls[1]
end

-- Reads the next event of a stream.
local function read_event(self)
  local provider, reply = self.ask.provider, self.state.reply
  local text, name = next_event(self)
  if not text then
    if not reply.stop then
      break_off(self, has_begun(self.state) and "the answer has no end"
        or "the stream ended before the answer began")
    end
    finish(self)
    return nil
  elseif sub(text, 1, 6) == "[DONE]" then
    if not reply.stop and not has_begun(self.state) then
      break_off(self, "there is no answer in the stream")
    end
    reply.stop = reply.stop or "stop"
    linger(self)
    finish(self)
    return nil
  end
  local data, fault = decode(text)
  if fault and name == "error" then refuse(self, nil, text) end
  if fault then break_off(self, "an event of the answer makes no sense: " .. fault) end
  self.heard = self.heard or failure.at(data, "type") ~= "ping"
  local deltas, done = provider.event(self.state, data, name)
  take(self, deltas, data)
  if done then
    linger(self)
    finish(self)
  end
  return deltas
end

-- The iterator over the data of events, for what says that it is a stream.
local function events_of(self)
  local kind = self.response.headers["content-type"]
  kind = type(kind) == "string" and kind:lower() or ""
  if kind:find("text/event-stream", 1, true) then
    self.body.status, self.body.headers = 200, { ["content-type"] = "text/event-stream" }
    local events = sse.events(self.body)
    return function()
      local event = events()
      if event then return event.data, event.event end
    end
  elseif kind:find("ndjson", 1, true) or kind:find("jsonl", 1, true) then
    return self.body:lines()
  end
end

-- Reads the body of an error; "" where it does not come, for the status says enough.
local function read_error(self)
  local ok, text = pcall(self.body.read, self.body, MAX_ERROR)
  if ok then return text or "" end
  if core.is_cancelled() or type(text) ~= "table" or text.code ~= "llm" then error(text, 0) end
  return ""
end

-- Sends the request and looks at what the answer is.
local function open(self)
  self.response = within(self, send, self)
  if self.is_closed then -- meanwhile, as by a finalizer: nobody else closes this response
    self:close()
    error(new_error { code = "closed", retryable = false,
      message = "the stream has been closed" }, 0)
  end
  local ask, response = self.ask, self.response
  local headers = response.headers
  if ask.limit then limits.obey(ask.limit, headers, ask.call.options.max_retry_after) end
  self.body = setmetatable({ exchange = self }, Body)
  self.request_id = failure.text(headers["x-request-id"]) or failure.text(headers["request-id"])
  self.state.reply.request_id = self.request_id
  if response.status < 200 or response.status > 299 then
    local text = read_error(self)
    local body = decode(text)
    refuse(self, body, text)
  end
  self.next = events_of(self)
end

--- Begins an exchange; nothing is sent before the first read.
---@param ask neap.llm.Ask
---@return neap.llm.Exchange
function M.new(ask)
  return setmetatable({ ask = ask, state = fold.new(), began = core.now(), secrets = {} }, Exchange)
end

--- The error of a call that took too long.
---@param ask neap.llm.Ask
---@return neap.Error
function M.timeout(ask)
  return new_error { code = "timeout", retryable = true, url = ask.public_url,
    message = ("the model has not answered within %g s"):format(ask.call.options.timeout) }
end

--- Waits for what comes next: a list of deltas, which may be empty; nil at the end.
---@return neap.llm.Delta[]|nil
function Exchange:read()
  if self.has_ended then return nil end
  if not self.response then open(self) end
  if not self.next then return read_whole(self) end
  return read_event(self)
end

--- Drops the connection, unless all has come.
function Exchange:close()
  self.is_closed = true
  local response = self.response
  if response and response.close then response:close() end
end

return M
