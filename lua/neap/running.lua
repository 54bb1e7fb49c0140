--- Running nodes and flows.
-- SPDX-License-Identifier: MIT
local core = require "neap.core"
local graph = require "neap.graph"
local object = require "neap.object"
local options = require "neap.options"

local M = {}

local run_options = { params = true, timeout = true, max_steps = true, on_event = true }

local function expect(value, kind, name, where, level)
  if value ~= nil and type(value) ~= kind then
    error(("%s: '%s' expected as a %s, got a %s"):format(where, name, kind, type(value)), level + 1)
  end
end

--- Checks the arguments of the function `where` and gives those of core.run and
--- core.start. `level` is that of who is blamed, counted as error does.
function M.prepare(node, shared, opts, where, level)
  level = level + 1
  if not object.is_node(node) then
    local state = object.state(node)
    error(state and ("%s: %s is a class; make a node of it first: %s()"):format(where, state.label,
      state.label) or ("%s: a node or flow expected"):format(where), level)
  end
  if shared == nil then shared = {} end
  if opts == nil then return graph.plan(node), shared end
  options.check(opts, run_options, where, level)
  expect(opts.params, "table", "params", where, level)
  expect(opts.on_event, "function", "on_event", where, level)
  expect(opts.timeout, "number", "timeout", where, level)
  local steps, seconds = opts.max_steps, opts.timeout
  if steps ~= nil and (math.type(steps) ~= "integer" or steps < 1) then
    error(("%s: 'max_steps' is an integer of 1 or more"):format(where), level)
  end
  if seconds and (seconds ~= seconds or seconds <= 0) then
    error(("%s: 'timeout' is in seconds, more than 0"):format(where), level)
  end
  local params = opts.params and core.read_only(opts.params)
  return graph.plan(node), shared, params, opts.on_event, steps, seconds
end

--- Runs a node or flow and waits until the run has ended.
---@param node table
---@param shared? table
---@param opts? { params?: table, timeout?: number, max_steps?: integer, on_event?: function }
---@return string action the last one
function M.run(node, shared, opts)
  local state = object.state(node)
  if state and #state.actions > 0 then
    warn(("neap: %s runs alone; its successors run only as part of a flow"):format(state.label))
  end
  return core.run(M.prepare(node, shared, opts, "run", 2))
end

return M
