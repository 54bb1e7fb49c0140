--- generateContent of Gemini.
-- SPDX-License-Identifier: MIT
local base64 = require "neap.base.base64"
local failure = require "neap.llm.failure"
local json = require "neap.core".json
local messages = require "neap.llm.message"
local settings = require "neap.llm.settings"

local at, count, list_at, text = failure.at, failure.count, failure.list, failure.text

---@type neap.llm.Provider
local M = {
  name = "gemini",
  base = "https://generativelanguage.googleapis.com",
  version = "/v1beta",
  auth = "x-goog-api-key",
  key_variable = "GEMINI_API_KEY",
  needs_model = true,
  features = { schema = true, tools = true },
}

local ORDER = { "systemInstruction", "tools", "toolConfig", "generationConfig", "contents" }
local TURN = { "role", "parts" }
local DECLARATION = { "name", "description", "parametersJsonSchema" }

-- Calls without an id get one of ours, which is not sent.
local OWN_ID = "neap_call_"

local function media(part)
  if part.url then return { fileData = { fileUri = part.url } } end
  return { inlineData = json.object({ mimeType = part.mime, data = base64.encode(part.data) },
    { "mimeType" }) }
end

local parts = {
  text = function(part) return { text = part.text } end,
  image = media,
  file = media,
}

local function add_parts(list, content)
  for _, part in ipairs(messages.parts(content)) do list[#list + 1] = parts[part.type](part) end
end

local function vendor_id(id)
  return id:sub(1, #OWN_ID) ~= OWN_ID and id or nil
end

local function model_parts(message, call)
  local vendor = messages.vendor(message, call.vendor)
  if vendor then return vendor end
  local list = json.array()
  add_parts(list, message.content)
  for _, each in ipairs(message.calls or {}) do
    list[#list + 1] = { functionCall = json.object({ id = vendor_id(each.id), name = each.name,
      args = messages.arguments(each) }, { "id", "name" }) }
  end
  return list
end

local function result_part(list, i)
  local message = list[i]
  local said = messages.text(message.content)
  return { functionResponse = json.object({
    id = vendor_id(message.id),
    name = messages.tool_name(list, i),
    response = message.failed and { error = said } or { result = said },
  }, { "id", "name" }) }
end

