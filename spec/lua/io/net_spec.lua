-- Sockets from Lua: both ends of a connection in one program.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local servers = require "spec.servers"
local neap = require "neap"
local net = require "neap.net"
local new_error = require "neap.error".new
local failure = helper.failure

-- A server whose answer to each line is that line in capitals.
local function shout(connection)
  for line in connection:lines() do connection:write(line:upper(), "\n") end
end

-- Calls `f` with the address of a server that runs meanwhile.
local function with_server(address, handler, f, opts)
  local listener <close> = net.listen(address)
  local server = neap.spawn(listener.serve, listener, handler, opts)
  f(listener.address, listener)
  listener:close()
  server:await()
end

describe("a connection", function()
  for what, address in pairs {
    ["by IPv4"] = "127.0.0.1:0",
    ["by a local socket"] = helper.tmpdir() .. "/socket",
  } do
    it(what .. " carries lines both ways", function()
      with_server(address, shout, function(at)
        local connection <close> = net.connect(at)
        connection:write("ebb\nfl")
        connection:write("ow\n")
        assert.equal("EBB", connection:read())
        assert.equal("FLOW", connection:read())
        connection:finish()
        assert.is_nil(connection:read())
      end)
    end)
  end

  it("knows the addresses of both ends", function()
    with_server("127.0.0.1:0", shout, function(at)
      local connection <close> = net.connect(at)
      assert.equal(at, connection.peer)
      assert.matches("^127%.0%.0%.1:%d+$", connection.address)
      assert.equal(("neap.net.Connection: %s to %s"):format(connection.address, at),
        tostring(connection))
    end)
  end)

  it("can be made to a name", function()
    with_server("127.0.0.1:0", shout, function(at)
      local connection <close> = net.connect("localhost:" .. at:match("%d+$"))
      connection:write("hello\n")
      assert.equal("HELLO", connection:read())
    end)
  end)

  it("holds up who writes to a peer that does not read", function()
    local listener <close> = net.listen("127.0.0.1:0")
    local sent = 0
    local writer = neap.spawn(function()
      local connection <close> = net.connect(listener.address)
      for _ = 1, 200 do
        connection:write(("x"):rep(1 << 17))
        sent = sent + 1
      end
    end)
    local connection <close> = listener:accept()
    local last = -1
    while sent ~= last do
      last = sent
      neap.sleep(0.05)
    end
    assert.is_true(sent < 200)
    assert.equal(200 << 17, #connection:read("a"))
    writer:await()
  end)

  it("says when the peer has gone", function()
    local listener <close> = net.listen("127.0.0.1:0")
    local connection <close> = net.connect(listener.address)
    listener:accept():close()
    assert.is_nil(connection:read())
    local err
    for _ = 1, 100 do
      local ok, why = pcall(connection.write, connection, ("x"):rep(1000))
      if not ok then err = why break end
      neap.sleep(0.001)
    end
    assert.equal("net", err.code)
    assert.is_true(err.errno == "EPIPE" or err.errno == "ECONNRESET", err.errno)
    assert.equal(("write to %s: "):format(listener.address), err.message:match("^.-: "))
  end)
end)

describe("net.connect", function()
  it("says what was in the way", function()
    local at = "127.0.0.1:" .. servers.free_port()
    local err = failure(net.connect, at)
    assert.equal("net", err.code)
    assert.equal("ECONNREFUSED", err.errno)
    assert.equal(("net.connect %s: connection refused"):format(at), err.message)
    assert.equal("ENOENT", failure(net.connect, helper.tmpdir() .. "/none").errno)
    assert.equal("ENAMETOOLONG", failure(net.connect, "/" .. ("x"):rep(200)).errno)
    assert.equal("net", failure(net.connect, "no.such.host.invalid:80").code)
  end)

  it("refuses addresses that are none", function()
    for _, address in ipairs { "", "localhost", "127.0.0.1:", ":80", "a:b", "::1:80", "h:65536" } do
      assert.matches("bad argument #1 to 'connect' %(\"host:port\"", failure(net.connect, address))
    end
    assert.matches("string expected, got nil", failure(net.connect))
    assert.matches("zero byte", failure(net.connect, "/a\0b"))
    assert.matches("did you mean 'timeout'", failure(net.connect, "h:1", { time_out = 1 }))
    assert.matches("bad option 'timeout'", failure(net.connect, "h:1", { timeout = -1 }))
    assert.matches("bad option 'delay'", failure(net.connect, "h:1", { delay = 1 }))
  end)

  it("can be given up, and leaves nothing open", function()
    local listener <close> = net.listen("127.0.0.1:0")
    local before = helper.open_files()
    for turns = 0, 5 do
      for _, host in ipairs { "127.0.0.1", "localhost" } do
        local task = neap.spawn(net.connect, host .. ":" .. listener.address:match("%d+$"))
        for _ = 1, turns do neap.sleep(0) end
        task:cancel()
        local ok, connection = pcall(task.await, task)
        if ok then connection:close() end
      end
    end
    while neap.try(neap.timeout, 0.02, function() listener:accept():close() end) do end
    local deadline = neap.now() + 10
    while helper.open_files() > before and neap.now() < deadline do
      neap.sleep(0.001)
    end
    assert.equal(before, helper.open_files())
  end)
end)

describe("net.listen", function()
  it("says what was in the way", function()
    local listener <close> = net.listen("127.0.0.1:0")
    local err = failure(net.listen, listener.address)
    assert.equal("EADDRINUSE", err.errno)
    assert.equal(("net.listen %s: address already in use"):format(listener.address), err.message)
    assert.matches("an address in digits expected", failure(net.listen, "localhost:80"))
    for _, address in ipairs { "256.0.0.1:0", "1.2.3:0", "[::1::]:0" } do
      local refused = failure(net.listen, address)
      assert.equal("net", refused.code)
      assert.equal(("net.listen %s: the address must be in digits, as 127.0.0.1 or [::1]")
        :format(address), refused.message)
    end
    assert.matches("bad option 'backlog'", failure(net.listen, "127.0.0.1:0", { backlog = 0 }))
  end)

  it("takes over the file of a server that died, not of one that lives", function()
    local path = helper.tmpdir() .. "/socket"
    local script = helper.write(helper.tmpdir() .. "/dies.lua",
      'require("neap.net").listen(...) os.exit(0, false)')
    helper.run { helper.neap, script, path }
    assert.is_true(neap.fs.exists(path))
    do
      local listener <close> = net.listen(path)
      assert.equal(path, listener.address)
      assert.equal("EADDRINUSE", failure(net.listen, path).errno)
    end
    assert.is_false(neap.fs.exists(path))
  end)

  -- Whoever connects to a file that is no socket is refused just as by a server
  -- that has died; that must not cost the file.
  it("leaves what is no socket of a dead server where it is", function()
    local dir = helper.tmpdir()
    local dead = dir .. "/dead"
    helper.run { helper.neap, helper.write(dir .. "/dies.lua",
      'require("neap.net").listen(...) os.exit(0, false)'), dead }
    helper.write(dir .. "/notes", "a day's work")
    neap.fs.mkdir(dir .. "/folder")
    neap.fs.symlink("notes", dir .. "/to_file")
    neap.fs.symlink("dead", dir .. "/to_socket")
    neap.fs.symlink("nowhere", dir .. "/to_nothing")
    helper.run { "mkfifo", dir .. "/fifo" }
    local function all()
      local list = {}
      for i, entry in ipairs(neap.fs.list(dir)) do
        local stat = neap.fs.lstat(dir .. "/" .. entry.name)
        list[i] = ("%s %s %d %f"):format(entry.name, stat.type, stat.size, stat.mtime)
      end
      return list
    end
    local before = all()
    for _, name in ipairs { "notes", "folder", "to_file", "to_socket", "to_nothing", "fifo" } do
      assert.equal("EADDRINUSE", failure(net.listen, dir .. "/" .. name).errno, name)
    end
    assert.same(before, all())
    assert.equal("a day's work", neap.fs.read(dir .. "/notes"))
    net.listen(dead):close()
  end)

  it("lets one of those who want a dead server's place have it", function()
    local dir = helper.tmpdir()
    local path = dir .. "/socket"
    helper.run { helper.neap, helper.write(dir .. "/dies.lua",
      'require("neap.net").listen(...) os.exit(0, false)'), path }
    local script = helper.write(dir .. "/wants.lua", [[
      local neap = require "neap"
      local ok, listener = pcall(neap.net.listen, ...)
      print(ok and "has it" or listener.errno)
      io.stdout:flush()
      -- Rivals that look whether somebody lives here hang up at once.
      if ok then listener:serve(function(c) pcall(c.write, c, "here\n") end) end
      neap.input()]])
    local rivals = {}
    for i = 1, 8 do
      rivals[i] = neap.process.spawn { helper.neap, script, path }
    end
    local said = {}
    for i, rival in ipairs(rivals) do said[i] = rival.stdout:read() end
    table.sort(said)
    assert.same({ "EADDRINUSE", "EADDRINUSE", "EADDRINUSE", "EADDRINUSE", "EADDRINUSE",
      "EADDRINUSE", "EADDRINUSE", "has it" }, said)
    local connection <close> = net.connect(path)
    assert.equal("here", connection:read())
    for _, rival in ipairs(rivals) do rival:close() rival:wait() end
  end)
end)

describe("a listener", function()
  it("gives each connection to one of those who wait", function()
    local listener <close> = net.listen("127.0.0.1:0")
    local tasks = {}
    for i = 1, 5 do tasks[i] = neap.spawn(listener.accept, listener) end
    local held = {}
    for i = 1, 5 do held[i] = net.connect(listener.address) end
    for i = 1, 5 do tasks[i]:await():close() end
    for i = 1, 5 do held[i]:close() end
  end)

  it("loses no connection of who is cancelled", function()
    local listener <close> = net.listen("127.0.0.1:0")
    for turns = 0, 5 do
      local task = neap.spawn(listener.accept, listener)
      neap.sleep(0)
      local connection <close> = net.connect(listener.address)
      for _ = 1, turns do neap.sleep(0) end
      task:cancel()
      local ok, other = pcall(task.await, task)
      if not ok then other = neap.timeout(10, listener.accept, listener) end
      other:write("here\n")
      assert.equal("here", connection:read())
      other:close()
    end
  end)

  it("lets those who wait go when it is closed", function()
    local listener = net.listen("127.0.0.1:0")
    local task = neap.spawn(listener.accept, listener)
    neap.sleep(0)
    listener:close()
    listener:close()
    local err = failure(task.await, task)
    assert.equal("closed", err.code)
    assert.equal("closed", failure(listener.accept, listener).code)
    for _ in listener:connections() do error("there is none") end
  end)

  it("serves many, some at a time", function()
    local here, most = 0, 0
    local function handler(connection)
      here = here + 1
      most = math.max(most, here)
      shout(connection)
      here = here - 1
    end
    with_server("127.0.0.1:0", handler, function(at)
      local clients = {}
      for i = 1, 50 do
        clients[i] = function()
          local connection <close> = net.connect(at)
          connection:write("line ", i, "\n")
          return connection:read()
        end
      end
      local answers = neap.gather(clients)
      for i = 1, 50 do assert.equal("LINE " .. i, answers[i]) end
    end, { max_connections = 5 })
    assert.equal(5, most)
  end)

  it("goes on when a handler fails, with a warning", function()
    local script = helper.write(helper.tmpdir() .. "/server.lua", [[
      local neap = require "neap"
      local listener <close> = neap.net.listen("127.0.0.1:0")
      local server = neap.spawn(listener.serve, listener, function(c)
        error("tide " .. c:read(), 0)
      end)
      for i = 1, 2 do
        local connection <close> = neap.net.connect(listener.address)
        connection:write(i, "\n")
        assert(not connection:read())
      end
      listener:close()
      server:await()
      print("done")
    ]])
    local result = helper.run { helper.neap, script }
    assert.equal("done\n", result.stdout)
    assert.matches("a connection from 127.0.0.1:%d+ ended with an error: tide 1", result.stderr)
    assert.matches("tide 2", result.stderr)
  end)

  it("goes on when the system has no room for a while, with a warning", function()
    local script = helper.write(helper.tmpdir() .. "/server.lua", [[
      local neap, new_error = require "neap", require "neap.error".new
      local listener <close> = neap.net.listen("127.0.0.1:0")
      -- What the system says of single connections, or of itself at a time.
      local errors, accept = { "EMFILE", "ENFILE", "ENOBUFS", "ENOMEM", "EIO" }, listener.accept
      function listener:accept()
        local errno = errors and table.remove(errors, 1)
        if errno then error(new_error { code = "net", errno = errno, message = errno }, 0) end
        if errors then
          errors = nil
          error("not enough memory", 0)
        end
        return accept(self)
      end
      local server = neap.spawn(listener.serve, listener, function(c) c:write "here\n" end)
      for _ = 1, 3 do
        local connection <close> = neap.net.connect(listener.address)
        assert(connection:read() == "here")
      end
      listener:close()
      server:await()
      print("done")
    ]])
    local result = helper.run { helper.neap, script }
    assert.equal("done\n", result.stdout)
    assert.matches("^warning: neap: 127.0.0.1:%d+: no connection can be accepted for now: "
      .. "EMFILE\n$", result.stderr)
  end)

  it("ends when the listener is broken, and tells why", function()
    local listener <close> = net.listen("127.0.0.1:0")
    listener.accept = function()
      error(new_error { code = "net", errno = "EBADF", message = "accept: bad file descriptor" }, 0)
    end
    assert.equal("EBADF", failure(listener.serve, listener, function() end).errno)
    assert.equal("EBADF", failure(listener:connections()).errno)
  end)

  it("ends its handlers with whoever serves", function()
    local listener <close> = net.listen("127.0.0.1:0")
    local ended
    local server = neap.spawn(listener.serve, listener, function(connection)
      local _ <close> = setmetatable({}, { __close = function() ended = true end })
      connection:read()
    end)
    local connection <close> = net.connect(listener.address)
    neap.sleep(0.01)
    server:cancel()
    pcall(server.await, server)
    assert.is_true(ended)
    assert.is_nil(connection:read())
  end)
end)

describe("net.lookup", function()
  it("finds addresses", function()
    assert.same({ "127.0.0.1" }, net.lookup("127.0.0.1"))
    local found = table.concat(net.lookup("localhost"), " ")
    assert.is_truthy(found:find("127.0.0.1", 1, true) or found:find("::1", 1, true))
    assert.equal("net", failure(net.lookup, "no.such.host.invalid").code)
    assert.matches("name of a host expected", failure(net.lookup, ""))
  end)

  it("can be given up", function()
    local task = neap.spawn(net.lookup, "localhost")
    neap.sleep(0)
    task:cancel()
    pcall(task.await, task)
  end)
end)

describe("when there are no descriptors left", function()
  it("accepting and connecting are errors, and the engine goes on", function()
    local script = helper.write(helper.tmpdir() .. "/script.lua", [[
      local neap = require "neap"
      local net = neap.net
      local listener <close> = net.listen("127.0.0.1:0")
      local held, err = {}
      for i = 1, 100 do
        local ok, c = pcall(net.connect, listener.address)
        if not ok then err = c break end
        held[i] = c
      end
      print(err.code, err.errno)
      print(select(2, pcall(listener.accept, listener)).errno)
      for _, c in ipairs(held) do c:close() end
      local c <close> = net.connect(listener.address)
      c:write("here\n")
      c:finish()
      for other in listener:connections() do
        local line = other:read()
        other:close()
        if line then print(line) break end
      end
    ]])
    local result = helper.run({ "sh", "-c", "ulimit -n 30; exec " .. helper.neap .. " " .. script })
    assert.same({ status = 0, stderr = "", stdout = "net\tEMFILE\nEMFILE\nhere\n" }, result)
  end)
end)
