--- Whether a value fits a JSON Schema.
-- SPDX-License-Identifier: MIT
--
-- Lua has no null in its tables, so a field that is null and one that is missing are the
-- same here: it may be either where null fits, or where it is not required.
local core = require "neap.core"
local pattern = require "neap.llm.pattern"

local M = {}

---@class neap.llm.Misfit
---@field path string `$.jobs[2].title`
---@field message string what is expected there

-- So many misfits say enough, so deep is no value that was meant, and so many steps no
-- schema takes that was meant: alternatives in alternatives may take for ever.
local MOST, DEEPEST, LONGEST = 20, 200, 200000
local TOO_LONG = "it takes too long to check"

local null = core.json.null
local ARRAY = getmetatable(core.json.array())

-- The types that a value has. An empty table is an array and an object.
local function types_of(value)
  local kind = type(value)
  if value == nil or value == null then return { null = true }, "null" end
  if kind == "number" then
    local is_whole = math.type(value) == "integer" or value == math.floor(value)
    return { number = true, integer = is_whole or nil }, is_whole and "integer" or "number"
  elseif kind == "table" then
    local is_array = getmetatable(value) == ARRAY or value[1] ~= nil
    local is_either = not is_array and next(value) == nil
    return { array = is_array or is_either or nil, object = not is_array or nil },
      is_array and "array" or "object"
  end
  return { [kind] = true }, kind
end

