--- Nodes and their classes as tables.
-- SPDX-License-Identifier: MIT
--
-- A class and a node are alike: a table that reads from its own fields, then from those of
-- the class that it was made from. The fields are kept behind the table, not in it, so that
-- every write is seen: names are checked, and plans made from the field become stale.
local core = require "neap.core"
local options = require "neap.base.options"
local schema = require "neap.base.schema"

local M = {}

local blame = options.blame

-- The numbers are those of neap_kind in engine/neap.h.
M.kinds = { Node = 0, Flow = 1, BatchNode = 2, BatchFlow = 3, Parallel = 4 }

local names = schema.options.Node -- every name that means something

--- The names of the methods that are called in a visit.
M.phases = { prep = true, exec = true, process_after_fail = true, post = true }

local function is_flow(kind) return kind == M.kinds.Flow or kind == M.kinds.BatchFlow end
local function is_parallel(kind) return kind == M.kinds.Parallel end

local kind_names = {}
for name, kind in pairs(M.kinds) do kind_names[kind] = name end

local function is_for(kind, rule)
  return not rule.kinds or rule.kinds[kind_names[kind]]
end

-- Names that neap itself sets.
local taken = {
  cur_retry = "the engine counts attempts in it",
  to = "it is the method that wires nodes",
  run = "it is the method that runs nodes and flows",
  extend = "it is the method that makes classes",
  set_params = "it is the method that sets params",
  max_steps = "it is an option of run",
  on_event = "it is an option of run",
}

-- The known name that `key` is one edit away from, if this kind of node has it and the
-- value has its type: `port = 80` is no misspelt `post`.
local function misspelt(kind, key, value)
  local alike = {}
  for name, rule in pairs(names) do
    if rule.type == type(value) and is_for(kind, rule) then alike[name] = true end
  end
  return options.near(key, alike)
end

local plain_names = {} -- by what options.plain makes of the names
for name in pairs(names) do plain_names[options.plain(name)] = name end

-- The option for which a name stands in other libraries or in another style of writing;
-- nil if there is none.
local function meant(key)
  local plain = options.plain(key)
  local name = require "neap.base.schema.meant"[plain]
  return plain_names[plain] or (names[name] or taken[name]) and name
end

