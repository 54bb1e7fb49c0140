-- The Messages of Anthropic: the request, the stream and its oddities, errors.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local json = require "neap.json"
local streams = require "spec.streams"
local wire = require "spec.llm"

local OPTS = { provider = "anthropic", key = "sk-ant-1" }

local start, delta = streams.anthropic.start, streams.anthropic.delta
local stop, last = streams.anthropic.stop, streams.anthropic.last
local START, END = streams.anthropic.begin, streams.anthropic.finish
local TEXT, CALLS = streams.anthropic.text, streams.anthropic.calls

local function ask(events, prompt, opts)
  local http = wire.transport { body = wire.named_sse(events) }
  return wire.client(http, OPTS):reply(prompt or "When?", opts), http.requests[1]
end

describe("a request for messages", function()
  it("has its keys in an order, a version, and a limit that has to be there", function()
    local _, request = ask(TEXT, "When?", { system = "Be brief." })
    assert.equal("http://m/v1/messages", request.url)
    assert.equal("sk-ant-1", request.headers["x-api-key"])
    assert.equal("2023-06-01", request.headers["anthropic-version"])
    assert.is_nil(request.headers.authorization)
    assert.equal('{"model":"tide-1","system":"Be brief.","max_tokens":8192,"stream":true,'
      .. '"messages":[{"role":"user","content":[{"type":"text","text":"When?"}]}]}', request.bytes)
  end)

  it("has all options in its own words", function()
    local _, request = ask(TEXT, "When?", { max_tokens = 40, stop = "x", temperature = 1,
      reasoning = "high", tools = { { name = "tide", description = "high water" } },
      tool_choice = "required" })
    local body = request.body
    assert.equal(40, body.max_tokens)
    assert.same({ "x" }, { table.unpack(body.stop_sequences) })
    assert.same({ type = "adaptive" }, body.thinking)
    assert.same({ effort = "high" }, body.output_config)
    assert.same({ type = "any" }, body.tool_choice)
    assert.same({ name = "tide", description = "high water",
      input_schema = { type = "object", properties = {} } }, body.tools[1])
    assert.same({ type = "disabled" },
      select(2, ask(TEXT, "x", { reasoning = "none" })).body.thinking)
    assert.same({ type = "tool", name = "tide" },
      select(2, ask(TEXT, "x", { tool_choice = "tide", tools = { { name = "tide" } } }))
        .body.tool_choice)
  end)

  it("marks what stays the same when asked to", function()
    local mark = { type = "ephemeral" }
    local _, request = ask(TEXT, "When?", { cache = true, system = "Be brief.",
      tools = { { name = "tide" } } })
    assert.same(mark, request.body.cache_control)
    assert.same({ type = "text", text = "Be brief.", cache_control = mark }, request.body.system[1])
    assert.is_nil(request.body.tools[1].cache_control)
    _, request = ask(TEXT, "When?", { cache = true, tools = { { name = "a" }, { name = "b" } } })
    assert.is_nil(request.body.tools[1].cache_control)
    assert.same(mark, request.body.tools[2].cache_control)
  end)

  it("has all results of a turn in one message of the user, before its text", function()
    local _, request = ask(TEXT, {
      { role = "system", content = "Be brief." },
      { role = "user", content = { { type = "image", data = "abcd", mime = "image/png" },
        { type = "image", url = "http://a/b.png" },
        { type = "file", data = "ab", mime = "application/pdf", name = "a.pdf" } } },
      { role = "assistant", content = "Hm.", calls = {
        { id = "a", name = "tide", arguments = '{"port":"Kiel"}' },
        { id = "b", name = "now", arguments = "oops" } } },
      { role = "tool", id = "a", content = "06:12" },
      { role = "tool", id = "b", content = "no such port", failed = true },
      { role = "user", content = "And?" },
    })
    assert.equal("Be brief.", request.body.system)
    assert.equal('[{"role":"user","content":[{"type":"image","source":{"type":"base64","data":'
      .. '"YWJjZA==","media_type":"image/png"}},{"type":"image","source":{"type":"url","url":'
      .. '"http://a/b.png"}},{"type":"document","source":{"type":"base64","data":"YWI=",'
      .. '"media_type":"application/pdf"},"title":"a.pdf"}]},{"role":"assistant","content":['
      .. '{"type":"text","text":"Hm."},{"type":"tool_use","id":"a","name":"tide","input":'
      .. '{"port":"Kiel"}},{"type":"tool_use","id":"b","name":"now","input":{}}]},'
      .. '{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":"06:12"},'
      .. '{"type":"tool_result","tool_use_id":"b","content":"no such port","is_error":true},'
      .. '{"type":"text","text":"And?"}]}]', request.bytes:match('"messages":(.*)}$'))
  end)
end)

