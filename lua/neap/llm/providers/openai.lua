--- Chat completions, which OpenAI and most others speak.
-- SPDX-License-Identifier: MIT
local base64 = require "neap.base.base64"
local failure = require "neap.llm.failure"
local json = require "neap.core".json
local messages = require "neap.llm.message"

local at, count, text = failure.at, failure.count, failure.text

---@type neap.llm.Provider
local M = {
  name = "openai",
  base = "https://api.openai.com",
  version = "/v1",
  path = "/chat/completions",
  auth = "bearer",
  key_variable = "OPENAI_API_KEY",
  features = { schema = true, tools = true },
  embed = require "neap.llm.providers.embeddings",
}

local ORDER = { "model", "tools", "tool_choice", "reasoning_effort", "temperature",
  "max_completion_tokens", "stop", "seed", "response_format", "stream", "stream_options",
  "messages" }
local MESSAGE = { "role", "content", "reasoning_content", "tool_calls", "tool_call_id" }
local NAMED = { "id", "type", "function" }
local FUNCTION = { "name", "description", "parameters", "arguments", "strict" }

--- What a vendor wants to have back is kept under the host, for this protocol is
--- spoken by many, and each refuses what another has added.
---@param host string
---@return string
function M.vendor(host)
  return "openai@" .. host
end

local parts = {}

function parts.text(part)
  return { type = "text", text = part.text }
end

local function data_url(part)
  return ("data:%s;base64,%s"):format(part.mime, base64.encode(part.data))
end

function parts.image(part)
  return { type = "image_url", image_url = { url = part.url or data_url(part) } }
end

function parts.file(part)
  return { type = "file", file = { filename = part.name, file_data = data_url(part) } }
end

local function content_of(content)
  if type(content) ~= "table" then return content end
  local list = json.array()
  for i, part in ipairs(content) do
    list[i] = json.object(parts[part.type](part), { "type" })
  end
  return list
end

local function calls_of(calls, extra)
  local list = {}
  for i, call in ipairs(calls) do
    list[i] = json.object({ id = call.id, type = "function", extra_content = at(extra, call.id),
      ["function"] = json.object({ name = call.name, arguments = call.arguments }, FUNCTION),
    }, NAMED)
  end
  return list
end

local function message_of(message, call)
  local calls = message.calls and message.calls[1] and message.calls or nil
  local vendor = messages.vendor(message, call.vendor) or {}
  local content = content_of(message.content)
  if calls and (content == nil or content == "") then content = json.null end
  return json.object({
    role = message.role,
    content = content,
    reasoning_content = calls and vendor.reasoning_content,
    tool_calls = calls and calls_of(calls, vendor.extra_content),
    tool_call_id = message.role == "tool" and message.id or nil,
  }, MESSAGE)
end

local function tools_of(tools)
  if not tools or #tools == 0 then return nil end
  local list = {}
  for i, tool in ipairs(tools) do
    list[i] = json.object({ type = "function", ["function"] = json.object({
      name = tool.name, description = tool.description, strict = tool.strict,
      parameters = tool.parameters or { type = "object", properties = {} } }, FUNCTION) }, NAMED)
  end
  return list
end

local function choice_of(choice)
  if choice == nil or choice == "auto" or choice == "none" or choice == "required" then
    return choice
  end
  return json.object({ type = "function", ["function"] = { name = choice } }, NAMED)
end

local function format_of(schema)
  return schema and json.object({ type = "json_schema",
    json_schema = json.object(schema, { "name", "strict", "schema" }) }, { "type" })
end

--- The request for a call.
---@param call neap.llm.CallOf
---@return string path
---@return table headers
---@return table body
function M.request(call)
  local opts, list = call.options, {}
  for i, message in ipairs(call.messages) do list[i] = message_of(message, call) end
  return M.path, {}, json.object({
    model = call.model,
    tools = tools_of(opts.tools),
    tool_choice = choice_of(opts.tool_choice),
    reasoning_effort = opts.reasoning,
    temperature = opts.temperature,
    max_completion_tokens = opts.max_tokens,
    stop = opts.stop,
    seed = opts.seed,
    response_format = format_of(opts.schema),
    stream = true,
    stream_options = { include_usage = true },
    messages = list,
  }, ORDER)
end

-- The stops by finish_reason; others are "other".
local STOPS = { stop = "stop", length = "length", tool_calls = "tools", function_call = "tools",
  content_filter = "filter" }

local function read_usage(usage, counted)
  usage.input = count(counted, "prompt_tokens") or usage.input
  usage.cached = count(counted, "prompt_tokens_details", "cached_tokens") or usage.cached
  usage.cache_write = count(counted, "prompt_tokens_details", "cache_write_tokens")
    or usage.cache_write
  usage.output = count(counted, "completion_tokens") or usage.output
  usage.reasoning = count(counted, "completion_tokens_details", "reasoning_tokens")
    or usage.reasoning
