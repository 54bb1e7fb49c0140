--- Budgets: what requests may come to, whichever clients send them.
-- SPDX-License-Identifier: MIT
--
-- What a request may take is reserved while it is on its way, so that requests at the same
-- time do not pass the budget together.
local class = require "neap.base.class"
local failure = require "neap.llm.failure"
local options = require "neap.base.options"

local M = {}

---@class neap.llm.Amount
---@field calls integer requests
---@field tokens integer
---@field cost number

---@class neap.llm.Budget
---@field spent neap.llm.Amount so far
local _, BudgetMeta = class("neap.llm.Budget")

-- Of each budget what it allows, and what is reserved.
local private = setmetatable({}, { __mode = "k" })

local NAMES = { "calls", "tokens", "cost" }

-- Sums of money are not exact.
local SLACK = 1 + 1e-9

local function add(to, amount, sign)
  for _, name in ipairs(NAMES) do to[name] = to[name] + sign * amount[name] end
end

local function nothing()
  return { calls = 0, tokens = 0, cost = 0 }
end

--- Makes a budget of which nothing is spent.
---@param opts neap.llm.BudgetOptions
---@return neap.llm.Budget
function M.new(opts)
  opts = options.check(opts, "llm.budget")
  if not (opts.cost or opts.tokens or opts.calls) then
    options.blame("llm.budget: one of the options 'cost', 'tokens' and 'calls' is needed")
  end
  local budget = setmetatable({ spent = nothing() }, BudgetMeta)
  private[budget] = { reserved = nothing(),
    most = { cost = opts.cost, tokens = opts.tokens, calls = opts.calls } }
  return budget
end

--- Whether a value is a budget.
---@param value any
---@return boolean
function M.is(value)
  return private[value] ~= nil
end

--- Whether a budget limits the cost.
---@param budget neap.llm.Budget
---@return boolean
function M.has_cost(budget)
  return private[budget].most.cost ~= nil
end

--- Reserves what a request may take. Raises kind "budget" where that would be too much.
---@param budget neap.llm.Budget
---@param amount neap.llm.Amount
function M.reserve(budget, amount)
  local own = private[budget]
  for _, name in ipairs(NAMES) do
    local most, so_far = own.most[name], budget.spent[name] + own.reserved[name]
    if most and so_far + amount[name] > most * SLACK then
      error(failure.new("budget", ("the request would pass the budget: of %s = %.10g, %.10g are "
        .. "spent or reserved, and it may take %.10g"):format(name, most, so_far, amount[name])), 0)
    end
  end
  add(own.reserved, amount, 1)
end

--- Gives back what was reserved for a request that is not sent.
---@param budget neap.llm.Budget
---@param reserved neap.llm.Amount
function M.cancel(budget, reserved)
  add(private[budget].reserved, reserved, -1)
end

--- Replaces what was reserved by what the request has taken.
---@param budget neap.llm.Budget
---@param reserved neap.llm.Amount
---@param amount neap.llm.Amount
function M.settle(budget, reserved, amount)
  add(private[budget].reserved, reserved, -1)
  add(budget.spent, amount, 1)
end

return M
