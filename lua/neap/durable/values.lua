--- The values of durable runs, as bytes.
-- SPDX-License-Identifier: MIT
local cbor = require "neap.core".cbor

local M = {}

---@class neap.durable.Values
---@field shared table
---@field left_out table<any, true> names that are not saved
---@field kept table<string, string> what has been saved of each variable

--- The variables of a shared store, encoded. Raises code "durable" with the path of a value
--- that cannot be saved.
---@param shared table
---@param left_out? table<any, true>
---@return table<string, string>
function M.encode(shared, left_out)
  return cbor.variables(shared, left_out)
end

--- Makes the shared store of what was saved.
---@param vars table<string, string>
---@return table
function M.decode(vars)
  local shared = {}
  for name, bytes in pairs(vars) do shared[name] = cbor.decode(bytes) end
  return shared
end

-- Calls `attach`, and returns the names of what it has set.
local function attached(attach, shared)
  local before, set = {}, {}
  for name, value in pairs(shared) do before[name] = value end
  attach(shared)
  for name, value in pairs(shared) do
    if not rawequal(before[name], value) then set[name] = true end
  end
  return set
end

--- Makes the values of a run of what was saved. `attach` may wait.
---@param vars table<string, string>
---@param attach? fun(shared: table)
---@return neap.durable.Values
function M.new(vars, attach)
  local shared = M.decode(vars)
  local left_out = attach and attached(attach, shared) or nil
  return { shared = shared, left_out = left_out, kept = vars }
end

--- Adds to a list, as a save takes them, the changes from what is kept to other variables.
---@param values neap.durable.Values
---@param vars table<string, string> encoded
---@param changes string[]
function M.add_changes(values, vars, changes)
  local kept, count = values.kept, #changes
  for name, bytes in pairs(vars) do
    if kept[name] ~= bytes then
      changes[count + 1], changes[count + 2], changes[count + 3] = "set", name, bytes
      count = count + 3
    end
  end
  for name in pairs(kept) do
    if vars[name] == nil then
      changes[count + 1], changes[count + 2], changes[count + 3] = "gone", name, ""
      count = count + 3
    end
  end
end

M.encode_value, M.decode_value = cbor.encode, cbor.decode

return M
