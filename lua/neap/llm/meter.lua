--- What a request takes, before and after: of limits, of budgets, and its price.
-- SPDX-License-Identifier: MIT
local budgets = require "neap.llm.budget"
local concurrent = require "neap.task.concurrent"
local core = require "neap.core"
local exchange = require "neap.llm.exchange"
local failure = require "neap.llm.failure"
local limits = require "neap.llm.limit"
local options = require "neap.base.options"
local tokens = require "neap.llm.tokens"

local M = {}

---@class neap.llm.Prices of a million tokens each
---@field input number
---@field output number
---@field cached? number default: that of input
---@field cache_write? number default: that of input

-- What prices are for, in tokens.
local UNIT = 1e6

---@class neap.llm.Metered a request that is on its way
---@field private ask neap.llm.Ask
---@field private input integer its tokens, as estimated
---@field private reserved? neap.llm.Amount until it is settled
---@field private hold neap.llm.Hold
local Metered = {}
Metered.__index = Metered

-- What tokens cost, 0 without prices.
local function cost(prices, usage)
  if not prices then return 0 end
  local cached, written = usage.cached or 0, usage.cache_write or 0
  local sum = (usage.input - cached - written) * prices.input
    + cached * (prices.cached or prices.input)
    + written * (prices.cache_write or prices.input) + usage.output * prices.output
  return sum / UNIT
end

local function amount_of(ask, usage)
  return { calls = 1, tokens = usage.input + usage.output, cost = cost(ask.prices, usage) }
end

--- Raises an error where the options of a client do not go together.
---@param opts neap.llm.MeteredOptions
---@param where string
function M.check(opts, where)
  if opts.budget and budgets.has_cost(opts.budget) and not opts.prices then
    options.blame(("%s: the option 'prices' is missing; the budget has a cost"):format(where))
  end
end

--- Gives usage with what it costs; itself, where there are no prices.
---@param usage neap.llm.Usage
---@param prices? neap.llm.Prices
---@return neap.llm.Usage
function M.priced(usage, prices)
  if not prices then return usage end
  local all = { cost = cost(prices, usage) }
  for name, count in pairs(usage) do all[name] = count end
  return all
end

-- Waits until the limit lets a request through, at most until the end of the call.
local function wait_for_limit(ask, hold)
  local left = ask.deadline - core.now()
  if left == math.huge then return limits.acquire(ask.limit, hold) end
  local ok, err = false, nil
  if left > 0 then ok, err = pcall(concurrent.timeout, left, limits.acquire, ask.limit, hold) end
  if ok then return end
  local has_passed = err == nil or type(err) == "table" and err.code == "timeout"
  if not has_passed or core.is_cancelled() then error(err, 0) end
  ask.is_over = true
  error(exchange.timeout(ask), 0)
end

--- Waits until a request may be sent, and reserves what it may take. Raises kind "budget"
--- where that would be too much.
---@param ask neap.llm.Ask
---@return neap.llm.Metered|nil nil where nothing limits it
function M.open(ask)
  if not ask.budget and not ask.limit then return nil end
  local input = tokens.call(ask.call)
  local reserved = amount_of(ask, { input = input, output = ask.call.options.max_tokens or 0 })
  local hold = { tokens = reserved.tokens }
  local metered = setmetatable({ ask = ask, input = input, reserved = reserved, hold = hold },
    Metered)
  local ok, err = pcall(function()
    if ask.limit then wait_for_limit(ask, hold) end
    if ask.budget then budgets.reserve(ask.budget, reserved) end
  end)
  if not ok then
    if ask.limit then limits.release(ask.limit, hold) end
    error(err, 0)
  end
  return metered
end

-- What a request has taken: as the vendor says, and as estimated where something has come
-- of which it has not said it.
local function taken(self, state)
  local usage, came = state.reply.usage, tokens.answer(state)
  if came == 0 and not state.reply.vectors then return usage end
  local is_told = state.reply.stop and usage.output > 0
  return { input = usage.input > 0 and usage.input or self.input,
    output = is_told and usage.output or math.max(usage.output, came),
    cached = usage.cached, cache_write = usage.cache_write }
end

-- The seconds for which a vendor wants no request, nil where it has not said so. One that
-- asks for too many ends the attempts, and closes no limit.
local function pause_of(ask, err)
  if not failure.is(err) or err.kind ~= "rate" and err.kind ~= "overloaded" then return nil end
  local seconds = err.retry_after
  return seconds and seconds <= ask.call.options.max_retry_after and seconds or nil
end

--- Gives back what has not been settled: of a request that was not sent, all of it.
function Metered:drop()
  local ask = self.ask
  if ask.budget and self.reserved then budgets.cancel(ask.budget, self.reserved) end
  self.reserved = nil
  if ask.limit then limits.release(ask.limit, self.hold) end
end

--- Replaces what was reserved by what the request has taken.
---@param state neap.llm.State
---@param err? any what the request has raised
function Metered:close(state, err)
  local ask, amount = self.ask, amount_of(self.ask, taken(self, state))
  local reserved = self.reserved
  self.reserved = nil -- before all that a finalizer could come into
  if ask.budget then budgets.settle(ask.budget, reserved, amount) end
  if not ask.limit then return end
  local seconds = pause_of(ask, err)
  if seconds then limits.close(ask.limit, seconds) end
  limits.release(ask.limit, self.hold, amount.tokens)
end

return M
