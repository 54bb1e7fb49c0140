--- neap: a small flow engine.
-- SPDX-License-Identifier: MIT
local core = require "neap.core"
local concurrent = require "neap.task.concurrent"
local nodes = require "neap.flow.node"
local run = require "neap.flow.run"
local wiring = require "neap.flow.wiring"

require "neap.error" -- makes error objects of errors that leave a run

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
--- A node that runs the nodes and flows in its table, its branches, side by side on one
--- shared store. Its `exec_res` is the list of their last actions, with `n`, and with
--- `on_error = "collect"` also `errors`. `concurrency` limits how many run at once;
--- `max_retries`, `timeout` and `process_after_fail` hold for each branch.
M.Parallel = nodes.base("Parallel", methods)

--- Makes a parallel: neap.parallel { a, b }.
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

--- Whether the file that calls this is the main script, rather than a module or a file
--- whose flow a command uses.
---@type fun(): boolean
M.is_main = require("neap.base.main").is_main

--- Waits. Never wakes early; `sleep(0)` lets others run.
---@param seconds number 0 or more
M.sleep = core.sleep

--- Makes a semaphore with `n` places. `acquire()` waits in line for a place and returns a
--- guard. `guard:release()` gives the place back, and so does the end of the scope of
--- `local guard <close> = semaphore:acquire()`.
---@param n integer 1 or more
---@return neap.Semaphore
M.semaphore = core.semaphore

--- A text that lists the tasks that wait, for what, and where.
---@return string
M.dump = core.dump

---@class neap.TaskInfo
---@field id integer its number in neap.dump()
---@field owner integer the number of its owner, 0 for the script or for none
---@field status "runs"|"waits"|"ends" it runs or is about to; waits; waits for its own tasks to end
---@field what? string what it waits for
---@field seconds? number for how long it has waited
---@field traceback? string where it waits
---@field llm? neap.Tally of a run that has called models
---@field task neap.Task

--- The tasks that neap.dump() lists, as tables, owners before their children.
---@return neap.TaskInfo[]
M.tasks = core.tasks

--- Makes a channel with room for `n` values. With 0, the default, a sender waits for a
--- receiver. `send(value)` and `receive()` wait; nil cannot be sent. `values()` iterates
--- over the values received. After `close()`, `send` raises, and `receive` returns the
--- values that are left, then nil.
---@param n? integer 0 or more
---@return neap.Channel
M.channel = core.channel

--- Makes an event. `wait()` waits until the event is set. `set()` sets it, and it stays set
--- until `clear()`. `is_set()` tells whether it is set.
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

--- Sets the function that is called on Ctrl-C (SIGINT) instead of ending the script. It may
--- cancel what is going on, and the script goes on. It runs as a detached task and may wait.
--- A second SIGINT while it runs, or before it could begin, ends the script. Raises an error
--- outside of the executable, because other interpreters handle signals themselves.
---@param f function|nil nil: SIGINT ends the script again
---@return function|nil before the function that was set before
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

--- Makes a node in C: one that the program has registered, in which this script is embedded.
--- It is wired, retried and timed like any other. Its params and the shared store are what
--- its functions read and set.
---@param name string
---@param opts? table options of a node, without methods; the name is that of the node in C
---@return neap.Node
function M.native(name, opts)
  return (require("neap.flow.native").new(M.Node, name, opts))
end

--- Makes a limiter; see neap.limiter.
---@param opts { rate: number, per?: number, burst?: number }
---@return neap.Limiter
function M.limiter(opts)
  return (require("neap.limiter").new(opts))
end

--- Makes a secret of a text such as a key. It is printed as `***`, and refused where a string
--- is expected, but taken where the manual says so: in the headers and the `auth` of HTTP
--- requests, as the `key` of language models, in the environment of programs.
--- `secret:reveal()` gives the text. A secret is given back as it is.
---@param text string|neap.Secret
---@return neap.Secret
function M.secret(text)
  return (require("neap.secret").new(text))
end

--- Returns the module luv, on the loop that neap drives; see neap.luv.
---@return table
function M.luv()
  return (require("neap.luv").load())
end

-- Modules that are loaded on first use, so that a script without them starts faster.
local later = {
  cbor = "neap.cbor", durable = "neap.durable", emit = "neap.flow.emit", error = "neap.error",
  fs = "neap.fs", http = "neap.http", input = "neap.input", llm = "neap.llm", mcp = "neap.mcp",
  net = "neap.net", process = "neap.process", retry = "neap.task.retry", serve = "neap.serve",
  store = "neap.store", stream = "neap.stream", summary = "neap.summary", testing = "neap.testing",
}

-- Fields of the module for what nodes of durable runs call.
local of_durable = { step = true, wait_for = true, Wait = true, run = true }

return setmetatable(M, {
  __index = function(self, key)
    if of_durable[key] then
      rawset(self, key, require("neap.durable.step")[key])
      return rawget(self, key)
    end
    if later[key] then
      local module = require(later[key])
      rawset(self, key, module)
      return module
    end
  end,
})
