--- A short way to write a JSON Schema: a list of fields, in the order in which a model
--- is to fill them.
-- SPDX-License-Identifier: MIT
local core = require "neap.core"
local options = require "neap.base.options"
local understand = require "neap.llm.understand"

local M = {}

local json = core.json

local ORDER = { "type", "description", "enum", "properties", "required", "additionalProperties",
  "items" }

local TYPES = { string = true, integer = true, number = true, boolean = true }

-- Types as other languages call them.
local MEANT = { int = "integer", long = "integer", bool = "boolean", float = "number",
  double = "number", str = "string", text = "string" }

-- What has been looked at already.
local known = setmetatable({}, { __mode = "k" })

local function schema_of(fields)
  return json.object(fields, ORDER)
end

-- A schema that null fits, too.
local function nullable(schema)
  schema.type = { schema.type, "null" }
  if schema.enum then table.insert(schema.enum, json.null) end
  return schema
end

local function list_of(schema)
  return schema_of { type = "array", items = schema }
end

-- The schema of a word, or of words between bars.
local function plain(text, blame)
  if TYPES[text] then return schema_of { type = text } end
  if not text:find("|", 1, true) then
    local near = MEANT[text:lower()] or options.nearest(text, TYPES)
    blame(("unknown type '%s'%s"):format(text,
      near and ("; did you mean '%s'?"):format(near)
        or "; there are string, integer, number and boolean, and a|b for a choice"))
  end
  local words = {}
  for word in (text .. "|"):gmatch("([^|]*)|") do
    word = word:match("^%s*(.-)%s*$")
    if word == "" or word:find("[%[%]()?]") then
      blame("a choice is words with bars between them, as in low|high or (low|high)[]")
    elseif TYPES[word] then
      blame(("a choice is of words, and '%s' is a type"):format(word))
    end
    words[#words + 1] = word
  end
  return schema_of { type = "string", enum = words }
end

-- The schema that a type stands for: "integer?", "string[]", "(low|high)[]?".
local function typed(text, blame, inner)
  local rest, marks = text, {}
  while true do
    local before, mark = rest:match("^(.-)%s*(%[%])$")
    if not before then before, mark = rest:match("^(.-)%s*(%?)$") end
    if not before then break end
    rest = before
    table.insert(marks, 1, mark)
  end
  local inside = rest:match("^%(%s*(.-)%s*%)$")
  if rest:find("|", 1, true) and not inside and marks[1] == "[]" then
    blame("a list of a choice has parentheses: (low|high)[]")
  end
  local schema = inner or plain(inside or rest, blame)
  for i, mark in ipairs(marks) do
    if mark == "?" and marks[i - 1] == "?" then blame("one ? is enough") end
    schema = mark == "?" and nullable(schema) or list_of(schema)
  end
  return schema
end

-- Reads a field: its name, and its schema. `nested` reads the fields in it.
local function field_of(given, blame, nested)
  local head = type(given) == "table" and given[1] or given
  local is_nested = type(given) == "table"
  if type(head) ~= "string" or is_nested and (type(given[2]) ~= "table" or #given ~= 2) then
    blame('a field is a text such as "age: integer", or { "name", { fields } }')
  end
  local text, description = head:match("^%s*(.-)%s*,%s*(.-)%s*$")
  text = text or head:match("^%s*(.-)%s*$")
  local name, kind
  if is_nested then
    name, kind = text:match("^([%w_$%-]+)([%[%]?]*)$")
  else
    name, kind = text:match("^([%w_$%-]+)%s*:%s*(.+)$")
  end
  if not name then
    blame(is_nested and 'a field with fields in it is { "name", ... }, { "name[]", ... } or '
      .. '{ "name?", ... }' or 'a field is "name: type"')
  end
  local inner = is_nested and nested(given[2], name) or nil
  local schema = typed(kind, blame, inner)
  if description and description ~= "" then schema.description = description end
  return name, schema
end

local function object_of(list, blame, place)
  local properties, names = {}, json.array()
  local function nested(fields, name) return object_of(fields, blame, place .. "." .. name) end
  for i, given in ipairs(list) do
    local shown = type(given) == "string" and (" (%q)"):format(given) or ""
    local function blame_field(message)
      blame(("field %d of %s%s: %s"):format(i, place, shown, message))
    end
    local name, schema = field_of(given, blame_field, nested)
    if properties[name] then blame_field(("there is a field '%s' already"):format(name)) end
    properties[name], names[i] = schema, name
  end
  for key in pairs(list) do
    if math.type(key) ~= "integer" then
      blame(("%s: fields stand in a list; got the key '%s'"):format(place, core.text(key)))
    end
  end
  return schema_of { type = "object", properties = json.object(properties, names),
    required = names, additionalProperties = false }
end

-- Whether a table was meant as fields, as { age = "integer" } is.
local function looks_like_fields(given)
  for name, kind in pairs(given) do
    local word = name ~= "type" and type(kind) == "string" and kind:match("^%a+")
    if not (word and (TYPES[word] or MEANT[word])) then return false end
  end
  return true
end

--- Gives the JSON Schema for what stands for one: a list of fields, or a JSON Schema.
--- Whoever gave anything else is told, at the line of the script.
---@param given any
---@param where string the function's name, for messages
---@return table
function M.of(given, where)
  if known[given] then return given end
  if type(given) ~= "table" then
    options.blame(("%s: a schema is a list of fields or a JSON Schema, got %s"):format(where,
      type(given)))
  end
  local schema = given
  if given[1] ~= nil or next(given) == nil then
    schema = object_of(given, function(message)
      options.blame(("%s: %s"):format(where, message))
    end, "the schema")
  end
  local fault = understand.fault(schema)
  if fault and looks_like_fields(given) then
    fault = fault .. '; fields stand in a list, as in { "age: integer" }'
  end
  if fault then options.blame(("%s: the schema at %s"):format(where, fault)) end
  known[schema] = true
  return schema
end

-- Whether all objects in a schema name all of their fields, as vendors want it of what
-- they hold a model to.
local function is_strict(schema, seen)
  if type(schema) ~= "table" or seen[schema] then return true end
  seen[schema] = true
  if schema.properties or schema.type == "object" then
    local required = {}
    for _, name in ipairs(schema.required or {}) do required[name] = true end
    if schema.additionalProperties ~= false then return false end
    for name in pairs(schema.properties or {}) do
      if not required[name] then return false end
    end
  end
  for _, inner in pairs(schema) do
    if not is_strict(inner, seen) then return false end
  end
  return true
end

--- Whether vendors can hold a model to a schema by the letter.
---@param schema table
---@return boolean
function M.is_strict(schema)
  return is_strict(schema, {})
end

return M
