--- How many tokens messages have, as far as their bytes tell.
-- SPDX-License-Identifier: MIT
local core = require "neap.core"
local messages = require "neap.llm.message"

local M = {}

--- The bytes of a token.
M.BYTES = 4

-- The tokens of what is no text: a picture, a file.
local OTHERS = 1000

--- Estimates the tokens of a message.
---@param message neap.llm.Message
---@return number
function M.message(message)
  local bytes, others = 0, 0
  for _, part in ipairs(messages.parts(message.content)) do
    if part.text then bytes = bytes + #part.text else others = others + OTHERS end
  end
  for _, call in ipairs(message.calls or {}) do bytes = bytes + #call.name + #call.arguments end
  for _, text in pairs(message.vendor or {}) do bytes = bytes + #text end
  return bytes / M.BYTES + others
end

--- Estimates the tokens of a list of messages.
---@param list neap.llm.Message[]
---@return number
function M.messages(list)
  local tokens = 0
  for _, message in ipairs(list) do tokens = tokens + M.message(message) end
  return tokens
end

-- The bytes of what is sent as JSON.
local function bytes_of(value)
  return value == nil and 0 or #core.json.encode(value)
end

--- Estimates the tokens of what a call sends.
---@param call neap.llm.CallOf
---@return integer
function M.call(call)
  local bytes = call.options.schema and bytes_of(call.options.schema.schema) or 0
  for _, tool in ipairs(call.options.tools or {}) do
    bytes = bytes + #tool.name + #(tool.description or "") + bytes_of(tool.parameters)
  end
  return math.ceil(M.messages(call.messages) + bytes / M.BYTES)
end

--- Estimates the tokens of what has come of an answer.
---@param state neap.llm.State
---@return integer 0 if nothing has come
function M.answer(state)
  local bytes = 0
  for _, piece in ipairs(state.reasoning) do bytes = bytes + #piece end
  for _, piece in ipairs(state.text) do bytes = bytes + #piece end
  for _, call in pairs(state.reply.calls) do
    bytes = bytes + #(call.name or "")
    for _, piece in ipairs(call.arguments) do bytes = bytes + #piece end
  end
  return math.ceil(bytes / M.BYTES)
end

return M
