-- Nothing is left that could wake anybody: an error of whoever waits for all.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"

-- Runs code in the executable and in a plain Lua, and checks what it printed.
local function check(expected, code)
  for _, argv in ipairs { { helper.neap }, helper.lua } do
    local result = helper.run { argv, "-e", "local neap = require 'neap' " .. code }
    assert.equal(expected, result.stdout, result.stderr)
    assert.equal(0, result.status, result.stderr)
  end
end

describe("a deadlock", function()
  it("is an error of code 'deadlock' at the script's own wait, which goes on", function()
    check("false\tdeadlock\tfalse\n7\n", [[
      local channel = neap.channel()
      local ok, err = pcall(channel.receive, channel)
      print(ok, err.code, err.retryable)
      print(neap.spawn(function() neap.sleep(0.001) return 7 end):await())]])
  end)

  it("tells the nodes by their paths, and what each waits for", function()
    check("true\ttrue\n", [[
      local event = neap.event()
      local order = neap.Flow { name = "order", start = neap.Flow { name = "payment",
        start = neap.Node { name = "Charge", exec = function() event:wait() end } } }
      local ok, err = pcall(order.run, order)
      print(err.message:find("order > payment > Charge waits for an event", 1, true) ~= nil,
        err.message:find("stack traceback", 1, true) ~= nil)]])
  end)

  it("unwinds what waits below before it is raised", function()
    check("unwound\ndeadlock\n", [[
      local event = neap.event()
      local ok, err = pcall(neap.gather, { function()
        local _ <close> = setmetatable({}, { __close = function() print "unwound" end })
        event:wait()
      end })
      print(err.code)]])
  end)

  it("ends the tasks that the script awaits, however it awaits them", function()
    for _, await in ipairs { "task.await, task", "neap.gather, { task }", "neap.race, { task }",
      "neap.gather, { task, function() event:wait() end }" } do
      check("unwound\nfalse\tdeadlock\tcancelled\n", ([[
        local event = neap.event()
        local task = neap.spawn(function()
          local _ <close> = setmetatable({}, { __close = function() print "unwound" end })
          event:wait()
        end)
        local ok, err = pcall(%s)
        print(ok, err.code, task.status)]]):format(await))
    end
  end)

  it("leaves alone those who belong to others", function()
    check("deadlock\nset\n", [[
      local event, other = neap.event(), neap.event()
      local task = neap.spawn(function() other:wait() return "set" end)
      local ok, err = pcall(event.wait, event)
      print(err.code)
      other:set()
      print(task:await())]])
  end)

  it("comes again when it is waited for again", function()
    check("deadlock\tdeadlock\n", [[
      local event = neap.event()
      local _, first = pcall(event.wait, event)
      local _, second = pcall(neap.timeout, 1e9, function() end)
      _, second = pcall(event.wait, event)
      print(first.code, second.code)]])
  end)

  it("is none while a time limit that was asked for runs", function()
    check("timeout\n", [[
      local event = neap.event()
      local _, err = pcall(neap.timeout, 0.01, event.wait, event)
      print(err.code)]])
  end)

  it("is one although limits of runs and nodes run", function()
    check("deadlock\n", [[
      local event = neap.event()
      local node = neap.Node { name = "n", timeout = 3600, exec = function() event:wait() end }
      local _, err = pcall(node.run, node, {}, { timeout = 3600 })
      print(err.code)]])
  end)

  it("names the child that failed unheard", function()
    check("true\n", [[
      local event = neap.event()
      neap.spawn(function() neap.sleep(0) error("child died", 0) end)
      local _, err = pcall(event.wait, event)
      print(err.message:find("has failed, and no task has awaited it: child died", 1, true) ~= nil)
      os.exit(0)]])
  end)

  it("that nobody catches ends the script with what waits", function()
    local result = helper.run { helper.neap, "-e", [[
      local neap = require "neap"
      neap.channel():receive()]] }
    assert.equal(1, result.status)
    assert.matches("neap: deadlock: nothing is left that could wake a task\n", result.stderr, 1,
      true)
    assert.matches("waits for a value from a channel", result.stderr, 1, true)
  end)

  it("in which a finalizer gives back what was waited for is none", function()
    check("got it\n", [[
      local semaphore = neap.semaphore(1)
      semaphore:acquire() -- and drops the guard
      if pcall(semaphore.acquire, semaphore) then print "got it" end]])
  end)
end)
