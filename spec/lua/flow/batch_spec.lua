-- Batches: many items through one exec, many params through one flow.
-- SPDX-License-Identifier: MIT
--
-- Long, because the two kinds promise the same and are tried side by side.
local failure = require("spec.helper").failure
local neap = require "neap"
local core = require "neap.core"
local Node, Flow, BatchNode, BatchFlow = neap.Node, neap.Flow, neap.BatchNode, neap.BatchFlow

local function give(value) return function() return value end end

-- Runs a BatchNode of these options; returns what its post got.
local function results(options)
  local got
  options.post = function(_, _, _, r) got = r end
  BatchNode(options):run {}
  return got
end

-- Counts who is inside at once.
local function meter()
  local m = { now = 0, most = 0 }
  function m.visit(seconds)
    m.now = m.now + 1
    m.most = math.max(m.most, m.now)
    local _ <close> = setmetatable({}, { __close = function() m.now = m.now - 1 end })
    neap.sleep(seconds or 0.002)
  end
  return m
end

-- An iterator function over 1 to n.
local function count_to(n)
  local i = 0
  return function()
    i = i + 1
    return i <= n and i or nil
  end
end

describe("prep of a BatchNode", function()
  local function double(_, _, item) return item * 2 end

  it("returns a list", function()
    assert.same({ 2, 4, 6, n = 3 }, results { prep = give { 1, 2, 3 }, exec = double })
  end)

  it("returns a list with n, which may have holes", function()
    assert.same({ "1", "nil", "3", "nil", n = 4 }, results {
      prep = give { 1, nil, 3, n = 4 },
      exec = function(_, _, item) return tostring(item) end,
    })
  end)

  it("returns nil for none", function()
    assert.same({ n = 0 }, results { prep = give(nil), exec = error })
    assert.same({ n = 0 }, results { exec = error })
  end)

  it("returns an empty list for none", function()
    assert.same({ n = 0 }, results { prep = give {}, exec = error })
    assert.same({ n = 0 }, results { prep = give { 1, n = 0 }, exec = error })
  end)

  it("returns an iterator function", function()
    assert.same({ 2, 4, 6, n = 3 }, results { prep = give(count_to(3)), exec = double })
    assert.same({ n = 0 }, results { prep = give(count_to(0)), exec = double })
  end)

  it("returns a user's coroutine as an iterator", function()
    assert.same({ 2, 4, n = 2 }, results {
      prep = function()
        return coroutine.wrap(function()
          neap.sleep(0.001)
          coroutine.yield(1)
          neap.sleep(0.001)
          coroutine.yield(2)
        end)
      end,
      exec = double,
    })
  end)

  it("returns something that stands for a list by its metamethods", function()
    local list = setmetatable({}, { __len = function() return 2 end,
      __index = function(_, i) return math.type(i) == "integer" and 10 * i or nil end })
    assert.same({ 20, 40, n = 2 }, results { prep = give(list), exec = double })
  end)

  local function same(_, _, item) return item end

  for _, concurrency in ipairs { 1, 3 } do
    local function given(...)
      local values = table.pack(...)
      return results { concurrency = concurrency, max_retries = 2, exec = same,
        prep = function() return table.unpack(values, 1, values.n) end }
    end

    it(("returns what ipairs and pairs give, whose values are the items, %d at once")
      :format(concurrency), function()
      assert.same({ "a", "b", n = 2 }, given(ipairs { "a", "b" }))
      assert.same({ 7, n = 1 }, given(pairs { seven = 7 }))
      assert.same({ "a", n = 1 }, given(next, { "a" }))
      assert.same({ false, n = 1 }, given(ipairs { false }))
      assert.same({ n = 0 }, given(ipairs {}))
    end)

    it(("returns an iterator in three values that gives one at a time, and waits, %d at once")
      :format(concurrency), function()
      local function up_to(limit, i)
        neap.sleep(0.001)
        if i < limit then return i + 1 end
      end
      assert.same({ 1, 2, 3, n = 3 }, given(up_to, 3, 0))
      local callable = setmetatable({}, { __call = function(_, ...) return up_to(...) end })
      assert.same({ 2, 3, n = 2 }, given(callable, 3, 1))
      assert.same({ "x", "y", n = 2 }, given(("x y"):gmatch "%a"))
    end)

    it(("fails with what such an iterator raises, %d at once"):format(concurrency), function()
      local ok, err = pcall(given, function() error("torn", 0) end, 1, 2)
      assert.same({ false, "torn", "prep" }, { ok, err.cause, err.phase })
    end)
  end

  it("returns a list, whatever else it returns", function()
    assert.same({ 1, 2, n = 2 }, results { exec = same,
      prep = function() return { 1, 2 }, "and", "more" end })
  end)

  for _, value in ipairs { 3, "list", true } do
    it(("returning a %s is an error that names the node"):format(type(value)), function()
      local node = BatchNode { name = "Chunks", prep = give(value) }
      local err = failure(node.run, node, {})
      assert.same({ "batch", "Chunks", "prep" }, { err.code, err.node, err.phase })
      assert.matches(("prep of the batch Chunks gave a %s; expected a list"):format(type(value)),
        err.message, 1, true)
    end)
  end

  it("returning nonsense can be forgiven by the flow around it, not by the batch", function()
    local batch = BatchNode { prep = give(3),
      process_after_fail = function() error "not asked" end }
    assert.equal("forgiven", Flow { start = batch,
      process_after_fail = function(_, _, _, err)
        assert(err.code == "batch")
        return "forgiven"
      end }:run {})
  end)

  it("returning a list whose metamethods raise fails the batch with that", function()
    for _, meta in ipairs {
      { __len = function() error("no length", 0) end },
      { __len = give(2), __index = function() error("no length", 0) end },
      { __len = give(2), __index = function(_, i) if i ~= "n" then error("no length", 0) end end },
    } do
      local node = BatchNode { prep = function() return setmetatable({}, meta) end, exec = print }
      assert.equal("no length", failure(node.run, node, {}).cause)
      assert.equal("no length", Flow { start = node,
        process_after_fail = function(_, _, _, err) return err end }:run {})
    end
  end)
end)

