-- What somebody has got for another, who is cancelled at that moment, is not lost.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local neap = require "neap"
local testing = neap.testing

local ways = {
  await = function(take) return neap.spawn(take):await() end,
  gather = function(take) return neap.gather { take }[1] end,
  map = function(take) return neap.map({ 1 }, take)[1] end,
  race = function(take) return (neap.race { take, function() neap.sleep(60) end }) end,
  timeout = function(take) return neap.timeout(60, take) end,
  ["timeout in timeout"] = function(take) return neap.timeout(60, neap.timeout, 50, take) end,
  ["gather in race"] = function(take)
    return (neap.race { function() return neap.gather { take }[1] end })
  end,
  shield = function(take) return neap.shield(60, take) end,
  ["a node's timeout"] = function(take)
    local shared = {}
    neap.Node { name = "n", timeout = 60, exec = take, post = function(_, s, _, value)
      s.value = value
    end }:run(shared)
    return shared.value
  end,
  ["a coroutine"] = function(take) return coroutine.wrap(take)() end,
}

-- What is taken: makes a function that takes, one that gives after two turns, and
-- one that tells whether what was given is there for the next.
local things = {
  ["a place"] = function()
    local semaphore = neap.semaphore(1)
    local held = semaphore:acquire()
    return function() return semaphore:acquire() end, function() held:release() end,
      function(got)
        if got then got:release() end
        return pcall(neap.timeout, 1, function() local _ <close> = semaphore:acquire() end)
      end
  end,
  ["a value"] = function()
    local channel = neap.channel()
    return function() return channel:receive() end,
      function() neap.spawn_detached(channel.send, channel, "value") end,
      function(got) return got == "value" or pcall(neap.timeout, 1, channel.receive, channel) end
  end,
  ["a value that was kept"] = function()
    local channel = neap.channel(1)
    return function() return channel:receive() end, function() channel:send "value" end,
      function(got) return got == "value" or pcall(neap.timeout, 1, channel.receive, channel) end
  end,
}

describe("what is handed over to", function()
  for way, call in pairs(ways) do
    for thing, make in pairs(things) do
      it(("%s, %s, is not lost at any step of its cancellation"):format(way, thing), function()
        local lost = {}
        for step = 1, 30 do
          testing.run(function()
            local take, give, is_there = make()
            neap.spawn(function() neap.sleep(0) neap.sleep(0) give() end)
            local got
            local task = neap.spawn(function()
              got = call(take)
              neap.sleep(60)
            end)
            for _ = 1, step do testing.step() end
            task:cancel()
            pcall(task.await, task)
            testing.settle()
            if not is_there(got) then lost[#lost + 1] = step end
          end)
        end
        assert.same({}, lost)
      end)
    end
  end
end)

describe("a guard that nobody has any more", function()
  it("gives its place to the next in line, and that is a warning", function()
    local result = helper.run { helper.neap, "-e", [[
      local neap = require "neap"
      local semaphore = neap.semaphore(1)
      semaphore:acquire()
      local waiter = neap.spawn(function() local _ <close> = semaphore:acquire() return "got" end)
      neap.sleep(0)
      collectgarbage()
      print(waiter:await())
      semaphore:acquire():release()]] }
    assert.equal("got\n", result.stdout)
    assert.equal("warning: neap: the guard of a semaphore was collected without having been "
      .. "released; its place is free again\n", result.stderr)
  end)

  it("is none to be warned of when the state ends, with the guard or without", function()
    for _, ending in ipairs { "", "os.exit(true, true)" } do
      local code = [[
        local neap = require "neap"
        local semaphore = neap.semaphore(3)
        held = semaphore:acquire()
        semaphore:acquire()
        collectgarbage() -- this one gives its place back, which is taken again
        again, also = semaphore:acquire(), semaphore:acquire()
        semaphore = nil
        ]] .. ending
      for _, argv in ipairs { { helper.neap, "-e", code },
        { helper.under, helper.lua, "-W", "-e", code } } do
        local result = helper.run(argv)
        assert.equal(0, result.status)
        local _, count = result.stderr:gsub("the guard of a semaphore was collected", "")
        assert.equal(1, count, result.stderr)
      end
    end
  end)

  it("does so again and again", function()
    local semaphore = neap.semaphore(3)
    for _ = 1, 100 do
      semaphore:acquire()
      collectgarbage()
    end
    local a, b, c = semaphore:acquire(), semaphore:acquire(), semaphore:acquire()
    a:release()
    b:release()
    c:release()
    assert.equal("released", select(2, pcall(a.release, a)).code)
  end)
end)
