-- What requests that give up while they connect leave behind: nothing. libcurl closes
-- their sockets without a word, and the next that anybody opens has the same number.
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local http = require "neap.http"
local net = require "neap.net"

-- Returns a listener on this address that the system has no connection left for, with
-- what keeps it so.
local function full(address)
  local listener = net.listen(address, { backlog = 1 })
  return listener, { listener, net.connect(listener.address), net.connect(listener.address) }
end

local function close_all(list)
  for _, each in ipairs(list) do each:close() end
end

-- Calls `f` while the requests of connections to this listener are answered, each with
-- "ok".
local function with_server(listener, f)
  local server = neap.spawn(listener.serve, listener, function(connection)
    for line in connection:lines() do
      if line == "\r" then connection:write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") end
    end
  end)
  f("http://" .. listener.address)
  server:cancel()
  pcall(server.await, server)
  listener:close()
end

-- Opens sockets of each kind, twice, since the first may get another number.
local function open_sockets()
  for _ = 1, 2 do
    local one, other = neap.stream.pair()
    one:write("high\n")
    assert.equal("high", other:read())
    close_all { one, other }
    with_server(net.listen("127.0.0.1:0"), function(url)
      assert.equal("ok", http.get(url, { timeout = 5 }).body)
    end)
    assert.equal(0, neap.process.run({ "true" }).code)
  end
end

describe("a request that gives up while it connects", function()
  local url, held

  before_each(function()
    local listener
    listener, held = full("127.0.0.1:0")
    url = "http://" .. listener.address
  end)

  after_each(function() close_all(held) end)

  for what, give_up in pairs {
    ["after its time to connect"] = function() http.get(url, { connect_timeout = 0.02 }) end,
    ["after its time in all"] = function() http.get(url, { timeout = 0.02 }) end,
    ["cancelled"] = function() neap.timeout(0.02, http.get, url) end,
    ["before it has begun"] = function()
      local task = neap.spawn(http.get, url)
      neap.sleep(0)
      task:cancel()
      task:await()
    end,
    ["beside many others"] = function()
      neap.timeout(0.02, neap.map, { n = 30 }, function() http.get(url) end)
    end,
    ["for a host that is not found"] = function()
      neap.timeout(0.001, http.get, "http://nobody.invalid/")
    end,
  } do
    it(what .. " spoils no socket of others", function()
      assert.is_false(pcall(give_up))
      open_sockets()
    end)
  end

  it("to one address of several is made to the next", function()
    local port = url:match("%d+$")
    local ok, other = pcall(net.listen, "[::1]:" .. port)
    if not ok then return pending("there is no IPv6 here") end
    with_server(other, function()
      for _ = 1, 2 do
        assert.equal("ok", http.get("http://localhost:" .. port, { timeout = 5 }).body)
        open_sockets()
      end
    end)
  end)
end)
