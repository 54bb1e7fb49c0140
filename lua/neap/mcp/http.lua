--- A server at an address, which is asked by HTTP: each message is a request of its own.
-- SPDX-License-Identifier: MIT
local core = require "neap.core"
local era = require "neap.mcp.era"
local failure = require "neap.mcp.failure"
local messages = require "neap.mcp.message"
local neap = require "neap"
local new_error = require "neap.error".new
local parameters = require "neap.mcp.parameters"
local words = require "neap.mcp.words"

local M = {}

-- Servers close connections that are idle, many of them after five seconds; a call must not
-- be sent into one.
local MAX_IDLE = 3

-- How long it may take to tell a server that a call, or a session, has been given up.
local FAREWELL = 1

-- How long a stream that has ended is left alone, unless the server says how long.
local RETRY = 0.5

-- How large an answer may be, in bytes.
local LARGEST = 16 * 1024 * 1024

-- By it the params name what is asked for, for the header Mcp-Name.
local NAMED = { ["tools/call"] = "name", ["resources/read"] = "uri", ["prompts/get"] = "name" }

-- What may be sent twice without harm.
local IDEMPOTENT = { ["server/discover"] = true, ["initialize"] = true, ["tools/list"] = true,
  ["resources/list"] = true, ["resources/read"] = true, ["prompts/list"] = true,
  ["prompts/get"] = true }

---@class neap.mcp.Http
---@field label string
---@field url string
---@field headers table<string, string|number|neap.Secret> those of the user
---@field hide fun(text: string): string takes secrets out of a text
---@field on_message fun(self: table, message: table)
---@field version? string that holds, from the handshake or the discovery on
---@field session? string
---@field failure? any why nothing can be asked any more
---@field private closed neap.Event
---@field private stream? neap.Task reads notifications
---@field private renewing neap.Semaphore
local Http = {}
Http.__index = Http

-- The headers of a message.
local function headers_of(self, message, more)
  local all = { accept = "application/json, text/event-stream",
    ["content-type"] = "application/json", ["mcp-session-id"] = self.session }
  local params = messages.params(message)
  local meta = params._meta
  local version = type(meta) == "table" and meta["io.modelcontextprotocol/protocolVersion"]
  all["mcp-protocol-version"] = version or self.version
  if version then
    local name = params[NAMED[message.method]]
    all["mcp-method"] = message.method
    all["mcp-name"] = name and parameters.encode(name) or nil
  end
  for name, value in pairs(more or {}) do all[name:lower()] = value end
  for name, value in pairs(self.headers) do all[name:lower()] = value end
  return all
end

local function post(self, message, more)
  return (neap.http.request { method = "POST", url = self.url, stream = true,
    headers = headers_of(self, message, more), body = messages.encode(message),
    max_idle = MAX_IDLE, idempotent = IDEMPOTENT[message.method] or nil })
end

local function broken(self, format, ...)
  local err = failure.broken(self.label, format, ...)
  error(err, 0)
end

-- Looks at what has come. Returns it if it is the answer.
local function take(self, value, id)
  local kind = messages.kind(value)
  if kind == "answer" then return value.id == id and value or nil end
  if kind then
    self:on_message(value)
  elseif type(value) == "table" then
    for _, each in ipairs(value) do -- a batch
      local answer = take(self, each, id)
      if answer then return answer end
    end
  end
end

local function read_body(self, response)
  local body = response:read(LARGEST + 1) or ""
  if #body > LARGEST then broken(self, "the server has sent a message that is too long") end
  return messages.decode(body)
end

-- Reads events until the answer comes. Returns the id of the last event if it does not.
local function read_events(self, response, id)
  local last, answer
  local ok, err = neap.try(function()
    for event in response:events() do
      if event.id ~= "" then last = event.id end
      answer = take(self, messages.decode(event.data), id)
      if answer then return end
    end
  end)
  if ok then return answer, not answer and last or nil end
  if type(err) == "table" and err.code == "line" then
    broken(self, "the server has sent a message that is too long: %s", err.message)
  end
  error(err, 0)
end

local function is_stream(response)
  return (response.headers["content-type"] or ""):lower():find("^%s*text/event%-stream") ~= nil
end

local function is_forbidden(response)
  return response.status == 401 or response.status == 403
end

-- Whether a server may answer otherwise later.
local function is_passing(status)
  return status == 429 or status >= 500
end

-- Raises the error of an answer, with what its status says.
local function refuse_for_now(self, response, message, answer)
  local result, problem = messages.outcome(answer)
  if result then return end
  local err = failure.of_answer(self, message.method, problem)
  err.status, err.retryable = response.status, true
  err.retry_after = neap.http.retry_after(response.headers)
  error(err, 0)
end

-- The error of a status that says no more than itself.
local function refusal(self, response)
  local status, kind = response.status, is_forbidden(response) and "auth" or "server"
  return failure.new(kind, ("%s: the server answers with status %d%s"):format(self.label, status,
    kind == "auth" and "; the option 'headers' may have an authorization" or ""),
    { status = status, retryable = is_passing(status),
      retry_after = neap.http.retry_after(response.headers) })
end

