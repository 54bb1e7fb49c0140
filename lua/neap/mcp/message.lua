--- Messages of JSON-RPC 2.0, as MCP has them.
-- SPDX-License-Identifier: MIT
local FOREIGN_JSON = require "neap.base.encoding".FOREIGN_JSON
local json = require "neap.json"

local M = {}

--- The error codes of JSON-RPC that neap sends.
M.codes = { parse = -32700, request = -32600, method = -32601, params = -32602, internal = -32603,
  version = -32022 }

local ORDER = { "jsonrpc", "id", "method", "params", "result", "error" }
local PARAMS = { "name", "uri", "arguments" }

local function message(fields)
  fields.jsonrpc = "2.0"
  if fields.params then json.object(fields.params, PARAMS) end
  return json.object(fields, ORDER)
end

--- Makes a request.
---@param id integer
---@param method string
---@param params? table
---@return table
function M.request(id, method, params)
  return message { id = id, method = method, params = params or {} }
end

--- Makes a notification, which has no answer.
---@param method string
---@param params? table
---@return table
function M.notification(method, params)
  return message { method = method, params = params }
end

--- Makes an answer with a result.
---@param id string|integer
---@param result table
---@return table
function M.result(id, result)
  return message { id = id, result = result }
end

--- Makes an answer that is an error.
---@param id string|integer|nil nil where the request had none that could be read
---@param code integer
---@param text string
---@param data? any
---@return table
function M.failure(id, code, text, data)
  return message { id = id, error = json.object({ code = code, message = text, data = data },
    { "code", "message", "data" }) }
end

--- Writes a message as a line, without its end.
---@param value table
---@return string
function M.encode(value)
  return (json.encode(value))
end

--- Reads what somebody has sent; nil if it is no JSON.
---@param text string
---@return any
function M.decode(text)
  local ok, value = pcall(json.decode, text, FOREIGN_JSON)
  if ok then return value end
  return nil
end

local function is_id(value)
  return type(value) == "string" or type(value) == "number"
end

--- Whether a value is a message, and which kind of one.
---@param value any
---@return "request"|"notification"|"answer"|nil
function M.kind(value)
  if type(value) ~= "table" then return nil end
  if type(value.method) == "string" then
    return is_id(value.id) and "request" or value.id == nil and "notification" or nil
  end
  local has_outcome = value.result ~= nil or type(value.error) == "table"
  return is_id(value.id) and has_outcome and "answer" or nil
end

--- The params of a message, an empty table if it has none.
---@param value table
---@return table
function M.params(value)
  return type(value.params) == "table" and value.params or {}
end

--- A field of a table, nil where that is no table or the field is null.
---@param value any
---@param name string
---@return any
function M.field(value, name)
  if type(value) ~= "table" then return nil end
  local field = value[name]
  if field == json.null then return nil end
  return field
end

--- A field that is a string, else nil.
---@param value any
---@param name string
---@return string|nil
function M.text(value, name)
  local field = M.field(value, name)
  return type(field) == "string" and field or nil
end

--- A field that is a table, else an empty one.
---@param value any
---@param name string
---@return table
function M.table(value, name)
  local field = M.field(value, name)
  return type(field) == "table" and field or {}
end

--- What an answer brings: a result, or nil and the error. Some servers write null for the
--- one that there is not.
---@param answer table
---@return table|nil result
---@return table|nil problem
function M.outcome(answer)
  local problem = M.field(answer, "error")
  if type(problem) == "table" then return nil, problem end
  return type(answer.result) == "table" and answer.result or {}, nil
end

return M
