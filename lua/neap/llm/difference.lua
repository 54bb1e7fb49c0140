--- In what two values differ that are JSON, in words.
-- SPDX-License-Identifier: MIT
local json = require "neap.core".json
local text = require "neap.base.encoding"

local M = {}

---@class neap.llm.Difference
---@field path string "messages[2].content"
---@field left any nil: nothing
---@field right any

-- How much of a text is shown, in bytes, and how much of that before the first
-- difference.
local SHOWN, BEFORE = 60, 20

-- Names first, then places in lists, each in their order.
local function before(a, b)
  if type(a) == type(b) then return a < b end
  return type(a) == "string"
end

local function keys_of(left, right)
  local keys = {}
  for key in pairs(left) do keys[#keys + 1] = key end
  for key in pairs(right) do keys[#keys + 1] = left[key] == nil and key or nil end
  table.sort(keys, before)
  return keys
end

-- The place of the first byte in which two texts differ.
local function first_difference(left, right)
  local at, length = 1, math.min(#left, #right)
  while at <= length and left:byte(at) == right:byte(at) do at = at + 1 end
  return at
end

-- How unlike two values are, from 0 to 1 and beyond for what has many parts.
local function weight(left, right)
  if type(left) == "string" and type(right) == "string" then
    local same = first_difference(left, right) - 1
    local behind = first_difference(left:sub(same + 1):reverse(),
      right:sub(same + 1):reverse()) - 1
    return 1 - (same + behind) / math.max(#left, #right)
  end
  local parts = left == nil and right or right == nil and left
  if type(parts) ~= "table" then return 1 end
  local sum = 1
  for _, part in pairs(parts) do sum = sum + weight(nil, part) end
  return sum
end

local function compare(list, path, left, right)
  if type(left) ~= "table" or type(right) ~= "table" then
    if left == right then return 0 end
    list[#list + 1] = { path = path, left = left, right = right }
    return weight(left, right)
  end
  local sum = 0
  for _, key in ipairs(keys_of(left, right)) do
    local step = type(key) == "string" and (path == "" and key or "." .. key)
      or ("[%d]"):format(key)
    sum = sum + compare(list, path .. step, left[key], right[key])
  end
  return sum
end

--- Compares two values.
---@param left any
---@param right any
---@return neap.llm.Difference[]
---@return number distance 0: they are alike
function M.between(left, right)
  local list = {}
  local distance = compare(list, "", left, right)
  return list, distance
end

-- The part of a text in which it differs from another, in quotation marks.
local function excerpt(whole, other)
  local first = math.max(1, (other and first_difference(whole, other) or 1) - BEFORE)
  while first > 1 and whole:find("^[\x80-\xBF]", first) do first = first - 1 end
  local last = math.min(#whole, first + SHOWN - 1)
  while last < #whole and whole:find("^[\x80-\xBF]", last + 1) do last = last + 1 end
  return ('"%s%s%s"'):format(first > 1 and "..." or "", text.line(whole:sub(first, last)),
    last < #whole and "..." or "")
end

local function shown(value, other)
  if value == nil then return "nothing" end
  if type(value) == "table" then value, other = json.encode(value), nil end
  if type(value) ~= "string" then return tostring(value) end
  return excerpt(value, type(other) == "string" and other or nil)
end

--- Writes a line for each difference, `most` of them.
---@param list neap.llm.Difference[]
---@param most integer
---@param words string a format for path, left and right
---@return string
function M.lines(list, most, words)
  local lines = {}
  for i = 1, math.min(#list, most) do
    local each = list[i]
    lines[i] = words:format(each.path, shown(each.left, each.right),
      shown(each.right, each.left))
  end
  if #list > most then lines[most + 1] = ("  and %d more"):format(#list - most) end
  return table.concat(lines, "\n")
end

return M
