-- What is dead is of no use, and does no harm.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"

local PATHS = {
  LUA_PATH = helper.root .. "/lua/?.lua;" .. helper.root .. "/lua/?/init.lua;;",
  LUA_CPATH = helper.build .. "/lib/?.so;;",
}

-- Runs a script with neap, and with a plain Lua; gives both results by name.
local function run_both(script)
  local path = helper.write(helper.tmpdir() .. "/script.lua", script)
  return {
    neap = helper.run({ helper.neap, path }, { timeout = 60 }),
    ["a plain Lua"] = helper.run({ helper.lua, path }, { timeout = 60, env = PATHS }),
  }
end

-- Runs it in both ways; it has to end well and to print `expected`.
local function ends_well(expected, script)
  for what, result in pairs(run_both(script)) do
    assert.equal("", result.stderr, what)
    assert.equal(expected, result.stdout, what)
    assert.equal(0, result.status, what)
  end
end

describe("objects that are dead", function()
  it("raise 'closed' or a bad argument, whatever is called on them", function()
    local program = helper.root .. "/spec/bindings/task/dead_objects.lua"
    for what, result in pairs {
      neap = helper.run({ helper.neap, program }, { timeout = 60 }),
      ["a plain Lua"] = helper.run({ helper.lua, program }, { timeout = 60, env = PATHS }),
    } do
      assert.equal(0, result.status, what .. ": " .. result.stdout .. result.stderr)
      assert.equal("", result.stdout:gsub("%d%d%d+ calls\n$", ""), what)
    end
  end)

  it("name their class", function()
    ends_well("fs.watch: the watch has been closed\nthe jar has been closed\nclosed\n", [[
      local neap = require "neap"
      local watch, jar = neap.fs.watch "/", require "neap.core".http.jar()
      getmetatable(watch).__gc(watch)
      getmetatable(jar).__gc(jar)
      print(select(2, pcall(watch.next, watch)).message)
      local _, err = pcall(jar.text, jar)
      print(err.message)
      print(err.code)
    ]])
  end)

  it("may be closed again, also by a finalizer that was there before", function()
    ends_well("closed again\n", [[
      local neap = require "neap"
      local folder <close> = neap.fs.tempdir()
      local last = setmetatable({}, { __gc = function(self)
        self.watch:close()
        self.file:close()
        self.stream:close()
        self.listener:close()
        self.process:close()
        print "closed again"
      end })
      neap.fs.write(folder.path .. "/x", "x")
      last.watch, last.file = neap.fs.watch "/", neap.fs.open(folder.path .. "/x")
      last.stream, last.listener = neap.stream.pair(), neap.net.listen "127.0.0.1:0"
      last.process = neap.process.spawn { "true" }
      last.process:wait()
      last = nil
      collectgarbage()
      collectgarbage()
    ]])
  end)

  it("are not taken for one of another class by a function that takes several", function()
    ends_well("true\n", [[
      local neap, core = require "neap", require "neap.core"
      local task = neap.spawn(function() end)
      task:await()
      local _, err = pcall(core.run, task)
      print(err:find("neap.plan expected, got neap.task", 1, true) ~= nil)
    ]])
  end)
end)

describe("behind the end of neap", function()
  -- The state of a plain Lua is closed, and a finalizer runs that was made before
  -- neap was loaded, when the engine is gone.
  local function says(expected, script)
    local path = helper.write(helper.tmpdir() .. "/script.lua", script)
    local result = helper.run({ helper.lua, path }, { timeout = 60, env = PATHS })
    assert.equal("", result.stderr)
    assert.equal(expected, result.stdout)
    assert.equal(0, result.status)
  end

  it("everything that needs the engine raises 'closed'", function()
    says("closed\tneap has ended, for its Lua state is being closed; an object whose finalizer"
      .. " uses neap has to be made after neap is loaded\n", [[
      KEPT = setmetatable({}, { __gc = function()
        local _, err = pcall(neap.sleep, 0)
        print(err.code, err)
      end })
      neap = require "neap"
    ]])
  end)

  it("nobody who waited is woken", function()
    says("set\nclosed\n", [[
      KEPT = setmetatable({}, { __gc = function()
        event:set()
        print "set"
        local _, err = pcall(task.cancel, task)
        print(err.code)
      end })
      local neap = require "neap"
      event = neap.event()
      task = neap.spawn(function() event:wait() print "woken" end)
      neap.spawn(function() os.exit(true, true) end)
      event:wait()
    ]])
  end)

  it("coroutines are Lua's again", function()
    says("1\t2\ttrue\n", [[
      KEPT = setmetatable({}, { __gc = function()
        local next_one = coroutine.wrap(function() coroutine.yield(1) coroutine.yield(2) end)
        print(next_one(), next_one(), coroutine.close(coroutine.create(print)))
      end })
      require "neap"
    ]])
  end)

  -- A build with a sanitizer needs a program that has it.
  local it_links = helper.build:find("release", 1, true) and it or pending

  it_links("a state that is made at the same place is not taken for it", function()
    local folder = helper.tmpdir()
    local source = helper.write(folder .. "/states.c", [[
      #include <lauxlib.h>
      #include <lualib.h>
      #include <stdio.h>

      int main(void) {
        for (int i = 0; i < 50; i++) {
          lua_State *L = luaL_newstate();
          luaL_openlibs(L);
          if (luaL_dostring(L, "KEPT = setmetatable({}, { __gc = function() "
                               "  pcall(core.now) end }) "
                               "core = require 'neap.core' "
                               "core.sleep(0)")) {
            puts(lua_tostring(L, -1));
            return 1;
          }
          lua_close(L);
        }
        puts("fifty");
        return 0;
      }
    ]])
    local built = helper.run { "sh", "-c",
      ("cc -o %s/states %s $(pkg-config --cflags --libs %s)"):format(folder, source,
        helper.lua_package) }
    assert.equal(0, built.status, built.stderr)
    local result = helper.run({ folder .. "/states" }, { timeout = 60, env = PATHS })
    assert.equal("fifty\n", result.stdout)
    assert.equal(0, result.status, result.stderr)
  end)
end)
