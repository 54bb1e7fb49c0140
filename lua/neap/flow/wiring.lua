--- Wiring: which node follows on which action.
-- SPDX-License-Identifier: MIT
--
--   a >> b                       on "default"
--   a - "approved" >> b          on "approved"
--   a:to(b, "approved")          the same as a statement; returns b
--
-- The operators are left-associative, and `-` binds tighter. So the left operand of each
-- `>>` in `a >> b - "y" >> c` is a node or a pair of a node and an action.
local nodes = require "neap.flow.node"

local options = require "neap.base.options"

local blame = options.blame

local M = {}

--- The target that ends the flow on purpose.
M.END = setmetatable({}, {
  __name = "neap.END",
  __tostring = function() return "neap.END" end,
  __newindex = function() error("neap.END has no fields", 2) end,
  __shr = function() error("nothing follows neap.END", 2) end,
})
nodes.END = M.END

-- The metatable of `node - "action"`, a pair that waits for its `>>`.
local pair_meta = { __name = "neap.wiring" }

local function is_pair(value)
  return getmetatable(value) == pair_meta
end

local function describe(value)
  local state = nodes.state(value)
  if state and state.is_class then
    return ("the class %s (make a node of it: %s())"):format(state.label, state.label)
  end
  return value == nil and "nil" or "a " .. type(value)
end

-- Wires an action. Raises unless both ends can be wired; `hint` is part of that error.
local function connect(source, action, target, hint)
  local from = nodes.state(source)
  if not from or from.is_class then
    blame(("cannot wire %s: a node expected before the action%s"):format(describe(source),
      hint or ""))
  end
  if type(action) ~= "string" then
    blame(("cannot wire %s: an action is a string, got %s"):format(from.label,
      describe(action)))
  end
  if target ~= M.END and not nodes.is_node(target) then
    blame(("cannot wire %s on '%s' to %s: a node or neap.END expected%s"):format(from.label, action,
      describe(target), hint or ""))
  end
  local old = from.targets[action]
  if old == nil then
    from.actions[#from.actions + 1] = action
  elseif old ~= target then
    local place = options.place()
    warn(("neap: %s%s was wired on '%s' to %s, now to %s"):format(place and place .. ": " or "",
      from.label, action,
      old == M.END and "the end" or nodes.name(old),
      target == M.END and "the end" or nodes.name(target)))
  end
  from.targets[action] = target
  nodes.touch(from)
end

-- left >> right
local function wire(left, right)
  local source, action = left, "default"
  if is_pair(left) then source, action = left.source, left.action end
  local target = is_pair(right) and right.source or right
  connect(source, action, target)
  local chains = nodes.chains
  local first = chains[source] or source
  chains[source] = nil
  if target ~= M.END then chains[target] = first end
  return right
end

-- node - "action"
local function pair(node, action)
  if not nodes.is_node(node) or type(action) ~= "string" then
    blame(("cannot wire: a node, then '-' and an action, which is a string; got %s - %s"):format(
      nodes.is_node(node) and nodes.name(node) or describe(node),
      type(action) == "string" and ("%q"):format(action) or describe(action)))
  end
  return setmetatable({ source = node, action = action }, pair_meta)
end

pair_meta.__shr = wire
nodes.set_operators { __shr = wire, __sub = pair }

--- Wires a node: on `action`, the flow goes on to `target`. Wiring an action again warns
--- and replaces the wire.
---@param node table the node, as in node:to(...)
---@param target table a node or neap.END
---@param action? string "default" unless given
---@return table target
function M.to(node, target, action)
  if action == nil then action = "default" end
  connect(node, action, target, "; call it as node:to(target, action)")
  return target
end

return M
