--- What nodes of durable runs call: steps, and waits for signals.
-- SPDX-License-Identifier: MIT
local core = require "neap.core"
local keepers = require "neap.durable.keeper"
local new_error = require "neap.error".new
local options = require "neap.base.options"
local rules = require "neap.base.schema".rules
local values = require "neap.durable.values"

local M = {}

-- A run that waits for longer, in seconds, is not kept in memory.
local LONG <const> = 60

local function check_name(where, name)
  options.argument(1, where, name, rules.string)
  if name == "" or name:find("[%z\1]") then
    options.blame(("%s: a name that is not empty expected"):format(where))
  end
end

--- Calls f, and saves its first result before it is returned: when the process ends and the
--- run goes on elsewhere, f is not called again. An error is not saved. A name that is used
--- twice in a visit counts on. Outside of a durable run it just calls f.
---@param name string
---@param f fun(...): any
---@param ... any
---@return any result the first one of f
local function step(_, name, f, ...)
  check_name("step", name)
  options.argument(2, "step", f, rules.func)
  local keeper, path, attempt = keepers.current()
  if not keeper then return (f(...)) end
  local part = path .. "\1step\1" .. keepers.number(keeper, path, attempt, name)
  local saved, found = keepers.part(keeper, part)
  if found then
    keepers.wait_for_saves(keeper)
    return saved
  end
  local result = f(...)
  keepers.save_part(keeper, part, result)
  return result
end

local steps = setmetatable({}, { __call = step })
options.tail_called[step] = true

--- Sleeps. The time counts on while the process is not there: a run that goes on elsewhere
--- sleeps only for what is left. Outside of a durable run it is neap.sleep.
---@param name string
---@param seconds number
function steps.sleep(name, seconds)
  check_name("step.sleep", name)
  options.argument(2, "step.sleep", seconds, rules.seconds_or_0)
  local keeper, path, attempt = keepers.current()
  if not keeper then return core.sleep(seconds) end
  local part = path .. "\1sleep\1" .. keepers.number(keeper, path, attempt, name)
  local deadline, found = keepers.part(keeper, part)
  if not found then
    deadline = keepers.now(keeper) + seconds
    keepers.save_part(keeper, part, deadline)
  end
  core.sleep(math.max(0, deadline - keepers.now(keeper)))
end

M.step = steps

-- Takes the first signal of a name; nil if none has come.
local function take(keeper, name)
  for i, signal in ipairs(keeper.signals) do
    if signal.name == name then
      keeper.taken[signal.number] = true
      return table.remove(keeper.signals, i)
    end
  end
end

