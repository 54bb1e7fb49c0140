-- Flows: which node is next, and what a flow says when there is none.
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local helper = require "spec.helper"
local Node, Flow = neap.Node, neap.Flow
local failure, step = helper.failure, helper.step

-- Runs a flow; returns its last action, the names of the nodes visited, and
-- the warnings that on_event saw.
local function run(flow, opts)
  local shared, warnings = {}, {}
  opts = opts or {}
  opts.on_event = function(event)
    if event.kind == "warning" then warnings[#warnings + 1] = event.message end
  end
  local action = flow:run(shared, opts)
  return action, table.concat(shared, " "), warnings
end

describe("the next node", function()
  it("is the successor for the action", function()
    local a, b, c = step("a", "x"), step "b", step "c"
    local _, visited = run(Flow { start = a, a - "x" >> b, a >> c })
    assert.equal("a b", visited)
  end)

  it("is none, and the flow ends, where the node has no successor at all", function()
    local action, visited, warnings = run(Flow { start = step("a", "anything") })
    assert.same({ "anything", "a", {} }, { action, visited, warnings })
  end)

  it("is none where there are some but not for this action: a warning says which", function()
    local a = Node { name = "a", post = function() return "odd" end }
    local b, c = step "b", step "c"
    local action, visited, warnings = run(Flow { name = "f", start = a, a - "x" >> b, a >> c })
    assert.same({ "odd", "", 1 }, { action, visited, #warnings })
    assert.equal(("neap: spec/lua/flow/flow_spec.lua:%d: f > a ended with the action 'odd', "
      .. "for which it has no successor (it has 'x', 'default'); the flow ends here")
      :format(debug.getinfo(a.post, "S").linedefined), warnings[1])
  end)

  it("is none for \"default\" as for any other action", function()
    local a, b = step "a", step "b"
    local _, visited, warnings = run(Flow { start = a, a - "x" >> b })
    assert.same({ "a", 1 }, { visited, #warnings })
  end)

  it("missing is told to Lua's warn as well, which is on in the executable", function()
    local path = helper.write(helper.tmpdir() .. "/odd.lua", [[
      local neap = require "neap"
      local a = neap.Node { name = "a", post = function() return "odd" end }
      neap.Flow { name = "f", start = a, a >> neap.Node() }:run {}]])
    for _, lua in ipairs { { helper.neap }, { helper.lua, "-W" } } do
      local result = helper.run { lua[1], lua[2] or {}, path }
      assert.equal(0, result.status)
      assert.matches("odd.lua:2: f > a ended with the action 'odd'", result.stderr, 1, true)
    end
  end)

  it("missing is an error in a flow that is strict", function()
    local a, b = step("a", "odd"), step "b"
    local flow = Flow { name = "f", strict = true, start = a, a - "x" >> b }
    local err = failure(flow.run, flow, {})
    assert.same({ "action", "f > a", "post" }, { err.code, err.node, err.phase })
    assert.matches("'odd', for which it has no successor (it has 'x')", err.message, 1, true)
  end)

  it("missing is no error in a strict flow where there are no successors at all", function()
    assert.equal("odd", (run(Flow { strict = true, start = step("a", "odd") })))
  end)

  it("missing is the innermost flow's business", function()
    local a, b = step("a", "odd"), step "b"
    local inner = Flow { start = a, a - "x" >> b }
    local _, _, warnings = run(Flow { strict = true, start = inner })
    assert.equal(1, #warnings)
  end)

  it("missing in a strict flow can be forgiven by the flow around it", function()
    local a, b = step("a", "odd"), step "b"
    local inner = Flow { strict = true, start = a, a - "x" >> b,
      process_after_fail = function(_, _, _, err) return err.code end }
    assert.equal("action", (run(Flow { start = inner })))
  end)
end)

describe("a loop", function()
  it("runs as long as its actions say", function()
    local a = Node { post = function(_, shared)
      shared.n = (shared.n or 0) + 1
      return shared.n < 1000 and "again" or "done"
    end }
    local shared = {}
    assert.equal("done", Flow { start = a, a - "again" >> a, a - "done" >> neap.END }:run(shared))
    assert.equal(1000, shared.n)
  end)

  it("without end stops at max_steps, with an error that says where", function()
    local a, b = step "a", step "b"
    local flow = Flow { name = "f", start = a, a >> b >> a }
    local shared = {}
    local err = failure(flow.run, flow, shared, { max_steps = 10 })
    assert.equal("max_steps", err.code)
    assert.equal("f > b", err.node)
    assert.matches("the run has taken as many steps as max_steps allows", err.message, 1, true)
    assert.equal(9, #shared) -- the flow's own visit is the tenth
  end)

  it("without end stops at max_steps whatever would retry or forgive that", function()
    local a = step "a"
    local forgiven
    local flow = Flow { start = a, a >> a, max_retries = 3,
      process_after_fail = function() forgiven = true end }
    assert.equal("max_steps", failure(flow.run, flow, {}, { max_steps = 10 }).code)
    assert.is_nil(forgiven)
  end)

  it("without end can be ended from outside where it waits", function()
    local a = Node { exec = function() neap.sleep(0) end }
    local flow = Flow { start = a, a >> a }
    assert.equal("timeout", failure(flow.run, flow, {}, { timeout = 0.01 }).code)
  end)
end)

describe("a flow", function()
  it("without a start raises an error that names it, before anything has run", function()
    local ran
    local a = Node { exec = function() ran = true end }
    local inner = Flow { name = "Payment" }
    local err = failure(function() Flow { start = a, a >> inner }:run {} end)
    assert.equal("start", err.code)
    assert.matches("the flow Payment has no start", tostring(err), 1, true)
    assert.is_nil(ran)
  end)

  it("without a start says where it was made", function()
    local flow = Flow { name = "Payment" }
    local line = debug.getinfo(1, "l").currentline - 1
    assert.matches(("the flow Payment has no start (made at spec/lua/flow/flow_spec.lua:%d)")
      :format(line), failure(flow.run, flow).message, 1, true)
  end)

  it("with wiring but no start is refused where it is made", function()
    local Batch = neap.BatchFlow:extend { name = "Batch" }
    for name, class in pairs { Flow = Flow, BatchFlow = neap.BatchFlow, Batch = Batch } do
      local a, b = Node(), Node()
      assert.matches(("flow_spec.lua:%%d+: %s: 'start' is missing"):format(name), failure(function()
        local _ = class { a, a >> b }
      end))
      assert.matches("'start' is missing", failure(class, { neap.END }), 1, true)
    end
  end)

  it("may get its start from its class, before or after the class has nodes, or later", function()
    local a = Node { post = function() return "x" end }
    local b = Node { post = function() return "y" end }
    local Late = Flow:extend {}
    assert.equal("y", Late { start = a, a - "x" >> b }:run())
    Late.start = a
    assert.equal("y", Late { a - "x" >> b }:run())
    assert.equal("y", Late():run())
    local flow = Flow { name = "later" }
    flow.start = a
    assert.equal("y", flow:run())
  end)

  it("takes a node as its start, nothing else", function()
    assert.matches("bad option 'start' (node expected, got 3)", failure(Flow, { start = 3 }), 1,
      true)
    assert.matches("bad option 'start' (node expected, got neap.class); it is the class Node, make "
      .. "a node of it: Node()", failure(Flow, { start = Node }), 1, true)
    assert.matches("node expected", failure(Flow, { start = neap.END }), 1, true)
  end)

  it("may be given its start later, and another one after a run", function()
    local flow = Flow()
    flow.start = step "a"
    assert.equal("a", select(2, run(flow)))
    flow.start = step "b"
    assert.equal("b", select(2, run(flow)))
  end)

  it("is a class like any: start and wiring may be the class's", function()
    local a, b = step "a", step "b"
    local _ = a >> b
    local Walk = Flow:extend { name = "Walk", start = a }
    assert.equal("a b", select(2, run(Walk())))
    assert.equal("neap node: Walk", tostring(Walk()))
  end)

  it("with thousands of nodes is a flow like any", function()
    local first = step "n"
    local last = first
    for _ = 2, 5000 do last = last:to(step "n") end
    local shared = {}
    Flow { start = first }:run(shared)
    assert.equal(5000, #shared)
  end)

  it("runs the methods of its nodes as they are now", function()
    local a = step "a"
    local flow = Flow { start = a }
    assert.equal("default", (run(flow)))
    function a.post() return "changed" end
    assert.equal("changed", (run(flow)))
  end)
end)
