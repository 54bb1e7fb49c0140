--- Testing code that waits: a virtual clock, steps, and fakes of the world outside.
-- SPDX-License-Identifier: MIT
--
-- It works in any test framework and without one, because it raises errors.
local core = require "neap.core"
local concurrent = require "neap.task.concurrent"
local new_error = require "neap.error".new
local options = require "neap.base.options"
local rules = require "neap.base.schema".rules

local raw = core.testing

local M = {}

local is_running = false

local function check_running(where)
  if not is_running then options.blame(("%s: only inside of testing.run"):format(where)) end
end

-- Cancels detached tasks, and those that they spawn meanwhile, and waits until all other
-- tasks have ended.
local function end_others()
  repeat raw.cancel_others() until raw.others() == 0 or not raw.turn(true)
end

-- Raises an error on a deadlock. Without this, a deadlock would end the program and all
-- further tests.
local function watch()
  raw.wait_idle()
  error(new_error { code = "deadlock", retryable = false,
    message = "deadlock: nothing is left that could wake a task\n" .. core.dump() }, 0)
end

-- Cancels a task, and waits until it has ended.
local function put_an_end_to(task)
  task:cancel()
  if not core.is_cancelled() then pcall(task.await, task) end
end

-- Calls f in a task, and returns what pcall would. The watch waits before f begins, so it is
-- not among the tasks that `step` lets go on.
local function call(f)
  local watcher = core.spawn(watch)
  raw.turn(false)
  local task = core.spawn(f)
  local ok, err = pcall(concurrent.race, { task, watcher })
  put_an_end_to(watcher)
  if ok then return true, task:await() end
  if task.status == "pending" then put_an_end_to(task) end
  return false, err
end

local function restore()
  raw.set_clock(false)
  raw.seed()
  math.randomseed()
  is_running = false
end

--- Calls f in a task of its own on a virtual clock, and waits for its end.
---
--- The clock begins at 0 and stands still while a task can go on. Then it jumps to the next
--- time that a task waits for, so a sleep of a day takes no time. Tasks that are woken at the
--- same time go on in the order in which they began to wait. Random numbers (math.random, the
--- jitter of retries) follow from the seed. So f does the same each time, unless it uses real
--- files, programs or peers. These work in real time, for which the clock waits, for peers
--- 50 ms.
---
--- When f has ended, detached tasks are cancelled, and the clock is real again. Raises what f
--- raises.
---@param f fun(): ...
---@param opts? { seed?: integer } 1 or more; default: 1
---@return any ... the results of f
function M.run(f, opts)
  options.argument(1, "run", f, rules.func)
  local seed = options.take(opts, "testing.run").seed
  if is_running then error("testing.run: one is going on already", 2) end
  local others = raw.others()
  if others > 0 then
    error(("testing.run: %d other tasks have not ended; start them inside of it"):format(others), 2)
  end
  core.may_wait("testing.run")
  local _ <close> = setmetatable({}, { __close = restore }) -- before what it restores
  is_running = true
  raw.set_clock(true)
  raw.seed(seed)
  math.randomseed(seed)
  local results = table.pack(call(f))
  if not core.is_cancelled() then end_others() end
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end

--- Lets exactly one task go on, until it waits again or has ended. Time does not pass.
---@return boolean false if no task could go on before time passes
function M.step()
  check_running("testing.step")
  return (raw.turn(false))
end

--- Lets tasks go on until none can before time passes.
function M.settle()
  check_running("testing.settle")
  while raw.turn(false) do end
end

--- Lets time pass and the tasks go on whose time comes; then settles.
---@param seconds number 0 or more
function M.advance(seconds)
  check_running("testing.advance")
  options.argument(1, "advance", seconds, rules.seconds_or_0)
  M.settle()
  core.sleep(seconds)
  M.settle()
end

-- Counts the guards that a scenario opens and closes.
local function new_guards()
  local guards = { opened = 0, closed = 0 }
  function guards.new()
    guards.opened = guards.opened + 1
    local closed = false
    return setmetatable({}, { __close = function()
      if closed then error("a guard was closed twice", 0) end
      closed = true
      guards.closed = guards.closed + 1
    end })
  end
  return guards
end

-- Runs a scenario and cancels it after so many steps. Returns whether it had ended before.
local function cancel_after(steps, scenario)
  local guards = new_guards()
  local operations = core.live().operations
  local task = concurrent.spawn(function()
    local _ <close> = guards.new()
    scenario(guards.new)
  end)
  for _ = 1, steps do
    if task.status ~= "pending" or not raw.turn(true) then break end
  end
  local has_ended = task.status ~= "pending"
  task:cancel("sweep")
  local ok, err = pcall(task.await, task)
  if not ok and not (type(err) == "table" and err.code == "cancelled") then error(err, 0) end
  if guards.opened ~= guards.closed then
    error(("%d of %d guards were not closed"):format(guards.opened - guards.closed,
      guards.opened), 0)
  elseif raw.others() > 1 then -- one of them is the watch
    error(("%d tasks are left"):format(raw.others() - 1), 0)
  elseif core.live().operations ~= operations then
    error(("%d operations are left"):format(core.live().operations - operations), 0)
  end
  return has_ended
end

--- Runs a scenario again and again, each time in a testing.run of its own, and cancels it
--- before its first step, after the first, after the second, and so on, until it ends by
--- itself. Raises an error if after a cancellation a guard was not closed exactly once, a
--- task or an operation is left, or an error other than the cancellation was raised.
---
--- The scenario gets a function that makes guards, which are counted `<close>` variables:
--- `local _ <close> = guard()`.
---@param scenario fun(guard: fun(): table)
---@param opts? { seed?: integer, max_steps?: integer } max_steps: the limit of its steps;
--- default: 10000
---@return integer steps the number of steps that the scenario takes
function M.sweep(scenario, opts)
  options.argument(1, "sweep", scenario, rules.func)
  opts = options.take(opts, "testing.sweep")
  local max = opts.max_steps
  for steps = 0, max do
    local ok, result = pcall(M.run, function() return cancel_after(steps, scenario) end,
      { seed = opts.seed })
    if not ok then
      if core.is_cancelled() then error(result, 0) end
      error(("sweep: cancelled after %d steps: %s"):format(steps, tostring(result)), 0)
    end
    if result then return steps end
  end
  error(("sweep: the scenario has not ended after %d steps"):format(max), 2)
end

-- Returns the function that opens a fake.
local function opener(name)
  return function(given)
    local fake = require("neap.testing." .. name).new(given)
    return fake -- no tail call: see options.place
  end
end

--- Opens a fake that answers requests in place of servers; see neap.testing.http.
---@type fun(routes: table<string, any>): neap.testing.Http
M.http = opener "http"

--- Opens a fake that keeps files in memory; see neap.testing.fs.
---@type fun(files?: table<string, string|boolean>): neap.testing.Fs
M.fs = opener "fs"

--- Opens a fake that answers neap.input; see neap.testing.input.
---@type fun(answers: table<integer|string, any>): neap.testing.Input
M.input = opener "input"

--- Opens a fake that plays programs; see neap.testing.process.
---@type fun(commands: table<string, any>): neap.testing.Process
M.process = opener "process"

--- Opens a fake that plays peers; see neap.testing.net.
---@type fun(peers?: table<string, any>): neap.testing.Net
M.net = opener "net"

return M
