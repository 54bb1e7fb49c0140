--- Flows that a host in C loads from the text of a script.
-- SPDX-License-Identifier: MIT
local graph = require "neap.flow.graph"
local new_error = require "neap.error".new
local nodes = require "neap.flow.node"
local run = require("neap.core").run

local M = {}

-- Lua's own, whatever scripts make of the globals.
local load, setmetatable, type = load, setmetatable, type

--- What is wrong with the value that a script returned instead of a flow.
---@param value any not a node
---@return string
function M.misfit(value)
  local state = nodes.state(value)
  if state then
    return ("returns the class %s; make a node of it: return %s { ... }"):format(state.label,
      state.label)
  elseif value == nil then
    return "returns nothing; a flow expected, as in: return flow"
  end
  return ("returns a %s; a flow or node expected"):format(type(value))
end

-- The globals of one script: what it sets is seen by no other, and goes with it.
local function new_environment()
  local environment = setmetatable({}, { __index = _G })
  environment._G = environment
  return environment
end

--- Compiles a script. A first line for the shell is left out.
---@param name string for messages, as the name of a file
---@param text string
---@return function|nil chunk
---@return string|nil problem
function M.compile(name, text)
  text = text:gsub("^\xEF\xBB\xBF", "")
  if text:find("^\27") then
    return nil, name .. ": it is compiled; the text of a script expected"
  end
  return load(text:gsub("^#[^\n]*", ""), "@" .. name, "t", new_environment())
end

--- Runs a chunk, and gives the plan of the flow that it returns. May wait.
---@param chunk function
---@param name string
---@return userdata plan
function M.define(chunk, name)
  local value = chunk(name)
  if not nodes.is_node(value) then
    error(new_error { code = "flow", message = ("%s %s"):format(name, M.misfit(value)) }, 0)
  end
  return graph.plan(value)
end

--- Runs a flow when the task that loads it has ended.
---@param task neap.Task
---@param ... any the arguments of core.run but for the plan
---@return string action
function M.run(task, ...)
  return run(task:await(), ...)
end

return M
