--- Errors of connections to MCP servers.
-- SPDX-License-Identifier: MIT
local new_error = require "neap.error".new
local plain = require "neap.llm.content".plain
local valid = require "neap.base.encoding".valid

local M = {}

---@class neap.mcp.Error: neap.Error
---@field kind "tool"|"server"|"auth"|"dead"|"broken"|"version"|"input"
---@field rpc_code? integer of kind "server": the code of JSON-RPC
---@field data? any of kind "server": what the server says besides
---@field result? table of kinds "tool" and "input": the result, without keys that we have sent
---@field status? integer of HTTP; of kind "dead" the exit code
---@field signal? string of kind "dead": what ended the server
---@field stderr? string the last lines that the server has written there

-- How long the sentence of a server may be in an error, in bytes.
local LONGEST = 2000

--- Makes an error object.
---@param kind string
---@param message string
---@param fields? table
---@return neap.mcp.Error
function M.new(kind, message, fields)
  fields = fields or {}
  fields.code, fields.kind, fields.message = "mcp", kind, message
  return new_error(fields)
end

--- A text of the server's as an error shows it: valid UTF-8, not too long.
---@param text any
---@param fallback string what stands in for it if it is no text
---@return string
function M.words(text, fallback)
  if type(text) ~= "string" or not text:find("%S") then return fallback end
  text = valid(text)
  if #text <= LONGEST then return text end
  return text:sub(1, utf8.offset(text, 0, LONGEST) - 1) .. " ..."
end

--- The same without keys that we have sent. They are taken out before the text is cut: half a
--- key would not be known.
---@param transport table its `hide` takes secrets out of a text
---@param text any
---@param fallback? string default: "?"
---@return string
function M.said(transport, text, fallback)
  return M.words(type(text) == "string" and transport.hide(text) or nil, fallback or "?")
end

--- A copy of what a server has sent, without keys that we have sent.
---@param transport table its `hide` takes secrets out of a text
---@param value any
---@return any
function M.shown(transport, value)
  return plain(value, transport.hide)
end

--- Makes the error for an answer of JSON-RPC that is one. It has no key that we have sent.
---@param transport table its `label`, and `hide`
---@param method string
---@param problem table the `error` of the answer
---@return neap.mcp.Error
function M.of_answer(transport, method, problem)
  local words = M.said(transport, problem.message, "an error without words")
  return M.new("server", ("%s: %s: %s"):format(transport.label, method, words),
    { rpc_code = math.tointeger(problem.code), data = M.shown(transport, problem.data) })
end

--- Makes the error for what does not fit the protocol.
---@param label string
---@param format string
---@return neap.mcp.Error
function M.broken(label, format, ...)
  return M.new("broken", ("%s: %s"):format(label, format:format(...)))
end

return M
