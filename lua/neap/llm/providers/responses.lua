--- The Responses of OpenAI, without state on the server.
-- SPDX-License-Identifier: MIT
local base64 = require "neap.base.base64"
local failure = require "neap.llm.failure"
local json = require "neap.core".json
local messages = require "neap.llm.message"

local at, count, list_at, text = failure.at, failure.count, failure.list, failure.text

---@type neap.llm.Provider
local M = {
  name = "responses",
  base = "https://api.openai.com",
  version = "/v1",
  path = "/responses",
  auth = "bearer",
  key_variable = "OPENAI_API_KEY",
  needs_model = true,
  features = { schema = true, tools = true },
  embed = require "neap.llm.providers.embeddings",
}

local ORDER = { "model", "instructions", "tools", "tool_choice", "reasoning", "temperature",
  "max_output_tokens", "text", "store", "include", "stream", "input" }
local ITEM = { "type", "role", "call_id", "name", "content", "arguments", "output" }
local TOOL = { "type", "name", "description", "parameters", "strict" }

local function data_url(part)
  return ("data:%s;base64,%s"):format(part.mime, base64.encode(part.data))
end

local parts = {
  text = function(part) return { type = "input_text", text = part.text } end,
  image = function(part)
    return { type = "input_image", image_url = part.url or data_url(part) }
  end,
  file = function(part)
    return { type = "input_file", filename = part.name, file_data = data_url(part) }
  end,
}

local function content_of(content)
  if type(content) ~= "table" then return content end
  local list = json.array()
  for i, part in ipairs(content) do
    list[i] = json.object(parts[part.type](part), { "type" })
  end
  return list
end

local function add_assistant(items, message, call)
  local vendor = messages.vendor(message, call.vendor)
  if vendor then
    for _, item in ipairs(vendor) do items[#items + 1] = item end
    return
  end
  local said = messages.text(message.content)
  if said ~= "" then
    items[#items + 1] = json.object({ role = "assistant", content = said }, ITEM)
  end
  for _, each in ipairs(message.calls or {}) do
    items[#items + 1] = json.object({ type = "function_call", call_id = each.id,
      name = each.name, arguments = each.arguments }, ITEM)
  end
end

local function input_of(others, call)
  local items = json.array()
  for _, message in ipairs(others) do
    if message.role == "assistant" then
      add_assistant(items, message, call)
    elseif message.role == "tool" then
      items[#items + 1] = json.object({ type = "function_call_output", call_id = message.id,
        output = messages.text(message.content) }, ITEM)
    else
      items[#items + 1] = json.object({ role = message.role,
        content = content_of(message.content) }, ITEM)
    end
  end
  return items
end

local function tools_of(tools)
  if not tools or #tools == 0 then return nil end
  local list = {}
  for i, tool in ipairs(tools) do
    list[i] = json.object({ type = "function", name = tool.name, description = tool.description,
      parameters = tool.parameters or { type = "object", properties = {} },
      strict = tool.strict or false }, TOOL)
  end
  return list
end

local function choice_of(choice)
  if choice == nil or choice == "auto" or choice == "none" or choice == "required" then
    return choice
  end
  return json.object({ type = "function", name = choice }, { "type" })
end

local function text_of(schema)
  return schema and { format = json.object({ type = "json_schema", name = schema.name,
    strict = schema.strict, schema = schema.schema }, { "type", "name", "strict" }) }
end

--- The request for a call. This protocol has neither stop nor seed.
---@param call neap.llm.CallOf
---@return string path
---@return table headers
---@return table body
function M.request(call)
  local opts = call.options
  local system, others = messages.without_system(call.messages)
  return M.path, {}, json.object({
    model = call.model,
    instructions = system,
    tools = tools_of(opts.tools),
    tool_choice = choice_of(opts.tool_choice),
    reasoning = opts.reasoning and { effort = opts.reasoning } or nil,
    temperature = opts.temperature,
    max_output_tokens = opts.max_tokens,
    text = text_of(opts.schema),
    store = false,
    include = { "reasoning.encrypted_content" },
    stream = true,
    input = input_of(others, call),
  }, ORDER)
end

local function read_usage(usage, counted)
  if not counted then return end
  usage.input = count(counted, "input_tokens") or 0
  usage.cached = count(counted, "input_tokens_details", "cached_tokens") or 0
  usage.cache_write = count(counted, "input_tokens_details", "cache_write_tokens") or 0
  usage.output = count(counted, "output_tokens") or 0
  usage.reasoning = count(counted, "output_tokens_details", "reasoning_tokens") or 0
end

-- Whether an item that is whole came in pieces before: then its text is not taken
-- again.
local function has_come(state, data)
  local place = at(data, "output_index")
  return place and state.seen and state.seen[place]
end

local function see(state, data)
  state.seen = state.seen or {}
  state.seen[at(data, "output_index") or 0] = true
end

local function begin_call(state, data, item)
  state.places = state.places or {}
  state.call_count = (state.call_count or 0) + 1
  state.places[at(data, "output_index") or -state.call_count] = state.call_count
  local arguments = text(at(item, "arguments"))
  state.argued = state.argued or {}
  state.argued[state.call_count] = arguments ~= nil
  return { kind = "call", index = state.call_count, id = text(at(item, "call_id")) or "",
    name = text(at(item, "name")) or "", arguments = arguments or "" }
