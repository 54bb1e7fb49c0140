--- Retries of requests, by the rules for nodes.
-- SPDX-License-Identifier: MIT
local core = require "neap.core"
local schema = require "neap.base.schema"

local M = {}

local MAX_RETRY_AFTER = schema.options.Node.max_retry_after.default

-- The statuses after which the same request is sent again: Request Timeout, Too Early, Too
-- Many Requests, and those of a server or gateway that is down for a moment. 500 is not
-- among them, because it tells of a bug.
local STATUSES = { [408] = true, [425] = true, [429] = true, [502] = true, [503] = true,
  [504] = true }

-- RFC 9110 section 9.2.2.
local IDEMPOTENT = { GET = true, HEAD = true, PUT = true, DELETE = true, OPTIONS = true,
  TRACE = true }

--- Returns what is wrong with the options of attempts, nil if nothing is.
---@param opts table the options of the request
---@param method string in upper case
---@return string|nil
function M.fault(opts, method)
  if (opts.max_retries or 1) > 1 then return M.why_not_again(opts, method, "max_retries") end
end

--- Returns why a request must not be sent again, nil if it may be.
---@param opts table
---@param method string in upper case
---@param option string the option that asks for it
---@return string|nil
function M.why_not_again(opts, method, option)
  if type(opts.body) == "function" then
    return ("the option '%s' cannot repeat a body that is a function"):format(option)
  elseif not opts.idempotent and (opts.idempotent == false or not IDEMPOTENT[method]) then
    return ("the option '%s' repeats a %s only with idempotent = true"):format(option, method)
  end
end

--- Whether a request is sent again after this status.
---@param status integer
---@return boolean
function M.is_retryable(status)
  return STATUSES[status] or false
end

--- Whether a server asks for a longer wait than `max_retry_after` allows.
---@param opts table
---@param asked? number the seconds that the server asks for
---@return boolean
function M.asks_too_much(opts, asked)
  return asked ~= nil and asked > (opts.max_retry_after or MAX_RETRY_AFTER)
end

--- Waits for the next attempt, and emits the event `retry`.
---@param what string what is retried: "http.get http://..."
---@param policy table the options of a node: wait, backoff, max_wait, jitter
---@param attempt integer the one that failed, from 0
---@param failure any its error
---@param asked? number seconds to wait at least
---@param sleep? fun(seconds: number) default: neap.sleep
function M.wait(what, policy, attempt, failure, asked, sleep)
  local delay = core.retry_delay(policy, attempt, math.random(), asked)
  core.tell_retry(what, attempt, failure, delay)
  sleep = sleep or core.sleep
  sleep(delay)
end

--- Sends a request until there is a final response or an error that is not retryable, until
--- the server asks for too long a wait, or until no attempts are left. The outcome is that of
--- the last attempt.
---@param what string
---@param opts table
---@param send fun(...): table makes one attempt
---@param ... any the arguments of `send`
---@return table response
function M.perform(what, opts, send, ...)
  for attempt = 0, (opts.max_retries or 1) - 2 do
    local ok, result = pcall(send, ...)
    local failure, asked = result, nil
    if ok then
      asked = result:retry_after()
      if not STATUSES[result.status] or M.asks_too_much(opts, asked) then return result end
      result:close()
      failure = result:failure(("status %d"):format(result.status), result.body)
    elseif type(failure) ~= "table" or failure.retryable ~= true then
      error(failure, 0)
    end
    M.wait(what, opts, attempt, failure, asked)
  end
  local response = send(...)
  return response
end

return M