-- The reason why a kind of node has no such option.
local function why_not(kind, key)
  if key == "exec" and is_flow(kind) then return "its exec is the walk from its start" end
  if key == "exec" then return "its exec is the run of its branches" end
  local others = {}
  for other = 0, #kind_names do
    if is_for(other, names[key]) then others[#others + 1] = kind_names[other] end
  end
  local last = table.remove(others)
  return ("it is an option of %s and %s"):format(table.concat(others, ", "), last)
end

-- Raises unless the field may be set to the value.
local function check_field(state, key, value)
  if type(key) ~= "string" then return end
  local known = names[key]
  local what = state.label
  if state.native and M.phases[key] then
    blame(("%s: '%s' cannot be set: the node is in C"):format(what, key))
  end
  if known then
    if value == nil then return end
    if not is_for(state.kind, known) then
      blame(("%s: '%s' cannot be set: %s"):format(what, key, why_not(state.kind, key)))
    end
    local fault = options.fault(key, value, known)
    if fault then
      local class = M.state(value)
      blame(("%s: %s%s"):format(what, fault, class and ("; it is the class %s, make a node of it: "
        .. "%s()"):format(class.label, class.label) or ""))
    end
  elseif taken[key] then
    blame(("%s: '%s' cannot be a field: %s"):format(what, key, taken[key]))
  else
    local like = meant(key) or misspelt(state.kind, key, value)
    if like then
      blame(("%s: unknown option '%s'; did you mean '%s'?"):format(what, key, like))
    end
  end
end

---@class neap.State the state behind a node or class; private to lua/neap
---@field fields table
---@field parent neap.State|nil
---@field kind integer
---@field is_class boolean
---@field label string for messages
---@field actions string[] in the order of wiring
---@field targets table<string, table> action to node or END
---@field made_at? string of a flow made without a start: "file:line"
---@field plans table<table, true>|nil the plans that were made from this state
---@field mentioned table[]|nil of a flow: the nodes in its table that have no name
---@field branches table[]|nil of a parallel
---@field native userdata|nil of a node in C: what the host has registered

--- If this is a list, every node and class that is made is added to it; see neap.check.
---@type table[]|nil
M.made = nil

--- The value of the chain `a >> b` is b. This has the first node of each chain by its
--- value, until the table of a flow or parallel has taken the chain.
---@type table<table, table>
M.chains = setmetatable({}, { __mode = "k" })

-- The key of the state in the metatable of a node or class. The state is not in a weak
-- table by nodes, because the collector's time for that grows with the square of the
-- length of a chain of nodes.
local STATE = {}

--- The state behind a node or class; nil for anything else.
---@param value any
---@return neap.State|nil
function M.state(value)
  local meta = type(value) == "table" and getmetatable(value)
  return type(meta) == "table" and rawget(meta, STATE) or nil
end

--- Whether a value is a node (or flow), rather than a class or anything else.
---@param value any
---@return boolean
function M.is_node(value)
  local state = M.state(value)
  return state ~= nil and not state.is_class
end

--- The name of a node for messages and paths: its own or its class's.
function M.name(node)
  return M.state(node).fields.name
end

-- Marks every plan that was made from this state as stale.
local function touch(state)
  if not state.plans then return end
  for plan in pairs(state.plans) do plan.stale = true end
  state.plans = nil
end

M.touch = touch

local weak = { __mode = "k" }

--- Notes that a plan was made from a node and the classes of that.
---@param state neap.State
---@param plan table its field `stale` is set when one of them changes
function M.note_plan(state, plan)
  while state do
    state.plans = state.plans or setmetatable({}, weak)
    state.plans[plan] = true
    state = state.parent
  end
end

--- Sets the params of a node or class, as `node.params = params` does.
---@param node table
---@param params table
function M.set_params(node, params)
  if not M.state(node) then
    error("set_params is a method: call it as node:set_params { ... }", 2)
  end
  options.argument(1, "set_params", params, schema.rules.table)
  node.params = params
end

local instantiate -- (class, fields) -> node

local function assign(object, key, value)
  local state = M.state(object)
  if is_parallel(state.kind) and math.type(key) == "integer" then
    blame(("%s: branches are given where a parallel is made, and stay"):format(state.label))
  end
  check_field(state, key, value)
  state.fields[key] = value
  if key == "name" then state.label = state.fields.name end
  if names[key] then touch(state) end
end

local function iterate(object)
  return next, M.state(object).fields, nil
end

local function describe(object)
  local state = M.state(object)
  return ("neap %s: %s"):format(state.is_class and "class" or "node", state.fields.name)
end

local operators = {}

--- Sets the metamethods that wire nodes. Classes have them as well, so that wiring a class
--- is refused with a reason.
function M.set_operators(metamethods)
  for name, metamethod in pairs(metamethods) do operators[name] = metamethod end
end

-- Makes the table in front of a state.
local function new_object(state)
  local meta = { [STATE] = state, __index = state.fields, __newindex = assign,
    __pairs = iterate, __tostring = describe,
    __name = state.is_class and "neap.class" or "neap.node" }
  if state.is_class then meta.__call = instantiate end
  for name, metamethod in pairs(operators) do meta[name] = metamethod end
  local object = setmetatable({}, meta)
  state.object = object
  if M.made then M.made[#M.made + 1] = object end
  return object
end

-- What is wrong with a value as a branch of a parallel; nil if nothing is.
local function why_no_branch(value)
  local state = M.state(value)
  if state and state.is_class then
    return ("is the class %s; make a node of it: %s()"):format(state.label, state.label)
  elseif state then
    local first = M.chains[value]
    M.chains[value] = nil -- told once
    return first and ("is a chain from %s to %s, of which only %s would run; make it a flow: "
      .. "Flow { start = %s, ... }"):format(M.name(first), state.label, state.label, M.name(first))
  elseif type(value) == "table" and rawget(value, "source") then
    return ("is %s - %q; a branch has no successors, so give the node alone, or a flow"):format(
      M.name(value.source), value.action)
  end
  local what = value == M.END and "neap.END" or value == nil and "nil" or "a " .. type(value)
  return ("is %s; a node or flow expected"):format(what)
end

-- Checks and returns the branches of a parallel: the first `count` values of the list part
-- of the table that it is made from.
local function check_branches(state, given, count, is_class)
  if is_class then
    if count > 0 then
      blame(("%s: branches are for a node, not for the class: %s { a, b }"):format(state.label,
        state.label))
    end
    return nil
  end
  if count == 0 then
    blame(("%s: at least one branch expected, as in neap.parallel { a, b }"):format(state.label))
  end
  local branches = {}
  for i = 1, count do
    local why = why_no_branch(given[i])
    if why then
      blame(("%s: branch %d %s"):format(state.label, i, why))
    end
    branches[i] = given[i]
  end
  return branches
end

-- Checks a value in the list part of a flow's table, which is there for its wiring.
local function check_wiring(state, value, is_class)
  if is_class or not is_flow(state.kind) then
    blame(("%s: options are named; got a %s without a name"):format(state.label, type(value)))
  end
  if M.is_node(value) or value == M.END then return end
  if type(value) == "table" and rawget(value, "source") then
    blame(("%s: %s - %q leads nowhere; write >> and the next node behind it"):format(state.label,
      M.name(value.source), value.action))
  end
  blame(("%s: wiring expected, such as a >> b; got %s"):format(state.label,
    M.state(value) and "the class " .. M.name(value) or "a " .. type(value)))
end

-- Derives a class or a node.
local function derive(parent, given, is_class)
  local label = parent.fields.name
  if given == nil then given = {} end
  if type(given) ~= "table" or M.state(given) then
    blame(("%s: a table of options expected, got %s"):format(label,
      M.state(given) and "a node" or type(given)))
  end
  if type(given.name) == "string" then label = given.name end
  local state = { kind = parent.kind, parent = parent, is_class = is_class, label = label,
    actions = {}, targets = {},
    fields = setmetatable({}, { __index = parent.fields }) }
  local positional = 0
  for key, value in pairs(given) do
    if math.type(key) ~= "integer" then
      check_field(state, key, value)
      state.fields[key] = value
    else
      positional = positional + 1
    end
    if math.type(key) == "integer" and not is_parallel(state.kind) then
      check_wiring(state, value, is_class)
      if value ~= M.END then
        state.mentioned = state.mentioned or {}
        table.insert(state.mentioned, value)
        M.chains[value] = nil
      end
    end
  end
  if is_parallel(state.kind) then
    state.branches = check_branches(state, given, positional, is_class)
  elseif is_flow(state.kind) and not is_class and not state.fields.start then
    if positional > 0 then
      blame(("%s: 'start' is missing; name the node that comes first: { start = node, ... }")
        :format(label))
    end
    state.made_at = options.place()
  end
  return new_object(state)
end

function instantiate(class, given)
  return (derive(M.state(class), given, false)) -- no tail call: see options.place
end

local empty_params = core.read_only {}

M.empty_params = empty_params

--- Makes one of the base classes.
---@param name string a key of kinds
---@param methods table<string, function> `run`, `to` and the like
function M.base(name, methods)
  local fields = { name = name, params = empty_params, cur_retry = 0 }
  for key, method in pairs(methods) do fields[key] = method end
  fields.extend = function(class, given)
    local state = M.state(class)
    if not state or not state.is_class then
      error("extend is called on a class: Class:extend { ... }", 2)
    end
    return (derive(state, given, true))
  end
  return new_object({ kind = M.kinds[name], is_class = true, label = name, fields = fields,
    actions = {}, targets = {} })
end

return M
