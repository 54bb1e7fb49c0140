-- race, map and timeout; gather and spawn are in spec/bindings/task/task_spec.lua.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local neap = require "neap"

-- Waits until it is cancelled; `closed` counts that it unwound.
local function forever(count)
  local _ <close> = setmetatable({}, { __close = function() count.closed = count.closed + 1 end })
  neap.sleep(3600)
end

describe("race", function()
  it("gives the first result and its key, and has the others unwound", function()
    local count = { closed = 0 }
    local result, key = neap.race {
      slow = function() forever(count) end,
      fast = function()
        neap.sleep(0)
        neap.sleep(0)
        return "won", "more"
      end,
    }
    assert.equal("won", result)
    assert.equal("fast", key)
    assert.equal(1, count.closed)
  end)

  it("raises the error of whoever ends first with one", function()
    local count = { closed = 0 }
    local _, err = pcall(neap.race, {
      function() forever(count) end,
      function()
        neap.sleep(0)
        error({ lost = true })
      end,
    })
    assert.is_true(err.lost)
    assert.equal(1, count.closed)
  end)

  it("only awaits a task that is handed in", function()
    local gate = neap.event()
    local task = neap.spawn(function()
      gate:wait()
      return "late"
    end)
    assert.equal("now", (neap.race { task, function() return "now" end }))
    assert.equal("pending", task.status)
    gate:set()
    assert.equal("late", task:await())
  end)

  it("takes a task that has ended already", function()
    local task = neap.spawn(function() return "over" end)
    task:await()
    assert.equal("over", (neap.race { task }))
  end)

  it("runs flows, whose result is their action", function()
    local node = neap.Node { post = function() return "done" end }
    assert.equal("done", (neap.race { neap.Flow { start = node } }))
  end)

  it("refuses what nobody could win", function()
    assert.error_matches(function() neap.race {} end, "race: at least one")
    assert.error_matches(function() neap.race { 1 } end, "race: %[1%] is a number")
    assert.error_matches(function() neap.race(1) end, "to 'race' %(table of functions")
  end)

  it("cancels what it started when it is cancelled itself", function()
    local count = { closed = 0 }
    local task = neap.spawn(function()
      neap.race { function() forever(count) end, function() forever(count) end }
    end)
    neap.sleep(0)
    neap.sleep(0)
    task:cancel()
    pcall(task.await, task)
    assert.equal(2, count.closed)
  end)
end)

describe("map", function()
  it("gives the results in the order of the list", function()
    local results = neap.map({ 3, 1, 2 }, function(item, index)
      for _ = 1, item do neap.sleep(0) end
      return item * 10 + index
    end)
    assert.same({ 31, 12, 23, n = 3 }, results)
  end)

  it("keeps the place of nil, in lists and in results", function()
    local results = neap.map({ n = 3, [2] = "b" }, function(item) return item end)
    assert.same({ n = 3, [2] = "b" }, results)
  end)

  it("calls no more at once than it is told", function()
    local now, most = 0, 0
    neap.map({ 1, 2, 3, 4, 5, 6, 7 }, function()
      now = now + 1
      most = math.max(most, now)
      neap.sleep(0)
      now = now - 1
    end, { concurrency = 3 })
    assert.equal(3, most)
  end)

  it("cancels the other calls at the first error, and begins no further", function()
    local count, begun = { closed = 0 }, 0
    local _, err = pcall(neap.map, { 1, 2, 3, 4 }, function(item)
      begun = begun + 1
      if item == 2 then error("two", 0) end
      forever(count)
    end, { concurrency = 2 })
    assert.equal("two", err)
    assert.equal(2, begun)
    assert.equal(1, count.closed)
  end)

  it("of nothing is nothing", function()
    assert.same({ n = 0 }, neap.map({}, error))
  end)

  it("refuses what is no list, function or limit", function()
    assert.error_matches(function() neap.map(1, print) end, "#1 to 'map' %(list expected, got 1%)")
    assert.error_matches(function() neap.map({}, 1) end, "#2 to 'map' %(function expected, got 1%)")
    assert.error_matches(function() neap.map({ 1 }, print, { concurrency = 0 }) end,
      "'concurrency'")
    assert.error_matches(function() neap.map({ 1 }, print, { concurency = 2 }) end,
      "did you mean 'concurrency'")
  end)
end)

describe("timeout", function()
  it("gives the results of what returns in time", function()
    assert.same({ 1, nil, 3, n = 3 }, table.pack(neap.timeout(60, function() return 1, nil, 3 end)))
    assert.equal(5, neap.timeout(60, math.max, 5, 2))
  end)

  it("cancels what does not, and raises when it has unwound", function()
    local count = { closed = 0 }
    local _, err = pcall(neap.timeout, 0.001, forever, count)
    assert.equal("timeout", err.code)
    assert.equal(1, count.closed)
  end)

  it("raises the error of f as it is", function()
    local raised = {}
    local _, err = pcall(neap.timeout, 60, error, raised)
    assert.equal(raised, err)
  end)

  it("within another: the outer one wins", function()
    local count = { closed = 0 }
    local inner
    local _, err = pcall(neap.timeout, 0.001, function()
      inner = select(2, pcall(neap.timeout, 60, forever, count))
      neap.sleep(60)
    end)
    assert.equal("timeout", err.code)
    assert.matches("0%.001 s", err.message)
    assert.equal("timeout", inner.code)
    assert.equal(1, count.closed)
  end)

  it("refuses what is no time", function()
    for _, seconds in ipairs { 0, -1, 0 / 0, "1" } do
      assert.error_matches(function() neap.timeout(seconds, print) end,
        "#1 to 'timeout' %(positive number of seconds expected, got ")
    end
  end)
end)

