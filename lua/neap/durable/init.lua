--- Durable runs: flows that survive their process.
-- SPDX-License-Identifier: MIT
local class = require "neap.base.class"
local concurrent = require "neap.task.concurrent"
local core = require "neap.core"
local graph = require "neap.flow.graph"
local new_error = require "neap.error".new
local nodes = require "neap.flow.node"
local options = require "neap.base.options"
local rules = require "neap.base.schema".rules
local runs = require "neap.durable.run"
local stores = require "neap.store"
local values = require "neap.durable.values"
local workers = require "neap.durable.worker"

local M = {}

--- An app: flows, the store that keeps their runs, and those who work them off.
---@class neap.durable.App
---@field store neap.Store
---@field flows table<string, table>
---@field private attach fun(shared: table)|nil
---@field private tags fun(shared: table): table<string, string>|nil
---@field private lease number seconds
---@field private keep number seconds that an ended run is kept
---@field private keep_failed number
---@field private on_event fun(event: table)|nil
---@field private workers table<neap.durable.Worker, true>
---@field private store_timeout number|nil
---@field private max_queued integer
local App, AppMeta = class("neap.durable.App")

-- The flow that an app knows by a name.
local function flow_of(app, name, where)
  options.argument(1, where, name, rules.string)
  local flow = app.flows[name]
  if flow then return flow end
  local near = options.nearest(name, app.flows)
  options.blame(("%s: the app has no flow '%s'%s"):format(where, name,
    near and ("; did you mean '%s'?"):format(near) or ""))
end

-- Raises an error if nodes beside each other have one name: a saved run is found by names.
-- A flow is looked at once, and again when it has been wired anew.
local function check_names(name, flow)
  local plan = graph.plan(flow.flow)
  if flow.checked == plan then return end
  local twin = core.keep.twin(plan)
  if twin then
    error(new_error { code = "durable", retryable = false,
      message = ("the flow '%s' has several nodes named '%s' beside each other; a durable run is "
        .. "found by the names of its nodes, so each needs its own"):format(name, twin) }, 0)
  end
  flow.checked = plan
end

local function new_id(name)
  return ("%s-%s"):format(name, core.system.random())
end

local function milliseconds(given)
  return given and math.ceil(given * 1000) or nil
end

-- Waits until a run is saved, and tells the workers of this process.
local function begin(app, opts)
  local told = stores.handle_of(app.store):start(opts)
  for worker in pairs(app.workers) do worker.changed:set() end
  return runs.new(app, told)
end

--- Starts a run, and returns it when it is saved. If there is a run of the same `id`, that is
--- what is returned, also after it has ended; code "exists" is raised if it was started with
--- another flow, shared or params.
---@param name string of the flow
---@param opts? neap.durable.StartOptions
---@return neap.durable.Run
function App:start(name, opts)
  local flow = flow_of(self, name, "start")
  check_names(name, flow)
  opts = options.take(opts, "durable.start")
  local shared = opts.shared or {}
  local delay = opts.delay or opts.at and math.max(0, opts.at - core.system.time()) or nil
  return begin(self, {
    id = opts.id or new_id(name), flow = name,
    version = flow.version, params = opts.params and values.encode_value(opts.params) or "",
    vars = values.encode(shared), queue = opts.queue, priority = opts.priority,
    delay = milliseconds(delay), keep = milliseconds(opts.keep), max_queued = self.max_queued,
    tags = opts.tags or self.tags and self.tags(shared) or nil,
  })
end

--- Makes the run of a fork, for neap.durable.run.
---@private
function App:begin_fork(run, told, shared, opts)
  return begin(self, { id = opts.id or new_id(run.flow),
    flow = told.flow, version = told.version, params = told.params, vars = values.encode(shared),
    queue = told.queue, priority = told.priority, frames = told.frames, parts = told.parts,
    parent = told.number, parent_seq = told.seq, tags = told.tags })
end

--- Works runs off until the app is stopped or the task is cancelled. Several tasks and
--- processes may work for the same store. When the app is stopped, visits that are under way
--- may end for `grace` seconds; then the runs are given back, for others to go on with.
---@param opts? neap.durable.WorkOptions
function App:work(opts)
  opts = options.take(opts, "durable.work")
  for name, flow in pairs(self.flows) do check_names(name, flow) end
  local queues = {}
  for name, given in pairs(opts.queues or { default = {} }) do
    queues[name] = options.take(given, "durable.queue")
  end
  workers.run(self, { queues = queues, grace = opts.grace })
end

--- Ends the work of this process: `work` returns. Does not wait.
function App:stop()
  for worker in pairs(self.workers) do
    worker.stopping = true
    worker.changed:set()
  end
end

--- Finds a run by its id, and waits. Nil if there is none, or none any more.
---@param id string
---@return neap.durable.Run|nil
function App:run(id)
  options.argument(1, "run", id, rules.string)
  local handle = stores.handle_of(self.store)
  local ok, told = pcall(handle.look, handle, id)
  if ok then return runs.new(self, told) end
  if type(told) == "table" and told.code == "run" then return nil end
  error(told, 0)
