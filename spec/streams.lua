-- Streams of the vendors' formats, that specs serve: what a model says, and what it
-- calls. Real SDKs read them as well, by spec/lua/llm/sdk_spec.lua.
-- SPDX-License-Identifier: MIT
local json = require "neap.json"

local null = json.null

local M = { openai = {}, responses = {}, anthropic = {} }

-- ------------------------------------------------------- chat completions

--- A chunk with one delta.
---@param delta table
---@param reason? string why the model ends
function M.openai.chunk(delta, reason)
  return { id = "c1", object = "chat.completion.chunk", created = 1764460800, model = "tide-1-0",
    choices = { { index = 0, delta = delta, finish_reason = reason or null } }, usage = null }
end

--- A piece of a call.
---@param index integer|nil
---@param id string|nil
---@param name string|nil
---@param arguments string|nil
function M.openai.fragment(index, id, name, arguments)
  return { index = index, id = id, type = id and "function", ["function"] = { name = name,
    arguments = arguments } }
end

do
  local chunk, fragment = M.openai.chunk, M.openai.fragment
  local usage = { id = "c1", object = "chat.completion.chunk", created = 1764460800,
    model = "tide-1-0", choices = json.array {}, usage = { prompt_tokens = 31,
      completion_tokens = 9, total_tokens = 40, prompt_tokens_details = { cached_tokens = 20 },
      completion_tokens_details = { reasoning_tokens = 4 } } }

  M.openai.text = { chunk { role = "assistant", content = null }, chunk { content = "High " },
    chunk { content = "at noon." }, chunk({}, "stop"), usage, "[DONE]" }
  M.openai.calls = {
    chunk { role = "assistant", content = null,
      tool_calls = { fragment(0, "call_1", "tide", "") } },
    chunk { tool_calls = { fragment(0, nil, nil, '{"port":') } },
    chunk { tool_calls = { fragment(1, "call_2", "wind", ""),
      fragment(0, nil, nil, '"Kiel"}') } },
    chunk({}, "tool_calls"), usage, "[DONE]",
  }
end
