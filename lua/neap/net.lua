--- Sockets: connections by TCP or within this machine, made and accepted.
-- SPDX-License-Identifier: MIT
--
-- A failure raises an error object of code "net" with `errno`
-- ("ECONNREFUSED") where the system or a lookup refused.
local class = require "neap.base.class"
local core = require "neap.core".net
local concurrent = require "neap.task.concurrent"
local new_connection = require "neap.io.connection".new
local options = require "neap.base.options"
local rules = require "neap.base.schema".rules
local event = require "neap.core".event
local sleep = require "neap.core".sleep

local M = {}

-- What is wrong with an address.
local FORM = '"host:port", "[::1]:port" or a path with a slash'

-- Splits an address into host, port and path; raises at the caller of our
-- caller for one that is none. A host may be missing where the caller says what
-- it is then.
local function split(address, where)
  options.argument(1, where, address, rules.string)
  if address:find("\0", 1, true) then
    options.blame(("bad argument #1 to '%s' (the address contains a zero byte)"):format(where))
  elseif address:find("/", 1, true) then
    return nil, nil, address
  end
  local host, port = address:match("^%[([%x:.%%%w]+)%]:(%d+)$")
  if not host then host, port = address:match("^([^:%[%]]+):(%d+)$") end
  port = tonumber(port)
  if not host or port > 65535 then
    options.blame(("bad argument #1 to '%s' (%s expected, got %q)"):format(where, FORM, address))
  end
  return host, port
end

--- Connects to an address and waits until that is done. A name is looked up, and
--- its addresses are tried one after the other. What follows a timeout is an
--- error of code "timeout".
---@param address string "host:port", "[::1]:port", or a path, which has a slash
---@param opts? neap.net.ConnectOptions
---@return neap.net.Connection
function M.connect(address, opts)
  local host, port, path = split(address, "connect")
  opts = options.check(opts, "net.connect")
  local label = "net.connect " .. address
  local function connect()
    return new_connection(core.connect(label, host, port, path, opts.delay))
  end
  if opts.timeout == nil then return (connect()) end
  return (concurrent.timeout(opts.timeout, connect))
end

local HOST = { test = function(value)
  return type(value) == "string" and value ~= "" and not value:find("\0", 1, true)
end, expected = "name of a host" }

--- Looks up the addresses of a host (by the system's rules: the hosts file, DNS)
--- and waits for them.
---@param host string
---@return string[] addresses in digits, at least one
function M.lookup(host)
  options.argument(1, "lookup", host, HOST)
  return (core.lookup("net.lookup " .. host, host))
end

--- What listens for connections.
---@class neap.net.Listener
---@field address string where: "127.0.0.1:40000", or a path
---@field private handle userdata
local Listener, ListenerMeta = class("neap.net.Listener")

--- Waits for a connection. Who is cancelled loses none; several may wait and get
--- them in turn. Raises code "closed" once the listener is, and with `errno`
--- "EMFILE" when there are no descriptors left: the connection then waits.
---@return neap.net.Connection
function Listener:accept()
  return new_connection(self.handle:accept())
end

-- How long nobody is accepted when the system has no room for a connection, in
-- seconds.
local PAUSE = 0.1

-- Errors after which nothing will ever be accepted again: those of the listener.
-- All others are of a moment, in which the system had no room for a connection.
local FINAL = { EBADF = true, EFAULT = true, EINVAL = true, ENOTSOCK = true }

local function is_passing(err)
  if type(err) == "table" then return err.code == "net" and not FINAL[err.errno] end
  return err == "not enough memory" -- of Lua
end

-- Accepts a connection whatever passes meanwhile; nil when the listener has been
-- closed. A shortage is told once, until there is a connection again.
local function accept_patiently(self)
  local told = false
  while true do
    local ok, connection = concurrent.try(self.accept, self)
    if ok then return connection end
    local err = connection
    if type(err) == "table" and err.code == "closed" then return nil end
    if not is_passing(err) then error(err, 0) end
    if not told then
      warn(("neap: %s: no connection can be accepted for now: %s")
        :format(self.address, tostring(err)))
    end
    told = true
    sleep(PAUSE)
  end
end

--- Iterates over the connections that come, until the listener is closed. When
--- the system has no room for one (`errno` "EMFILE", "ENOBUFS", ...), that is a
--- warning, and it is tried again after a pause.
---@return fun(): neap.net.Connection|nil
function Listener:connections()
  return function() return (accept_patiently(self)) end
end

-- Calls the handler for one connection, and closes that. What it raises is a
-- warning: it is no reason to hang up on others.
local function handle(handler, connection, ended)
  local _ <close> = ended
  local _ <close> = connection
  local ok, err = concurrent.try(handler, connection)
  if not ok then
    warn(("neap: a connection from %s ended with an error: %s")
      :format(connection.peer == "" and connection.address or connection.peer, tostring(err)))
  end
end

--- Serves connections until the listener is closed: calls the handler in a task
--- of its own for each, and closes the connection when it returns. What a
--- handler raises is a warning and ends its connection only. When the system has
--- no room for a connection, that is a warning, too, and a pause.
---
--- Returns when the listener was closed and the handlers have ended. Who calls
--- it owns the handlers: cancelled, it ends them all.
---@param handler fun(connection: neap.net.Connection)
---@param opts? neap.net.ServeOptions
function Listener:serve(handler, opts)
  options.argument(1, "serve", handler, rules.func)
  local max = options.take(opts, "serve").max_connections
  local count, fewer = 0, event() -- how many are served; one less is
  local ended = setmetatable({}, { __close = function()
    count = count - 1
    fewer:set()
  end })
  local function wait_for_fewer()
    fewer:clear()
    fewer:wait()
  end
  while true do
    while count == max do wait_for_fewer() end
    local connection = accept_patiently(self)
    if not connection then break end
    count = count + 1
    concurrent.spawn(handle, handler, connection, ended)
  end
  while count > 0 do wait_for_fewer() end
end

--- Ends listening: who waits for a connection gets an error of code "closed".
--- Connections that were accepted go on. Again does nothing.
function Listener:close()
  self.handle:close()
end

ListenerMeta.__close = Listener.close

function ListenerMeta:__tostring()
  return ("%s: %s"):format(ListenerMeta.__name, self.address)
end

--- Listens for connections; does not wait. Port 0 stands for one that is free,
--- `listener.address` tells which. The host is an address of this machine in
--- digits: "127.0.0.1" for this machine only, "0.0.0.0" for all. At a path, the
--- socket of a server that has died is replaced; anything else that is there
--- stays, and is an error with `errno` "EADDRINUSE".
---@param address string "127.0.0.1:7000", "[::1]:7000", or a path, which has a slash
---@param opts? neap.net.ListenOptions
---@return neap.net.Listener
function M.listen(address, opts)
  local host, port, path = split(address, "listen")
  opts = options.take(opts, "net.listen")
  if host and not host:find("^[%d.]+$") and not host:find(":", 1, true) then
    options.blame(("bad argument #1 to 'listen' (an address in digits expected, got %q; for this "
      .. "machine only that is 127.0.0.1)"):format(host))
  end
  local handle_, name = core.listen("net.listen " .. address, host, port, path, opts.delay,
    opts.backlog)
  return setmetatable({ handle = handle_, address = name }, ListenerMeta)
end

return M