describe("an iterator", function()
  it("may wait", function()
    local next_number = count_to(3)
    assert.same({ 1, 2, 3, n = 3 }, results {
      concurrency = 2,
      prep = give(function() neap.sleep(0.001) return next_number() end),
      exec = function(_, _, item) return item end,
    })
  end)

  it("is asked by one at a time, though it waits", function()
    local m, next_number = meter(), count_to(8)
    results { concurrency = 4, prep = give(function() m.visit() return next_number() end),
      exec = function() end }
    assert.equal(1, m.most)
  end)

  it("is never read further ahead than concurrency", function()
    local read, done, ahead = 0, 0, 0
    local next_number = count_to(20)
    results { concurrency = 3,
      prep = give(function()
        read = read + 1
        ahead = math.max(ahead, read - done)
        return next_number()
      end),
      exec = function() neap.sleep(0.001) done = done + 1 end }
    assert.equal(3, ahead)
  end)

  it("is not asked again once it has given nil", function()
    local calls = 0
    results { concurrency = 4, exec = function() neap.sleep(0.001) end,
      prep = give(function() calls = calls + 1 return calls <= 2 and calls or nil end) }
    assert.equal(3, calls)
  end)

  it("may give false as an item", function()
    local left = { false, false }
    assert.same({ false, false, n = 2 }, results {
      prep = give(function() return table.remove(left) end),
      exec = function(_, _, item) return item end })
  end)

  for _, concurrency in ipairs { 1, 3 } do
    it(("that raises fails the batch, %d at once"):format(concurrency), function()
      local next_number = count_to(4)
      local node = BatchNode { name = "Chunks", concurrency = concurrency,
        exec = function() neap.sleep(0) end,
        prep = give(function() return next_number() or error("torn", 0) end) }
      local err = failure(node.run, node, {})
      assert.same({ "torn", "Chunks", "prep" }, { err.cause, err.node, err.phase })
      next_number = count_to(4)
      assert.equal("torn", Flow { start = node,
        process_after_fail = function(_, _, _, e) return e end }:run {})
    end)
  end

  it("that raises while collecting fails the batch, for it can give no more", function()
    local node = BatchNode { on_error = "collect", prep = give(function() error("torn", 0) end) }
    assert.equal("torn", failure(node.run, node, {}).cause)
  end)
end)

