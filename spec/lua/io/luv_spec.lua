-- luv and neap on one loop.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local neap = require "neap"
local failure = helper.failure

describe("luv", function()
  local uv

  setup(function() uv = neap.luv() end)

  -- Handles that are being closed count until uv has seen to it.
  after_each(function() uv.run() end)

  it("is served while tasks wait", function()
    local order, timer = {}, uv.new_timer()
    local rung = neap.event()
    uv.update_time() -- timers of uv count from when the loop has last run
    timer:start(50, 0, function()
      order[#order + 1] = "luv"
      timer:close()
      rung:set()
    end)
    neap.gather {
      function() neap.sleep(0.001) order[#order + 1] = "neap" end,
      function() rung:wait() order[#order + 1] = "both" end,
    }
    assert.same({ "neap", "luv", "both" }, order)
  end)

  it("leaves a sweep of cancellations in peace", function()
    local steps = neap.testing.sweep(function()
      local listener <close> = neap.net.listen("127.0.0.1:0")
      local connection <close> = neap.net.connect(listener.address)
      connection:write("tide\n")
    end)
    assert.is_true(steps > 0)
  end)

  it("talks to sockets of neap", function()
    local listener <close> = neap.net.listen("127.0.0.1:0")
    local server = neap.spawn(listener.serve, listener, function(connection)
      for line in connection:lines() do connection:write(line:upper(), "\n") end
    end)
    local answers = neap.channel(1)
    local tcp = uv.new_tcp()
    tcp:connect("127.0.0.1", tonumber(listener.address:match("%d+$")), function(err)
      assert(not err, err)
      tcp:read_start(function(_, bytes)
        neap.spawn_detached(function() answers:send(bytes or "") end)
      end)
      tcp:write("tide\n")
    end)
    assert.equal("TIDE\n", neap.timeout(10, answers.receive, answers))
    tcp:close()
    listener:close()
    server:await()
  end)

  it("reads files by threads, too", function()
    local path = helper.write(helper.tmpdir() .. "/text", "ebb")
    local got = neap.event()
    local text
    uv.fs_open(path, "r", 420, function(_, fd)
      uv.fs_read(fd, 10, 0, function(_, bytes)
        text = bytes
        uv.fs_close(fd)
        got:set()
      end)
    end)
    neap.timeout(10, got.wait, got)
    assert.equal("ebb", text)
  end)

  it("spawns tasks in callbacks, but does not wait there", function()
    local err, task
    local timer = uv.new_timer()
    timer:start(0, 0, function()
      timer:close()
      err = failure(neap.sleep, 1)
      task = neap.spawn(function() neap.sleep(0) return "spawned" end)
    end)
    uv.run()
    assert.equal("unyieldable", err.code)
    assert.equal("sleep cannot wait here: it is called from a callback of luv; spawn a task"
      .. " that does", err.message)
    assert.equal("spawned", task:await())
  end)

  it("runs until its handles have ended, or it is stopped", function()
    local count, timer = 0, uv.new_timer()
    assert.is_false(uv.run())
    timer:start(1, 1, function()
      count = count + 1
      if count == 3 then timer:stop() end
    end)
    assert.is_false(uv.run("default"))
    assert.equal(3, count)
    timer:start(1, 1, function() uv.stop() end)
    assert.is_true(uv.run())
    timer:close()
    assert.is_boolean(uv.run("nowait"))
    assert.truthy(failure(uv.run, "twice")
      :find('"once" or "nowait" expected, got "twice"', 1, true))
    assert.truthy(failure(uv.loop_close):find("the loop belongs to neap", 1, true))
  end)

  it("walks through its own handles, not neap's", function()
    local one, other = uv.new_timer(), uv.new_tcp()
    local found = {}
    uv.walk(function(handle) found[handle] = true end)
    assert.same({ [one] = true, [other] = true }, found)
    uv.walk(function(handle) handle:close() end)
    uv.run()
    found = {}
    uv.walk(function(handle) found[handle] = true end)
    assert.same({}, found)
  end)

  it("lets handles that were closed be collected", function()
    local weak = setmetatable({}, { __mode = "k" })
    for _ = 1, 100 do
      local timer = uv.new_timer()
      weak[timer] = true
      timer:close()
      uv.fs_scandir(helper.root, function() end)
    end
    uv.run()
    for _ = 1, 3 do collectgarbage() end
    assert.is_nil(next(weak))
  end)

  it("is not taken for a deadlock", function()
    local event, timer = neap.event(), uv.new_timer()
    timer:start(5, 0, function() timer:close() event:set() end)
    event:wait()
    assert.is_true(event:is_set())
  end)

  it("is given again", function()
    assert.equal(uv, neap.luv())
    assert.equal(uv, require "luv")
  end)
end)

describe("a script with luv", function()
  -- Runs it with neap, and with a plain Lua.
  local function run(script)
    local path = helper.write(helper.tmpdir() .. "/script.lua", script)
    local lua_path = helper.root .. "/lua/?.lua;" .. helper.root .. "/lua/?/init.lua;;"
    return helper.run({ helper.neap, path }, { timeout = 30 }),
      helper.run({ helper.lua, path },
        { timeout = 30, env = { LUA_PATH = lua_path, LUA_CPATH = helper.build .. "/lib/?.so;;" } })
  end

  it("ends with handles that are open", function()
    local results = { run [[
      local neap = require "neap"
      local uv = neap.luv()
      local timer = uv.new_timer()
      timer:start(1, 1, function() end)
      uv.new_tcp():bind("127.0.0.1", 0)
      neap.sleep(0.01)
      io.stdout:write("done\n")
      os.exit(true, true)
    ]] }
    for _, result in ipairs(results) do
      assert.equal("done\n", result.stdout)
      assert.equal("", result.stderr)
      assert.equal(0, result.status)
    end
  end)

  it("ends with handles that are closing, and calls of threads under way", function()
    local script = [[
      local neap = require "neap"
      local uv = neap.luv()
      for _ = 1, 20 do
        local tcp, peer = uv.new_tcp(), uv.new_tcp()
        tcp:bind("127.0.0.1", 0)
        tcp:listen(10, function() end)
        peer:connect("127.0.0.1", tcp:getsockname().port, function() end)
        uv.new_timer():close()
        uv.new_pipe():close()
        uv.new_fs_event():start("/", {}, function() end)
        local poll = uv.new_fs_poll()
        poll:start("/", 1, function() end)
        poll:close()
        pcall(uv.spawn, "/no/such/program", {}) -- which closes its handle
        uv.fs_scandir("/", function() end)
        uv.fs_open("/", "r", 0, function() end)
        uv.new_work(function() end, function() end):queue()
        uv.getaddrinfo("127.0.0.1", nil, nil, function() end)
      end
      io.stdout:write("done\n")
      io.stdout:flush()
    ]]
    for _, ending in ipairs {
      "", "neap.sleep(0.002)", "os.exit(true, true)",
      "local t = uv.new_timer() t:start(1, 0, function() os.exit(true, true) end) neap.sleep(60)",
    } do
      for _, result in ipairs { run(script .. ending) } do
        assert.equal("done\n", result.stdout)
        assert.equal("", result.stderr)
        assert.equal(0, result.status, ending)
      end
    end
  end)

  it("is told that handles are closed when it ends", function()
    local result = helper.run { helper.neap, "-e", [[
      local neap = require "neap"
      local uv = neap.luv()
      local timer = uv.new_timer()
      timer:close(function()
        print "closed"
        neap.spawn(print, "is not begun any more")
      end)
    ]] }
    assert.equal("closed\n", result.stdout)
    assert.equal(0, result.status)
  end)

  it("is not called back when its state is being closed", function()
    local _, result = run [[
      local neap = require "neap"
      local uv = neap.luv()
      uv.new_timer():close(function() print "called" end)
      uv.fs_open("/", "r", 0, function() print "called" end)
    ]]
    assert.equal("", result.stdout .. result.stderr)
    assert.equal(0, result.status)
  end)

  it("is warned of what a callback raises, and goes on", function()
    local results = { run [[
      warn("@on")
      local neap = require "neap"
      local uv = neap.luv()
      local timer = uv.new_timer()
      timer:start(1, 0, function() timer:close() error("oops") end)
      uv.run()
      io.stdout:write("done\n")
      os.exit(true, true)
    ]] }
    for _, result in ipairs(results) do
      assert.equal("done\n", result.stdout)
      assert.truthy(result.stderr:find("neap: a callback of luv failed: .*oops"), result.stderr)
      assert.equal(0, result.status)
    end
  end)

  it("has to ask neap first", function()
    local results = { run [[
      require "luv"
      local neap = require "neap"
      local ok, err = pcall(neap.luv)
      io.stdout:write(tostring(err))
      os.exit(true, true)
    ]] }
    for _, result in ipairs(results) do
      assert.truthy(result.stdout:find("luv has been loaded before, with a loop of its own",
        1, true), result.stdout .. result.stderr)
    end
  end)

  it("is told what to install when it is missing", function()
    local results = { run [[
      local neap = require "neap"
      package.cpath = ""
      local ok, err = pcall(neap.luv)
      io.stdout:write(tostring(err))
      os.exit(true, true)
    ]] }
    for _, result in ipairs(results) do
      assert.truthy(result.stdout:find("luv is not installed (Debian: lua-luv", 1, true),
        result.stdout .. result.stderr)
    end
  end)
end)