describe("a turn in which the model said nothing", function()
  it("is left out", function()
    local silent = { { role = "user", content = "a" }, { role = "assistant", content = "" },
      { role = "user", content = "b" } }
    local _, request = ask(TEXT, silent)
    assert.equal('[{"role":"user","content":[{"type":"text","text":"a"},'
      .. '{"type":"text","text":"b"}]}]', request.bytes:match('"messages":(.*)}$'))
    local http = wire.transport { body = wire.sse {
      { candidates = { { finishReason = "STOP" } } } } }
    wire.client(http, { provider = "gemini" }):reply(silent)
    assert.equal('[{"role":"user","parts":[{"text":"a"},{"text":"b"}]}]',
      http.requests[1].bytes:match('"contents":(.*)}$'))
  end)
end)

describe("a stream of messages", function()
  it("is put together, its usage cumulative and with the cache in the input", function()
    local reply = ask(TEXT)
    assert.same({ "High at noon.", "stop", "tide-1-0" }, { reply.text, reply.stop, reply.model })
    assert.same({ input = 18, cached = 5, cache_write = 3, output = 9, reasoning = 0 }, reply.usage)
    assert.is_nil(reply.message.vendor)
    local events = { table.unpack(TEXT) }
    table.insert(events, 8, { type = "message_delta", delta = {}, usage = { input_tokens = 12,
      output_tokens = 4, output_tokens_details = { thinking_tokens = 2 } } })
    assert.same({ input = 20, cached = 5, cache_write = 3, output = 9, reasoning = 2 },
      ask(events).usage)
  end)

  it("has calls, whose arguments may be none", function()
    local reply = ask(CALLS)
    assert.same({ { id = "toolu_1", name = "tide", arguments = '{"port": "Kiel"}' },
      { id = "toolu_2", name = "now", arguments = "{}" } }, reply.calls)
    assert.same({ "tools", "Let me see.", "Two calls." },
      { reply.stop, reply.text, reply.reasoning })
  end)

  it("has thinking that goes back as it came, and in its order, also through JSON", function()
    local http = wire.transport({ body = wire.named_sse(CALLS) }, { body = wire.named_sse(TEXT) })
    local client = wire.client(http, OPTS)
    local message = client:reply("When?").message
    local results = { { role = "tool", id = "toolu_1", content = "06:12" },
      { role = "tool", id = "toolu_2", content = "05:00" } }
    client:reply { message, results[1], results[2] }
    client:reply { json.decode(json.encode(message)), results[1], results[2] }
    assert.same(json.array { { type = "thinking", thinking = "Two calls.", signature = "EqQB" },
      { type = "redacted_thinking", data = "x9" }, { type = "text", text = "Let me see." },
      { type = "tool_use", id = "toolu_1", name = "tide", input = { port = "Kiel" } },
      { type = "tool_use", id = "toolu_2", name = "now", input = {} },
    }, http.requests[2].body.messages[1].content)
    assert.equal(http.requests[2].bytes, http.requests[3].bytes)
    -- Another vendor gets what it understands.
    local other = wire.transport { body = wire.sse { { choices = { { delta = {},
      finish_reason = "stop" } } } } }
    wire.client(other):reply { message, results[1], results[2] }
    assert.equal("Let me see.", other.requests[1].body.messages[1].content)
    assert.equal(2, #other.requests[1].body.messages[1].tool_calls)
  end)

  it("may have blocks, deltas and events of types that nobody knows yet", function()
    local events = { START, { type = "news" }, start(0, { type = "server_thing", id = "s1" }),
      delta(0, "strange_delta", "x", "y"), stop(0), delta(7, "text_delta", "text", "nowhere"),
      start(1, { type = "text", text = "" }), delta(1, "text_delta", "text", "Noon."),
      delta(1, "citations_delta", "citation", { a = 1 }), last("pause_turn", 3), END }
    local reply = ask(events)
    assert.same({ "Noon.", "pause" }, { reply.text, reply.stop })
    assert.same({ { id = "s1", type = "server_thing" }, { text = "Noon.", type = "text" } },
      { table.unpack(json.decode(reply.message.vendor.anthropic)) })
  end)

  it("ends for the reasons that there are", function()
    for reason, expected in pairs { end_turn = "stop", stop_sequence = "stop", tool_use = "tools",
      max_tokens = "length", refusal = "filter", pause_turn = "pause",
      model_context_window_exceeded = "context", strange = "other" } do
      local events = { table.unpack(TEXT) }
      events[8] = last(reason, 9)
      assert.equal(expected, ask(events).stop)
    end
  end)

  it("is whole, or kind broken, wherever it is cut", function()
    local body = wire.named_sse(TEXT)
    local whole = body:find("message_delta", 1, true)
    for length, reply in pairs(wire.cut(body, OPTS)) do
      assert.is_true(length > whole)
      assert.equal("High at noon.", reply.text)
    end
  end)
end)

describe("messages without a stream", function()
  it("are the same reply", function()
    local http = wire.transport { kind = "application/json", body = json.encode {
      type = "message", model = "tide-1-0", stop_reason = "tool_use", content = {
        { type = "thinking", thinking = "Hm.", signature = "EqQB" },
        { type = "text", text = "Let me see." },
        { type = "tool_use", id = "a", name = "tide", input = { port = "Kiel" } } },
      usage = { input_tokens = 3, output_tokens = 2 } } }
    local reply = wire.client(http, OPTS):reply("When?")
    assert.same({ "Hm.", "Let me see.", "tools", 3, 2 }, { reply.reasoning, reply.text, reply.stop,
      reply.usage.input, reply.usage.output })
    assert.same({ { id = "a", name = "tide", arguments = '{"port":"Kiel"}' } }, reply.calls)
    assert.matches("EqQB", reply.message.vendor.anthropic, 1, true)
  end)
end)

describe("a failure of messages", function()
  local function failure(answer)
    local client = wire.client(wire.transport(answer), { provider = "anthropic", key = "k",
      max_retries = 1 })
    return helper.refused("llm", client.reply, client, "When is high tide?")
  end

  local function said(kind, message, details)
    return { type = "error", error = { type = kind, message = message, details = details },
      request_id = "req_1" }
  end

  it("has a kind by its type", function()
    for _, case in ipairs {
      { 400, "invalid_request_error", "request" }, { 401, "authentication_error", "auth" },
      { 402, "billing_error", "quota" }, { 403, "permission_error", "auth" },
      { 413, "request_too_large", "request" }, { 429, "rate_limit_error", "rate" },
      { 500, "api_error", "server" }, { 504, "timeout_error", "server" },
      { 529, "overloaded_error", "overloaded" },
    } do
      local err = failure { status = case[1], kind = "application/json",
        body = json.encode(said(case[2], "Sorry.")) }
      assert.same({ case[3], "req_1", ("Sorry. (status %d)"):format(case[1]) },
        { err.kind, err.request_id, err.message })
    end
    assert.equal("model", failure({ status = 404, kind = "application/json",
      body = json.encode(said("not_found_error", "model not found: tide-1")) }).kind)
    assert.equal("context", failure({ status = 400, kind = "application/json", body = json.encode(
      said("invalid_request_error", "prompt is too long: 9 tokens > 8 maximum")) }).kind)
  end)

  it("is a spent quota where the limit is one of money", function()
    local err = failure { status = 429, kind = "application/json", body = json.encode(said(
      "rate_limit_error", "Sorry.", { error_code = "enforced_spend_limit_reached" })) }
    assert.same({ "quota", false }, { err.kind, err.retryable })
  end)

  it("may come anywhere in a stream, whose status is 200", function()
    for n = 0, #TEXT - 2 do
      local events = table.move(TEXT, 1, n, 1, {})
      events[n + 1] = said("overloaded_error", "Overloaded")
      local err = failure { body = wire.named_sse(events) }
      assert.same({ "overloaded", 200, "Overloaded" }, { err.kind, err.status, err.message })
      if n >= 4 then assert.matches("^High ", err.partial.text) end
      if n >= 1 then assert.equal(18, err.usage.input) end
    end
  end)
end)
