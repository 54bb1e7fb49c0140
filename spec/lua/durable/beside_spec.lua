-- Durable runs in which several things go on beside each other.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local neap = require "neap"
local testing = require "neap.testing"
local Node, Flow, BatchNode = neap.Node, neap.Flow, neap.BatchNode
local Parallel, Wait = neap.Parallel, neap.Wait

local function line(name, nodes, fields)
  for i = 2, #nodes do local _ = nodes[i - 1] >> nodes[i] end
  fields = fields or {}
  fields.name, fields.start = name, nodes[1]
  return Flow(fields)
end

-- An app that notes what its events say.
local function app_of(flow, store, opts)
  local seen = {}
  opts = opts or {}
  opts.store, opts.flows = store, { flow = flow }
  opts.on_event = function(event) seen[event.kind] = (seen[event.kind] or 0) + 1 end
  return neap.durable(opts), seen
end

-- Runs a flow to its end with a store in a file, in real time.
local function run_file(flow, shared, opts)
  local store <close> = neap.store.sqlite(helper.tmpdir() .. "/runs.db")
  local app, seen = app_of(flow, store, opts)
  local work = neap.spawn(app.work, app)
  local action, result = app:start("flow", { id = "r", shared = shared or {} }):await()
  app:stop()
  work:await()
  return result, seen, action
end

-- Begins a flow with an app that ends when `crash` is set, and ends it with another.
local function with_a_crash(flow, crash, f, shared)
  local store = neap.store.memory()
  testing.run(function()
    local app = app_of(flow, store)
    local work = neap.spawn(app.work, app)
    local run = app:start("flow", { id = "r", shared = shared or {} })
    crash:wait()
    work:cancel()
    pcall(work.await, work)
    local other = app_of(flow, store)
    work = neap.spawn(other.work, other)
    local _, result = run:await()
    f(result, run)
    other:stop()
    work:await()
  end)
end

local function busy(name, n)
  local nodes = {}
  for i = 1, n do nodes[i] = Node { name = name .. i, post = function() neap.sleep(0) end } end
  return line(name, nodes)
end

describe("a branch that fails while another is being saved", function()
  it("leaves the run where it can go on", function()
    for attempt = 1, 10 do
      local tries = 0
      local sides = Parallel { name = "sides", max_retries = 4, busy("left", 20),
        Node { name = "right", exec = function()
          tries = tries + 1
          neap.sleep(attempt * 0.0003)
          if tries < 4 then error "not yet" end
        end } }
      local _, seen = run_file(line("line", { sides }))
      assert.equal(4, tries)
      assert.is_nil(seen.fenced)
      assert.equal(1, seen.ended)
    end
  end)
end)

describe("an attempt that is over while its step is being saved", function()
  it("leaves the step, which no other attempt makes again", function()
    local made, tries = {}, 0
    local node = Node { name = "a", timeout = 0.01, max_retries = 50, exec = function()
      tries = tries + 1
      for i = 1, 30 do
        neap.step("s" .. i, function()
          made[i] = (made[i] or 0) + 1
          return i
        end)
        local over = os.clock() + 0.001
        repeat until os.clock() > over
      end
    end }
    local _, seen = run_file(line("line", { node }))
    for i = 1, 30 do assert.equal(1, made[i]) end
    assert.is_true(tries > 1)
    assert.is_nil(seen.fenced)
  end)
end)

