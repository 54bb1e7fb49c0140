--- What can be checked of a JSON Schema that a stranger wrote.
-- SPDX-License-Identifier: MIT
--
-- A schema of one's own is refused where something in it is not understood. That of
-- somebody else's tool is passed on to the model as it is, and values are checked by what is
-- left of it here. What is left never refuses what the whole would take: where a keyword is
-- dropped, so is what would become stricter by that.
local understand = require "neap.llm.understand"

local M = {}

local inside = understand.inside

-- Keywords by which another one means less than we would take it for.
local WEAKENED = { additionalProperties = "patternProperties", items = "prefixItems" }

local keep -- (schema, run) -> what is left of it, and whether that is all of it

-- Keeps the schemas in a list or a table.
local function keep_all(schemas, run)
  local kept, is_whole = {}, true
  for key, each in pairs(schemas) do
    local inner, whole = keep(each, run)
    kept[key], is_whole = inner, is_whole and whole
  end
  return kept, is_whole
end

-- Keeps what a keyword has of schemas; nil where it has none.
local function keep_inside(how, said, run)
  local is_list = type(said) == "table" and said[1] ~= nil
  if how == "one" then
    if is_list or type(said) ~= "table" and type(said) ~= "boolean" then return nil, false end
    return keep(said, run)
  end
  if type(said) ~= "table" or is_list ~= (how == "list") then return nil, false end
  return keep_all(said, run)
end

-- Keeps a keyword, if it is understood. Returns whether it is kept as it was.
local function keep_keyword(kept, schema, name, run)
  local said, weakened = schema[name], WEAKENED[name]
  if weakened and schema[weakened] ~= nil then return false end
  if name == "$ref" then
    -- What it leads to may have lost something.
    kept[name] = run.has_references and said or nil
    return false
  elseif not inside[name] then
    if understand.plain_fault(name, said) then return false end
    kept[name] = said
    return true
  end
  local inner, is_whole = keep_inside(inside[name], said, run)
  if is_whole then
    kept[name] = inner
  elseif name == "oneOf" then
    -- A value may fit more of them now. That it fits one at least still holds.
    if schema.anyOf == nil then kept.anyOf = inner end
  elseif name ~= "not" then
    kept[name] = inner
  end
  return is_whole
end

function keep(schema, run)
  if type(schema) == "boolean" then return schema, true end
  if type(schema) ~= "table" or schema[1] ~= nil then return true, false end
  local kept, is_whole = {}, true
  for name in pairs(schema) do
    if not keep_keyword(kept, schema, name, run) then is_whole = false end
  end
  return kept, is_whole
end

--- Returns a schema by which values can be checked: all of the given one that is understood.
---@param schema table decoded from JSON, so nothing is in it twice
---@return table
function M.of(schema)
  local kept = keep(schema, { has_references = true })
  if understand.fault(kept) then kept = keep(schema, { has_references = false }) end
  return understand.fault(kept) and {} or kept
end

return M
