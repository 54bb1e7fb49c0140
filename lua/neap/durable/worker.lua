--- Working runs off: a worker claims runs, keeps its leases, and drives each run in a task.
-- SPDX-License-Identifier: MIT
local concurrent = require "neap.task.concurrent"
local core = require "neap.core"
local graph = require "neap.flow.graph"
local is_error = require "neap.error".is
local keepers = require "neap.durable.keeper"
local stores = require "neap.store"
local values = require "neap.durable.values"

local M = {}

-- Seconds between two looks at the store, when nothing else says that there is work.
local LOOK <const> = 1

---@class neap.durable.Worker
---@field app neap.durable.App
---@field handle userdata
---@field owner string random, new each time
---@field rooms table<string, integer> how many runs more, by queue
---@field rates table<string, neap.durable.Rate> of the queues that have one
---@field held table<integer, table> the runs being driven, by number
---@field count integer of them
---@field changed neap.Event set when there may be something to claim, or a run has ended
---@field stopping boolean

--- How fast a queue is taken from.
---@class neap.durable.Rate
---@field per_second number
---@field most number how many runs may follow each other at once
---@field left number of these, at the time `at`
---@field at number

-- Saves how a run has ended, with or without what has changed since the last save.
local function save_end_once(keeper, status, result, keep, with_values)
  local opts = keeper.ended or {}
  local copy = { status = status, result = values.encode_value(result), keep = keep * 1000 // 1 | 0,
    node = opts.node, action = opts.action, attempt = opts.attempt, took = opts.took,
    values_too = with_values, values = with_values and keeper.flow.history == "values" }
  keepers.save(keeper, copy)
  keeper.ended = nil
end

-- Saves how a run has ended. One whose values cannot be saved has failed.
local function save_end(keeper, status, result, keep)
  local ok, err = concurrent.try(save_end_once, keeper, status, result, keep, status ~= "stuck")
  if not ok then
    if keeper.lost or keeper.broken then error(err, 0) end
    if status == "done" then
      status, result, keep = "failed", { error = keepers.describe(err) }, keeper.app.keep_failed
    end
    save_end_once(keeper, status, result, keep, false)
  end
  keeper.app:tell { kind = status == "stuck" and "stuck" or "ended", id = keeper.id,
    status = status }
end

-- Says why a run cannot go on, and leaves it where it is.
local function save_stuck(keeper, problem)
  save_end(keeper, "stuck", { error = problem }, 0)
end

-- Drives a run to its end. Returns its last action.
local function drive(keeper, at, run)
  local flow, shared = keeper.flow, keeper.values.shared
  local params = run.params and run.params ~= "" and values.decode_value(run.params) or nil
  local task = core.keep.start(graph.plan(flow.flow), shared, params and core.read_only(params),
    at, run.frames ~= "" and run.frames or nil)
  keeper.task = task
  return (task:await())
end

-- What a run that ended with an error has to be saved as.
local function save_failure(keeper, err)
  if is_error(err) and err.code == "given_up" then
    if err.message == "pause" then
      keepers.save(keeper, { status = "paused", stays = true })
    end -- or is unloaded, or given back as its worker leaves
  elseif keeper.mark == "cancel" then
    save_end(keeper, "cancelled", { error = keepers.describe(err) }, keeper.app.keep)
  else
    save_end(keeper, "failed", { error = keepers.describe(err) }, keeper.app.keep_failed)
  end
end

-- Makes the keeper of a run; nil and the problem where the run does not fit.
local function prepare(worker, run)
  local app = worker.app
  local flow = app.flows[run.flow]
  local attach = flow and app.attach
  local keeper, at = keepers.new(app, worker.handle, run, flow or {},
    values.new(run.vars, attach))
  worker.held[run.number].keeper = keeper
  if worker.stopping then keeper.mark = keeper.mark or "stop" end
  if flow then return keeper, at end
  save_stuck(keeper, { code = "stuck", message = ("this app has no flow '%s'"):format(run.flow) })
end

