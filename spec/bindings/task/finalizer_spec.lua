-- Finalizers run at any allocation, and may act upon what is in use there.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"

local PATHS = {
  LUA_PATH = helper.root .. "/lua/?.lua;" .. helper.root .. "/lua/?/init.lua;;",
  LUA_CPATH = ("%s/lib/?.so;%s/spec/?.so;;"):format(helper.build, helper.build),
}

-- Runs a script in a plain Lua; it has to end well and to print `expected`.
local function says(expected, script)
  local path = helper.write(helper.tmpdir() .. "/script.lua", script)
  local result = helper.run({ helper.lua, path }, { timeout = 120, env = PATHS })
  assert.equal("", result.stderr)
  assert.equal(expected, result.stdout)
  assert.equal(0, result.status)
end

-- What the scripts begin with: at_each(use, act) has `use` done again and again
-- and `act` called by a finalizer at its first collection, at its second, and so
  -- on
local PRELUDE = [[
  local neap, core = require "neap", require "neap.core"
  local memory = require "lua_memory"
  local function at_each(use, act)
    local moment, seen = 0, nil
    local function arm()
      setmetatable({}, { __gc = function()
        if not seen then return end
        seen = seen + 1
        if seen == moment then act() else arm() end
      end })
    end
    repeat
      moment, seen = moment + 1, 0
      arm()
      memory.collect_every(1)
      use()
      memory.collect_every(0)
      local last = seen < moment
      seen = nil
      collectgarbage()
    until last
    return moment
  end
]]

