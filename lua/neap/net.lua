--- Sockets: making and accepting connections by TCP or within this machine.
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
local text = require "neap.core".text

local M = {}

-- The forms of an address, for messages.
local FORM = '"host:port", "[::1]:port" or a path with a slash'

-- Splits an address into host, port and path; raises at the line of the script if it has
-- another form.
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

--- Waits for a connection to an address. A name is looked up, and its addresses are tried
--- one after the other. When `timeout` has passed, an error of code "timeout" is raised.
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

--- Waits for the addresses of a host, found by the system's rules (the hosts file, DNS).
---@param host string
---@return string[] addresses in digits, at least one
function M.lookup(host)
  options.argument(1, "lookup", host, HOST)
  return (core.lookup("net.lookup " .. host, host))
end

--- A listening socket.
---@class neap.net.Listener
---@field address string "127.0.0.1:40000", or a path
---@field private handle userdata
local Listener, ListenerMeta = class("neap.net.Listener")

--- Waits for a connection. Of several tasks that wait, each gets one in turn. A task that
--- is cancelled loses none. Raises code "closed" once the listener is closed, and `errno`
--- "EMFILE" when there are no descriptors left; the connection waits meanwhile.
---@return neap.net.Connection
function Listener:accept()
  return new_connection(self.handle:accept())
end

-- Seconds to wait when the system has no room for a connection.
local PAUSE = 0.1

-- Errors of the listener, after which it will never accept again. All others pass: the
-- system had no room for a connection.
local FINAL = { EBADF = true, EFAULT = true, EINVAL = true, ENOTSOCK = true }

local function is_passing(err)
  if type(err) == "table" then return err.code == "net" and not FINAL[err.errno] end
  return err == "not enough memory" -- of Lua
end

-- Accepts a connection, and tries again after errors that pass; nil when the listener has
-- been closed. Warns of a shortage once until the next connection.
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
        :format(self.address, text(err)))
    end
    told = true
    sleep(PAUSE)
  end
end

--- Iterates over the connections until the listener is closed. When the system has no room
--- for one (`errno` "EMFILE", "ENOBUFS", ...), that is a warning, and it is tried again
--- after a pause.
---@return fun(): neap.net.Connection|nil
function Listener:connections()
  return function() return (accept_patiently(self)) end
end

-- Calls the handler for one connection, and closes the connection. An error in it is a
-- warning, so that other connections go on.
local function handle(handler, connection, ended)
  local _ <close> = ended
  local _ <close> = connection
  local ok, err = concurrent.try(handler, connection)
  if not ok then
    warn(("neap: a connection from %s ended with an error: %s")
      :format(connection.peer == "" and connection.address or connection.peer, text(err)))
  end
end

--- Serves connections until the listener is closed. For each, it calls the handler in a task
--- of its own, and closes the connection when the handler has returned. An error in a handler
--- is a warning and ends only its connection. When the system has no room for a connection,
--- that is a warning, too, and it is tried again after a pause.
---
--- Returns when the listener is closed and the handlers have ended. The handlers belong to
--- the calling task and are cancelled with it.
---@param handler fun(connection: neap.net.Connection)
---@param opts? neap.net.ServeOptions
function Listener:serve(handler, opts)
  options.argument(1, "serve", handler, rules.func)
  local max = options.take(opts, "serve").max_connections
  local count, fewer = 0, event() -- the connections being served; set when one has ended
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

--- Ends listening. Tasks that wait for a connection get an error of code "closed". Accepted
--- connections go on. Closing again does nothing.
function Listener:close()
  self.handle:close()
end

ListenerMeta.__close = Listener.close

function ListenerMeta:__tostring()
  return ("%s: %s"):format(ListenerMeta.__name, self.address)
end

--- Listens for connections; does not wait. Port 0 stands for a free one, which
--- `listener.address` names. The host is an address of this machine in digits:
--- "127.0.0.1" for this machine only, "0.0.0.0" for all. At a path, the socket of a server
--- that has died is replaced. Anything else at the path stays, and is an error with `errno`
--- "EADDRINUSE".
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
