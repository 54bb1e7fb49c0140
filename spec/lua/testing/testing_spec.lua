-- Tests on a virtual clock: nothing costs time, and all is always the same.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local neap = require "neap"
local failure = helper.failure

local testing = neap.testing

-- What a misused function says, without where.
local function misused(message, f, ...)
  assert.equal(message, (failure(f, ...):gsub("^[^:]+:%d+: ", "")))
end

describe("testing.run", function()
  it("makes sleeping free and exact", function()
    local began = os.time()
    local list = { testing.run(function()
      local start = neap.now()
      neap.sleep(86400 * 365)
      return start, neap.now(), nil
    end) }
    assert.same({ 0, 86400 * 365 }, list)
    assert.is_true(os.time() - began < 20)
  end)

  it("is real again afterwards, and begins at 0 each time", function()
    local before = neap.now()
    for _ = 1, 2 do
      testing.run(function()
        assert.equal(0, neap.now())
        neap.sleep(1e6)
      end)
    end
    assert.is_true(neap.now() - before < 60 and neap.now() >= before)
  end)

  it("wakes by time, and at the same time by turn", function()
    local log = testing.run(function()
      local list = {}
      local function at(name, seconds)
        return function()
          neap.sleep(seconds)
          list[#list + 1] = name .. neap.now()
        end
      end
      neap.gather { at("a", 3), at("b", 1), at("c", 2), at("d", 1), at("e", 0) }
      return list
    end)
    assert.same({ "e0.0", "b1.0", "d1.0", "c2.0", "a3.0" }, log)
  end)

  it("times out by the virtual clock", function()
    testing.run(function()
      local err = failure(neap.timeout, 60, neap.sleep, 3600)
      assert.equal("timeout", err.code)
      assert.equal(60, neap.now())
    end)
  end)

  it("gives the same random numbers, and jitter, for the same seed", function()
    local function draw(seed)
      return testing.run(function()
        local times = {}
        local node = neap.Node { max_retries = 5, wait = 10, jitter = 1,
          exec = function() times[#times + 1] = neap.now() error("again") end,
          process_after_fail = function() end }
        node:run {}
        neap.Flow { start = node }:run {}
        times[#times + 1] = math.random(1000000)
        return table.concat(times, " ")
      end, { seed = seed })
    end
    assert.equal(draw(), draw(1))
    assert.equal(draw(7), draw(7))
    assert.not_equal(draw(7), draw(8))
  end)

  it("raises what is raised, as it was", function()
    local err = {}
    assert.equal(err, failure(testing.run, function() error(err) end))
    assert.equal(0, testing.run(neap.now))
  end)

  it("tells of a deadlock", function()
    local err = failure(testing.run, function() neap.event():wait() end)
    assert.equal("deadlock", err.code)
  end)

  it("ends what belongs to nobody", function()
    local closed = 0
    testing.run(function()
      neap.spawn_detached(function()
        local _ <close> = setmetatable({}, { __close = function() closed = closed + 1 end })
        neap.sleep(3600)
      end)
      neap.sleep(0)
    end)
    assert.equal(1, closed)
  end)

  it("waits for files, whose time is real", function()
    local path = helper.write(helper.tmpdir() .. "/text", "ebb")
    testing.run(function()
      neap.gather {
        function() neap.sleep(3600) end,
        function()
          assert.equal("ebb", neap.fs.read(path))
          assert.equal(0, neap.now())
        end,
      }
    end)
  end)

  it("goes on though somebody waits for a peer", function()
    testing.run(function()
      local one, other = neap.stream.pair()
      local reader = neap.spawn(one.read, one)
      neap.sleep(3600)
      other:write("tide\n")
      assert.equal("tide", reader:await())
      assert.equal(3600, neap.now())
      one:close()
      other:close()
    end)
  end)

  it("works in a task, and is cancelled with it", function()
    local closed = 0
    local task = neap.spawn(function()
      testing.run(function()
        local _ <close> = setmetatable({}, { __close = function() closed = closed + 1 end })
        neap.event():wait()
      end)
    end)
    neap.sleep(0)
    neap.sleep(0)
    task:cancel()
    assert.equal("cancelled", failure(task.await, task).code)
    assert.equal(1, closed)
    assert.equal(5, testing.run(function() neap.sleep(5) return neap.now() end))
  end)

  it("refuses what makes no sense", function()
    misused("bad argument #1 to 'run' (function expected, got nil)", testing.run)
    misused("testing.run: bad option 'seed' (whole number from 1 expected, got 0)",
      testing.run, print, { seed = 0 })
    misused("testing.run: unknown option 'sed'; did you mean 'seed'?", testing.run, print,
      { sed = 1 })
    misused("testing.run: one is going on already", testing.run, function() testing.run(print) end)
    misused("testing.step: only inside of testing.run", testing.step)
    misused("testing.settle: only inside of testing.run", testing.settle)
    misused("testing.advance: only inside of testing.run", testing.advance, 1)
    local task = neap.spawn(neap.sleep, 0.01)
    misused("testing.run: 1 other tasks have not ended; start them inside of it", testing.run,
      print)
    task:await()
  end)
end)

describe("inside of testing.run", function()
  it("step lets one go on", function()
    testing.run(function()
      local log = {}
      local function add(name)
        return function()
          log[#log + 1] = name .. 1
          neap.sleep(0)
          log[#log + 1] = name .. 2
          neap.sleep(1)
          log[#log + 1] = name .. 3
        end
      end
      neap.spawn(add "a")
      neap.spawn(add "b")
      local seen = {}
      while testing.step() do seen[#seen + 1] = table.concat(log, " ") end
      assert.same({ "a1", "a1 b1", "a1 b1 a2", "a1 b1 a2 b2" }, seen)
      assert.equal(0, neap.now())
      assert.is_false(testing.step())
      testing.advance(1)
      assert.equal("a1 b1 a2 b2 a3 b3", table.concat(log, " "))
    end)
  end)

  it("settle lets all go on, but no time pass", function()
    testing.run(function()
      local count = 0
      for _ = 1, 3 do
        neap.spawn(function()
          for _ = 1, 100 do
            neap.sleep(0)
            count = count + 1
          end
          neap.sleep(1)
          count = 0
        end)
      end
      testing.settle()
      assert.equal(300, count)
      assert.equal(0, neap.now())
    end)
  end)

  it("advance lets time pass, in order", function()
    testing.run(function()
      local log = {}
      neap.spawn(function()
        for i = 1, 4 do
          neap.sleep(10)
          log[i] = neap.now()
        end
      end)
      testing.advance(9.5)
      assert.same({}, log)
      testing.advance(0.5)
      assert.same({ 10 }, log)
      testing.advance(25)
      assert.same({ 10, 20, 30 }, log)
      assert.equal(35, neap.now())
      misused("bad argument #1 to 'advance' (number of seconds from 0 expected, got -1)",
        testing.advance, -1)
      misused("bad argument #1 to 'advance' (number of seconds from 0 expected, got -nan)",
        testing.advance, 0 / 0)
    end)
  end)

  it("only one goes step by step", function()
    testing.run(function()
      local other = neap.spawn(testing.step)
      assert.is_true(testing.step())
      assert.equal("busy", failure(other.await, other).code)
    end)
  end)

  it("gather and race start what has a name in its order", function()
    testing.run(function()
      local log = {}
      local function add(name) return function() log[#log + 1] = name end end
      neap.gather { c = add "c", add "1", a = add "a", add "2", b = add "b", [10] = add "10" }
      assert.equal("1 2 10 a b c", table.concat(log, " "))
    end)
  end)
end)

describe("testing.sweep", function()
  it("cancels after each step, and tells how many there are", function()
    local seen = {}
    local steps = testing.sweep(function(guard)
      local _ <close> = guard()
      local count = 0
      local _ <close> = setmetatable({}, { __close = function() seen[#seen + 1] = count end })
      for i = 1, 3 do
        count = i
        neap.sleep(i)
      end
      count = "done"
    end)
    assert.equal(4, steps)
    assert.same({ 1, 2, 3, "done" }, seen)
  end)

  it("finds what is left behind", function()
    local function finds(message, scenario, opts)
      local err = failure(testing.sweep, scenario, opts)
      assert.truthy(tostring(err):find(message, 1, true), err)
    end
    finds("1 of 2 guards were not closed", function(guard)
      local lost = guard()
      neap.sleep(1)
      getmetatable(lost).__close()
    end)
    finds("a guard was closed twice", function(guard)
      local one = guard()
      local _ <close> = one
      local _ <close> = one
      neap.sleep(1)
    end)
    finds("tasks are left", function()
      neap.spawn_detached(neap.sleep, 3600)
      neap.sleep(1)
    end)
    finds("sweep: cancelled after 1 steps: oops", function()
      pcall(neap.sleep, 1)
      error("oops", 0)
    end)
    finds("has not ended after 10 steps", function()
      for _ = 1, 20 do neap.sleep(1) end
    end, { max_steps = 10 })
  end)

  it("goes through flows, limits and time limits", function()
    local steps = testing.sweep(function(guard)
      local desk = neap.semaphore(1)
      local function visit()
        local _ <close> = guard()
        local _ <close> = desk:acquire()
        neap.sleep(1)
      end
      neap.gather { visit, visit, visit }
      neap.try(neap.timeout, 0.5, visit)
      neap.Flow { start = neap.BatchNode { concurrency = 2, timeout = 10, max_retries = 2, wait = 1,
        prep = function() return { 1, 2, 3 } end,
        exec = function(self)
          visit()
          if self.cur_retry == 0 then error("again") end
        end } }:run {}
    end)
    assert.is_true(steps > 30)
  end)

  it("refuses what makes no sense", function()
    misused("bad argument #1 to 'sweep' (function expected, got table)", testing.sweep, {})
    misused("testing.sweep: bad option 'max_steps' (whole number from 1 expected, got 0)",
      testing.sweep, print, { max_steps = 0 })
  end)
end)

describe("specs of one's own", function()
  local folder, busted

  setup(function()
    folder = helper.tmpdir()
    busted = helper.run({ "sh", "-c", "command -v busted" }).stdout:gsub("%s+$", "")
    helper.write(folder .. "/spec/tide_spec.lua", [[
      local neap = require "neap"
      it("passes on " .. _VERSION, function()
        neap.testing.run(function() neap.sleep(60) end)
        assert.equal("Lua 5.4", _VERSION)
      end)]])
    helper.write(folder .. "/spec/fails_spec.lua",
      'it("fails", function() require "neap".testing.run(error) end)')
  end)

  local function assert_runs(words)
    for name, status in pairs { tide = 0, fails = 1 } do
      local result = helper.run({ words, ("spec/%s_spec.lua"):format(name) }, { cwd = folder })
      assert.equal(status, result.status, result.stdout .. result.stderr)
    end
  end

  it("are run by busted under Lua 5.4", function()
    local words = {}
    for i, word in ipairs(helper.lua) do words[i] = helper.quote(word) end
    local lua = helper.write(folder .. "/lua",
      ('#!/bin/sh\nexec %s "$@"\n'):format(table.concat(words, " ")))
    os.execute("chmod +x " .. helper.quote(lua))
    assert_runs { busted, "--lua=" .. lua }
  end)

  it("are run by busted inside of neap", function()
    assert_runs { helper.neap, busted }
  end)
end)
