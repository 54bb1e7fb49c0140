--- Keepers: each saves one run of a durable app while it goes on.
-- SPDX-License-Identifier: MIT
--
-- The driver of the run, in C, calls the function of the keeper at each place where
-- something has been done that is not to be done again (bindings/flow/keep.h). A keeper that
-- raises ends the run there, past its retries.
--
-- What is saved beside variables are *parts*: results of what is inside of open visits. The
-- name of a part is the path of the visit, as "Order/Charge/", and what it is. They go when
-- the visit has ended.
local concurrent = require "neap.task.concurrent"
local core = require "neap.core"
local is_error = require "neap.error".is
local new_error = require "neap.error".new
local values = require "neap.durable.values"

local M = {}

-- The longest pause between two tries of a save, in seconds.
local MAX_PAUSE <const> = 5

---@class neap.durable.Keeper
---@field app neap.durable.App
---@field handle userdata the store's
---@field id string
---@field number integer
---@field token string of the claim
---@field seq integer of the last save
---@field flow table
---@field values neap.durable.Values
---@field parts table<string, string>
---@field frames string|nil where the run was at the last save
---@field mark string|nil what is asked of the run: "cancel", "pause", or "stop" by its worker
---@field ended table|nil the visit that has ended since
---@field gone string[] paths of visits that have ended since
---@field counts table<string, table<string, integer>> of names used twice in a visit
---@field signals table[] that have come and were not taken
---@field taken table<integer, true> numbers of signals that were, maybe not saved yet
---@field news neap.Event set when there may be signals
---@field told number the clock of the store in seconds, as it last told
---@field told_at number when that was, by the engine's clock
---@field lost boolean the run is another's by now
---@field broken any the error of a save that could not be made
---@field pending string[] changes of parts that the next save takes
---@field saving integer how many saves have begun and not ended
---@field hold neap.Semaphore of saves, which follow each other

local by_function = setmetatable({}, { __mode = "k" })

--- The error with which a run is given up, to go on later: nothing is wrong with it.
---@param why string "pause", "stop", "unload"
---@return table
function M.given_up(why)
  return new_error { code = "given_up", message = why, retryable = false }
end

local function set_clock(keeper, time)
  keeper.told, keeper.told_at = time / 1000, core.now()
end

--- The time by the clock of the store, in seconds since 1970.
---@param keeper neap.durable.Keeper
---@return number
function M.now(keeper)
  return keeper.told + core.now() - keeper.told_at
end

-- Saves, and tries again while the store cannot do it.
local function persist(keeper, opts)
  local pause, limit = 0.1, keeper.app.store_timeout and core.now() + keeper.app.store_timeout
  while true do
    local ok, seq, time, mark, unread = pcall(keeper.handle.save, keeper.handle, opts)
    if ok then return seq, time, mark, unread end
    local err = seq
    if type(err) ~= "table" or not err.retryable or limit and core.now() > limit then
      if type(err) == "table" and err.code == "fenced" then keeper.lost = true end
      error(err, 0)
    end
    keeper.app:tell { kind = "store", id = keeper.id, message = err.message }
    core.sleep(pause)
    pause = math.min(pause * 2, MAX_PAUSE)
  end
end

--- Notes how many signals the store has that the run has not taken: it may have to read them.
---@param keeper neap.durable.Keeper
---@param unread integer|nil
function M.note_unread(keeper, unread)
  if (unread or 0) > #keeper.signals then keeper.news:set() end
end

-- Brings one save to its end. The values are those of the moment in which it was begun.
local function save_now(keeper, opts, changes, vars)
  local _ <close> = keeper.hold:acquire()
  if keeper.lost then
    error(new_error { code = "fenced", retryable = false,
      message = ("the run %s is another worker's by now"):format(keeper.id) }, 0)
  elseif keeper.broken then
    error(keeper.broken, 0)
  end
  if vars then values.add_changes(keeper.values, vars, changes) end
  opts.run, opts.token, opts.seq = keeper.number, keeper.token, keeper.seq
  opts.status, opts.changes = opts.status or "running", changes
  opts.frames = opts.frames or keeper.frames or ""
  local seq, time, mark, unread = persist(keeper, opts)
  keeper.seq, keeper.frames = seq, opts.frames
  set_clock(keeper, time)
  if vars then keeper.values.kept = vars end
  if mark then keeper.mark = mark end
  M.note_unread(keeper, unread)
  if keeper.app.on_event then
    keeper.app:tell { kind = "saved", id = keeper.id, seq = seq, node = opts.node,
      action = opts.action, status = opts.status }
  end
end

