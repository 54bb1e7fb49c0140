--- Events of the script's own, among those of its run.
-- SPDX-License-Identifier: MIT
local core = require "neap.core"
local options = require "neap.base.options"
local tallies = require "neap.flow.tally"

-- What each event has from neap.
local OURS = { kind = true, node = true, time = true, visit = true }

local kind_rule = { expected = "string that is not empty", test = function(value)
  return type(value) == "string" and value ~= "" and not value:find("\0", 1, true)
end }

local fields_rule = { expected = "table", test = function(value)
  return value == nil or type(value) == "table"
end }

local function check(kind, fields)
  options.argument(1, "emit", kind, kind_rule)
  options.argument(2, "emit", fields, fields_rule)
  if core.event_kinds[kind] then
    options.blame(("emit: events of the kind '%s' are neap's own; choose another name")
      :format(kind))
  end
  for name in next, fields or {} do
    if type(name) ~= "string" then
      options.blame(("emit: fields have names, got the key %s"):format(
        type(name) == "number" and tostring(name) or "of the type " .. type(name)))
    elseif OURS[name] then
      options.blame(("emit: neap itself sets the field '%s'; choose another name"):format(name))
    end
  end
end

-- What models have taken, by the task of the run.
local by_task = setmetatable({}, { __mode = "k" })

-- Adds a call of a model to what neap.dump and neap.tasks tell of a run.
local function count(task, event)
  if next(by_task) == nil then
    core.on_describe(function(each)
      local tally = by_task[each]
      if tally then return tallies.text(tally), tallies.copy(tally) end
    end)
  end
  by_task[task] = by_task[task] or tallies.new()
  tallies.add(by_task[task], event)
end

--- Tells `on_event` of the current run of an event: its kind, the fields, which are copied,
--- and `node`, `visit` and `time` as with any event. A task that a node has spawned is part
--- of the run, and its events are those of the node that the run is at. Where no run is, and
--- where nobody observes it, nothing happens. Does not wait.
---@param kind string a name that is none of neap's own kinds
---@param fields? table<string, any> not kind, node, time and visit
local function emit(kind, fields)
  check(kind, fields)
  fields = fields or {}
  local task = core.emit(kind, fields)
  if task and kind == "llm" then count(task, fields) end
end

return emit
