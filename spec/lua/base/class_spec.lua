-- Methods and metamethods of classes are kept apart.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local neap = require "neap"

describe("an object", function()
  after_each(helper.after_each)

  it("has no metamethods among its methods", function()
    local dir <close> = neap.fs.tempdir()
    local file <close> = neap.fs.open(helper.write(dir.path .. "/x", "x"))
    local one, other = neap.stream.pair()
    local listener <close> = neap.net.listen("127.0.0.1:0")
    local connection <close> = neap.net.connect(listener.address)
    local process <close> = neap.process.spawn { "true" }
    process:wait()
    local watch <close> = neap.fs.watch(dir.path)
    local task = neap.spawn(function() end)
    task:await()
    local semaphore = neap.semaphore(1)
    for what, object in pairs {
      dir = dir, file = file, stream = one, listener = listener, connection = connection,
      process = process, handle = process.handle, watch = watch, jar = neap.http.jar(),
      limiter = neap.limiter { rate = 1 }, task = task, semaphore = semaphore,
      guard = semaphore:acquire(), channel = neap.channel(), event = neap.event(),
      secret = neap.secret "x",
    } do
      for _, name in ipairs { "__gc", "__close", "__index", "__tostring", "__name", "__len" } do
        assert.is_nil(object[name], what .. "." .. name)
      end
    end
    one:close()
    other:close()
  end)

  -- The names of what objects of neap's classes in Lua and in C have for methods.
  local function methods_of(object)
    local index, names = debug.getmetatable(object).__index, {}
    if type(index) == "function" then return { "await", "cancel" } end -- a task
    for name in pairs(index) do names[#names + 1] = name end
    return names
  end

  it("says of a method that was called with a dot that it wants a colon", function()
    local dir <close> = neap.fs.tempdir()
    local file <close> = neap.fs.open(helper.write(dir.path .. "/x", "x"))
    local one <close>, other = neap.stream.pair()
    other:close()
    local listener <close> = neap.net.listen("127.0.0.1:0")
    local connection <close> = neap.net.connect(listener.address)
    local watch <close> = neap.fs.watch(dir.path)
    local task = neap.spawn(function() end)
    task:await()
    local semaphore = neap.semaphore(1)
    for noun, object in pairs {
      tempdir = dir, file = file, stream = one, listener = listener, connection = connection,
      watch = watch, jar = neap.http.jar(), limiter = neap.limiter { rate = 1 }, task = task,
      semaphore = semaphore, guard = semaphore:acquire(), channel = neap.channel(),
      event = neap.event(), secret = neap.secret "x",
    } do
      local names = methods_of(object)
      assert.is_true(#names > 0, noun)
      for _, name in ipairs(names) do
        for _, wrong in ipairs { "", "'x'", "{}", "print" } do
          local call = load(("local object = ... object.%s(%s)"):format(name, wrong), "=call")
          local ok, err = pcall(call, object)
          assert.is_false(ok)
          assert.matches(("^call:1: bad argument #1 to '%s' %%(neap%%..* expected, got .*; "
            .. "call it as %s:%s%%("):format(name, noun, name), err)
        end
      end
    end
  end)

  it("says so of the methods of nodes", function()
    local node = neap.Node()
    for name, call in pairs {
      run = function() node.run {} end, to = function() node.to(node) end,
      set_params = function() node.set_params {} end,
    } do
      local ok, err = pcall(call)
      assert.is_false(ok)
      assert.matches(("^spec/lua/base/class_spec.lua:%%d+: .*call it as node:%s"):format(name), err)
    end
  end)

  it("has the methods of its base, too", function()
    local listener <close> = neap.net.listen("127.0.0.1:0")
    local connection <close> = neap.net.connect(listener.address)
    assert.is_function(connection.read)
    assert.is_function(connection.finish)
    assert.truthy(tostring(connection):find("^neap.net.Connection: "))
  end)
end)
