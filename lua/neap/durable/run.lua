--- A run of a durable app, as others see it.
-- SPDX-License-Identifier: MIT
local class = require "neap.base.class"
local new_error = require "neap.error".new
local options = require "neap.base.options"
local rules = require "neap.base.schema".rules
local stores = require "neap.store"
local values = require "neap.durable.values"

local M = {}

-- Seconds between two looks at a run that is awaited.
local SOON <const>, LATER <const> = 0.05, 1

---@class neap.durable.Run
---@field id string
---@field flow string the name of its flow
---@field parent string|nil the id of the run that it is a fork of
---@field parent_seq integer|nil
---@field private app neap.durable.App
local Run, RunMeta = class("neap.durable.Run")

local function handle_of(run)
  return stores.handle_of(run.app.store)
end

--- Makes a run of what a store tells.
---@param app neap.durable.App
---@param told table
---@return neap.durable.Run
function M.new(app, told)
  return setmetatable({ app = app, id = told.id, flow = told.flow, parent = told.parent_id,
    parent_seq = told.parent_seq }, RunMeta)
end

function RunMeta:__tostring()
  return ("%s: %s"):format(RunMeta.__name, self.id)
end

-- The time of a store, in seconds.
local function seconds(ms)
  return ms and ms / 1000
end

--- What is known of the run, as a table, and waits: `id`, `flow`, `status` ("queued",
--- "running", "waiting", "paused", "stuck", "poisoned", "done", "failed", "cancelled"), `seq`
--- (how often it has been saved), `version`, `queue`, `priority`, `tags`, `waits` (the signal
--- that it waits for), and the times `due`, `created`, `updated`, in seconds since 1970.
---@return table
function Run:info()
  local told = handle_of(self):look(self.id)
  return { id = told.id, flow = told.flow, status = told.status, seq = told.seq,
    version = told.version, queue = told.queue, priority = told.priority, tags = told.tags,
    waits = told.waits, due = seconds(told.due), created = seconds(told.created),
    updated = seconds(told.updated), owner = told.owner }
end

--- The status of the run; waits.
---@return string
function Run:status()
  return handle_of(self):look(self.id).status
end

local function result_of(told)
  return told.result and told.result ~= "" and values.decode_value(told.result) or {}
end

--- The error of a run that has failed or is stuck, as a table with `code`, `message`, `node`,
--- `phase`, `attempt`, `traceback`; nil of others. Waits.
---@return table|nil
function Run:error()
  return result_of(handle_of(self):read(self.id)).error
end

--- The shared store as it was last saved, without what `attach` sets. Waits.
---@return table
function Run:shared()
  return values.decode(handle_of(self):read(self.id).vars)
end

--- The shared store as it was when the run had been saved as `seq`. Waits. Raises code "value"
--- unless the flow has `history = "values"`, or it is the last one.
---@param seq integer
---@return table
function Run:at(seq)
  options.argument(1, "at", seq, rules.count_or_0)
  return values.decode(handle_of(self):read(self.id, seq).vars)
end

local ENDED = { done = true, failed = true, cancelled = true, poisoned = true }

--- Waits until the run has ended. Returns its last action and shared store. Raises the error
--- of a run that has failed, was cancelled or given up. One that is paused or stuck may go on,
--- so it is waited for.
---@return string action
---@return table shared
function Run:await()
  local handle, pause = handle_of(self), SOON
  while true do
    local told = handle:look(self.id)
    if ENDED[told.status] then break end
    self.app:wait_for_end(self.id, pause)
    pause = math.min(pause * 1.5, LATER)
  end
  local told = handle:read(self.id)
  local result = result_of(told)
  if told.status == "done" then return result.action, values.decode(told.vars) end
  local err = result.error or { message = "the run was cancelled" }
  err.code = told.status ~= "failed" and told.status or err.code
  error(new_error(err), 0)
end

--- Sends the run a signal, and waits until that is saved. A second one of the same `id` is the
--- first. Raises code "ended" if the run has ended.
---@param name string
---@param value any what can be saved
---@param opts? { id?: string }
function Run:signal(name, value, opts)
  options.argument(1, "signal", name, rules.string)
  opts = options.check(opts, "durable.signal")
  local told = handle_of(self):send(self.id, name, values.encode_value(value), opts.id)
  self.app:wake(told)
end

local function wish(run, what, reason)
  if reason ~= nil then options.argument(1, what, reason, rules.string) end
  local result = reason and values.encode_value { error = { code = "cancelled", message = reason } }
  local keep = what == "cancel" and run.app.keep * 1000 // 1 | 0 or 0
  local told = handle_of(run):wish(run.id, what, result, keep)
  run.app:wake(told)
end

--- Cancels the run. One that is being worked is cancelled where it waits. Waits until the wish
--- is saved.
---@param reason? string
function Run:cancel(reason)
  wish(self, "cancel", reason)
end

--- Pauses the run once its visit has ended. Waits until the wish is saved.
function Run:pause()
  wish(self, "pause")
end

--- Lets a run go on that is paused or stuck. Waits.
function Run:resume()
  wish(self, "resume")
end

--- Lets a run that has failed, or was given up, go on from its last save. Waits.
function Run:retry()
  wish(self, "retry")
end

--- Iterates over the steps of the run, and waits: tables with `seq`, `node` (its path),
--- `attempt`, `action`, `time` (when it was saved, seconds since 1970), `took` (seconds),
--- `changed` (names of variables) and `worker`.
---@param after? integer the `seq` of a step: those that follow it; default: all
---@return fun(): table|nil
function Run:history(after)
  if after ~= nil then options.argument(1, "history", after, rules.count_or_0) end
  local handle, page, at = handle_of(self), {}, 0
  after = after or 0
  return function()
    at = at + 1
    if not page[at] then
      page, at = handle:history(self.id, after, 500), 1
    end
    local step = page[at]
    if not step then return nil end
    after = step.seq
    return { seq = step.seq, node = step.node, attempt = step.attempt + 1, action = step.action,
      time = step.at / 1000, took = step.took / 1000, changed = step.changed,
      worker = step.worker, has_values = step.has_values }
  end
end

--- Makes a run that goes on from a save of this one, which is not touched. Waits. Without `at`
--- it is the last save; another one needs `history = "values"`.
---@param opts? neap.durable.ForkOptions
---@return neap.durable.Run
function Run:fork(opts)
  opts = options.check(opts, "durable.fork")
  local told = handle_of(self):read(self.id, opts.at)
  local shared = values.decode(told.vars)
  if opts.shared then shared = opts.shared(shared) or shared end
  return self.app:begin_fork(self, told, shared, opts)
end

return M
