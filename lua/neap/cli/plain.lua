--- Making values that JSON can hold from any Lua values.
-- SPDX-License-Identifier: MIT
local core = require "neap.core"
local json = core.json
local nodes = require "neap.flow.node"
local encoding = require "neap.base.encoding"
local secrets = require "neap.secret"

local M = {}

-- Far above the depth that a person reads, far below the limit of the encoder.
local MAX_DEPTH <const> = 200

local array_meta = getmetatable(json.array {})

-- The length of a table whose keys are exactly 1 to n; nil for other tables.
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
  value = core.revealed(value) -- the table behind params, which next would not see
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
  elseif kind == "userdata" and pcall(json.encode, value) then -- a vector
    return value
  elseif kind ~= "table" then
    return ("<%s>"):format(kind)
  elseif nodes.state(value) then
    return ("<%s>"):format(encoding.valid(tostring(value)))
  elseif secrets.is(value) then
    return tostring(value)
  end
  return copy_table(value, depth, open)
end

--- Copies a value. Values that JSON does not have become strings in angle brackets, and
--- secrets stars; bytes that are not UTF-8 become U+FFFD; keys become strings. A table inside
--- itself becomes "<cycle>".
---@param value any
---@return any
function M.of(value)
  return copy(value, 0, {})
end

return M
