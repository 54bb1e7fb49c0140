--- Tools: what a model may call, and what becomes of its calls.
-- SPDX-License-Identifier: MIT
local FOREIGN_JSON = require "neap.base.encoding".FOREIGN_JSON
local core = require "neap.core"
local failure = require "neap.llm.failure"
local lenient = require "neap.llm.lenient"
local options = require "neap.base.options"
local schemas = require "neap.llm.schema"
local validate = require "neap.llm.validate"
local valid = require "neap.base.encoding".valid

local M = {}

---@class neap.llm.Tool
---@field name string
---@field description? string
---@field parameters table a JSON Schema
---@field run fun(arguments: table, call: neap.llm.Call): any

-- The tools that have been made, and the schemas by which their arguments are checked.
local known = setmetatable({}, { __mode = "k" })

--- Makes a tool; gives one that was made before as it is.
---@param given table
---@param where string the function's name, for messages
---@return neap.llm.Tool
function M.new(given, where)
  if known[given] then return given end
  options.check(given, where, require "neap.base.schema".options["llm.tool"])
  for _, name in ipairs { "name", "run" } do
    if given == nil or given[name] == nil then
      options.blame(("%s: the option '%s' is missing"):format(where, name))
    end
  end
  local parameters = schemas.of(given.parameters or {}, ("%s '%s'"):format(where, given.name))
  if parameters.type ~= "object" then
    options.blame(("%s '%s': the parameters of a tool are an object"):format(where, given.name))
  end
  local tool = { name = given.name, description = given.description, parameters = parameters,
    run = given.run }
  known[tool] = parameters
  return tool
end

--- Makes the tool of a stranger, whose parameters may be any JSON Schema. They are passed on
--- to the model as they are; arguments are checked by what is understood of them.
---@param given { name: string, description?: string, parameters: any, run: function }
---@return neap.llm.Tool
function M.foreign(given)
  local parameters = given.parameters
  if type(parameters) ~= "table" or parameters[1] ~= nil or next(parameters) == nil then
    parameters = { type = "object", properties = {} }
  end
  local tool = { name = given.name, description = given.description, parameters = parameters,
    run = given.run }
  known[tool] = lenient.of(parameters)
  return tool
end

local NO_WORDS = "an error without words"

-- Whether a value has words of its own: the address of a table says nothing to a model, and
-- is another one in each process.
local function has_words(value)
  if type(value) == "string" or type(value) == "number" then return true end
  local meta = getmetatable(value)
  return type(meta) == "table" and meta.__tostring ~= nil
end

--- The text of what was raised.
---@param err any
---@return string
function M.text_of(err)
  if type(err) == "table" and type(err.message) == "string" then return valid(err.message) end
  local ok, text
  if has_words(err) then
    ok, text = pcall(tostring, err)
  elseif type(err) == "table" then
    ok, text = pcall(core.json.encode, err)
  end
  return ok and valid(text) or NO_WORDS
end

--- Reads the arguments of a call. Gives nil and what is wrong where they do not fit.
---@param tool neap.llm.Tool
---@param call neap.llm.Call
---@return table|nil
---@return string|nil
function M.arguments(tool, call)
  local ok, value = pcall(core.json.decode, call.arguments, FOREIGN_JSON)
  if not ok then return nil, "The arguments cannot be read: " .. failure.json_fault(value) end
  if value == core.json.null then value = {} end
  local misfits = validate.misfits(known[tool] or tool.parameters, value)
  if not misfits[1] then return validate.without_nulls(value) end
  local lines = { "The arguments do not fit:" }
  for _, misfit in ipairs(misfits) do
    lines[#lines + 1] = ("%s: %s"):format(misfit.path, misfit.message)
  end
  return nil, table.concat(lines, "\n")
end

-- The text of what a tool has returned; nil and why there is none.
local function result_of(value)
  if type(value) ~= "string" then
    local ok, text = pcall(core.json.encode, value == nil and core.json.null or value)
    if ok then return text end
    return nil, "The tool has given what is no JSON: " .. M.text_of(text)
  end
  local length, place = utf8.len(value)
  if length then return value end
  return nil, ("The tool has given text that is not UTF-8 (at its byte %d)."):format(place)
end

--- Runs a tool, which may wait, and gives its text, or what it fails with. It fails by an
--- error, by nil and a reason, or with what is no JSON. A cancellation is raised.
---@param tool neap.llm.Tool
---@param arguments table
---@param call neap.llm.Call
---@return string|nil text
---@return string|nil reason
---@return boolean|nil has_raised
function M.attempt(tool, arguments, call)
  local ok, value, reason = pcall(tool.run, arguments, call)
  if not ok and core.is_cancelled() then error(value, 0) end
  if not ok or value == nil and reason ~= nil then
    return nil, M.text_of(ok and reason or value), true
  end
  return result_of(value)
end

--- Runs a tool, which may wait. Whatever goes wrong is for the model, but for a
--- cancellation, which is raised.
---@param tool neap.llm.Tool
---@param arguments table
---@param call neap.llm.Call
---@return string content
---@return boolean failed
function M.run(tool, arguments, call)
  local text, reason, has_raised = M.attempt(tool, arguments, call)
  if text then return text, false end
  return has_raised and "The tool has failed: " .. reason or reason --[[@as string]], true
end

return M
