--- neap: a small flow engine.
-- SPDX-License-Identifier: MIT
local core = require "neap.core"
local concurrent = require "neap.task.concurrent"
local nodes = require "neap.flow.node"
local run = require "neap.flow.run"
local wiring = require "neap.flow.wiring"

require "neap.error" -- what leaves a run becomes an error object

local M = { version = core.version, END = wiring.END }

local methods = { to = wiring.to, run = run.run, set_params = nodes.set_params }

--- A step: prep, exec, post.
M.Node = nodes.base("Node", methods)
--- A graph of nodes, itself a node.
M.Flow = nodes.base("Flow", methods)
--- A node whose exec runs for each item that prep gives.
M.BatchNode = nodes.base("BatchNode", methods)
--- A flow that runs for each table of params that prep gives.
M.BatchFlow = nodes.base("BatchFlow", methods)
--- A node that runs the nodes and flows in its table side by side, on one shared
--- store, and joins them: its `exec_res` is the list of their last actions, with
--- `n`, and with `on_error = "collect"` also `errors`. `concurrency` limits how
--- many run at once; `max_retries`, `timeout` and `process_after_fail` are for
--- each branch.
M.Parallel = nodes.base("Parallel", methods)

--- Makes a parallel, as calling the class does: neap.parallel { a, b }.
M.parallel = M.Parallel

-- Any method may wait, so these are only other names.
M.AsyncNode = M.Node
M.AsyncFlow = M.Flow
M.AsyncBatchNode = M.BatchNode
M.BatchAsyncFlow = M.BatchFlow
M.AsyncBatchFlow = M.BatchFlow

--- The engine's clock: monotonic, its zero is arbitrary.
---@return number seconds
M.now = core.now

--- Whether the file from which this is called is the script that was started,
--- rather than a module or a file whose flow a command wants to have.
---@type fun(): boolean
M.is_main = require("neap.base.main").is_main

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

---@class neap.TaskInfo
---@field id integer the number that neap.dump() gives it
---@field owner integer that of its owner, 0 for the script or nobody
---@field status "runs"|"waits"|"ends" it runs or is about to; waits; waits for its own tasks to end
---@field what? string what it waits for
---@field seconds? number since when
---@field traceback? string where
---@field task neap.Task

--- The tasks that have not ended, owners before what they own: what neap.dump()
--- tells as text.
---@return neap.TaskInfo[]
M.tasks = core.tasks

--- Makes a channel for `n` values that nobody has received yet (0, the default:
--- a sender waits for a receiver). `send(value)` and `receive()` wait; `close()`
--- ends it: then `receive` gives what is left and nil after that, and `send`
--- raises. `values()` iterates over what is received. nil cannot be sent.
---@param n? integer 0 or more
---@return neap.Channel
M.channel = core.channel

--- Makes an event: `wait()` waits until it is `set()`, which it stays until it
--- is `clear()`ed; `is_set()` tells.
---@return neap.Event
M.event = core.event

M.spawn = concurrent.spawn
M.spawn_detached = concurrent.spawn_detached
M.gather = concurrent.gather
M.race = concurrent.race
M.map = concurrent.map
M.timeout = concurrent.timeout
M.shield = concurrent.shield
M.try = concurrent.try
M.retry = require "neap.task.retry"

--- Has a function answer Ctrl-C (SIGINT) instead of the end of the script: it may
--- cancel what is going on, and the script stays. It runs as a task that belongs
--- to nobody, and may wait. A second SIGINT while it runs ends the script as ever,
--- and so does one that the script, busy without ever waiting, lets it not begin
--- to answer. Only in the executable: other interpreters answer signals themselves.
---@param f function|nil nil: SIGINT ends the script again
---@return function|nil before what answered until now
function M.on_interrupt(f)
  if not core.on_interrupt then
    error("on_interrupt: only a script that the executable neap runs can answer SIGINT", 2)
  end
  return core.on_interrupt(f)
end

--- Whether a file descriptor (0, 1, 2) is a terminal.
---@param fd integer
---@return boolean
M.isatty = core.isatty

M.json = core.json

--- Makes a limiter of rates; see neap.limiter.
---@param opts { rate: number, per?: number, burst?: number }
---@return neap.Limiter
function M.limiter(opts)
  return (require("neap.limiter").new(opts))
end

--- Gives luv, on the loop that neap drives; see neap.luv.
---@return table
function M.luv()
  return (require("neap.luv").load())
end

-- Loaded when they are first used, so that a flow without them starts faster.
local later = {
  error = "neap.error", fs = "neap.fs", http = "neap.http", input = "neap.input",
  llm = "neap.llm",
  net = "neap.net", process = "neap.process", stream = "neap.stream",
  summary = "neap.summary", testing = "neap.testing",
}

return setmetatable(M, {
  __index = function(self, key)
    if later[key] then
      local module = require(later[key])
      rawset(self, key, module)
      return module
    end
  end,
})