-- Goes on with a stream that the server has ended before the answer: a server of the old era
-- may do so to save connections.
local function resume(self, id, last, wait)
  while last do
    neap.sleep(wait)
    local response <close> = neap.http.get(self.url, { stream = true, max_idle = MAX_IDLE,
      headers = headers_of(self, { params = {} }, { accept = "text/event-stream",
        ["last-event-id"] = last }) })
    if response.status ~= 200 or not is_stream(response) then break end
    local answer, later = read_events(self, response, id)
    if answer then return answer end
    last = later ~= last and later or nil
  end
  broken(self, "the stream has ended before the answer")
end

-- Reads the answer to a request.
local function answer_of(self, response, message)
  local is_modern = messages.params(message)._meta ~= nil
  if response.status == 200 and is_stream(response) then
    local answer, last = read_events(self, response, message.id)
    if answer then return answer end
    local wait = response.sse.retry or RETRY
    response:close()
    return resume(self, message.id, not is_modern and last or nil, wait)
  end
  local value = read_body(self, response)
  local answer = take(self, value, message.id)
  -- An error may come without the id of its request.
  if not answer and type(value) == "table" and type(value.error) == "table"
    and not is_forbidden(response) then answer = value end
  if answer then
    if is_passing(response.status) then refuse_for_now(self, response, message, answer) end
    return answer
  end
  if is_forbidden(response) then error(refusal(self, response), 0) end
  if response.status == 200 then broken(self, "the answer is no message of the protocol") end
  error(refusal(self, response), 0)
end

-- Sends what has no answer. A server that does not take it will say so of something else.
local function tell(self, message)
  neap.try(function()
    local response <close> = post(self, message)
    response:read(LARGEST)
  end)
end

-- Tells a server of the old era that nobody waits any more; one of the new era sees it by
-- the connection.
local abandoned = { __close = function(held)
  if not held.is_told or not core.is_cancelled() then return end
  neap.try(neap.shield, FAREWELL, tell, held.transport, messages.notification(
    "notifications/cancelled", { requestId = held.id, reason = "nobody waits any more" }))
end }

-- Sends a message and reads the answer; nil if the server has forgotten the session.
local function exchange(self, message, more)
  local is_told = self.version and not messages.params(message)._meta
  local _ <close> = setmetatable({ transport = self, id = message.id, is_told = is_told },
    abandoned)
  local had_session = self.session ~= nil
  local response <close> = post(self, message, more)
  local session = response.headers["mcp-session-id"]
  if message.method == "initialize" and response.ok then self.session = session end
  if response.status == 404 and had_session then
    response:close()
    return nil
  end
  return (answer_of(self, response, message))
end

-- Asks, and if the server has forgotten its session, meets it anew and asks once more.
local function ask(self, message, more)
  local session = self.session
  local answer = exchange(self, message, more)
  if answer then return answer end
  do
    local _ <close> = self.renewing:acquire()
    if self.session == session then
      self.session, self.version = nil, nil
      era.initialize(self, function() return "again" end)
    end
  end
  return exchange(self, message, more) or broken(self, "the server forgets each session at once")
end

--- Asks, and waits for the answer. Raises code "closed" when the connection is closed
--- meanwhile.
---@param message table
---@param more? table<string, string> headers
---@return table answer
function Http:request(message, more)
  if self.failure then error(self.failure, 0) end
  return (neap.race {
    function() return ask(self, message, more) end,
    function()
      self.closed:wait()
      error(self.failure, 0)
    end,
  })
end

--- Sends a notification or an answer. Waits until the server has it.
---@param message table
function Http:notify(message)
  if not self.failure then tell(self, message) end
end

-- Reads what a server of the old era says by itself, if it does.
local function read_stream(self)
  local headers = headers_of(self, { params = {} }, { accept = "text/event-stream" })
  local response <close> = neap.http.get(self.url, { stream = true, headers = headers })
  if not is_stream(response) then return end
  for event in response:events { reconnect = true } do take(self, messages.decode(event.data)) end
end

--- Reads a stream of notifications, until it ends or the connection does. Does not wait:
--- another task does it. A server need not have one.
---@param message? table the request for it, with a server of the new era
function Http:listen(message)
  self.stream = neap.spawn_detached(neap.try, neap.race, {
    function() if message then return self:request(message) else return read_stream(self) end end,
    function() self.closed:wait() end,
  })
end

--- Is told the version that holds.
---@param version string
function Http:agreed(version)
  self.version = version
end

-- Says farewell to a session, so that the server can forget it.
local function farewell(self)
  local headers = headers_of(self, { params = {} })
  neap.try(neap.http.delete, self.url, { headers = headers, timeout = FAREWELL })
end

--- Ends the connection. A server with a session has been told when this returns.
function Http:close()
  if self.failure then return end
  self.failure = new_error { code = "closed", retryable = false,
    message = self.label .. ": the connection has been closed" }
  self.closed:set()
  neap.try(neap.shield, 2 * FAREWELL, function()
    if self.stream then self.stream:await() end
    if self.session then farewell(self) end
  end)
end

--- Ends the connection in the collector, where nothing can be sent.
function Http:abandon()
  self.closed:set()
end

--- Makes the connection to an address. Nothing is sent.
---@param url string
---@param headers? table
---@param on_message fun(self: table, message: table)
---@return neap.mcp.Http
function M.open(url, headers, on_message)
  return setmetatable({ url = url, headers = headers or {}, on_message = on_message,
    hide = words.hider(headers, true, url), closed = neap.event(), renewing = neap.semaphore(1),
    label = "mcp " .. url:gsub("[?#].*$", ""):gsub("://[^/]*@", "://") }, Http)
end

return M
