--- One connection of a server: its requests, one after the other.
-- SPDX-License-Identifier: MIT
local answer = require "neap.serve.answer"
local concurrent = require "neap.task.concurrent"
local core = require "neap.core"
local guard = require "neap.serve.guard"
local is_error = require "neap.error".is
local reader = require "neap.io.reader"
local requests = require "neap.serve.request"
local router = require "neap.serve.router"

local M = {}

-- The most bytes of a body that nobody has read, to be read so that the connection can go on.
local MAX_DRAIN <const> = 262144
-- Seconds that a client may go on sending after the last answer.
local LINGER <const> = 2
-- Seconds without an event after which a stream of them is kept alive by a comment.
local BEAT <const> = 15
local BEAT_CHUNK <const> = "3\r\n:\n\n\r\n"

---@class neap.serve.Link
---@field server neap.serve.Server
---@field connection neap.net.Connection
---@field task neap.Task that serves it
---@field seconds table<string, number> the limits of the server
---@field deadline number when the connection is closed unless something comes before
---@field idle boolean no request has begun
---@field request? neap.serve.Request
---@field continues? boolean the client waits for 100 (Continue)
---@field is_broken? boolean what comes next is no request
---@field next_beat? number when a stream of events is to be kept alive
---@field stuck? boolean a client of such a stream does not read