local function equal(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then return a == b end
  for key, value in pairs(a) do
    if not equal(value, b[key]) then return false end
  end
  for key in pairs(b) do
    if a[key] == nil then return false end
  end
  return true
end

-- A value as a misfit shows it.
local function show(value)
  if value == nil or value == null then return "null" end
  if type(value) == "string" then
    local is_long = #value > 40
    return ('"%s%s"'):format(is_long and value:sub(1, utf8.offset(value, 0, 41) - 1) or value,
      is_long and "..." or "")
  end
  return type(value) == "table" and select(2, types_of(value)) or tostring(value)
end

local function show_all(list)
  local shown = {}
  for i, value in ipairs(list) do shown[i] = show(value) end
  return table.concat(shown, ", ")
end

--- Returns the keys of a table as sorted texts.
---@param map table
---@return string[]
function M.sorted(map)
  local names = {}
  for name in pairs(map) do names[#names + 1] = tostring(name) end
  table.sort(names)
  return names
end

local function field_path(path, name)
  return name:find("^[%a_][%w_]*$") and ("%s.%s"):format(path, name)
    or ("%s[%q]"):format(path, name)
end

--- Returns the part of a schema that a reference names, nil if there is none.
---@param root table
---@param ref string "#/$defs/port"
---@return any
function M.resolve(root, ref)
  if ref == "#" then return root end
  local at = root
  if ref:sub(1, 2) ~= "#/" then return nil end
  for step in ref:sub(3):gmatch("[^/]+") do
    if type(at) ~= "table" then return nil end
    step = step:gsub("%%(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end)
      :gsub("~1", "/"):gsub("~0", "~")
    at = at[step] == nil and at[math.tointeger(tonumber(step) or 0.5) or ""] or at[step]
  end
  return at
end

local check -- (schema, value, path, run)

local function complain(run, path, format, ...)
  if #run.errors < MOST then
    run.errors[#run.errors + 1] = { path = path, message = format:format(...) }
  end
end

-- The misfits of a value by itself.
local function misfits(schema, value, path, run)
  local inner = { errors = {}, root = run.root, depth = run.depth, steps = run.steps }
  check(schema, value, path, inner)
  return inner.errors
end

local function fits(schema, value, path, run)
  return misfits(schema, value, path, run)[1] == nil
end

local function is_required(schema, name)
  for _, each in ipairs(schema.required or {}) do
    if each == name then return true end
  end
  return false
end

-- Checks by keyword: each gets what the schema says, the value, its types, and the
-- schema. A keyword says nothing of values of other types.
local keywords = {}
M.keywords = keywords

function keywords.type(said, _, path, run, types, _, kind)
  local list = type(said) == "table" and said or { said }
  for _, each in ipairs(list) do
    if types[each] then return end
  end
  complain(run, path, "%s expected, got %s", table.concat(list, " or "), kind)
end

function keywords.enum(said, value, path, run)
  for _, each in ipairs(said) do
    if equal(each, value == nil and null or value) then return end
  end
  complain(run, path, "one of %s expected, got %s", show_all(said), show(value))
end

function keywords.const(said, value, path, run)
  if not equal(said, value == nil and null or value) then
    complain(run, path, "%s expected, got %s", show(said), show(value))
  end
end

-- A check of a bound: what it measures, when that is enough, and how it says it.
local function bound(kind, measure, is_enough, words)
  return function(said, value, path, run, types)
    if types[kind] and not is_enough(measure(value), said) then
      complain(run, path, words, said)
    end
  end
end

local function same(value) return value end
local function characters(value) return utf8.len(value) or #value end
local function items(value) return #value end
local function fields(value) return #M.sorted(value) end
local function at_least(a, b) return a >= b end
local function at_most(a, b) return a <= b end

keywords.minimum = bound("number", same, at_least, "number from %s expected")
keywords.maximum = bound("number", same, at_most, "number up to %s expected")
keywords.exclusiveMinimum = bound("number", same, function(a, b) return a > b end,
  "number above %s expected")
keywords.exclusiveMaximum = bound("number", same, function(a, b) return a < b end,
  "number below %s expected")
keywords.multipleOf = bound("number", same, function(a, b)
  return math.abs(a / b - math.floor(a / b + 0.5)) < 1e-9
end, "multiple of %s expected")
keywords.minLength = bound("string", characters, at_least, "at least %s characters expected")
keywords.maxLength = bound("string", characters, at_most, "at most %s characters expected")
keywords.minItems = bound("array", items, at_least, "at least %s items expected")
keywords.maxItems = bound("array", items, at_most, "at most %s items expected")
keywords.minProperties = bound("object", fields, at_least, "at least %s fields expected")
keywords.maxProperties = bound("object", fields, at_most, "at most %s fields expected")
keywords.pattern = bound("string", same, function(value, said)
  return value:find(pattern.of(said)) ~= nil
end, "text that matches %s expected")

function keywords.uniqueItems(said, value, path, run, types)
  if not said or not types.array then return end
  for i = 2, #value do
    for j = 1, i - 1 do
      if equal(value[i], value[j]) then
        return complain(run, ("%s[%d]"):format(path, i), "the same as item %d", j)
      end
    end
  end
end

function keywords.items(said, value, path, run, types)
  if not types.array then return end
  for i = 1, #value do check(said, value[i], ("%s[%d]"):format(path, i), run) end
end

function keywords.properties(said, value, path, run, types, schema)
  if not types.object then return end
  for _, name in ipairs(M.sorted(said)) do
    local field = value[name]
    if field ~= nil and (field ~= null or is_required(schema, name)) then
      check(said[name], field, field_path(path, name), run)
    end
  end
end

function keywords.required(said, value, path, run, types, schema)
  if not types.object then return end
  for _, name in ipairs(said) do
    local of_field = schema.properties and schema.properties[name]
    local may_be_null = of_field ~= nil and fits(of_field, null, path, run)
    if value[name] == nil and not may_be_null then
      complain(run, field_path(path, name), "is missing")
    end
  end
end

function keywords.additionalProperties(said, value, path, run, types, schema)
  if not types.object or said == true then return end
  for _, name in ipairs(M.sorted(value)) do
    if not (schema.properties and schema.properties[name] ~= nil) then
      local at = field_path(path, name)
      if said == false then complain(run, at, "no such field is known") else
        check(said, value[name], at, run)
      end
    end
  end
end

function keywords.allOf(said, value, path, run)
  for _, each in ipairs(said) do check(each, value, path, run) end
end

-- How many of several alternatives a value fits, and the misfits of the one that has
-- come furthest.
local function try_all(said, value, path, run)
  local count, best = 0, nil
  for _, each in ipairs(said) do
    local errors = misfits(each, value, path, run)
    if not errors[1] then
      count = count + 1
    elseif not best or #errors[1].path > #best[1].path then
      best = errors
    end
  end
  return count, best
end

local function fits_none(said, best, path, run)
  if #said > 1 and best[1].path == path then
    return complain(run, path, "it fits none of %d alternatives", #said)
  end
  for _, each in ipairs(best) do complain(run, each.path, "%s", each.message) end
end

function keywords.anyOf(said, value, path, run)
  local count, best = try_all(said, value, path, run)
  if count == 0 then fits_none(said, best, path, run) end
end

function keywords.oneOf(said, value, path, run)
  local count, best = try_all(said, value, path, run)
  if count == 0 then return fits_none(said, best, path, run) end
  if count > 1 then complain(run, path, "it fits %d alternatives, not one", count) end
end

keywords["not"] = function(said, value, path, run)
  if fits(said, value, path, run) then complain(run, path, "it is what it may not be") end
end

keywords["$ref"] = function(said, value, path, run)
  check(M.resolve(run.root, said), value, path, run)
end

-- The order in which keywords are checked, so that misfits are always told in one.
local CHECKED = M.sorted(keywords)

function check(schema, value, path, run)
  if schema == true then return end
  if schema == false then return complain(run, path, "nothing may stand here") end
  if run.depth >= DEEPEST then return complain(run, path, "nested too deeply") end
  run.steps.left = run.steps.left - 1
  if run.steps.left < 0 then return complain(run, path, TOO_LONG) end
  run.depth = run.depth + 1
  local types, kind = types_of(value)
  local before = #run.errors
  if schema.type then keywords.type(schema.type, value, path, run, types, schema, kind) end
  if #run.errors == before then
    for _, name in ipairs(CHECKED) do
      local said = schema[name]
      if said ~= nil and name ~= "type" then
        keywords[name](said, value, path, run, types, schema)
      end
    end
  end
  run.depth = run.depth - 1
end

--- Returns the misfits of a value, an empty list if it fits.
---@param schema table|boolean one that neap.llm.schema has made
---@param value any
---@return neap.llm.Misfit[]
function M.misfits(schema, value)
  local steps = { left = LONGEST }
  local found = misfits(schema, value, "$", { root = schema, depth = 0, steps = steps })
  -- Alternatives that were not looked at to their end say nothing.
  return steps.left < 0 and { { path = "$", message = TOO_LONG } } or found
end

--- Takes the fields that are null out of all objects in a value, which is changed.
---@param value any
---@return any value
function M.without_nulls(value)
  if type(value) ~= "table" then return value end
  local is_array = types_of(value).array
  for key, each in pairs(value) do
    if each == null and not is_array then value[key] = nil else M.without_nulls(each) end
  end
  return value
end

return M
