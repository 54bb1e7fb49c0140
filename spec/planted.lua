-- Marks that are planted in what is sent to language models, and a look at all that can be
-- seen afterwards. Keys, headers and addresses have one mark, and what is said another: in
-- prompts, pictures, arguments and results of tools.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local json = require "neap.json"
local llm = require "neap.llm"
local neap = require "neap"
local wire = require "spec.llm"

-- What is a key has the first word in it, and what is said the second.
local KEY, SAID = "sculpin", "kelp"

-- "kelp" in base64, wherever it begins.
local ENCODED = { "a2Vsc", "rZWxw", "tlbH" }

local PICTURE = "\x89PNG kelp kelp kelp kelp kelp \xFF\xFE kelp"
local HISTORY = {
  { role = "user", content = "What is kelp good for?" },
  { role = "assistant", calls = { { id = "c1", name = "look",
    arguments = '{"at":"kelp beds"}' } } },
  { role = "tool", id = "c1", content = "The kelp is 30 m tall." },
  { role = "user", content = {
    { type = "text", text = "Look at this kelp." },
    { type = "image", data = PICTURE, mime = "image/png" },
  } },
}
local PROMPT = "Tell me everything about kelp forests off Norderney."

local OPTIONS = { model = "m", system = "You know all about kelp.", jitter = 0,
  url = "http://sculpin-user:sculpin-pass@m/v1?token=sculpin-query",
  headers = { ["x-pass"] = "sculpin-pass-4711" },
  tools = { { name = "look", parameters = { type = "object" } } } }
local ROUTE = "http://sculpin-user:sculpin-pass@m/*"
local SECRET = "sculpin-key-0815"

local M = { KEY = KEY, SAID = SAID, HISTORY = HISTORY, PROMPT = PROMPT, OPTIONS = OPTIONS,
  SECRET = SECRET, PICTURE = PICTURE }

---@class spec.planted.Wire how a provider answers
---@field kind string the content type of a stream
---@field text string the body of a stream with an answer
---@field calls string of one that calls a tool
---@field event fun(said: string): string the event that is an error
---@field body fun(said: string): table the body that is an error

local EVENTS, LINES = "text/event-stream", "application/x-ndjson"

local function choice(delta, reason)
  return { choices = { { delta = delta, finish_reason = reason } } }
end

local function call(name, arguments)
  return { tool_calls = { { index = 0, id = "c2", ["function"] = { name = name,
    arguments = arguments } } } }
end

local function candidate(part, reason)
  return { candidates = { { content = { parts = { part } }, finishReason = reason } } }
end

-- The events of a message with one block.
local function message_of(given, delta, reason)
  return { { type = "message_start", message = {} },
    { type = "content_block_start", index = 0, content_block = given },
    { type = "content_block_delta", index = 0, delta = delta },
    { type = "message_delta", delta = { stop_reason = reason } }, { type = "message_stop" } }
end

local function line(message, reason)
  return { message = message, done = reason ~= nil, done_reason = reason }
end

local function error_of(said) return { error = { message = said } } end

--- The providers, by their names.
---@type table<string, spec.planted.Wire>
M.wires = {
  openai = {
    kind = EVENTS, body = error_of,
    text = wire.sse { choice { content = "Höher " }, choice({ content = "🌊" }, "stop"), "[DONE]" },
    calls = wire.sse { choice(call("look", '{"at":"Höhe')), choice(call(nil, '"}'), "tool_calls"),
      "[DONE]" },
    event = function(said) return wire.sse { error_of(said) } end,
  },
  responses = {
    kind = EVENTS, body = error_of,
    text = wire.named_sse {
      { type = "response.output_item.added", output_index = 0, item = { type = "message" } },
      { type = "response.output_text.delta", output_index = 0, delta = "Höher 🌊" },
      { type = "response.completed", response = { status = "completed" } } },
    calls = wire.named_sse {
      { type = "response.output_item.added", output_index = 0, item = { type = "function_call",
        call_id = "c2", name = "look" } },
      { type = "response.function_call_arguments.delta", output_index = 0, delta = '{"at":"ö"}' },
      { type = "response.completed", response = { status = "completed" } } },
    event = function(said)
      return wire.named_sse { { type = "response.failed", response = { status = "failed",
        error = { code = "server_error", message = said } } } }
    end,
  },
  anthropic = {
    kind = EVENTS, body = function(said)
      return { type = "error", error = { type = "invalid_request_error", message = said } }
    end,
    text = wire.named_sse(message_of({ type = "text", text = "" },
      { type = "text_delta", text = "Höher 🌊" }, "end_turn")),
    calls = wire.named_sse(message_of({ type = "tool_use", id = "c2", name = "look", input = {} },
      { type = "input_json_delta", partial_json = '{"at":"ö"}' }, "tool_use")),
    event = function(said)
      return wire.named_sse { { type = "error", error = { type = "overloaded_error",
        message = said } } }
    end,
  },
  gemini = {
    kind = EVENTS, body = function(said)
      return { error = { code = 400, status = "INVALID_ARGUMENT", message = said } }
    end,
    text = wire.sse { candidate { text = "Höher " }, candidate({ text = "🌊" }, "STOP") },
    calls = wire.sse { candidate({ functionCall = { name = "look", args = { at = "ö" } } },
      "STOP") },
    event = function(said) return wire.sse { error_of(said) } end,
  },
  ollama = {
    kind = LINES, body = function(said) return { error = said } end,
    text = wire.lines { line { content = "Höher " }, line({ content = "🌊" }, "stop") },
    calls = wire.lines { line { tool_calls = { { ["function"] = { name = "look",
      arguments = { at = "ö" } } } } }, line({ content = "" }, "stop") },
    event = function(said) return wire.lines { { error = said } } end,
  },
}

