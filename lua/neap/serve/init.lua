--- A server of HTTP/1.1: routes, and the functions that answer.
-- SPDX-License-Identifier: MIT
local answer = require "neap.serve.answer"
local class = require "neap.base.class"
local concurrent = require "neap.task.concurrent"
local core = require "neap.core"
local event = require "neap.core".event
local guard = require "neap.serve.guard"
local links = require "neap.serve.link"
local net = require "neap.net"
local options = require "neap.base.options"
local requests = require "neap.serve.request"
local router = require "neap.serve.router"

local M = {}

-- The routes of the script.
local own_routes = router.new()

--- Sets the function that answers requests with a method and a path. A segment `:name` of
--- the path stands for any one, and `*name` at its end for all that follow; the handler finds
--- them in `request.params`. A literal segment wins over a named one. The handler is called
--- in a task of its connection, and may wait. It returns a status, a body and headers, all of
--- which may be left out: see the manual.
---@param method string "GET" (which answers HEAD as well), "POST", ..., or "*" for any
---@param pattern string "/runs/:id"
---@param handler fun(request: neap.serve.Request): ...
function M.route(method, pattern, handler)
  router.add(own_routes, method, pattern, handler)
end

--- Makes the body of an answer of events: server-sent events, each a string or a table with
--- `data` (a string, or a table to be sent as JSON), `event`, `id` and `retry` (seconds).
--- A comment every 15 s without an event keeps the connection alive.
---@param iterator fun(): string|table|nil it may wait
---@return neap.serve.Events
M.events = answer.events

--- Raises the error that is answered with a status and a message, when the handler lets it
--- pass. Does not return.
---@param status integer 400 to 599
---@param message string what the client reads
M.refuse = requests.refuse

---@class neap.serve.Server
---@field address string where it listens: "127.0.0.1:8080"
---@field url string the same as a URL, without a slash at its end
---@field private listener neap.net.Listener
---@field private routes neap.serve.Routes
---@field private guard neap.serve.Guard
---@field private max_body integer
---@field private max_connections integer
---@field private seconds table<string, number>
---@field private links table<neap.serve.Link, true>
---@field private count integer of links
---@field private changed neap.Event set when a link has ended
---@field private closing boolean
local Server, ServerMeta = class("neap.serve.Server")

-- Seconds between two looks at the connections.
local LOOK <const> = 1

local function look_after(server)
  while true do
    core.sleep(LOOK, true)
    local now = core.now()
    for link in pairs(server.links) do links.look_after(link, now) end
  end
end

local forget = { __close = function(ended)
  local server = ended.server
  server.links[ended.link] = nil
  server.count = server.count - 1
  server.changed:set()
end }

-- Serves one connection, and forgets it.
local function serve_link(server, link)
  local _ <close> = setmetatable({ server = server, link = link }, forget)
  links.serve(link)
end

local function wait_for_fewer(server, most)
  while server.count > most do
    server.changed:clear()
    server.changed:wait()
  end
end

--- Serves until the server is closed, and returns when the last answer has been sent. The
--- handlers belong to the calling task: when that is cancelled, so are they, and the server
--- is closed.
function Server:run()
  local watch = concurrent.spawn(look_after, self)
  local _ <close> = setmetatable({}, { __close = function()
    watch:cancel()
    self:close()
  end })
  for connection in self.listener:connections() do
    local link = links.new(self, connection)
    self.links[link] = true
    self.count = self.count + 1
    link.task = concurrent.spawn(serve_link, self, link)
    wait_for_fewer(self, self.max_connections - 1)
  end
  wait_for_fewer(self, 0)
end

--- Ends serving: no further connection is accepted, idle ones are closed, streams of events are
--- ended, and other requests that have begun are answered. Does not wait; `run` returns when
--- that is done. Closing again does nothing.
function Server:close()
  if self.closing then return end
  self.closing = true
  self.listener:close()
  for link in pairs(self.links) do links.leave(link) end
end

ServerMeta.__close = Server.close

function ServerMeta:__tostring()
  return ("%s: %s"):format(ServerMeta.__name, self.url)
end

-- The routes of a server that has its own.
local function routes_of(given)
  if not given then return own_routes end
  local routes = router.new()
  for key, handler in pairs(given) do
    local method, pattern = key:match("^(%S+) (%S+)$")
    if not method then
      options.blame(("serve.listen: the route '%s' is no method and path, as in \"GET /\""):format(
        key))
    end
    router.add(routes, method, pattern, handler)
  end
  return routes
end

--- Begins to listen for requests; `server:run()` serves them. Does not wait.
---@param address? string as for net.listen, "127.0.0.1:8080" unless given; port 0 is a free one
---@param opts? neap.serve.ListenOptions
---@return neap.serve.Server
function M.listen(address, opts)
  address = address == nil and "127.0.0.1:8080" or address
  opts = options.take(opts, "serve.listen")
  local listener = net.listen(address, { backlog = opts.backlog })
  if not opts.token and not opts.open and not guard.is_local(listener.address) then
    listener:close()
    options.blame(("serve.listen: whoever reaches %s could send requests: give it a token, or say "
      .. "open = true"):format(address))
  end
  local is_path = listener.address:find("/", 1, true)
  return setmetatable({
    address = listener.address, url = (is_path and "unix:" or "http://") .. listener.address,
    listener = listener, routes = routes_of(opts.routes),
    guard = guard.new(opts, listener.address), max_body = opts.max_body,
    max_connections = opts.max_connections, links = {}, count = 0, changed = event(),
    closing = false,
    seconds = { head = opts.head_timeout, body = opts.body_timeout,
      write = opts.write_timeout, idle = opts.idle_timeout },
  }, ServerMeta)
end

return M
