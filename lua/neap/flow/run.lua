--- Running nodes and flows.
-- SPDX-License-Identifier: MIT
local core = require "neap.core"
local graph = require "neap.flow.graph"
local nodes = require "neap.flow.node"
local options = require "neap.base.options"

local M = {}

--- Checks the arguments of the function `where` and returns the arguments for core.run and
--- core.start.
---@param node table
---@param shared any
---@param opts table|nil
---@param where string
---@return any ...
function M.prepare(node, shared, opts, where)
  if not nodes.is_node(node) then
    local state = nodes.state(node)
    options.blame(state and ("%s: %s is a class; make a node of it first: %s()"):format(where,
      state.label, state.label) or ("%s: a node or flow expected%s"):format(where,
      where == "run" and "; call it as node:run(shared)" or ""))
  end
  if shared == nil then shared = {} end
  if opts == nil then return graph.plan(node), shared end
  options.check(opts, where)
  local params = opts.params and core.read_only(opts.params)
  return graph.plan(node), shared, params, opts.on_event, opts.max_steps, opts.timeout
end

--- Runs a node or flow and waits until the run has ended.
---@param node table
---@param shared? table
---@param opts? neap.RunOptions
---@return string action the last one
function M.run(node, shared, opts)
  local state = nodes.state(node)
  if state and #state.actions > 0 then
    warn(("neap: %s runs alone; its successors run only as part of a flow"):format(state.label))
  end
  return core.run(M.prepare(node, shared, opts, "run"))
end

return M
