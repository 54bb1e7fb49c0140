--- The Messages of Anthropic.
-- SPDX-License-Identifier: MIT
local base64 = require "neap.base.base64"
local failure = require "neap.llm.failure"
local json = require "neap.core".json
local messages = require "neap.llm.message"

local at, count, list_at, text = failure.at, failure.count, failure.list, failure.text

---@type neap.llm.Provider
local M = {
  name = "anthropic",
  base = "https://api.anthropic.com",
  version = "/v1",
  auth = "x-api-key",
  key_variable = "ANTHROPIC_API_KEY",
  needs_model = true,
  features = { schema = true, tools = true },
}

-- The answer's limit, which a request has to have.
local MAX_TOKENS = 8192

local ORDER = { "model", "system", "tools", "tool_choice", "thinking", "output_config",
  "temperature", "max_tokens", "stop_sequences", "stream", "cache_control", "messages" }
local BLOCK = { "type", "id", "tool_use_id", "name", "text", "thinking", "signature", "input",
  "source", "title", "content", "is_error" }
local TOOL = { "name", "description", "input_schema", "strict", "cache_control" }
local MARK = { type = "ephemeral" }

local function block(fields)
  return json.object(fields, BLOCK)
end

local function source_of(part)
  if part.url then return json.object({ type = "url", url = part.url }, { "type" }) end
  return json.object({ type = "base64", media_type = part.mime,
    data = base64.encode(part.data) }, { "type" })
end

local parts = {
  text = function(part) return block { type = "text", text = part.text } end,
  image = function(part) return block { type = "image", source = source_of(part) } end,
  file = function(part)
    return block { type = "document", title = part.name, source = source_of(part) }
  end,
}

