-- Channels: hand-over between tasks.
-- SPDX-License-Identifier: MIT
local neap = require "neap"

-- Lets every task that can go on do so.
local function settle()
  for _ = 1, 5 do neap.sleep(0) end
end

describe("a channel", function()
  it("has an iterator that can be called outside of a loop", function()
    local channel = neap.channel(2)
    channel:send("one")
    channel:send("two")
    channel:close()
    local next_value = channel:values()
    assert.equal("one", next_value())
    assert.equal("two", next_value())
    assert.is_nil(next_value())
  end)

  it("hands values over in the order they were sent", function()
    for _, capacity in ipairs { 0, 1, 3, 100 } do
      local channel, got = neap.channel(capacity), {}
      neap.gather {
        function()
          for i = 1, 20 do channel:send(i) end
          channel:close()
        end,
        function()
          for value in channel:values() do got[#got + 1] = value end
        end,
      }
      assert.same({ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20 }, got)
    end
  end)

  it("holds as many values as it has room for before a sender waits", function()
    local channel, sent = neap.channel(2), 0
    local task = neap.spawn(function()
      for i = 1, 4 do
        channel:send(i)
        sent = i
      end
    end)
    settle()
    assert.equal(2, sent)
    assert.equal(2, #channel)
    assert.equal(1, channel:receive())
    settle()
    assert.equal(3, sent)
    task:cancel()
    settle()
  end)

  it("without room hands each value from hand to hand", function()
    local channel, sent = neap.channel(), false
    local task = neap.spawn(function()
      channel:send("here")
      sent = true
    end)
    settle()
    assert.is_false(sent)
    assert.equal("here", channel:receive())
    task:await()
    assert.is_true(sent)
  end)

  it("hands values from and to coroutines inside of tasks", function()
    for capacity = 0, 1 do
      local channel, got = neap.channel(capacity), {}
      neap.gather {
        coroutine.wrap(function()
          coroutine.wrap(function()
            for i = 1, 5 do channel:send { i } end
            channel:close()
          end)()
        end),
        function()
          local values = coroutine.wrap(function()
            for value in channel:values() do coroutine.yield(value) end
          end)
          for value in values do got[#got + 1] = value[1] end
        end,
      }
      assert.same({ 1, 2, 3, 4, 5 }, got)
    end
  end)

  it("serves receivers in the order they came", function()
    local channel, order = neap.channel(), {}
    local tasks = {}
    for i = 1, 3 do
      tasks[i] = neap.spawn(function()
        local value = channel:receive()
        order[#order + 1] = i .. value
      end)
    end
    settle()
    for _, value in ipairs { "a", "b", "c" } do channel:send(value) end
    neap.gather(tasks)
    assert.same({ "1a", "2b", "3c" }, order)
  end)

  it("sends false, but refuses nil", function()
    local channel = neap.channel(1)
    channel:send(false)
    assert.is_false(channel:receive())
    assert.has_error(function() channel:send(nil) end,
      "bad argument #1 to 'send' (nil cannot be sent)")
  end)
end)

describe("a closed channel", function()
  it("gives what is left, then nil", function()
    local channel = neap.channel(2)
    channel:send(1)
    channel:send(2)
    channel:close()
    channel:close()
    assert.equal(1, channel:receive())
    assert.equal(2, channel:receive())
    assert.is_nil(channel:receive())
    assert.is_nil(channel:receive())
  end)

  it("refuses to send", function()
    local channel = neap.channel(1)
    channel:close()
    local _, err = pcall(channel.send, channel, 1)
    assert.equal("closed", err.code)
  end)

  it("wakes receivers with nil and senders with an error", function()
    local empty, full = neap.channel(), neap.channel(1)
    full:send(1)
    local receiver = neap.spawn(function() return empty:receive() == nil end)
    local sender = neap.spawn(function() return select(2, pcall(full.send, full, 2)).code end)
    settle()
    empty:close()
    full:close()
    assert.is_true(receiver:await())
    assert.equal("closed", sender:await())
    assert.equal(1, full:receive())
    assert.is_nil(full:receive())
  end)
end)

describe("a cancelled task", function()
  it("takes back what it waited to send", function()
    local channel = neap.channel()
    local task = neap.spawn(function() channel:send("withdrawn") end)
    settle()
    task:cancel()
    settle()
    neap.spawn(function() channel:send("next") end)
    assert.equal("next", channel:receive())
  end)

  it("leaves the line of receivers", function()
    local channel = neap.channel()
    local first = neap.spawn(function() return channel:receive() end)
    local second = neap.spawn(function() return channel:receive() end)
    settle()
    first:cancel()
    channel:send("value")
    assert.equal("value", second:await())
  end)

  it("hands on what it was given but could not take yet", function()
    for _, capacity in ipairs { 0, 1 } do
      local channel = neap.channel(capacity)
      local first = neap.spawn(function() return channel:receive() end)
      local second = neap.spawn(function() return channel:receive() end)
      settle()
      channel:send("value") -- is first's now
      first:cancel()
      assert.equal("value", second:await())
    end
  end)

  it("gives back what nobody else waits for, before what came later", function()
    local channel = neap.channel(1)
    local task = neap.spawn(function() return channel:receive() end)
    settle()
    channel:send("early") -- is the task's now
    channel:send("late")
    task:cancel()
    settle()
    assert.equal(2, #channel)
    assert.equal("early", channel:receive())
    assert.equal("late", channel:receive())
  end)

  it("loses no value in a race of two channels", function()
    local a, b, got = neap.channel(1), neap.channel(1), {}
    for i = 1, 50 do
      a:send("a" .. i)
      b:send("b" .. i)
      for _ = 1, 2 do
        local value = neap.race {
          function() return a:receive() end,
          function() return b:receive() end,
        }
        got[value] = (got[value] or 0) + 1
      end
    end
    for i = 1, 50 do
      assert.equal(1, got["a" .. i])
      assert.equal(1, got["b" .. i])
    end
  end)
end)