end

-- Adds the deltas of a content, which some servers send as a list of parts, with
-- thinking among them.
local function read_content(deltas, content, kind)
  if text(content) then
    deltas[#deltas + 1] = { kind = kind, text = content }
  elseif type(content) == "table" then
    for _, part in ipairs(content) do
      if at(part, "type") == "thinking" then
        read_content(deltas, at(part, "thinking"), "reasoning")
      elseif at(part, "type") == "text" or at(part, "type") == nil then
        read_content(deltas, at(part, "text"), kind)
      end
    end
  end
end

-- Which call a fragment belongs to. Servers number calls by `index`, or leave that
-- out, or give all of them the same; an id that is another begins a call.
local function find_call(state, fragment)
  local calls, id = state.reply.calls, text(at(fragment, "id"))
  local number = math.tointeger(at(fragment, "index"))
  state.places = state.places or {}
  local place = number and state.places[number] or not number and #calls or nil
  local open = place and calls[place]
  if open and (not id or id == open.id) then return place, false end
  place = #calls + 1
  if number then state.places[number] = place end
  return place, true
end

-- A call is there at once, so that the fragments beside this one find it.
local function read_call(state, deltas, fragment)
  local place, is_new = find_call(state, fragment)
  local delta = { kind = "call", index = place,
    arguments = text(at(fragment, "function", "arguments")) or "" }
  if is_new then
    delta.id = text(at(fragment, "id")) or ("call_%d"):format(place)
    delta.name = text(at(fragment, "function", "name")) or ""
    state.reply.calls[place] = { id = delta.id, name = delta.name, arguments = {} }
  end
  local extra = at(fragment, "extra_content")
  if extra then
    state.vendor = state.vendor or {}
    state.vendor.extra_content = state.vendor.extra_content or {}
    state.vendor.extra_content[state.reply.calls[place].id] = extra
  end
  deltas[#deltas + 1] = delta
end

local function read_reasoning(state, deltas, delta)
  local given = text(delta.reasoning_content)
  read_content(deltas, given or delta.reasoning, "reasoning")
  state.returns_reasoning = state.returns_reasoning or given ~= nil
end

-- What follows is done for each token, so fields are read without `at`, but where null
-- could be taken for a value.
local function read_choice(state, deltas, choice)
  local message = type(choice.message) == "table" and choice.message or nil
  local delta = type(choice.delta) == "table" and choice.delta or message
  if delta then
    read_reasoning(state, deltas, delta)
    read_content(deltas, delta.content, "text")
    if type(delta.tool_calls) == "table" then
      for _, fragment in ipairs(delta.tool_calls) do read_call(state, deltas, fragment) end
    end
    local refusal = text(delta.refusal)
    if refusal then state.refusal = (state.refusal or "") .. refusal end
  end
  local reason = text(choice.finish_reason)
  if reason then
    state.reply.stop = STOPS[reason] or "other"
  elseif message then
    state.reply.stop = "stop"
  end
  if state.refusal and state.reply.stop then state.reply.stop = "filter" end
end

--- Folds an event.
---@param state neap.llm.State
---@param data table
---@return neap.llm.Delta[] deltas
---@return boolean|nil done
function M.event(state, data)
  local deltas, reply = {}, state.reply
  if type(data) ~= "table" then return deltas end
  if at(data, "error") then
    state.failure = data
    return deltas
  end
  reply.model = text(data.model) or reply.model
  if type(data.usage) == "table" then read_usage(reply.usage, data.usage) end
  if type(data.choices) ~= "table" then return deltas end
  for _, choice in ipairs(data.choices) do
    if type(choice) == "table" and (at(choice, "index") or 0) == 0 then
      read_choice(state, deltas, choice)
    end
  end
  return deltas
end

--- Ends a reply: reasoning that came as `reasoning_content` goes back with calls.
---@param state neap.llm.State
function M.finish(state)
  if state.returns_reasoning and state.reply.calls[1] then
    state.vendor = state.vendor or {}
    state.vendor.reasoning_content = table.concat(state.reasoning)
  end
end

local KINDS = {
  invalid_api_key = "auth", authentication_error = "auth", permission_error = "auth",
  insufficient_quota = "quota", insufficient_balance = "quota", billing_not_active = "quota",
  billing_hard_limit_reached = "quota",
  rate_limit_exceeded = "rate", rate_limit_error = "rate",
  overloaded_error = "overloaded", engine_overloaded = "overloaded",
  server_error = "server", internal_error = "server",
  model_not_found = "model", context_length_exceeded = "context",
  content_filter = "filter", content_policy_violation = "filter",
}

--- Says what has failed.
---@param status integer
---@param _ table headers
---@param body any
---@return string kind
---@return string|nil sentence
function M.failed(status, _, body)
  local kind, sentence = failure.classify(KINDS, status, body)
  return kind or "request", sentence
end

return M
