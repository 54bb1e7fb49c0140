-- Running: from a script, inside nodes and tasks, and the options of a run.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local neap = require "neap"
local Node, Flow, BatchNode = neap.Node, neap.Flow, neap.BatchNode
local failure, warnings, step = helper.failure, helper.warnings, helper.step

describe("flow:run", function()
  it("from a script drives the loop until this run has ended", function()
    local node = Node { exec = function() neap.sleep(0.001) end,
      post = function() return "done" end }
    assert.equal("done", node:run {})
  end)

  it("drives no further than that: others go on with the next run", function()
    local semaphore = neap.semaphore(1)
    local guard = semaphore:acquire()
    local long = neap.spawn(function() semaphore:acquire() return "long" end)
    assert.equal("default", Node { exec = function() neap.sleep(0) end }:run {})
    assert.equal("pending", long.status)
    guard:release()
    assert.equal("long", long:await())
  end)

  it("inside a task waits like anything else", function()
    local order = {}
    neap.gather {
      function()
        Node { exec = function() neap.sleep(0.002) end }:run {}
        order[#order + 1] = "run"
      end,
      function() order[#order + 1] = "other" end,
    }
    assert.same({ "other", "run" }, order)
  end)

  it("gives the last action", function()
    local a, b = step "a", step("b", "finished")
    assert.equal("finished", Flow { start = a, a >> b }:run {})
  end)

  it("takes a new table as shared where none is given", function()
    local seen
    Node { exec = function(_, shared) seen = shared end }:run()
    assert.same({}, seen)
  end)

  it("takes anything as shared", function()
    local seen
    Node { exec = function(_, shared) seen = shared end }:run("text")
    assert.equal("text", seen)
  end)

  it("may be called again, also while another run of it goes on", function()
    local node = Node { exec = function(_, shared)
      neap.sleep(0.001)
      shared.n = (shared.n or 0) + 1
    end }
    local flow, shared = Flow { start = node }, {}
    neap.gather { function() flow:run(shared) end, function() flow:run(shared) end }
    flow:run(shared)
    assert.equal(3, shared.n)
  end)

  it("is cancelled with the task that called it, and unwound first", function()
    local log = {}
    local node = Node { exec = function()
      local _ <close> = setmetatable({}, { __close = function() log[#log + 1] = "run unwound" end })
      neap.sleep(10)
    end }
    local task = neap.spawn(function() node:run {} end)
    neap.sleep(0)
    neap.sleep(0)
    task:cancel()
    assert.equal("cancelled", failure(task.await, task).code)
    assert.same({ "run unwound" }, log)
  end)

  it("says where it was cancelled, without a traceback", function()
    local task = neap.spawn(Flow { start = Node { name = "nap", exec = function()
      neap.sleep(10)
    end } }, {})
    neap.sleep(0)
    task:cancel()
    local err = failure(task.await, task)
    assert.same({ "cancelled", "Flow > nap", "exec" }, { err.code, err.node, err.phase })
    assert.is_nil(err.traceback)
  end)

  it("raises where it cannot wait, and starts nothing", function()
    local ran
    local node = Node { exec = function() ran = true end }
    local task = neap.spawn(function()
      table.sort({ 1, 2 }, function() node:run {} end)
    end)
    local err = failure(task.await, task)
    assert.equal("unyieldable", err.code)
    assert.matches("a flow cannot wait here: it is called from table.sort", err.message, 1, true)
    assert.is_nil(ran)
  end)
end)

describe("node:run", function()
  it("runs that node alone, and warns when it has successors", function()
    local a, b = step("a", "x"), step "b"
    local _ = a - "x" >> b
    local shared = {}
    assert.same({ "neap: a runs alone; its successors run only as part of a flow" },
      warnings(function() assert.equal("x", a:run(shared)) end))
    assert.same({ "a" }, shared)
  end)

  it("does not warn where there are none", function()
    assert.same({}, warnings(function() step "a":run {} end))
  end)

  it("of a flow that is wired warns as well, and runs its inside", function()
    local flow = Flow { name = "f", start = step "a" }
    local _ = flow >> step "b"
    local shared = {}
    assert.equal(1, #warnings(function() flow:run(shared) end))
    assert.same({ "a" }, shared)
  end)

  it("is a method of nodes, nothing else", function()
    assert.matches("run: a node or flow expected", failure(Node.run, {}), 1, true)
    assert.matches("run: a node or flow expected", failure(Node.run, nil), 1, true)
  end)
end)

describe("opts", function()
  local node = Node()

  it("are params, timeout, max_steps and on_event; others are refused", function()
    for name, meant in pairs { param = "params", time_out = "timeout", maxsteps = "max_steps",
      onevent = "on_event" } do
      local err = failure(function() node:run({}, { [name] = 1 }) end)
      assert.matches(("run: unknown option '%s'; did you mean '%s'?"):format(name, meant), err, 1,
        true)
      assert.matches("run_spec.lua:", err, 1, true)
    end
    assert.matches("run: unknown option 'colour'", failure(node.run, node, {}, { colour = 1 }), 1,
      true)
    assert.matches("options expected as a table, got number", failure(node.run, node, {}, 3), 1,
      true)
  end)

  local wrong = {
    { "params", 3, "bad option 'params' (table expected, got 3)" },
    { "on_event", {}, "bad option 'on_event' (function expected, got table)" },
    { "timeout", "1", "bad option 'timeout' (positive number of seconds expected, got string)" },
    { "timeout", 0, "bad option 'timeout' (positive number of seconds expected" },
    { "timeout", 0 / 0, "bad option 'timeout' (positive number of seconds expected" },
    { "max_steps", 0, "bad option 'max_steps' (whole number from 1 expected" },
    { "max_steps", 1.5, "bad option 'max_steps' (whole number from 1 expected" },
    { "max_steps", "9", "bad option 'max_steps' (whole number from 1 expected" },
  }
  for _, case in ipairs(wrong) do
    it(("with '%s' as %s are refused where they are given"):format(case[1], case[2]), function()
      local err = failure(function() node:run({}, { [case[1]] = case[2] }) end)
      assert.matches(case[3], err, 1, true)
      assert.matches("run_spec.lua:", err, 1, true)
    end)
  end

  it("timeout ends the run where it waits", function()
    local slow = Node { name = "Slow", exec = function() neap.sleep(10) end }
    local err = failure(slow.run, slow, {}, { timeout = 0.01 })
    assert.same({ "timeout", "timed out after 0.01 s", "Slow" },
      { err.code, err.message, err.node })
  end)

  it("timeout may be longer than any run, or for ever", function()
    assert.equal("default", node:run({}, { timeout = 1e300 }))
    assert.equal("default", node:run({}, { timeout = math.huge }))
  end)

  it("max_steps counts the visits of nodes, nested and items included", function()
    local batch = BatchNode { prep = function() return { 1, 2, 3 } end }
    local a = step "a"
    local flow = Flow { start = a, a >> Flow { start = batch } }
    -- The flow, a, the inner flow, the batch, its three items.
    assert.equal("default", flow:run({}, { max_steps = 7 }))
    assert.equal("max_steps", failure(flow.run, flow, {}, { max_steps = 6 }).code)
  end)

  it("max_steps counts the items of all that run at once together", function()
    local batch = BatchNode { concurrency = 4, prep = function() return { 1, 2, 3, 4, 5, 6 } end,
      exec = function() neap.sleep(0) end }
    assert.equal("default", batch:run({}, { max_steps = 7 }))
    assert.equal("max_steps", failure(batch.run, batch, {}, { max_steps = 6 }).code)
  end)

  it("max_steps of a run inside a node is its own", function()
    local inner = step "a"
    local outer = Node { exec = function(_, shared) inner:run(shared) end }
    assert.equal("default", outer:run({}, { max_steps = 1 }))
  end)

  it("on_event is told of visits, items, retries, fallbacks and warnings", function()
    local events = {}
    local batch = BatchNode { name = "batch", max_retries = 2, prep = function() return { 1 } end,
      exec = function() error("no", 0) end, process_after_fail = function() end,
      post = function() return "odd" end }
    Flow { name = "f", start = batch, batch >> neap.END }:run({}, { on_event = function(event)
      events[#events + 1] = event.kind .. " " .. event.node
      assert.is_number(event.time)
      if event.kind == "retry" then
        assert.same({ 1, 0, "no" }, { event.attempt, event.delay, event.error })
      elseif event.kind == "batch_start" then
        assert.same({ 1, 1 }, { event.total, event.concurrency })
      elseif event.kind == "item_end" then
        assert.same({ 1, true }, { event.index, event.ok })
      end
    end })
    assert.same({ "node_start f", "node_start f > batch", "batch_start f > batch",
      "item_start f > batch", "retry f > batch[1]", "fallback f > batch[1]", "item_end f > batch",
      "warning f > batch", "node_end f > batch", "node_end f" }, events)
  end)

  it("on_event is told how visits end: with which action, after which time, or why not", function()
    local ends = {}
    local a = Node { name = "a", exec = function() neap.sleep(0.002) end,
      post = function() return "on" end }
    local inner = Flow { name = "inner", start = Node { name = "b",
      exec = function() error("no", 0) end } }
    local flow = Flow { name = "f", start = a, a - "on" >> inner }
    local err = failure(flow.run, flow, {}, { on_event = function(event)
      if event.kind == "node_end" then ends[#ends + 1] = event end
    end })
    local seen = {}
    for i, event in ipairs(ends) do
      seen[i] = { event.node, event.visit, event.action or false, event.failed or false }
    end
    assert.same({ { "f > a", 2, "on", false }, { "f > inner > b", 4, false, true },
      { "f > inner", 3, false, true }, { "f", 1, false, true } }, seen)
    assert.is_true(ends[1].seconds >= 0.002)
    assert.is_true(ends[4].seconds >= ends[1].seconds)
    for i = 2, 4 do assert.equal("no", (tostring(ends[i].error):match("no$"))) end
    assert.equal(err, ends[4].error)
  end)

  it("on_event is told of the visits of a run in that of a node, which has its own", function()
    local seen = {}
    local inner = Node { name = "inner", exec = function() end }
    local outer = Node { name = "outer", exec = function()
      inner:run({}, { on_event = function(event) table.insert(seen, event.visit) end })
    end }
    outer:run({}, { on_event = function(event) table.insert(seen, -event.visit) end })
    local told = table.concat(seen, " ")
    assert.matches("^%-1.* 1 1.* %-1$", told)
    assert.not_matches("[2-9]", told)
  end)

  it("on_event is told which attempt failed, of a flow not that of a node inside", function()
    for _, wait in ipairs { 0, 0.001 } do
      for _, timeout in ipairs { 0, 5 } do
        local seen = {}
        local bad = Node { name = "bad", exec = function() error("no", 0) end }
        local flow = Flow { name = "f", start = bad, max_retries = 3, wait = wait,
          timeout = timeout > 0 and timeout or nil, process_after_fail = function() end }
        flow:run({}, { on_event = function(event)
          if event.attempt then
            seen[#seen + 1] = ("%s %s %d"):format(event.kind, event.node, event.attempt)
          end
        end })
        assert.same({ "retry f 1", "retry f 2", "fallback f 3" }, seen)
      end
    end
  end)

  it("on_event that raises ends nothing", function()
    local hostile = setmetatable({}, { __tostring = function() error "no text" end })
    for _, err in ipairs { "oops", hostile } do
      assert.equal("default", node:run({}, { on_event = function() error(err) end }))
    end
  end)

  it("on_event cannot wait", function()
    local err
    node:run({}, { on_event = function() err = failure(neap.sleep, 0) end })
    assert.equal("unyieldable", err.code)
  end)
end)

describe("neap.spawn with a flow", function()
  it("starts it and returns a task", function()
    local shared = {}
    local task = neap.spawn(step("a", "done"), shared)
    assert.same({ "pending", nil }, { task.status, shared[1] })
    assert.equal("done", task:await())
    assert.same({ "done", "a" }, { task.status, shared[1] })
  end)

  it("takes the options of run", function()
    local node = Node { exec = function(self, shared) shared.seen = self.params.x end }
    local shared = {}
    neap.spawn(node, shared, { params = { x = 3 } }):await()
    assert.equal(3, shared.seen)
    assert.matches("spawn: unknown option 'param'; did you mean 'params'?",
      failure(neap.spawn, node, {}, { param = {} }), 1, true)
    local slow = Node { exec = function() neap.sleep(10) end }
    local task = neap.spawn(slow, {}, { timeout = 0.01 })
    assert.equal("timeout", failure(task.await, task).code)
    assert.equal("failed", task.status)
  end)

  it("refuses a class and a flow without a start, and starts nothing", function()
    assert.matches("spawn: Node is a class", failure(neap.spawn, Node), 1, true)
    assert.equal("start", failure(neap.spawn, Flow()).code)
  end)
end)

describe("a shared store", function()
  it("may hold any bytes and a line of 5 MB, and hands them on as they are", function()
    local invalid = "\xff\xfe\x80 \xc3\x28 \xed\xa0\x80\0end"
    local line = ("x"):rep(5 << 20)
    local a = Node { prep = function(_, shared) return shared.line end,
      exec = function(_, _, text) return text .. invalid end,
      post = function(_, shared, _, text) shared.out = text end }
    local shared = { line = line }
    Flow { start = a }:run(shared)
    assert.is_true(shared.out == line .. invalid)
  end)
end)

describe("the seed's class", function()
  it("compiles, extends and runs as the design has it", function()
    local Summarize = Node:extend { name = "Summarize", max_retries = 3, wait = 0.001 }
    function Summarize:prep(shared) return shared.data[self.params.filename] end
    function Summarize:exec(shared, text) return shared.llm:chat("Summarize: " .. text) end
    function Summarize:process_after_fail() return "no summary" end
    function Summarize:post(shared, _, summary) shared.summary[self.params.filename] = summary end

    local one_file = Flow { start = Summarize { max_retries = 5 } }
    local all = neap.BatchFlow { start = one_file, concurrency = 8,
      prep = function(_, shared)
        local list = {}
        for name in pairs(shared.data) do list[#list + 1] = { filename = name } end
        return list
      end,
    }
    local calls = 0
    local llm = { chat = function(_, prompt)
      calls = calls + 1
      neap.sleep(0.001)
      if prompt:find "broken" then error "500" end
      return prompt:upper()
    end }
    local shared = { data = { a = "one", b = "broken", c = "two" }, summary = {}, llm = llm }
    all:run(shared)
    assert.same({ a = "SUMMARIZE: ONE", b = "no summary", c = "SUMMARIZE: TWO" }, shared.summary)
    assert.equal(7, calls)
  end)
end)
