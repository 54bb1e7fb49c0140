--- What the models of a run have taken, as the events "llm" tell.
-- SPDX-License-Identifier: MIT
local M = {}

---@class neap.Tally
---@field calls integer
---@field attempts integer requests
---@field input integer tokens, as in the usage of a reply
---@field cached integer
---@field cache_write integer
---@field output integer
---@field reasoning integer
---@field cost? number nil where no prices are known

local COUNTS = { "input", "cached", "cache_write", "output", "reasoning" }

--- Makes a tally of no calls.
---@return neap.Tally
function M.new()
  return { calls = 0, attempts = 0, input = 0, cached = 0, cache_write = 0, output = 0,
    reasoning = 0 }
end

-- A value that counts something; 0 if it is none. Anyone can emit an event.
local function amount(value)
  local is_one = type(value) == "number" and value >= 0 and value < math.huge
  return is_one and (math.tointeger(value) or value) or 0
end

--- Adds a call.
---@param tally neap.Tally
---@param event table
function M.add(tally, event)
  tally.calls = tally.calls + 1
  tally.attempts = tally.attempts + amount(event.attempts)
  local usage = type(event.usage) == "table" and event.usage or {}
  for _, name in ipairs(COUNTS) do tally[name] = tally[name] + amount(usage[name]) end
  if type(event.cost) == "number" then tally.cost = (tally.cost or 0) + amount(event.cost) end
end

-- A number in few letters.
local function short(count)
  if count < 10000 then return ("%.0f"):format(count) end
  if count < 999950 then return ("%.1fk"):format(count / 1e3) end
  return ("%.1fM"):format(count / 1e6)
end

local function money(cost)
  if cost == 0 then return "0" end
  return (cost >= 1 and "%.2f" or cost >= 0.01 and "%.4f" or "%.6f"):format(cost)
end

--- Says how many tokens, and what they cost where that is known: "12.3k tokens, cost 0.0412".
---@param tally neap.Tally
---@return string
function M.text(tally)
  local text = short(tally.input + tally.output) .. " tokens"
  return tally.cost and ("%s, cost %s"):format(text, money(tally.cost)) or text
end

--- Makes a copy.
---@param tally neap.Tally
---@return neap.Tally
function M.copy(tally)
  local copy = {}
  for name, value in pairs(tally) do copy[name] = value end
  return copy
end

return M
