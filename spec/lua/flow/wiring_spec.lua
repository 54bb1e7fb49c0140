-- Wiring: the three ways to say which node follows, and what they refuse.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local neap = require "neap"
local Node, Flow = neap.Node, neap.Flow
local failure, warnings = helper.failure, helper.warnings

-- A node that notes its name in shared and ends with the action given there.
local function step(name)
  return Node {
    name = name,
    post = function(_, shared)
      shared[#shared + 1] = name
      return shared.actions and shared.actions[name]
    end,
  }
end

-- Runs from a node and returns the names of those visited, joined.
local function walk(start, actions)
  local shared = { actions = actions }
  Flow { start = start }:run(shared)
  return table.concat(shared, " ")
end

describe("a >> b", function()
  it("goes on to b on \"default\", and gives b", function()
    local a, b, c = step "a", step "b", step "c"
    assert.equal(b, a >> b)
    local _ = b >> c
    assert.equal("a b c", walk(a))
  end)

  it("reads in a row", function()
    local a, b, c = step "a", step "b", step "c"
    local _ = a >> b >> c
    assert.equal("a b c", walk(a))
  end)
end)

describe('a - "action" >> b', function()
  it("goes on to b on that action only", function()
    local a, b, c = step "a", step "b", step "c"
    local _, _ = a - "x" >> b, a - "y" >> c
    assert.equal("a b", walk(a, { a = "x" }))
    assert.equal("a c", walk(a, { a = "y" }))
  end)

  it("reads as it looks in a >> b - \"y\" >> c", function()
    local a, b, c = step "a", step "b", step "c"
    local _ = a >> b - "y" >> c
    assert.equal("a b c", walk(a, { b = "y" }))
  end)

  it("may lead back", function()
    local a, b = step "a", step "b"
    local turns = 0
    function b:post(shared)
      shared[#shared + 1] = "b"
      turns = turns + 1
      return turns < 3 and "again" or "done"
    end
    local _, _ = a >> b - "again" >> a, b - "done" >> neap.END
    assert.equal("a b a b a b", walk(a))
  end)

  it("stands inside the flow's table", function()
    local review, pay, revise, done = step "review", step "pay", step "revise", step "done"
    local flow = Flow { start = review,
      review - "approved" >> pay >> done,
      review - "needs_revision" >> revise >> review,
      review - "rejected" >> done,
    }
    local shared = { actions = { review = "approved" } }
    flow:run(shared)
    assert.equal("review pay done", table.concat(shared, " "))
    shared = { actions = { review = "rejected" } }
    flow:run(shared)
    assert.equal("review done", table.concat(shared, " "))
  end)
end)

describe("a:to(b, action)", function()
  it("is the same as a statement, and returns b", function()
    local a, b, c = step "a", step "b", step "c"
    assert.equal(b, a:to(b, "x"))
    a:to(c):to(b)
    assert.equal("a b", walk(a, { a = "x" }))
    assert.equal("a c b", walk(a))
  end)
end)

describe("neap.END", function()
  it("as a target ends the flow on purpose, without a warning", function()
    local a, b = step "a", step "b"
    local _, _ = a - "stop" >> neap.END, a >> b
    assert.same({}, warnings(function()
      assert.equal("a", walk(a, { a = "stop" }))
    end))
    assert.equal("stop", Flow { start = a }:run { actions = { a = "stop" } })
  end)

  it("can be given to the method as well", function()
    local a = step "a"
    assert.equal(neap.END, a:to(neap.END, "stop"))
    assert.equal("a", walk(a, { a = "stop" }))
  end)

  it("has nothing behind it", function()
    assert.matches("nothing follows neap.END",
      failure(function() return step "a" >> neap.END >> step "b" end), 1, true)
    assert.equal("neap.END", tostring(neap.END))
  end)
end)

describe("wiring an action again", function()
  it("warns and replaces", function()
    local a, b, c = step "a", step "b", step "c"
    local _ = a >> b
    local line = debug.getinfo(1, "l").currentline + 3
    local place = "neap: spec/lua/flow/wiring_spec.lua:%d: "
    assert.same({ (place .. "a was wired on 'default' to b, now to c"):format(line) },
      warnings(function() a:to(c) end))
    assert.equal("a c", walk(a))
    local warning = table.unpack(warnings(function() local _ = a >> neap.END end))
    assert.matches("^neap: spec/lua/flow/wiring_spec.lua:%d+: a was wired on 'default' to c, "
      .. "now to the end$", warning)
  end)

  it("to the same target is no news", function()
    local a, b = step "a", step "b"
    assert.same({}, warnings(function()
      a:to(b)
      a:to(b)
    end))
  end)

  it("after a run changes the next one", function()
    local a, b, c = step "a", step "b", step "c"
    local _ = a >> b
    local flow = Flow { start = a }
    flow:run {}
    local shared = {}
    b:to(c)
    flow:run(shared)
    assert.equal("a b c", table.concat(shared, " "))
  end)
end)

describe("wiring", function()
  it("lives on the nodes: two flows that share a node share what follows it", function()
    local a, b, shared_node, last = step "a", step "b", step "s", step "last"
    local _, _ = a >> shared_node >> last, b >> shared_node
    assert.equal("a s last", walk(a))
    assert.equal("b s last", walk(b))
  end)

  local nothing = nil
  local wrong = {
    { "to nil", function(a) return a >> nothing end, "to nil" },
    { "to nil on an action", function(a) return a - "x" >> nothing end, "to nil" },
    { "to nil by the method", function(a) a:to(nil) end, "to nil" },
    { "to a number", function(a) return a >> 3 end, "to a number" },
    { "to a string", function(a) return a - "x" >> "b" end, "to a string" },
    { "to a table", function(a) return a >> {} end, "to a table" },
    { "to a class", function(a) return a >> Node:extend { name = "Later" } end,
      "the class Later (make a node of it: Later())" },
    { "from nil", function(a) return nothing >> a end, "cannot wire nil" },
    { "from a class", function(a) return Node:extend { name = "Later" } >> a end,
      "cannot wire the class Later (make a node of it: Later())" },
    { "from a class on an action", function(a) return Node:extend { name = "Later" } - "x" >> a end,
      "the class Later (make a node of it: Later())" },
    { "between classes", function()
      return Node:extend { name = "A" } >> Node:extend { name = "B" }
    end, "cannot wire the class A" },
    { "on an action that is no string", function(a) return a - 3 >> a end,
      "an action, which is a string" },
    { "on an action that is nil", function(a) return a - nothing >> a end,
      "an action, which is a string" },
    { "on an action that is no string, by the method", function(a) a:to(a, 3) end,
      "an action is a string, got a number" },
  }
  for _, case in ipairs(wrong) do
    it(("%s raises, where it is written"):format(case[1]), function()
      local err = failure(case[2], step "a")
      assert.matches(case[3], err, 1, true)
      assert.matches("wiring_spec.lua:", err, 1, true)
    end)
  end

  it("that leads nowhere is refused in a flow's table", function()
    local a, b = step "a", step "b"
    assert.matches('a - "x" leads nowhere', failure(Flow, { start = a, a - "x" }), 1, true)
    assert.matches('b - "y" leads nowhere', failure(Flow, { start = a, a >> b - "y" }), 1, true)
    assert.matches("wiring expected, such as a >> b; got a number",
      failure(Flow, { start = a, 3 }), 1, true)
    assert.matches("the class Node", failure(Flow, { start = a, Node }), 1, true)
  end)

  it("finds a successor among many", function()
    local hub = step "hub"
    for i = 1, 50 do hub:to(step("n" .. i), "go" .. i) end
    assert.equal("hub n1", walk(hub, { hub = "go1" }))
    assert.equal("hub n37", walk(hub, { hub = "go37" }))
    assert.equal("hub n50", walk(hub, { hub = "go50" }))
  end)
end)
