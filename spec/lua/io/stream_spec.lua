-- Streams from Lua: what is read and written, and what errors say.
-- SPDX-License-Identifier: MIT
local failure = require("spec.helper").failure
local neap = require "neap"

local one, other

before_each(function()
  one, other = neap.stream.pair()
end)

after_each(function()
  one:close()
  other:close()
end)

describe("a stream", function()
  it("gives what is written to its other end", function()
    one:write("a line\n", 2, " values\n", 1.5)
    one:write()
    one:write("")
    one:finish()
    assert.same({ "a line", "2 values", "1.5", nil },
      { other:read(), other:read(), other:read("a"), other:read() })
    other:write("back")
    other:finish()
    assert.equal("back", one:read("a"))
  end)

  it("carries bytes as they are, more than the system holds", function()
    local every = {}
    for byte = 0, 255 do
      every[#every + 1] = string.char(byte)
    end
    local text = table.concat(every):rep(20000)
    local results = neap.gather {
      function() one:write(text) one:finish() end,
      function() return other:read("a") end,
    }
    assert.is_true(results[2] == text)
  end)

  it("lets others run while it is waited for", function()
    local order = {}
    neap.gather {
      function()
        local line = other:read()
        order[#order + 1] = line
      end,
      function()
        for i = 1, 3 do
          order[#order + 1] = i
          neap.sleep(0)
        end
        one:write("line\n")
      end,
    }
    assert.same({ 1, 2, 3, "line" }, order)
  end)

  it("holds up who writes until somebody reads", function()
    local written = 0
    local writer = neap.spawn(function()
      for _ = 1, 100 do
        one:write(("x"):rep(100000))
        written = written + 100000
      end
      one:finish()
    end)
    neap.sleep(0.02)
    assert.is_true(written < 2000000)
    assert.equal("pending", writer.status)
    assert.equal(10000000, #other:read("a"))
    writer:await()
  end)

  it("loses nothing to a read that was cancelled", function()
    assert.equal("timeout", failure(neap.timeout, 0.001, other.read, other).code)
    one:write("half ")
    assert.equal("timeout", failure(neap.timeout, 0.01, other.read, other).code)
    one:write("and half\n")
    assert.equal("half and half", other:read())
  end)

  it("never tears what is written by several", function()
    local writers = {}
    for i = 1, 5 do
      writers[i] = function() one:write(tostring(i):rep(300000), "\n") end
    end
    -- The first is cancelled when it has begun, the second when it has not.
    writers[1] = neap.spawn(writers[1])
    writers[2] = neap.spawn(writers[2])
    neap.sleep(0)
    writers[1]:cancel()
    writers[2]:cancel()
    local lines = {}
    local reader = neap.spawn(function()
      for line in other:lines() do
        assert.equal(300000, #line)
        assert.equal(line:sub(1, 1):rep(300000), line)
        lines[#lines + 1] = line:sub(1, 1)
      end
    end)
    neap.gather { writers[3], writers[4], writers[5] }
    one:finish()
    reader:await()
    assert.equal("1345", table.concat(lines))
  end)

  it("tells when nobody reads any more", function()
    other:close()
    local err = failure(one.write, one, "x")
    assert.equal("stream", err.code)
    assert.equal("EPIPE", err.errno)
    assert.equal("write to a pair: broken pipe", err.message)
  end)

  it("refuses a second reader", function()
    local first = neap.spawn(function() return other:read() end)
    neap.sleep(0)
    local err = failure(other.read, other)
    assert.equal("busy", err.code)
    assert.equal("read from a pair: another task is waiting for that already", err.message)
    one:write("for the first\n")
    assert.equal("for the first", first:await())
  end)

  it("ends those who wait when it is closed", function()
    local results = neap.gather {
      function() return failure(other.read, other) end,
      function() return failure(other.write, other, ("x"):rep(5000000)) end,
      function()
        neap.sleep(0.001)
        other:close()
        other:close()
      end,
    }
    assert.equal("closed", results[1].code)
    assert.equal("read from a pair: the stream has been closed", results[1].message)
    assert.equal("closed", results[2].code)
    assert.equal("closed", failure(other.read, other).code)
    assert.equal("closed", failure(other.write, other, "x").code)
    assert.equal("closed", failure(other.finish, other).code)
  end)

  it("takes no more after its end was written", function()
    one:finish()
    one:finish()
    local err = failure(one.write, one, "x")
    assert.equal("closed", err.code)
    assert.equal("write to a pair: closed", err.message)
  end)

  it("is closed with its variable, and by the collector", function()
    do
      local held <close> = one
      held:write("x")
    end
    assert.equal("x", other:read("a"))
    local kept = select(2, neap.stream.pair())
    collectgarbage()
    collectgarbage()
    assert.is_nil(kept:read())
    kept:close()
  end)

  it("says where something is wrong with what is written", function()
    assert.matches("stream_spec.lua:%d+: bad argument #2 to 'write' %(string expected, got table%)",
      failure(function() one:write("x", {}) end))
    assert.matches("got nil", failure(function() one:write(nil) end))
  end)

  it("tells who waits for it", function()
    local task = neap.spawn(function() other:read() end)
    neap.sleep(0)
    assert.matches("read from a pair", neap.dump())
    task:cancel()
    pcall(task.await, task)
  end)
end)
