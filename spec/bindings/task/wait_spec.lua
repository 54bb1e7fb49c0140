-- Waiting: where it works, where Lua cannot suspend, and what is said then.
-- SPDX-License-Identifier: MIT
local memory = require "lua_memory"
local neap = require "neap"
local core = require "neap.core"
local helper = require "spec.helper"
local failure = helper.failure

-- A deadlock ends the script in the executable, where this is a task.
local it_in_script = require("neap.core").in_task() and pending or it

-- Runs f in a task while another one runs, and checks that f did let it.
local function in_task(f)
  local others = 0
  local other = neap.spawn(function()
    while true do
      neap.sleep(0)
      others = others + 1
    end
  end)
  local task = neap.spawn(f)
  local results = table.pack(pcall(task.await, task))
  other:cancel()
  pcall(other.await, other)
  assert(results[1], results[2])
  assert.is_true(others > 0)
  return table.unpack(results, 2, results.n)
end

local function wait()
  neap.sleep(0)
  neap.sleep(0)
  return "waited"
end

describe("neap.sleep", function()
  it("is never early", function()
    for _, seconds in ipairs { 0, 0.0005, 0.001, 0.0105 } do
      local before = neap.now()
      neap.sleep(seconds)
      assert.is_true(neap.now() - before >= seconds)
    end
  end)

  it("wakes in the order of the times", function()
    local order, start = {}, neap.now()
    local function sleeper(seconds)
      return function()
        neap.sleep(start + seconds - neap.now())
        order[#order + 1] = seconds
      end
    end
    neap.gather { sleeper(0.6), sleeper(0.2), sleeper(0.4) }
    assert.same({ 0.2, 0.4, 0.6 }, order)
  end)

  it("takes seconds of 0 or more", function()
    for _, value in ipairs { -1, 0 / 0, "soon", {} } do
      assert.matches("bad argument #1", failure(neap.sleep, value), 1, true)
    end
    assert.matches("bad argument #1 to 'sleep' (number expected, got no value)",
      failure(function() neap.sleep() end), 1, true)
  end)

  it("for ever ends when it is cancelled", function()
    for _, seconds in ipairs { math.huge, 1e300, 2 ^ 63 } do
      local task = neap.spawn(neap.sleep, seconds)
      neap.sleep(0)
      task:cancel()
      assert.equal("cancelled", failure(task.await, task).code)
    end
  end)
end)

describe("neap.now", function()
  it("is in seconds and never goes back", function()
    local last = neap.now()
    assert.equal("float", math.type(last))
    for _ = 1, 1000 do
      local now = neap.now()
      assert.is_true(now >= last)
      last = now
    end
  end)
end)

describe("waiting works", function()
  it("in a task", function()
    assert.equal("waited", in_task(wait))
  end)

  it("in the main chunk", function()
    assert.equal("waited", wait())
  end)

  it("inside pcall, xpcall and error handlers' callers", function()
    assert.equal("waited", in_task(function()
      local ok, result = pcall(wait)
      local ok2, result2 = xpcall(wait, debug.traceback)
      assert(ok and ok2 and result == result2)
      local ok3, err = pcall(function() wait() error("after", 0) end)
      assert(not ok3 and err == "after")
      return result
    end))
  end)

  it("inside metamethods", function()
    local meta = { __name = "odd" }
    for _, name in ipairs { "__index", "__newindex", "__call", "__add", "__concat", "__len", "__eq",
      "__lt", "__le", "__unm", "__shr", "__close" } do
      meta[name] = wait
    end
    in_task(function()
      local a, b = setmetatable({}, meta), setmetatable({}, meta)
      assert(a.x == "waited")
      a.x = 1
      assert(a() == "waited" and a + 1 == "waited" and a .. "x" == "waited" and #a == "waited")
      assert(a == b and a < b and a <= b and -a == "waited" and a >> 1 == "waited")
      local _ <close> = a
    end)
  end)

  it("inside iterators of for", function()
    local function numbers(limit, i)
      wait()
      i = i + 1
      if i <= limit then return i end
    end
    assert.equal(6, in_task(function()
      local sum = 0
      for i in numbers, 3, 0 do sum = sum + i end
      return sum
    end))
  end)

  it("inside <close> when a block ends, well or not", function()
    local log = {}
    in_task(function()
      local function closing(name)
        return setmetatable({}, { __close = function() wait() log[#log + 1] = name end })
      end
      do local _ <close> = closing "block" end
      pcall(function() local _ <close> = closing "error" error "x" end)
      local function returning() local _ <close> = closing "return" return 1 end
      assert(returning() == 1)
      for _ in next, { 1 }, nil, closing "loop" do wait() end
    end)
    assert.same({ "block", "error", "return", "loop" }, log)
  end)

  it("inside dofile and a chunk of load", function()
    local path = helper.write(helper.tmpdir() .. "/chunk.lua", "require('neap').sleep(0) return 7")
    assert.equal(7, in_task(function() return dofile(path) end))
    assert.equal(8, in_task(load "require('neap').sleep(0) return 8"))
  end)

  it("deep inside Lua calls", function()
    local function deep(n)
      if n == 0 then return wait() end
      return (deep(n - 1))
    end
    assert.equal("waited", in_task(function() return deep(10000) end))
  end)
end)

describe("a finalizer deep inside Lua calls", function()
  -- Setting a hook takes Lua the longer the more functions have been called.
  local it_is_deep = helper.is_preempted and pending or it
  it_is_deep("is told at once that it cannot wait", function()
    local err
    local function deep(n)
      if n > 0 then return 1 + deep(n - 1) end
      setmetatable({}, { __gc = function() err = select(2, pcall(neap.sleep, 0)) end })
      memory.collect_every(1)
      for i = 1, 10 do local _ = { i } end
      memory.collect_every(0)
      return 0
    end
    local started = os.clock()
    assert.equal(100000, in_task(function() return deep(100000) end))
    assert.matches("cannot be suspended", err.message, 1, true)
    assert.is_true(os.clock() - started < 5)
  end)
end)

describe("where Lua cannot suspend, the error names what is in the way:", function()
  -- The message for sleep inside of what is called that.
  local function refusal(name)
    return ("sleep cannot wait here: it is called from %s, which cannot be suspended"):format(name)
  end

  -- What waiting inside raises; nothing may have been started.
  local function obstacle(f, ...)
    local args = table.pack(...)
    local before
    local task = neap.spawn(function()
      before = core.live().operations
      local ok, err = pcall(f, table.unpack(args, 1, args.n))
      assert(core.live().operations == before)
      assert(not ok, "it could be suspended")
      return err
    end)
    return task:await()
  end

  local function comparator() neap.sleep(1000) return false end

  local cases = {
    ["table.sort"] = function() table.sort({ 2, 1 }, comparator) end,
    ["string.gsub"] = function() return (("abc"):gsub("b", comparator)) end,
    ["load"] = function() error(select(2, load(comparator)), 0) end,
    ["tostring"] = function() tostring(setmetatable({}, { __tostring = comparator })) end,
    ["table.concat"] = function()
      table.concat(setmetatable({}, { __len = function() return 1 end, __index = comparator }))
    end,
    ["require"] = function()
      package.loaded.waits_inside, package.preload.waits_inside = nil, comparator
      require "waits_inside"
    end,
  }
  for name, f in pairs(cases) do
    it(name, function()
      local err = obstacle(f)
      if type(err) == "string" then return assert.matches("cannot be suspended", err, 1, true) end
      assert.equal("unyieldable", err.code)
      assert.equal(refusal(name), err.message)
    end)
  end

  it("table.sort, also through pcall and a coroutine of one's own", function()
    local function through(f) return function() local ok, err = pcall(f) error(ok or err, 0) end end
    for _, inner in ipairs { through(comparator), coroutine.wrap(comparator),
      function() error(select(2, coroutine.resume(coroutine.create(comparator))), 0) end,
      through(coroutine.wrap(through(comparator))) } do
      local err = obstacle(table.sort, { 1, 2 }, inner)
      assert.equal(refusal "table.sort", err.message)
    end
  end)

  it("await, gather, acquire and run say so as well", function()
    local pending = neap.spawn(neap.sleep, 1000)
    local semaphore = neap.semaphore(1)
    local guard = semaphore:acquire()
    local ran
    for what, f in pairs {
      ["a task"] = function() pending:await() end,
      ["gather"] = function() neap.gather { function() ran = true end } end,
      ["a semaphore"] = function() semaphore:acquire() end,
      ["a flow"] = function() neap.Node { exec = function() ran = true end }:run {} end,
      ["fs.read"] = function() neap.fs.read "/etc/hostname" end,
    } do
      local err = obstacle(table.sort, { 1, 2 }, f)
      assert.equal(refusal("table.sort"):gsub("^sleep", what), err.message)
    end
    pending:cancel()
    pcall(pending.await, pending)
    guard:release()
    assert.is_nil(ran)
  end)

  it("what need not wait is no error there", function()
    local semaphore = neap.semaphore(1)
    local done = neap.spawn(function() return 7 end)
    done:await()
    neap.spawn(function()
      table.sort({ 1, 2 }, function()
        assert(done:await() == 7)
        semaphore:acquire():release()
        neap.gather { done }
        return false
      end)
    end):await()
  end)

  it("the code around it may catch that and wait afterwards", function()
    assert.equal("waited", in_task(function()
      pcall(table.sort, { 1, 2 }, comparator)
      return wait()
    end))
  end)

  it_in_script("in the main chunk table.sort is in nobody's way: it drives the loop", function()
    local list = { 3, 1, 2 }
    table.sort(list, function(a, b) neap.sleep(0) return a < b end)
    assert.same({ 1, 2, 3 }, list)
  end)

  it("a finalizer cannot wait in a task", function()
    local err
    neap.spawn(function()
      setmetatable({}, { __gc = function() err = failure(neap.sleep, 0) end })
      collectgarbage()
      collectgarbage()
    end):await()
    assert.equal("unyieldable", err.code)
  end)
end)

describe("a deadlock", function()
  it_in_script("is told though time limits are still to ring", function()
    local semaphore = neap.semaphore(1)
    local guard = semaphore:acquire()
    local node = neap.Node { timeout = 1000, exec = function() semaphore:acquire() end }
    local before = neap.now()
    local err = failure(node.run, node, {}, { timeout = 1000 })
    assert.equal("deadlock", err.code)
    assert.matches("waits for a semaphore", err.message, 1, true)
    assert.is_true(neap.now() - before < 100)
    guard:release()
    neap.sleep(0.001)
  end)

  it_in_script("unwinds the run that was waited for", function()
    local semaphore = neap.semaphore(1)
    local guard = semaphore:acquire()
    local seen
    local node = neap.Node { exec = function()
      local _ <close> = setmetatable({}, { __close = function(_, err) seen = err end })
      semaphore:acquire()
    end }
    failure(node.run, node, {})
    assert.equal("cancelled", seen.code)
    guard:release()
  end)
end)

describe("neap.dump", function()
  it("tells who waits, for what, and where", function()
    local function here() neap.sleep(1000) end
    local task = neap.spawn(here)
    neap.sleep(0)
    local text = neap.dump()
    task:cancel()
    pcall(task.await, task)
    assert.matches("waits for sleep, since 0.0 s\nstack traceback:", text, 1, true)
    assert.matches("wait_spec.lua", text, 1, true)
    assert.not_matches("waits for sleep", neap.dump(), 1, true)
  end)
end)

describe("a stray coroutine.yield", function()
  it("in a task is a clear error", function()
    local closed
    local task = neap.spawn(function()
      local _ <close> = setmetatable({}, { __close = function() closed = true end })
      coroutine.yield(1, 2, 3)
    end)
    local err = failure(task.await, task)
    assert.equal("yield", err.code)
    assert.matches("coroutine.yield outside a coroutine of the script", err.message, 1, true)
    assert.is_true(closed)
  end)

  it("in a method is a clear error that names the node", function()
    local node = neap.Node { name = "Yields", max_retries = 2, exec = coroutine.yield }
    local err = failure(node.run, node, {})
    assert.same({ "yield", "Yields", "exec" }, { err.code, err.node, err.phase })
    assert.matches("coroutine", err.traceback, 1, true)
  end)
end)
