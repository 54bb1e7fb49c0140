--- Finds mistakes in flows without running them.
-- SPDX-License-Identifier: MIT
local graph = require "neap.flow.graph"
local nodes = require "neap.flow.node"
local options = require "neap.base.options"
local returns = require "neap.check.returns"

local M = {}

---@class neap.Finding
---@field kind string one of:
---  "no-start"     a flow without a start
---  "class"        a class where a node should be
---  "unreachable"  a node of the flow that nothing leads to
---  "dead-end"     a node, or the inside of a flow, can end with an action for which there is
---                 no successor
---  "never-taken"  a successor for an action that the node never ends with
---  "unnamed"      a node without a name of its own
---  "same-name"    several nodes of one flow have one name
---  "atomic"       an atomic node with `wait` or `timeout`
---  "wired-branch" a branch of a parallel that has successors
---@field node string the path of the node, as in "order > payment > Charge"
---@field message string

-- The actions that a node may end with: `actions` is the list of those in its code; `open`
-- means that there may be others; `silent` means that "default" may be one.
---@class neap.Possible : neap.Returns

local function contains(list, value)
  for _, each in ipairs(list) do
    if each == value then return true end
  end
  return false
end

local function add(possible, action)
  if not contains(possible.actions, action) then table.insert(possible.actions, action) end
end

local possible_of

-- The actions with which the walk inside a flow may end, whether or not the flow is wired
-- for them.
local function ends_of(flow, known)
  local ends = { actions = {}, open = false, silent = false }
  for _, node in ipairs(graph.nodes(flow)) do
    local possible, targets = possible_of(node, known), nodes.state(node).targets
    local function leaves(action) return targets[action] == nil or targets[action] == nodes.END end
    for _, action in ipairs(possible.actions) do
      if leaves(action) then add(ends, action) end
    end
    ends.open = ends.open or possible.open
    ends.silent = ends.silent or (possible.silent and leaves("default"))
  end
  return ends
end

