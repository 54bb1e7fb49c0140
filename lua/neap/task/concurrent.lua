--- Doing several things at once.
-- SPDX-License-Identifier: MIT
local core = require "neap.core"
local is_error = require "neap.error".is
local graph = require "neap.flow.graph"
local nodes = require "neap.flow.node"
local options = require "neap.base.options"
local run = require "neap.flow.run"
local rules = require "neap.base.schema".rules

local M = {}

local function is_callable(value)
  if type(value) == "function" then return true end
  local meta = getmetatable(value)
  return type(meta) == "table" and type(rawget(meta, "__call")) == "function"
end

local callable = { test = is_callable, expected = "function" }

--- The rule for what can be spawned.
M.runnable = { test = function(value)
  if nodes.state(value) then return nodes.is_node(value) end
  return is_callable(value)
end, expected = "function or flow" }

local function is_plain_table(value)
  return type(value) == "table" and not nodes.state(value)
end

local list_rule = { test = is_plain_table, expected = "list" }
local items_rule = { test = is_plain_table, expected = "table of functions, flows and tasks" }

-- Spawns a value that is not a function. The binding's function calls this, so the caller of
-- spawn is one level further up.
local function spawn_other(f, ...)
  local state = nodes.state(f)
  if state then
    local shared, opts = ...
    local kept = state.plan
    if kept and not kept.stale and opts == nil then -- nothing is left to check
      return core.start(kept.plan, shared == nil and {} or shared)
    end
    return core.start(run.prepare(f, shared, opts, "spawn", 3))
  end
  options.argument(1, "spawn", f, M.runnable)
  return core.spawn(f, ...)
end

--- Runs a function or a flow as a task. The task belongs to the task that spawned it, and is
--- cancelled when its owner ends. A task that fails and is never awaited makes its owner
--- fail.
---@param f function|table what to call with `...`, or a flow to run with (shared, opts)
---@param ... any
---@return neap.Task task with await(), cancel(reason) and status
M.spawn = core.spawner(spawn_other)
options.calls_back = M.spawn

--- Spawns a detached task, which belongs to nobody. It is cancelled only by `cancel` or when
--- the script ends. If it fails while nobody awaits it, that is a warning.
---@param f function|table
---@param ... any
---@return neap.Task
function M.spawn_detached(f, ...)
  options.argument(1, "spawn_detached", f, M.runnable)
  return core.detach(M.spawn(f, ...))
end