describe("exec of a BatchNode", function()
  it("runs per item, in order, one at a time by default", function()
    local m, order = meter(), {}
    results { prep = give { 1, 2, 3 }, exec = function(_, _, item)
      order[#order + 1] = item
      m.visit()
    end }
    assert.same({ { 1, 2, 3 }, 1 }, { order, m.most })
  end)

  it("gets self, shared and the item", function()
    local seen
    local shared = {}
    BatchNode { prep = give { "item" },
      exec = function(...) seen = table.pack(...) end }:run(shared)
    assert.same({ 3, "item" }, { seen.n, seen[3] })
    assert.equal(shared, seen[2])
  end)

  it("is retried per item", function()
    local tries = {}
    assert.same({ 1, 2, 3, n = 3 }, results { prep = give { 1, 2, 3 }, max_retries = 3,
      exec = function(self, _, item)
        tries[#tries + 1] = item .. ":" .. self.cur_retry
        if self.cur_retry + 1 < item then error "again" end
        return item
      end })
    assert.same({ "1:0", "2:0", "2:1", "3:0", "3:1", "3:2" }, tries)
  end)

  it("is given its fallback per item", function()
    assert.same({ 1, "fallback for 2: no", 3, n = 3 }, results { prep = give { 1, 2, 3 },
      exec = function(_, _, item)
        if item == 2 then error("no", 0) end
        return item
      end,
      process_after_fail = function(_, _, item, err)
        return ("fallback for %d: %s"):format(item, err)
      end })
  end)

  it("has its time limit per item", function()
    assert.same({ 1, "timeout", 3, n = 3 }, results { prep = give { 1, 2, 3 }, timeout = 0.1,
      concurrency = 3,
      exec = function(_, _, item)
        if item == 2 then neap.sleep(10) end
        return item
      end,
      process_after_fail = function(_, _, _, err) return err.code end })
  end)

  it("is optional: the results are nil then", function()
    assert.same({ n = 2 }, results { prep = give { 1, 2 } })
  end)
end)

describe("the self of an item", function()
  it("is its own, and reads through to what prep wrote", function()
    local seen, leaked = {}, nil
    BatchNode { concurrency = 2,
      prep = function(self) self.common = "from prep" return { 1, 2 } end,
      exec = function(self, _, item)
        self.mine = item
        neap.sleep(0.001)
        seen[item] = { self.mine, self.common }
      end,
      post = function(self) leaked = self.mine end }:run {}
    assert.same({ { 1, "from prep" }, { 2, "from prep" } }, seen)
    assert.is_nil(leaked)
  end)
end)

describe("post of a BatchNode", function()
  it("gets the results in input order, whichever ended first", function()
    assert.same({ 30, 20, 10, n = 3 }, results { prep = give { 30, 20, 10 }, concurrency = 3,
      exec = function(_, _, ms) neap.sleep(ms / 1000) return ms end })
  end)

  it("gets results.n, and nil results keep their place", function()
    local got = results { prep = give { 1, 2, 3, 4 }, exec = function(_, _, i)
      if i % 2 == 1 then return i end
    end }
    assert.same({ 1, nil, 3, nil, n = 4 }, got)
    assert.equal(4, got.n)
  end)

  it("gets the list as prep_res", function()
    local list, seen = { 1 }, nil
    BatchNode { prep = give(list), post = function(_, _, prep_res) seen = prep_res end }:run {}
    assert.equal(list, seen)
  end)

  it("says the action", function()
    assert.equal("done", BatchNode { post = give "done" }:run {})
  end)
end)

describe("concurrency", function()
  it("is how many items run at once", function()
    for _, n in ipairs { 2, 3, 8 } do
      local m = meter()
      results { prep = give { 1, 2, 3, 4, 5, 6 }, concurrency = n, exec = function() m.visit() end }
      assert.equal(math.min(n, 6), m.most)
    end
  end)

  it("below 1, or no integer, is refused", function()
    for _, n in ipairs { 0, -1, 1.5 } do
      assert.matches("bad option 'concurrency' (", failure(BatchNode, { concurrency = n }), 1, true)
    end
  end)

  it("without a bound starts no more than one worker beyond the items of an iterator", function()
    local next_number, most = count_to(5), 0
    local before = core.live().tasks
    local got = results { concurrency = 0xffffffff,
      prep = give(next_number),
      exec = function(_, _, i)
        most = math.max(most, core.live().tasks - before)
        neap.sleep(0.002)
        return i
      end }
    assert.same({ 1, 2, 3, 4, 5, n = 5 }, got)
    assert.is_true(most <= 1 + 5 + 1, ("%d tasks"):format(most))
  end)

  it("without a bound starts a second worker only for items that never wait", function()
    local next_number, most = count_to(1000), 0
    local before = core.live().tasks
    results { concurrency = 1000, prep = give(next_number),
      exec = function() most = math.max(most, core.live().tasks - before) end }
    assert.equal(1 + 2, most)
  end)

  it("is reached with an iterator that waits, one item after the other", function()
    local m, next_number = meter(), count_to(12)
    results { concurrency = 4,
      prep = give(function() neap.sleep(0) return next_number() end),
      exec = function() m.visit(0.01) end }
    assert.equal(4, m.most)
  end)

  it("starts none that would go on after a failure, though an iterator swallows it", function()
    local calls = 0
    local node = BatchNode { name = "Chunks", concurrency = 100,
      prep = give(function()
        calls = calls + 1
        if calls > 1 then pcall(neap.sleep, 10) end -- which is cancelled
        return calls
      end),
      exec = function(_, _, i)
        neap.sleep(0.001)
        error("item " .. i, 0)
      end }
    assert.equal("item 1", failure(node.run, node, {}).cause)
    assert.equal(2, calls)
  end)

  it("is not used up by items that never wait", function()
    assert.equal(1000, results { prep = give(count_to(1000)), concurrency = 10,
      exec = function() end }.n)
  end)
end)

describe("on_error = \"stop\", the default,", function()
  it("raises what the item raised, with its place", function()
    local node = BatchNode { name = "Chunks", prep = give { 1, 2, 3 },
      exec = function(_, _, i) if i == 2 then error("second", 0) end end }
    local err = failure(node.run, node, {})
    assert.same({ "second", "Chunks[2]", "exec" }, { err.cause, err.node, err.phase })
  end)

  it("starts no further item", function()
    local started = {}
    local node = BatchNode { prep = give { 1, 2, 3 }, exec = function(_, _, i)
      started[#started + 1] = i
      if i == 2 then error "second" end
    end }
    failure(node.run, node, {})
    assert.same({ 1, 2 }, started)
  end)

  it("cancels the siblings, waits until they have unwound, and raises then", function()
    local log = {}
    local node = BatchNode { concurrency = 3, prep = give { 1, 2, 3, 4 }, exec = function(_, _, i)
      local _ <close> = setmetatable({}, { __close = function(_, err)
        log[#log + 1] = ("%d unwound: %s"):format(i, type(err) == "table" and err.code or err)
      end })
      neap.sleep(i == 2 and 0.005 or 10)
      error("second", 0)
    end }
    local err = failure(node.run, node, {})
    log[#log + 1] = err.cause
    assert.same({ "2 unwound: second", "1 unwound: cancelled", "3 unwound: cancelled", "second" },
      log)
  end)

  it("raises the first error, not those of siblings that unwind", function()
    local node = BatchNode { concurrency = 2, prep = give { 1, 2 }, exec = function(_, _, i)
      if i == 1 then neap.sleep(0.001) error("first", 0) end
      local _ <close> = setmetatable({}, { __close = function() error "while unwinding" end })
      neap.sleep(10)
    end }
    assert.equal("first", failure(node.run, node, {}).cause)
  end)

  it("lets the flow around it retry or forgive the whole batch", function()
    local calls = 0
    local batch = BatchNode { concurrency = 2, prep = give { 1, 2, 3 }, exec = function()
      calls = calls + 1
      neap.sleep(0)
      if calls == 2 then error "once" end
    end }
    assert.equal("default", Flow { start = batch, max_retries = 2 }:run {})
    assert.equal("forgiven", Flow { start = BatchNode { prep = give { 1 }, exec = error },
      process_after_fail = give "forgiven" }:run {})
  end)

  it("is spelt so, or \"collect\"", function()
    assert.matches("bad option 'on_error' (\"stop\" or \"collect\" expected, got \"go\")",
      failure(BatchNode, { on_error = "go" }), 1, true)
  end)
end)

describe("on_error = \"collect\"", function()
  for _, concurrency in ipairs { 1, 3 } do
    local name = "goes on; results.errors[i] has what entry i raised, %d at once"
    it(name:format(concurrency), function()
      local cause = {}
      local got = results { on_error = "collect", concurrency = concurrency,
        prep = give { 1, 2, 3, 4 },
        exec = function(_, _, i)
          neap.sleep(0)
          if i % 2 == 0 then error(i == 2 and cause or "four", 0) end
          return i
        end }
      assert.same({ 1, nil, 3, nil, n = 4, errors = { [2] = {}, [4] = "four" } }, got)
      assert.equal(cause, got.errors[2])
    end)
  end

  it("has an empty results.errors where nothing failed", function()
    assert.same({ 1, n = 1, errors = {} }, results { on_error = "collect", prep = give { 1 },
      exec = function() return 1 end })
  end)

  it("collects only what retries and the fallback could not mend", function()
    local got = results { on_error = "collect", max_retries = 2, prep = give { 1, 2 },
      exec = function(self, _, i) if self.cur_retry < i then error("no", 0) end return i end }
    assert.same({ 1, nil, n = 2, errors = { [2] = "no" } }, got)
  end)

  it("collects an entry whose spawned task failed unheard", function()
    local got = results { on_error = "collect", prep = give { 1, 2 },
      exec = function(_, _, i)
        if i == 1 then neap.spawn(error, "lost") neap.sleep(0) end
        return i
      end }
    assert.same({ nil, 2, n = 2, errors = { "lost" } }, got)
  end)

  it("does not collect max_steps", function()
    local node = BatchNode { on_error = "collect", prep = give { 1, 2, 3 } }
    assert.equal("max_steps", failure(node.run, node, {}, { max_steps = 3 }).code)
  end)

  it("does not collect a cancellation", function()
    local node = BatchNode { on_error = "collect", prep = give { 1, 2, 3 },
      exec = function() neap.sleep(10) end }
    assert.equal("timeout", failure(node.run, node, {}, { timeout = 0.01 }).code)
  end)
end)

describe("what an item has spawned", function()
  it("ends with the item", function()
    local log = {}
    results { prep = give { 1, 2 }, exec = function(_, _, i)
      log[#log + 1] = "item " .. i
      neap.spawn(function()
        local _ <close> = setmetatable({}, { __close = function()
          log[#log + 1] = "unwound " .. i
        end })
        neap.sleep(10)
      end)
      neap.sleep(0)
    end }
    assert.same({ "item 1", "unwound 1", "item 2", "unwound 2" }, log)
  end)

  it("and failed unheard fails the item", function()
    local node = BatchNode { prep = give { 1 }, exec = function()
      neap.spawn(error, "lost")
      neap.sleep(0)
    end }
    assert.equal("lost", failure(node.run, node, {}).cause)
  end)
end)

describe("a BatchFlow", function()
  it("takes the values of pairs and ipairs as its entries", function()
    local word = Node { post = function(self, shared)
      shared[#shared + 1] = self.params.word
    end }
    local shared = {}
    BatchFlow { start = word, prep = function()
      return ipairs { { word = "ebb" }, { word = "flow" } }
    end }:run(shared)
    BatchFlow { start = word, prep = function() return pairs { x = { word = "neap" } } end }
      :run(shared)
    assert.same({ "ebb", "flow", "neap" }, shared)
  end)

  -- A node that notes its params.i in shared.
  local function note(seconds)
    return Node { name = "note",
      exec = function() if seconds then neap.sleep(seconds) end end,
      post = function(self, shared) shared[#shared + 1] = self.params.i end }
  end

  local function entries(n)
    local list = {}
    for i = 1, n do list[i] = { i = i } end
    return list
  end

  it("runs its flow once per entry of a list, with its params", function()
    local shared = {}
    BatchFlow { start = note(), prep = give(entries(3)) }:run(shared)
    assert.same({ 1, 2, 3 }, shared)
  end)

  it("runs its flow once per entry of an iterator", function()
    local shared, next_number = {}, count_to(3)
    BatchFlow { start = note(), prep = give(function()
      local i = next_number()
      return i and { i = i }
    end) }:run(shared)
    assert.same({ 1, 2, 3 }, shared)
  end)

  it("runs them in sequence by default", function()
    local m = meter()
    BatchFlow { start = Node { exec = function() m.visit() end }, prep = give(entries(3)) }:run {}
    assert.equal(1, m.most)
  end)

  it("runs concurrency = n at once", function()
    local m = meter()
    BatchFlow { start = Node { exec = function() m.visit() end }, prep = give(entries(7)),
      concurrency = 3 }:run {}
    assert.equal(3, m.most)
  end)

  it("gives post n, failed and errors, and no more", function()
    local got
    BatchFlow { start = note(), prep = give(entries(3)),
      post = function(_, _, _, r) got = r end }:run {}
    assert.same({ n = 3, failed = 0, errors = {} }, got)
  end)

  it("ends with \"default\" where post says nothing", function()
    assert.equal("default", BatchFlow { start = note(), prep = give(entries(2)) }:run {})
  end)

  it("counts and keeps what failed where it collects", function()
    local got
    local node = Node { exec = function(self)
      if self.params.i ~= 2 then error("no " .. self.params.i, 0) end
    end }
    for _, concurrency in ipairs { 1, 2 } do
      BatchFlow { start = node, prep = give(entries(3)), on_error = "collect",
        concurrency = concurrency,
        post = function(_, _, _, r) got = r end }:run {}
      assert.same({ n = 3, failed = 2, errors = { "no 1", [3] = "no 3" } }, got)
    end
  end)

  it("retries and forgives per entry", function()
    local tries = {}
    local node = Node { exec = function(self)
      tries[#tries + 1] = self.params.i
      if self.params.i == 2 then error "no" end
    end }
    local failed = {}
    BatchFlow { start = node, prep = give(entries(3)), max_retries = 2,
      process_after_fail = function(_, _, entry) failed[#failed + 1] = entry.i end }:run {}
    assert.same({ { 1, 2, 2, 3 }, { 2 } }, { tries, failed })
  end)

  it("names the entry in the path of an error", function()
    local node = Node { name = "Broken", exec = function(self)
      if self.params.i == 2 then error("no", 0) end
    end }
    for _, concurrency in ipairs { 1, 2 } do
      local batch = BatchFlow { name = "all", start = Flow { name = "one", start = node },
        prep = give(entries(2)), concurrency = concurrency }
      assert.equal("all[2] > one > Broken", failure(batch.run, batch, {}).node)
    end
  end)

  it("takes tables of params as entries, nothing else", function()
    local batch = BatchFlow { name = "all", start = note(), prep = give { {}, 7 } }
    local err = failure(batch.run, batch, {})
    assert.equal("params", err.code)
    assert.matches("entry 2 of all is a number; prep of a BatchFlow gives tables of params",
      err.message, 1, true)
  end)

  it("collects an entry that is no table of params, which nothing tries or forgives", function()
    local iterator = function()
      local list, i = { { i = 1 }, 7, { i = 3 }, "x" }, 0
      return function() i = i + 1 return list[i] end
    end
    for _, concurrency in ipairs { 1, 3 } do
      for _, prep in ipairs { give { { i = 1 }, 7, { i = 3 }, "x" }, iterator } do
        local got, shared, kinds, tries = nil, {}, {}, 0
        BatchFlow { name = "all", start = note(0), prep = prep, on_error = "collect",
          concurrency = concurrency, max_retries = 3,
          process_after_fail = function() tries = tries + 1 end,
          post = function(_, _, _, r) got = r end,
        }:run(shared, { on_event = function(event)
          local which = event.index and event.index .. tostring(event.ok) or ""
          kinds[event.kind .. which] = (kinds[event.kind .. which] or 0) + 1
        end })
        table.sort(shared)
        assert.same({ { 1, 3 }, 0, 4, 2 }, { shared, tries, got.n, got.failed })
        assert.same({ "params", "entry 2 of all is a number; prep of a BatchFlow gives tables of "
          .. "params" }, { got.errors[2].code, got.errors[2].message })
        assert.equal("params", got.errors[4].code)
        assert.same({ nil, nil }, { got.errors[1], got.errors[3] })
        assert.same({ 1, 1, 1, nil }, { kinds.item_start2nil, kinds.item_end2false,
          kinds.item_end3true, kinds.retry })
      end
    end
  end)

  it("counts an entry that is no table of params for max_steps", function()
    local batch = BatchFlow { start = note(), prep = give { 1, 2, 3 }, on_error = "collect" }
    assert.equal("default", batch:run({}, { max_steps = 4 }))
    assert.equal("max_steps", failure(batch.run, batch, {}, { max_steps = 3 }).code)
  end)

  it("may be empty", function()
    local got
    BatchFlow { start = note(), post = function(_, _, _, r) got = r end }:run {}
    assert.same({ n = 0, failed = 0, errors = {} }, got)
  end)

  it("may be nested, several at once at both levels", function()
    local m, shared = meter(), {}
    local inner = BatchFlow { start = Node { exec = function() m.visit() end,
      post = function(self, s) s[self.params.i .. self.params.j] = true end },
      concurrency = 2, prep = give { { j = "a" }, { j = "b" }, { j = "c" } } }
    BatchFlow { start = inner, concurrency = 2, prep = give(entries(3)) }:run(shared)
    assert.equal(4, m.most)
    for i = 1, 3 do
      for _, j in ipairs { "a", "b", "c" } do assert.is_true(shared[i .. j]) end
    end
  end)

  for _, concurrency in ipairs { 1, 8 } do
    it(("takes constant memory for 100,000 entries, %d at once"):format(concurrency), function()
      local i, least, most = 0, math.huge, 0
      local function next_entry()
        i = i + 1
        if i % 10000 == 0 then
          collectgarbage() -- finalizers free what the second one finds
          collectgarbage()
          local size = collectgarbage "count"
          least, most = math.min(least, size), math.max(most, size)
        end
        return i <= 100000 and { i = i } or nil
      end
      local got
      BatchFlow { start = Node {}, concurrency = concurrency, prep = give(next_entry),
        post = function(_, _, _, r) got = r end }:run {}
      assert.equal(100000, got.n)
      assert.is_true(most - least < 16, ("%.0f KB grew to %.0f KB"):format(least, most))
    end)
  end
end)

describe("prep of a batch that returns what can be called", function()
  it("gives an iterator, too", function()
    local n, got = 0, {}
    local iterator = setmetatable({}, { __call = function()
      n = n + 1
      return n <= 3 and n or nil
    end })
    neap.BatchNode { prep = function() return iterator end,
      exec = function(_, _, item) got[#got + 1] = item end }:run()
    assert.same({ 1, 2, 3 }, got)
  end)
end)
