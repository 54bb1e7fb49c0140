-- Tasks: spawning, awaiting, owning, cancelling; and gather.
-- SPDX-License-Identifier: MIT
--
-- Long, because what a task is shows in how these go together: who owns it, who
-- waits for it, what a cancellation does to both.
local neap = require "neap"
local core = require "neap.core"
local helper = require "spec.helper"
local failure, turns = helper.failure, helper.turns

-- A deadlock ends the script in the executable, where this is a task.
local it_in_script = require("neap.core").in_task() and pending or it

-- A value whose end is noted in a log, with the code of the error it sees.
local function noted(log, name)
  return setmetatable({}, { __close = function(_, err)
    if type(err) == "table" then err = err.code end
    log[#log + 1] = err and ("%s: %s"):format(name, err) or name
  end })
end

-- A function that waits (nearly) for ever and notes how it ended.
local function sleeper(log, name)
  return function()
    local _ <close> = noted(log, name)
    neap.sleep(1000)
  end
end

describe("neap.spawn", function()
  it("runs a function concurrently, with its arguments", function()
    local order = {}
    local task = neap.spawn(function(...)
      order[#order + 1] = "task"
      return select("#", ...), ...
    end, 1, nil, 3, nil)
    order[#order + 1] = "spawner"
    assert.same({ 4, 1, nil, 3, nil, n = 5 }, table.pack(task:await()))
    assert.same({ "spawner", "task" }, order)
  end)

  it("takes anything that can be called", function()
    local callable = setmetatable({}, { __call = function(_, x) return x + 1 end })
    assert.equal(3, neap.spawn(callable, 2):await())
  end)

  it("refuses anything else", function()
    assert.matches("bad argument #1 to 'spawn' (function or flow expected, got 3)",
      failure(neap.spawn, 3), 1, true)
    assert.matches("got nil", failure(neap.spawn), 1, true)
  end)

  it("takes many arguments and gives many results", function()
    local many = {}
    for i = 1, 5000 do many[i] = i end
    assert.same(many, { neap.spawn(function(...) return ... end, table.unpack(many)):await() })
  end)
end)

describe("task:await", function()
  it("gives all results, nil ones in their places", function()
    assert.same({ nil, 2, nil, n = 3 },
      table.pack(neap.spawn(function() return nil, 2, nil end):await()))
    assert.same({ n = 0 }, table.pack(neap.spawn(function() end):await()))
    assert.same({ nil, n = 1 }, table.pack(neap.spawn(function() return nil end):await()))
  end)

  it("gives them again when called again", function()
    local task = neap.spawn(function() return 1, 2 end)
    assert.same({ 1, 2 }, { task:await() })
    assert.same({ 1, 2 }, { task:await() })
  end)

  it("raises the error, untouched, again when called again", function()
    local cause = {}
    local task = neap.spawn(function() neap.sleep(0) error(cause) end)
    assert.equal(cause, failure(task.await, task))
    assert.equal(cause, failure(task.await, task))
  end)

  it("serves several who wait", function()
    local task = neap.spawn(function() neap.sleep(0.001) return "result" end)
    local results = neap.gather {
      function() return task:await() end,
      function() return task:await() end,
    }
    assert.same({ "result", "result", n = 2 }, results)
  end)

  it("of oneself is an error, not a deadlock", function()
    local task
    task = neap.spawn(function() task:await() end)
    local err = failure(task.await, task)
    assert.equal("deadlock", err.code)
    assert.equal("a task cannot await itself", err.message)
  end)

  it_in_script("of those who wait for each other is a deadlock that lists them", function()
    local a, b
    local to_a, to_b = neap.event(), neap.event()
    a = neap.spawn(function() to_a:wait() to_b:set() end)
    b = neap.spawn(function() to_b:wait() to_a:set() end)
    local err = failure(a.await, a)
    assert.equal("deadlock", err.code)
    assert.equal(1, select(2, err.message:gsub("waits for a task", "")))
    assert.equal(2, select(2, err.message:gsub("waits for an event", "")))
    a:cancel()
    b:cancel()
    turns()
  end)

  it("of a task that was cancelled raises the cancellation, with the reason", function()
    local task = neap.spawn(neap.sleep, 1000)
    turns(1)
    task:cancel("no longer needed")
    local err = failure(task.await, task)
    assert.same({ "cancelled", "no longer needed" }, { err.code, err.reason })
  end)

  it("is a method of tasks only", function()
    local task = neap.spawn(function() end)
    assert.matches("bad argument #1", failure(task.await, {}), 1, true)
    assert.matches("bad argument #1", failure(task.cancel, io.stdout), 1, true)
    task:await()
  end)
end)

describe("task.status", function()
  it("is pending, then done, failed or cancelled", function()
    local done = neap.spawn(function() neap.sleep(0) end)
    local failed = neap.spawn(error, "x")
    local cancelled = neap.spawn(neap.sleep, 1000)
    assert.same({ "pending", "pending", "pending" },
      { done.status, failed.status, cancelled.status })
    cancelled:cancel()
    done:await()
    pcall(failed.await, failed)
    pcall(cancelled.await, cancelled)
    assert.same({ "done", "failed", "cancelled" }, { done.status, failed.status, cancelled.status })
  end)

  it("is in tostring; other fields are nil", function()
    local task = neap.spawn(function() end)
    assert.matches("^neap%.task: .*%(pending%)$", tostring(task))
    assert.is_nil(task.colour)
    assert.is_nil(task[1])
    task:await()
  end)

  it("is pending until the task's own tasks have ended", function()
    local task, inner_unwound
    task = neap.spawn(function()
      neap.spawn(function()
        local _ <close> = setmetatable({}, { __close = function()
          assert(task.status == "pending")
          inner_unwound = true
        end })
        neap.sleep(1000)
      end)
      neap.sleep(0)
    end)
    task:await()
    assert.same({ true, "done" }, { inner_unwound, task.status })
  end)
end)

describe("a task belongs to whoever spawned it:", function()
  it("when a task ends, its tasks are cancelled and unwound before its result is seen", function()
    local log = {}
    local task = neap.spawn(function()
      neap.spawn(sleeper(log, "a"))
      neap.spawn(sleeper(log, "b"))
      neap.sleep(0)
      return "result"
    end)
    assert.equal("result", task:await())
    assert.same({ "a: cancelled", "b: cancelled" }, log)
  end)

  it("the same when it fails, whose error is the one seen", function()
    local log = {}
    local task = neap.spawn(function()
      neap.spawn(sleeper(log, "a"))
      neap.sleep(0)
      error("broken", 0)
    end)
    assert.equal("broken", failure(task.await, task))
    assert.same({ "a: cancelled" }, log)
  end)

  it("when a run ends, its tasks are", function()
    local log = {}
    neap.Node { exec = function() neap.spawn(sleeper(log, "a")) neap.sleep(0) end }:run {}
    assert.same({ "a: cancelled" }, log)
  end)

  it("to any depth, the innermost unwound first", function()
    local log = {}
    local function nest(depth)
      return function()
        local _ <close> = noted(log, tostring(depth))
        if depth < 3 then neap.spawn(nest(depth + 1)) end
        neap.sleep(depth == 1 and 0.002 or 1000)
      end
    end
    neap.spawn(nest(1)):await()
    assert.same({ "1", "2: cancelled", "3: cancelled" }, log)
  end)

  it("a chain of 10,000 tasks ends as one", function()
    local function nest(depth)
      if depth > 0 then neap.spawn(nest, depth - 1) end
      neap.sleep(1000)
    end
    local before = core.live().tasks
    local task = neap.spawn(nest, 10000)
    neap.sleep(0.05)
    assert.is_true(core.live().tasks > before)
    task:cancel()
    assert.equal("cancelled", failure(task.await, task).code)
    assert.equal(before, core.live().tasks)
  end)

  it("one that never began is ended without a trace", function()
    local ran
    neap.spawn(function()
      neap.spawn(function() ran = true end)
    end):await()
    assert.is_nil(ran)
  end)
end)

describe("a task that failed and was never awaited", function()
  it("makes its owner fail", function()
    local cause = {}
    local task = neap.spawn(function()
      neap.spawn(error, cause)
      neap.sleep(0)
      return "well"
    end)
    assert.equal(cause, failure(task.await, task))
    assert.equal("failed", task.status)
  end)

  it("makes a run fail, as an object", function()
    local node = neap.Node { exec = function()
      neap.spawn(error, "lost", 0)
      neap.sleep(0)
    end }
    local err = failure(node.run, node, {})
    assert.same({ "lost", "user" }, { err.cause, err.code })
  end)

  it("does not take the place of its owner's own error", function()
    local task = neap.spawn(function()
      neap.spawn(error, "lost")
      neap.sleep(0)
      error("own", 0)
    end)
    assert.equal("own", failure(task.await, task))
  end)

  it("is forgotten once it was awaited, though that came late", function()
    local task = neap.spawn(function()
      local inner = neap.spawn(error, "heard", 0)
      turns()
      assert(not pcall(inner.await, inner))
      return "well"
    end)
    assert.equal("well", task:await())
  end)

  it("makes its owner fail when it timed out as well", function()
    local slow = neap.Node { exec = function() neap.sleep(1000) end }
    local task = neap.spawn(function()
      neap.spawn(slow, {}, { timeout = 0.001 })
      neap.sleep(0.01)
    end)
    assert.equal("timeout", failure(task.await, task).code)
  end)

  it("and was cancelled makes nobody fail", function()
    assert.equal("well", neap.spawn(function()
      neap.spawn(neap.sleep, 1000):cancel()
      turns()
      return "well"
    end):await())
  end)
end)

describe("cancelling", function()
  it("raises a cancellation where the coroutine waits, which <close> sees", function()
    local log = {}
    local caught
    local task = neap.spawn(function()
      local _ <close> = noted(log, "closed")
      local ok, err = pcall(neap.sleep, 1000)
      caught = not ok and err
      error(err, 0)
    end)
    turns(1)
    task:cancel()
    turns(1)
    assert.equal("cancelled", caught.code)
    assert.matches("cancelled while waiting for sleep", caught.message, 1, true)
    assert.same({ "closed: cancelled" }, log)
  end)

  it("drops what was waited for at once", function()
    local task = neap.spawn(neap.sleep, 1000)
    turns(1)
    local before = core.live().operations
    task:cancel()
    pcall(task.await, task)
    assert.equal(before - 1, core.live().operations)
  end)

  it("is told once: code that swallows it may finish what needs no waiting", function()
    local task = neap.spawn(function()
      pcall(neap.sleep, 1000)
      return "finished"
    end)
    turns(1)
    task:cancel()
    assert.equal("finished", task:await())
    assert.equal("done", task.status)
  end)

  it("ends there and then what swallows it and waits again, its <close> variables run", function()
    local log = {}
    local task = neap.spawn(function()
      local _ <close> = noted(log, "closed")
      pcall(neap.sleep, 1000)
      log[#log + 1] = "swallowed"
      pcall(neap.sleep, 0)
      log[#log + 1] = "never"
    end)
    turns(1)
    task:cancel()
    assert.equal("cancelled", failure(task.await, task).code)
    assert.same({ "swallowed", "closed: cancelled" }, log)
  end)

  it("cannot be refused, however hard one tries", function()
    local task = neap.spawn(function()
      while true do pcall(neap.sleep, 1000) end
    end)
    turns(1)
    task:cancel()
    assert.equal("cancelled", failure(task.await, task).code)
  end)

  it("of a task that waits in __close ends that, and runs the other variables", function()
    local log = {}
    local task = neap.spawn(function()
      local _ <close> = noted(log, "outer")
      local _ <close> = setmetatable({}, { __close = function()
        neap.sleep(0)
        log[#log + 1] = "never"
      end })
      neap.sleep(1000)
    end)
    turns(1)
    task:cancel()
    pcall(task.await, task)
    assert.equal(1, #log)
    assert.matches("^outer", log[1])
  end)

  it("before it began ends a task without a call", function()
    local ran
    local task = neap.spawn(function() ran = true end)
    task:cancel("why")
    local err = failure(task.await, task)
    assert.same({ "cancelled", "why", nil }, { err.code, err.reason, ran })
  end)

  it("again, or after the end, changes nothing", function()
    local task = neap.spawn(neap.sleep, 1000)
    turns(1)
    task:cancel("first")
    task:cancel("second")
    assert.equal("first", failure(task.await, task).reason)
    task:cancel("third")
    assert.equal("first", failure(task.await, task).reason)
    local done = neap.spawn(function() return 1 end)
    done:await()
    done:cancel()
    assert.same({ 1, "done" }, { done:await(), done.status })
  end)

  it("oneself counts from the next wait on", function()
    local log = {}
    local task
    task = neap.spawn(function()
      task:cancel()
      log[#log + 1] = "still here"
      neap.sleep(0)
      log[#log + 1] = "never"
    end)
    assert.equal("cancelled", failure(task.await, task).code)
    assert.same({ "still here" }, log)
  end)

  it("a task that awaits another leaves that one alone", function()
    local other = neap.spawn(function() turns(5) return "result" end)
    local waiter = neap.spawn(function() other:await() end)
    turns(1)
    waiter:cancel()
    assert.equal("cancelled", failure(waiter.await, waiter).code)
    assert.equal("result", other:await())
  end)

  it("inside a flow is what nobody retries or forgives", function()
    local log = {}
    local node = neap.Node { max_retries = 3, wait = 0.001,
      exec = function() log[#log + 1] = "exec" neap.sleep(1000) end,
      process_after_fail = function() log[#log + 1] = "fallback" end }
    local task = neap.spawn(neap.Flow { start = node, max_retries = 3 }, {})
    turns(1)
    task:cancel("enough")
    local err = failure(task.await, task)
    assert.same({ "cancelled", "enough" }, { err.code, err.reason })
    assert.same({ "exec" }, log)
  end)
end)

describe("neap.gather", function()
  it("runs all at once and gives the first result of each under its key, and n", function()
    local started, missed = 0, 0
    local function later(seconds, ...)
      local results = table.pack(...)
      return function()
        started = started + 1
        neap.sleep(seconds)
        missed = missed + 3 - started
        return table.unpack(results, 1, results.n)
      end
    end
    local results = neap.gather { later(0.003, "a", "dropped"), later(0, "b"),
      x = later(0.001, "c") }
    assert.same({ "a", "b", x = "c", n = 2 }, results)
    assert.equal(0, missed)
  end)

  it("takes flows and tasks as well", function()
    local flow = neap.Node { post = function() return "action" end }
    local task = neap.spawn(function() return "task" end)
    assert.same({ f = "action", t = "task", n = 0 }, neap.gather { f = flow, t = task })
  end)

  it("gives nothing for nothing, and nil for nil", function()
    assert.same({ n = 0 }, neap.gather {})
    assert.same({ nil, 2, n = 2 }, neap.gather { function() end, function() return 2 end })
  end)

  it("cancels at the first error what it started, and raises it after that unwound", function()
    local log, cause = {}, {}
    local err = failure(neap.gather, {
      sleeper(log, "a"),
      function() neap.sleep(0.002) error(cause) end,
      sleeper(log, "b"),
    })
    assert.equal(cause, err)
    table.sort(log)
    assert.same({ "a: cancelled", "b: cancelled" }, log)
  end)

  it("raises the error that came first, and no second one", function()
    for _ = 1, 10 do
      assert.equal("first", failure(neap.gather, {
        x = function() turns(9) error("second", 0) end,
        y = function() turns(1) error("first", 0) end,
        z = function()
          local _ <close> = setmetatable({}, { __close = function() error "unwinding" end })
          neap.sleep(1000)
        end,
      }))
    end
  end)

  it("only awaits a task handed in", function()
    local semaphore = neap.semaphore(1)
    local guard = semaphore:acquire()
    local task = neap.spawn(function() semaphore:acquire() return "kept" end)
    assert.equal("no", failure(neap.gather, { task, function() neap.sleep(0) error("no", 0) end }))
    assert.equal("pending", task.status)
    guard:release()
    assert.equal("kept", task:await())
  end)

  it("raises the error of a task handed in, and cancels what it started", function()
    local log, cause = {}, {}
    local task = neap.spawn(function() neap.sleep(0.001) error(cause) end)
    assert.equal(cause, failure(neap.gather, { task, sleeper(log, "own") }))
    assert.same({ "own: cancelled" }, log)
    local failed = neap.spawn(error, cause)
    turns()
    assert.equal(cause, failure(neap.gather, { failed, function() end }))
  end)

  it("takes the same task twice", function()
    local task = neap.spawn(function() neap.sleep(0) return 1 end)
    assert.same({ 1, 1, n = 2 }, neap.gather { task, task })
  end)

  it("that is cancelled takes with it what it started", function()
    local log = {}
    local task = neap.spawn(function() neap.gather { sleeper(log, "a"), sleeper(log, "b") } end)
    turns(2)
    task:cancel()
    assert.equal("cancelled", failure(task.await, task).code)
    table.sort(log)
    assert.same({ "a: cancelled", "b: cancelled" }, log)
  end)

  it("refuses what cannot run, before anything is started", function()
    local ran
    local function run() ran = true end
    assert.matches("gather: [2] is a number; a function, flow or task expected",
      failure(neap.gather, { run, 3 }), 1, true)
    assert.equal("start", failure(neap.gather, { run, neap.Flow() }).code)
    assert.matches("table of functions, flows and tasks expected",
      failure(neap.gather, run), 1, true)
    turns()
    assert.is_nil(ran)
  end)

  it("of the task that calls it is an error", function()
    local task
    task = neap.spawn(function() neap.gather { task } end)
    assert.equal("a task cannot await itself", failure(task.await, task).message)
  end)
end)

describe("the script", function()
  it("that ends while its tasks wait ends well, without calling them", function()
    for _, ending in ipairs { "", "os.exit(true, true)", "os.exit(0, true)", "error 'x'" } do
      local result = helper.run { helper.lua, "-e", [[
        local neap = require "neap"
        local semaphore = neap.semaphore(1)
        neap.spawn(neap.sleep, 1000)
        neap.spawn(function() semaphore:acquire() semaphore:acquire() end)
        neap.spawn(neap.BatchFlow { concurrency = 2, timeout = 100,
          prep = function() return { {}, {}, {} } end,
          start = neap.Node { timeout = 50, exec = function()
            local inner = coroutine.wrap(function()
              local _ <close> = setmetatable({}, { __close = print })
              neap.sleep(1000)
            end)
            inner()
          end } }, {}, { on_event = function() end })
        neap.spawn(function() neap.gather { function() neap.sleep(1000) end } end)
        neap.spawn(neap.fs.read, "/etc/hostname")
        neap.spawn(error, "never heard of")
        neap.sleep(0.01)
        neap.spawn(neap.fs.read, "/etc/hostname")
        neap.spawn(print)
        ]] .. ending }
      assert.equal("", result.stdout)
      assert.equal(ending:find "error" and 1 or 0, result.status)
      if result.status == 0 then assert.equal("", result.stderr) end
    end
  end)

  it("that ends inside a task with os.exit ends there", function()
    local result = helper.run { helper.lua, "-e", [[
      local neap = require "neap"
      neap.spawn(neap.sleep, 1000)
      neap.spawn(function() os.exit(7, true) end):await()]] }
    assert.same({ 7, "" }, { result.status, result.stderr })
  end)
end)

describe("the collector", function()
  -- A bit of everything that tasks and runs do.
  local function exercise(collect)
    local batch = neap.BatchNode { concurrency = 3, max_retries = 2, timeout = 10,
      prep = function() collect() return { 1, 2, 3, 4, 5 } end,
      exec = function(self, _, i)
        collect()
        neap.sleep(0)
        if self.cur_retry == 0 then error { i } end
        local own = neap.spawn(function() neap.sleep(0) collect() return i .. "" end)
        return own:await()
      end,
      post = function(_, shared, _, results)
        collect()
        shared.text = table.concat(results, ",")
        return ("act" .. "ion"):upper()
      end }
    local last = neap.Node { post = function(self) collect() return "en" .. self.params.d end }
    local flow = neap.Flow { start = batch, batch - "ACTION" >> last, params = { d = "d" } }
    local shared = {}
    local results = neap.gather {
      flow = function() return flow:run(shared) end,
      wrapped = function()
        local generator = coroutine.wrap(function()
          for i = 1, 3 do neap.sleep(0) collect() coroutine.yield(i) end
        end)
        return generator() + generator() + generator()
      end,
      failed = function() collect() return select(2, pcall(error, "caught", 0)) end,
    }
    assert.same({ flow = "end", wrapped = 6, failed = "caught", n = 0 }, results)
    assert.equal("1,2,3,4,5", shared.text)
  end

  after_each(function()
    collectgarbage("incremental", 200, 100)
  end)

  it("may run whenever it likes", function()
    exercise(collectgarbage)
  end)

  it("may be generational", function()
    collectgarbage "generational"
    for _ = 1, 20 do exercise(function() collectgarbage "step" end) end
  end)

  it("may never pause", function()
    collectgarbage("incremental", 1, 1000)
    for _ = 1, 20 do exercise(function() end) end
  end)

  it("frees what tasks and runs have held", function()
    local kept = setmetatable({}, { __mode = "k" })
    local function once()
      local shared = {}
      kept[shared] = true
      neap.Node { exec = function() neap.sleep(0) end }:run(shared)
      local task = neap.spawn(function(s) neap.sleep(0) return s end, shared)
      task:await()
      kept[task] = true
      pcall(neap.Node { exec = function(_, s) neap.sleep(0) error(s) end }.run, neap.Node(), shared)
    end
    for _ = 1, 10 do once() end
    collectgarbage()
    collectgarbage()
    assert.is_nil(next(kept))
  end)

  it("does not see memory grow from run to run", function()
    local node = neap.Node { exec = function() neap.sleep(0) end }
    local function size()
      for _ = 1, 500 do node:run {} end
      collectgarbage()
      collectgarbage()
      return collectgarbage "count"
    end
    size()
    local before = size()
    assert.is_true(size() - before < 4)
  end)
end)

describe("a task of the main chunk that failed unheard", function()
  it("is a warning at the end", function()
    local result = helper.run { helper.lua, "-W", "-e", [[
      local neap = require "neap"
      neap.spawn(function() error("lost", 0) end)
      neap.sleep(0.001)]] }
    assert.equal("Lua warning: neap: a task failed, and no task awaited it: lost\n", result.stderr)
  end)
end)

describe("a task's own coroutine", function()
  it("is nobody's to resume or close while the task waits", function()
    local co
    local gate = neap.event()
    local task = neap.spawn(function()
      co = coroutine.running()
      gate:wait()
      return "by itself"
    end)
    turns()
    assert.equal("normal", coroutine.status(co))
    assert.same({ false, "cannot resume non-suspended coroutine" }, { coroutine.resume(co) })
    assert.matches("cannot close a normal coroutine", failure(coroutine.close, co), 1, true)
    gate:set()
    assert.equal("by itself", task:await())
  end)

  it("is used by no other task where somebody still knows it", function()
    local co
    neap.spawn(function() co = coroutine.running() end):await()
    local ran = 0
    local task = neap.spawn(function() ran = ran + 1 end)
    assert.same({ false, "cannot resume dead coroutine" }, { coroutine.resume(co) })
    task:await()
    assert.equal(1, ran)
  end)

  -- Where all code is suspended at each instruction, it has a hook of neap's.
  local it_is_bare = helper.is_preempted and pending or it
  it_is_bare("takes no debug hook along to the next task", function()
    neap.spawn(function() debug.sethook(function() error("hooked") end, "l", 1000000) end):await()
    neap.spawn(function() assert.is_nil((debug.gethook())) end):await()
  end)
end)

describe("what a run needs", function()
  it("is there until its tasks have unwound, though nobody knows the flow", function()
    local task = neap.spawn(neap.Flow { start = neap.Node { exec = function()
      neap.spawn(function()
        local _ <close> = setmetatable({}, { __close = function()
          collectgarbage()
          collectgarbage()
        end })
        neap.sleep(3600)
      end)
      neap.sleep(0)
    end } })
    collectgarbage()
    assert.equal("default", task:await())
  end)

  it("survives that neap.core is opened again", function()
    local task = neap.spawn(function()
      neap.sleep(0.001)
      return "alive"
    end)
    local loaded = package.loaded["neap.core"]
    package.loaded["neap.core"] = nil
    require "neap.core"
    package.loaded["neap.core"] = loaded
    collectgarbage()
    assert.equal("alive", task:await())
  end)

  it("is checked where a metamethod is called by hand", function()
    local task = neap.spawn(function() end)
    assert.matches("neap.task expected", failure(getmetatable(task).__tostring, nil), 1, true)
    task:await()
  end)
end)

describe("an error whose only waiter was cancelled", function()
  it("still makes the owner fail", function()
    local owner = neap.spawn(function()
      local bad = neap.spawn(function()
        turns()
        error("lost", 0)
      end)
      local waiter = neap.spawn(function() bad:await() end)
      neap.spawn(function()
        turns()
        waiter:cancel()
      end)
      turns(6)
    end)
    assert.equal("lost", failure(owner.await, owner))
  end)
end)

describe("what an exec with a time limit has spawned", function()
  it("goes on when the attempt ends well, as without a limit", function()
    for _, limit in ipairs { false, 60 } do
      local result
      local node = neap.Node { timeout = limit or nil,
        exec = function(self)
          self.task = neap.spawn(function()
            turns()
            return "ok"
          end)
        end,
        post = function(self) result = self.task:await() end }
      node:run()
      assert.equal("ok", result)
    end
  end)

  it("ends with the node's run", function()
    local log = {}
    neap.Node { timeout = 60, exec = function()
      neap.spawn(sleeper(log, "left"))
      turns()
    end }:run()
    assert.same({ "left: cancelled" }, log)
  end)
end)

describe("a finalizer that waits", function()
  it("is told that it cannot, and does not use up the cancellation", function()
    local finalized, caught
    local task
    task = neap.spawn(function()
      setmetatable({}, { __gc = function() finalized = select(2, pcall(neap.sleep, 0)).code end })
      task:cancel()
      collectgarbage()
      caught = failure(neap.sleep, 1).code
      return "cleaned up"
    end)
    assert.equal("cleaned up", task:await())
    assert.equal("cancelled", finalized)
    assert.equal("cancelled", caught)
  end)
end)

describe("a task that never began", function()
  it("because the script ended is warned of, with where it is", function()
    local result = helper.run({ helper.neap, "-e", [[
      local neap = require "neap"
      neap.spawn(function() end)
      neap.spawn(neap.Flow { name = "order", start = neap.Node { name = "a" } })
      neap.spawn_detached(function() end)
      neap.spawn(print):cancel()]] })
    local words = " was spawned, but the script ended before it began; await the task\n"
    assert.equal("warning: neap: the function at (command line):2" .. words
      .. "warning: neap: order" .. words
      .. "warning: neap: the function at (command line):4" .. words, result.stderr)
    local plain = helper.run { helper.lua, "-W", "-e", [[
      local neap = require "neap"
      neap.spawn(function() end)]] }
    assert.matches("the function at (command line):2" .. words, plain.stderr, 1, true)
  end)
end)

describe("on_interrupt", function()
  -- Runs code, sends it that many SIGINT, and gives the result.
  local function interrupt(code, times)
    return helper.run { "sh", "-c", [["$0" -e "$1" & pid=$!
      for _ in $(seq $2); do sleep 0.4; kill -INT $pid; done
      wait $pid]], helper.neap, "local neap = require 'neap' " .. code, tostring(times) }
  end

  it("has the script answer Ctrl-C, and stay", function()
    local result = interrupt([[
      local answering
      neap.on_interrupt(function() answering:cancel() end)
      for i = 1, 2 do
        answering = neap.spawn(neap.sleep, 60)
        print(i, select(2, pcall(answering.await, answering)).code)
      end]], 2)
    assert.equal("1\tcancelled\n2\tcancelled\n", result.stdout)
    assert.equal(0, result.status)
  end)

  it("may wait, and a second signal meanwhile ends the script", function()
    local result = interrupt([[
      neap.on_interrupt(function() print "asked" neap.sleep(60) end)
      local _ <close> = setmetatable({}, { __close = function() print "closed" end })
      neap.sleep(60)]], 2)
    assert.equal("asked\nclosed\n", result.stdout)
    assert.equal(130, result.status)
  end)

  it("gives what there was before, and may be taken back", function()
    local result = interrupt([[
      local function f() end
      print(neap.on_interrupt(f), neap.on_interrupt(nil) == f)
      neap.sleep(60)]], 1)
    assert.equal("nil\ttrue\n", result.stdout)
    assert.equal(130, result.status)
  end)

  it("that raises is a warning", function()
    local result = interrupt([[
      neap.on_interrupt(function() error("no answer", 0) end)
      neap.sleep(0.8)
      print "stayed"]], 1)
    assert.equal("stayed\n", result.stdout)
    assert.matches("a detached task failed: no answer", result.stderr, 1, true)
  end)

  it("is refused where the interpreter answers signals itself", function()
    local result = helper.run { helper.lua, "-e", [[
      print(pcall(require "neap".on_interrupt, print))]] }
    assert.matches("^false.*only a script that the executable neap runs", result.stdout)
  end)
end)

describe("an error that nobody heard", function()
  it("may be heard while the warning of it is made", function()
    warn("@off")
    for _ = 1, 10 do
      local task, code
      task = neap.spawn_detached(function()
        error(setmetatable({}, { __tostring = function()
          code = select(2, pcall(task.await, task)).code
          return "unheard"
        end, __index = { code = "x" } }))
      end)
      turns()
      assert.equal("x", code)
    end
    -- What kept them is used again, by one task at a time.
    local tasks = {}
    for i = 1, 30 do
      tasks[i] = neap.spawn(function()
        neap.sleep(0)
        collectgarbage()
        return i
      end)
    end
    for i = 1, 30 do assert.equal(i, (tasks[i]:await())) end
  end)
end)
