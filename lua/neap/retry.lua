--- Trying again what failed, as a node does.
-- SPDX-License-Identifier: MIT
local concurrent = require "neap.concurrent"
local core = require "neap.core"
local object = require "neap.object"
local options = require "neap.options"

local OPTIONS = {}
for _, name in ipairs { "max_retries", "wait", "backoff", "max_wait", "max_retry_after", "jitter",
  "timeout" } do
  OPTIONS[name] = object.rule_of(name)
end

local function can_run(f)
  if object.state(f) then return object.is_node(f) end
  if type(f) == "function" then return true end
  local meta = getmetatable(f)
  return type(meta) == "table" and type(rawget(meta, "__call")) == "function"
end

--- Calls f until it returns, what it raises would not change, or there are no
--- attempts left; then that is raised, untouched. The options are those of a node:
--- `max_retries` is the number of attempts, `wait`, `backoff`, `max_wait` and
--- `jitter` say how long the waits between them are, `timeout` bounds each attempt,
--- and `retryable`, `retry_after` of what was raised count as for a node. What an
--- attempt has spawned ends with it. A cancellation is never tried again.
---@param opts neap.RetryOptions|nil
---@param f function|table a function, or a flow for (shared, opts)
---@param ... any
---@return any ... the results of f
local function retry(opts, f, ...)
  local policy = {} -- it is looked at again after waiting
  for name, value in pairs(options.check(opts, OPTIONS, "retry")) do policy[name] = value end
  if not can_run(f) then
    options.blame(("retry: a function or a flow expected, got a %s"):format(type(f)))
  end
  core.may_wait("retry")
  local function call(...)
    return core.call(concurrent.spawn(f, ...), policy.timeout)
  end
  local attempt = 0
  while true do
    local results = table.pack(pcall(call, ...))
    if results[1] then return table.unpack(results, 2, results.n) end
    local failure = results[2]
    local delay = not core.is_cancelled()
      and core.next_attempt(policy, attempt, math.random(), failure)
    if not delay then error(failure, 0) end
    core.tell_retry("neap.retry", attempt, failure, delay)
    core.sleep(delay)
    attempt = attempt + 1
  end
end

---@class neap.RetryOptions
---@field max_retries? integer attempts in all; default: 1
---@field wait? number seconds before the second attempt; default: 0
---@field backoff? number multiplies the wait after each; default: 1
---@field max_wait? number seconds that no wait exceeds
---@field max_retry_after? number seconds: what asks for a longer wait is raised; default: 120
---@field jitter? number the share of a wait, 0 to 1, taken off at random; default: 0
---@field timeout? number seconds for one attempt

return retry
