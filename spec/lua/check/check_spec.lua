-- Mistakes in flows that are found without running them.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local neap = require "neap"
local check = require "neap.check"
local nodes = require "neap.flow.node"
local Node, Flow, BatchNode, parallel = neap.Node, neap.Flow, neap.BatchNode, neap.parallel

-- The findings as lines "kind: node: message".
local function lines_of(flow)
  local lines = {}
  for i, finding in ipairs(check.check(flow)) do
    lines[i] = ("%s: %s: %s"):format(finding.kind, finding.node, finding.message)
  end
  return lines
end

-- The same without the messages.
local function kinds_of(flow)
  local kinds = {}
  for i, finding in ipairs(check.check(flow)) do
    kinds[i] = ("%s: %s"):format(finding.kind, finding.node)
  end
  return kinds
end

-- A flow of one node that has this post and is wired for these actions.
local function branching(post, ...)
  local node = Node { name = "node", post = post }
  for _, action in ipairs { ... } do node:to(neap.END, action) end
  return Flow { name = "flow", start = node }
end

describe("neap.check", function()
  it("finds nothing in a flow that is well", function()
    local review = Node { name = "review" }
    function review:post(shared)
      if shared.amount > 100 then return "rejected" end
      return "approved"
    end
    local pay, done = BatchNode { name = "pay" }, Node { name = "done" }
    local inner = Flow { name = "payment", start = pay }
    assert.same({}, kinds_of(Flow { start = review,
      review - "approved" >> inner >> done,
      review - "rejected" >> neap.END,
    }))
  end)

  it("finds a flow without a start, nested or not", function()
    local empty = Flow { name = "empty" }
    local line = debug.getinfo(1, "l").currentline - 1
    local place = ("spec/lua/check/check_spec.lua:%d"):format(line)
    assert.same({ ("no-start: empty: the flow has no start (made at %s)"):format(place) },
      lines_of(empty))
    assert.same({ "no-start: outer > empty" },
      kinds_of(Flow { name = "outer", start = Flow { name = "empty" } }))
  end)

  it("finds a class in the place of a node", function()
    assert.same({ "class: Mine: it is a class; make a node of it: Mine { ... }" },
      lines_of(Flow:extend { name = "Mine" }))
  end)

  it("finds nodes without a name of their own, but for the root", function()
    local Named = Node:extend { name = "Named" }
    local first = Named {}
    assert.same({ "unnamed: Flow > Node: it has no name of its own, only Node's" },
      lines_of(Flow { start = first, first >> Node {} }))
  end)

  it("finds nodes of one flow with one name, not of several flows", function()
    local a, b = Node { name = "same" }, Node { name = "same" }
    assert.same({ "same-name: flow > same: 2 nodes of this flow have this name" },
      lines_of(Flow { name = "flow", start = a, a >> b }))
    local inner = Flow { name = "inner", start = Node { name = "same" } }
    local c = Node { name = "same" }
    assert.same({}, kinds_of(Flow { start = c, c >> inner }))
  end)

  it("finds an atomic node that is to wait", function()
    local node = Node { name = "a", atomic = true, max_retries = 2, wait = 1 }
    assert.same({ "atomic: flow > a" }, kinds_of(Flow { name = "flow", start = node }))
    assert.same({ "atomic: a" }, kinds_of(Node { name = "a", atomic = true, timeout = 1 }))
  end)

  it("names 10,000 nested flows without paths that fill the memory", function()
    local flow = Node {}
    for _ = 1, 10000 do flow = Flow { name = "f", start = flow } end
    local findings = check.check(flow)
    assert.equal(1, #findings)
    assert.equal("... > " .. ("f > "):rep(15) .. "Node", findings[1].node)
  end)

  it("ends for a flow that contains itself", function()
    local flow, step = Flow { name = "flow" }, Node { name = "step" }
    flow.start = step
    step:to(flow)
    assert.same({}, kinds_of(flow))
  end)

  it("refuses what is no flow", function()
    assert.has_error(function() check.check(5) end,
      "bad argument #1 to 'check' (node or flow expected, got 5)")
  end)

  describe("on reachability", function()
    after_each(function() nodes.made = nil end)

    it("finds a node that stands in the table of the flow only", function()
      local a, b = Node { name = "a" }, Node { name = "b" }
      assert.same({ "unreachable: flow > b: nothing leads to it from the start" },
        lines_of(Flow { name = "flow", start = a, b }))
    end)

    it("finds a node that leads into the flow once it watches", function()
      check.watch()
      local review, revise = Node { name = "review" }, Node { name = "revise" }
      local before = Node { name = "before" }
      assert.same({ "unreachable: flow > revise", "unreachable: flow > before" },
        kinds_of(Flow { name = "flow", start = review, before >> revise >> review }))
    end)

    it("leaves out what another flow reaches", function()
      check.watch()
      local a, b, done = Node { name = "a" }, Node { name = "b" }, Node { name = "done" }
      local flow = Flow { name = "flow", start = a, a >> done }
      local other = Flow { name = "other", start = b, b >> done }
      assert.same({}, kinds_of(flow))
      assert.same({}, kinds_of(other))
    end)
  end)

  describe("on actions", function()
    it("knows that a node without post ends with 'default'", function()
      assert.same({
        "dead-end: flow > node: no successor for 'default' (it has no post, so its action is "
          .. "always that); it has 'approved'",
        "never-taken: flow > node: wired for 'approved', but it only ends with 'default'",
      }, lines_of(branching(nil, "approved")))
    end)

    it("knows that a post which returns nothing ends with 'default'", function()
      local function post(_, shared) shared.x = 1 end
      assert.same({ "dead-end: flow > node", "never-taken: flow > node" },
        kinds_of(branching(post, "approved")))
      assert.same({}, kinds_of(branching(post, "default")))
    end)

    it("finds a literal that is misspelt", function()
      local function post(_, shared)
        if shared.good then return "aproved" end
        return "rejected"
      end
      assert.same({
        "dead-end: flow > node: no successor for 'aproved' (its post returns it); it has "
          .. "'approved', 'rejected', did you mean 'approved'?",
        "never-taken: flow > node: wired for 'approved', but it only ends with 'aproved', "
          .. "'rejected'",
      }, lines_of(branching(post, "approved", "rejected")))
    end)

    it("reads both sides of `and ... or`", function()
      local function post(_, shared) return shared.good and "yes" or 'no' end
      assert.same({}, kinds_of(branching(post, "yes", "no")))
      assert.same({ "dead-end: flow > node" }, kinds_of(branching(post, "yes")))
    end)

    it("leaves out what functions inside, comments and strings return", function()
      local function post(_, shared)
        -- return "a"
        --[[ return "b" ]]
        local text = [==[ return "c" ]==] .. 'return "d" end'
        local function inner() return "e" end
        repeat shared.x = inner() until shared.x
        shared.text = text
        return "f"
      end
      assert.same({}, kinds_of(branching(post, "f")))
    end)

    it("says nothing about what only a run can tell", function()
      local function computed(_, shared) return shared.action end
      local function joined(_, shared) return "to_" .. shared.where end
      local function either(_, shared) return shared.a or "b" end
      local function called() return tostring(function() return "x" end) end
      for _, post in ipairs { computed, joined, either, called, load("return 'x'"), print } do
        assert.same({}, kinds_of(branching(post, "approved")))
      end
    end)

    it("takes 'default' for possible where a post may end without a return", function()
      local function post(_, shared)
        if shared.good then return "approved" end
      end
      assert.same({}, kinds_of(branching(post, "approved")))
      assert.same({}, kinds_of(branching(post, "approved", "default")))
    end)

    it("knows how a nested flow can end", function()
      local function nested(...)
        local inner = branching(function(_, shared)
          if shared.good then return "good" end
          return "bad"
        end, "good", "bad")
        inner.name = "inner"
        for _, action in ipairs { ... } do inner:to(neap.END, action) end
        return Flow { name = "outer", start = inner }
      end
      assert.same({}, kinds_of(nested()))
      assert.same({}, kinds_of(nested("good", "bad")))
      assert.same({ "dead-end: outer > inner: no successor for 'bad' (what is inside can end "
        .. "with it); it has 'good'" }, lines_of(nested("good")))
      assert.same({ "never-taken: outer > inner" }, kinds_of(nested("good", "bad", "ugly")))
    end)

    it("finds an action of a nested flow that goes no further", function()
      local function ending(action, options)
        options.name, options.start = "inner", branching(function(_, shared)
          if shared.good then return "good" end
          return "declined"
        end, "good", "declined")
        local inner = Flow(options)
        inner:to(neap.END)
        if action then inner:to(neap.END, action) end
        return Flow { name = "outer", start = inner }
      end
      assert.same({ "dead-end: outer > inner: no successor for 'good' (what is inside can end "
        .. "with it); it has 'default', 'declined' and goes on with 'default'" },
        lines_of(ending("declined", {})))
      assert.same({
        "dead-end: outer > inner: no successor for 'good' (what is inside can end with it); it has "
          .. "'default', 'decline' and goes on with 'default'",
        "dead-end: outer > inner: no successor for 'declined' (what is inside can end with it); it "
          .. "has 'default', 'decline' and goes on with 'default', did you mean 'decline'?",
        "never-taken: outer > inner: wired for 'decline', but it only ends with 'default'",
      }, lines_of(ending("decline", {})))
      assert.same({}, kinds_of(ending(nil, { post = function() end })))
    end)
  end)
end)

describe("checking a parallel", function()
  after_each(function() nodes.made = nil end)

  it("finds nothing where all is well, though it watches", function()
    check.watch()
    local a = Node { name = "a" }
    local fork = parallel { name = "fork", a, a, Flow { name = "b", start = Node { name = "c" } } }
    assert.same({}, kinds_of(Flow { start = fork, fork >> Node { name = "join" } }))
    assert.same({}, kinds_of(fork))
  end)

  it("looks into its branches", function()
    local fork = parallel { name = "fork", Flow { name = "empty" }, Node {}, Node { name = "a" },
      Node { name = "a" }, Node { name = "b", atomic = true, timeout = 1 },
      parallel { name = "inner", Node {} } }
    assert.same({ "atomic: order > fork > b", "unnamed: order > fork > Node",
      "same-name: order > fork > a", "no-start: order > fork > empty",
      "unnamed: order > fork > inner > Node" }, kinds_of(Flow { name = "order", start = fork }))
  end)

  it("finds a branch that is wired, and nothing else wrong with it", function()
    check.watch()
    local a, join = Node { name = "a" }, Node { name = "join" }
    local fork = parallel { name = "fork", a }
    a:to(join, "x")
    local flow = Flow { name = "order", start = fork, fork >> join }
    assert.same({ "wired-branch: order > fork > a" }, kinds_of(flow))
    assert.equal("wired for 'x', but a branch runs alone; make it a flow, Flow { start = a }",
      check.check(flow)[1].message)
  end)

  it("knows that without post it ends with 'default'", function()
    local fork = parallel { name = "fork", Node { name = "a", post = function() return "x" end } }
    fork:to(neap.END, "x")
    assert.same({ "dead-end: order > fork", "never-taken: order > fork" },
      kinds_of(Flow { name = "order", start = fork }))
  end)
end)

describe("the kinds of findings", function()
  -- The words that begin the lines between two texts.
  local function kinds_in(file, from, to, pattern)
    local text = helper.read(helper.root .. "/lua/neap/" .. file)
    local kinds = {}
    for kind in text:match(from .. "(.-)" .. to):gmatch(pattern) do kinds[#kinds + 1] = kind end
    return kinds
  end

  it("are the same for scripts and in the help", function()
    local listed = kinds_in("check/init.lua", "%-%-%-@field kind string one of:", "%-%-%-@field",
      '\n%-%-%-  "([%l-]+)"')
    assert.is_true(#listed > 0)
    assert.same(listed, kinds_in("cli/help.lua", "usage: neap check", "The actions of a post",
      "\n  (%l[%l-]+)  "))
  end)
end)
