-- Retries: how often exec is tried, how long the waits are, what ends them.
-- SPDX-License-Identifier: MIT
--
-- Long, because nodes, batches, parallels and neap.retry keep the same promises.
local failure = require("spec.helper").failure
local neap = require "neap"
local Node, Flow = neap.Node, neap.Flow

-- Runs a node of these options whose exec fails `failures` times (default:
-- always) with `err`; returns how often it was called and, as on_event saw
-- them, the waits after each failure.
local function attempts(options, err, failures)
  local calls, delays = 0, {}
  function options.exec()
    calls = calls + 1
    if calls <= (failures or math.huge) then error(err or "broken", 0) end
  end
  options.process_after_fail = options.process_after_fail or function() end
  Node(options):run({}, { on_event = function(event)
    if event.kind == "retry" then delays[#delays + 1] = event.delay end
  end })
  return calls, delays
end

describe("max_retries", function()
  it("is the number of attempts", function()
    assert.equal(3, (attempts { max_retries = 3 }))
  end)

  it("is 1 by default", function()
    assert.equal(1, (attempts {}))
  end)

  it("below 1 is refused", function()
    assert.matches("bad option 'max_retries' (whole number from 1 expected, got 0)",
      failure(Node, { max_retries = 0 }), 1, true)
  end)

  it("counts no further once exec has succeeded", function()
    assert.equal(3, (attempts({ max_retries = 9 }, nil, 2)))
  end)

  it("goes for exec only: prep and post are called once, and not again", function()
    local calls = {}
    local function count(name)
      return function()
        calls[name] = (calls[name] or 0) + 1
        error(name, 0)
      end
    end
    for _, method in ipairs { "prep", "post", "process_after_fail" } do
      local node = Node { max_retries = 3, exec = function()
        if method == "process_after_fail" then error "x" end
      end }
      node[method] = count(method)
      local err = failure(node.run, node, {})
      assert.equal(method, err.cause)
    end
    assert.same({ prep = 1, post = 1, process_after_fail = 1 }, calls)
  end)
end)

describe("wait", function()
  it("is 0 by default", function()
    local _, delays = attempts { max_retries = 3 }
    assert.same({ 0, 0 }, delays)
  end)

  it("is waited between attempts, never less", function()
    local before = neap.now()
    local _, delays = attempts { max_retries = 3, wait = 0.01 }
    assert.same({ 0.01, 0.01 }, delays)
    assert.is_true(neap.now() - before >= 0.02)
  end)

  it("is not waited after the last attempt", function()
    local before = neap.now()
    attempts { max_retries = 1, wait = 100 }
    assert.is_true(neap.now() - before < 50)
  end)

  it("lets others run meanwhile", function()
    local order = {}
    neap.gather {
      function()
        attempts { max_retries = 2, wait = 0.02 }
        order[#order + 1] = "retried"
      end,
      function() order[#order + 1] = "other" end,
    }
    assert.same({ "other", "retried" }, order)
  end)
end)

describe("backoff", function()
  it("is 1 by default, else multiplies the wait after each attempt", function()
    local _, delays = attempts { max_retries = 4, wait = 0.001, backoff = 2 }
    assert.same({ 0.001, 0.002, 0.004 }, delays)
  end)

  it("is capped by max_wait", function()
    local _, delays = attempts { max_retries = 5, wait = 0.001, backoff = 2, max_wait = 0.003 }
    assert.same({ 0.001, 0.002, 0.003, 0.003 }, delays)
  end)
end)

describe("jitter", function()
  it("takes off up to that share at random", function()
    local _, delays = attempts { max_retries = 30, wait = 0.001, jitter = 0.5 }
    local different = {}
    for _, delay in ipairs(delays) do
      assert.is_true(delay >= 0.0005 and delay <= 0.001)
      different[delay] = true
    end
    assert.is_not_nil(next(different, next(different)))
  end)
end)

describe("what was raised", function()
  it("as a table with retry_after makes the wait at least that long", function()
    local _, delays = attempts({ max_retries = 2, wait = 0.001 }, { retry_after = 0.01 })
    assert.same({ 0.01 }, delays)
    _, delays = attempts({ max_retries = 2, wait = 0.02 }, { retry_after = 0.01 })
    assert.same({ 0.02 }, delays)
  end)

  it("with retry_after is waited even without wait, and past max_wait", function()
    local _, delays = attempts({ max_retries = 2 }, { retry_after = 0.01 })
    assert.same({ 0.01 }, delays)
    _, delays = attempts({ max_retries = 2, wait = 0.001, max_wait = 0.002 },
      { retry_after = 0.01 })
    assert.same({ 0.01 }, delays)
  end)

  it("with a retry_after past max_retry_after, two minutes, ends the attempts at once", function()
    neap.testing.run(function()
      local before = neap.now()
      local fallen
      local calls = attempts({ max_retries = 3, process_after_fail = function(_, _, _, err)
        fallen = err.retry_after
      end }, { retry_after = 35000 })
      assert.same({ 1, 35000, before }, { calls, fallen, neap.now() })
      local node = Node { max_retries = 3, exec = function() error { retry_after = 120.001 } end }
      assert.equal(120.001, failure(node.run, node).retry_after)
      assert.equal(before, neap.now())
      local _, delays = attempts({ max_retries = 2 }, { retry_after = 120 })
      assert.same({ 120 }, delays)
    end)
  end)

  it("is waited for as long as max_retry_after allows", function()
    neap.testing.run(function()
      local _, delays = attempts({ max_retries = 2, max_retry_after = 40000 },
        { retry_after = 35000 })
      assert.same({ 35000 }, delays)
      _, delays = attempts({ max_retries = 2, max_retry_after = math.huge }, { retry_after = 1e6 })
      assert.same({ 1e6 }, delays)
      assert.equal(1, (attempts({ max_retries = 2, max_retry_after = 0.5 }, { retry_after = 1 })))
    end)
  end)

  it("with retryable = false ends the attempts, not the fallback", function()
    local fallen
    local calls = attempts({ max_retries = 5, process_after_fail = function() fallen = true end },
      { retryable = false })
    assert.equal(1, calls)
    assert.is_true(fallen)
  end)

  it("with any other retryable does not", function()
    assert.equal(2, (attempts({ max_retries = 2 }, { retryable = true })))
    assert.equal(2, (attempts({ max_retries = 2 }, {})))
  end)

  it("may compute these fields, and may fail at it", function()
    local computed = setmetatable({}, { __index = function(_, key)
      return key == "retry_after" and 0.01 or nil
    end })
    local calls, delays = attempts({ max_retries = 2 }, computed)
    assert.same({ 2, { 0.01 } }, { calls, delays })
    local hostile = setmetatable({}, { __index = function() error "no such field" end })
    assert.equal(2, (attempts({ max_retries = 2 }, hostile)))
  end)

  it("may say nonsense in them", function()
    assert.equal(2, (attempts({ max_retries = 2 }, { retry_after = "soon", retryable = "no" })))
    assert.equal(2, (attempts({ max_retries = 2 }, { retry_after = -1 })))
    assert.equal(2, (attempts({ max_retries = 2 }, { retry_after = 0 / 0 })))
  end)
end)

describe("what was raised still says of further attempts what it said", function()
  -- The ways in which an error leaves a run on its way to the attempts of a node.
  local ways = {
    ["flow:run"] = function(node) Flow { start = node }:run() end,
    ["a flow in a flow"] = function(node) Flow { start = Flow { start = node } }:run() end,
    ["node:run"] = function(node) node:run() end,
    ["a flow that is spawned and awaited"] = function(node) neap.spawn(node):await() end,
    ["a flow that is gathered"] = function(node) neap.gather { node } end,
    ["a flow in a race"] = function(node) neap.race { node } end,
    ["a flow with a time limit"] = function(node) neap.timeout(100, node) end,
    ["a run for each item of map"] = function(node)
      neap.map({ 1 }, function() node:run() end)
    end,
    ["a run for each item of a BatchNode"] = function(node)
      neap.BatchNode { concurrency = 2, prep = function() return { 1, 2 } end,
        exec = function() node:run() end }:run()
    end,
    ["a BatchFlow"] = function(node)
      neap.BatchFlow { start = node, prep = function() return { {} } end }:run()
    end,
    ["a parallel"] = function(node) neap.parallel { node }:run() end,
    ["neap.try, and raised again"] = function(node)
      local _, err = neap.try(node.run, node)
      error(err)
    end,
    ["runs inside of runs"] = function(node)
      for _ = 1, 5 do
        local inner = node
        node = Node { name = "around", exec = function() inner:run() end }
      end
      node:run()
    end,
  }
  -- Tries a way twice at most, around a node that raises this; returns how often it did,
  -- what came out, and the seconds that went by.
  local function try(way, raised)
    local calls, err = 0, nil
    local node = Node { name = "inner", exec = function()
      calls = calls + 1
      error(raised, 0)
    end }
    local before = neap.now()
    Node { max_retries = 2, exec = function() way(node) end,
      process_after_fail = function(_, _, _, e) err = e end }:run()
    return calls, err, neap.now() - before
  end

  for name, way in pairs(ways) do
    it("behind " .. name, function()
      neap.testing.run(function()
        local calls, err = try(way, { retryable = false, message = "no" })
        assert.same({ false, "no" }, { err.retryable, err.message })
        local more, late, seconds = try(way, { retry_after = 9 })
        assert.is_true(more >= 2 * calls)
        assert.same({ 9, 9 }, { late.retry_after, math.floor(seconds + 0.5) })
      end)
    end)
  end

  it("where it is computed", function()
    local computed = setmetatable({}, { __index = function(_, key)
      return ({ retryable = false, retry_after = 3 })[key]
    end })
    local _, err = try(ways["flow:run"], computed)
    assert.same({ false, 3 }, { err.retryable, err.retry_after })
  end)

  it("and nothing where to compute it raises", function()
    local hostile = setmetatable({}, { __index = function() error "no such field" end })
    local calls, err = try(ways["flow:run"], hostile)
    assert.same({ 2, nil, nil }, { calls, err.retryable, err.retry_after })
  end)
end)

describe("timeout", function()
  it("bounds one attempt of exec, and the next one has its full time again", function()
    local calls = 0
    local shared = {}
    Node {
      timeout = 0.1, max_retries = 3,
      exec = function(self)
        calls = calls + 1
        neap.sleep(self.cur_retry < 2 and 10 or 0)
        return "third time"
      end,
      post = function(_, s, _, text) s.text = text end,
    }:run(shared)
    assert.equal(3, calls)
    assert.equal("third time", shared.text)
  end)

  it("raises a timeout error, which process_after_fail gets", function()
    local got
    Node {
      timeout = 0.01,
      exec = function() neap.sleep(10) end,
      process_after_fail = function(_, _, _, err) got = err end,
    }:run {}
    assert.equal("timeout", got.code)
    assert.equal("timed out after 0.01 s", got.message)
  end)

  it("counts at least a nanosecond", function()
    local err = failure(function()
      Node { timeout = 1e-12, exec = function() neap.sleep(10) end }:run {}
    end)
    assert.equal("timeout", err.code)
  end)

  it("leaves the run with the path, the phase and the attempt", function()
    local node = Node { name = "Slow", timeout = 0.01, max_retries = 2,
      exec = function() neap.sleep(10) end }
    local err = failure(node.run, node, {})
    assert.same({ "timeout", "Slow", "exec", 2 }, { err.code, err.node, err.phase, err.attempt })
  end)

  it("gives exec its self, prep_res and a result as ever", function()
    local shared = {}
    Node { timeout = 10,
      prep = function(self) self.mine = "mine" return "prepared" end,
      exec = function(self, _, prep_res) self.more = "more" return self.mine .. prep_res end,
      post = function(self, s, _, exec_res) s.seen = { self.more, exec_res } end,
    }:run(shared)
    assert.same({ "more", "mineprepared" }, shared.seen)
  end)

  it("is seen as an error by pcall and <close>", function()
    local caught, closed
    Node { timeout = 0.01,
      exec = function()
        local _ <close> = setmetatable({}, { __close = function(_, err) closed = err end })
        local ok, err = pcall(neap.sleep, 10)
        caught = not ok and err
        error(err, 0)
      end,
      process_after_fail = function() end,
    }:run {}
    assert.equal("timeout", caught.code)
    assert.equal(caught, closed)
  end)

  it("takes the result of an exec that swallowed it and did not wait again", function()
    local got
    Node { timeout = 0.01,
      exec = function() pcall(neap.sleep, 10) return "partial" end,
      post = function(_, _, _, exec_res) got = exec_res end,
    }:run {}
    assert.equal("partial", got)
  end)

  it("ends an exec that swallowed it and waits again", function()
    local after, closed
    local node = Node { timeout = 0.01,
      exec = function()
        local _ <close> = setmetatable({}, { __close = function() closed = true end })
        pcall(neap.sleep, 10)
        pcall(neap.sleep, 10)
        after = true
      end }
    assert.equal("timeout", failure(node.run, node, {}).code)
    assert.is_true(closed)
    assert.is_nil(after)
  end)

  it("bounds an attempt of a flow", function()
    local runs = 0
    local slow = Node { exec = function()
      runs = runs + 1
      if runs == 1 then neap.sleep(10) end
    end, post = function() return "made it" end }
    assert.equal("made it", Flow { start = slow, timeout = 0.1, max_retries = 2 }:run {})
    assert.equal(2, runs)
  end)

  it("of a run bounds all of it, and nothing retries or forgives that", function()
    local tries, forgiven = 0, false
    local node = Node { name = "Slow", max_retries = 5,
      exec = function() tries = tries + 1 neap.sleep(10) end,
      process_after_fail = function() forgiven = true end }
    local err = failure(node.run, node, {}, { timeout = 0.01 })
    assert.same({ "timeout", "Slow", 1, false }, { err.code, err.node, tries, forgiven })
  end)

  it("of a run ends the wait between attempts, too", function()
    local node = Node { max_retries = 2, wait = 100, exec = function() error "x" end }
    assert.equal("timeout", failure(node.run, node, {}, { timeout = 0.01 }).code)
  end)
end)

describe("what a failed attempt has spawned", function()
  it("ends before the next attempt begins, and fails nobody", function()
    local log = {}
    local calls = 0
    Node { max_retries = 2, exec = function()
      calls = calls + 1
      log[#log + 1] = "attempt"
      if calls > 1 then return end
      neap.spawn(function()
        local _ <close> = setmetatable({}, { __close = function() log[#log + 1] = "unwound" end })
        neap.sleep(10)
      end)
      neap.spawn(error, "lost")
      neap.sleep(0)
      error "again"
    end }:run {}
    assert.same({ "attempt", "unwound", "attempt" }, log)
  end)

  it("ends before the fallback", function()
    local log = {}
    Node {
      exec = function()
        neap.spawn(function()
          local _ <close> = setmetatable({}, { __close = function() log[#log + 1] = "unwound" end })
          neap.sleep(10)
        end)
        neap.sleep(0)
        error "x"
      end,
      process_after_fail = function() log[#log + 1] = "fallback" end,
    }:run {}
    assert.same({ "unwound", "fallback" }, log)
  end)

  it("does not take with it what prep has spawned", function()
    local result
    Node { max_retries = 2,
      prep = function() return neap.spawn(function() neap.sleep(0.02) return "kept" end) end,
      exec = function(self, _, task)
        if self.cur_retry == 0 then error "again" end
        result = task:await()
      end,
    }:run {}
    assert.equal("kept", result)
  end)
end)

describe("the event of a retried flow", function()
  it("names the flow, with and without a wait", function()
    for _, wait in ipairs { 0, 0.001 } do
      local failed, retried = false, {}
      local inner = neap.Node { name = "Inner", exec = function()
        if not failed then
          failed = true
          error("once")
        end
      end }
      local sub = neap.Flow { name = "Sub", max_retries = 2, wait = wait, start = inner }
      neap.Flow { name = "Outer", start = sub }:run({}, { on_event = function(event)
        if event.kind == "retry" then retried[#retried + 1] = event.node end
      end })
      assert.same({ "Outer > Sub" }, retried)
    end
  end)

  -- Where workers of a batch had failed, the flow was walked again without a word, and beside
  -- the tasks of the walk before.
  it("is told also where items side by side have failed, and its tasks have ended then", function()
    local log, calls = {}, 0
    local begin = Node { name = "begin", exec = function()
      neap.spawn(function()
        local _ <close> = setmetatable({}, { __close = function() log[#log + 1] = "unwound" end })
        neap.sleep(60)
      end)
      neap.sleep(0)
      log[#log + 1] = "begun"
    end }
    local batch = neap.BatchNode { name = "all", concurrency = 2,
      prep = function() return { 1, 2 } end,
      exec = function()
        calls = calls + 1
        if calls == 1 then error("once", 0) end
      end,
      post = function() log[#log + 1] = "done" end }
    neap.Flow { name = "Outer", max_retries = 2, start = begin, begin >> batch }:run({}, {
      on_event = function(event)
        if event.kind == "retry" then
          log[#log + 1] = ("%s %s %d"):format(event.kind, event.node, event.attempt)
        end
      end })
    assert.same({ "begun", "retry Outer 1", "unwound", "begun", "done", "unwound" }, log)
  end)
end)

describe("neap.retry", function()
  -- A function that raises these one after the other, and returns what it is called with
  -- once none is left; and a table in which it counts its calls.
  local function failing(...)
    local errors, count = table.pack(...), { calls = 0 }
    return function(...)
      count.calls = count.calls + 1
      if count.calls <= errors.n then error(errors[count.calls], 0) end
      return ...
    end, count
  end

  it("gives what f returns for its arguments, nils included", function()
    assert.same({ 1, nil, 3, nil, n = 4 },
      table.pack(neap.retry({}, function(...) return ... end, 1, nil, 3, nil)))
    assert.same({ "x", n = 1 }, table.pack(neap.retry(nil, (failing()), "x")))
  end)

  it("calls f again until it returns, max_retries times at most", function()
    local f, count = failing("a", "b")
    assert.same({ "x", 3 }, { neap.retry({ max_retries = 3 }, f, "x"), count.calls })
    f, count = failing("a", "b")
    assert.same({ "b", 2 }, { failure(neap.retry, { max_retries = 2 }, f), count.calls })
    f, count = failing("a")
    assert.same({ "a", 1 }, { failure(neap.retry, {}, f), count.calls })
  end)

  it("raises what f raised last, itself", function()
    local last = {}
    assert.equal(last, failure(neap.retry, { max_retries = 2 }, (failing({}, last))))
    assert.is_nil(failure(neap.retry, { max_retries = 2 }, (failing(nil, nil))))
  end)

  it("waits as a node does", function()
    neap.testing.run(function()
      local before = neap.now()
      neap.retry({ max_retries = 4, wait = 1, backoff = 10, max_wait = 50 }, (failing(1, 2, 3)))
      assert.equal(1 + 10 + 50, neap.now() - before)
      before = neap.now()
      neap.retry({ max_retries = 2, wait = 100, jitter = 1 }, (failing(1)))
      assert.is_true(neap.now() - before < 100)
    end)
  end)

  it("heeds retryable and retry_after of what was raised, up to max_retry_after", function()
    neap.testing.run(function()
      local f, count = failing { retryable = false }
      failure(neap.retry, { max_retries = 3 }, f)
      assert.equal(1, count.calls)
      local before = neap.now()
      neap.retry({ max_retries = 2, max_wait = 1 }, (failing { retry_after = 9 }))
      assert.equal(9, neap.now() - before)
      f, count = failing({ retry_after = 121 }, { retry_after = 9 })
      assert.equal(121, failure(neap.retry, { max_retries = 3 }, f).retry_after)
      assert.equal(1, count.calls)
      before = neap.now()
      f = failing { retry_after = 121 }
      neap.retry({ max_retries = 3, max_retry_after = 200 }, f)
      assert.equal(121, neap.now() - before)
    end)
  end)

  it("bounds each attempt with timeout", function()
    local calls = 0
    assert.equal("made it", neap.retry({ max_retries = 3, timeout = 0.05 }, function()
      calls = calls + 1
      neap.sleep(calls < 3 and 10 or 0)
      return "made it"
    end))
    assert.equal("timeout", failure(neap.retry, { timeout = 0.01 }, neap.sleep, 10).code)
  end)

  it("runs a flow, and whatever can be called", function()
    local flow = Flow { start = Node { post = function(_, shared) return shared.action end } }
    assert.equal("done", neap.retry({ max_retries = 2 }, flow, { action = "done" }))
    local callable = setmetatable({}, { __call = function(_, x) return x end })
    assert.equal(5, neap.retry({}, callable, 5))
  end)

  it("ends what an attempt has spawned with it", function()
    local log = {}
    neap.retry({ max_retries = 2 }, function()
      log[#log + 1] = "attempt"
      if #log > 1 then return end
      neap.spawn(function()
        local _ <close> = setmetatable({}, { __close = function() log[#log + 1] = "unwound" end })
        neap.sleep(10)
      end)
      neap.sleep(0)
      error "again"
    end)
    assert.same({ "attempt", "unwound", "attempt" }, log)
  end)

  it("never tries a cancellation again, neither in f nor while it waits", function()
    for _, options in ipairs { { max_retries = 9 }, { max_retries = 9, wait = 10 } } do
      local calls = 0
      local task = neap.spawn(neap.retry, options, function()
        calls = calls + 1
        if options.wait then error "again" end
        neap.sleep(10)
      end)
      neap.sleep(0.001)
      task:cancel()
      assert.equal("cancelled", failure(task.await, task).code)
      assert.equal(1, calls)
    end
  end)

  it("tries again what another task that was cancelled raises, as a node does", function()
    local other = neap.spawn(neap.sleep, 10)
    other:cancel()
    local calls = 0
    failure(neap.retry, { max_retries = 2 }, function()
      calls = calls + 1
      other:await()
    end)
    assert.equal(2, calls)
  end)

  it("tells those who watch the run", function()
    local seen = {}
    local node = Node { name = "n", exec = function()
      neap.retry({ max_retries = 2 }, (failing "first"))
    end }
    node:run({}, { on_event = function(event)
      if event.kind == "retry" then
        seen[#seen + 1] = { event.node, event.what, event.attempt, event.delay, event.error }
      end
    end })
    assert.same({ { "n", "neap.retry", 1, 0, "first" } }, seen)
  end)

  it("refuses what makes no sense, where it is called", function()
    local function refusal(...)
      local arguments = table.pack(...)
      return failure(function() neap.retry(table.unpack(arguments, 1, arguments.n)) end)
    end
    assert.matches("retry_spec.lua:%d+: retry: bad option 'max_retries' %(whole number from 1",
      refusal({ max_retries = 0 }, print))
    assert.matches("retry: unknown option 'max_retry'; did you mean 'max_retries'?",
      refusal({ max_retry = 2 }, print), 1, true)
    assert.matches("retry: options expected as a table, got function", refusal(print), 1, true)
    for _, value in ipairs { 3, {}, Node } do
      assert.matches("retry_spec.lua:%d+: bad argument #2 to 'retry' %(function or flow expected",
        refusal({}, value))
    end
  end)
end)
