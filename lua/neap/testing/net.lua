--- The fake of neap.net: a test plays the peers.
-- SPDX-License-Identifier: MIT
local class = require "neap.base.class"
local answers = require "neap.testing.answers"
local fake = require "neap.testing.fake"
local core = require "neap.core"
local errno_words = require "neap.testing.errno"
local new_connection = require "neap.io.connection".new
local new_error = require "neap.error".new
local options = require "neap.base.options"
local streams = require "neap.testing.stream"

local M = {}
local raw = core.net

--- A connection that was made.
---@class neap.testing.Connection
---@field peer string the address that was asked for
---@field sent string the bytes that were written to it

--- A fake of neap.net. A connection to an address leads to the listener at it, or else to the
--- peer that the fake has for it: a function, which is called with the connection as by
--- `listener:serve`; a text, which is sent; a table; or a list of these, one for each
--- connection, the last one again and again. "*" at the end of an address stands for any
--- text. A name without a port has the addresses that a lookup returns. An address that fits
--- nothing is an error.
---@class neap.testing.Net
---@field close fun(self) closes the fake's listeners, cancels its peers, and lets connections
--- reach the network again
---@field connections neap.testing.Connection[] made so far, except those to listeners
---@field private peers table
---@field private turns table<string, integer>
---@field private listeners table<string, table> by their addresses
---@field private tasks table<neap.Task, boolean> the tasks of the peers
---@field private real table
local Fake, FakeMeta, begin = fake("neap.testing.Net", function(self)
  for name, f in pairs(self.real) do raw[name] = f end
  local listeners = {}
  for _, listener in pairs(self.listeners) do listeners[#listeners + 1] = listener end
  for _, listener in ipairs(listeners) do listener:close() end
  for task in pairs(self.tasks) do task:cancel() end
end)

local FIRST_PORT = 49151 -- the last before those that are free for any use

local function check_peer(peer, address)
  return (answers.check(peer, "testing.net", "text", address))
end

-- Whether a key is an address, not a name to be looked up.
local function is_address(key)
  return key:find(":%d+$") or key:find("[/*]")
end

local function check_peers(peers)
  answers.check_all(peers, "net", "peers")
  for address, given in pairs(peers) do
    if type(address) ~= "string" then
      options.blame(('testing.net: an address is "host:port", got %s'):format(tostring(address)))
    end
    for _, peer in ipairs(answers.is_list(given) and given or { given }) do
      if not is_address(address) then
        if type(peer) ~= "string" then
          options.blame(('testing.net: %s: a host without a port has addresses, a list of strings')
            :format(address))
        end
      elseif type(peer) ~= "function" then
        check_peer(peer, address)
      end
    end
  end
end

local function fail(label, why, errno)
  error(new_error { code = "net", errno = errno, message = ("%s: %s"):format(label, why) }, 0)
end

local function fail_unknown(label, key)
  error(new_error { code = "net", retryable = false,
    message = ("%s: the fake has nothing for %q"):format(label, key) }, 0)
end

local function join(host, port, path)
  if path then return path end
  return (host:find(":", 1, true) and "[%s]:%d" or "%s:%d"):format(host, port)
end

-- The handle of a listener.
local Listener, ListenerMeta = class("neap.testing.Listener")

-- Waits for a connection. A task that is cancelled leaves it to the next.
function Listener:accept()
  local label = "accept at " .. self.address
  core.may_wait(label)
  while not self.waiting[1] do
    if self.closed then
      error(new_error { code = "closed", message = label .. ": closed" }, 0)
    end
    local come = self.come
    come:wait()
  end
  return table.unpack(table.remove(self.waiting, 1), 1, 3)
end

-- Lets the tasks that wait look again.
function Listener:tell()
  local come = self.come
  self.come = core.event()
  come:set()
end

function Listener:close()
  if self.closed then return end
  self.closed = true
  self.fake.listeners[self.address] = nil
  for _, connection in ipairs(self.waiting) do connection[1]:close() end
  self.waiting = {}
  self:tell()
end

function Fake:next_port()
  self.port = self.port + 1
  return self.port
end

-- Stands in for the listen of neap.core.net.
function Fake:listen(label, host, port, path)
  local address = join(host, port ~= 0 and port or self:next_port(), path)
  if self.listeners[address] then
    fail(label, errno_words.EADDRINUSE, "EADDRINUSE")
  end
  local listener = setmetatable({ fake = self, address = address, waiting = {},
    come = core.event() }, ListenerMeta)
  self.listeners[address] = listener
  return listener, address
end

-- The listener that a connection to this address reaches.
function Fake:listener_at(host, port, path)
  if path then return self.listeners[path] end
  if host == "localhost" then
    return self:listener_at("127.0.0.1", port) or self:listener_at("::1", port)
  end
  local any = host:find(":", 1, true) and "::" or "0.0.0.0"
  return self.listeners[join(host, port)] or self.listeners[join(any, port)]
end

-- Plays a peer for one connection. Its errors are raised where our end is used.
local function play(peer, handle, address, from)
  local connection <close> = new_connection(handle, address, from)
  local ok, err = pcall(function()
    if type(peer) == "function" then
      peer(connection)
    elseif peer.text and peer.text ~= "" then
      connection:write(peer.text)
    end
  end)
  if ok then return end
  if core.is_cancelled() then error(err, 0) end
  if type(err) ~= "table" or err.errno ~= "EPIPE" then handle:break_off(err) end
end

-- Stands in for the connect of neap.core.net.
function Fake:connect(label, host, port, path)
  core.may_wait(label)
  core.sleep(0)
  local address = join(host, port, path)
  local own = path and "" or join("127.0.0.1", self:next_port())
  local listener = self:listener_at(host, port, path)
  if listener then
    local ours, theirs = streams.pair("net", address, own == "" and "a connection" or own)
    table.insert(listener.waiting, { theirs, listener.address, own })
    listener:tell()
    return ours, own, listener.address
  end
  local key = answers.longest(self.peers, address)
  if not key then fail_unknown(label, address) end
  local peer = answers.take(self.turns, key, self.peers[key])
  if type(peer) ~= "function" then
    peer = check_peer(peer, key)
    core.sleep(peer.delay or 0)
    if peer.error then fail(label, errno_words[peer.error], peer.error) end
  end
  local made = { peer = address, sent = "" }
  self.connections[#self.connections + 1] = made
  local ours, theirs = streams.pair("net", address, "a connection", function(bytes)
    made.sent = made.sent .. bytes
  end)
  self.tasks[core.detach(core.spawn(play, peer, theirs, address, own))] = true
  return ours, own, address
end

-- Stands in for the lookup of neap.core.net.
function Fake:lookup(label, host)
  core.may_wait(label)
  core.sleep(0)
  if host:find("^[%d.]+$") or host:find(":", 1, true) then return { host } end
  local addresses = self.peers[host]
  if not addresses then fail_unknown(label, host) end
  if type(addresses) == "string" then return { addresses } end
  return table.move(addresses, 1, #addresses, 1, {})
end

--- Opens the fake.
---@param peers? table<string, any>
---@return neap.testing.Net
function M.new(peers)
  peers = peers == nil and {} or peers
  check_peers(peers)
  local self = setmetatable({ peers = peers, connections = {}, turns = {}, listeners = {},
    tasks = setmetatable({}, { __mode = "k" }), port = FIRST_PORT, real = {} }, FakeMeta)
  begin(self)
  for _, name in ipairs { "connect", "listen", "lookup" } do
    self.real[name] = raw[name]
    raw[name] = function(...) return self[name](self, ...) end
  end
  return self
end

return M
