-- Durable runs: what is saved, what goes on where, and what others see of it.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local neap = require "neap"
local testing = require "neap.testing"
local Node, Flow, BatchNode, Wait = neap.Node, neap.Flow, neap.BatchNode, neap.Wait
local failure = helper.failure

-- A node that notes that it was run.
local function noting(name, log, f)
  return Node { name = name, exec = function(self, shared)
    log[#log + 1] = name
    if f then return f(self, shared) end
  end }
end

-- Wires nodes one behind the other into a flow.
local function line(name, nodes, options)
  for i = 2, #nodes do local _ = nodes[i - 1] >> nodes[i] end
  local fields = { name = name, start = nodes[1] }
  for key, value in pairs(options or {}) do fields[key] = value end
  return Flow(fields)
end

local function app_of(flow, store, opts)
  local options = { store = store or neap.store.memory(), flows = { flow = flow } }
  for key, value in pairs(opts or {}) do options[key] = value end
  return neap.durable(options)
end

-- Runs `f` on the virtual clock while the app works.
local function at_work(app, f, opts)
  testing.run(function()
    local work = neap.spawn(app.work, app, opts)
    f(work)
    app:stop()
    work:await()
  end)
end

describe("a durable run", function()
  it("goes through a flow and ends with its action and shared store", function()
    local log = {}
    local app = app_of(line("line", { noting("a", log), noting("b", log),
      Node { name = "c", post = function(_, shared) shared.n = shared.n + 1 return "over" end } }))
    at_work(app, function()
      local run = app:start("flow", { shared = { n = 1 } })
      local action, shared = run:await()
      assert.equal("over", action)
      assert.same({ n = 2 }, shared)
      assert.same({ "a", "b" }, log)
      assert.equal("done", run:status())
    end)
  end)

  it("is begun at the rate of its queue, which leaves other queues alone", function()
    local begun = {}
    local app = app_of(line("line", { Node { name = "a", exec = function(_, shared)
      table.insert(begun, ("%s %.2f"):format(shared.queue, neap.now()))
    end } }))
    at_work(app, function()
      neap.sleep(0.5)
      local last
      for i = 1, 8 do
        local queue = i <= 5 and "slow" or "quick"
        local run = app:start("flow", { queue = queue, shared = { queue = queue } })
        last = i == 5 and run or last
      end
      last:await()
      local slow, quick = {}, 0
      for _, text in ipairs(begun) do
        if text:find "^slow" then slow[#slow + 1] = tonumber(text:match "%S+$") else
          quick = quick + 1
          assert.equal("quick 0.50", text)
        end
      end
      assert.equal(3, quick)
      assert.equal(5, #slow)
      for i = 2, 5 do assert.near(0.25, slow[i] - slow[i - 1], 0.011) end
    end, { queues = { slow = { rate = 4 }, quick = {} } })
  end)

  it("is begun in small crowds where its rate is high", function()
    local most, now, count = 0, nil, 0
    local app = app_of(line("line", { Node { name = "a", exec = function()
      if neap.now() ~= now then now, count = neap.now(), 0 end
      count = count + 1
      most = math.max(most, count)
    end } }))
    at_work(app, function()
      local before, runs = neap.now(), {}
      for i = 1, 200 do runs[i] = app:start "flow" end
      for _, run in ipairs(runs) do run:await() end
      assert.is_true(neap.now() - before > 1.7 and neap.now() - before < 3, neap.now() - before)
      assert.is_true(most <= 10)
    end, { queues = { default = { rate = 100 } } })
  end)

  it("is not begun where nodes beside each other have one name", function()
    local last = Node { name = "b" }
    local flow = line("line", { Node { name = "a" }, line("inner", { Node { name = "a" },
      Node { name = "b" } }), last })
    local app = app_of(flow)
    at_work(app, function() app:start("flow"):await() end)
    local _ = last >> Node { name = "b" }
    testing.run(function()
      for _, f in ipairs { function() app:start "flow" end, function() app:work() end } do
        local err = failure(f)
        assert.equal("durable", err.code)
        assert.matches("^the flow 'flow' has several nodes named 'b' ", err.message)
      end
    end)
  end)

  it("has a history of its steps", function()
    local app = app_of(line("line", { Node { name = "a", post = function(_, shared)
      shared.x, shared.y = 1, 2
      return "on"
    end }, Node { name = "b" } }))
    local a = app.flows.flow.flow.start
    local _ = a - "on" >> Node { name = "c", post = function(_, shared) shared.x = nil end }
    at_work(app, function()
      local run = app:start "flow"
      run:await()
      local steps = {}
      for step in run:history() do
        table.sort(step.changed)
        steps[#steps + 1] = ("%s -%s-> %s"):format(step.node, step.action,
          table.concat(step.changed, ","))
      end
      assert.same({ "line > a -on-> x,y", "line > c -default-> x" }, steps)
    end)
  end)

  it("is started once under one id", function()
    local log = {}
    local app = app_of(line("line", { noting("a", log) }))
    at_work(app, function()
      local one = app:start("flow", { id = "x", shared = { n = 1 } })
      local other = app:start("flow", { id = "x", shared = { n = 1 } })
      one:await()
      other:await()
      app:start("flow", { id = "x", shared = { n = 1 } }):await()
      assert.same({ "a" }, log)
      local err = failure(app.start, app, "flow", { id = "x", shared = { n = 1.0 } })
      assert.equal("exists", err.code)
    end)
  end)

  it("goes on after its last saved visit when its worker has died", function()
    local log, store = {}, neap.store.memory()
    local stand = neap.event()
    local app = app_of(line("line", { noting("a", log), noting("b", log, function()
      if #log == 2 then stand:set() neap.sleep(3600) end
    end), noting("c", log) }), store)
    testing.run(function()
      local dying = neap.spawn(app.work, app)
      local run = app:start("flow", { id = "r", shared = { list = { 1, 2 } } })
      stand:wait()
      dying:cancel()
      pcall(dying.await, dying)
      local other = app_of(app.flows.flow.flow, store)
      local work = neap.spawn(other.work, other)
      local before = neap.now()
      local _, shared = other:run("r"):await()
      assert.same({ "a", "b", "b", "c" }, log)
      assert.same({ list = { 1, 2 } }, shared)
      assert.is_true(neap.now() - before < 3 + 1.1)
      assert.equal("done", run:status())
      other:stop()
      work:await()
    end)
  end)

  it("fails with its error, and can be tried again from its last save", function()
    local log, broken = {}, true
    local app = app_of(line("line", { noting("a", log), noting("b", log, function()
      if broken then error("no luck", 0) end
    end) }))
    at_work(app, function()
      local run = app:start "flow"
      local err = failure(run.await, run)
      assert.equal("no luck", err.message)
      assert.equal("line > b", err.node)
      assert.equal("failed", run:status())
      assert.equal("no luck", run:error().message)
      broken = false
      run:retry()
      run:await()
      assert.same({ "a", "b", "b" }, log)
    end)
  end)

  it("names the path of a value that cannot be saved", function()
    local app = app_of(line("line", { Node { name = "a", post = function(_, shared)
      shared.llm = { chat = print }
    end } }))
    at_work(app, function()
      local err = failure(app.start, app, "flow", { shared = { f = { g = print } } })
      assert.equal("durable", err.code)
      assert.matches("shared.f.g is a function", err.message, 1, true)
      local run = app:start "flow"
      err = failure(run.await, run)
      assert.equal("durable", err.code)
      assert.matches("shared.llm.chat is a function", err.message, 1, true)
    end)
  end)

  it("gets what cannot be saved by attach, when it begins and when it goes on", function()
    local count = 0
    local app = app_of(line("line", { Node { name = "a", post = function(_, shared)
      shared.x = shared.tool()
    end } }), nil, { attach = function(shared)
      count = count + 1
      shared.tool = function() return count end
    end })
    at_work(app, function()
      local _, shared = app:start("flow"):await()
      assert.same({ x = 1 }, shared)
    end)
  end)

  it("gives up a run that ends its workers again and again", function()
    local store, log = neap.store.memory(), {}
    local flow = line("line", { noting("a", log, function() neap.sleep(1e6) end) },
      { max_takeovers = 2 })
    testing.run(function()
      local run
      for _ = 1, 3 do
        local app = app_of(flow, store)
        local work = neap.spawn(app.work, app)
        run = run or app:start "flow"
        neap.sleep(5)
        work:cancel()
        pcall(work.await, work)
      end
      local app = app_of(flow, store)
      local work = neap.spawn(app.work, app)
      local err = failure(run.await, run)
      assert.equal("poisoned", err.code)
      assert.equal(3, #log)
      app:stop()
      work:await()
    end)
  end)

  it("is left where it is when its flow or node is gone, until they are there", function()
    local store, log = neap.store.memory(), {}
    testing.run(function()
      local app = app_of(line("line", { noting("a", log), noting("b", log, function()
        neap.sleep(1e6)
      end) }), store)
      local work = neap.spawn(app.work, app)
      local run = app:start("flow", { id = "r" })
      neap.sleep(1)
      work:cancel()
      pcall(work.await, work)
      app = app_of(line("line", { noting("a", log), noting("other", log) }), store)
      work = neap.spawn(app.work, app)
      neap.sleep(6)
      assert.equal("stuck", run:status())
      assert.equal("the run was at 'b' in 'line': there is no node of that name any more",
        run:error().message)
      app:stop()
      work:await()
      app = app_of(line("line", { noting("new", log), noting("b", log) }), store)
      work = neap.spawn(app.work, app)
      run:resume()
      app:run("r"):await()
      assert.same({ "a", "b", "b" }, log)
      app:stop()
      work:await()
    end)
  end)

  it("can be paused, resumed and cancelled", function()
    local log = {}
    local app = app_of(line("line", { noting("a", log, function() neap.sleep(2) end),
      noting("b", log, function() neap.sleep(1e6) end) }))
    at_work(app, function()
      local run = app:start "flow"
      neap.sleep(1)
      run:pause()
      neap.sleep(5)
      assert.equal("paused", run:status())
      assert.same({ "a" }, log)
      run:resume()
      neap.sleep(5)
      assert.same({ "a", "b" }, log)
      run:cancel "enough"
      local err = failure(run.await, run)
      assert.equal("cancelled", err.code)
      assert.equal("cancelled", run:status())
    end)
  end)

  it("begins when its delay is over, and those of high priority first", function()
    local log = {}
    local app = app_of(line("line", { Node { name = "a", exec = function(_, shared)
      log[#log + 1] = { shared.name, neap.now() // 1 }
    end } }))
    testing.run(function()
      app:start("flow", { shared = { name = "low" } })
      app:start("flow", { shared = { name = "high" }, priority = 9 })
      local late = app:start("flow", { shared = { name = "late" }, delay = 100 })
      local work = neap.spawn(app.work, app, { queues = { default = { concurrency = 1 } } })
      late:await()
      assert.same({ "high", "low", "late" }, { log[1][1], log[2][1], log[3][1] })
      assert.is_true(log[3][2] >= 100 and log[3][2] <= 102)
      app:stop()
      work:await()
    end)
  end)
end)

describe("inside of a visit", function()
  -- Runs a flow whose worker dies in the middle, and then another worker's.
  local function with_a_crash(flow, crash, f)
    local store = neap.store.memory()
    testing.run(function()
      local app = app_of(flow, store)
      local work = neap.spawn(app.work, app)
      local run = app:start("flow", { id = "r", shared = {} })
      crash:wait()
      work:cancel()
      pcall(work.await, work)
      local other = app_of(flow, store)
      work = neap.spawn(other.work, other)
      local _, shared = run:await()
      f(shared, run)
      other:stop()
      work:await()
    end)
  end

  -- A function that lets its worker die when it is called first.
  local function die_once()
    local crash, done = neap.event(), false
    return crash, function()
      if done then return end
      done = true
      crash:set()
      neap.sleep(1e6)
    end
  end

  it("a step is not made again", function()
    local crash, die = die_once()
    local log, keys = {}, {}
    with_a_crash(line("line", { Node { name = "a", exec = function(self)
      keys[#keys + 1] = self.key
      local values = {}
      for i = 1, 3 do
        values[i] = neap.step("part", function(n)
          log[#log + 1] = n
          return n * 10
        end, i)
      end
      die()
      return values
    end, post = function(_, shared, _, values) shared.values = values end } }), crash,
      function(shared)
        assert.same({ 1, 2, 3 }, log)
        assert.same({ 10, 20, 30 }, shared.values)
        assert.equal(2, #keys)
        assert.equal(keys[1], keys[2])
      end)
  end)

  it("steps of a second attempt begin anew with their names", function()
    local log, tries = {}, 0
    local app = app_of(line("line", { Node { name = "a", max_retries = 3, exec = function()
      for i = 1, 2 do
        neap.step("part", function() log[#log + 1] = i end)
      end
      tries = tries + 1
      if tries < 3 then error "again" end
    end } }))
    at_work(app, function()
      app:start("flow"):await()
      assert.same({ 1, 2 }, log)
    end)
  end)

  it("items of a batch that have ended are not run again", function()
    local crash, die = die_once()
    local log = {}
    with_a_crash(line("line", { BatchNode { name = "batch", concurrency = 2,
      prep = function() return { 1, 2, 3, 4 } end,
      exec = function(_, _, item)
        log[#log + 1] = item
        if item == 3 then die() end
        return item * item
      end,
      post = function(_, shared, _, results) shared.results = results end } }), crash,
      function(shared)
        assert.same({ 1, 4, 9, 16 }, table.move(shared.results, 1, 4, 1, {}))
        local again = {}
        for _, item in ipairs(log) do again[item] = (again[item] or 0) + 1 end
        assert.equal(1, again[1])
        assert.equal(1, again[2])
        assert.equal(2, again[3])
      end)
  end)

  it("the prep of a flow around it is not called again", function()
    local crash, die = die_once()
    local log = {}
    local inner = line("inner", { noting("x", log), noting("y", log, die) }, {
      prep = function(self)
        log[#log + 1] = "prep"
        self.seen = 7
        return { "made" }
      end,
      post = function(self, shared, prepared)
        shared.seen, shared.made = self.seen, prepared[1]
      end })
    with_a_crash(line("outer", { inner, noting("z", log) }), crash, function(shared)
      assert.same({ "prep", "x", "y", "y", "z" }, log)
      assert.same({ seen = 7, made = "made" }, shared)
    end)
  end)

  it("a step that sleeps goes on sleeping", function()
    local crash, die = die_once()
    local woken
    with_a_crash(line("line", { Node { name = "a", exec = function()
      neap.spawn(function() neap.sleep(50) die() end)
      neap.step.sleep("nap", 100)
      woken = neap.now()
    end } }), crash, function() assert.is_true(woken >= 100 and woken < 101) end)
  end)
end)

describe("a signal", function()
  local function asking(log, timeout)
    return line("line", { Wait { name = "ask", signal = "approval", timeout = timeout,
      prep = function() log[#log + 1] = "prep" return "prepared" end,
      post = function(_, shared, prepared, answer)
        log[#log + 1] = prepared
        shared.answer = answer
      end } })
  end

  it("wakes a run that is not in memory", function()
    local log = {}
    local app = app_of(asking(log))
    at_work(app, function()
      local run = app:start "flow"
      neap.sleep(10)
      assert.equal("waiting", run:status())
      assert.equal("approval", run:info().waits)
      run:signal("approval", { ok = true })
      local _, shared = run:await()
      assert.same({ answer = { ok = true } }, shared)
      assert.same({ "prep", "prepared" }, log)
    end)
  end)

  it("may come before anybody waits, and counts once", function()
    local app = app_of(line("line", { Node { name = "a", exec = function()
      neap.sleep(5)
      return { neap.wait_for "x", neap.wait_for "x", neap.wait_for("x", { timeout = 10 }) }
    end, post = function(_, shared, _, got) shared.got = got end } }))
    at_work(app, function()
      local run = app:start "flow"
      run:signal("x", 1, { id = "one" })
      run:signal("x", 1, { id = "one" })
      run:signal("y", 3)
      run:signal("x", 2)
      local _, shared = run:await()
      assert.same({ 1, 2 }, shared.got)
    end)
  end)

  it("is not waited for any longer than its time, also over a crash", function()
    local log, store = {}, neap.store.memory()
    testing.run(function()
      local app = app_of(asking(log, 3 * 3600), store)
      local work = neap.spawn(app.work, app)
      local run = app:start "flow"
      neap.sleep(2 * 3600)
      work:cancel()
      pcall(work.await, work)
      work = neap.spawn(app.work, app)
      neap.sleep(3600 - 10)
      assert.equal("waiting", run:status())
      neap.sleep(20)
      assert.equal("done", run:status())
      assert.same({ "prep", "prepared" }, log)
      app:stop()
      work:await()
    end)
  end)

  it("to a run that has ended is an error", function()
    local app = app_of(line("line", { Node { name = "a" } }))
    at_work(app, function()
      local run = app:start "flow"
      run:await()
      assert.equal("ended", failure(run.signal, run, "x", 1).code)
    end)
  end)

  it("outside of a durable run is an error that says so", function()
    assert.matches("only a durable run gets signals", failure(neap.wait_for, "x").message)
    assert.equal(3, neap.step("x", function(n) return n end, 3))
  end)
end)

describe("looking at runs", function()
  it("lists, counts and prunes", function()
    local app = app_of(line("line", { Node { name = "a" } }), nil, { keep = 100,
      tags = function(shared) return { topic = shared.topic } end })
    at_work(app, function()
      for i = 1, 5 do
        app:start("flow", { id = "r" .. i, shared = { topic = i % 2 == 0 and "even" or "odd" } })
      end
      app:run("r5"):await()
      neap.sleep(1)
      local page = app:runs { limit = 2 }
      assert.same({ "r5", "r4" }, { page[1].id, page[2].id })
      page = app:runs { limit = 2, after = page.next }
      assert.same({ "r3", "r2" }, { page[1].id, page[2].id })
      assert.same({ "r4", "r2" }, { app:runs({ tags = { topic = "even" } })[1].id,
        app:runs({ tags = { topic = "even" } })[2].id })
      assert.same({ done = 5 }, app:count())
      assert.is_nil(app:run "none")
      assert.equal(0, app:prune())
      neap.sleep(101)
      assert.equal(5, app:prune())
    end)
  end)

  it("shows the past, and forks from it", function()
    local log = {}
    local flow = line("line", { Node { name = "a", post = function(_, shared) shared.n = 1 end },
      Node { name = "b", post = function(_, shared) shared.n = shared.n + 1 end },
      noting("c", log) }, { history = "values" })
    local app = app_of(flow)
    at_work(app, function()
      local run = app:start("flow", { id = "r" })
      run:await()
      local first = run:history()().seq
      assert.same({ n = 1 }, run:at(first))
      local fork = run:fork { at = first, id = "f", shared = function(shared) shared.n = 41 end }
      local _, shared = fork:await()
      assert.same({ n = 42 }, shared)
      assert.same({ n = 2 }, run:shared())
      assert.equal("r", app:run("f").parent)
      assert.same({ "c", "c" }, log)
    end)
  end)
end)

describe("an app", function()
  it("refuses what it does not know", function()
    local app = app_of(line("line", { Node { name = "a" } }))
    assert.matches("the app has no flow 'flaw'; did you mean 'flow'?",
      failure(app.start, app, "flaw"), 1, true)
    assert.matches("the option 'store' is missing", failure(neap.durable, { flows = {} }), 1, true)
    assert.matches("Wait: the option 'signal' is missing", failure(Wait, { name = "x" }), 1, true)
  end)
end)