-- The keys of a table in a fixed order: those of its list, then other numbers, then
-- strings, then all others.
local function sorted_keys(items)
  local keys, others, n, count = {}, {}, #items, 0
  for i = 1, n do
    if items[i] ~= nil then keys[#keys + 1] = i end
  end
  for _ in next, items do count = count + 1 end
  if count == #keys then return keys end -- as most are
  for key in next, items do
    if math.type(key) ~= "integer" or key < 1 or key > n then others[#others + 1] = key end
  end
  table.sort(others, function(a, b)
    local kind, other_kind = type(a), type(b)
    if kind ~= other_kind then return kind < other_kind end
    if kind == "string" or kind == "number" then return a < b end
    return tostring(a) < tostring(b)
  end)
  return table.move(others, 1, #others, #keys + 1, keys)
end

-- Starts those items of gather or race that are not tasks yet. Returns the keys, all tasks,
-- beginning with those started here, and the tasks started here alone.
local function start_all(items, where)
  options.argument(1, where, items, items_rule)
  local keys, given = {}, {}
  for _, key in ipairs(sorted_keys(items)) do
    local item = items[key]
    if type(item) == "function" then
      keys[#keys + 1] = key
    elseif core.is_task(item) then
      given[#given + 1] = key
    elseif nodes.is_node(item) then
      graph.plan(item) -- a flow that cannot run raises before anything is started
      keys[#keys + 1] = key
    elseif is_callable(item) then
      keys[#keys + 1] = key
    else
      options.blame(("%s: [%s] is a %s; a function, flow or task expected"):format(where,
        core.text(key), type(item)))
    end
  end
  if #keys > 0 then core.may_wait(where) end
  local own = {}
  for i = 1, #keys do own[i] = M.spawn(items[keys[i]]) end
  local tasks = table.move(own, 1, #own, 1, {})
  for _, key in ipairs(given) do
    keys[#keys + 1], tasks[#tasks + 1] = key, items[key]
  end
  return keys, tasks, own
end

-- Waits as core.join does. If waiting is impossible, the tasks in `own` are cancelled.
local function join(tasks, own, mode)
  local joined, first = pcall(core.join, tasks, mode, #own)
  if joined then return first end
  for i = 1, #own do own[i]:cancel() end
  error(first, 0)
end

-- Notes the errors with which tasks other than the decisive one failed as suppressed by
-- `err`.
local function drop_others(own, decisive, err)
  for i = 1, #own do
    if own[i] ~= decisive and own[i].status ~= "done" then
      local _, other = pcall(own[i].await, own[i])
      local is_end = is_error(other) and other.code == "cancelled"
      if not is_end and not rawequal(other, err) then core.suppress(err, other) end
    end
  end
end

-- Raises the error of the decisive task.
local function raise(own, decisive)
  local _, err = pcall(decisive.await, decisive)
  drop_others(own, decisive, err)
  error(err, 0)
end

-- What a list of errors has for an error: itself, or for nil, which leaves no trace in a
-- table, what Lua 5.5 has in its place.
local function collected(err)
  if err == nil then return "<no error object>" end
  return err
end

-- The first result of each task that has ended, under its key. If errors are collected,
-- those of failed tasks are in `errors`.
local function collect(n, keys, tasks, collects)
  local results, errors = { n = n }, {}
  for i = 1, #keys do
    if not collects then
      results[keys[i]] = (tasks[i]:await())
    else
      local ok, value = pcall(tasks[i].await, tasks[i])
      if ok then results[keys[i]] = value else errors[keys[i]] = collected(value) end
    end
  end
  if collects then results.errors = errors end
  return results
end

--- Runs several functions and flows at once and waits for all of them, and for the tasks
--- among the items. The first error cancels the tasks that gather started, and is raised
--- when they have ended. A task among the items is only awaited.
---
--- When the caller is cancelled, the tasks that gather started are cancelled as well, and
--- have ended before the cancellation is raised. If all have results by then, gather returns
--- them, and the cancellation is raised at the next wait.
---@param items table list and named fields alike
---@param opts? { on_error?: "stop"|"collect" } with "collect" all go on when one fails
---@return table results the first result of each item under its key; `n` is the length
--- of the list; with "collect", `errors` has the error of each item that failed
function M.gather(items, opts)
  local collects = options.check(opts, "gather").on_error == "collect"
  local keys, tasks, own = start_all(items, "gather")
  local failed = join(tasks, own, collects and "all" or "failure")
  if failed then raise(own, tasks[failed]) end
  return collect(#items, keys, tasks, collects)
end

--- Waits until the first of several functions, flows and tasks has ended. Returns its
--- result or raises its error. Other tasks that race started are cancelled, and have ended
--- before race returns. A task among the items is only awaited.
---@param items table at least one; list and named fields alike
---@return any result the first one
---@return any key of the item that ended first
function M.race(items)
  local keys, tasks, own = start_all(items, "race")
  if #tasks == 0 then options.blame("race: at least one function, flow or task expected") end
  local first = join(tasks, own, "any")
  if tasks[first].status ~= "done" then raise(own, tasks[first]) end
  drop_others(own, tasks[first])
  return (tasks[first]:await()), keys[first]
end

--- Calls f(item, index) for every item of a list, several at once. The first error cancels
--- the other calls and is raised when they have ended.
---@param list table `n` items if it has that field, else #list
---@param f function
---@param opts? { concurrency?: integer, on_error?: "stop"|"collect" } how many calls at
--- once, by default all; with "collect" the others go on when one fails
---@return table results the first result of each call, in the order of the list; `n`; with
--- "collect", `errors` has the errors by the index of the item
function M.map(list, f, opts)
  options.argument(1, "map", list, list_rule)
  options.argument(2, "map", f, callable)
  opts = options.check(opts, "map")
  local collects = opts.on_error == "collect"
  local n = math.type(list.n) == "integer" and list.n or #list
  local limit = opts.concurrency or n
  local results, errors, last = { n = n }, {}, 0
  local call = f
  if collects then
    function call(item, i)
      local ok, value = M.try(f, item, i)
      if ok then return value end
      errors[i] = collected(value)
    end
    results.errors = errors
  end
  local function work()
    while last < n do
      last = last + 1
      local i = last
      results[i] = (call(list[i], i))
    end
  end
  local workers = {}
  for i = 1, math.min(limit, n) do workers[i] = work end
  M.gather(workers)
  return results
end

--- Calls f, and cancels it when it has not returned in time. An error of code "timeout" is
--- raised once f has ended. Only waiting is interrupted.
---@param seconds number more than 0
---@param f function|table a function, or a flow for (shared, opts)
---@param ... any
---@return any ... the results of f
function M.timeout(seconds, f, ...)
  options.argument(1, "timeout", seconds, rules.seconds)
  core.may_wait("timeout")
  return core.call(M.spawn(f, ...), seconds)
end

--- Calls f and lets it run to its end even if the calling task has been cancelled, or is
--- cancelled meanwhile. It is for cleaning up that has to wait, in `<close>` variables too.
--- After so many seconds f is cancelled, and an error of code "timeout" is raised.
---@param seconds number more than 0
---@param f function|table a function, or a flow for (shared, opts)
---@param ... any
---@return any ... the results of f
function M.shield(seconds, f, ...)
  options.argument(1, "shield", seconds, rules.seconds)
  core.may_wait("shield", true)
  return core.shield(M.spawn(f, ...), seconds)
end

--- Calls f like pcall, but never swallows a cancellation.
---@param f function
---@param ... any
---@return boolean|nil ok true and the results, or nil and the error
---@return any ...
function M.try(f, ...)
  local results = table.pack(pcall(f, ...))
  if results[1] then return table.unpack(results, 1, results.n) end
  if core.is_cancelled() then error(results[2], 0) end
  return nil, results[2]
end

return M