--- A copy of a table, with further fields.
---@param base table
---@param more? table
---@return table
function M.with(base, more)
  local all = {}
  for name, value in pairs(base) do all[name] = value end
  for name, value in pairs(more or {}) do all[name] = value end
  return all
end

-- All strings in a value, and the texts that it has.
local function texts_in(value, list, open)
  if type(value) ~= "table" then
    list[#list + 1] = tostring(value)
  elseif not open[value] then
    open[value] = true
    list[#list + 1] = tostring(value)
    for name, inner in next, value do
      texts_in(name, list, open)
      texts_in(inner, list, open)
    end
  end
  return list
end

--- Raises where a value shows what was planted.
---@param what string names the value
---@param value any
---@param words? string[] default: all
function M.check(what, value, words)
  local text = table.concat(texts_in(value, {}, {}), "\n")
  local lower = text:lower()
  for _, word in ipairs(words or { KEY, SAID }) do
    local at = lower:find(word, 1, true)
    if at then error(("%s: %q"):format(what, text:sub(math.max(1, at - 200), at + 40)), 0) end
  end
  for _, word in ipairs(words and {} or ENCODED) do
    local at = text:find(word, 1, true)
    if at then error(("%s: %q"):format(what, text:sub(math.max(1, at - 200), at + 40)), 0) end
  end
end

local check = M.check

-- Raises where a cassette has a key, or its errors have what was said.
local function check_cassette(what, path)
  for each in io.lines(path) do
    check(what .. ", cassette", each, { KEY })
    check(what .. ", error on a cassette", json.decode(each).error)
  end
end

-- A check of all that can be seen while a function runs.
local function watched(what, f)
  local function look()
    check(what .. ", dump", neap.dump())
    check(what .. ", tasks", neap.tasks())
  end
  local warnings = helper.warnings(function()
    local fault, pause = nil, 0.2
    local watcher = neap.spawn(function()
      while not fault do
        local ok, err = pcall(look)
        fault = not ok and err or nil
        neap.sleep(pause)
        pause = 2 * pause
      end
    end)
    f(function(event)
      check(what .. ", event " .. tostring(event.kind), event)
      look()
    end)
    watcher:cancel()
    pcall(watcher.await, watcher)
    if fault then error(fault, 0) end
  end)
  check(what .. ", warnings", warnings)
end

local folder, kept = nil, 0

--- Has `f(client)` run in a node, with `answer(request)` for each request, and checks all that
--- comes of it, a cassette as well. Counts the events by their kinds.
---@param what string
---@param opts table of the client, besides M.OPTIONS
---@param answer fun(request: neap.testing.Request): neap.testing.Answer
---@param f fun(client: neap.llm.Client): any
---@return neap.Error|nil raised
---@return table<string, integer> events
function M.drive(what, opts, answer, f)
  local raised, events = nil, {}
  folder = folder or helper.tmpdir()
  neap.testing.run(function()
    local fake <close> = neap.testing.http { [ROUTE] = answer } -- luacheck: ignore 211
    kept = kept + 1
    local path = ("%s/%d.jsonl"):format(folder, kept)
    local client = llm.record(path, llm.new(M.with(OPTIONS, opts)))
    local node = neap.Node { name = "ask" }
    function node:exec() return f(client) end
    watched(what, function(on_event)
      local ok, err = pcall(node.run, node, {}, { on_event = function(event)
        events[event.kind] = (events[event.kind] or 0) + 1
        on_event(event)
      end })
      raised = not ok and err or nil
    end)
    check(what .. ", client", client)
    check_cassette(what, path)
  end)
  if raised then
    check(what .. ", error", raised)
    check(what .. ", text", tostring(raised) .. raised.message .. tostring(raised.traceback))
  end
  return raised, events
end

return M