-- Waits for a head, and takes it out of the stream. Returns nil at the end, and where the
-- head is refused false, the status and why.
local function read_head(link)
  local connection, parse = link.connection, core.serve.head
  local text = connection:read_some()
  if not text then return nil end
  link.idle, link.deadline = false, core.now() + link.seconds.head
  local head, status, why = parse(text)
  if head == nil then -- it comes in pieces
    local pieces, tail, size = { text }, text:sub(-3), #text
    repeat
      local piece = connection:read_some()
      if not piece then return nil end
      pieces[#pieces + 1], size, tail = piece, size + #piece, tail .. piece
      local may_end = tail:find("\n\r?\n") or size >= 65536
      tail = tail:sub(-3)
      if may_end then
        text = table.concat(pieces)
        pieces = { text }
        head, status, why = parse(text)
      end
    until head ~= nil
  end
  if head then reader.keep(connection, text, head.size + 1) end
  return head, status, why
end

local function send(link, ...)
  link.deadline = core.now() + link.seconds.write
  link.connection:write(...)
  link.deadline = math.huge
end

local function as_chunk(piece)
  return ("%x\r\n%s\r\n"):format(#piece, piece)
end

-- Sends pieces as chunks; to a client of HTTP/1.0, whose body ends with the connection, as
-- they are.
local function send_pieces(link, iterator, is_chunked)
  for piece in iterator do
    if type(piece) ~= "string" then
      error(("the body of an answer has a %s; strings expected"):format(type(piece)), 0)
    end
    if piece ~= "" then send(link, is_chunked and as_chunk(piece) or piece) end
  end
  if is_chunked then send(link, "0\r\n\r\n") end
end

local function send_events(link, events, is_chunked)
  link.next_beat = is_chunked and core.now() + BEAT or nil
  send_pieces(link, function()
    local event = events.iterator()
    if event == nil then return nil end
    if link.next_beat then link.next_beat = core.now() + BEAT end
    return answer.event(event)
  end, is_chunked)
  link.next_beat = nil
end

--- Keeps a stream of events alive, if it is time for that.
---@param link neap.serve.Link
---@param now number
function M.beat(link, now)
  if not link.next_beat or now < link.next_beat or link.deadline < math.huge then return end
  link.next_beat = now + BEAT
  link.deadline = now + link.seconds.write
  concurrent.spawn(function()
    if pcall(link.connection.write, link.connection, BEAT_CHUNK) then
      if link.next_beat then link.deadline = math.huge end
    else
      link.task:cancel("the client has gone")
    end
  end)
end

local BODYLESS = { [204] = true, [304] = true }

-- Sends an answer. Returns whether the connection can go on.
local function respond(link, head, given)
  local is_new = head.minor >= 1
  local keeps = head.keeps_alive and not given.closes and not link.is_broken
    and not link.server.closing
  local body = given.events or given.body
  local bodyless = head.method == "HEAD" or BODYLESS[given.status]
  local framing = ""
  if type(body) ~= "string" and body ~= nil then
    if is_new then framing = "Transfer-Encoding: chunked\r\n" else keeps = false end
  elseif not BODYLESS[given.status] then
    framing = ("Content-Length: %d\r\n"):format(#(body or ""))
  end
  if not keeps then
    framing = framing .. "Connection: close\r\n"
  elseif not is_new then
    framing = framing .. "Connection: keep-alive\r\n"
  end
  local text = answer.head(given, framing)
  if bodyless or body == nil then
    send(link, text)
  elseif type(body) == "string" then
    send(link, text .. body)
  else
    send(link, text)
    local write = given.events and send_events or send_pieces
    write(link, body, is_new)
  end
  return keeps
end

-- The answer to an error that a handler has raised.
local function failure(link, request, err)
  if is_error(err) and err.code == "request" then
    return answer.refusal(err.status, err.message)
  end
  -- One that has left a flow has been raised by a node of it.
  local cause = is_error(err) and err.cause
  if is_error(cause) and cause.code == "request" then
    return answer.refusal(cause.status, cause.message)
  end
  warn(("neap: %s: %s %s failed: %s"):format(link.server.url, request.method, request.path,
    tostring(err)))
  return answer.refusal(500, "the server has failed to answer this request")
end

local function find_route(server, request, segments)
  local place, values = router.find(server.routes, segments)
  if not place then return nil, answer.refusal(404, "there is nothing at this path") end
  local route = router.route(place, request.method)
  if not route then
    local allow = { Allow = router.allowed(place) }
    if request.method == "OPTIONS" then
      allow["Access-Control-Allow-Methods"] = allow.Allow
      allow["Access-Control-Allow-Headers"] = "Authorization, Content-Type, Idempotency-Key"
      return nil, answer.new(204, nil, allow)
    end
    return nil, answer.refusal(405, "the method is not allowed at this path", allow)
  end
  for i, name in ipairs(route.names) do request.params[name] = values[i] end
  return route
end

-- A browser asks before it sends what a page of another origin wants; it has no token then.
local function is_preflight(request)
  return request.method == "OPTIONS" and request.headers["access-control-request-method"]
end

-- Finds the answer to a request.
local function find_answer(link, request, segments)
  local server = link.server
  local status, problem = guard.problem(server.guard, request.headers)
  if status and not (status == 401 and is_preflight(request)) then
    return answer.refusal(status, problem,
      status == 401 and { ["WWW-Authenticate"] = "Bearer" } or nil)
  end
  local route, refusal = find_route(server, request, segments)
  if not route then return refusal end
  local ok, given = concurrent.try(function()
    return answer.new(route.handler(request))
  end)
  return ok and given or failure(link, request, given)
end

-- Answers one request. Returns whether the connection can go on.
local function serve_request(link, head)
  local request, segments = requests.new(link, head, link.server.max_body)
  if not request then
    link.is_broken = true
    return respond(link, head, answer.refusal(400, segments))
  end
  link.request, link.continues, link.deadline = request, head.continues, math.huge
  local given = find_answer(link, request, segments)
  local shared = guard.shared_with(link.server.guard, request.headers)
  for name, value in pairs(shared or {}) do
    given.lines[#given.lines + 1] = ("%s: %s\r\n"):format(name, value)
  end
  -- Where the handler has not read the body, its rest stands before the next request.
  if not requests.drain(request, type(given.body) == "function" and 0 or MAX_DRAIN) then
    link.is_broken = true
  end
  local keeps = respond(link, head, given)
  link.request = nil
  return keeps
end

-- Ends the connection so that the client gets the last answer, although it may be sending
-- still: RFC 9112, section 9.6.
local function linger(link)
  link.deadline = core.now() + LINGER
  link.connection:finish()
  while link.connection:read_some() do end
end

local function converse(link)
  local head, status, why
  repeat
    link.idle, link.deadline = true, core.now() + link.seconds.idle
    if link.server.closing then return end
    head, status, why = read_head(link)
    if head == nil then return end
    if head == false then
      link.is_broken = true
      respond(link, { minor = 1, method = "GET" }, answer.refusal(status, why))
      return linger(link)
    end
  until not serve_request(link, head)
  linger(link)
end

--- Serves a connection until it ends. Only errors of the server itself leave.
---@param link neap.serve.Link
function M.serve(link)
  local _ <close> = link.connection
  local ok, err = concurrent.try(converse, link)
  if ok or is_error(err) and (err.code == "net" or err.code == "closed") then return end
  warn(("neap: %s: a connection ended with an error: %s"):format(link.server.url, tostring(err)))
end

return M
