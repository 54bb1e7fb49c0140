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
    } do
      for _, name in ipairs { "__gc", "__close", "__index", "__tostring", "__name", "__len" } do
        assert.is_nil(object[name], what .. "." .. name)
      end
    end
    one:close()
    other:close()
  end)

  it("has the methods of its base, too", function()
    local listener <close> = neap.net.listen("127.0.0.1:0")
    local connection <close> = neap.net.connect(listener.address)
    assert.is_function(connection.read)
    assert.is_function(connection.finish)
    assert.truthy(tostring(connection):find("^neap.net.Connection: "))
  end)
end)
