-- What a node is: its four methods, its self, classes and their options.
-- SPDX-License-Identifier: MIT
local failure = require("spec.helper").failure
local neap = require "neap"
local Node, Flow = neap.Node, neap.Flow

describe("a node's methods", function()
  it("are all optional: a node without any ends with \"default\"", function()
    assert.equal("default", Node():run {})
  end)

  it("get self, shared, and what the methods before them have returned", function()
    local seen = {}
    local node = Node {
      prep = function(...) seen.prep = table.pack(...) return "prepared" end,
      exec = function(...) seen.exec = table.pack(...) return "executed" end,
      post = function(...) seen.post = table.pack(...) end,
    }
    local shared = {}
    node:run(shared)
    local self = seen.prep[1]
    assert.same({ self, shared, n = 2 }, seen.prep)
    assert.same({ self, shared, "prepared", n = 3 }, seen.exec)
    assert.same({ self, shared, "prepared", "executed", n = 4 }, seen.post)
    assert.equal(shared, seen.post[2])
  end)

  it("get the fallback's result where exec failed for good", function()
    local got
    local cause = {}
    Node {
      prep = function() return "prepared" end,
      exec = function() error(cause) end,
      process_after_fail = function(_, shared, prep_res, err)
        return { shared, prep_res, err }
      end,
      post = function(_, _, _, exec_res) got = exec_res end,
    }:run("shared")
    assert.equal("shared", got[1])
    assert.equal("prepared", got[2])
    assert.equal(cause, got[3])
  end)

  it("hand nil on as nil", function()
    local got
    Node { post = function(_, ...) got = table.pack(...) end }:run {}
    assert.same({ {}, nil, nil, n = 3 }, got)
  end)

  it("hand on the first of several results, false included", function()
    local got
    Node {
      prep = function() return false, 2 end,
      exec = function(_, _, prep_res) return prep_res, 3 end,
      post = function(_, ...) got = table.pack(...) end,
    }:run {}
    assert.same({ {}, false, false, n = 3 }, got)
  end)

  it("re-raise by default when exec fails", function()
    local err = failure(Node { exec = function() error("broken", 0) end }.run,
      Node { exec = function() error("broken", 0) end }, {})
    assert.equal("broken", err.cause)
  end)

  it("are taken from the class where the node has none of its own", function()
    local Greet = Node:extend { greeting = "hello" }
    function Greet:exec() return self.greeting end
    function Greet:post(shared, _, text) shared.text = text end
    local shared = {}
    Greet { greeting = "good day" }:run(shared)
    assert.equal("good day", shared.text)
    Greet():run(shared)
    assert.equal("hello", shared.text)
  end)

  it("may be added to the class after its nodes were made, even after a run", function()
    local Late = Node:extend {}
    local node = Late()
    assert.equal("default", node:run {})
    function Late:post() return "late" end
    assert.equal("late", node:run {})
  end)
end)

describe("post", function()
  local function post(value)
    return Node { name = "Judge", post = function() return value end }
  end

  it("returns the action as a string", function()
    assert.equal("approved", post("approved"):run {})
  end)

  it("returns nothing for \"default\"", function()
    assert.equal("default", post(nil):run {})
    assert.equal("default", Node { post = function() end }:run {})
  end)

  for value, text in pairs { [17] = "17", [true] = "true", [1.5] = "1.5" } do
    it(("returning %s is an error that names the node and that"):format(text), function()
      local err = failure(function() post(value):run {} end)
      assert.equal("action", err.code)
      assert.equal("post", err.phase)
      assert.matches("^spec/lua/flow/node_spec.lua:%d+: post of Judge returned a ", err.message)
      assert.is_nil((err.traceback or ""):find("[C]: in ?", 1, true))
      local flow = Flow { name = "Court", start = post(value) }
      assert.equal(1, select(2, tostring(failure(flow.run, flow)):gsub("Court", "")))
      assert.matches(type(value), err.message, 1, true)
      assert.matches(text, err.message, 1, true)
    end)
  end

  it("returning false is an error, too", function()
    assert.equal("action", failure(function() post(false):run {} end).code)
  end)

  it("returning a table whose __tostring raises is the same error", function()
    local odd = setmetatable({}, { __tostring = function() error "no text" end })
    local err = failure(function() post(odd):run {} end)
    assert.equal("action", err.code)
    assert.matches("Judge returned a table", err.message, 1, true)
  end)

  it("may return bytes of any kind as an action", function()
    local odd = "a\0b\255\n"
    local shared = {}
    local last = Node { post = function(_, s) s.came = true end }
    local first = post(odd)
    Flow { start = first, first - odd >> last }:run(shared)
    assert.is_true(shared.came)
  end)
end)

describe("any method", function()
  for _, method in ipairs { "prep", "exec", "process_after_fail", "post" } do
    it("may wait: " .. method, function()
      local waited
      local node = Node { exec = function()
        if method == "process_after_fail" then error "x" end
      end }
      node[method] = function() neap.sleep(0.001) waited = true end
      node:run {}
      assert.is_true(waited)
    end)
  end

  it("may wait in a plain Node or Flow: the Async names are the same tables", function()
    assert.equal(neap.Node, neap.AsyncNode)
    assert.equal(neap.Flow, neap.AsyncFlow)
    assert.equal(neap.BatchFlow, neap.BatchAsyncFlow)
  end)
end)

