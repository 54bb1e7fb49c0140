--- What the rules of options are made of, and the rules that many options share.
-- SPDX-License-Identifier: MIT

---@class neap.Rule
---@field test fun(value: any): boolean
---@field expected string what a value has to be, in words. If they contain quotes or
--- braces, an error shows the value that was given
---@field type? string the type of the values that pass, if they have one type
---@field given? fun(value: any): string|nil what was given, in words, where its type does not
--- say what is wrong with it
---@field default? any
---@field kinds? table<string, true> the kinds of node that have the option; nil: all

local function rule(test, expected, of, given)
  return { test = test, expected = expected, type = of, given = given }
end

-- A rule with a default.
---@generic T
---@type fun(base: T, default: T): T
local function with(base, default)
  return { test = base.test, expected = base.expected, type = base.type, given = base.given,
    default = default, kinds = base.kinds }
end

-- A rule that holds for some kinds of node.
---@generic T
---@type fun(kinds: table, base: T): T
local function for_kinds(kinds, base)
  local copy = with(base, base.default)
  copy.kinds = kinds
  return copy
end

local function of_type(name)
  return rule(function(value) return type(value) == name end, name, name)
end

local function number(expected, low, high)
  return rule(function(value)
    return type(value) == "number" and value >= low and value <= high
  end, expected, "number")
end

local function whole(low, high)
  local bound = high and high < 0x7fffffff and (" to %d"):format(high) or ""
  return rule(function(value)
    return math.type(value) == "integer" and value >= (low or value) and value <= (high or value)
  end, "whole number" .. (low and (" from %d%s"):format(low, bound) or ""), "number")
end

-- One of these words, or a table with a single one of these keys, whose value passes the
-- test of that key.
local function one_of(words, keys, expected)
  return rule(function(value)
    if type(value) ~= "table" then return words[value] ~= nil end
    local key, inner = next(value)
    return keys[key] ~= nil and keys[key](inner) and next(value, key) == nil
  end, expected)
end

local function word(...)
  local words, quoted = {}, {}
  for i, each in ipairs { ... } do words[each], quoted[i] = true, ('"%s"'):format(each) end
  local last = table.remove(quoted)
  return rule(function(value) return words[value] ~= nil end,
    table.concat(quoted, ", ") .. " or " .. last, "string")
end

local function is_text(value) return type(value) == "string" end

local function is_path(value)
  return type(value) == "string" and value ~= "" and not value:find("\0", 1, true)
end

local function is_secret(value)
  return type(value) == "table" and getmetatable(value) ~= nil
    and require "neap.secret".is(value)
end

local function is_text_or_secret(value)
  return type(value) == "string" or is_secret(value)
end

local function is_text_or_number(value)
  return type(value) == "string" or type(value) == "number"
end

-- A table by names whose values pass a test.
local function by_name(test, expected)
  return rule(function(value)
    if type(value) ~= "table" or is_secret(value) then return false end
    for name, each in pairs(value) do
      if type(name) ~= "string" or not test(each) then return false end
    end
    return true
  end, ("table of %s by name"):format(expected), "table")
end

local TINY, LARGE = 0x1p-1074, 0x1.fffffffffffffp1023 -- the outermost but 0 and infinity

local any = rule(function() return true end, "any value") ---@type any
local boolean = of_type "boolean" ---@type boolean
local text = of_type "string" ---@type string
local func = of_type "function" ---@type function
local map = rule(function(value)
  return type(value) == "table" and not is_secret(value)
end, "table", "table") ---@type table
local path = rule(is_path, "path") ---@type string
local headers = by_name(is_text_or_number, "strings or numbers") ---@type table
-- Those of requests.
local request_headers = by_name(function(value)
  return is_text_or_number(value) or is_secret(value)
end, "strings, numbers or secrets") ---@type table
local integer = whole() ---@type integer
local count_or_0 = whole(0) ---@type integer
local count = whole(1) ---@type integer
local attempts = whole(1, 0xffffffff) ---@type integer
local seconds_or_0 = number("number of seconds from 0", 0, math.huge) ---@type number
local seconds = number("positive number of seconds", TINY, math.huge) ---@type number
local number_or_0 = number("number from 0", 0, LARGE) ---@type number
local positive = number("number above 0", TINY, LARGE) ---@type number
local factor = number("number above 0", 0x1p-20, 0x1p20) ---@type number
local share = number("number from 0 to 1", 0, 1) ---@type number
local mode = word("stop", "collect") ---@type "stop"|"collect"

--- Returns a table with the fields of `base` and those of `more`, which win.
---@generic T
---@param base table
---@param more T
---@return T more
local function extend(base, more)
  for name, each in pairs(base) do more[name] = more[name] or each end
  return more
end

-- The options of attempts, of nodes and of functions that have attempts as nodes do.
local ATTEMPTS = { max_retries = with(attempts, 1), wait = with(seconds_or_0, 0),
  backoff = with(factor, 1), max_wait = seconds, jitter = with(share, 0),
  max_retry_after = with(seconds, 120) }

-- Whether a value is a list of what passes a test.
local function is_list(value, test)
  if type(value) ~= "table" or is_secret(value) then return false end
  for _, item in ipairs(value) do
    if not test(item) then return false end
  end
  return next(value) == nil or #value > 0
end

-- What is wrong with an item of a list, in words. Its type has to do: it may be a secret.
local function item_fault(item)
  if is_secret(item) then return "is a secret" end
  return type(item) == "table" and "does not fit" or "is a " .. type(item)
end

-- What a table is, in words, that is no list of what passes a test. Nil for other values,
-- whose type says it, and for objects of a class, whose name does.
local function no_list(value, test)
  if type(value) ~= "table" or is_secret(value) then return nil end
  for i, item in ipairs(value) do
    if not test(item) then return ("a list whose item %d %s"):format(i, item_fault(item)) end
  end
  local meta = getmetatable(value)
  if #value > 0 or type(meta) == "table" and rawget(meta, "__name") then return nil end
  return next(value) == nil and "an empty list" or "a table with names"
end

-- A rule for a list of what passes a test; `least` is 1 for one that may not be empty.
local function list(test, expected, least)
  return rule(function(value)
    return is_list(value, test) and #value >= (least or 0)
  end, expected, nil, function(value) return no_list(value, test) end)
end

return {
  rule = rule, with = with, for_kinds = for_kinds, number = number, whole = whole,
  list = list, no_list = no_list,
  one_of = one_of, word = word, extend = extend,
  is_text = is_text, is_text_or_secret = is_text_or_secret, is_path = is_path, is_list = is_list,
  any = any, boolean = boolean, text = text, func = func, map = map, path = path,
  headers = headers, request_headers = request_headers,
  integer = integer, count_or_0 = count_or_0, count = count,
  attempts = attempts, seconds_or_0 = seconds_or_0, seconds = seconds,
  number_or_0 = number_or_0, positive = positive, factor = factor, share = share, mode = mode,
  ATTEMPTS = ATTEMPTS,
}
