--- The chat of Ollama, in its own words: only here can the context be given a size,
--- as in extra = { options = { num_ctx = 16384 } }.
-- SPDX-License-Identifier: MIT
local base64 = require "neap.base.base64"
local failure = require "neap.llm.failure"
local json = require "neap.core".json
local messages = require "neap.llm.message"

local at, count, list_at, text = failure.at, failure.count, failure.list, failure.text

---@type neap.llm.Provider
local M = {
  name = "ollama",
  base = "http://127.0.0.1:11434",
  version = "",
  path = "/api/chat",
  auth = "bearer",
  needs_model = true,
  features = { schema = true, tools = true },
}

local ORDER = { "model", "tools", "think", "format", "options", "stream", "messages" }
local MESSAGE = { "role", "content", "thinking", "images", "tool_calls", "tool_name" }

local function images_of(content)
  local list = {}
  for _, part in ipairs(messages.parts(content)) do
    if part.type == "image" and part.data then
      list[#list + 1] = base64.encode(part.data)
    elseif part.type ~= "text" then
      error(failure.new("request", "ollama takes pictures as data only, no addresses and no files"),
        0)
    end
  end
  return list[1] and list
end

local function calls_of(calls)
  if not calls or #calls == 0 then return nil end
  local list = {}
  for i, call in ipairs(calls) do
    list[i] = { ["function"] = json.object({ name = call.name,
      arguments = messages.arguments(call) }, { "name" }) }
  end
  return list
end

local function message_of(list, i)
  local message = list[i]
  return json.object({
    role = message.role,
    content = messages.text(message.content),
    images = images_of(message.content),
    tool_calls = calls_of(message.calls),
    tool_name = message.role == "tool" and messages.tool_name(list, i) or nil,
  }, MESSAGE)
end

local function tools_of(opts)
  if not opts.tools or #opts.tools == 0 or opts.tool_choice == "none" then return nil end
  local list = {}
  for i, tool in ipairs(opts.tools) do
    list[i] = json.object({ type = "function", ["function"] = json.object({ name = tool.name,
      description = tool.description,
      parameters = tool.parameters or { type = "object", properties = {} } },
      { "name", "description" }) }, { "type" })
  end
  return list
end

local function think_of(level)
  if level == "none" then return false end
  return level
end

--- The request for a call.
---@param call neap.llm.CallOf
---@return string path
---@return table headers
---@return table body
function M.request(call)
  local opts, list = call.options, {}
  for i in ipairs(call.messages) do list[i] = message_of(call.messages, i) end
  local settings = {
    temperature = opts.temperature,
    num_predict = opts.max_tokens,
    stop = type(opts.stop) == "string" and { opts.stop } or opts.stop,
    seed = opts.seed,
  }
  return M.path, {}, json.object({
    model = call.model,
    tools = tools_of(opts),
    think = think_of(opts.reasoning),
    format = opts.schema and opts.schema.schema,
    options = next(settings) and settings or nil,
    stream = true,
    messages = list,
  }, ORDER)
end

M.embed = {}

--- The request for the vectors of texts. What is too long for the model is an error: it
--- would be cut, and nobody told.
---@param call neap.llm.CallOf
---@return string path
---@return table headers
---@return table body
function M.embed.request(call)
  return "/api/embed", {}, json.object({
    model = call.model,
    dimensions = call.options.dimensions,
    truncate = false,
    input = call.texts,
  }, { "model", "dimensions", "truncate", "input" })
end

--- Finds the vectors in a reply.
---@param state neap.llm.State
---@param body any
---@return any[]|nil
function M.embed.parse(state, body)
  state.reply.model = text(at(body, "model"))
  state.reply.usage.input = count(body, "prompt_eval_count") or 0
  return at(body, "embeddings")
end

local STOPS = { stop = "stop", length = "length" }

--- Folds a line. Calls come whole, and without an id.
---@param state neap.llm.State
---@param data table
---@return neap.llm.Delta[] deltas
---@return boolean|nil done
function M.event(state, data)
  local deltas, reply = {}, state.reply
  if at(data, "error") then
    state.failure = data
    return deltas
  end
  reply.model = text(at(data, "model")) or reply.model
  local thinking, said = text(at(data, "message", "thinking")), text(at(data, "message", "content"))
  if thinking then deltas[1] = { kind = "reasoning", text = thinking } end
  if said then deltas[#deltas + 1] = { kind = "text", text = said } end
  for _, call in ipairs(list_at(data, "message", "tool_calls")) do
    state.call_count = (state.call_count or 0) + 1
    deltas[#deltas + 1] = { kind = "call", index = state.call_count,
      id = text(at(call, "id")) or "call_" .. state.call_count,
      name = text(at(call, "function", "name")) or "",
      arguments = json.encode(at(call, "function", "arguments") or {}) }
  end
  if at(data, "done") ~= true then return deltas end
  local reason = text(at(data, "done_reason")) or "stop"
  reply.stop = STOPS[reason] or "other"
  reply.usage.input = count(data, "prompt_eval_count") or 0
  reply.usage.output = count(data, "eval_count") or 0
  return deltas, true
end

--- Says what has failed. What breaks in a stream, whose status is 200, is the
--- server's.
---@param status integer
---@param _ table headers
---@param body any
---@return string kind
---@return string|nil sentence
function M.failed(status, _, body)
  local kind, sentence = failure.classify({}, status, body)
  return kind or "server", sentence
end

return M