-- Drives one run, and saves its end.
local function work_off(worker, run)
  local keeper, at = prepare(worker, run)
  if not keeper then return end
  if run.claims > keeper.flow.max_takeovers + 1 then
    return save_end(keeper, "poisoned", { error = { code = "poisoned",
      message = ("it was begun %d times without getting on"):format(run.claims - 1) } },
      worker.app.keep_failed)
  end
  worker.app:tell { kind = "claimed", id = run.id }
  local ok, result = pcall(drive, keeper, at, run)
  if ok then return save_end(keeper, "done", { action = result }, worker.app.keep) end
  if is_error(result) and result.code == "stuck" then
    return save_stuck(keeper, keepers.describe(result))
  end
  if keeper.lost or worker.given_up then
    return worker.app:tell { kind = "fenced", id = run.id }
  end
  save_failure(keeper, result)
end

-- Gives a run back that could not be saved, for it is to be begun again when the store can.
local function give_back(worker, run)
  repeat
    core.sleep(LOOK)
    local handle, claims = worker.handle, { [run.number] = run.token }
    local ok, err = concurrent.try(handle.release, handle, claims)
  until ok or not (is_error(err) and err.retryable)
end

-- The task of one run: frees its place when it has ended.
local function hold(worker, run)
  local _ <close> = setmetatable({}, { __close = function()
    local keeper = worker.held[run.number].keeper
    if keeper then keeper.lost = true end
    worker.held[run.number] = nil
    worker.count = worker.count - 1
    worker.rooms[run.queue] = worker.rooms[run.queue] + 1
    worker.changed:set()
  end })
  local ok, err = concurrent.try(work_off, worker, run)
  if not ok and not (is_error(err) and err.code == "fenced") then
    warn(("neap: the durable run %s was left where it is: %s"):format(run.id, tostring(err)))
    give_back(worker, run)
  end
end

-- The share of a second's runs that may be taken at once.
local BURST <const> = 0.1

local function new_rate(per_second)
  local most = math.max(1, per_second * BURST)
  return { per_second = per_second, most = most, left = most, at = core.now() }
end

-- How many runs of a queue the worker may take now.
local function room_of(worker, queue)
  local room, rate = worker.rooms[queue], worker.rates[queue]
  if not rate then return room end
  local now = core.now()
  rate.left, rate.at = math.min(rate.most, rate.left + (now - rate.at) * rate.per_second), now
  return math.min(room, math.floor(rate.left + 0x1p-20))
end

-- Seconds until a rate lets another run of a queue begin for which there is room; LOOK at most.
local function until_room(worker)
  local seconds = LOOK
  for queue, rate in pairs(worker.rates) do
    if worker.rooms[queue] > 0 and rate.left < 1 then
      seconds = math.min(seconds, (1 - rate.left) / rate.per_second)
    end
  end
  return math.max(seconds, 0x1p-20)
end

-- Claims what there is room for. Returns whether there was anything.
local function claim(worker)
  local rooms = {}
  for queue in pairs(worker.rooms) do
    local room = room_of(worker, queue)
    if room > 0 then rooms[queue] = room end
  end
  if next(rooms) == nil then return false end
  local runs = worker.handle:claim(worker.owner, rooms)
  for _, run in ipairs(runs) do
    worker.held[run.number] = { run = run }
    worker.count = worker.count + 1
    worker.rooms[run.queue] = worker.rooms[run.queue] - 1
    local rate = worker.rates[run.queue]
    if rate then rate.left = rate.left - 1 end
    worker.held[run.number].task = concurrent.spawn(hold, worker, run)
  end
  return runs[1] ~= nil
end

-- Waits until there may be work.
local function wait_for_work(worker)
  pcall(concurrent.timeout, until_room(worker), worker.changed.wait, worker.changed)
  core.may_wait "work"
  worker.changed:clear()
end

-- Tells the runs of this worker what has come for them.
local function pass_on(worker, news)
  for _, run in ipairs(news) do
    local held = worker.held[run.number]
    local keeper = held and held.keeper
    if keeper then
      keepers.note_unread(keeper, run.unread)
      if run.mark and keeper.mark ~= run.mark then
        keeper.mark = run.mark
        keeper.news:set()
        if run.mark == "cancel" and keeper.task then keeper.task:cancel "the run is cancelled" end
      end
    end
  end