-- The task of one save. Returns its error, if it has one.
local function run_save(keeper, ...)
  local ok, err = pcall(save_now, keeper, ...)
  keeper.saving = keeper.saving - 1
  if ok then return nil end
  -- What the store refuses is not there; of anything else nobody knows.
  if not (is_error(err) and err.code == "value") then keeper.broken = keeper.broken or err end
  return err
end

-- Begins a save, in a task of its own: it comes to its end also when the task is cancelled that
-- waits for it, or nobody would know what the store has.
local function begin_save(keeper, opts, changes)
  local vars = opts.values_too and values.encode(keeper.values.shared, keeper.values.left_out)
  opts.values_too = nil
  keeper.saving = keeper.saving + 1
  return concurrent.spawn_detached(run_save, keeper, opts, changes or {}, vars or nil)
end

-- Waits for a save that has begun.
local function await_save(task)
  local err = task:await()
  if err ~= nil then error(err, 0) end
end

--- Saves where the run is with what has changed, and waits until that is saved. `opts` are
--- further fields of the save, `status` among them; "running" unless given. After a save that
--- could not be made the run makes no other.
---@param keeper neap.durable.Keeper
---@param opts table
---@param changes? string[]
function M.save(keeper, opts, changes)
  core.may_wait "save" -- a task that has been cancelled begins none
  await_save(begin_save(keeper, opts, changes))
end

--- Waits until the saves have ended that have begun.
---@param keeper neap.durable.Keeper
function M.wait_for_saves(keeper)
  if keeper.saving > 0 then keeper.hold:acquire():release() end
end

--- Saves a part, and waits. It is there for others of this run at once, and is saved even if
--- the task has been cancelled: what it tells of has been done.
---@param keeper neap.durable.Keeper
---@param name string
---@param value any
---@param opts? table
function M.save_part(keeper, name, value, opts)
  local bytes = values.encode_value(value)
  opts = opts or {}
  opts.stays = true
  keeper.parts[name] = bytes
  await_save(begin_save(keeper, opts, { "part", name, bytes }))
end

--- What was saved as a part, or is being saved. The second result is whether there is one.
---@param keeper neap.durable.Keeper
---@param name string
---@return any value
---@return boolean
function M.part(keeper, name)
  local bytes = keeper.parts[name]
  if not bytes then return nil, false end
  return values.decode_value(bytes), true
end

--- Raises what is asked of the run from outside.
---@param keeper neap.durable.Keeper
function M.obey(keeper)
  if keeper.mark == "pause" or keeper.mark == "stop" then error(M.given_up(keeper.mark), 0) end
  if keeper.mark == "cancel" then
    error(new_error { code = "cancelled", message = "the run has been cancelled",
      retryable = false }, 0)
  end
end

-- What follows the path of a visit in the names of its parts and of those inside of it.
local FOLLOWS = { ["\1"] = true, [" "] = true, ["["] = true }

