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

-- -------------------------------------------------------------- responses

--- An event of a response.
---@param kind string without "response."
---@param fields table
function M.responses.event(kind, fields)
  fields.type = "response." .. kind
  return fields
end

do
  local event, R = M.responses.event, M.responses

  R.reasoning = { type = "reasoning", id = "rs_1", encrypted_content = "gAAA",
    summary = { { type = "summary_text", text = "Hm." } } }
  R.message = { type = "message", id = "msg_1", role = "assistant", status = "completed",
    content = { { type = "output_text", text = "High at noon.", annotations = json.array {} } } }
  R.call = { type = "function_call", id = "fc_1", call_id = "call_1", name = "tide",
    arguments = '{"port":"Kiel"}', status = "completed" }
  R.usage = { input_tokens = 30, output_tokens = 9, total_tokens = 39,
    input_tokens_details = { cached_tokens = 20, cache_write_tokens = 2 },
    output_tokens_details = { reasoning_tokens = 4 } }

  -- A response with what has been put out.
  local function response(status, output, reason)
    return { id = "resp_1", object = "response", created_at = 1764460800, status = status,
      model = "tide-1-0", output = json.array(output or {}), error = null,
      incomplete_details = reason and { reason = reason } or null,
      usage = status ~= "in_progress" and R.usage or null, tools = json.array {},
      parallel_tool_calls = true }
  end

  --- The event at the end.
  ---@param status? string default: "completed"
  ---@param reason? string why it is incomplete
  ---@param output? table[] the items
  function R.completed(status, reason, output)
    return event(status or "completed", { response = response(status or "completed", output,
      reason) })
  end

  local function started(item)
    return { id = item.id, type = item.type, role = item.role, call_id = item.call_id,
      name = item.name, arguments = item.arguments and "", status = "in_progress",
      content = item.content and json.array {}, summary = item.summary and json.array {},
      encrypted_content = item.encrypted_content and "g" }
  end

  R.text = {
    event("created", { response = response "in_progress" }),
    event("output_item.added", { output_index = 0, item = started(R.reasoning) }),
    event("reasoning_summary_part.added", { output_index = 0, item_id = "rs_1", summary_index = 0,
      part = { type = "summary_text", text = "" } }),
    event("reasoning_summary_text.delta", { output_index = 0, item_id = "rs_1",
      summary_index = 0, delta = "Hm." }),
    event("output_item.done", { output_index = 0, item = R.reasoning }),
    event("output_item.added", { output_index = 1, item = started(R.message) }),
    event("content_part.added", { output_index = 1, item_id = "msg_1", content_index = 0,
      part = { type = "output_text", text = "", annotations = json.array {} } }),
    event("output_text.delta", { output_index = 1, item_id = "msg_1", content_index = 0,
      delta = "High " }),
    event("output_text.delta", { output_index = 1, item_id = "msg_1", content_index = 0,
      delta = "at noon." }),
    event("output_text.done", { output_index = 1, item_id = "msg_1", content_index = 0,
      text = "High at noon." }),
    event("output_item.done", { output_index = 1, item = R.message }),
    R.completed(nil, nil, { R.reasoning, R.message }),
  }

  R.calls = {
    event("created", { response = response "in_progress" }),
    event("output_item.added", { output_index = 0, item = started(R.reasoning) }),
    event("output_item.done", { output_index = 0, item = R.reasoning }),
    event("output_item.added", { output_index = 1, item = started(R.call) }),
    event("function_call_arguments.delta", { output_index = 1, item_id = "fc_1",
      delta = '{"port":' }),
    event("function_call_arguments.delta", { output_index = 1, item_id = "fc_1",
      delta = '"Kiel"}' }),
    event("function_call_arguments.done", { output_index = 1, item_id = "fc_1", name = "tide",
      arguments = '{"port":"Kiel"}' }),
    event("output_item.done", { output_index = 1, item = R.call }),
    R.completed(nil, nil, { R.reasoning, R.call }),
  }

  for _, list in ipairs { R.text, R.calls } do
    for i, each in ipairs(list) do each.sequence_number = i end
  end
end

-- -------------------------------------------------- messages of Anthropic

do
  local A = M.anthropic

  function A.start(index, block)
    return { type = "content_block_start", index = index, content_block = block }
  end

  function A.delta(index, kind, field, value)
    return { type = "content_block_delta", index = index,
      delta = { type = kind, [field] = value } }
  end

  function A.stop(index) return { type = "content_block_stop", index = index } end

  --- The last event but one.
  ---@param reason string why the model ends
  ---@param tokens integer that were put out
  function A.last(reason, tokens)
    return { type = "message_delta", delta = { stop_reason = reason, stop_sequence = null },
      usage = { output_tokens = tokens } }
  end

  A.begin = { type = "message_start", message = { id = "msg_1", type = "message",
    role = "assistant", model = "tide-1-0", content = json.array {}, stop_reason = null,
    stop_sequence = null, usage = { input_tokens = 10, output_tokens = 1,
      cache_read_input_tokens = 5, cache_creation_input_tokens = 3 } } }
  A.ping = { type = "ping" }
  A.finish = { type = "message_stop" }

  local start, delta, stop = A.start, A.delta, A.stop
  A.text = { A.begin, A.ping, start(0, { type = "text", text = "" }),
    delta(0, "text_delta", "text", "High "), A.ping, delta(0, "text_delta", "text", "at noon."),
    stop(0), A.last("end_turn", 9), A.finish }
  A.calls = { A.begin, start(0, { type = "thinking", thinking = "", signature = "" }),
    delta(0, "thinking_delta", "thinking", "Two "),
    delta(0, "thinking_delta", "thinking", "calls."),
    delta(0, "signature_delta", "signature", "EqQB"), stop(0),
    start(1, { type = "redacted_thinking", data = "x9" }), stop(1),
    start(2, { type = "text", text = "Let me see." }), stop(2),
    start(3, { type = "tool_use", id = "toolu_1", name = "tide", input = {} }),
    delta(3, "input_json_delta", "partial_json", '{"port": "Ki'),
    delta(3, "input_json_delta", "partial_json", 'el"}'), stop(3),
    start(4, { type = "tool_use", id = "toolu_2", name = "now", input = {} }), stop(4),
    A.last("tool_use", 30), A.finish }
end

return M