describe("what branches have changed in shared", function()
  it("is saved together with where they are", function()
    for kill = 5, 13, 4 do
      local crash, saves = neap.event(), 0
      local function counting(name)
        return Node { name = name, post = function(_, shared)
          shared[name] = (shared[name] or 0) + 1
        end }
      end
      local branches, expected = { name = "sides" }, {}
      for i = 1, 4 do
        local nodes = {}
        for j = 1, 4 do
          local name = ("b%dn%d"):format(i, j)
          nodes[j], expected[name] = counting(name), 1
        end
        branches[i] = line("branch" .. i, nodes)
      end
      local flow = line("line", { Parallel(branches) })
      local store <close> = neap.store.sqlite(helper.tmpdir() .. "/runs.db")
      local app
      app = neap.durable { store = store, flows = { flow = flow }, lease = 0.1,
        on_event = function(event)
          if event.kind == "saved" then
            saves = saves + 1
            if saves == kill then crash:set() end
          end
        end }
      local work = neap.spawn(app.work, app)
      local run = app:start("flow", { id = "r", shared = {} })
      pcall(neap.timeout, 0.2, crash.wait, crash)
      work:cancel()
      pcall(work.await, work)
      work = neap.spawn(app.work, app)
      local _, shared = run:await()
      assert.same(expected, shared)
      app:stop()
      work:await()
    end
  end)
end)

describe("a branch that waits for a signal", function()
  it("does not hold up the others, however long it waits", function()
    local flow = line("line", { Parallel { name = "sides",
      Wait { name = "ask", signal = "answer", timeout = 1e6, post = function(_, shared, _, answer)
        shared.answer = answer
      end },
      line("work", { Node { name = "a", exec = function() neap.sleep(100) end },
        Node { name = "b", post = function(_, shared) shared.worked = true end } }) } })
    testing.run(function()
      local app, seen = app_of(flow, neap.store.memory())
      local work = neap.spawn(app.work, app)
      local run = app:start "flow"
      neap.sleep(200)
      assert.is_true(run:shared().worked)
      run:signal("answer", 42)
      local _, shared = run:await()
      assert.same({ worked = true, answer = 42 }, shared)
      assert.equal(1, seen.claimed)
      app:stop()
      work:await()
    end)
  end)

  it("gets its own signal, each once, whoever reads them", function()
    local branches = { name = "sides" }
    for i = 1, 8 do
      branches[i] = Wait { name = "w" .. i, signal = "s" .. i % 4, timeout = 100,
        post = function(_, shared, _, answer) shared["w" .. i] = answer end }
    end
    for _ = 1, 10 do
      local store <close> = neap.store.sqlite(helper.tmpdir() .. "/runs.db")
      local app = app_of(line("line", { Parallel(branches) }), store)
      local work = neap.spawn(app.work, app)
      local run = app:start("flow", { id = "r" })
      for i = 1, 8 do neap.spawn(run.signal, run, "s" .. i % 4, i) end
      local _, shared = neap.timeout(20 * helper.patience, run.await, run)
      local sum = 0
      for i = 1, 8 do sum = sum + shared["w" .. i] end
      assert.equal(36, sum)
      for i = 1, 4 do assert.not_equal(shared["w" .. i], shared["w" .. i + 4]) end
      app:stop()
      work:await()
    end
  end)
end)

