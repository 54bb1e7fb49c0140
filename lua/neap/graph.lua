--- Graphs of nodes: walking them, and resolving them for the engine.
-- SPDX-License-Identifier: MIT
local core = require "neap.core"
local object = require "neap.object"

local M = {}

local kinds = object.kinds

--- Walks all nodes that can be reached from `root`, the insides of flows
--- included, each once, nearest first.
---@param root table a node or flow
---@param with_successors boolean whether those of the root belong to it
---@return table[] nodes in order, the root first
function M.nodes(root, with_successors)
  local list, seen = { root }, {}
  if with_successors then seen[root] = true end
  local function add(node)
    if node and node ~= object.END and not seen[node] then
      seen[node] = true
      list[#list + 1] = node
    end
  end
  local i = 1
  while list[i] do
    local state = object.state(list[i])
    add(state.fields.start)
    if i > 1 or with_successors then
      for _, action in ipairs(state.actions) do add(state.targets[action]) end
    end
    i = i + 1
  end
  return list
end

local function check(state)
  local fields = state.fields
  if (state.kind == kinds.Flow or state.kind == kinds.BatchFlow) and not fields.start then
    error(require("neap.error").new { code = "start", flow = state.label,
      message = ("the flow %s has no start: give it one, %s { start = node }"):format(state.label,
        state.kind == kinds.Flow and "Flow" or "BatchFlow") }, 0)
  end
  if fields.atomic and (fields.timeout or (fields.wait or 0) > 0) then
    error(require("neap.error").new { code = "atomic", node = state.label,
      message = ("%s is atomic, so it cannot have 'wait' or 'timeout'"):format(state.label) }, 0)
  end
end

-- What the engine needs to know of a node. `index_of` numbers its successors.
local function record(node, index_of, is_root)
  local state = object.state(node)
  check(state)
  local fields = state.fields
  state.view = state.view or { __index = fields }
  local actions, targets = {}, {}
  if not is_root then
    for i, action in ipairs(state.actions) do
      actions[i] = action
      targets[i] = index_of[state.targets[action]] or 0 -- 0 is the end
    end
  end
  return {
    kind = state.kind,
    name = fields.name,
    view = state.view,
    prep = fields.prep,
    exec = fields.exec,
    process_after_fail = fields.process_after_fail,
    post = fields.post,
    params = fields.params ~= object.empty_params and fields.params or nil,
    max_retries = fields.max_retries,
    wait = fields.wait,
    backoff = fields.backoff,
    max_wait = fields.max_wait,
    jitter = fields.jitter,
    timeout = fields.timeout,
    atomic = fields.atomic,
    concurrency = fields.concurrency,
    collect = fields.on_error == "collect",
    strict = fields.strict,
    start = fields.start and index_of[fields.start] or 0,
    actions = actions,
    targets = targets,
  }
end

--- Resolves a node or flow for the engine. The result is kept until something
--- it has read from changes.
---@param root table
---@return userdata plan
function M.plan(root)
  local root_state = object.state(root)
  local kept = root_state.plan
  if kept and not kept.stale then return kept.plan end
  local nodes = M.nodes(root, false)
  local index_of = {}
  -- A root that is also a node inside stands in the list twice; it is found as
  -- the one inside, which has its successors.
  for i, node in ipairs(nodes) do index_of[node] = i end
  local records = {}
  for i, node in ipairs(nodes) do records[i] = record(node, index_of, i == 1) end
  kept = { plan = core.plan(records) }
  for _, node in ipairs(nodes) do
    local state = object.state(node)
    while state do
      state.plans[kept] = true
      state = state.parent
    end
  end
  root_state.plan = kept
  return kept.plan
end

return M
