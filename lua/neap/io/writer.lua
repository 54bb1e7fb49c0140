--- The arguments of methods that write: strings and numbers, as of Lua's files.
-- SPDX-License-Identifier: MIT
local options = require "neap.base.options"
local rules = require "neap.base.schema".rules

local M = {}

--- Joins the arguments of such a method into one string. Raises an error at the line of the
--- script if one is neither a string nor a number.
---@param where string the method, for messages
---@param number integer of the first of these among its arguments
---@param ... string|number
---@return string
function M.join(where, number, ...)
  local first = ...
  if type(first) == "string" and select("#", ...) == 1 then return first end
  local parts = { ... }
  for i = 1, select("#", ...) do
    if type(parts[i]) ~= "number" then
      options.argument(number + i - 1, where, parts[i], rules.string)
    end
  end
  return table.concat(parts)
end

return M
