-- Detached tasks, cycles of tasks, and what one can see of those who wait.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local neap = require "neap"
local failure = helper.failure

-- Runs a script in a neap of its own.
local function run(code)
  return helper.run { helper.neap, helper.write(helper.tmpdir() .. "/script.lua", code) }
end

-- A task that waits until the gate opens.
local function waiter(gate)
  return neap.spawn(gate.wait, gate)
end

describe("neap.spawn_detached", function()
  it("outlives the task that spawned it", function()
    local gate, detached = neap.event()
    neap.spawn(function()
      detached = neap.spawn_detached(function()
        gate:wait()
        return "done"
      end)
      neap.sleep(0)
    end):await()
    assert.equal("pending", detached.status)
    gate:set()
    assert.equal("done", detached:await())
  end)

  it("outlives the run of a flow, and may be a flow itself", function()
    local gate, detached = neap.event()
    local later = neap.Node { name = "later", exec = function() gate:wait() end,
      post = function() return "late" end }
    neap.Node { name = "now", exec = function()
      detached = neap.spawn_detached(neap.Flow { start = later }, {})
    end }:run()
    assert.equal("pending", detached.status)
    gate:set()
    assert.equal("late", detached:await())
  end)

  it("takes arguments, and can be cancelled", function()
    local task = neap.spawn_detached(function(a, b)
      neap.sleep(0)
      return a + b
    end, 1, 2)
    assert.equal(3, task:await())
    task = neap.spawn_detached(neap.sleep, 3600)
    neap.sleep(0)
    task:cancel()
    assert.equal("cancelled", failure(task.await, task).code)
    assert.matches("#1 to 'spawn_detached' (function or flow expected, got ",
      failure(neap.spawn_detached, 1), 1, true)
  end)

  it("fails with a warning where nobody waits for it", function()
    local result = run [[
      local neap = require "neap"
      local task = neap.spawn_detached(function() error("adrift") end)
      neap.sleep(0.001)
      print(task.status)
      print(pcall(task.await, task))
      print "end"
    ]]
    assert.matches("^failed\nfalse\t[^\n]*adrift\nend\n$", result.stdout)
    assert.matches("a detached task failed: [^\n]*adrift\nstack traceback:", result.stderr)
    assert.equal(0, result.status)
  end)

  it("fails without one where somebody does", function()
    local result = run [[
      local neap = require "neap"
      local task = neap.spawn_detached(function() neap.sleep(0.001) error("heard", 0) end)
      print(pcall(task.await, task))
    ]]
    assert.same({ status = 0, stdout = "false\theard\n", stderr = "" }, result)
  end)

  it("is cancelled and unwinds when the script ends, or fails", function()
    local code = [[
      local neap = require "neap"
      neap.spawn_detached(function()
        local _ <close> = setmetatable({}, { __close = function() print "closed" end })
        neap.sleep(3600)
      end)
      neap.sleep(0.001)
    ]]
    assert.same({ status = 0, stdout = "closed\n", stderr = "" }, run(code))
    local result = run(code .. 'error("out", 0)')
    assert.equal("closed\n", result.stdout)
    assert.equal(1, result.status)
  end)
end)

describe("a cycle of tasks", function()
  it("is refused where it closes, and the others go on", function()
    for length = 2, 5 do
      local tasks, refused = {}, 0
      for i = 1, length do
        tasks[i] = neap.spawn(function()
          neap.sleep(0)
          local ok, err = pcall(tasks[i % length + 1].await, tasks[i % length + 1])
          if not ok then
            assert(err.code == "deadlock", err)
            refused = refused + 1
          end
          return i
        end)
      end
      for i = 1, length do assert.equal(i, tasks[i]:await()) end
      assert.equal(1, refused)
    end
  end)

  it("is found through gather", function()
    local one, other
    one = neap.spawn(function()
      neap.sleep(0)
      return neap.gather { other, function() neap.sleep(0) end }[1]
    end)
    other = neap.spawn(function()
      neap.sleep(0)
      neap.sleep(0)
      return failure(one.await, one).code
    end)
    assert.equal("deadlock", one:await())
  end)

  it("is found through the run of a flow and the items of a batch", function()
    local outer
    local batch = neap.BatchNode { name = "batch", concurrency = 2,
      prep = function() return { 1, 2 } end,
      exec = function(_, shared, item)
        neap.sleep(0)
        if item == 2 then shared.code = failure(outer.await, outer).code end
      end }
    local shared = {}
    outer = neap.spawn(function() batch:run(shared) end)
    outer:await()
    assert.equal("deadlock", shared.code)
  end)

  it("is none where somebody else may end the wait", function()
    local one
    local gate = neap.event()
    one = neap.spawn(function()
      return neap.race { function() gate:wait() return "gate" end,
        function() return pcall(one.await, one) end }
    end)
    neap.sleep(0)
    gate:set()
    local result = one:await()
    assert.is_true(result == "gate" or result == false)
  end)
end)

