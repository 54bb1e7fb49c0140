-- Servers that answer anything: whatever comes, a call gives a reply that can be sent back, or
-- raises an error object.
-- SPDX-License-Identifier: MIT
local json = require "neap.json"
local llm = require "neap.llm"
local neap = require "neap"

local random = math.random

local ODD = { "12", {}, true, false, -5, 1e308, json.null, "", { a = 1 }, { {} }, 0.5, 1000000,
  "stop", json.array() }

local ITEMS = { reasoning = { type = "reasoning", summary = { { text = "t" } } },
  message = { type = "message", content = { { type = "output_text", text = "hi" },
    { type = "refusal", refusal = "no" } } },
  call = { type = "function_call", call_id = "c", name = "f", arguments = "{}" } }

-- Bodies with all that the providers read.
local BODIES = {
  openai = { model = "m", usage = { prompt_tokens = 1, completion_tokens = 2,
    prompt_tokens_details = { cached_tokens = 1 } },
    choices = { { index = 0, finish_reason = "tool_calls", message = { reasoning_content = "r",
      content = { { type = "text", text = "x" }, { type = "thinking",
        thinking = { { type = "text", text = "y" } } } }, refusal = json.null,
      tool_calls = { { index = 0, id = "c", ["function"] = { name = "f", arguments = "{}" } } },
    } } } },
  responses = { model = "m", status = "completed", usage = { input_tokens = 1, output_tokens = 2,
    input_tokens_details = { cached_tokens = 1 } }, incomplete_details = { reason = "r" },
    output = { ITEMS.reasoning, ITEMS.message, ITEMS.call } },
  anthropic = { model = "m", type = "message", stop_reason = "tool_use", usage = {
    input_tokens = 1, output_tokens = 2, output_tokens_details = { thinking_tokens = 1 } },
    content = { { type = "thinking", thinking = "t", signature = "s" },
      { type = "text", text = "x" }, { type = "tool_use", id = "c", name = "f", input = {} } } },
  gemini = { modelVersion = "m", promptFeedback = { blockReason = "r" }, usageMetadata = {
    promptTokenCount = 1, candidatesTokenCount = 2, thoughtsTokenCount = 1 },
    candidates = { { finishReason = "STOP", content = { parts = {
      { text = "x", thought = true, thoughtSignature = "s" }, { text = "y" },
      { functionCall = { name = "f", args = { a = 1 }, id = "c" } } } } } } },
  ollama = { model = "m", done = true, done_reason = "stop", prompt_eval_count = 1,
    eval_count = 2, message = { content = "x", thinking = "t", tool_calls = {
      { ["function"] = { name = "f", arguments = { a = 1 } } } } } },
}

local EVENTS = {
  openai = { { choices = { { index = 0, delta = { content = "x", reasoning_content = "y" } } } },
    { choices = { { delta = { tool_calls = { { index = 0, id = "c",
      ["function"] = { name = "f", arguments = "{" } } } } } } },
    { choices = { { delta = { tool_calls = { { index = 0, ["function"] = { arguments = "}" } } } },
      finish_reason = "stop" } }, usage = { prompt_tokens = 1 } } },
  responses = { { type = "response.output_item.added", output_index = 0, item = ITEMS.call },
    { type = "response.function_call_arguments.delta", output_index = 0, delta = "{}" },
    { type = "response.output_text.delta", output_index = 1, delta = "x" },
    { type = "response.output_item.done", output_index = 0, item = ITEMS.call },
    { type = "response.completed", response = BODIES.responses } },
  anthropic = { { type = "message_start", message = BODIES.anthropic },
    { type = "content_block_start", index = 0, content_block = { type = "text", text = "" } },
    { type = "content_block_delta", index = 0, delta = { type = "text_delta", text = "x" } },
    { type = "content_block_start", index = 1, content_block = BODIES.anthropic.content[3] },
    { type = "content_block_delta", index = 1,
      delta = { type = "input_json_delta", partial_json = "{}" } },
    { type = "message_delta", delta = { stop_reason = "end_turn" }, usage = { output_tokens = 3 } },
    { type = "message_stop" } },
  gemini = { BODIES.gemini, BODIES.gemini },
  ollama = { { message = BODIES.ollama.message, done = false }, BODIES.ollama },
}

