--- One level of a graph: what the walk of one flow can visit, or the branches of
--- a parallel. The inside of a nested flow is a level of its own.
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

---@param node table
---@return boolean
function M.is_parallel(node)
  return object.state(node).kind == kinds.Parallel
end

--- Whether a node has a level inside.
---@param node table
---@return boolean
function M.has_inside(node)
  return M.is_flow(node) or M.is_parallel(node)
end

-- The branches of a parallel, each once.
local function branches(parallel)
  local list, seen = {}, {}
  for _, branch in ipairs(object.state(parallel).branches) do
    if not seen[branch] then list[#list + 1] = branch end
    seen[branch] = true
  end
  return list
end

--- The nodes that can be reached from the start of a flow, each once, nearest
--- first, those equally near in the order they were wired; of a parallel its
--- branches.
---@param flow table a flow or a parallel
---@return table[] nodes empty when the flow has no start
function M.nodes(flow)
  if M.is_parallel(flow) then return branches(flow) end
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
