-- Semaphores: at most n at once, the others in line.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local neap = require "neap"
local failure, turns = helper.failure, helper.turns

-- A deadlock ends the script in the executable, where this is a task.
local it_in_script = require("neap.core").in_task() and pending or it

-- A list of tasks, in whose order they acquire; each notes its number in the
-- log while it has its place, for so many seconds.
local function queue(semaphore, log, n, seconds)
  local tasks = {}
  for i = 1, n do
    tasks[i] = neap.spawn(function()
      local _ <close> = semaphore:acquire()
      log[#log + 1] = i
      neap.sleep(seconds or 0)
    end)
  end
  return tasks
end

describe("a semaphore", function()
  it("lets at most n in at once", function()
    local semaphore, now, most = neap.semaphore(3), 0, 0
    local tasks = {}
    for i = 1, 10 do
      tasks[i] = function()
        local _ <close> = semaphore:acquire()
        now = now + 1
        most = math.max(most, now)
        neap.sleep(0.001)
        now = now - 1
      end
    end
    neap.gather(tasks)
    assert.same({ 3, 0 }, { most, now })
  end)

  it("is fair: first come, first served", function()
    local semaphore, log = neap.semaphore(1), {}
    neap.gather(queue(semaphore, log, 8))
    assert.same({ 1, 2, 3, 4, 5, 6, 7, 8 }, log)
  end)

  it("lets nobody overtake who waits in line", function()
    local semaphore, log = neap.semaphore(1), {}
    local guard = semaphore:acquire()
    local tasks = queue(semaphore, log, 1)
    turns(1)
    guard:release()
    -- The place is the first task's now, though it has not run since.
    tasks[2] = neap.spawn(function()
      local _ <close> = semaphore:acquire()
      log[#log + 1] = "late"
    end)
    neap.gather(tasks)
    assert.same({ 1, "late" }, log)
  end)

  it("can be used in the main chunk of a script", function()
    local semaphore = neap.semaphore(2)
    local a, b = semaphore:acquire(), semaphore:acquire()
    neap.spawn(function() neap.sleep(0.001) a:release() end)
    local c = semaphore:acquire()
    b:release()
    c:release()
  end)

  it("is made with an integer of 1 or more", function()
    for _, n in ipairs { 0, -1, 1.5 } do
      assert.matches("bad argument #1", failure(neap.semaphore, n), 1, true)
    end
    assert.matches("bad argument #1", failure(neap.semaphore), 1, true)
    assert.matches("bad argument", failure(neap.semaphore(1).acquire, {}), 1, true)
  end)
end)

describe("a guard", function()
  it("gives its place back by release()", function()
    local semaphore = neap.semaphore(1)
    for _ = 1, 3 do semaphore:acquire():release() end
  end)

  it("gives its place back at the end of its block, also when that fails", function()
    local semaphore = neap.semaphore(1)
    for _ = 1, 3 do
      assert.equal("no", failure(function()
        local _ <close> = semaphore:acquire()
        error("no", 0)
      end))
    end
  end)

  it_in_script("released twice raises, and gives no second place", function()
    local semaphore = neap.semaphore(1)
    local guard = semaphore:acquire()
    guard:release()
    local err = failure(guard.release, guard)
    assert.equal("released", err.code)
    local held = semaphore:acquire()
    assert.equal("deadlock", failure(semaphore.acquire, semaphore).code)
    held:release()
  end)

  it("may be released within its block", function()
    local semaphore = neap.semaphore(1)
    do
      local guard <close> = semaphore:acquire()
      guard:release()
    end
    local again <close> = semaphore:acquire()
    assert.is_userdata(again)
  end)

  it("may be released by another task", function()
    local semaphore = neap.semaphore(1)
    local guard = semaphore:acquire()
    neap.gather {
      function() semaphore:acquire():release() end,
      function() neap.sleep(0.001) guard:release() end,
    }
  end)
end)

describe("a waiter that is cancelled", function()
  it("leaves the line", function()
    local semaphore, log = neap.semaphore(1), {}
    local guard = semaphore:acquire()
    local tasks = queue(semaphore, log, 3)
    turns(1)
    tasks[2]:cancel()
    turns(1)
    guard:release()
    tasks[1]:await()
    tasks[3]:await()
    assert.same({ 1, 3 }, log)
  end)

  it("just when it has got its place gives that to the next", function()
    local semaphore, log = neap.semaphore(1), {}
    local guard = semaphore:acquire()
    local tasks = queue(semaphore, log, 2)
    turns(1)
    guard:release()
    tasks[1]:cancel()
    tasks[2]:await()
    assert.same({ 2 }, log)
    semaphore:acquire():release()
  end)

  it("just when it has got its place, alone in line, gives that back", function()
    local semaphore, log = neap.semaphore(1), {}
    local guard = semaphore:acquire()
    local tasks = queue(semaphore, log, 1)
    turns(1)
    guard:release()
    tasks[1]:cancel()
    turns(1)
    semaphore:acquire():release()
    assert.same({}, log)
  end)

  it("while it holds a place gives that back as it unwinds", function()
    local semaphore, log = neap.semaphore(1), {}
    local tasks = queue(semaphore, log, 2, 0.01)
    turns(1)
    tasks[1]:cancel()
    tasks[2]:await()
    assert.same({ 1, 2 }, log)
  end)

  it_in_script("by a deadlock in the main chunk leaves the line as well", function()
    local semaphore = neap.semaphore(1)
    local guard = semaphore:acquire()
    assert.equal("deadlock", failure(semaphore.acquire, semaphore).code)
    guard:release()
    -- Had it stayed in line, the place would have been given to nobody.
    semaphore:acquire():release()
  end)
end)