end

local function filter(opts)
  return { flow = opts.flow, statuses = opts.status and { opts.status } or opts.statuses,
    tags = opts.tags, since = opts.since and opts.since * 1000 // 1 | 0, after = opts.after,
    limit = opts.limit }
end

--- A page of runs, the newest first, and waits: a list of tables as of `run:info`, with `next`
--- to be given as `after` for the next page, if there is one.
---@param opts? neap.durable.ListOptions
---@return table[]
function App:runs(opts)
  opts = options.check(opts, "durable.runs")
  local told, next_page = stores.handle_of(self.store):list(filter(opts))
  local page = { next = next_page ~= 0 and next_page or nil }
  for i, run in ipairs(told) do
    page[i] = { id = run.id, flow = run.flow, status = run.status, seq = run.seq, tags = run.tags,
      queue = run.queue, waits = run.waits, created = run.created / 1000,
      updated = run.updated / 1000 }
  end
  return page
end

--- Counts runs by their status, and waits. The second result is the sum.
---@param opts? neap.durable.ListOptions
---@return table<string, integer>
---@return integer
function App:count(opts)
  opts = options.check(opts, "durable.runs")
  local rows, sum = stores.handle_of(self.store):count(filter(opts))
  local counts = {}
  for _, row in ipairs(rows) do counts[row.status] = row.number end
  return counts, sum
end

--- Removes runs that have ended and are not to be kept any longer, and waits. Returns how many
--- these were.
---@param opts? neap.durable.PruneOptions
---@return integer
function App:prune(opts)
  opts = options.check(opts, "durable.prune")
  return (stores.handle_of(self.store):prune(
    opts.ended_before and opts.ended_before * 1000 // 1 | 0 or 0, opts.limit or 0))
end

--- The routes with which a server shows and steers the runs of the app: the option `routes` of
--- neap.serve.listen. Does not wait.
---@return table<string, fun(request: neap.serve.Request): ...>
function App:routes()
  return require("neap.durable.routes").of(self)
end

-- Tells on_event. An error in it is a warning.
---@private
function App:tell(event)
  if event.kind == "ended" and self.awaited[event.id] then self.awaited[event.id]:set() end
  if not self.on_event then return end
  local ok, err = pcall(self.on_event, event)
  if not ok then warn("neap: on_event raised: ", tostring(err)) end
end

-- Waits until a run has ended in this process, or for so many seconds.
---@private
function App:wait_for_end(id, seconds)
  if next(self.workers) == nil then return core.sleep(seconds) end
  local ended = self.awaited[id] or core.event()
  self.awaited[id] = ended
  pcall(concurrent.timeout, seconds, ended.wait, ended)
  core.may_wait "await"
end

-- Tells the worker of this process, if it is one, that there is news for a run.
---@private
function App:wake(told)
  for worker in pairs(self.workers) do
    worker.changed:set()
    local held = worker.held[told.number]
    if held and held.keeper then
      held.keeper.news:set()
      if told.mark then
        held.keeper.mark = told.mark
        if told.mark == "cancel" and held.keeper.task then
          held.keeper.task:cancel "the run is cancelled"
        end
      end
    end
  end
end

-- The flows of an app, with their options, which are fields of the flow.
local function read_flows(given)
  local flows = {}
  for name, flow in pairs(given) do
    if type(name) ~= "string" or not nodes.is_node(flow) then
      options.blame(("durable: the flow '%s' is a %s; a flow expected"):format(tostring(name),
        type(flow)))
    end
    local fields = nodes.state(flow).fields
    flows[name] = { flow = flow, version = fields.version or 1, migrate = fields.migrate,
      history = fields.history or "steps", max_takeovers = fields.max_takeovers or 3 }
  end
  return flows
end

--- Makes an app. It does nothing by itself: `start` starts runs, and `work` works them off.
---@param opts neap.durable.Options
---@return neap.durable.App
function M.new(opts)
  opts = options.take(opts, "durable")
  for _, name in ipairs { "store", "flows" } do
    if opts[name] == nil then
      options.blame(("durable: the option '%s' is missing"):format(name))
    end
  end
  return setmetatable({ store = opts.store, flows = read_flows(opts.flows), attach = opts.attach,
    tags = opts.tags, lease = opts.lease, keep = opts.keep, keep_failed = opts.keep_failed,
    on_event = opts.on_event, workers = {}, awaited = setmetatable({}, { __mode = "v" }),
    store_timeout = opts.store_timeout, max_queued = opts.max_queued }, AppMeta)
end

function AppMeta:__tostring()
  return ("%s: %s"):format(AppMeta.__name, tostring(self.store))
end

--- Whether a value is an app.
---@param value any
---@return boolean
function M.is(value)
  return getmetatable(value) == AppMeta
end

--- Admits objects of a class to what is saved: see neap.cbor.type.
M.type = core.cbor.type

return setmetatable(M, { __call = function(_, opts) return (M.new(opts)) end })
