--- One level of a graph: what the walk of one flow can visit. The inside of a
--- nested flow is a level of its own.
-- SPDX-License-Identifier: MIT
local object = require "neap.object"

local M = {}

local kinds = object.kinds

---@param node table
---@return boolean
function M.is_flow(node)
  local kind = object.state(node).kind
  return kind == kinds.Flow or kind == kinds.BatchFlow
end

---@param node table
---@return boolean
function M.is_batch(node)
  local kind = object.state(node).kind
  return kind == kinds.BatchNode or kind == kinds.BatchFlow
end

--- The nodes that can be reached from the start of a flow, each once, nearest
--- first, those equally near in the order they were wired.
---@param flow table
---@return table[] nodes empty when the flow has no start
function M.nodes(flow)
  local start = object.state(flow).fields.start
  local list, seen = { start }, { [start or false] = true }
  for _, node in ipairs(list) do -- which grows meanwhile
    local state = object.state(node)
    for _, action in ipairs(state.actions) do
      local target = state.targets[action]
      if target ~= object.END and not seen[target] then
        seen[target] = true
        list[#list + 1] = target
      end
    end
  end
  return list
end

return M