describe("an atomic node", function()
  local function atomic(exec)
    return Node { name = "Ledger", atomic = true, exec = exec }
  end

  it("makes waiting inside it an error that names it", function()
    local err = failure(function() atomic(function() neap.sleep(0) end):run {} end)
    assert.equal("atomic", err.code)
    assert.matches("sleep would wait inside Ledger, which is atomic", err.message, 1, true)
  end)

  it("refuses a flow as well, and does not start it", function()
    local ran
    local inner = Node { exec = function() ran = true end }
    local err = failure(function() atomic(function() inner:run {} end):run {} end)
    assert.equal("atomic", err.code)
    assert.is_nil(ran)
  end)

  for _, method in ipairs { "prep", "exec", "process_after_fail", "post" } do
    it("is atomic in " .. method, function()
      local node = atomic(function() if method == "process_after_fail" then error "x" end end)
      node[method] = function() neap.sleep(0) end
      assert.equal("atomic", failure(node.run, node, {}).code)
    end)
  end

  it("leaves the nodes behind it alone", function()
    local a, b = atomic(function() end), Node { exec = function() neap.sleep(0) end }
    assert.equal("default", Flow { start = a, a >> b }:run {})
  end)

  it("may catch that error and go on, as any", function()
    local caught
    local node = atomic(function() caught = failure(neap.sleep, 0) end)
    local after = Node { exec = function() neap.sleep(0) end }
    Flow { start = node, node >> after }:run {}
    assert.equal("atomic", caught.code)
  end)

  it("with 'wait' or 'timeout' is refused", function()
    for _, option in ipairs { "wait", "timeout" } do
      local node = atomic()
      node[option] = 1
      local err = failure(function() Flow { start = node }:run {} end)
      assert.equal("atomic", err.code)
      assert.matches("Ledger is atomic, so it cannot have 'wait' or 'timeout'", tostring(err), 1,
        true)
    end
  end)
end)