local VECTORS = { data = { { index = 0, embedding = { 1, 2 } } }, embeddings = { { 1, 2 } },
  usage = { prompt_tokens = 1 }, usageMetadata = { promptTokenCount = 1 }, prompt_eval_count = 1 }

local function copy(value)
  if type(value) ~= "table" then return value end
  local all = setmetatable({}, getmetatable(value))
  for key, each in pairs(value) do all[key] = copy(each) end
  return all
end

-- Adds the places in a value, in the same order in each process.
local function add_places(list, value)
  local keys = {}
  for key in pairs(value) do keys[#keys + 1] = key end
  table.sort(keys)
  for _, key in ipairs(keys) do
    list[#list + 1] = { value, key }
    if type(value[key]) == "table" then add_places(list, value[key]) end
  end
  return list
end

-- The same value with something else in one place or two.
local function changed(value)
  value = copy(value)
  for _ = 1, random(2) do
    local list = add_places({}, value)
    local place = list[random(#list)]
    local other = copy(ODD[random(#ODD)])
    if type(place[2]) == "string" and random(8) == 1 then other = nil end
    place[1][place[2]] = other
    if next(value) == nil then return value end
  end
  return value
end

-- An answer to a chat: a body, that of an error, or a stream.
local function answer(name)
  if random(2) == 1 then
    return { status = random(4) == 1 and 400 or 200, json = changed(BODIES[name]) }
  end
  local lines, is_plain = {}, name == "ollama"
  for i, event in ipairs(changed(EVENTS[name])) do
    lines[i] = (is_plain and "%s\n" or "data: %s\n\n"):format(json.encode(event))
  end
  return { body = table.concat(lines), headers = {
    ["content-type"] = is_plain and "application/x-ndjson" or "text/event-stream" } }
end

local function client_of(name)
  return llm.new { provider = name, url = "http://m", model = "m", key = "k", max_retries = 1,
    prices = { input = 1, output = 1 }, budget = llm.budget { tokens = 1000000000 } }
end

-- What a call gives; nil where it raises an error object.
local function outcome(sent, f, ...)
  local ok, result = pcall(f, ...)
  if ok then return result end
  assert.is_true(type(result) == "table" and result.code == "llm",
    ("%s\n%s"):format(result, json.encode(sent)))
  return nil
end

for _, name in ipairs { "openai", "responses", "anthropic", "gemini", "ollama" } do
  describe("a server of " .. name .. " that answers anything", function()
    before_each(function() math.randomseed(13) end)

    it("gives a reply that can be sent back, or an error object", function()
      local replies = 0
      for _ = 1, 250 do
        local sent = answer(name)
        local _ <close> = neap.testing.http { ["POST http://*"] = function() return sent end }
        local client = client_of(name)
        local reply = outcome(sent, client.reply, client, "Hello")
        if reply then
          replies = replies + 1
          assert.is_true(client.usage.input >= 0 and client.usage.output >= 0)
          outcome(sent, client.reply, client, { { role = "user", content = "Hello" },
            reply.message, { role = "user", content = "And then?" } })
        end
      end
      assert.is_true(replies > 50)
    end)
  end)
end

describe("vectors that are anything", function()
  before_each(function() math.randomseed(13) end)

  for _, name in ipairs { "openai", "gemini", "ollama" } do
    it("are vectors, or an error object, of " .. name, function()
      for _ = 1, 250 do
        local sent = copy(VECTORS)
        if name == "gemini" then sent.embeddings = { { values = { 1, 2 } } } end
        sent = { json = changed(sent) }
        local _ <close> = neap.testing.http { ["POST http://*"] = function() return sent end }
        local client = client_of(name)
        local vector = outcome(sent, client.embed, client, "Hello")
        assert.is_true(vector == nil or #vector > 0)
        assert.is_true(client.usage.input >= 0)
      end
    end)
  end
end)
