--- Arguments of tools that are sent as headers, too, for proxies to look at.
-- SPDX-License-Identifier: MIT
--
-- A schema says so by `x-mcp-header` in a property. By MCP 2026-07-28, a tool that says it
-- in a wrong way must not be used.
local base64 = require "neap.base.base64"
local field = require "neap.mcp.message".field

local M = {}

local KEYWORD = "x-mcp-header"

local PLAIN = { string = true, integer = true, boolean = true }

-- Whether a keyword is somewhere in a schema.
local function has_keyword(schema)
  if type(schema) ~= "table" then return false end
  if schema[KEYWORD] ~= nil then return true end
  for _, inner in pairs(schema) do
    if has_keyword(inner) then return true end
  end
  return false
end

-- Adds what a property says; returns what is wrong.
local function add(found, taken, path, property)
  local name = property[KEYWORD]
  if type(name) ~= "string" or not name:find("^[%w!#$%%&'*+.^_`|~-]+$") then
    return KEYWORD .. " is no name of a header"
  elseif taken[name:lower()] then
    return ("two arguments have the header '%s'"):format(name)
  elseif not PLAIN[property.type] then
    return KEYWORD .. " is for a string, an integer or a boolean"
  end
  taken[name:lower()] = true
  found[#found + 1] = { header = "Mcp-Param-" .. name, path = path }
end

local function look(schema, path, found, taken)
  for key, inner in pairs(schema) do
    if key ~= "properties" and key ~= KEYWORD and has_keyword(inner) then
      return KEYWORD .. " stands where no argument is"
    end
  end
  for name, property in pairs(type(schema.properties) == "table" and schema.properties or {}) do
    if type(property) == "table" then
      local at = table.move(path, 1, #path, 1, {})
      at[#at + 1] = name
      local why = property[KEYWORD] ~= nil and add(found, taken, at, property)
        or look(property, at, found, taken)
      if why then return why end
    end
  end
end

--- Finds the arguments of a tool that are headers; nil if there are none. Returns nil and
--- what is wrong, if the tool must not be used.
---@param definition table
---@return { header: string, path: string[] }[]|nil
---@return string|nil
function M.find(definition)
  local schema, found = field(definition, "inputSchema"), {}
  if not has_keyword(schema) then return nil end
  if schema[KEYWORD] ~= nil then return nil, KEYWORD .. " stands where no argument is" end
  local why = look(schema, {}, found, {})
  if why then return nil, why end
  return found
end

--- Writes the value of a header. What is not plain ASCII is written in Base64.
---@param value string
---@return string
function M.encode(value)
  local is_plain = not value:find("[^\t\x20-\x7E]") and not value:find("^%s")
    and not value:find("%s$") and not value:find("^=%?base64%?.*%?=$")
  return is_plain and value or ("=?base64?%s?="):format(base64.encode(value))
end

--- The headers of a call.
---@param headers { header: string, path: string[] }[]
---@param arguments table
---@return table<string, string>
function M.values(headers, arguments)
  local all = {}
  for _, each in ipairs(headers) do
    local value = arguments
    for _, name in ipairs(each.path) do value = field(value, name) end
    local kind = type(value)
    if kind == "number" then value = math.tointeger(value) or value end
    if kind == "string" or kind == "number" or kind == "boolean" then
      all[each.header] = M.encode(tostring(value))
    end
  end
  return all
end

return M
