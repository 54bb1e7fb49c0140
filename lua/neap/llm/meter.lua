--- What a request takes, before and after: tokens and their price.
-- SPDX-License-Identifier: MIT
local budgets = require "neap.llm.budget"
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
---@field private reserved neap.llm.Amount
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

--- Reserves what a request may take. Raises kind "budget" where that would be too much.
---@param ask neap.llm.Ask
---@return neap.llm.Metered|nil nil where nothing limits it
function M.open(ask)
  if not ask.budget then return nil end
  local input = tokens.call(ask.call)
  local reserved = amount_of(ask, { input = input, output = ask.call.options.max_tokens or 0 })
  budgets.reserve(ask.budget, reserved)
  return setmetatable({ ask = ask, input = input, reserved = reserved }, Metered)
end

-- What a request has taken: as the vendor says, and as estimated where something has come
-- of which it has not said it.
local function taken(self, state)
  local usage, came = state.reply.usage, tokens.answer(state)
  if came == 0 then return usage end
  local is_told = state.reply.stop and usage.output > 0
  return { input = usage.input > 0 and usage.input or self.input,
    output = is_told and usage.output or math.max(usage.output, came),
    cached = usage.cached, cache_write = usage.cache_write }
end

--- Replaces what was reserved by what the request has taken.
---@param state neap.llm.State
function Metered:close(state)
  local ask = self.ask
  budgets.settle(ask.budget, self.reserved, amount_of(ask, taken(self, state)))
end

return M
