--- Testing what waits: a clock that costs nothing, one step at a time, in an
--- order that is always the same.
-- SPDX-License-Identifier: MIT
--
-- Usable in any test framework and without one: what is wrong is raised.
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

-- Ends what belongs to nobody, also what is spawned by what is ended, and waits
-- until all but us have ended.
local function end_others()
  repeat raw.cancel_others() until raw.others() == 0 or not raw.turn(true)
end

-- Raises when nothing is left that could wake anybody. Without, that would end
-- the program, with all tests still to come.
local function watch()
  raw.wait_idle()
  error(new_error { code = "deadlock", retryable = false,
    message = "deadlock: nothing is left that could wake anyone\n" .. core.dump() }, 0)
end

-- Cancels a task, and waits until it has ended.
local function put_an_end_to(task)
  task:cancel()
  if not core.is_cancelled() then pcall(task.await, task) end
end

-- Calls f in a task, and gives what pcall would. The watch is not one of those
-- that `step` lets go on: it waits before f begins.
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
--- The clock begins at 0 and stands still while anybody can go on; then it jumps
--- to the next time that somebody waits for, so a sleep of a day costs nothing.
--- Who is woken at the same time is woken in the order in which they began to
--- wait. Random numbers (math.random, the jitter of retries) follow from the
--- seed. So f does the same each time, unless it asks the world outside: files,
--- programs and peers do their work in real time, for which the clock waits, for
--- peers 50 ms.
---
--- When f has ended, what belongs to nobody (spawn_detached) is cancelled. Then
--- the clock is real again. Raises what f raises.
---@param f fun(): ...
---@param opts? { seed?: integer } 1 or more; default: 1
---@return any ... what f returns
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

--- Lets exactly one of those go on who can, and waits until it waits again or
--- has ended. Time does not pass.
---@return boolean false when nobody could go on, but after some time
function M.step()
  check_running("testing.step")
  return (raw.turn(false))
end

--- Lets all go on until nobody can, but after some time.
function M.settle()
  check_running("testing.settle")
  while raw.turn(false) do end
end

--- Lets time pass: whoever's time comes goes on when it does. Settles.
---@param seconds number 0 or more
function M.advance(seconds)
  check_running("testing.advance")
  options.argument(1, "advance", seconds, rules.seconds_or_0)
  M.settle()
  core.sleep(seconds)
  M.settle()
end

-- Counts what a scenario opens and closes.
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

-- Runs a scenario and cancels it after so many steps. Returns whether it had
-- ended before.
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
  elseif raw.others() > 1 then -- the watch is one
    error(("%d tasks are left"):format(raw.others() - 1), 0)
  elseif core.live().operations ~= operations then
    error(("%d operations are left"):format(core.live().operations - operations), 0)
  end
  return has_ended
end

--- Runs a scenario again and again, each time from the start and in a testing.run
--- of its own, and cancels it: before its first step, after the first, after the
--- second, until it ends by itself. Raises when something is not as it should
--- be after a cancellation: a `<close>` variable that was not closed, or twice, a
--- task or an operation that is left, an error other than the cancellation.
---
--- The scenario gets a function that makes `<close>` variables which are counted:
--- `local _ <close> = guard()`.
---@param scenario fun(guard: fun(): table)
---@param opts? { seed?: integer, max_steps?: integer } the most steps that it may
--- take; default: 10000
---@return integer steps that the scenario takes
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
    return fake -- no tail call, behind which the line of a mistake would be lost
  end
end

--- Opens a fake that answers requests instead of servers; see neap.testing.http.
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
