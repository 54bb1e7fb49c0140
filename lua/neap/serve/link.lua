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
-- Seconds without an event after which a stream of them is kept alive, and the comment that
-- does it.
local PULSE <const> = 15
local BEAT <const> = ":\n\n"
-- The most bytes of a head: NEAPL_HEAD_MAX of bindings/serve/head.h.
local MAX_HEAD <const> = 65536

local parse = core.serve.head

---@class neap.serve.Link
---@field server neap.serve.Server
---@field connection neap.net.Connection
---@field handle table the binding's stream of it
---@field task neap.Task that serves it
---@field deadline number when the connection is closed unless something comes before
---@field idle boolean no request has begun
---@field request? neap.serve.Request
---@field is_broken? boolean what comes next is no request
---@field beat? string what keeps a stream of events alive, while one is sent
---@field next_beat? number when that is to be sent
---@field beat_deadline? number when it has to have been taken

--- Makes the link of a connection.
---@param server neap.serve.Server
---@param connection neap.net.Connection
---@return neap.serve.Link
function M.new(server, connection)
  return { server = server, connection = connection, handle = connection.handle,
    deadline = math.huge, idle = true }
end

-- Waits for the rest of a head that has come in part. Returns the text, or nil at the end of
-- the connection, and what `parse` does.
local function read_pieces(link, text)
  local pieces, tail, size = { text }, text:sub(-3), #text
  while true do
    local piece = link.handle:receive()
    if not piece then return nil end
    pieces[#pieces + 1], size, tail = piece, size + #piece, tail .. piece
    if tail:find("\n\r?\n") or size >= MAX_HEAD then
      text = table.concat(pieces)
      local head, status, why = parse(text, 1)
      if head ~= nil then return text, head, status, why end
      pieces = { text }
    end
    tail = tail:sub(-3)
  end
end

-- Waits for a request. Returns nil at the end, and where the head is refused false, the
-- status and why.
local function read_request(link)
  local text, from = reader.take(link.connection)
  if not text then
    text, from = link.handle:receive(), 1
    if not text then return nil end
  end
  link.idle = false
  local head, status, why = parse(text, from)
  if head == nil then
    link.deadline = core.now() + link.server.seconds.head
    text, head, status, why = read_pieces(link, from == 1 and text or text:sub(from))
    if not text then return nil end
    from = 1
  end
  if not head then return false, status, why end
  reader.keep(link.connection, text, head.next)
  return requests.new(link, head, text, from)
end

local function send(link, text)
  link.deadline = core.now() + link.server.seconds.write
  link.handle:write(text)
  link.deadline = math.huge
end

local function as_chunk(piece)
  return ("%x\r\n%s\r\n"):format(#piece, piece)
end

-- Tells of an error of a handler.
local function tell(link, request, err)
  warn(("neap: %s: %s %s failed: %s"):format(link.server.url, request.method, request.path,
    core.text(err)))
end

-- What is raised to cut a connection, where the client must not take what it has for all.
local CUT <const> = {}

-- The next piece of a body. An error of the handler's iterator is told, and cuts the
-- connection.
local function next_piece(link, request, iterator)
  local ok, piece = pcall(iterator)
  if ok and (piece == nil or type(piece) == "string") then return piece end
  if not ok and core.is_cancelled() then error(piece, 0) end
  tell(link, request, ok and ("the body of the answer has a %s; strings expected"):format(
    type(piece)) or piece)
  error(CUT, 0)
end

-- Sends pieces as chunks; to a client of HTTP/1.0, whose body ends with the connection, as
-- they are.
local function send_pieces(link, request, iterator)
  local is_old = request.is_old
  local piece = next_piece(link, request, iterator)
  while piece do
    if piece ~= "" then send(link, is_old and piece or as_chunk(piece)) end
    piece = next_piece(link, request, iterator)
  end
  if not is_old then send(link, "0\r\n\r\n") end
end

-- Sends events, which are kept alive while none comes.
local function send_events(link, request, events)
  link.beat, link.next_beat = request.is_old and BEAT or as_chunk(BEAT), core.now() + PULSE
  send_pieces(link, request, function()
    local event = events.iterator()
    if event == nil then
      link.next_beat = nil -- from now on nothing stands before the end
      return nil
    end
    link.next_beat = core.now() + PULSE
    return answer.event(event)
  end)
  link.beat = nil
end

-- Sends what keeps a stream of events alive. Its client may not read, or have gone.
local function send_beat(link)
  if not link.next_beat then return end
  link.beat_deadline = core.now() + link.server.seconds.write
  local ok = pcall(link.handle.write, link.handle, link.beat)
  link.beat_deadline = nil
  if not ok then link.task:cancel("the client has gone") end
end

--- Looks after a connection: closes it if its time is over, and keeps a stream of events alive
--- if it is time for that.
---@param link neap.serve.Link
---@param now number
function M.look_after(link, now)
  if now >= link.deadline or link.beat_deadline and now >= link.beat_deadline then
    link.connection:close()
  elseif link.next_beat and now >= link.next_beat and not link.beat_deadline then
    link.next_beat = now + PULSE
    concurrent.spawn(send_beat, link)
  end
end

--- Ends a connection when its server is closed, unless a request has to be answered. A stream
--- of events, which has no end, is ended.
---@param link neap.serve.Link
function M.leave(link)
  if link.idle then
    link.connection:close()
  elseif link.beat then
    link.task:cancel("the server is closed")
  end
end

local BODYLESS = { [204] = true, [304] = true }

-- Sends an answer whose body comes in pieces. Returns whether the connection can go on.
local function send_stream(link, request, given, keeps)
  keeps = keeps and not request.is_old
  local framing = request.is_old and "" or "Transfer-Encoding: chunked\r\n"
  if not keeps then framing = framing .. "Connection: close\r\n" end
  send(link, answer.text(given, framing, ""))
  if request.method == "HEAD" or BODYLESS[given.status] then return keeps end
  if given.events then
    send_events(link, request, given.events)
  else
    send_pieces(link, request, given.body)
  end
  return keeps
end

-- Sends an answer. Returns whether the connection can go on.
local function respond(link, request, given)
  local keeps = not (request.closes or given.closes or link.is_broken or link.server.closing)
  local body = given.body or ""
  if given.events or type(body) ~= "string" then
    return send_stream(link, request, given, keeps)
  end
  local framing = BODYLESS[given.status] and "" or "Content-Length: " .. #body .. "\r\n"
  if not keeps then
    framing = framing .. "Connection: close\r\n"
  elseif request.is_old then
    framing = framing .. "Connection: keep-alive\r\n"
  end
  if request.method == "HEAD" or BODYLESS[given.status] then body = "" end
  send(link, answer.text(given, framing, body))
  return keeps
end

-- The refusal that an error is; nil if it is none. One that has left a flow has been raised by
-- a node of it.
local function refusal_of(err)
  for _ = 1, 2 do
    if not is_error(err) then return nil end
    if err.code == "request" then return answer.refusal(err.status, err.message) end
    err = err.cause
  end
end

-- The answer to an error that a handler has raised.
local function failure(link, request, err)
  local refusal = refusal_of(err)
  if refusal then return refusal end
  tell(link, request, err)
  return answer.refusal(500, "the server has failed to answer this request")
end

-- What answers a request for which there is no route.
local function without_route(request, place)
  local allow = { Allow = router.allowed(place) }
  if request.method == "OPTIONS" then return answer.new(204, nil, allow) end
  return answer.refusal(405, "the method is not allowed at this path", allow)
end

-- Finds the place of a request. Returns nil and the answer if there is none.
local function find_place(server, request)
  local place = server.routes.exact[request.path]
  if place then return place end
  local segments = requests.segments(request)
  if not segments then return nil, answer.refusal(400, "the target of the request is no path") end
  local values
  place, values = router.find(server.routes, segments)
  if not place then return nil, answer.refusal(404, "there is nothing at this path") end
  return place, values
end

-- The answer to the question of a browser, what a page of another origin may send.
local function preflight(server, request)
  local place, refusal = find_place(server, request)
  if not place then return refusal end
  return answer.new(204, nil, { ["Access-Control-Allow-Methods"] = router.allowed(place),
    ["Access-Control-Allow-Headers"] = "Authorization, Content-Type, Idempotency-Key" })
end

local function call(handler, request)
  return answer.new(handler(request))
end

-- Finds the answer to a request.
local function find_answer(link, request)
  local server = link.server
  local status, problem = guard.problem(server.guard, request)
  if status and not (status == 401 and guard.is_preflight(server.guard, request)) then
    return answer.refusal(status, problem,
      status == 401 and { ["WWW-Authenticate"] = "Bearer" } or nil)
  end
  if request.origin and guard.is_preflight(server.guard, request) then
    return preflight(server, request)
  end
  local place, values = find_place(server, request)
  if not place then return values end
  local route = router.route(place, request.method)
  if not route then return without_route(request, place) end
  for i = 1, #route.names do request.params[route.names[i]] = values[i] end
  local ok, given = pcall(call, route.handler, request)
  if ok then return given end
  if core.is_cancelled() then error(given, 0) end
  return failure(link, request, given)
end

-- Answers one request. Returns whether the connection can go on.
local function serve_request(link, request)
  link.request, link.deadline = request, math.huge
  local given = find_answer(link, request)
  if request.origin and guard.is_shared(link.server.guard, request) then
    answer.add_line(given, "Access-Control-Allow-Origin", request.origin)
    answer.add_line(given, "Vary", "Origin")
  end
  -- Where the handler has not read the body, its rest stands before the next request.
  local has_rest = requests.has_rest(request)
  if has_rest and (type(given.body) == "function"
      or not requests.can_drain(request, MAX_DRAIN)) then
    link.is_broken = true
  end
  local keeps = respond(link, request, given)
  if keeps and has_rest then requests.drain(request) end
  link.request = nil
  return keeps
end

-- Ends the connection so that the client gets the last answer, although it may be sending
-- still: RFC 9112, section 9.6.
local function linger(link)
  link.deadline = core.now() + LINGER
  link.connection:finish()
  while link.handle:receive() do end
end

-- What stands for a request whose head is refused.
local NO_REQUEST <const> = { closes = true }

local function converse(link)
  repeat
    link.idle, link.deadline = true, core.now() + link.server.seconds.idle
    if link.server.closing then return end
    local request, status, why = read_request(link)
    if request == nil then return end
    if request == false then
      respond(link, NO_REQUEST, answer.refusal(status, why))
      break
    end
  until not serve_request(link, request)
  linger(link)
end

--- Serves a connection until it ends. Only errors of the server itself leave.
---@param link neap.serve.Link
function M.serve(link)
  local _ <close> = link.connection
  local ok, err = concurrent.try(converse, link)
  if ok or err == CUT or is_error(err) and (err.code == "net" or err.code == "closed") then
    return
  end
  warn(("neap: %s: a connection ended with an error: %s"):format(link.server.url,
    core.text(err)))
end

return M
