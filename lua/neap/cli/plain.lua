--- Any Lua value as one that JSON can hold.
-- SPDX-License-Identifier: MIT
local core = require "neap.core"
local json = core.json
local nodes = require "neap.flow.node"
local encoding = require "neap.base.encoding"

local M = {}

-- Far above what a person reads, far below what the encoder refuses.
local MAX_DEPTH <const> = 200

local array_meta = getmetatable(json.array {})

-- The length of a table whose keys are 1 to n and nothing else; nil for others.
local function list_length(value)
  local count = 0
  for _ in next, value do count = count + 1 end
  for i = 1, count do
    if rawget(value, i) == nil then return nil end
  end
  return count
end

local copy

local function key_name(key)
  if type(key) == "string" then return encoding.valid(key) end
  return type(key) == "table" and "<table>" or tostring(copy(key, MAX_DEPTH, {}))
end

local function copy_table(value, depth, open)
  value = core.revealed(value) -- what pairs goes through of params; next does not
  if open[value] then return "<cycle>" end
  if depth == MAX_DEPTH then return "<nested too deep>" end
  open[value] = true
  local result, length = {}, list_length(value)
  if length and (length > 0 or getmetatable(value) == array_meta) then
    for i = 1, length do result[i] = copy(rawget(value, i), depth + 1, open) end
    json.array(result)
  else
    for key, member in next, value do
      local name = key_name(key)
      if type(key) == "string" or result[name] == nil then
        result[name] = copy(member, depth + 1, open)
      end
    end
  end
  open[value] = nil
  return result
end

function copy(value, depth, open)
  local kind = type(value)
  if kind == "string" then
    return encoding.valid(value)
  elseif kind == "number" then
    local finite = value == value and value ~= math.huge and value ~= -math.huge
    return finite and value or ("<%s>"):format(value)
  elseif value == nil or kind == "boolean" or value == json.null then
    return value
  elseif kind ~= "table" then
    return ("<%s>"):format(kind)
  elseif nodes.state(value) then
    return ("<%s>"):format(encoding.valid(tostring(value)))
  end
  return copy_table(value, depth, open)
end

--- Copies a value. What JSON has no word for becomes a string in angle brackets
--- that says what it was; bytes that are no UTF-8 become U+FFFD; keys that are
--- not strings become strings. A table that holds itself says "<cycle>" there.
---@param value any
---@return any
function M.of(value)
  return copy(value, 0, {})
end

return M