describe("self", function()
  it("reads through to the node", function()
    local seen
    local node = Node { model = "tide-1", exec = function(self) seen = self.model end }
    node:run {}
    assert.equal("tide-1", seen)
  end)

  it("keeps what prep writes for exec and post", function()
    local seen = {}
    Node {
      prep = function(self) self.mine = "written" end,
      exec = function(self) seen.exec = self.mine end,
      post = function(self) seen.post = self.mine end,
    }:run {}
    assert.same({ exec = "written", post = "written" }, seen)
  end)

  it("loses what was written on it when the visit ends", function()
    local seen, count = {}, 0
    local node = Node()
    function node:prep()
      count = count + 1
      seen[count] = self.mine or "nothing"
      self.mine = "written"
    end
    function node.post() return count < 3 and "again" or "done" end
    Flow { start = node, node - "again" >> node, node - "done" >> neap.END }:run {}
    assert.same({ "nothing", "nothing", "nothing" }, seen)
    assert.is_nil(node.mine)
  end)

  it("is never shared by two runs of one node", function()
    local node = Node()
    function node:prep(shared) self.mine = shared.name end
    function node:exec() neap.sleep(0.001) end
    function node:post(shared) shared.seen = self.mine end
    local a, b = { name = "a" }, { name = "b" }
    neap.gather { function() node:run(a) end, function() node:run(b) end }
    assert.equal("a", a.seen)
    assert.equal("b", b.seen)
  end)

  it("has cur_retry and params of its own visit", function()
    local node = Node { max_retries = 2 }
    local seen = {}
    function node:exec()
      seen[#seen + 1] = self.cur_retry
      if self.cur_retry == 0 then error "again" end
    end
    node:run {}
    node:run {}
    assert.same({ 0, 1, 0, 1 }, seen)
    assert.equal(0, node.cur_retry)
  end)
end)

describe("classes", function()
  it("may be extended again, and their nodes read through all of them", function()
    local A = Node:extend { name = "A", x = 1, y = 1 }
    local B = A:extend { name = "B", y = 2 }
    local node = B { z = 3 }
    assert.same({ "B", 1, 2, 3 }, { node.name, node.x, node.y, node.z })
  end)

  it("give their nodes their name", function()
    assert.equal("neap node: Summarize", tostring(Node:extend { name = "Summarize" } ()))
    assert.equal("neap class: Summarize", tostring(Node:extend { name = "Summarize" }))
  end)

  it("cannot be run: the error says how to make a node", function()
    local Greet = Node:extend { name = "Greet" }
    assert.matches("run: Greet is a class; make a node of it first: Greet()",
      failure(Greet.run, Greet, {}), 1, true)
  end)

  it("cannot be extended from a node", function()
    assert.matches("extend is called on a class", failure(function() Node():extend {} end), 1, true)
  end)

  it("use a name that is set later in messages", function()
    local node = Node()
    node.name = "Renamed"
    assert.matches("^%S+ Renamed: bad option 'wait' %(", failure(function() node.wait = "long" end))
  end)
end)

describe("an option", function()
  -- What Node says of these options.
  local function refusal(options, kind)
    return failure(neap[kind or "Node"], options)
  end

  local misspelt = {
    max_retrys = { 3, "max_retries" }, max_retires = { 3, "max_retries" },
    max_retrie = { 3, "max_retries" }, waitt = { 1, "wait" }, timeot = { 1, "timeout" },
    pre = { print, "prep" }, exce = { print, "exec" }, psot = { print, "post" },
    nam = { "x", "name" }, parms = { {}, "params" }, atomc = { true, "atomic" },
  }
  for name, case in pairs(misspelt) do
    it(("one edit away from a known one (%s) is refused with it"):format(name), function()
      assert.matches(("unknown option '%s'; did you mean '%s'?"):format(name, case[2]),
        refusal { [name] = case[1] }, 1, true)
    end)
  end

  local foreign = {
    max_retry = "max_retries", retries = "max_retries", execute = "exec",
    exec_async = "exec", prep_async = "prep", post_async = "post",
    exec_fallback = "process_after_fail",
  }
  for name, meant in pairs(foreign) do
    it(("that other libraries name %s is refused with the name meant"):format(name), function()
      assert.matches(("unknown option '%s'; did you mean '%s'?"):format(name, meant),
        refusal { [name] = function() end }, 1, true)
    end)
  end

  it("is refused in extend as well, and for methods added later", function()
    assert.matches("did you mean 'max_retries'?",
      failure(function() Node:extend { max_retrys = 2 } end), 1, true)
    local Class = Node:extend {}
    assert.matches("did you mean 'exec'?",
      failure(function() function Class:exec_async() end end), 1, true)
    local node = Class()
    assert.matches("did you mean 'process_after_fail'?",
      failure(function() function node:exec_fallback() end end), 1, true)
  end)

  it("is refused where it is written", function()
    for _, make in ipairs {
      function() Node { max_retrys = 2 } end,
      function() Node:extend { max_retrys = 2 } end,
      function() local node = Node() node.max_retrys = 2 end,
    } do
      assert.matches("^[^:]*node_spec%.lua:%d+: ", failure(make))
    end
  end)

  it("under any other name is a field of one's own", function()
    local node = Node { prompt = "x", port = 80, posts = {}, model = "m", stat = {}, limit = 3 }
    assert.same({ "x", 80, "m", 3 }, { node.prompt, node.port, node.model, node.limit })
    node.temperature = 0.2
    assert.equal(0.2, node.temperature)
  end)

  it("that ports of this family use for fields of their own is one", function()
    for name, value in pairs { delay = 3, parallel = 4 } do
      for _, class in ipairs { Node, neap.BatchNode, neap.Flow, neap.BatchFlow } do
        assert.equal(value, class({ [name] = value })[name])
        assert.equal(value, class:extend({ [name] = value })()[name])
      end
    end
    local seen
    Node { delay = 3, exec = function(self) seen = self.delay end }:run()
    assert.equal(3, seen)
  end)

  local wrong = {
    max_retries = { 0, -1, 1.5, "3", 0x100000000 }, wait = { -1, "1", 0 / 0 },
    backoff = { 0, -2, "2" }, max_wait = { 0, -1, 0 / 0 },
    max_retry_after = { 0, -1, "an hour" }, jitter = { -0.1, 1.1, "x" },
    timeout = { 0, -1, 0 / 0, "1" }, name = { 1, {} }, params = { 1, "x" },
    prep = { 1, {} }, exec = { "x" }, process_after_fail = { true }, post = { {} },
    atomic = { 1, "yes" },
  }
  for name, values in pairs(wrong) do
    it(("with a value out of its range is refused: %s"):format(name), function()
      for _, value in ipairs(values) do
        assert.matches(("bad option '%s' ("):format(name), refusal { [name] = value }, 1, true)
      end
    end)
  end

  it("of another kind of node is refused", function()
    assert.matches("'concurrency' cannot be set: it is an option of BatchNode, BatchFlow and "
      .. "Parallel", refusal { concurrency = 2 }, 1, true)
    assert.matches("'strict' cannot be set: it is an option of Flow and BatchFlow",
      refusal { strict = true }, 1, true)
    assert.matches("'exec' cannot be set: its exec is the walk from its start",
      refusal({ exec = print }, "Flow"), 1, true)
    assert.matches("'atomic' cannot be set", refusal({ atomic = true }, "Flow"), 1, true)
  end)

  it("that is neap's own is no field", function()
    for _, name in ipairs { "cur_retry", "to", "run", "extend" } do
      assert.matches(("'%s' cannot be a field"):format(name), refusal { [name] = 1 }, 1, true)
    end
  end)

  it("has a name", function()
    assert.matches("options are named; got a number without a name", refusal { 3 }, 1, true)
    assert.matches("a table of options expected, got string", refusal "x", 1, true)
    assert.matches("a table of options expected, got a node", refusal(Node()), 1, true)
  end)
end)
