--- Writing what is given in pieces: strings and numbers, as Lua's files take.
-- SPDX-License-Identifier: MIT
local M = {}

--- Joins what a method is given to be written into one string. Raises an error
--- at the caller of that method for what is neither a string nor a number.
---@param where string the method, for messages
---@param number integer of the first of these among its arguments
---@param ... string|number
---@return string
function M.join(where, number, ...)
  local first = ...
  if type(first) == "string" and select("#", ...) == 1 then return first end
  local parts = { ... }
  for i = 1, select("#", ...) do
    local kind = type(parts[i])
    if kind ~= "string" and kind ~= "number" then
      error(("bad argument #%d to '%s' (string expected, got %s)")
        :format(number + i - 1, where, kind), 3)
    end
  end
  return table.concat(parts)
end

return M