-- The actions of a flow whose post is the default one: the last action inside
-- if the flow is wired for it or not wired at all, else "default".
local function possible_of_flow(flow, known)
  local ends, state = ends_of(flow, known), nodes.state(flow)
  local possible = { actions = {}, open = ends.open, silent = ends.silent }
  for _, action in ipairs(ends.actions) do
    add(possible, (#state.actions == 0 or state.targets[action]) and action or "default")
  end
  return possible
end

local function possible_of_post(post)
  local possible = returns.of(post)
  if possible.silent and not possible.open and #possible.actions == 0 then
    return { actions = { "default" }, open = false, silent = false }
  end
  return possible
end

-- `known` has the results so far. It ends the recursion of flows inside themselves.
function possible_of(node, known)
  if known[node] then return known[node] end
  known[node] = { actions = {}, open = true, silent = true }
  local post = nodes.state(node).fields.post
  if post then
    known[node] = possible_of_post(post)
  elseif graph.is_flow(node) then
    known[node] = possible_of_flow(node, known)
  else
    known[node] = { actions = { "default" }, open = false, silent = false }
  end
  return known[node]
end

-- Whether the walk from `node` comes to one of the nodes in `goals`.
local function leads_to(node, goals)
  for _, each in ipairs(graph.reachable(node, {})) do
    if goals[each] then return true end
  end
  return false
end

-- The nodes made while check watched that have successors, but that no flow reaches from its
-- start.
local function strays()
  local made, reached, list = nodes.made or {}, {}, {}
  for _, each in ipairs(made) do
    local state = nodes.state(each)
    if state.fields.start then graph.reachable(state.fields.start, reached) end
    for _, branch in ipairs(state.branches or {}) do reached[branch] = true end
  end
  for _, each in ipairs(made) do
    if not reached[each] and #nodes.state(each).actions > 0 then list[#list + 1] = each end
  end
  return list
end

-- The nodes that belong to a flow, but that its walk does not reach: nodes in its table, and
-- strays that lead to a node of the flow.
local function unreachable(flow, members, stray)
  local inside, list = {}, {}
  for _, node in ipairs(members) do inside[node] = true end
  for _, node in ipairs(nodes.state(flow).mentioned or {}) do
    if not inside[node] then
      inside[node] = true
      list[#list + 1] = node
    end
  end
  for _, node in ipairs(stray) do
    if not inside[node] and leads_to(node, inside) then list[#list + 1] = node end
  end
  return list
end

-- The path of a place. A place is a linked list of names, because a thousand nested flows
-- would make a thousand long paths.
local function path_of(place)
  local names = {}
  while place and #names < 16 do
    table.insert(names, 1, place.name)
    place = place.outer
  end
  return (place and "... > " or "") .. table.concat(names, " > ")
end

-- Whether a node has no other name than that of a base class.
local function is_unnamed(node)
  local state = nodes.state(node)
  while rawget(state.fields, "name") == nil do state = state.parent end
  return state.parent == nil
end

local function quote(list)
  local quoted = {}
  for i, each in ipairs(list) do quoted[i] = ("'%s'"):format(each) end
  return table.concat(quoted, ", ")
end

local function check_actions(node, known, report)
  local state, possible = nodes.state(node), possible_of(node, known)
  if #state.actions == 0 then return end
  local hands_on = graph.is_flow(node) and not state.fields.post
  local why = state.fields.post and "its post returns it"
    or hands_on and "what is inside can end with it"
    or "it has no post, so its action is always that"
  local ends = hands_on and ends_of(node, known) or possible
  for _, action in ipairs(ends.actions) do
    if not state.targets[action] then
      local meant = options.nearest(action, state.targets)
      report("dead-end", ("no successor for '%s' (%s); it has %s%s%s"):format(action, why,
        quote(state.actions),
        hands_on and state.targets.default and " and goes on with 'default'" or "",
        meant and (", did you mean '%s'?"):format(meant) or ""))
    end
  end
  for _, action in ipairs(state.actions) do
    if not (possible.open or contains(possible.actions, action)
      or (action == "default" and possible.silent)) then
      report("never-taken", ("wired for '%s', but it only ends with %s"):format(action,
        quote(possible.actions)))
    end
  end
end

-- Checks a branch, as check_actions checks the nodes of a walk.
local function check_branch(node, report)
  local state = nodes.state(node)
  if #state.actions > 0 then
    report("wired-branch", ("wired for %s, but a branch runs alone; make it a flow, "
      .. "Flow { start = %s }"):format(quote(state.actions), state.label))
  end
end

local function check_node(node, report)
  local fields = nodes.state(node).fields
  if fields.atomic and (fields.timeout or (fields.wait or 0) > 0) then
    report("atomic", "it is atomic, so it cannot have 'wait' or 'timeout'")
  end
end

local function check_names(members, report)
  local named, order = {}, {}
  for _, node in ipairs(members) do
    local name = nodes.name(node)
    if is_unnamed(node) then
      report(node, "unnamed", ("it has no name of its own, only %s's"):format(name))
    elseif named[name] then
      named[name].count = named[name].count + 1
    else
      named[name] = { node = node, count = 1 }
      order[#order + 1] = named[name]
    end
  end
  for _, each in ipairs(order) do
    if each.count > 1 then
      report(each.node, "same-name", ("%d nodes of this flow have this name"):format(each.count))
    end
  end
end

--- Remembers all nodes made from now on, and keeps them alive. So check can find nodes that
--- lead into a flow while nothing leads to them. Without this, it finds only those that
--- stand in the table of the flow.
function M.watch()
  nodes.made = nodes.made or {}
end

local CHECKED = { test = function(value) return nodes.state(value) ~= nil end,
  expected = "node or flow" }

--- Finds mistakes, and likely mistakes, in a flow and all that is inside it.
---@param flow table a flow or a node; a class is a finding
---@return neap.Finding[] findings by level, outermost first; empty if there are none
function M.check(flow)
  options.argument(1, "check", flow, CHECKED)
  local state = nodes.state(flow)
  local findings, known, stray = {}, {}, strays()
  local function add_finding(place, kind, message)
    findings[#findings + 1] = { kind = kind, node = path_of(place), message = message }
  end
  local root = { name = nodes.name(flow) }
  if state.is_class then
    add_finding(root, "class", ("it is a class; make a node of it: %s { ... }"):format(root.name))
    return findings
  end
  check_node(flow, function(...) add_finding(root, ...) end)
  if not graph.has_inside(flow) then return findings end

  local function check_level(node, place)
    local members = graph.nodes(node)
    local function report(inner, ...)
      add_finding({ name = nodes.name(inner), outer = place }, ...)
    end
    if not members[1] then
      local made_at = nodes.state(node).made_at
      add_finding(place, "no-start", "the flow has no start" .. (made_at
        and (" (made at %s)"):format(made_at) or ""))
    end
    for _, inner in ipairs(members) do
      check_node(inner, function(...) report(inner, ...) end)
      local function report_inner(...) report(inner, ...) end
      if graph.is_parallel(node) then
        check_branch(inner, report_inner)
      else
        check_actions(inner, known, report_inner)
      end
    end
    check_names(members, report)
    for _, inner in ipairs(unreachable(node, members, stray)) do
      report(inner, "unreachable", "nothing leads to it from the start")
    end
    return members
  end

  local places, queued = { { node = flow, place = root } }, { [flow] = true }
  for _, each in ipairs(places) do -- the list grows meanwhile
    for _, inner in ipairs(check_level(each.node, each.place)) do
      if graph.has_inside(inner) and not queued[inner] then
        queued[inner] = true
        places[#places + 1] = { node = inner,
          place = { name = nodes.name(inner), outer = each.place } }
      end
    end
  end
  return findings
end

return M
