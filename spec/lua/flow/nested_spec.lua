-- Nested flows: a flow is a node.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local neap = require "neap"
local Node, Flow = neap.Node, neap.Flow
local failure, step = helper.failure, helper.step

-- Runs a flow; returns the names of the nodes visited, the warnings that the event
-- sink was told of, and the last action.
local function watch(flow)
  local shared, warnings = {}, {}
  local action = flow:run(shared, { on_event = function(event)
    if event.kind == "warning" then warnings[#warnings + 1] = event.message end
  end })
  return table.concat(shared, " "), warnings, action
end

-- Runs a flow; returns its last action and the names of the nodes visited.
local function run(flow)
  local shared = {}
  local action = flow:run(shared)
  return action, table.concat(shared, " ")
end

describe("a flow in a flow", function()
  it("is a node whose exec is its inner run", function()
    local a, b, c, d = step "a", step "b", step "c", step "d"
    local _ = b >> c
    local inner = Flow { start = b }
    assert.equal("a b c d", select(2, run(Flow { start = a, a >> inner >> d })))
  end)

  it("has prep, post and the result of its inner run in exec_res: the last action", function()
    local seen
    local inner = Flow { start = step("a", "finished"),
      prep = function() return "prepared" end,
      post = function(_, _, ...) seen = { ... } return "mine" end }
    assert.equal("mine", (run(Flow { start = inner })))
    assert.same({ "prepared", "finished" }, seen)
  end)

  it("ends with \"default\" where its last node did", function()
    local seen
    run(Flow { start = Flow { start = step "a", post = function(_, _, _, r) seen = r end } })
    assert.equal("default", seen)
  end)

  it("is tried again as a whole with max_retries", function()
    local calls = 0
    local a = step "a"
    local b = Node { exec = function()
      calls = calls + 1
      if calls < 3 then error "again" end
    end }
    local inner = Flow { start = a, a >> b, max_retries = 3 }
    assert.equal("a a a", select(2, run(Flow { start = inner })))
  end)

  it("has cur_retry in post, and a fallback action from process_after_fail", function()
    local seen
    local broken = Node { name = "broken", exec = function() error("no", 0) end }
    local inner = Flow { name = "inner", start = broken, max_retries = 2,
      process_after_fail = function(_, _, _, err) return "failed: " .. err end,
      post = function(self, _, _, result) seen = { self.cur_retry, result } return result end }
    assert.equal("failed: no", (run(Flow { start = inner })))
    assert.same({ 1, "failed: no" }, seen)
  end)

  it("goes on with the fallback's action by default", function()
    local broken = Node { exec = function() error "no" end }
    local inner = Flow { start = broken, process_after_fail = function() return "failed" end }
    local b, c = step "b", step "c"
    assert.equal("c", select(2, run(Flow { start = inner, inner >> b, inner - "failed" >> c })))
  end)

  it("unwinds its inner visits when an outer flow forgives", function()
    local broken = Node { exec = function() error "no" end }
    local inmost = Flow { start = Flow { start = broken } }
    local inner = Flow { start = inmost, process_after_fail = function() end }
    local after = step "after"
    assert.equal("after", select(2, run(Flow { start = inner, inner >> after })))
  end)
end)

describe("the default post of a flow", function()
  it("returns the last action where the flow is wired for it", function()
    local sub, x, y = Flow { start = step("a", "done") }, step "x", step "y"
    assert.equal("a x", select(2, run(Flow { start = sub, sub - "done" >> x, sub >> y })))
  end)

  it("returns the last action where the flow is not wired at all", function()
    assert.equal("done", (run(Flow { start = Flow { start = step("a", "done") } })))
  end)

  it("returns \"default\" else, so that sub >> next always goes on, and warns", function()
    local sub, next_node = Flow { name = "sub", start = step("a", "whatever") }, step "next"
    local visited, warnings = watch(Flow { name = "f", start = sub, sub >> next_node })
    assert.equal("a next", visited)
    assert.same({ "neap: f > sub ended with the action 'whatever', for which it has no successor "
      .. "(it has 'default'); it goes on with 'default'" }, warnings)
  end)

  it("is told once to lead nowhere where \"default\" does neither", function()
    local sub = Flow { name = "sub", start = step("a", "whatever") }
    local visited, warnings, action = watch(Flow { name = "f", start = sub,
      sub - "other" >> step "b" })
    assert.same({ "a", "default" }, { visited, action })
    assert.same({ "neap: f > sub ended with the action 'whatever', for which it has no successor "
      .. "(it has 'other'); the flow ends here" }, warnings)
  end)

  it("warns of nothing where the action inside was \"default\", or post decides", function()
    for action, options in pairs {
      [false] = {}, default = {}, whatever = { post = function() end },
    } do
      options.start = step("a", action or nil)
      local sub = Flow(options)
      local visited, warnings = watch(Flow { start = sub, sub >> step "next" })
      assert.same({ "a next", {} }, { visited, warnings })
    end
  end)

  it("refuses such an action in a strict flow, not in one that is strict inside", function()
    for _, kind in ipairs { Flow, neap.BatchFlow } do
      local sub = Flow { name = "sub", strict = true, start = step("a", "whatever") }
      local outer = kind { name = "f", prep = kind ~= Flow and function() return { {} } end or nil,
        start = sub, sub >> step "next" }
      assert.equal("a next", (watch(outer)))
      outer.strict = true
      local err = failure(run, outer)
      assert.same({ "action", "post", false }, { err.code, err.phase, err.retryable })
      assert.matches("f.* > sub$", err.node)
      assert.matches("sub ended with the action 'whatever', for which it has no successor",
        err.message, 1, true)
    end
  end)

  it("gives flow:run the last action even where the flow is wired", function()
    local sub = Flow { start = step("a", "done") }
    local _ = sub >> step "b"
    assert.equal("done", (run(sub)))
  end)
end)

describe("nesting", function()
  it("may be 10,000 deep", function()
    local flow = step("bottom", "reached")
    for _ = 1, 10000 do flow = Flow { start = flow } end
    assert.same({ "reached", "bottom" }, { run(flow) })
  end)

  it("may be 10,000 deep and waits, fails and retries there", function()
    local tries = 0
    local flow = Node { name = "bottom", exec = function()
      neap.sleep(0)
      tries = tries + 1
      if tries == 1 then error("no", 0) end
    end }
    for i = 1, 10000 do flow = Flow { start = flow, max_retries = i == 5000 and 2 or 1 } end
    assert.equal("default", (run(flow)))
    assert.equal(2, tries)
  end)

  it("10,000 deep names the whole path in an error", function()
    local flow = Node { name = "bottom", exec = function() error("no", 0) end }
    for _ = 1, 10000 do flow = Flow { name = "f", start = flow } end
    local err = failure(run, flow)
    assert.equal(("f > "):rep(10000) .. "bottom", err.node)
    assert.equal("no", err.cause)
  end)

  it("may have a time limit at every one of 300 levels", function()
    local flow = Node { exec = function() neap.sleep(10) end }
    for _ = 1, 300 do flow = Flow { start = flow, timeout = 100 } end
    local err = failure(flow.run, flow, {}, { timeout = 0.02 })
    assert.equal("timeout", err.code)
  end)

  it("of a flow in itself ends at max_steps", function()
    local flow = Flow { name = "f" }
    flow.start = flow
    assert.equal("max_steps", failure(flow.run, flow, {}, { max_steps = 100 }).code)
  end)

  it("of a flow in itself without a limit ends in an error", function()
    local flow = Flow { name = "f" }
    flow.start = flow
    assert.matches("too many nested flows", tostring(failure(flow.run, flow, {})), 1, true)
  end)

  it("of a flow that is in two places at once keeps them apart", function()
    local inner = Flow { start = step "a" }
    local first, second = Flow { start = inner }, Flow { start = inner }
    assert.equal("a a", select(2, run(Flow { start = first, first >> second })))
  end)
end)

describe("flow:run inside a node", function()
  it("waits like anything else", function()
    local inner = Node { exec = function(_, shared)
      neap.sleep(0.001)
      shared[#shared + 1] = "inner"
    end, post = function() return "inner action" end }
    local got
    local outer = Node { exec = function(_, shared)
      got = inner:run(shared)
      shared[#shared + 1] = "outer"
    end }
    assert.equal("inner outer", select(2, run(outer)))
    assert.equal("inner action", got)
  end)

  it("names the runs inside nodes in the path of an error", function()
    local charge = Node { name = "Charge", exec = function() error("declined", 0) end }
    local payment = Flow { name = "payment", start = charge }
    local call = Node { name = "call", exec = function(_, shared) payment:run(shared) end }
    local order = Flow { name = "order", start = call }
    local err = failure(run, order)
    assert.equal("order > call > payment > Charge", err.node)
    assert.same({ "declined", "exec", 1 }, { err.cause, err.phase, err.attempt })
  end)
end)