describe("on_error = 'collect'", function()
  local function fail_at(i)
    return function(item)
      neap.sleep(0)
      if item == i then error("no " .. item, 0) end
      return item * 10
    end
  end

  it("lets the others of a gather go on, and gives the errors", function()
    local results = neap.gather({
      function() error("first", 0) end, function() neap.sleep(0.001) return 2 end,
      named = function() error("named", 0) end,
    }, { on_error = "collect" })
    assert.same({ n = 2, [2] = 2, errors = { "first", named = "named" } }, results)
  end)

  it("does the same for map, with any concurrency", function()
    for concurrency = 1, 4 do
      assert.same({ n = 3, 10, nil, 30, errors = { [2] = "no 2" } },
        neap.map({ 1, 2, 3 }, fail_at(2), { on_error = "collect", concurrency = concurrency }))
    end
  end)

  it("loses no error that is nil", function()
    local function raise_nil() error() end
    local nothing = "<no error object>"
    local opts = { on_error = "collect" }
    assert.same({ n = 1, errors = { nothing } }, neap.map({ 1 }, raise_nil, opts))
    assert.same({ n = 1, errors = { nothing } }, neap.gather({ raise_nil }, opts))
    local function keep(_, shared, _, results) shared.errors = results.errors end
    for _, node in ipairs {
      neap.BatchNode { on_error = "collect", post = keep, exec = raise_nil,
        prep = function() return { 1 } end },
      neap.BatchFlow { on_error = "collect", post = keep, start = neap.Node { prep = raise_nil },
        prep = function() return { {} } end },
      neap.parallel { on_error = "collect", post = keep, neap.Node { exec = raise_nil } },
    } do
      local shared = {}
      node:run(shared)
      assert.same({ nothing }, shared.errors)
    end
  end)

  it("gives no errors where there are none", function()
    assert.same({ n = 1, 10, errors = {} }, neap.map({ 1 }, fail_at(2), { on_error = "collect" }))
    assert.same({ n = 0, errors = {} }, neap.gather({}, { on_error = "collect" }))
  end)

  it("collects no cancellation of the caller", function()
    local log = {}
    local task = neap.spawn(function()
      neap.map({ 1 }, function() neap.sleep(60) end, { on_error = "collect" })
      log[#log + 1] = "went on"
    end)
    neap.sleep(0)
    task:cancel()
    assert.equal("cancelled", select(2, pcall(task.await, task)).code)
    assert.same({}, log)
  end)

  it("is refused when it is neither 'stop' nor 'collect'", function()
    for where, call in pairs { gather = neap.gather, map = function(_, opts)
      return neap.map({}, print, opts)
    end } do
      local ok, err = pcall(call, {}, { on_error = "ignore" })
      assert.is_false(ok)
      assert.matches(where .. ": bad option 'on_error'", err, 1, true)
    end
  end)
end)

describe("time limits within each other", function()
  it("each end with what they are for", function()
    local node = neap.Node { name = "n", exec = function() neap.sleep(0.02) end }
    neap.timeout(60, node, {}, { timeout = 30 })
    local ok, err = pcall(neap.timeout, 60, node, {}, { timeout = 0.001 })
    assert.same({ false, "timeout" }, { ok, err.code })
    assert.matches("timed out after 0.001 s", tostring(err), 1, true)
    ok, err = pcall(neap.timeout, 0.001, node, {}, { timeout = 60 })
    assert.same({ false, "timeout" }, { ok, err.code })
    assert.matches("timed out after 0.001 s", tostring(err), 1, true)
  end)
end)

describe("an error that is dropped for another", function()
  it("is in the field suppressed of that, when it is an object", function()
    local task = neap.spawn(function()
      neap.spawn(function() error("child died", 0) end)
      neap.sleep(0)
      neap.timeout(0.001, neap.sleep, 60)
    end)
    local ok, err = pcall(task.await, task)
    assert.same({ false, "timeout", { "child died" } }, { ok, err.code, err.suppressed })
  end)

  it("is a warning", function()
    local result = helper.run { helper.neap, "-e", [[
      local neap = require "neap"
      local function second()
        pcall(neap.sleep, 60)
        error("second", 0)
      end
      print(pcall(neap.gather, { second, function() error("first", 0) end }))
      print((neap.race { second, function() return "first" end }))
      neap.spawn(second)
      neap.sleep(0)]] }
    assert.equal("false\tfirst\nfirst\n", result.stdout)
    assert.equal("warning: neap: an error was suppressed by another one: second\n"
      .. "warning: neap: an error was suppressed by another one: second\n"
      .. "warning: neap: a cancelled task failed: second\n", result.stderr)
  end)
end)
