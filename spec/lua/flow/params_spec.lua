-- Params: they flow inward, key by key.
-- SPDX-License-Identifier: MIT
local failure = require("spec.helper").failure
local neap = require "neap"
local Node, Flow, BatchNode, BatchFlow = neap.Node, neap.Flow, neap.BatchNode, neap.BatchFlow

local function copy(params)
  local result = {}
  for key, value in pairs(params) do result[key] = value end
  return result
end

-- A node, with these params of its own, that notes in shared what it sees.
local function watcher(own)
  return Node { params = own, post = function(self, shared)
    shared[#shared + 1] = copy(self.params)
  end }
end

-- Runs a node and returns what its watchers saw.
local function seen(node, params)
  local shared = {}
  node:run(shared, { params = params })
  return shared
end

describe("params", function()
  it("are empty, never nil, where nobody gives any", function()
    assert.same({ {} }, seen(watcher()))
    assert.same({}, Node().params)
  end)

  it("of a node are its defaults", function()
    assert.same({ { a = 1 } }, seen(watcher { a = 1 }))
  end)

  it("from opts override a node's own, key by key", function()
    assert.same({ { a = 1, b = 20, c = 30 } }, seen(watcher { a = 1, b = 2 }, { b = 20, c = 30 }))
  end)

  it("from the outer flow override a node's own, key by key", function()
    assert.same({ { a = 1, b = 20, c = 30 } },
      seen(Flow { start = watcher { a = 1, b = 2 }, params = { b = 20, c = 30 } }))
  end)

  it("flow through flows without any", function()
    assert.same({ { a = 1 } }, seen(Flow { start = Flow { start = watcher() } }, { a = 1 }))
  end)

  it("of the outer flow win at every level: opts, outer, inner, node", function()
    local node = watcher { own = "node", inner = "node", outer = "node", opts = "node" }
    local inner = Flow { start = node,
      params = { inner = "inner", outer = "inner", opts = "inner" } }
    local outer = Flow { start = inner, params = { outer = "outer", opts = "outer" } }
    assert.same({ { own = "node", inner = "inner", outer = "outer", opts = "opts" } },
      seen(outer, { opts = "opts" }))
  end)

  it("of one node do not reach the next", function()
    local a, b = watcher { a = 1 }, watcher { b = 2 }
    assert.same({ { a = 1, x = 9 }, { b = 2, x = 9 } }, seen(Flow { start = a, a >> b }, { x = 9 }))
  end)

  it("may be false, which overrides", function()
    assert.same({ { a = false } }, seen(watcher { a = true }, { a = false }))
  end)

  it("can be seen by the flow's own methods", function()
    local got = {}
    Flow { start = watcher(), params = { a = 1, b = 2 },
      prep = function(self) got.prep = copy(self.params) end,
      post = function(self) got.post = copy(self.params) end }:run({}, { params = { b = 3 } })
    assert.same({ prep = { a = 1, b = 3 }, post = { a = 1, b = 3 } }, got)
  end)

  it("of a class are those of its nodes", function()
    local Class = Node:extend { params = { a = 1 } }
    assert.equal(1, Class().params.a)
    assert.equal(2, Class { params = { a = 2 } }.params.a)
  end)

  it("may be set later, and count from the next run", function()
    local node = watcher { a = 1 }
    seen(node)
    node.params = { a = 2 }
    assert.same({ { a = 2 } }, seen(node))
  end)

  it("handed over are never written to", function()
    local own, flows, opts, entry = { a = 1 }, { a = 2, b = 2 }, { b = 3, c = 3 }, { c = 4, d = 4 }
    local node = watcher(own)
    local batch = BatchFlow { start = node, params = flows, prep = function() return { entry } end }
    assert.same({ { a = 2, b = 3, c = 4, d = 4 } }, seen(batch, opts))
    assert.same({ { a = 1 }, { a = 2, b = 2 }, { b = 3, c = 3 }, { c = 4, d = 4 } },
      { own, flows, opts, entry })
  end)

  it("may be set with set_params, as by an assignment, of a node, a flow and a class", function()
    local node = watcher { a = 1, b = 2 }
    node:set_params { a = 7, c = 3 }
    assert.same({ { a = 7, c = 3 } }, seen(node))
    local flow = Flow { start = watcher() }
    flow:set_params { k = "v" }
    assert.same({ { k = "v" } }, seen(flow))
    local Class = Node:extend {}
    Class:set_params { a = 1 }
    assert.equal(1, Class().params.a)
  end)

  it("may be set with set_params to tables only, and where set_params is called", function()
    local node = Node()
    assert.matches("params_spec.lua:%d+: bad argument #1 to 'set_params' %(table expected, got ",
      failure(function() node:set_params(3) end))
    assert.matches("node:set_params { ... }", failure(node.set_params, { a = 1 }), 1, true)
    assert.matches("'set_params' cannot be a field", failure(Node, { set_params = print }), 1, true)
  end)

  it("reach what a retry calls again, and the fallback", function()
    local got = {}
    local node = Node { max_retries = 2, timeout = 10, params = { a = 1 },
      exec = function(self) got[#got + 1] = self.params.a error "x" end,
      process_after_fail = function(self) got[#got + 1] = self.params.a end }
    node:run({}, { params = { a = 5 } })
    assert.same({ 5, 5, 5 }, got)
  end)
end)

describe("self.params", function()
  local given = { a = 1, list = { 1, 2 } }
  -- The ways in which a visit comes to its params: each runs a node with these methods.
  local ways = {
    ["none are given"] = function(methods) Node(methods):run() end,
    ["they are the node's own"] = function(methods)
      methods.params = given
      Node(methods):run()
    end,
    ["they are the class's"] = function(methods) Node:extend { params = given }(methods):run() end,
    ["they come from the run"] = function(methods) Node(methods):run({}, { params = given }) end,
    ["they come from the run, and are more"] = function(methods)
      methods.params = { b = 2 }
      Node(methods):run({}, { params = given })
    end,
    ["they come from the flow"] = function(methods)
      Flow { params = given, start = Node(methods) }:run()
    end,
    ["they are an entry"] = function(methods)
      BatchFlow { start = Node(methods), prep = function() return { given } end }:run()
    end,
    ["they are an entry, and more"] = function(methods)
      BatchFlow { start = Node(methods), params = { b = 2 },
        prep = function() return { given } end }:run()
    end,
    ["it is that of a batch"] = function(methods)
      methods.prep = function() return { 1 } end
      BatchNode(methods):run({}, { params = given })
    end,
    ["it is that of a flow"] = function(methods)
      Flow { start = Node(), params = given, prep = methods.exec }:run()
    end,
  }
  for name, way in pairs(ways) do
    it("is read-only where " .. name, function()
      for _, key in ipairs { "new", "a", 1 } do
        local err = failure(way, { exec = function(self) self.params[key] = 5 end })
        assert.matches(("params_spec.lua:%%d+: params are read%%-only, so '%s' cannot be set")
          :format(key), err.cause)
      end
      assert.same({ a = 1, list = { 1, 2 } }, given)
    end)

    it("is read with [], pairs, next, # and json.encode where " .. name, function()
      local got, text
      way { exec = function(self)
        local by_next = {}
        for key, value in next, self.params do by_next[key] = value end
        assert.same(copy(self.params), by_next)
        got, text = copy(self.params), neap.json.encode(self.params)
        assert.equal(0, #self.params)
        assert.equal(got.a, self.params.a)
      end }
      if name ~= "none are given" then
        assert.same({ 1, given.list }, { got.a, got.list })
      end
      assert.same(got, neap.json.decode(text))
    end)
  end

  it("has the length and the pairs of a list and of what only acts as a table", function()
    local odd = setmetatable({}, { __len = function() return 3 end, __pairs = function()
      return function(_, key) if not key then return "one", 1 end end
    end })
    Node { exec = function(self)
      assert.equal(2, #self.params)
      assert.same({ 5, 6 }, { table.unpack(self.params) })
    end }:run({}, { params = { 5, 6 } })
    Node { exec = function(self)
      assert.equal(3, #self.params)
      assert.same({ one = 1 }, copy(self.params))
    end }:run({}, { params = odd })
  end)

  it("leaves next as it is for other tables", function()
    local meta = setmetatable({ 7 }, { __index = { 8, 9 }, __newindex = error })
    assert.same({ 1, 7 }, { next(meta) })
    assert.is_nil(next(meta, 1))
    assert.is_nil(next {})
    assert.matches("bad argument #1 to 'next' (table expected, got no value)",
      failure(next), 1, true)
    assert.has_error(function() next({}, "no such key") end)
  end)

  it("may be handed on to a run, and be an entry and a node's own", function()
    Node { params = given, exec = function(self)
      local handed = { a = 1, list = given.list }
      assert.same({ handed }, seen(watcher(), self.params))
      assert.same({ { a = 1, b = 2, list = given.list } }, seen(watcher { b = 2 }, self.params))
      assert.same({ handed }, seen(watcher(self.params)))
      local entries = function() return { self.params } end
      assert.same({ handed }, seen(BatchFlow { start = watcher(), prep = entries }))
    end }:run()
  end)

  it("may be replaced for the visit, and is then what was put there", function()
    local mine = { z = 1 }
    Node { prep = function(self) self.params = mine end, exec = function(self)
      self.params.y = 2
      assert.equal(mine, self.params)
    end }:run({}, { params = given })
    assert.same({ z = 1, y = 2 }, mine)
  end)

  it("sees what is written later to the table that node.params is", function()
    local own = { a = 1 }
    local node = watcher(own)
    assert.equal(own, node.params)
    seen(node)
    node.params.a = 2
    assert.same({ { a = 2 } }, seen(node))
  end)
end)

describe("a batch entry's params", function()
  it("override what came from outside", function()
    local batch = BatchFlow { start = watcher { own = 1, entry = 1 },
      params = { flow = 1, entry = 2 },
      prep = function() return { { entry = 10 }, { entry = 20 } } end }
    assert.same({ { own = 1, flow = 1, outside = 7, entry = 10 },
      { own = 1, flow = 1, outside = 7, entry = 20 } },
      seen(batch, { outside = 7, entry = 3 }))
  end)

  it("of nested batches overlay each other", function()
    local inner = BatchFlow { start = watcher(), prep = function(self)
      return { { file = self.params.folder .. "/a" }, { file = self.params.folder .. "/b" } }
    end }
    local outer = BatchFlow { start = inner, prep = function()
      return { { folder = "x" }, { folder = "y" } }
    end }
    assert.same({ { folder = "x", file = "x/a" }, { folder = "x", file = "x/b" },
      { folder = "y", file = "y/a" }, { folder = "y", file = "y/b" } }, seen(outer))
  end)

  it("do not leak into the batch's own params, or from one entry into the next", function()
    local post
    local batch = BatchFlow { start = watcher(),
      prep = function() return { { a = 1 }, { b = 2 } } end,
      post = function(self) post = copy(self.params) end }
    assert.same({ { a = 1 }, { b = 2 } }, seen(batch))
    assert.same({}, post)
  end)

  it("are each their own where entries run at once", function()
    local node = Node { exec = function() neap.sleep(0.001) end,
      post = function(self, shared) shared[self.params.i] = self.params.i end }
    local batch = BatchFlow { start = node, concurrency = 3,
      prep = function() return { { i = 1 }, { i = 2 }, { i = 3 }, { i = 4 } } end }
    assert.same({ 1, 2, 3, 4 }, seen(batch))
  end)
end)

describe("the items of a BatchNode", function()
  it("see the params of the batch", function()
    local got = {}
    BatchNode { params = { a = 1, b = 1 }, prep = function() return { 1, 2 } end,
      exec = function(self) got[#got + 1] = copy(self.params) end }:run({}, { params = { b = 2 } })
    assert.same({ { a = 1, b = 2 }, { a = 1, b = 2 } }, got)
  end)
end)
