--- Functions and flows as tools for other programs.
-- SPDX-License-Identifier: MIT
local nodes = require "neap.flow.node"
local options = require "neap.base.options"
local runnable = require "neap.task.concurrent".runnable
local tools = require "neap.llm.tool"

local M = {}

-- Returns what runs a flow with the arguments as its shared store.
local function run_of(flow)
  return function(arguments)
    flow:run(arguments)
    if arguments.answer ~= nil then return arguments.answer end
    return arguments
  end
end

--- Makes a tool of a flow, or of a function. A flow runs with the arguments as `shared`, and
--- `shared.answer` is the result; without it all of `shared` is.
---@param what table|function
---@param opts? neap.mcp.ToolOptions
---@return neap.llm.Tool
function M.new(what, opts)
  options.argument(1, "tool", what, runnable)
  local given = {}
  for name, value in pairs(options.check(opts, "mcp.tool")) do given[name] = value end
  local is_flow = nodes.is_node(what)
  if given.name == nil and is_flow then given.name = nodes.name(what) end
  given.run = is_flow and run_of(what) or what
  return (tools.new(given, "mcp.tool"))
end

return M