describe("neap.tasks", function()
  it("tells who waits for what, since when and where", function()
    local gate = neap.event()
    local owner = neap.spawn(function()
      local child = waiter(gate)
      child:await()
    end)
    neap.sleep(0.02)
    local by_task = {}
    for _, info in ipairs(neap.tasks()) do by_task[info.task] = info end
    local info = by_task[owner]
    assert.equal("waits", info.status)
    assert.equal("a task", info.what)
    assert.is_true(info.seconds >= 0.01 and info.seconds < 10)
    assert.matches("dump_spec.lua", info.traceback, 1, true)
    local child
    for _, other in pairs(by_task) do
      if other.owner == info.id then child = other end
    end
    assert.equal("an event", child.what)
    gate:set()
    owner:await()
  end)

  it("knows those that run, and those that wait for their own", function()
    local found
    local task = neap.spawn(function()
      for _, info in ipairs(neap.tasks()) do found = info end
    end)
    task:await()
    assert.equal(task, found.task)
    assert.equal("runs", found.status)
    assert.is_nil(found.what)
  end)
end)

describe("neap.dump", function()
  it("tells since when somebody waits", function()
    local gate = neap.event()
    local task = waiter(gate)
    neap.sleep(0.15)
    assert.matches("waits for an event, since 0%.[12] s\n", neap.dump())
    gate:set()
    task:await()
  end)

  it("shows a thousand tasks and counts the others", function()
    local gate = neap.event()
    local tasks = {}
    for i = 1, 1500 do tasks[i] = waiter(gate) end
    neap.sleep(0)
    local text = neap.dump()
    local _, count = text:gsub("waits for an event", "")
    assert.is_true(count <= 1000)
    assert.matches("\nand 50%d more\n$", text)
    gate:set()
    for i = 1, 1500 do tasks[i]:await() end
  end)
end)

describe("SIGUSR1", function()
  it("has the executable tell who waits, and go on", function()
    local script = helper.write(helper.tmpdir() .. "/script.lua", [[
      local neap = require "neap"
      local gate = neap.event()
      neap.spawn(gate.wait, gate)
      neap.sleep(0.001)
      local stat <close> = io.open("/proc/self/stat")
      os.execute("kill -USR1 " .. stat:read("n"))
      neap.sleep(0.05)
      gate:set()
      print "went on"
    ]])
    local result = helper.run { helper.neap, script }
    assert.equal("went on\n", result.stdout)
    assert.equal(0, result.status)
    assert.matches("2 task%(s%) have not ended\n", result.stderr)
    assert.matches("waits for sleep, since 0%.%d s\nstack traceback:", result.stderr)
    assert.matches("waits for an event, since 0%.%d s\n", result.stderr)
  end)
end)

describe("on_event", function()
  -- What happens in a run, as "kind what" for the kinds that are about tasks.
  local function events_of(exec, opts)
    local list = {}
    local kinds = { spawn = true, wait = true, wake = true, cancel = true }
    opts = opts or {}
    opts.on_event = function(event)
      if kinds[event.kind] then
        list[#list + 1] = event.kind .. (event.what and " " .. event.what or "")
        assert(event.node == "work" and event.time)
      end
    end
    pcall(neap.Node { name = "work", exec = exec }.run, neap.Node { name = "work", exec = exec },
      {}, opts)
    return list
  end

  it("is told of tasks that are spawned, of waits and of wakes", function()
    local list = events_of(function()
      local task = neap.spawn(function() neap.sleep(0) end)
      neap.sleep(0)
      task:await()
    end)
    assert.equal("spawn", list[1])
    assert.equal("wait sleep", list[2])
    assert.equal("wake sleep", list[3])
    assert.equal("wait a task", list[4])
    assert.equal("wake a task", list[5])
  end)

  it("is told of a cancellation", function()
    local list = events_of(function() neap.sleep(3600) end, { timeout = 0.01 })
    assert.same({ "wait sleep", "cancel sleep" }, list)
  end)

  it("may not wait itself", function()
    local seen
    neap.Node { name = "work", exec = function() neap.sleep(0) end }:run({}, {
      on_event = function(event)
        if event.kind == "wait" then seen = failure(neap.sleep, 0) end
      end,
    })
    assert.equal("unyieldable", seen.code)
  end)
end)
