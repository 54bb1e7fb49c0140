--- Retries of a function, as of a node.
-- SPDX-License-Identifier: MIT
local concurrent = require "neap.task.concurrent"
local core = require "neap.core"
local options = require "neap.base.options"

--- Calls f until it returns, raises an error that is not retryable, or has no attempts left.
--- Then the last error is raised, untouched. The options are those of a node: `max_retries`
--- is the number of attempts; `wait`, `backoff`, `max_wait` and `jitter` determine the waits
--- between them; `timeout` bounds each attempt. The fields `retryable` and `retry_after` of
--- an error count as for a node. The tasks that an attempt has spawned end with it. A
--- cancellation is never retried.
---@param opts neap.RetryOptions|nil
---@param f function|table a function, or a flow for (shared, opts)
---@param ... any
---@return any ... the results of f
local function retry(opts, f, ...)
  local policy = options.take(opts, "retry") -- a copy, since it is read again after waiting
  options.argument(2, "retry", f, concurrent.runnable)
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

return retry
