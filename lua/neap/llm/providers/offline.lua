--- What answers without a model and without a network: a summariser.
-- SPDX-License-Identifier: MIT
local failure = require "neap.llm.failure"
local hashed = require "neap.llm.hashed"
local messages = require "neap.llm.message"
local summary = require "neap.summary"

---@type neap.llm.Provider
local M = { name = "offline", model = summary.method }

-- The text of the user's last message, nil if there is none.
local function last_words(list)
  for i = #list, 1, -1 do
    if list[i].role == "user" then return messages.text(list[i].content) end
  end
end

-- What a prompt asks to summarise. The instruction is what stands before the first
-- colon that white space follows, on the first line and among its first 120 bytes:
-- "Summarize: ...", "In two sentences, please:\n\n...".
local function without_instruction(prompt)
  local colon = prompt:sub(1, 121):match("^[^\n]-():%s")
  local rest = colon and prompt:sub(colon + 1) or prompt
  return rest:find("%S") and rest or prompt
end

M.embed = { model = hashed.method }

--- Answers a call at once: with vectors that are near to each other where texts have words
--- in common.
---@param call neap.llm.CallOf
---@return neap.llm.Answer
function M.embed.answer(call)
  local vectors, dimensions = {}, call.options.dimensions or hashed.DIMENSIONS
  for i, text in ipairs(call.texts) do vectors[i] = hashed.numbers(text, dimensions) end
  return { vectors = vectors }
end

--- Answers a call at once: with sentences of the user's last message.
---@param call neap.llm.CallOf
---@return string text
function M.answer(call)
  local words = last_words(call.messages)
  if not words then
    error(failure.new("request", "the offline summariser needs a message of the user"), 0)
  end
  return summary.summarize(without_instruction(words))
end

return M