end

local function read_message_item(state, deltas, item)
  for _, part in ipairs(list_at(item, "content")) do
    if at(part, "type") == "refusal" then
      state.refusal = (state.refusal or "") .. (text(at(part, "refusal")) or "")
    elseif text(at(part, "text")) then
      deltas[#deltas + 1] = { kind = "text", text = part.text }
    end
  end
end

-- Takes the arguments of a call whose beginning has come, unless these have, too.
local function add_arguments(state, deltas, data, item)
  local place = state.places and state.places[at(data, "output_index")]
  if place and not state.argued[place] and text(at(item, "arguments")) then
    deltas[#deltas + 1] = { kind = "call", index = place, arguments = item.arguments }
  end
end

-- Takes an item that is whole, for the turn to come; its text too, unless that has
-- come in pieces.
local function read_item(state, deltas, data, item)
  if type(item) ~= "table" then return end
  state.items = state.items or {}
  table.insert(state.items, item)
  local kind = at(item, "type")
  if has_come(state, data) then
    add_arguments(state, deltas, data, item)
  elseif kind == "function_call" then
    deltas[#deltas + 1] = begin_call(state, data, item)
  elseif kind == "message" then
    read_message_item(state, deltas, item)
  elseif kind == "reasoning" then
    for _, part in ipairs(list_at(item, "summary")) do
      if text(at(part, "text")) then
        deltas[#deltas + 1] = { kind = "reasoning", text = part.text }
      end
    end
  end
end

local REASONS = { max_output_tokens = "length", content_filter = "filter" }

local function read_end(state, response)
  state.reply.model = text(at(response, "model")) or state.reply.model
  read_usage(state.reply.usage, at(response, "usage"))
  local status = at(response, "status")
  local reason = at(response, "incomplete_details", "reason")
  if status == "incomplete" then
    state.reply.stop = REASONS[reason] or "other"
  elseif status == "completed" or status == nil then
    state.reply.stop = "stop"
  else
    state.reply.stop = "other"
  end
  if state.refusal then state.reply.stop = "filter" end
end

local events = {}

events["response.output_item.added"] = function(state, deltas, data)
  if at(data, "item", "type") ~= "function_call" then return end
  see(state, data)
  deltas[1] = begin_call(state, data, data.item)
end

events["response.output_text.delta"] = function(state, deltas, data)
  see(state, data)
  if text(at(data, "delta")) then deltas[1] = { kind = "text", text = data.delta } end
end

events["response.reasoning_summary_text.delta"] = function(state, deltas, data)
  see(state, data)
  if text(at(data, "delta")) then deltas[1] = { kind = "reasoning", text = data.delta } end
end

events["response.reasoning_text.delta"] = events["response.reasoning_summary_text.delta"]

events["response.refusal.delta"] = function(state, _, data)
  see(state, data)
  state.refusal = (state.refusal or "") .. (text(at(data, "delta")) or "")
end

events["response.function_call_arguments.delta"] = function(state, deltas, data)
  local place = state.places and state.places[at(data, "output_index")]
  if place and text(at(data, "delta")) then
    state.argued[place] = true
    deltas[1] = { kind = "call", index = place, arguments = data.delta }
  end
end

events["response.output_item.done"] = function(state, deltas, data)
  read_item(state, deltas, data, at(data, "item"))
end

local function take_end(state, _, data)
  read_end(state, at(data, "response"))
  return true
end

events["response.completed"] = take_end
events["response.incomplete"] = take_end

local function take_failure(state, _, data)
  state.failure = data
end

events["response.failed"] = take_failure
events.error = take_failure

--- Folds an event. Types that are not known are left out.
---@param state neap.llm.State
---@param data table
---@return neap.llm.Delta[] deltas
---@return boolean|nil done
function M.event(state, data)
  local deltas = {}
  local take = events[at(data, "type")]
  if not take and at(data, "error") then take = take_failure end
  return deltas, take and take(state, deltas, data)
end

--- Reads a body that is no stream.
---@param state neap.llm.State
---@param body table
---@return neap.llm.Delta[] deltas
function M.parse(state, body)
  local deltas = {}
  if at(body, "error") then
    state.failure = body
  elseif at(body, "output") then
    for _, item in ipairs(list_at(body, "output")) do read_item(state, deltas, nil, item) end
    read_end(state, body)
  end
  return deltas
end

--- Ends a reply: all of its items go back, as they came.
---@param state neap.llm.State
function M.finish(state)
  if state.items and state.items[1] then state.vendor = state.items end
end

local KINDS = {
  invalid_api_key = "auth", authentication_error = "auth", permission_error = "auth",
  insufficient_quota = "quota", billing_not_active = "quota",
  billing_hard_limit_reached = "quota",
  rate_limit_exceeded = "rate", rate_limit_error = "rate",
  overloaded_error = "overloaded", server_is_overloaded = "overloaded",
  server_error = "server", vector_store_timeout = "server",
  model_not_found = "model", context_length_exceeded = "context",
  content_filter = "filter",
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
