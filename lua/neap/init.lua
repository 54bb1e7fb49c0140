--- neap: a small flow engine.
-- SPDX-License-Identifier: MIT
local core = require "neap.core"
local graph = require "neap.graph"
local object = require "neap.object"
local options = require "neap.options"
local wiring = require "neap.wiring"

require "neap.error" -- what leaves a run becomes an error object

local M = { version = core.version, END = wiring.END }

local run_options = { params = true, timeout = true, max_steps = true, on_event = true }

local function expect(value, kind, name, where)
  if value ~= nil and type(value) ~= kind then
    error(("%s: '%s' expected as a %s, got a %s"):format(where, name, kind, type(value)), 4)
  end
end

-- Checks the arguments of `where` and gives those of core.run.
local function prepare(node, shared, opts, where)
  if not object.is_node(node) then
    local state = object.state(node)
    error(state and ("%s: %s is a class; make a node of it first: %s()"):format(where, state.label,
      state.label) or ("%s: a node or flow expected"):format(where), 3)
  end
  if shared == nil then shared = {} end
  if opts == nil then return graph.plan(node), shared end
  options.check(opts, run_options, where, 3)
  expect(opts.params, "table", "params", where)
  expect(opts.on_event, "function", "on_event", where)
  expect(opts.timeout, "number", "timeout", where)
  local steps, seconds = opts.max_steps, opts.timeout
  if steps ~= nil and (math.type(steps) ~= "integer" or steps < 1) then
    error(("%s: 'max_steps' is an integer of 1 or more"):format(where), 3)
  end
  if seconds and not (seconds > 0) then
    error(("%s: 'timeout' is in seconds, more than 0"):format(where), 3)
  end
  return graph.plan(node), shared, opts.params, opts.on_event, steps, seconds
end

local function run(node, shared, opts)
  local state = object.state(node)
  if state and #state.actions > 0 then
    warn(("neap: %s runs alone; its successors run only as part of a flow"):format(state.label))
  end
  return core.run(prepare(node, shared, opts, "run"))
end

local methods = { to = wiring.to, run = run }

--- A step: prep, exec, post.
M.Node = object.base("Node", methods)
--- A graph of nodes, itself a node.
M.Flow = object.base("Flow", methods)
--- A node whose exec runs for each item that prep gives.
M.BatchNode = object.base("BatchNode", methods)
--- A flow that runs for each table of params that prep gives.
M.BatchFlow = object.base("BatchFlow", methods)

-- Any method may wait, so these are only other names.
M.AsyncNode = M.Node
M.AsyncFlow = M.Flow
M.AsyncBatchNode = M.BatchNode
M.BatchAsyncFlow = M.BatchFlow
M.AsyncBatchFlow = M.BatchFlow

--- The engine's clock: monotonic, its zero is arbitrary.
---@return number seconds
M.now = core.now

--- Waits. Never wakes early; `sleep(0)` lets others run.
---@param seconds number 0 or more
M.sleep = core.sleep

--- Makes a semaphore: at most `n` hold it at once, the others wait in line.
--- `acquire()` waits and returns a guard; `guard:release()` gives the place
--- back, or `local guard <close> = semaphore:acquire()` does.
---@param n integer 1 or more
---@return neap.Semaphore
M.semaphore = core.semaphore

--- Who waits, for what, and where.
---@return string
M.dump = core.dump

local function is_callable(value)
  if type(value) == "function" then return true end
  local meta = getmetatable(value)
  return type(meta) == "table" and type(rawget(meta, "__call")) == "function"
end

--- Runs a function, or a flow, concurrently. The task belongs to the task that
--- spawned it: when that ends, it is cancelled. A task that fails and is never
--- awaited makes its owner fail.
---@param f function|table what to call with `...`, or a flow to run with (shared, opts)
---@param ... any
---@return neap.Task task with await(), cancel(reason) and status
function M.spawn(f, ...)
  if object.state(f) then
    local shared, opts = ...
    return core.start(prepare(f, shared, opts, "spawn"))
  end
  if not is_callable(f) then
    error(("spawn: a function or a flow expected, got a %s"):format(type(f)), 2)
  end
  return core.spawn(f, ...)
end

--- Waits for all of several functions, flows and tasks, which run at once. The
--- first error cancels what gather started, and is raised when that has
--- unwound. A task handed in is only awaited.
---@param items table list and named fields alike
---@return table results the first result of each under the same key; `n` is the length of the list
function M.gather(items)
  if type(items) ~= "table" or object.state(items) then
    error("gather: a table of functions, flows and tasks expected", 2)
  end
  local starts = false
  for key, item in pairs(items) do
    starts = starts or not core.is_task(item)
    if object.is_node(item) then
      graph.plan(item) -- a flow that cannot run raises before anything is started
    elseif not (core.is_task(item) or is_callable(item)) then
      error(("gather: [%s] is a %s; a function, flow or task expected"):format(tostring(key),
        type(item)), 2)
    end
  end
  if starts then core.may_wait("gather") end
  local keys, tasks, own = {}, {}, {}
  for key, item in pairs(items) do
    local task = item
    if not core.is_task(item) then
      task = M.spawn(item)
      own[#own + 1] = task
    end
    keys[#keys + 1], tasks[#tasks + 1] = key, task
  end
  local joined, failed = pcall(core.join, tasks, false)
  if failed then
    for i = 1, #own do own[i]:cancel() end
    if not joined then error(failed, 0) end
    core.join(own, true)
    tasks[failed]:await() -- raises
  end
  local results = { n = #items }
  for i, key in ipairs(keys) do results[key] = (tasks[i]:await()) end
  return results
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

--- Whether a file descriptor (0, 1, 2) is a terminal.
---@param fd integer
---@return boolean
M.isatty = core.isatty

M.fs = core.fs
M.json = core.json

-- Loaded when they are first used, so that a flow without them starts faster.
local later = { http = "neap.http", llm = "neap.llm", summary = "neap.summary", error = "neap.error" }

return setmetatable(M, {
  __index = function(self, key)
    if later[key] then
      local module = require(later[key])
      rawset(self, key, module)
      return module
    end
  end,
})