-- Makes the turns of the others' messages; one in which the model said nothing would
-- be refused.
local function contents_of(others, call)
  local turns = json.array()
  for i, message in ipairs(others) do
    local role = message.role == "assistant" and "model" or "user"
    local last = turns[#turns]
    local said = role == "model" and model_parts(message, call)
    if not said and not (last and last.role == role) or said and said[1] then
      last = json.object({ role = role, parts = said or json.array() }, TURN)
      turns[#turns + 1] = last
    end
    if message.role == "tool" then
      table.insert(last.parts, result_part(others, i))
    elseif not said then
      add_parts(last.parts, message.content)
    end
  end
  return turns
end

local function tools_of(tools)
  if not tools or #tools == 0 then return nil end
  local list = {}
  for i, tool in ipairs(tools) do
    list[i] = json.object({ name = tool.name, description = tool.description,
      parametersJsonSchema = tool.parameters }, DECLARATION)
  end
  return { { functionDeclarations = list } }
end

local MODES = { auto = "AUTO", none = "NONE", required = "ANY" }

local function tool_config(choice)
  if choice == nil then return nil end
  local mode = MODES[choice]
  return { functionCallingConfig = json.object({ mode = mode or "ANY",
    allowedFunctionNames = not mode and { choice } or nil }, { "mode" }) }
end

local function thinking_of(level)
  if level == nil then return nil end
  if level == "none" then return { thinkingBudget = 0 } end
  return { includeThoughts = true, thinkingLevel = level:upper() }
end

--- The request for a call.
---@param call neap.llm.CallOf
---@return string path
---@return table headers
---@return table body
function M.request(call)
  local opts = call.options
  local system, others = messages.without_system(call.messages)
  local config = {
    temperature = opts.temperature,
    maxOutputTokens = opts.max_tokens,
    stopSequences = type(opts.stop) == "string" and { opts.stop } or opts.stop,
    seed = opts.seed,
    thinkingConfig = thinking_of(opts.reasoning),
    responseMimeType = opts.schema and "application/json",
    responseJsonSchema = opts.schema and opts.schema.schema,
  }
  local model = call.model:gsub("^models/", "")
  return ("/models/%s:streamGenerateContent?alt=sse"):format(model), {}, json.object({
    systemInstruction = system and { parts = { { text = system } } },
    tools = tools_of(opts.tools),
    toolConfig = tool_config(opts.tool_choice),
    generationConfig = next(config) and config or nil,
    contents = contents_of(others, call),
  }, ORDER)
end

M.embed = { takes_extra = true }

--- The request for the vectors of texts. `extra`, such as a taskType, is for each of them.
---@param call neap.llm.CallOf
---@return string path
---@return table headers
---@return table body
function M.embed.request(call)
  local opts, model, list = call.options, call.model:gsub("^models/", ""), {}
  for i, each in ipairs(call.texts) do
    list[i] = settings.merged(json.object({ model = "models/" .. model,
      content = { parts = { { text = each } } }, outputDimensionality = opts.dimensions,
    }, { "model", "content", "outputDimensionality" }), opts.extra or {})
  end
  return ("/models/%s:batchEmbedContents"):format(model), {}, { requests = list }
end

--- Finds the vectors in a reply.
---@param state neap.llm.State
---@param body any
---@return any[]|nil
function M.embed.parse(state, body)
  state.reply.usage.input = count(body, "usageMetadata", "promptTokenCount") or 0
  local given = at(body, "embeddings")
  if type(given) ~= "table" then return nil end
  local list = {}
  for i, each in ipairs(given) do list[i] = at(each, "values") or json.null end
  return list
end

local STOPS = { STOP = "stop", MAX_TOKENS = "length", SAFETY = "filter", RECITATION = "filter",
  LANGUAGE = "filter", BLOCKLIST = "filter", PROHIBITED_CONTENT = "filter", SPII = "filter",
  IMAGE_SAFETY = "filter" }

local function read_usage(usage, counted)
  if not counted then return end
  usage.input = (count(counted, "promptTokenCount") or 0)
    + (count(counted, "toolUsePromptTokenCount") or 0)
  usage.cached = count(counted, "cachedContentTokenCount") or 0
  usage.reasoning = count(counted, "thoughtsTokenCount") or 0
  usage.output = (count(counted, "candidatesTokenCount") or 0) + usage.reasoning
end

local function read_call(state, deltas, call)
  state.call_count = (state.call_count or 0) + 1
  deltas[#deltas + 1] = { kind = "call", index = state.call_count,
    id = text(at(call, "id")) or OWN_ID .. state.call_count,
    name = text(at(call, "name")) or "",
    arguments = json.encode(at(call, "args") or {}) }
end

-- Keeps a part for the turn to come. Text without a signature is joined with such
-- text before it; what is signed stays as it is.
local function keep(state, part)
  state.parts = state.parts or {}
  local signed = at(part, "thoughtSignature")
  state.signed = state.signed or signed ~= nil
  local last, said = state.parts[#state.parts], at(part, "text")
  if type(said) ~= "string" then said = nil end
  if at(part, "thought") == true and not signed then return end
  if said and not signed and last and last.pieces then
    table.insert(last.pieces, said)
  elseif said and not signed then
    table.insert(state.parts, { pieces = { said } })
  else
    table.insert(state.parts, { part = part })
  end
end

local function read_part(state, deltas, part)
  if type(part) ~= "table" then return end
  local said = text(at(part, "text"))
  if at(part, "functionCall") then
    read_call(state, deltas, part.functionCall)
  elseif said then
    deltas[#deltas + 1] = { kind = at(part, "thought") == true and "reasoning" or "text",
      text = said }
  end
  keep(state, part)
end

local function read_candidate(state, deltas, candidate)
  for _, part in ipairs(list_at(candidate, "content", "parts")) do
    read_part(state, deltas, part)
  end
  local reason = text(at(candidate, "finishReason"))
  if reason then
    state.reply.stop = STOPS[reason] or "other"
    state.refusal = text(at(candidate, "finishMessage"))
  end
end

--- Folds an event, each of which is a whole response.
---@param state neap.llm.State
---@param data table
---@return neap.llm.Delta[] deltas
function M.event(state, data)
  local deltas = {}
  if at(data, "error") or at(data, 1, "error") then
    state.failure = data
    return deltas
  end
  state.reply.model = text(at(data, "modelVersion")) or state.reply.model
  read_usage(state.reply.usage, at(data, "usageMetadata"))
  if at(data, "promptFeedback", "blockReason") then state.reply.stop = "filter" end
  local candidate = at(data, "candidates", 1)
  if candidate then read_candidate(state, deltas, candidate) end
  return deltas
end

--- Ends a reply: where one of its parts is signed, they all go back as they came.
---@param state neap.llm.State
function M.finish(state)
  if not state.signed then return end
  local list = {}
  for i, kept in ipairs(state.parts) do
    list[i] = kept.part or { text = table.concat(kept.pieces) }
  end
  state.vendor = list
end

local KINDS = {
  API_KEY_INVALID = "auth", UNAUTHENTICATED = "auth", PERMISSION_DENIED = "auth",
  RESOURCE_EXHAUSTED = "rate", UNAVAILABLE = "overloaded", INTERNAL = "server",
  DEADLINE_EXCEEDED = "server",
}

-- The first value of a field in the details of an error.
local function detail(body, field)
  for _, each in ipairs(list_at(body, "error", "details")) do
    local value = text(at(each, field))
    if value then return value end
  end
end

--- Says what has failed. The time to wait stands in the body; that of a quota for
--- the day is hours.
---@param status integer
---@param _ table headers
---@param body any
---@return string kind
---@return string|nil sentence
---@return number|nil retry_after
function M.failed(status, _, body)
  if at(body, 1, "error") then body = body[1] end
  local kind, sentence = failure.classify(KINDS, status, body)
  kind = KINDS[detail(body, "reason")] or KINDS[at(body, "error", "status")] or kind
  local seconds = (detail(body, "retryDelay") or ""):match("^(%d+%.?%d*)s$")
  return kind or "request", sentence, tonumber(seconds)
end

return M