describe("after a crash", function()
  it("a batch that collects has the errors that it had", function()
    local crash, calls = neap.event(), {}
    local batch = BatchNode { name = "batch", concurrency = 2, on_error = "collect",
      prep = function() return { 1, 2, 3, 4 } end,
      exec = function(_, _, item)
        calls[item] = (calls[item] or 0) + 1
        if item == 2 then error { reason = "bad" } end
        if item == 4 and calls[4] == 1 then
          neap.sleep(1)
          crash:set()
          neap.sleep(1e6)
        end
        return item * 10
      end,
      post = function(_, shared, _, results)
        shared.results = { results[1], results[3], results[4] }
        shared.failed = results.errors[2] ~= nil
      end }
    with_a_crash(line("line", { batch }), crash, function(shared)
      assert.same({ results = { 10, 30, 40 }, failed = true }, shared)
      assert.same({ 1, 1, 1, 2 }, calls)
    end)
  end)

  it("a retry that was being waited for is the next attempt", function()
    local crash, attempts = neap.event(), {}
    local node = Node { name = "a", max_retries = 3, wait = 50, exec = function(self)
      attempts[#attempts + 1] = self.cur_retry
      if #attempts == 1 then
        neap.spawn_detached(function() neap.sleep(10) crash:set() end)
      end
      if #attempts < 3 then error "not yet" end
    end }
    with_a_crash(line("line", { node }), crash, function()
      assert.same({ 0, 1, 2 }, attempts)
    end)
  end)
end)

describe("an app that is stopped", function()
  -- Stops an app that works on a flow, and says how long that took.
  local function stop_it(flow, f)
    testing.run(function()
      local store = neap.store.memory()
      local app, seen = app_of(flow, store)
      local work = neap.spawn(app.work, app, { grace = 10 })
      local run = app:start("flow", { id = "r" })
      neap.sleep(0.5)
      local since = neap.now()
      app:stop()
      work:await()
      f(neap.now() - since, run, seen)
      local other = app_of(flow, store)
      work = neap.spawn(other.work, other)
      f(nil, run)
      other:stop()
      work:await()
    end)
  end

  it("gives its runs back after the visits that are under way", function()
    local log = {}
    local function nap(name)
      return Node { name = name, exec = function()
        neap.sleep(1)
        log[#log + 1] = name
      end }
    end
    stop_it(line("line", { nap "a", nap "b", nap "c" }), function(took, run, seen)
      if took then
        assert.same({ "a" }, log)
        assert.is_true(took < 0.6, took)
        assert.equal("queued", run:status())
        assert.is_nil(seen.ended)
      else
        run:await()
        assert.same({ "a", "b", "c" }, log)
      end
    end)
  end)

  it("does not wait for signals", function()
    local flow = line("line", { Wait { name = "ask", signal = "answer", timeout = 30 } })
    stop_it(flow, function(took, run)
      if took then
        assert.is_true(took < 0.1, took)
        assert.equal("waiting", run:status())
      else
        run:signal("answer", 1)
        run:await()
      end
    end)
  end)
end)

describe("an app that is stopped as it begins to work", function()
  it("ends", function()
    local store <close> = neap.store.sqlite(helper.tmpdir() .. "/runs.db")
    local app = app_of(line("line", { Node { name = "a" } }), store)
    local work = neap.spawn(app.work, app)
    while not next(app.workers) do neap.sleep(0) end
    app:stop()
    neap.timeout(20 * helper.patience, work.await, work)
  end)
end)

describe("a run that waits", function()
  it("is paused there, and goes on waiting", function()
    testing.run(function()
      local app = app_of(line("line", { Wait { name = "ask", signal = "answer", timeout = 30,
        post = function(_, shared, _, answer) shared.answer = answer end } }), neap.store.memory())
      local work = neap.spawn(app.work, app)
      local run = app:start "flow"
      neap.sleep(1)
      run:pause()
      neap.sleep(1)
      assert.equal("paused", run:status())
      run:signal("answer", 1)
      run:resume()
      local _, shared = run:await()
      assert.equal(1, shared.answer)
      app:stop()
      work:await()
    end)
  end)
end)

describe("a run whose disk is full", function()
  it("is saved when there is room", function()
    local folder = helper.tmpdir()
    if helper.run({ "mount", "-t", "tmpfs", "-o", "size=8m", "none", folder }).status ~= 0 then
      return -- not root
    end
    local _ <close> = setmetatable({}, { __close = function() helper.run { "umount", folder } end })
    local store <close> = neap.store.sqlite(folder .. "/runs.db")
    local full = 0
    local app = neap.durable { store = store, flows = { flow = line("line", { Node { name = "a",
      post = function(_, shared) shared.text = ("x"):rep(3000000) end } }) },
      on_event = function(event)
        if event.kind == "store" then
          full = full + 1
          os.remove(folder .. "/fill")
        end
      end }
    local run = app:start("flow", { id = "r" })
    helper.write(folder .. "/fill", ("x"):rep(6000 * 1024))
    local work = neap.spawn(app.work, app)
    local _, shared = neap.timeout(20 * helper.patience, run.await, run)
    assert.equal(3000000, #shared.text)
    assert.is_true(full > 0)
    app:stop()
    work:await()
  end)
end)