describe("a finalizer", function()
  it("may collect or close what is being used, which is closed then", function()
    says("file true\nwatch true\nstream true\nlistener true\nprocess true\njar true\nupload true\n",
      PRELUDE .. [[
      local folder <close> = neap.fs.tempdir()
      local path = folder.path .. "/file"
      neap.fs.write(path, ("line\n"):rep(100))
      local file = core.fs.file
      local uses = {
        { "file", function() return (file.open(path, "r+")) end, {
          function(f) file.read(f) end, function(f) file.stat(f) end,
          function(f) file.seek(f, "set", 1) end, function(f) file.write(f, "x") end,
          function(f) file.sync(f) end, function(f) file.close(f) end }, file.shut },
        { "watch", function() return core.fs.watch(folder.path) end, {
          function() neap.fs.write(path, "x") end, function(w) w:next() end,
          function(w) neap.fs.append(path, "x") w:next() end } },
        { "stream", function() local one one, PEER = core.stream.pair() return one end, {
          function(s) s:write("x") end, function(s) neap.spawn(s.close, s) s:receive() end } },
        { "listener", function() return (core.net.listen("net.listen x", "127.0.0.1", 0)) end, {
          function(l) neap.spawn(l.close, l) l:accept() end } },
        { "process", function()
          return (core.process.spawn { argv = { "true" }, grace = 1, paths = {},
            stdio = { "null", "null", "null" } })
        end, {
          function(p) p:pid() end, function(p) p:kill(1) end, function(p) p:wait() end } },
        { "jar", function() return core.http.jar() end, {
          function(j) j:add("x\tFALSE\t/\tFALSE\t0\ta\tb\n") end, function(j) j:text() end,
          function(j)
            pcall(core.http.request, "http.get", { cookies = j }, "http://127.0.0.1:1/")
          end, function(j) j:clear() end } },
        { "upload", function() return core.http.upload() end, {
          function(u) u:write("x") end, function(u)
            pcall(core.http.request, "http.post", { upload = u }, "http://127.0.0.1:1/")
          end } },
      }
      for _, entry in ipairs(uses) do
        local name, make, steps, close = table.unpack(entry)
        local closed = 0
        for _, how in ipairs { "collected", "closed" } do
          local object
          at_each(function()
            object = make()
            for _, step in ipairs(steps) do
              local _ = {} -- a collection before the step, too
              local ok, err = pcall(step, object)
              if not ok and err.code ~= "closed" then error(err, 0) end
              if not ok then closed = closed + 1 end
            end
          end, function()
            if not object then return end
            local meta = getmetatable(object)
            local closing = how == "closed" and (close or object.close) or meta.__gc
            closing(object)
          end)
        end
        print(name .. " " .. tostring(closed > 0))
      end
    ]])
  end)

  it("may take what is being read, of which nothing comes twice or is lost", function()
    says("true\n", PRELUDE .. [[
      local one, other, got, count
      at_each(function()
        one, other = core.stream.pair()
        got, count = {}, 0
        neap.spawn(function()
          for i = 1, 5 do other:write(("%d;"):format(i)) neap.sleep(0) end
          other:finish()
          other:close()
        end)
        repeat
          local bytes = one:receive()
          got[#got + 1] = bytes
        until not bytes
        one:close()
        local all = table.concat(got)
        for i in all:gmatch("(%d);") do count = count + i end
        if count ~= 15 or #all ~= 10 then error(all) end
      end, function()
        if not one then return end
        local ok, bytes = pcall(neap.timeout, 0.05, one.receive, one)
        if ok then got[#got + 1] = bytes end
      end)
      print(true)
    ]])
  end)

  it("is not missed at the end of a script, though all is open there", function()
    local script = [[
      local neap = require "neap"
      local CRLF = string.char(13, 10)
      local folder = neap.fs.tempdir()
      local function forget(f, ...) LAST = { LAST, neap.spawn(f, ...) } end
      local path = folder.path .. "/file"
      neap.fs.write(path, "text")
      local file, temporary = neap.fs.open(path), neap.fs.tempfile()
      local watch, one, other = neap.fs.watch(folder.path), neap.stream.pair()
      local listener, web = neap.net.listen "127.0.0.1:0", neap.net.listen "127.0.0.1:0"
      local client = neap.net.connect(listener.address)
      local peer = listener:accept()
      local process = neap.process.spawn { "sleep", "60", grace = 0.1 }
      neap.spawn(web.serve, web, function(connection)
        connection:read()
        connection:write("HTTP/1.1 200 OK", CRLF, "content-length: 9", CRLF, CRLF, "half")
        neap.sleep(60)
      end)
      local url, jar = "http://" .. web.address, neap.http.jar()
      local response = neap.http.get(url, { stream = true, cookies = jar })
      local event, channel = neap.event(), neap.channel()
      local slow = neap.BatchNode { timeout = 60, concurrency = 2,
        prep = function() return { 1, 2 } end, exec = function() neap.sleep(60) end }
      KEPT = { folder, file, temporary, watch, one, other, listener, web, client, peer, process,
        jar, response, event, channel }
      for _, wait in ipairs {
        function() neap.sleep(60) end, function() event:wait() end, function() channel:send(1) end,
        function() one:read() end, function() other:write(("x"):rep(1000000)) end,
        function() watch:next() end, function() process:wait() end,
        function() listener:accept() end, function() response:read "a" end,
        function() neap.net.lookup "localhost" end, function() neap.fs.read(path) end,
        function() file:read() end, function() neap.http.get(url) end,
        function() neap.http.post(url, { body = function() neap.sleep(60) end }) end,
        function() neap.process.run { "sleep", "60", grace = 0.1 } end,
        function() neap.timeout(60, neap.sleep, 60) end,
        function() neap.Flow { start = slow }:run({}, { timeout = 60 }) end,
        coroutine.wrap(function() neap.sleep(60) end),
      } do
        forget(wait)
      end
      neap.spawn_detached(neap.sleep, 60)
      neap.sleep(0.01)
      print "open"
      if ENDING == "exit" then os.exit(true, true) end
      if ENDING == "exit of a task" then
        neap.spawn(function() os.exit(true, true) end):await()
      end
      if ENDING == "error" then error "the end" end
    ]]
    local folder = helper.tmpdir()
    for _, ending in ipairs { "end", "exit", "exit of a task", "error" } do
      local path = helper.write(folder .. "/script.lua", ("ENDING = %q "):format(ending) .. script)
      for what, argv in pairs { neap = { helper.neap, path }, lua = { helper.lua, path } } do
        local result = helper.run(argv, { timeout = 30, env = PATHS })
        local message = ("%s, %s: %s"):format(what, ending, result.stderr)
        assert.equal("open\n", result.stdout, message)
        assert.equal(ending == "error" and 1 or 0, result.status, message)
        assert.is_nil(result.stderr:find("Sanitizer", 1, true), message)
      end
    end
  end)
end)