local function add_parts(list, content)
  for _, part in ipairs(messages.parts(content)) do list[#list + 1] = parts[part.type](part) end
end

local function assistant(message, call)
  local vendor = messages.vendor(message, call.vendor)
  if vendor then return vendor end
  local list = json.array()
  add_parts(list, message.content)
  for _, each in ipairs(message.calls or {}) do
    list[#list + 1] = block { type = "tool_use", id = each.id, name = each.name,
      input = messages.arguments(each) }
  end
  return list
end

local function result(message)
  local content = message.content
  if type(content) == "table" then
    content = json.array()
    add_parts(content, message.content)
  end
  return block { type = "tool_result", tool_use_id = message.id, content = content,
    is_error = message.failed or nil }
end

-- Makes the turns of the others' messages. All results of a turn stand in one
-- message of the user, before the text in it. A turn in which the model said nothing
-- would be refused.
local function turns_of(others, call)
  local turns = json.array()
  for _, message in ipairs(others) do
    local role = message.role == "assistant" and "assistant" or "user"
    local last = turns[#turns]
    local said = role == "assistant" and assistant(message, call)
    if not said and not (last and last.role == role) or said and said[1] then
      last = json.object({ role = role, content = said or json.array() }, { "role" })
      turns[#turns + 1] = last
    end
    if message.role == "tool" then
      table.insert(last.content, result(message))
    elseif not said then
      add_parts(last.content, message.content)
    end
  end
  return turns
end

local function tools_of(tools, marked)
  if not tools or #tools == 0 then return nil end
  local list = {}
  for i, tool in ipairs(tools) do
    list[i] = json.object({ name = tool.name, description = tool.description,
      input_schema = tool.parameters or { type = "object", properties = {} },
      strict = tool.strict, cache_control = marked and i == #tools and MARK or nil }, TOOL)
  end
  return list
end

local CHOICES = { auto = "auto", none = "none", required = "any" }

local function choice_of(choice)
  if choice == nil then return nil end
  local kind = CHOICES[choice]
  return json.object(kind and { type = kind } or { type = "tool", name = choice }, { "type" })
end

local function thinking_of(level)
  if level == nil then return nil, nil end
  if level == "none" then return { type = "disabled" }, nil end
  return { type = "adaptive" }, level
end

local function output_of(effort, schema)
  if not effort and not schema then return nil end
  return json.object({ effort = effort, format = schema and json.object({ type = "json_schema",
    schema = schema.schema }, { "type" }) }, { "effort" })
end

--- The request for a call. With `cache` what stays the same is marked: the tools
--- and the system's message, and, by the mark of the whole, the turns so far.
---@param call neap.llm.CallOf
---@return string path
---@return table headers
---@return table body
function M.request(call)
  local opts = call.options
  local system, others = messages.without_system(call.messages)
  local thinking, effort = thinking_of(opts.reasoning)
  local stop = opts.stop
  return "/messages", { ["anthropic-version"] = "2023-06-01" }, json.object({
    model = call.model,
    system = system and (opts.cache
      and { json.object({ type = "text", text = system, cache_control = MARK },
        { "type", "text" }) } or system),
    tools = tools_of(opts.tools, opts.cache and not system),
    tool_choice = choice_of(opts.tool_choice),
    thinking = thinking,
    output_config = output_of(effort, opts.schema),
    temperature = opts.temperature,
    max_tokens = opts.max_tokens or MAX_TOKENS,
    stop_sequences = type(stop) == "string" and { stop } or stop,
    stream = true,
    cache_control = opts.cache and MARK or nil,
    messages = turns_of(others, call),
  }, ORDER)
end

local STOPS = { end_turn = "stop", stop_sequence = "stop", tool_use = "tools",
  max_tokens = "length", pause_turn = "pause", refusal = "filter",
  model_context_window_exceeded = "context" }

-- What the usage says, which in a stream is that of all so far. Its input_tokens are
-- those without a cache.
local function read_usage(state, counted)
  if not counted then return end
  local seen = state.counted or {}
  state.counted = seen
  for _, name in ipairs { "input_tokens", "cache_read_input_tokens",
    "cache_creation_input_tokens", "output_tokens" } do
    seen[name] = count(counted, name) or seen[name] or 0
  end
  local details = at(counted, "output_tokens_details")
  local usage = state.reply.usage
  usage.cached, usage.cache_write = seen.cache_read_input_tokens, seen.cache_creation_input_tokens
  usage.input = seen.input_tokens + usage.cached + usage.cache_write
  usage.output = seen.output_tokens
  usage.reasoning = count(details, "reasoning_tokens") or count(details, "thinking_tokens")
    or usage.reasoning
end

local function read_message(state, message)
  state.reply.model = text(at(message, "model")) or state.reply.model
  read_usage(state, at(message, "usage"))
end

local function read_stop(state, holder)
  local reason = text(at(holder, "stop_reason"))
  if reason then state.reply.stop = STOPS[reason] or "other" end
end

-- Blocks are kept as they come, with the pieces of each of their fields in a list.
local function piece(state, index, field, value)
  local open = state.blocks and state.blocks[index]
  if not open or not value then return false end
  open.pieces[field] = open.pieces[field] or {}
  table.insert(open.pieces[field], value)
  return true
end

-- Begins a block, with what it has from the begin.
local function begin_block(state, index, given)
  if type(given) ~= "table" or given[1] ~= nil then return {} end
  state.blocks, state.order = state.blocks or {}, state.order or {}
  local open = { given = given, pieces = {} }
  state.blocks[index] = open
  table.insert(state.order, open)
  if at(given, "type") == "tool_use" then
    state.call_count = (state.call_count or 0) + 1
    open.call = state.call_count
    return { { kind = "call", index = open.call, id = text(given.id) or "",
      name = text(given.name) or "", arguments = "" } }
  end
  local deltas = {}
  for field, kind in pairs { text = "text", thinking = "reasoning" } do
    local value = text(at(given, field))
    if value and piece(state, index, field, value) then
      deltas[1] = { kind = kind, text = value }
    end
  end
  return deltas
end

local deltas_of = {}

function deltas_of.text_delta(state, index, delta)
  local value = text(at(delta, "text"))
  return piece(state, index, "text", value) and { { kind = "text", text = value } } or {}
end

function deltas_of.thinking_delta(state, index, delta)
  local value = text(at(delta, "thinking"))
  return piece(state, index, "thinking", value) and { { kind = "reasoning", text = value } } or {}
end

function deltas_of.signature_delta(state, index, delta)
  piece(state, index, "signature", text(at(delta, "signature")))
  return {}
end

function deltas_of.input_json_delta(state, index, delta)
  local value = text(at(delta, "partial_json"))
  if not piece(state, index, "input", value) then return {} end
  local call = state.blocks[index].call
  return call and { { kind = "call", index = call, arguments = value } } or {}
end

local events = {}

function events.message_start(state, data)
  read_message(state, at(data, "message"))
end

function events.content_block_start(state, data)
  return begin_block(state, at(data, "index") or 0, at(data, "content_block"))
end

function events.content_block_delta(state, data)
  local take = deltas_of[at(data, "delta", "type")]
  return take and take(state, at(data, "index") or 0, data.delta)
end

function events.message_delta(state, data)
  read_stop(state, at(data, "delta"))
  read_usage(state, at(data, "usage"))
end

function events.message_stop()
  return {}, true
end

function events.error(state, data)
  state.failure = data
end

--- Folds an event. Types that are not known are left out, as ping is.
---@param state neap.llm.State
---@param data table
---@return neap.llm.Delta[] deltas
---@return boolean|nil done
function M.event(state, data)
  local take = events[at(data, "type")]
  if not take then return {} end
  local deltas, done = take(state, data)
  return deltas or {}, done
end

--- Reads a body that is no stream.
---@param state neap.llm.State
---@param body table
---@return neap.llm.Delta[] deltas
function M.parse(state, body)
  if at(body, "type") == "error" then
    state.failure = body
    return {}
  end
  read_message(state, body)
  read_stop(state, body)
  local deltas = {}
  for index, each in ipairs(list_at(body, "content")) do
    for _, delta in ipairs(begin_block(state, index, each)) do deltas[#deltas + 1] = delta end
    if at(each, "type") == "tool_use" then
      local input = json.encode(at(each, "input") or {})
      piece(state, index, "input", input)
      deltas[#deltas].arguments = input
    end
  end
  return deltas
end

-- A block with its pieces put together.
local function whole(open)
  local fields = {}
  for name, value in pairs(open.given) do fields[name] = value end
  for name, list in pairs(open.pieces) do fields[name] = table.concat(list) end
  if open.pieces.input then
    fields.input = messages.arguments { arguments = fields.input }
  end
  return fields
end

--- Ends a reply: where it has blocks other than text and calls, they all go back as
--- they came, and in their order.
---@param state neap.llm.State
function M.finish(state)
  local list, needed = {}, false
  for i, open in ipairs(state.order or {}) do
    list[i] = whole(open)
    local kind = list[i].type
    needed = needed or kind ~= "text" and kind ~= "tool_use"
  end
  if needed then state.vendor = list end
end

local KINDS = {
  authentication_error = "auth", permission_error = "auth", billing_error = "quota",
  enforced_spend_limit_reached = "quota", rate_limit_error = "rate",
  overloaded_error = "overloaded", api_error = "server", timeout_error = "server",
}

--- Says what has failed.
---@param status integer
---@param _ table headers
---@param body any
---@return string kind
---@return string|nil sentence
function M.failed(status, _, body)
  if at(body, "error", "details", "error_code") == "enforced_spend_limit_reached" then
    return "quota", at(body, "error", "message")
  end
  local kind, sentence = failure.classify(KINDS, status, body)
  return kind or "request", sentence
end

return M
