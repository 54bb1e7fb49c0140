--- Whether a JSON Schema can be checked by.
-- SPDX-License-Identifier: MIT
local pattern = require "neap.llm.pattern"
local validate = require "neap.llm.validate"

local M = {}

-- What a schema may say besides, of which nothing is checked.
local ANNOTATIONS = {}
for _, name in ipairs { "title", "description", "default", "examples", "format", "deprecated",
  "readOnly", "writeOnly", "contentEncoding", "contentMediaType", "$schema", "$id", "$comment",
  "$defs", "definitions" } do
  ANNOTATIONS[name] = true
end

local TYPES = { string = true, number = true, integer = true, boolean = true, object = true,
  array = true, null = true }

local function is_number(value) return type(value) == "number" end
local function is_boolean(value) return type(value) == "boolean" end
local function is_list(value) return type(value) == "table" and value[1] ~= nil end

local function are_types(value)
  for _, each in ipairs(type(value) == "table" and value or { value }) do
    if not TYPES[each] then return false end
  end
  return TYPES[value] or is_list(value)
end

local function are_names(value)
  if type(value) ~= "table" then return false end
  for _, each in pairs(value) do
    if type(each) ~= "string" then return false end
  end
  return next(value) == nil or value[1] ~= nil
end

-- What each keyword has to say: a test, and its words.
local SAID = {
  type = { are_types, "a type of JSON, or a list of them" },
  enum = { is_list, "a list of values" },
  required = { are_names, "a list of names" },
  multipleOf = { function(value) return is_number(value) and value > 0 end, "a number above 0" },
  uniqueItems = { is_boolean, "true or false" },
}
for _, name in ipairs { "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength",
  "maxLength", "minItems", "maxItems", "minProperties", "maxProperties" } do
  SAID[name] = { is_number, "a number" }
end

local look -- (schema, place, run) -> fault

--- The schemas inside one, by how a keyword has them.
---@type table<string, "map"|"list"|"one">
M.inside = { properties = "map", ["$defs"] = "map", definitions = "map", anyOf = "list",
  allOf = "list", oneOf = "list", items = "one", additionalProperties = "one", ["not"] = "one" }

local INSIDE = M.inside

local function look_inside(name, said, place, run)
  if INSIDE[name] == "one" then return look(said, place, run) end
  if type(said) ~= "table" or INSIDE[name] == "list" and not is_list(said) then
    return ("%s: a %s of schemas expected"):format(place,
      INSIDE[name] == "list" and "list" or "table")
  end
  for _, key in ipairs(validate.sorted(said)) do
    local each = said[key] == nil and said[math.tointeger(key)] or said[key]
    local fault = look(each, place .. "/" .. key, run)
    if fault then return fault end
  end
end

local function keyword_fault(name, said, place, run)
  local at = place .. "/" .. name
  local rule = SAID[name]
  if INSIDE[name] then return look_inside(name, said, at, run) end
  if rule and not rule[1](said) then return ("%s: %s expected"):format(at, rule[2]) end
  if name == "pattern" then
    local why = type(said) ~= "string" and "no text" or select(2, pattern.of(said))
    return why and ("%s: Lua's patterns cannot do it: %s"):format(at, why)
  elseif name == "$ref" then
    local target = type(said) == "string" and validate.resolve(run.root, said)
    if target == nil or target == false then return at .. ": there is no such part" end
    return look(target, at, run)
  end
  local is_known = validate.keywords[name] or ANNOTATIONS[name] or name:find("^x%-")
  return not is_known and ("%s: this keyword is not understood"):format(at) or nil
end

--- Returns what keeps a keyword from being checked that has no schema in it, and is no
--- reference; nil if nothing does.
---@param name any
---@param said any
---@return string|nil
function M.plain_fault(name, said)
  if type(name) ~= "string" then return "no keyword" end
  return keyword_fault(name, said, "#")
end

function look(schema, place, run)
  if type(schema) == "boolean" or run.seen[schema] then return nil end
  if type(schema) ~= "table" or schema[1] ~= nil then
    return ("%s: a schema is a table of keywords, got %s"):format(place,
      type(schema) == "table" and "a list" or "a " .. type(schema))
  end
  run.seen[schema] = true
  for _, name in ipairs(validate.sorted(schema)) do
    local fault = keyword_fault(name, schema[name], place, run)
    if fault then return fault end
  end
end

-- Whether a schema leads to itself without a step into the value.
local function is_circle(schema, root, state)
  if type(schema) ~= "table" or state[schema] == "done" then return false end
  if state[schema] then return true end
  state[schema] = "open"
  local all = { schema["not"], schema["$ref"] and validate.resolve(root, schema["$ref"]) }
  for _, name in ipairs { "anyOf", "allOf", "oneOf" } do
    table.move(schema[name] or {}, 1, #(schema[name] or {}), #all + 1, all)
  end
  for _, each in pairs(all) do
    if is_circle(each, root, state) then return true end
  end
  state[schema] = "done"
  return false
end

--- Returns what keeps a value from being a schema that can be checked, nil if nothing.
---@param schema any
---@return string|nil
function M.fault(schema)
  local seen = {}
  local fault = look(schema, "#", { root = schema, seen = seen })
  if fault then return fault end
  local state = {}
  for each in pairs(seen) do
    if is_circle(each, schema, state) then return "#: a schema leads back to itself" end
  end
end

return M