-- Reads the signals that have come.
local function refresh(keeper)
  keeper.news:clear()
  local signals = {}
  for _, signal in ipairs(keeper.handle:read(keeper.id).signals) do
    if not keeper.taken[signal.number] then signals[#signals + 1] = signal end
  end
  keeper.signals = signals
end

-- Waits until there may be a signal, or the time is over.
local function wait_for_news(keeper, seconds)
  if seconds == math.huge then return keeper.news:wait() end
  local concurrent = require "neap.task.concurrent"
  pcall(concurrent.timeout, math.max(seconds, 0x1p-20), keeper.news.wait, keeper.news)
  core.may_wait "wait_for"
end

-- The deadline of a wait, which lasts when the run goes on elsewhere.
local function deadline_of(keeper, part, timeout)
  if not timeout then return math.huge end
  local deadline, found = keepers.part(keeper, part)
  if found then return deadline end
  deadline = keepers.now(keeper) + timeout
  keepers.save_part(keeper, part, deadline)
  return deadline
end

-- Saves that the run waits. With `leaves`, it is given up, to be claimed again when there is
-- a signal.
local function announce(keeper, name, left, leaves)
  keepers.save(keeper, { status = leaves and "waiting" or "running", waits = name, stays = true,
    delay = left < math.huge and math.ceil(left * 1000) or nil })
  if leaves then error(keepers.given_up "unload", 0) end
end

-- Waits for a signal of a durable run. With `leaves`, a run that would wait for long is given
-- up, and one that is to be paused or to stop obeys.
local function await_signal(keeper, path, attempt, name, timeout, leaves)
  local key = keepers.number(keeper, path, attempt, name)
  local answer = path .. "\1signal\1" .. key
  local saved, found = keepers.part(keeper, answer)
  if found then
    keepers.wait_for_saves(keeper)
    return saved.value
  end
  local deadline, is_known = deadline_of(keeper, path .. "\1until\1" .. key, timeout), false
  while true do
    local signal = take(keeper, name)
    if signal then
      local value = values.decode_value(signal.value)
      keepers.save_part(keeper, answer, { value = value }, { taken = signal.number })
      return value
    end
    local left = deadline - keepers.now(keeper)
    if left <= 0 then
      keepers.save_part(keeper, answer, {})
      return nil
    end
    if leaves then keepers.obey(keeper) end
    local news = keeper.signals
    if not is_known then
      announce(keeper, name, left, leaves and left > LONG)
      is_known = true
    end
    if news == keeper.signals then -- nobody has read others meanwhile
      if not keeper.news:is_set() then wait_for_news(keeper, left) end
      if keeper.news:is_set() then refresh(keeper) end
    end
  end
end

--- Waits for a signal of a name, and returns its value; nil when its time is over. Signals
--- that came before are taken first, in their order. When the process ends meanwhile, exec is
--- called again, and gets the answers that it had got; `Wait` calls nothing again. Raises code
--- "durable" outside of a durable run.
---@param name string
---@param opts? neap.durable.WaitOptions
---@return any value
function M.wait_for(name, opts)
  check_name("wait_for", name)
  opts = options.check(opts, "durable.wait_for")
  local keeper, path, attempt = keepers.current()
  if not keeper then
    error(new_error { code = "durable", retryable = false,
      message = ("wait_for: only a durable run gets signals; this is none that waits for '%s'")
        :format(name) }, 0)
  end
  return await_signal(keeper, path, attempt, name, opts.timeout, false)
end

--- The run that the current task belongs to: its `id`, and the `key` of the visit, which is
--- the same for every try of it, also after a crash. Nil outside of a durable run.
---@return { id: string, key: string }|nil
function M.run()
  local keeper, path, _, visit = keepers.current()
  if not keeper then return nil end
  return { id = keeper.id, key = ("%s:%s#%d"):format(keeper.id, path, visit) }
end

-- The methods of a node that waits for a signal.
local function wait_methods(signal, timeout, prep)
  local methods = {}
  function methods.prep(self, shared)
    local keeper, path = keepers.current()
    local part = path and path .. "\1wait"
    if keeper then
      local saved, found = keepers.part(keeper, part)
      if found then return saved.value end
    end
    local value = prep and prep(self, shared)
    if keeper then keepers.save_part(keeper, part, { value = value }, { values_too = true }) end
    return value
  end
  function methods.exec()
    local keeper, path, attempt, _, alone = keepers.current()
    if not keeper then
      error(new_error { code = "durable", retryable = false,
        message = ("a Wait node gets its signal '%s' only in a durable run"):format(signal) }, 0)
    end
    return await_signal(keeper, path, attempt, signal, timeout, alone)
  end
  return methods
end

local own = { signal = true, timeout = true, prep = true, exec = true }

--- Makes a node that waits for a signal of a durable run. Its prep is called once: what that
--- gave is saved before the wait begins. Post gets the value of the signal, or nil when the
--- time is over. A run that would wait for more than a minute is not kept in memory.
---@param fields table options of a node but `exec`, and `signal` (a name) and `timeout`
---@return neap.Node
function M.Wait(fields)
  options.argument(1, "Wait", fields, rules.table)
  if type(fields.signal) ~= "string" then
    options.blame("Wait: the option 'signal' is missing, the name of what is waited for")
  elseif fields.exec ~= nil then
    options.blame("Wait: 'exec' cannot be set: it is the wait itself")
  end
  if fields.timeout ~= nil then options.argument(1, "Wait", fields.timeout, rules.seconds) end
  local node = wait_methods(fields.signal, fields.timeout, fields.prep)
  for name, value in pairs(fields) do
    if not own[name] then node[name] = value end
  end
  return require("neap").Node(node)
end

return M