-- Forgets the parts of visits that have ended; adds that to the changes.
local function drop_parts(keeper, changes)
  for _, path in ipairs(keeper.gone) do
    for name in pairs(keeper.parts) do
      if name:sub(1, #path) == path and FOLLOWS[name:sub(#path + 1, #path + 1)] then
        keeper.parts[name] = nil
        table.move({ "parts_gone", name, "" }, 1, 3, #changes + 1, changes)
      end
    end
  end
  keeper.gone = {}
end

-- The longest text of an error that is saved.
local MAX_TEXT <const> = 16384

local function shortened(text)
  return text and tostring(text):sub(1, MAX_TEXT)
end

--- What is saved of an error.
---@param err any
---@return table
function M.describe(err)
  if not is_error(err) then return { code = "user", message = shortened(err) } end
  return { code = err.code, message = shortened(err.message), node = err.node, phase = err.phase,
    attempt = err.attempt, traceback = shortened(err.traceback) }
end

local moments = {}

-- A visit has ended.
function moments.left(keeper, path, action, attempt, seconds)
  keeper.ended = keeper.ended or { node = path, action = action or "default", attempt = attempt,
    took = seconds * 1000 // 1 | 0 }
  keeper.gone[#keeper.gone + 1] = path
  keeper.counts[path] = nil
end

-- Saves what has been done since the last save.
local function checkpoint(keeper, frames, changes)
  local opts = keeper.ended or { stays = true }
  keeper.ended = nil
  drop_parts(keeper, changes)
  opts.frames, opts.values_too = frames, true
  opts.values = opts.node ~= nil and keeper.flow.history == "values"
  M.save(keeper, opts, changes)
  M.obey(keeper)
end

-- Takes the parts that are to be saved with the next save.
local function take_pending(keeper)
  local pending = keeper.pending
  keeper.pending = {}
  return pending
end

-- The next visit is about to begin. Beside others, its number is saved first: the key of the
-- visit has it, and after a crash others might begin in another order.
function moments.enter(keeper, frames, beside)
  if keeper.ended or #keeper.pending > 0 or beside then
    checkpoint(keeper, frames, take_pending(keeper))
  else
    M.wait_for_saves(keeper)
  end
end

-- Encodes a value of a visit; raises code "durable" where it cannot be saved.
local function encode(value, what)
  local ok, bytes = pcall(values.encode_value, value)
  if ok then return bytes end
  error(new_error { code = "durable", retryable = false,
    message = ("%s cannot be saved: %s"):format(what, tostring(bytes.message or bytes)) }, 0)
end

local function put(keeper, changes, name, bytes)
  keeper.parts[name] = bytes
  table.move({ "part", name, bytes }, 1, 3, #changes + 1, changes)
end

-- Fields that each self is given.
local GIVEN = { key = true, run_id = true, params = true, cur_retry = true }

-- Prep has been called of a visit that will have others inside.
function moments.prepared(keeper, path, prep_res, self)
  local fields
  for name, value in next, self or {} do
    if not GIVEN[name] then
      fields = fields or {}
      fields[name] = value
    end
  end
  if prep_res == nil and not fields then return end
  put(keeper, keeper.pending, path .. "\1prepared",
    encode({ prep_res = prep_res, fields = fields }, ("what prep of %s gave"):format(path)))
end

-- An item of a batch has ended.
function moments.item(keeper, frames, path, index, result, err)
  local changes = take_pending(keeper)
  local ended = err ~= nil and { error = M.describe(err) } or { result = result }
  put(keeper, changes, ("%s\1item\1%d"):format(path, index),
    encode(ended, ("the result of item %d of %s"):format(index, path)))
  checkpoint(keeper, frames, changes)
end

-- The run waits for its next attempt.
function moments.pause(keeper, frames)
  checkpoint(keeper, frames, take_pending(keeper))
end

function moments.name(keeper, path, visit)
  return keeper.id, ("%s:%s#%d"):format(keeper.id, path, visit)
end

-- A visit goes on that was prepared before the run was loaded.
function moments.restore(keeper, path)
  local prepared = M.part(keeper, path .. "\1prepared") or {}
  local results, errors = {}, nil
  local prefix = path .. "\1item\1"
  for name in pairs(keeper.parts) do
    if name:sub(1, #prefix) == prefix then
      local index, ended = tonumber(name:sub(#prefix + 1)), M.part(keeper, name)
      results[index] = ended.result
      if ended.error then
        errors = errors or {}
        errors[index] = new_error(ended.error)
      end
    end
  end
  return prepared.prep_res, prepared.fields, results, errors
end

--- Makes a keeper of a run that has been claimed.
---@param app neap.durable.App
---@param handle userdata
---@param run table as the store tells it
---@param flow table the options of its flow
---@param run_values neap.durable.Values
---@return neap.durable.Keeper
---@return function for core.keep.start
function M.new(app, handle, run, flow, run_values)
  local keeper = { app = app, handle = handle, id = run.id, number = run.number,
    token = run.token, seq = run.seq, flow = flow, values = run_values, parts = run.parts,
    frames = run.frames, mark = run.mark, gone = {}, counts = {}, signals = run.signals,
    taken = {}, pending = {}, saving = 0, news = core.event(), lost = false,
    hold = core.semaphore(1) }
  set_clock(keeper, run.time)
  local function at(moment, ...)
    return moments[moment](keeper, ...)
  end
  by_function[at] = keeper
  return keeper, at
end

--- The keeper of the run that the current task belongs to, the path of the visit that it is
--- at, and what tells this attempt of it from others; nil where there is none.
---@return neap.durable.Keeper|nil
---@return string path
---@return string attempt
---@return integer visit
---@return boolean alone no other part of the run goes on beside this one
function M.current()
  local at, path, visit, attempt, alone = core.keep.current()
  if not at then return nil end
  return by_function[at], path, ("%d/%d"):format(visit, attempt), visit, alone
end

--- A name that is used several times in a visit, in its order: "name", "name#2", ... Each
--- attempt begins anew.
---@param keeper neap.durable.Keeper
---@param path string
---@param attempt string
---@param name string
---@return string
function M.number(keeper, path, attempt, name)
  local counts = keeper.counts[path]
  if not counts or counts[1] ~= attempt then
    counts = { attempt }
    keeper.counts[path] = counts
  end
  counts[name] = (counts[name] or 0) + 1
  return counts[name] == 1 and name or ("%s#%d"):format(name, counts[name])
end

return M
