-- Parallels: nodes and flows side by side on one shared store.
-- SPDX-License-Identifier: MIT
--
-- It is long because whatever works on nodes has to work on a parallel, too, and
-- one place should show that it does.
local failure = require("spec.helper").failure
local neap = require "neap"
local core = require "neap.core"
local nodes = require "neap.flow.node"
local Node, Flow, BatchNode, BatchFlow = neap.Node, neap.Flow, neap.BatchNode, neap.BatchFlow
local Parallel, parallel = neap.Parallel, neap.parallel

local function give(value) return function() return value end end

-- A node that waits, notes its name in shared and ends with an action.
local function step(name, seconds, action)
  return Node { name = name,
    exec = function() if seconds then neap.sleep(seconds) end end,
    post = function(_, shared)
      shared[#shared + 1] = name
      return action
    end }
end

local function fails(name, seconds, err)
  return Node { name = name, exec = function()
    if seconds then neap.sleep(seconds) end
    error(err or name, 0)
  end }
end

-- A node that tells in `log` how it was unwound.
local function waits(name, log)
  return Node { name = name, exec = function()
    local _ <close> = setmetatable({}, { __close = function(_, err)
      log[#log + 1] = ("%s: %s"):format(name, type(err) == "table" and err.code or err)
    end })
    neap.sleep(10)
  end }
end

-- Runs a parallel of these options; returns what its post got.
local function results(options)
  local got
  options.post = function(_, _, _, r) got = r end
  parallel(options):run {}
  return got
end

-- Collects what warn says while f runs.
local function warnings_of(f)
  local texts, before = {}, warn
  _G.warn = function(...) texts[#texts + 1] = table.concat { ... } end -- luacheck: ignore 122
  local ok, err = pcall(f)
  _G.warn = before -- luacheck: ignore 122
  assert(ok, err)
  return texts
end

describe("a parallel", function()
  it("gives post the last actions of its branches, in their order, with n", function()
    local inner = Flow { name = "inner", start = step("deep", nil, "deep action") }
    assert.same({ "late", "default", "deep action", n = 3 },
      results { step("a", 0.005, "late"), step("b"), inner })
  end)

  it("runs its branches side by side", function()
    local inside, most = 0, 0
    local function visit()
      inside = inside + 1
      most = math.max(most, inside)
      neap.sleep(0.005)
      inside = inside - 1
    end
    parallel { Node { exec = visit }, Flow { start = Node { exec = visit } },
      Node { exec = visit } }:run {}
    assert.equal(3, most)
  end)

  it("runs them on one shared store", function()
    local ready = neap.event()
    local shared = {}
    parallel {
      Node { exec = function(_, s) ready:wait() s.got = s.put end },
      Node { exec = function(_, s) s.put = "tide" ready:set() end },
    }:run(shared)
    assert.equal("tide", shared.got)
  end)

  it("joins: what follows comes when all have ended", function()
    local fork, join = parallel { name = "fork", step("a", 0.004), step("b") }, step("join")
    local shared = {}
    Flow { start = fork, fork >> join }:run(shared)
    assert.same({ "b", "a", "join" }, shared)
  end)

  it("ends with \"default\" unless its post says otherwise", function()
    assert.equal("default", parallel { step("a", nil, "x") }:run {})
    assert.equal("y", parallel { step("a", nil, "x"), post = give "y" }:run {})
  end)

  it("has a prep, whose result post gets", function()
    local seen
    local shared = {}
    parallel { step "a", prep = function(self, s)
        self.note = "kept"
        s[1] = "prep"
        return 7
      end,
      post = function(self, s, prep_res, r) seen = { self.note, s, prep_res, r.n } end }:run(shared)
    assert.same({ "kept", shared, 7, 1 }, seen)
    assert.same({ "prep", "a" }, shared)
  end)

  it("visits a node twice that is there twice", function()
    local selves = {}
    local node = Node { exec = function(self)
      self.mine = #selves
      selves[#selves + 1] = self
      neap.sleep(0)
    end }
    assert.same({ "default", "default", n = 2 }, results { node, node })
    assert.same({ 0, 1 }, { selves[1].mine, selves[2].mine })
  end)

  it("runs with one branch, and with many", function()
    assert.same({ "x", n = 1 }, results { step("a", nil, "x") })
    local branches, expected = {}, { n = 1000 }
    for i = 1, 1000 do
      branches[i] = step("b" .. i, i % 7 / 1000, "action " .. i)
      expected[i] = "action " .. i
    end
    assert.same(expected, results(branches))
  end)

  it("runs when it is spawned or gathered, and alone", function()
    local fork = parallel { step("a", 0.001), step("b"), post = give "done" }
    assert.equal("done", neap.spawn(fork, {}):await())
    assert.same({ "done", "done", n = 2 }, neap.gather { fork, fork })
    assert.equal("done", fork:run())
  end)

  it("may be a class", function()
    local Both = Parallel:extend { name = "Both", concurrency = 1 }
    function Both:post(shared, _, r) shared.count = self.base + r.n end
    local shared = {}
    Both { step "a", step "b", base = 40 }:run(shared)
    assert.same({ "a", "b", count = 42 }, shared)
    local Named = parallel:extend { name = "Named" }
    assert.equal("default", Named { step "a" }:run {})
  end)

  it("walks anew when a branch has changed", function()
    local a = Node { name = "a", post = give "old" }
    local got
    local fork = parallel { a, post = function(_, _, _, r) got = r[1] end }
    fork:run {}
    assert.equal("old", got)
    a.post = give "new"
    fork:run {}
    assert.equal("new", got)
  end)
end)

describe("a branch", function()
  it("runs alone: its successors do not count, and it warns once", function()
    local a, b = step("a", nil, "go"), step "b"
    a:to(b, "go")
    local fork = parallel { name = "fork", a, step "c" }
    local shared = {}
    local texts = warnings_of(function()
      fork:run(shared)
      a.max_retries = 2 -- it is resolved anew
      fork:run(shared)
    end)
    assert.same({ "neap: a runs alone as a branch of fork; its successors run only as part of a "
      .. "flow, Flow { start = a }" }, texts)
    assert.same({ "a", "c", "a", "c" }, shared)
  end)

  it("needs no successor that could run", function()
    local a = step("a", nil, "x")
    a:to(Flow { name = "empty" }) -- without a start
    warnings_of(function()
      assert.same({ "x", n = 1 }, results { a })
    end)
  end)

  it("has its successors where a walk comes to it as well", function()
    local a, b = step "a", step "b"
    local fork = parallel { name = "fork", a }
    local shared = {}
    warnings_of(function()
      Flow { start = fork, fork >> a >> b }:run(shared)
    end)
    assert.same({ "a", "a", "b" }, shared)
  end)

  it("that is a flow gives the action that run would, though it is wired", function()
    local inner = Flow { name = "inner", start = step("a", nil, "odd") }
    inner:to(step "b", "even")
    warnings_of(function()
      assert.equal("odd", inner:run {})
      assert.same({ "odd", n = 1 }, results { inner })
      assert.same({ "odd", "default", n = 2 }, results { timeout = 5, inner, step "c" })
    end)
  end)

  it("has tasks of its own, which end with it", function()
    local log = {}
    parallel { concurrency = 1,
      Node { exec = function()
        neap.spawn(function()
          local _ <close> = setmetatable({}, { __close = function() log[1] = "unwound" end })
          neap.sleep(10)
        end)
        neap.sleep(0)
      end },
      Node { exec = function() log[#log + 1] = "next" end },
    }:run {}
    assert.same({ "unwound", "next" }, log)
  end)

  it("fails of a task of its own that failed unheard", function()
    local fork = parallel { Node { exec = function()
      neap.spawn(error, "lost")
      neap.sleep(0)
    end }, step "b" }
    assert.equal("lost", failure(fork.run, fork, {}).cause)
  end)
end)

describe("concurrency of a parallel", function()
  it("is how many branches run at once; all unless given", function()
    for _, limit in ipairs { 1, 2, 3, 9 } do
      local now, most = 0, 0
      local node = Node { exec = function()
        now = now + 1
        most = math.max(most, now)
        neap.sleep(0.002)
        now = now - 1
      end }
      parallel { node, node, node, node, concurrency = limit }:run {}
      assert.equal(math.min(limit, 4), most)
    end
  end)

  it("of 1 runs them in their order", function()
    local shared = {}
    parallel { step("a", 0.002), step("b", 0.001), step "c", concurrency = 1 }:run(shared)
    assert.same({ "a", "b", "c" }, shared)
  end)
end)

describe("on_error of a parallel", function()
  it("\"stop\", the default, cancels the others, waits for them, and raises the first", function()
    local log = {}
    local fork = parallel { waits("a", log), fails("b", 0.003), waits("c", log), fails("d", 10) }
    local err = failure(fork.run, fork, {})
    log[#log + 1] = err.cause
    assert.same({ "a: cancelled", "c: cancelled", "b" }, log)
  end)

  it("\"stop\" raises the first error, not those of branches that unwind", function()
    local fork = parallel { fails("a", 0.001), Node { exec = function()
      local _ <close> = setmetatable({}, { __close = function() error "while unwinding" end })
      neap.sleep(10)
    end } }
    assert.equal("a", failure(fork.run, fork, {}).cause)
  end)

  it("\"stop\" begins with no further branch", function()
    local shared = {}
    local fork = parallel { step "a", fails "b", step "c", concurrency = 1 }
    failure(fork.run, fork, shared)
    assert.same({ "a" }, shared)
  end)

  it("\"collect\" goes on and keeps what each raised", function()
    local cause = {}
    for _, limit in ipairs { 1, 2, 3 } do
      assert.same({ "x", nil, "default", n = 3, errors = { [2] = cause } },
        results { on_error = "collect", concurrency = limit,
          step("a", 0.001, "x"), fails("b", nil, cause), step "c" })
    end
  end)

  it("\"collect\" collects what prep, post and inner nodes raise", function()
    local got = results { on_error = "collect",
      Node { prep = function() error("prep", 0) end },
      Node { post = function() error("post", 0) end },
      Flow { start = Flow { start = fails "deep" } } }
    assert.same({ n = 3, errors = { "prep", "post", "deep" } }, got)
  end)

  it("\"collect\" has an empty errors where nothing failed", function()
    assert.same({ "default", n = 1, errors = {} }, results { on_error = "collect", step "a" })
  end)

  it("\"collect\" collects neither a cancellation nor max_steps", function()
    local fork = parallel { on_error = "collect", waits("a", {}), step "b" }
    assert.equal("timeout", failure(fork.run, fork, {}, { timeout = 0.005 }).code)
    fork = parallel { on_error = "collect", step "a", step "b" }
    assert.equal("max_steps", failure(fork.run, fork, {}, { max_steps = 2 }).code)
  end)

  it("lets a flow around it retry or forgive it whole", function()
    local tries, shared = 0, {}
    local shaky = Node { exec = function()
      tries = tries + 1
      neap.sleep(0)
      if tries == 1 then error "once" end
    end }
    assert.equal("default", Flow { max_retries = 2,
      start = parallel { shaky, step "a" } }:run(shared))
    assert.equal(2, tries)
    assert.equal("forgiven", Flow { start = parallel { fails "a", step "b" },
      process_after_fail = give "forgiven" }:run {})
  end)
end)

describe("attempts of a branch", function()
  -- A flow that fails until the store says that it was begun so many times.
  local function needs(count)
    return Flow { name = "needs", start = Node { name = "try", exec = function(_, shared)
      shared.tries = (shared.tries or 0) + 1
      neap.sleep(0)
      if shared.tries < count then error("again", 0) end
    end, post = give "got it" } }
  end

  it("are max_retries of the parallel, for each branch", function()
    local shared, got = {}, nil
    parallel { needs(3), step "a", max_retries = 3,
      post = function(_, _, _, r) got = r end }:run(shared)
    assert.same({ "got it", "default", n = 2 }, got)
    assert.same({ "a", tries = 3 }, shared)
  end)

  it("wait as those of any node", function()
    local started = neap.now()
    results { needs(3), max_retries = 3, wait = 0.01, backoff = 2 }
    assert.is_true(neap.now() - started >= 0.03)
  end)

  it("come on top of the branch's own", function()
    local tries = 0
    local fork = parallel { max_retries = 2, Node { max_retries = 3, exec = function()
      tries = tries + 1
      error "no"
    end } }
    failure(fork.run, fork, {})
    assert.equal(6, tries)
  end)

  it("have a time limit each, the parallel's timeout", function()
    local tries = 0
    local slow = Node { name = "slow", exec = function()
      tries = tries + 1
      neap.sleep(tries == 1 and 10 or 0)
    end, post = give "in time" }
    assert.same({ "in time", "quick", n = 2 },
      results { slow, step("a", nil, "quick"), timeout = 0.2, max_retries = 2 })
    tries = 0
    local fork = parallel { name = "fork", step "a", slow, timeout = 0.01 }
    local err = failure(fork.run, fork, {})
    assert.same({ "timeout", "fork > slow", "exec" }, { err.code, err.node, err.phase })
  end)

  it("have the parallel's fallback, which gets the branch and stands in for its action", function()
    local seen = {}
    local bad, worse = fails "bad", fails "worse"
    local got = results { bad, step("a", nil, "x"), worse, max_retries = 2,
      prep = function(self) self.note = "from prep" end,
      process_after_fail = function(self, shared, branch, err)
        seen[#seen + 1] = { self.note, self.cur_retry, branch, err, type(shared) }
        if branch == bad then return "fallback" end
        return { 5 }
      end }
    assert.same({ "fallback", "x", { 5 }, n = 3 }, got)
    assert.same({ { "from prep", 1, bad, "bad", "table" },
      { "from prep", 1, worse, "worse", "table" } }, seen)
  end)

  it("have a fallback that may fail, with the place of the branch", function()
    local fork = parallel { name = "fork", step "a", fails "b",
      process_after_fail = function() error("no help", 0) end }
    local err = failure(fork.run, fork, {})
    assert.same({ "no help", "fork > b", "fallback" }, { err.cause, err.node, err.phase })
  end)

  it("wait for what a failed one spawned", function()
    local log = {}
    local tries = 0
    parallel { max_retries = 2, Node { exec = function()
      tries = tries + 1
      log[#log + 1] = "attempt"
      neap.spawn(function()
        local _ <close> = setmetatable({}, { __close = function() log[#log + 1] = "unwound" end })
        neap.sleep(10)
      end)
      neap.sleep(0)
      if tries == 1 then error "no" end
    end } }:run {}
    assert.same({ "attempt", "unwound", "attempt", "unwound" }, log)
  end)
end)

describe("parallels and batches", function()
  it("may be nested: a parallel in a batch in a parallel", function()
    local shared = { seen = {} }
    local function note(name)
      return Node { name = name, exec = function() neap.sleep(0.001) end,
        post = function(self, s) table.insert(s.seen, name .. self.params.i) end }
    end
    local all = BatchFlow { name = "all", concurrency = 2,
      prep = give { { i = 1 }, { i = 2 }, { i = 3 } },
      start = parallel { name = "inner", note "a", note "b" },
      post = give "all done" }
    local got
    parallel { name = "outer", all, step("c", nil, "c done"),
      post = function(_, _, _, r) got = r end }:run(shared)
    assert.same({ "all done", "c done", n = 2 }, got)
    table.sort(shared.seen)
    assert.same({ "a1", "a2", "a3", "b1", "b2", "b3" }, shared.seen)
  end)

  it("name the way of an error", function()
    local bad = Node { name = "Charge", exec = function(self)
      if self.params.i == 2 then neap.sleep(0.001) error("no", 0) end
    end }
    local all = BatchFlow { name = "all", concurrency = 2, prep = give { { i = 1 }, { i = 2 } },
      start = parallel { name = "inner", step "a", bad } }
    local order = Flow { name = "order", start = parallel { name = "fork", all, step "b" } }
    local err = failure(order.run, order, {})
    assert.equal("order > fork > all[2] > inner > Charge", err.node)
  end)

  it("may be 300 deep", function()
    local node = step("bottom", 0.001, "bottom")
    for _ = 1, 300 do node = parallel { node, step "beside" } end
    local shared = {}
    node:run(shared)
    assert.equal(301, #shared)
  end)

  it("of a flow in itself end at max_steps", function()
    local flow = Flow { name = "f" }
    flow.start = parallel { flow, step "a" }
    assert.equal("max_steps", failure(flow.run, flow, {}, { max_steps = 100 }).code)
  end)

  it("run a BatchNode as a branch", function()
    local got
    local squares = BatchNode { concurrency = 2, prep = give { 1, 2, 3 },
      exec = function(_, _, n) neap.sleep(0) return n * n end,
      post = function(_, _, _, r) got = r end }
    assert.same({ "default", "default", n = 2 }, results { squares, step "a" })
    assert.same({ 1, 4, 9, n = 3 }, got)
  end)
end)

describe("a cancellation of a parallel", function()
  it("unwinds all branches before its error is seen", function()
    local log = {}
    local inner = Flow { start = parallel { waits("b", log), waits("c", log) } }
    local fork = parallel { waits("a", log), inner }
    local task = neap.spawn(fork, {})
    neap.sleep(0.002)
    task:cancel "enough"
    local err = failure(task.await, task)
    log[#log + 1] = err.code .. ": " .. err.reason
    assert.same({ "a: cancelled", "b: cancelled", "c: cancelled", "cancelled: enough" }, log)
  end)

  it("comes with the time limit of the run", function()
    local log = {}
    local fork = parallel { waits("a", log), waits("b", log) }
    assert.equal("timeout", failure(fork.run, fork, {}, { timeout = 0.005 }).code)
    assert.same({ "a: cancelled", "b: cancelled" }, log)
  end)

  it("is not retried or forgiven", function()
    local calls = 0
    local node = Node { exec = function() calls = calls + 1 neap.sleep(10) end }
    local fork = parallel { node, node, max_retries = 3,
      process_after_fail = function() calls = 100 end }
    failure(fork.run, fork, {}, { timeout = 0.005 })
    assert.equal(2, calls)
  end)
end)

describe("params of a parallel", function()
  local function see(seen)
    return Node { params = { own = "branch", from = "branch" }, exec = function(self)
      local p = self.params
      table.insert(seen, ("%s %s %s"):format(p.own, p.from, p.more))
    end }
  end

  it("are defaults for the parallel, and override those of its branches", function()
    local seen = {}
    parallel { see(seen), Flow { start = see(seen) }, params = { from = "fork", more = 1 } }:run {}
    assert.same({ "branch fork 1", "branch fork 1" }, seen)
  end)

  it("from outside override its own", function()
    local seen, own = {}, { from = "fork", more = 1 }
    local fork = parallel { see(seen), see(seen), params = own, timeout = 5 }
    Flow { start = fork, params = { more = 2 } }:run({}, { params = { from = "run" } })
    assert.same({ "branch run 2", "branch run 2" }, seen)
    assert.same({ from = "fork", more = 1 }, own)
  end)

  it("reach its own methods", function()
    local seen = {}
    local fork = parallel { step "a",
      prep = function(self) seen[1] = self.params.x end,
      post = function(self) seen[2] = self.params.x end }
    fork:run({}, { params = { x = 5 } })
    assert.same({ 5, 5 }, seen)
  end)
end)

describe("max_steps", function()
  it("is shared by the branches, each of which is one visit", function()
    local fork = parallel { step "a", step "b", Flow { start = step "c" } }
    assert.equal("default", fork:run({}, { max_steps = 5 }))
    local err = failure(fork.run, fork, {}, { max_steps = 4 })
    assert.equal("max_steps", err.code)
    assert.matches("would go on to c", err.message, 1, true)
  end)
end)

describe("events of a parallel", function()
  local function events_of(flow)
    local list = {}
    pcall(flow.run, flow, {}, { on_event = function(e)
      if e.kind == "wait" or e.kind == "wake" or e.kind == "cancel" then return end
      list[#list + 1] = ("%s %s"):format(e.kind, e.node)
        .. (e.index and (" %d %s"):format(e.index, e.ok) or "")
        .. (e.attempt and (" %d"):format(e.attempt) or "")
        .. (e.error and " " .. tostring(e.error) or "")
    end })
    return list
  end

  it("are those of its branches, and the end of each", function()
    local inner = Flow { name = "inner", start = step("b", 0.004) }
    assert.same({
      "node_start order", "node_start order > fork", "node_start order > fork > a",
      "node_start order > fork > inner", "node_start order > fork > inner > b",
      "node_end order > fork > a", "branch_end order > fork > a 1 true",
      "node_end order > fork > inner > b", "node_end order > fork > inner",
      "branch_end order > fork > inner 2 true", "node_end order > fork", "node_end order",
    }, events_of(Flow { name = "order",
      start = parallel { name = "fork", step("a", 0.001), inner } }))
  end)

  it("tell of its attempts and failures", function()
    assert.same({
      "node_start fork", "node_start fork > a", "node_end fork > a a", "retry fork > a 1 a",
      "node_start fork > a", "node_end fork > a a", "fallback fork > a 2 a",
      "branch_end fork > a 1 true", "node_end fork",
    }, events_of(parallel { name = "fork", fails "a", max_retries = 2,
      process_after_fail = give "x" }))
    assert.same({
      "node_start fork", "node_start fork > a", "node_end fork > a a",
      "branch_end fork > a 1 false a", "node_start fork > b", "node_end fork > b",
      "branch_end fork > b 2 true", "node_end fork",
    }, events_of(parallel { name = "fork", fails "a", step "b", on_error = "collect",
      concurrency = 1 }))
  end)
end)

describe("the path of an error in a branch", function()
  it("has the branch's own name, also twice, also of the parallel itself", function()
    local function path_of(options)
      options.name = "fork"
      local order = Flow { name = "order", start = parallel(options) }
      local err = failure(order.run, order, {})
      return err.node .. " " .. err.phase
    end
    for _, limit in ipairs { 1, 2 } do
      local bad = fails "Charge"
      assert.equal("order > fork > Charge exec", path_of { bad, step "a", concurrency = limit })
      assert.equal("order > fork > Charge exec", path_of { bad, bad, concurrency = limit })
      assert.equal("order > fork > Charge exec", path_of { bad, timeout = 5, concurrency = limit })
      assert.equal("order > fork > pay > Charge exec",
        path_of { step "a", Flow { name = "pay", start = bad }, concurrency = limit })
    end
    assert.equal("order > fork prep", path_of { step "a", prep = error })
    assert.equal("order > fork post", path_of { step "a", post = error })
    assert.equal("order > fork > a post", path_of { step("a", nil, 5) })
  end)
end)

describe("neap.dump", function()
  it("tells of a parallel that waits for its branches", function()
    local task = neap.spawn(parallel { waits("a", {}), waits("b", {}) }, {})
    neap.sleep(0)
    neap.sleep(0)
    assert.matches("waits for its branches", neap.dump(), 1, true)
    task:cancel()
    pcall(task.await, task)
  end)
end)

describe("making a parallel", function()
  local a, b = Node { name = "a" }, Node { name = "b" }

  local function message(options)
    options.name = "fork"
    return (failure(parallel, options):gsub("^[^:]*:%d+: ", ""))
  end

  it("refuses what is no node, naming the position", function()
    assert.equal("fork: branch 2 is a number; a node or flow expected", message { a, 7 })
    assert.equal("fork: branch 2 is nil; a node or flow expected", message { a, nil, b })
    assert.equal("fork: branch 1 is a function; a node or flow expected", message { print })
    assert.equal("fork: branch 2 is neap.END; a node or flow expected", message { a, neap.END })
    assert.equal("fork: branch 1 is the class Flow; make a node of it: Flow()", message { Flow })
    assert.equal('fork: branch 1 is a - "x"; a branch has no successors, so give the node alone, '
      .. "or a flow", message { a - "x" })
  end)

  it("refuses an empty list", function()
    local expected = "fork: at least one branch expected, as in neap.parallel { a, b }"
    assert.equal(expected, message {})
    assert.equal(expected, message { branches = { a } })
    assert.matches("Parallel: at least one branch expected", failure(parallel), 1, true)
  end)

  it("refuses a chain, however long", function()
    local c, d = Node { name = "c" }, Node { name = "d" }
    assert.equal("fork: branch 2 is a chain from a to b, of which only b would run; "
      .. "make it a flow: Flow { start = a, ... }", message { d, a >> b })
    assert.matches("branch 1 is a chain from a to d", message { a - "x" >> c - "y" >> d }, 1, true)
    local chain = d >> a
    assert.matches("branch 1 is a chain from d to a", message { chain }, 1, true)
  end)

  it("takes a node that is wired in the table of a flow, or by a statement", function()
    local c, d, e = Node { name = "c" }, Node { name = "d" }, Node { name = "e" }
    local flow = Flow { start = c, c >> d >> e }
    c:to(a, "x")
    assert.is_true(nodes.is_node(parallel { e, a, flow }))
  end)

  it("refuses exec and the options of flows", function()
    assert.equal("fork: 'exec' cannot be set: its exec is the run of its branches",
      message { a, exec = print })
    assert.equal("fork: 'start' cannot be set: it is an option of Flow and BatchFlow",
      message { a, start = b })
    assert.equal("fork: 'strict' cannot be set: it is an option of Flow and BatchFlow",
      message { a, strict = true })
    assert.equal("fork: 'atomic' cannot be set: it is an option of Node and BatchNode",
      message { a, atomic = true })
    local fork = parallel { name = "fork", a }
    assert.matches("its exec is the run of its branches", failure(function()
      function fork:exec() end
    end), 1, true)
  end)

  it("refuses what is misspelt or out of range", function()
    assert.equal("fork: unknown option 'concurency'; did you mean 'concurrency'?",
      message { a, concurency = 2 })
    assert.equal("fork: unknown option 'max_retry'; did you mean 'max_retries'?",
      message { a, max_retry = 2 })
    assert.matches("bad option 'concurrency' (whole number from 1 expected, got 0)",
      message { a, concurrency = 0 }, 1, true)
    assert.matches("bad option 'on_error' (\"stop\" or \"collect\" expected, got \"go\")",
      message { a, on_error = "go" }, 1, true)
  end)

  it("refuses branches of a class, and new ones later", function()
    assert.matches("Fork: branches are for a node, not for the class: Fork { a, b }",
      failure(parallel.extend, parallel, { name = "Fork", a }), 1, true)
    local fork = parallel { name = "fork", a }
    assert.matches("fork: branches are given where a parallel is made, and stay",
      failure(function() fork[2] = b end), 1, true)
  end)

  it("blames the line that is wrong", function()
    local line = debug.getinfo(1, "l").currentline + 1
    local err = failure(function() local _ = parallel { a, 7 } end)
    assert.matches("parallel_spec.lua:" .. line .. ": ", err, 1, true)
  end)

  it("leaves the table as it was", function()
    local given = { a, b, concurrency = 2 }
    parallel(given)
    assert.same({ a, b, concurrency = 2 }, given)
  end)
end)

describe("a plan of a parallel", function()
  it("is kept, and the engine is empty after many runs", function()
    local fork = parallel { step("a", 0), step "b" }
    for _ = 1, 100 do fork:run {} end
    assert.equal(0, core.live().tasks - (core.in_task() and 1 or 0))
  end)
end)
