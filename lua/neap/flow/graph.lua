--- Graphs of nodes: walking them, and resolving them into plans.
-- SPDX-License-Identifier: MIT
local core = require "neap.core"
local nodes = require "neap.flow.node"

local M = {}

local kinds = nodes.kinds

---@param node table
---@return boolean
function M.is_flow(node)
  local kind = nodes.state(node).kind
  return kind == kinds.Flow or kind == kinds.BatchFlow
end

---@param node table
---@return boolean
function M.is_batch(node)
  local kind = nodes.state(node).kind
  return kind == kinds.BatchNode or kind == kinds.BatchFlow
end

---@param node table
---@return boolean
function M.is_parallel(node)
  return nodes.state(node).kind == kinds.Parallel
end

--- Whether a node has other nodes inside.
---@param node table
---@return boolean
function M.has_inside(node)
  return M.is_flow(node) or M.is_parallel(node)
end

-- The branches of a parallel, each once.
local function branches(parallel)
  local list, seen = {}, {}
  for _, branch in ipairs(nodes.state(parallel).branches) do
    if not seen[branch] then list[#list + 1] = branch end
    seen[branch] = true
  end
  return list
end

--- The nodes that wires lead to from a node, which is the first: each once, nearest
--- first, those equally near in the order of their wiring.
---@param start table
---@param seen table<table, true> nodes to leave out; those of the result are added
---@return table[] nodes
function M.reachable(start, seen)
  local list = { start }
  seen[start] = true
  for _, node in ipairs(list) do -- the list grows meanwhile
    local state = nodes.state(node)
    for _, action in ipairs(state.actions) do
      local target = state.targets[action]
      if target ~= nodes.END and not seen[target] then
        seen[target] = true
        list[#list + 1] = target
      end
    end
  end
  return list
end

--- The nodes of one flow, without those of the flows nested in it: the nodes that can be
--- reached from its start. The nodes of a parallel are its branches.
---@param flow table a flow or a parallel
---@return table[] nodes empty when the flow has no start
function M.nodes(flow)
  if M.is_parallel(flow) then return branches(flow) end
  local start = nodes.state(flow).fields.start
  return start and M.reachable(start, {}) or {}
end

-- Returns all nodes that a run of `root` may visit, the insides of flows and the branches
-- of parallels included: the root first, then each once, nearest first. Also returns the
-- set of those that the walk of a flow comes to. The root and branches run alone, so
-- their successors count only if a walk comes to them as well.
local function visited(root)
  local list, seen, walked = { root }, {}, {}
  local order = {} -- the nodes in `walked`
  local function add(node)
    if not seen[node] then
      seen[node] = true
      list[#list + 1] = node
    end
  end
  local function walk(node)
    if node and node ~= nodes.END then
      add(node)
      if not walked[node] then
        walked[node] = true
        order[#order + 1] = node
      end
    end
  end
  local i, j = 1, 1
  while list[i] or order[j] do
    if list[i] then
      local state = nodes.state(list[i])
      walk(state.fields.start)
      for _, branch in ipairs(state.branches or {}) do add(branch) end
      i = i + 1
    end
    if order[j] then
      local state = nodes.state(order[j])
      for _, action in ipairs(state.actions) do walk(state.targets[action]) end
      j = j + 1
    end
  end
  return list, walked
end

local function check(state)
  local fields = state.fields
  if (state.kind == kinds.Flow or state.kind == kinds.BatchFlow) and not fields.start then
    error(require("neap.error").new { code = "start", flow = state.label,
      message = ("the flow %s has no start%s: give it one, %s { start = node }"):format(state.label,
        state.made_at and (" (made at %s)"):format(state.made_at) or "",
        state.kind == kinds.Flow and "Flow" or "BatchFlow") }, 0)
  end
  if fields.atomic and (fields.timeout or (fields.wait or 0) > 0) then
    error(require("neap.error").new { code = "atomic", node = state.label,
      message = ("%s is atomic, so it cannot have 'wait' or 'timeout'"):format(state.label) }, 0)
  end
end

-- Warns once of each branch that has successors.
local function check_branches(state)
  for _, branch in ipairs(state.branches or {}) do
    local inner = nodes.state(branch)
    state.warned = state.warned or setmetatable({}, { __mode = "k" })
    if #inner.actions > 0 and not state.warned[branch] then
      state.warned[branch] = true
      warn(("neap: %s runs alone as a branch of %s; its successors run only as part of a flow, "
        .. "Flow { start = %s }"):format(inner.label, state.label, inner.label))
    end
  end
end

-- The numbers of the branches of a node; nil if it has none.
local function number_branches(state, index_of)
  if not state.branches then return nil end
  local numbers = {}
  for i, branch in ipairs(state.branches) do numbers[i] = index_of[branch] end
  return numbers
end

-- A node's own params, as its visits see them; nil for none.
local function own_params(fields)
  return fields.params ~= nodes.empty_params and core.read_only(fields.params) or nil
end

-- The __metatable of metatables that scripts must not see: in a sandbox.
local closed
if core.sandboxed then closed = false end

-- The metatable of `self` in the visits of a node. It reads from the fields of the node,
-- except for `params`, which a visit must not write to.
local function view_of(state, params)
  if params then
    return { __index = setmetatable({ params = params }, { __index = state.fields }),
      __metatable = closed }
  end
  state.view = state.view or { __index = state.fields, __metatable = closed }
  return state.view
end

-- The record of a node for the engine. `index_of` has the numbers of its successors.
local function record(node, index_of, is_walked)
  local state = nodes.state(node)
  check(state)
  check_branches(state)
  local fields = state.fields
  local params = own_params(fields)
  local actions, targets = {}, {}
  if is_walked then
    for i, action in ipairs(state.actions) do
      actions[i] = action
      targets[i] = index_of[state.targets[action]] or 0 -- 0 is the end
    end
  end
  return {
    kind = state.kind,
    name = fields.name,
    view = state.native or view_of(state, params),
    prep = fields.prep,
    exec = fields.exec,
    process_after_fail = fields.process_after_fail,
    post = fields.post,
    params = params,
    max_retries = fields.max_retries,
    wait = fields.wait,
    backoff = fields.backoff,
    max_wait = fields.max_wait,
    max_retry_after = fields.max_retry_after,
    jitter = fields.jitter,
    timeout = fields.timeout,
    atomic = fields.atomic,
    concurrency = fields.concurrency,
    collect = fields.on_error == "collect",
    strict = fields.strict,
    start = fields.start and index_of[fields.start] or 0,
    branches = state.branches,
    branch_numbers = number_branches(state, index_of),
    actions = actions,
    targets = targets,
  }
end

--- Whether a plan has been made, which means that a flow was run.
M.planned = false

--- Resolves a node or flow into a plan for the engine. The plan is kept until something
--- changes from which it was made.
---@param root table
---@return userdata plan
function M.plan(root)
  local root_state = nodes.state(root)
  local kept = root_state.plan
  if kept and not kept.stale then return kept.plan end
  local list, walked = visited(root)
  local index_of = {}
  -- A root that is also a node inside is in the list twice. The later entry, which has its
  -- successors, is the one that is found.
  for i, node in ipairs(list) do index_of[node] = i end
  local records = {}
  for i, node in ipairs(list) do records[i] = record(node, index_of, i > 1 and walked[node]) end
  kept = { plan = core.plan(records) }
  M.planned = true
  for _, node in ipairs(list) do nodes.note_plan(nodes.state(node), kept) end
  root_state.plan = kept
  return kept.plan
end

return M
