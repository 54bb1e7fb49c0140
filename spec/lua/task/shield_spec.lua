-- Cleaning up that has to wait, once, for a bounded time.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local neap = require "neap"
local testing = neap.testing
local failure = helper.failure
local it_gets_signals = helper.is_preempted and pending or it

-- Runs code in the executable, and gives what it printed.
local function output_of(code)
  local result = helper.run { helper.neap, "-e", code }
  assert.equal("", result.stderr)
  return result.stdout
end

describe("neap.shield", function()
  it("gives the results of what it calls", function()
    assert.same({ 1, nil, 3, n = 3 }, table.pack(neap.shield(1, function(...)
      neap.sleep(0.001)
      return ...
    end, 1, nil, 3)))
  end)

  it("raises what that raises", function()
    assert.equal("no", failure(neap.shield, 1, error, "no", 0))
  end)

  it("has no more time than it is given", function()
    local started = neap.now()
    local err = failure(neap.shield, 0.01, neap.sleep, 60)
    assert.equal("timeout", err.code)
    assert.is_true(neap.now() - started < 30)
  end)

  it("refuses a time that is none", function()
    for _, seconds in ipairs { 0, -1, 0 / 0, "soon" } do
      assert.matches("#1 to 'shield' (positive number of seconds expected",
        failure(neap.shield, seconds, neap.sleep, 0), 1, true)
    end
  end)

  it("runs flows, too", function()
    local node = neap.Node { name = "n", post = function(_, shared) return shared.action end }
    assert.equal("done", neap.shield(1, node, { action = "done" }))
  end)

  it("lets a <close> variable wait when its task is cancelled, by every kind of end", function()
    for what, body in pairs {
      cancelled = function() neap.sleep(60) end,
      ["cancelled, and swallowed"] = function()
        pcall(neap.sleep, 60)
        neap.sleep(60)
      end,
      ["cancelled in a coroutine"] = function() coroutine.wrap(neap.sleep)(60) end,
      ["cancelled in xpcall"] = function() xpcall(neap.sleep, debug.traceback, 60) end,
      ["cancelled in a flow"] = function()
        neap.Node { name = "n", max_retries = 3, exec = function() neap.sleep(60) end }:run()
      end,
      failed = error,
    } do
      local log = {}
      local task = neap.spawn(function()
        local _ <close> = setmetatable({}, { __close = function()
          log[#log + 1] = neap.shield(1, function()
            neap.sleep(0.001)
            return "saved"
          end)
        end })
        body()
      end)
      neap.sleep(0)
      task:cancel()
      pcall(task.await, task)
      assert.same({ "saved" }, log, what)
    end
  end)

  it("goes on when its caller is cancelled meanwhile, who learns of that afterwards", function()
    local log = {}
    local task = neap.spawn(function()
      log[#log + 1] = neap.shield(1, function()
        neap.sleep(0.01)
        return "saved"
      end)
      log[#log + 1] = failure(neap.sleep, 0).code
    end)
    neap.sleep(0)
    task:cancel()
    pcall(task.await, task)
    assert.same({ "saved", "cancelled" }, log)
  end)

  it("is not refused at any step, nor waits for longer than it is told to", function()
    testing.sweep(function(guard)
      local _ <close> = guard()
      local _ <close> = setmetatable({}, { __close = function()
        local started = neap.now()
        local err = failure(neap.shield, 5, neap.sleep, 3600)
        assert.equal("timeout", err.code)
        assert.equal(5, neap.now() - started)
      end })
      neap.sleep(1)
      neap.sleep(1)
    end)
  end)

  it("does not let itself wait where nothing could: nothing is begun then", function()
    local begun = false
    local task = neap.spawn(table.sort, { 2, 1 }, function()
      neap.shield(1, function() begun = true end)
    end)
    assert.equal("unyieldable", failure(task.await, task).code)
    neap.sleep(0)
    assert.is_false(begun)
  end)

  it_gets_signals("works when the script ends, also by a signal", function()
    local save = [[
      local neap = require "neap"
      local _ <close> = setmetatable({}, { __close = function()
        neap.shield(5, function() neap.sleep(0.01) print "saved" end)
      end })
    ]]
    assert.equal("saved\n", output_of(save))
    local result = helper.run { "sh", "-c",
      [["$0" -e "$1" & pid=$!; sleep 0.3; kill -TERM $pid; wait $pid]], helper.neap,
      save .. "neap.sleep(60)" }
    assert.equal("saved\n", result.stdout)
    assert.equal(143, result.status)
  end)

  it_gets_signals("is ended neither by a signal, whatever computes or waits then, nor by the end",
    function()
    local save = [[
      local neap = require "neap"
      local function saving()
        return setmetatable({}, { __close = function()
          neap.shield(5, function()
            neap.gather { function() neap.sleep(0.01) end }
            print "saved"
          end)
        end })
      end
      local function ready() print "ready" io.stdout:flush() end
      local function compute() ready() while true do end end
      local function save_late()
        neap.shield(5, function() ready() neap.sleep(0.4) print "saved" end)
      end
      local function save_slowly()
        neap.shield(5, function()
          ready()
          local started = os.clock()
          repeat until os.clock() - started > 0.3
          print "saved"
        end)
      end
    ]]
    for _, scenario in ipairs {
      "local _ <close> = saving() compute()",
      "neap.spawn(function() local _ <close> = saving() compute() end):await()",
      "neap.spawn_detached(function() local _ <close> = saving() compute() end) neap.sleep(60)",
      "neap.spawn(function() local _ <close> = saving() neap.sleep(60) end) "
        .. "neap.sleep(0) compute()",
      "neap.spawn_detached(function() local _ <close> = saving() ready() neap.sleep(60) end) "
        .. "neap.sleep(60)",
      "save_late() neap.sleep(60) print 'never'",
      "save_slowly() neap.sleep(60) print 'never'",
      "neap.spawn_detached(save_late) neap.sleep(60)",
      "neap.Node { exec = function() local _ <close> = saving() compute() end }:run()",
    } do
      local process <close> = neap.process.spawn {
        helper.neap, "-e", save .. scenario, stderr = "pipe" }
      assert.equal("ready", process.stdout:read(), scenario)
      neap.sleep(0.05)
      process:kill "SIGINT"
      assert.equal("saved\n", process.stdout:read "a", scenario)
      assert.equal("", process.stderr:read "a", scenario)
      assert.equal(130, process:wait().code, scenario)
    end
    assert.equal("ready\nsaved\n",
      output_of(save .. "neap.spawn_detached(save_late) neap.sleep(0.01)"))
    assert.equal("ready\nsaved\n", output_of(save .. [[neap.spawn_detached(function()
      local _ <close> = saving()
      ready()
      neap.sleep(60)
    end) neap.sleep(0.01)]]))
  end)
end)

describe("an error that nobody catches", function()
  it("lets the <close> variables that it passes wait", function()
    local log = {}
    local function closing(name)
      return setmetatable({}, { __close = function()
        neap.sleep(0.001)
        log[#log + 1] = name
      end })
    end
    local task = neap.spawn(function()
      local _ <close> = closing "outer"
      local _ <close> = closing "inner"
      error("the error", 0)
    end)
    assert.equal("the error", failure(task.await, task))
    assert.same({ "inner", "outer" }, log)
  end)
end)