end

-- The worker has been given up by others: its runs are not its own any more.
local function lose_all(worker)
  worker.given_up = true
  for _, held in pairs(worker.held) do
    if held.keeper then
      held.keeper.lost = true
      if held.keeper.task then held.keeper.task:cancel "the run is another worker's by now" end
    end
  end
end

-- Keeps the leases. A store that cannot be reached for the length of a lease has lost them.
local function keep_leases(worker)
  local lease, heard = worker.app.lease, core.now()
  while true do
    core.sleep(lease / 3, true)
    local ok, news = pcall(worker.handle.beat, worker.handle, worker.owner, lease * 1000 // 1 | 0)
    if ok then
      heard = core.now()
      pass_on(worker, news)
    elseif is_error(news) and news.code == "fenced" or core.now() - heard > lease then
      return lose_all(worker)
    end
  end
end

-- Does what time brings: runs that are due, and those of workers that are gone.
local function keep_time(worker)
  while true do
    local ok, queued = pcall(worker.handle.due, worker.handle)
    if ok and queued > 0 then worker.changed:set() end
    core.sleep(LOOK, true)
  end
end

-- Claims and waits in turns until the worker is stopped or given up.
local function take_on(worker)
  while not worker.stopping and not worker.given_up do
    local ok, found = pcall(claim, worker)
    if not ok then
      core.may_wait "work"
      if is_error(found) and found.code == "fenced" then return lose_all(worker) end
      if not (is_error(found) and found.retryable) then error(found, 0) end
      worker.app:tell { kind = "store", message = found.message }
    end
    if not (ok and found) then wait_for_work(worker) end
  end
end

-- Lets the visits that are under way end, for `grace` seconds, and gives back the rest.
local function wind_up(worker, grace)
  for _, held in pairs(worker.held) do
    if held.keeper then
      held.keeper.mark = held.keeper.mark or "stop"
      held.keeper.news:set()
    end
  end
  local limit = core.now() + grace
  while worker.count > 0 and core.now() < limit do
    pcall(concurrent.timeout, math.max(limit - core.now(), 0x1p-20), worker.changed.wait,
      worker.changed)
    core.may_wait "work"
    worker.changed:clear()
  end
  for _, held in pairs(worker.held) do held.task:cancel "the worker is stopped" end
  worker.handle:leave(worker.owner)
end

-- Enters the worker in the store; tries again while that cannot do it.
local function join(worker)
  local lease = worker.app.lease * 1000 // 1 | 0
  while not worker.stopping do
    local ok, err = concurrent.try(worker.handle.join, worker.handle, worker.owner, lease)
    if ok then return end
    if not (is_error(err) and err.retryable) then error(err, 0) end
    worker.app:tell { kind = "store", message = err.message }
    core.sleep(LOOK)
  end
end

-- One life of a worker, from joining to leaving. It can be stopped from its beginning on.
local function live(app, opts)
  local worker = { app = app, owner = core.system.random(), rooms = {}, rates = {}, held = {},
    count = 0, changed = core.event(), stopping = false }
  for queue, limits in pairs(opts.queues) do
    worker.rooms[queue] = limits.concurrency
    worker.rates[queue] = limits.rate and new_rate(limits.rate)
  end
  app.workers[worker] = true
  local _ <close> = setmetatable({}, { __close = function() app.workers[worker] = nil end })
  worker.handle = stores.handle_of(app.store)
  join(worker)
  local leases = concurrent.spawn(keep_leases, worker)
  local time = concurrent.spawn(keep_time, worker)
  take_on(worker)
  if not worker.given_up then wind_up(worker, opts.grace) end
  leases:cancel()
  time:cancel()
  return worker.given_up and not worker.stopping
end

--- Works until the app is stopped or the task is cancelled.
---@param app neap.durable.App
---@param opts table
function M.run(app, opts)
  while live(app, opts) do
    app:tell { kind = "fenced", message = "this worker was given up; it begins anew" }
  end
end

return M
