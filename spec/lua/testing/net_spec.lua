-- Peers that a test makes up.
-- SPDX-License-Identifier: MIT
local failure = require("spec.helper").failure
local neap = require "neap"

local net, testing = neap.net, neap.testing

-- Calls f on the virtual clock with a fake of these peers.
local function with(peers, f)
  testing.run(function()
    local fake <close> = testing.net(peers)
    f(fake)
  end)
end

-- A peer that says in capitals what it reads.
local function shout(connection)
  for line in connection:lines() do connection:write(line:upper(), "\n") end
end

describe("a fake of the network", function()
  it("has peers that talk", function()
    with({ ["harbour:7000"] = shout, ["/run/tide"] = "3 m\n", ["[::1]:*"] = { text = "six" } },
      function(fake)
        local connection <close> = net.connect "harbour:7000"
        assert.same({ "127.0.0.1:49152", "harbour:7000" },
          { connection.address, connection.peer })
        connection:write("ebb\n")
        assert.equal("EBB", connection:read())
        connection:write("flow\n", 7)
        connection:finish()
        assert.equal("FLOW\n7\n", connection:read("a"))
        local tide = net.connect "/run/tide"
        assert.equal("3 m\n", tide:read("a"))
        assert.equal("six", net.connect("[::1]:80"):read("a"))
        assert.same({ peer = "harbour:7000", sent = "ebb\nflow\n7" }, fake.connections[1])
        assert.same({ "/run/tide", "[::1]:80" },
          { fake.connections[2].peer, fake.connections[3].peer })
        assert.matches("^neap.net.Connection: 127.0.0.1:49152 to harbour:7000$",
          tostring(connection))
      end)
  end)

  it("takes time, and fails as the world does", function()
    with({
      ["sea:1"] = { { error = "ECONNREFUSED" }, { delay = 5, text = "at last" } },
    }, function()
      local err = failure(net.connect, "sea:1")
      assert.same({ "net", "ECONNREFUSED", "net.connect sea:1: connection refused" },
        { err.code, err.errno, err.message })
      assert.equal("timeout", failure(net.connect, "sea:1", { timeout = 2 }).code)
      assert.equal("at last", net.connect("sea:1", { timeout = 6 }):read("a"))
      assert.equal(7, neap.now())
    end)
  end)

  it("names what is not expected", function()
    with({ ["sea:1"] = "" }, function()
      local err = failure(net.connect, "sea:2")
      assert.equal('net.connect sea:2: the fake has nothing for "sea:2"', err.message)
      assert.same({ "net", false }, { err.code, err.retryable })
      assert.equal('net.lookup sea: the fake has nothing for "sea"',
        failure(net.lookup, "sea").message)
      assert.matches('nothing for "/run/x"', failure(net.connect, "/run/x").message)
    end)
  end)

  it("looks names up", function()
    with({ sea = { "10.0.0.1", "10.0.0.2" }, lake = "::5" }, function()
      assert.same({ "10.0.0.1", "10.0.0.2" }, net.lookup "sea")
      assert.same({ "::5" }, net.lookup "lake")
      assert.same({ "192.0.2.1" }, net.lookup "192.0.2.1")
    end)
  end)

  it("leads to listeners, without a socket", function()
    with(nil, function(fake)
      local listener <close> = net.listen "0.0.0.0:0"
      local port = listener.address:match(":(%d+)$")
      local served = neap.spawn(listener.serve, listener, shout)
      for _, host in ipairs { "127.0.0.1", "localhost" } do
        local connection <close> = net.connect(host .. ":" .. port)
        connection:write(host, "\n")
        assert.equal(host:upper(), connection:read())
      end
      local err = failure(net.listen, listener.address)
      assert.same({ "net", "EADDRINUSE" }, { err.code, err.errno })
      listener:close()
      served:await()
      assert.matches("nothing for", failure(net.connect, "localhost:" .. port).message)
      assert.same({}, fake.connections)

      local here <close> = net.listen "/run/here"
      local early = net.connect "/run/here"
      early:write("early")
      early:finish()
      local accepted <close> = here:accept()
      assert.same({ "early", "/run/here", "" },
        { accepted:read("a"), accepted.address, accepted.peer })
      local waiting = neap.spawn(here.accept, here)
      testing.settle()
      here:close()
      assert.equal("closed", failure(waiting.await, waiting).code)
    end)
  end)

  it("loses no connection to who is cancelled", function()
    with(nil, function()
      local listener <close> = net.listen "127.0.0.1:9"
      local first = neap.spawn(listener.accept, listener)
      local second = neap.spawn(listener.accept, listener)
      testing.settle()
      local ours <close> = net.connect "127.0.0.1:9"
      first:cancel()
      second:await():write("taken")
      assert.equal("taken", ours:read(5))
    end)
  end)

  it("breaks streams as the system does", function()
    with({ ["deaf:1"] = function(connection) connection:close() end,
      ["slow:1"] = function(connection)
        neap.sleep(60)
        connection:read("a")
      end,
      ["wrong:1"] = function() error("the test is wrong", 0) end }, function()
      local connection = net.connect "deaf:1"
      assert.is_nil(connection:read())
      assert.is_nil(connection:read_some())
      local err = failure(connection.write, connection, "x")
      assert.same({ "net", "EPIPE" }, { err.code, err.errno })
      connection:close()
      assert.equal("read from deaf:1: closed", failure(connection.read, connection).message)
      assert.equal("closed", failure(connection.write, connection, "x").code)

      -- Who writes more than there is room for is held up.
      local slow <close> = net.connect "slow:1"
      slow:write(("x"):rep(65536))
      assert.equal(0, neap.now())
      slow:write(("x"):rep(65536))
      assert.equal(60, neap.now())

      local reading = neap.spawn(slow.read, slow)
      testing.settle()
      assert.equal("busy", failure(slow.read, slow).code)
      slow:close()
      assert.equal("closed", failure(reading.await, reading).code)

      local wrong = net.connect "wrong:1"
      assert.equal("the test is wrong", failure(wrong.read, wrong))
    end)
  end)

  it("can be cancelled at every step", function()
    testing.sweep(function(guard)
      local _ <close> = testing.net { ["sea:1"] = shout }
      local _ <close> = guard()
      local listener <close> = net.listen "127.0.0.1:80"
      neap.spawn(listener.serve, listener, shout)
      neap.map({ "sea:1", "127.0.0.1:80" }, function(address)
        local connection <close> = net.connect(address)
        connection:write("ebb\n")
        assert(connection:read() == "EBB")
      end)
      listener:close()
    end)
  end)

  it("leaves no trace when it is closed", function()
    local raw = require "neap.core".net
    local connect, listen, lookup = raw.connect, raw.listen, raw.lookup
    testing.net():close()
    assert.same({ connect, listen, lookup }, { raw.connect, raw.listen, raw.lookup })
  end)

  it("refuses peers that make no sense", function()
    local function misused(message, peers)
      assert.equal(message, (failure(testing.net, peers):gsub("^[^:]+:%d+: ", "")))
    end
    misused("bad argument #1 to 'net' (table of peers expected, got string)", "sea:1")
    misused('testing.net: an address is "host:port", got 1', { "sea:1" })
    misused("testing.net: sea:1: an answer is a table or a string, got a number",
      { ["sea:1"] = 7 })
    misused("testing.net: sea:1: unknown option 'txt'; did you mean 'text'?",
      { ["sea:1"] = { txt = "" } })
    misused("testing.net: sea: a host without a port has addresses, a list of strings",
      { sea = shout })
    misused("testing.net: sea:1: bad option 'error' (name of an errno such as \"ENOENT\" "
      .. "expected, got \"no\")", { ["sea:1"] = { error = "no" } })
    local fake <close> = testing.net()
    misused("testing.net: there is a fake already; close it first", {})
    assert.is_table(fake.connections)
  end)
end)
