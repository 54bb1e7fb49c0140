--- Nodes in C, which a program has registered that has Lua in it.
-- SPDX-License-Identifier: MIT
local core = require "neap.core"
local nodes = require "neap.flow.node"
local options = require "neap.base.options"
local rules = require("neap.base.schema").rules

local M = {}

--- Makes a node of what is registered.
---@param Node table the class
---@param name string
---@param given table|nil
---@return neap.Node
function M.new(Node, name, given)
  options.argument(1, "native", name, rules.string)
  local native = core.native(name)
  if not native then
    options.blame(("native: the program has registered no node '%s'"):format(name))
  end
  local fields = { name = name }
  for key, value in pairs(given or {}) do
    if nodes.phases[key] then
      options.blame(("native: '%s' cannot be set: %s is in C"):format(key, name))
    end
    fields[key] = value
  end
  local node = Node(fields)
  nodes.state(node).native = native
  return node
end

return M
