-- Chat completions: the request, the stream and its oddities, errors.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local json = require "neap.json"
local llm = require "neap.llm"
local streams = require "spec.streams"
local wire = require "spec.llm"

local null = json.null

local chunk, fragment = streams.openai.chunk, streams.openai.fragment
local TEXT, CALLS = streams.openai.text, streams.openai.calls

local function reply_to(events, opts)
  local http = wire.transport { body = type(events) == "string" and events or wire.sse(events) }
  return wire.client(http, opts):reply("When?"), http
end

describe("a request for chat completions", function()
  local function request(prompt, opts, client)
    local http = wire.transport { body = wire.sse(TEXT) }
    wire.client(http, client):reply(prompt, opts)
    return http.requests[1]
  end

  it("has its keys in an order that leaves what stays the same in front", function()
    local tool = { name = "tide", description = "high water",
      parameters = json.object({ type = "object", properties = { port = { type = "string" } } },
        { "type", "properties" }) }
    assert.equal('{"model":"tide-1","tools":[{"type":"function","function":{"name":"tide",'
      .. '"description":"high water","parameters":{"type":"object","properties":{"port":'
      .. '{"type":"string"}}}}}],"tool_choice":"auto","reasoning_effort":"low","temperature":0.5,'
      .. '"max_completion_tokens":40,"stop":"\\n","seed":7,"stream":true,'
      .. '"stream_options":{"include_usage":true},"messages":[{"role":"system","content":'
      .. '"Be brief."},{"role":"user","content":"When?"}],"top_p":0.9}',
      request("When?", { tools = { tool }, tool_choice = "auto", reasoning = "low",
        temperature = 0.5, max_tokens = 40, stop = "\n", seed = 7, system = "Be brief.",
        extra = { top_p = 0.9 } }).bytes)
  end)

  it("has nothing that was not asked for", function()
    assert.equal('{"model":"tide-1","stream":true,"stream_options":{"include_usage":true},'
      .. '"messages":[{"role":"user","content":"When?"}]}', request("When?").bytes)
  end)

  it("has the turns so far: calls, results, pictures, files", function()
    local messages = {
      { role = "user", content = { { type = "text", text = "This?" },
        { type = "image", data = "abcd", mime = "image/png" },
        { type = "image", url = "http://a/b.png" },
        { type = "file", data = "ab", mime = "application/pdf", name = "a.pdf" } } },
      { role = "assistant", content = "", calls = {
        { id = "call_1", name = "tide", arguments = '{"port":"Kiel"}' } } },
      { role = "tool", id = "call_1", content = "06:12" },
    }
    assert.same({
      { role = "user", content = json.array { { type = "text", text = "This?" },
        { type = "image_url", image_url = { url = "data:image/png;base64,YWJjZA==" } },
        { type = "image_url", image_url = { url = "http://a/b.png" } },
        { type = "file", file = { file_data = "data:application/pdf;base64,YWI=",
          filename = "a.pdf" } } } },
      { role = "assistant", content = null, tool_calls = json.array { { id = "call_1",
        type = "function", ["function"] = { name = "tide", arguments = '{"port":"Kiel"}' } } } },
      { role = "tool", content = "06:12", tool_call_id = "call_1" },
    }, request(messages).body.messages)
  end)

  it("names the tool that has to be called", function()
    assert.same({ type = "function", ["function"] = { name = "tide" } },
      request("When?", { tools = { { name = "tide" } }, tool_choice = "tide" }).body.tool_choice)
  end)

  it("goes to an address that has its version once", function()
    for base, url in pairs {
      ["http://m"] = "http://m/v1/chat/completions",
      ["http://m/"] = "http://m/v1/chat/completions",
      ["http://m/v1"] = "http://m/v1/chat/completions",
      ["http://m/v1/?a=b"] = "http://m/v1/chat/completions?a=b",
      ["http://m/api/v3"] = "http://m/api/v3/chat/completions",
      ["http://m/v1beta/openai"] = "http://m/v1beta/openai/chat/completions",
      ["http://m/proxy/chat/completions"] = "http://m/proxy/chat/completions",
      ["http://v1.m"] = "http://v1.m/v1/chat/completions",
    } do
      assert.equal(url, request("When?", nil, { url = base }).url)
    end
  end)

  it("has the key as a bearer token, and headers that win over it", function()
    local headers = request("When?", { headers = { ["X-Harbour"] = "north" } },
      { key = "sk-1", headers = { ["X-Ship"] = 7 } }).headers
    assert.same({ authorization = "Bearer sk-1", ["x-harbour"] = "north", ["x-ship"] = 7,
      ["content-type"] = "application/json" }, headers)
    headers = request("When?", { headers = { Authorization = "Basic x" } },
      { key = "sk-1" }).headers
    assert.equal("Basic x", headers.authorization)
  end)
end)

describe("a stream of chat completions", function()
  it("is put together", function()
    local reply = reply_to(TEXT)
    assert.equal("High at noon.", reply.text)
    assert.equal("stop", reply.stop)
    assert.equal("tide-1-0", reply.model)
    assert.same({ input = 31, cached = 20, cache_write = 0, output = 9, reasoning = 4 },
      reply.usage)
    assert.same({ role = "assistant", content = "High at noon." }, reply.message)
    assert.same({}, reply.calls)
  end)

  it("needs no mark at its end where there is a finish_reason", function()
    assert.equal("High at noon.", reply_to { TEXT[2], TEXT[3], TEXT[4] }.text)
    assert.equal("stop", reply_to { TEXT[2], "[DONE]" }.stop)
  end)

  it("has calls in fragments, by their index", function()
    local reply = reply_to(CALLS)
    assert.equal("tools", reply.stop)
    assert.same({ { id = "call_1", name = "tide", arguments = '{"port":"Kiel"}' },
      { id = "call_2", name = "wind", arguments = "{}" } }, reply.calls)
    assert.same(reply.calls, reply.message.calls)
  end)

  local odd = {
    ["all with the index 0"] = { fragment(0, "a", "tide", '{"n":1}'),
      fragment(0, "b", "tide", '{"n":2}') },
    ["without an index"] = { fragment(nil, "a", "tide", '{"n":'), fragment(nil, nil, nil, "1}"),
      fragment(nil, "b", "tide", '{"n":2}') },
    ["with the name in each fragment"] = { fragment(0, "a", "tide", '{"n":'),
      fragment(0, "a", "tide", "1}"), fragment(1, "b", "tide", '{"n":2}') },
    ["in one delta each"] = { fragment(0, "a", "tide", '{"n":1}'),
      fragment(1, "b", "tide", '{"n":2}') },
  }
  for what, fragments in pairs(odd) do
    it("has calls " .. what, function()
      local events = {}
      for i, each in ipairs(fragments) do events[i] = chunk { tool_calls = { each } } end
      events[#events + 1] = chunk({}, "stop")
      local reply = reply_to(events)
      assert.equal("tools", reply.stop)
      assert.same({ { id = "a", name = "tide", arguments = '{"n":1}' },
        { id = "b", name = "tide", arguments = '{"n":2}' } }, reply.calls)
    end)
  end

  it("has reasoning under either name, and among the parts of a content", function()
    for _, delta in ipairs {
      { reasoning_content = "Hm. " }, { reasoning = "Hm. " },
      { content = { { type = "thinking", thinking = { { type = "text", text = "Hm. " } } } } },
    } do
      local reply = reply_to { chunk(delta),
        chunk { content = { { type = "text", text = "Noon." } } }, chunk({}, "stop") }
      assert.equal("Hm. ", reply.reasoning)
      assert.equal("Noon.", reply.text)
    end
  end)

  it("has reasoning_content, and signatures, that go back with their calls", function()
    local http = wire.transport { body = wire.sse {
      chunk { reasoning_content = "Look " }, chunk { reasoning_content = "it up." },
      chunk { tool_calls = { { index = 0, id = "a", ["function"] = { name = "tide",
        arguments = "{}" }, extra_content = { google = { thought_signature = "AbC=" } } } } },
      chunk({}, "tool_calls") } }
    local client = wire.client(http)
    local message = json.decode(json.encode(client:reply("When?").message))
    client:reply { { role = "user", content = "When?" }, message,
      { role = "tool", id = "a", content = "06:12" } }
    local sent = http.requests[2].body.messages[2]
    assert.equal("Look it up.", sent.reasoning_content)
    assert.equal("AbC=", sent.tool_calls[1].extra_content.google.thought_signature)

    local elsewhere = wire.transport { body = wire.sse(TEXT) }
    wire.client(elsewhere, { url = "http://other" }):reply { message }
    sent = elsewhere.requests[1].body.messages[1]
    assert.is_nil(sent.reasoning_content)
    assert.is_nil(sent.tool_calls[1].extra_content)
  end)

  it("ends for the reasons that there are", function()
    for reason, stop in pairs { stop = "stop", length = "length", content_filter = "filter",
      tool_calls = "tools", function_call = "tools", strange = "other" } do
      assert.equal(stop, reply_to { chunk({ content = "x" }, reason) }.stop)
    end
    assert.equal("filter", reply_to { chunk { refusal = "I cannot." }, chunk({}, "stop") }.stop)
  end)

  it("may have null and nothing anywhere", function()
    local reply = reply_to { { choices = null }, { usage = { prompt_tokens = null } },
      { choices = { null } }, { choices = { { delta = null, finish_reason = null } } },
      chunk { content = null, tool_calls = null, reasoning = null, refusal = null },
      chunk({ content = "x" }, "stop"), { choices = json.array {}, usage = null } }
    assert.equal("x", reply.text)
    assert.equal(0, reply.usage.input)
  end)

  it("is the same in whatever pieces it comes", function()
    local body = ": waking up\n\n" .. wire.sse(TEXT)
    for size = 1, 64 do
      local http = wire.transport { body = body, size = size }
      assert.equal("High at noon.", wire.client(http):reply("When?").text)
    end
  end)

  it("is whole, or kind broken, wherever it is cut", function()
    local body = wire.sse(TEXT)
    local whole = body:find('"finish_reason":"stop"', 1, true)
    for length = 0, #body do
      local http = wire.transport { body = body:sub(1, length) }
      local client = wire.client(http, { max_retries = 1 })
      local ok, reply = pcall(client.reply, client, "When?")
      if ok then
        assert.is_true(length > whole)
        assert.equal("High at noon.", reply.text)
      else
        assert.same({ "llm", "broken", true }, { reply.code, reply.kind, reply.retryable })
        assert.is_nil(body:sub(1, length):find('"finish_reason":"stop".-\n\n'))
        if reply.partial then assert.is_nil(reply.partial.stop) end
      end
    end
  end)

  it("keeps what Lua has not out of the way", function()
    local reply = reply_to('data: {"choices":[{"delta":{"content":"a\\ud800b","x":'
      .. '123456789012345678901234567890},"finish_reason":"stop"}]}\n\n')
    assert.equal("a\u{FFFD}b", reply.text)
  end)
end)

describe("chat completions without a stream", function()
  local function whole(message, reason)
    local http = wire.transport { kind = "application/json", body = json.encode {
      model = "tide-1-0", choices = { { message = message, finish_reason = reason } },
      usage = { prompt_tokens = 3, completion_tokens = 2 } } }
    return wire.client(http):reply("When?")
  end

  it("are the same reply", function()
    local reply = whole({ content = "At noon." }, "stop")
    assert.equal("At noon.", reply.text)
    assert.equal(3, reply.usage.input)
    assert.equal("stop", whole({ content = "At noon." }).stop)
    reply = whole({ content = null, tool_calls = { { id = "a", type = "function",
      ["function"] = { name = "tide", arguments = "{}" } } } }, "tool_calls")
    assert.same({ { id = "a", name = "tide", arguments = "{}" } }, reply.calls)
    assert.equal("tools", reply.stop)
    assert.equal("filter", whole({ content = null, refusal = "I cannot." }, "stop").stop)
  end)
end)

describe("a failure of chat completions", function()
  local function failure(answer)
    if type(answer.body) == "table" then
      answer.body, answer.kind = json.encode(answer.body), "application/json"
    end
    local client = wire.client(wire.transport(answer), { max_retries = 1 })
    return helper.refused("llm", client.chat, client, "When is high tide?")
  end

  local function said(fields)
    return { error = fields }
  end

  it("has a kind by what the body says, else by the status", function()
    for _, case in ipairs {
      { 401, said { message = "Incorrect API key" }, "auth" },
      { 402, said { message = "Insufficient Balance" }, "quota" },
      { 403, said { message = "Not yours" }, "auth" },
      { 404, said { message = "The model `x` does not exist", code = "model_not_found" }, "model" },
      { 404, said { message = "no such page" }, "request" },
      { 400, said { message = "x", code = "context_length_exceeded" }, "context" },
      { 400, said { message = "This model's maximum context length is 8192 tokens" }, "context" },
      { 400, said { message = "x", code = "content_filter" }, "filter" },
      { 400, said { message = "Unknown parameter", type = "invalid_request_error" }, "request" },
      { 408, "", "server" }, { 409, "", "server" }, { 500, "", "server" },
      { 502, "<html>", "server" },
      { 429, said { message = "slow", code = "rate_limit_exceeded" }, "rate" },
      { 429, said { message = "no money", type = "insufficient_quota" }, "quota" },
      { 503, "", "overloaded" }, { 529, "", "overloaded" },
    } do
      local err = failure { status = case[1], body = case[2] }
      assert.equal(case[3], err.kind)
      assert.equal(case[1], err.status)
      local again = { rate = true, overloaded = true, server = true }
      assert.equal(again[case[3]] or false, err.retryable)
    end
  end)

  it("may come with status 200, as a body or as an event", function()
    for kind, fields in pairs {
      rate = { message = "Provider returned error", code = 429, metadata = { raw = "..." } },
      auth = { message = "Invalid API key", code = 401 },
      quota = { message = "x", code = "insufficient_quota" },
      overloaded = { message = "x", type = "overloaded_error" },
      server = "upstream timed out",
      model = "no such model",
      request = { message = "x", type = "invalid_request_error" },
    } do
      assert.equal(kind, failure { body = said(fields) }.kind)
      local late = wire.sse { chunk { content = "Hi" }, said(fields) }
      assert.equal(kind, failure({ body = late }).kind)
      local named = wire.sse { { event = "error", data = said(fields) } }
      assert.equal(kind, failure({ body = named }).kind)
    end
  end)

  it("says what the server says, and no more", function()
    local err = failure { status = 400, body = said { message = "Unknown parameter: 'foo'.",
      param = "secret" }, headers = { ["x-request-id"] = "req_1" } }
    assert.equal("Unknown parameter: 'foo'. (status 400)", err.message)
    assert.equal("req_1", err.request_id)
    assert.is_nil(err.body)
    assert.equal("the server has answered with status 500",
      failure({ status = 500, body = "<html>a page</html>" }).message)
    assert.equal("field required (status 422)", failure({ status = 422,
      body = { detail = { { msg = "field required", input = "When is high tide?" } } } }).message)
  end)

  it("is that of its status where its body breaks off", function()
    local err = failure { status = 429, headers = { ["retry-after"] = "7" }, body = "{",
      breaks = "gone" }
    assert.same({ "rate", 7 }, { err.kind, err.retry_after })
  end)

  it("says at which address a server has nothing to say", function()
    assert.equal("the server has answered with status 404 at http://m/v1/chat/completions; "
      .. "is the address right?",
      failure({ status = 404, body = "<html>Not found</html>" }).message)
  end)

  it("says of a stream without an answer that there is none", function()
    for events, message in pairs {
      [""] = "the stream ended before the answer began",
      ["data: [DONE]\n\n"] = "there is no answer in the stream",
      ['data: {"choices":[{"delta":{"content":"High"}}]}\n\n'] = "the answer has no end",
    } do
      local err = failure { body = events }
      assert.same({ "broken", message, true }, { err.kind, err.message, err.retryable })
    end
  end)

  it("says where and why a reply is no JSON", function()
    for body, message in pairs {
      [""] = "the reply is empty", ["\r\n"] = "the reply is empty",
      ["no page without marks"] =
        "the reply is no JSON but HTML or XML, from http://m/v1/chat/completions; "
        .. "is the address right?",
      [" <!doctype html><p>secret"] =
        "the reply is no JSON but HTML or XML, from http://m/v1/chat/completions; "
        .. "is the address right?",
    } do
      local err = failure { kind = "text/html", body = body }
      assert.same({ "broken", message }, { err.kind, err.message })
      assert.equal(body:find "%S" == nil, err.retryable)
    end
    local err = failure { kind = "application/json", body = '{"choices": [\n  tide]}' }
    assert.equal("broken", err.kind)
    assert.matches("it is no JSON at line 2, column %d", err.message)
    assert.is_nil(err.message:find("tide", 1, true))
    assert.equal("broken", failure({ kind = "text/html", body = "<html>" }).kind)
    assert.equal("broken", failure({ body = { choices = json.array {} } }).kind)
    assert.equal("broken", failure({ body = "data: {oops\n\n" }).kind)
  end)

  it("is refused a second time where the server's word is against it", function()
    assert.is_false(failure({ status = 500, headers = { ["x-should-retry"] = "false" } }).retryable)
    assert.is_true(failure({ status = 400, headers = { ["x-should-retry"] = "true" } }).retryable)
    assert.is_false(failure({ status = 429, headers = { ["x-should-retry"] = "true" },
      body = said { code = "insufficient_quota" } }).retryable)
  end)

  it("has the time that the server asks for, in each of the forms", function()
    local noon = "Fri, 17 Jul 2026 12:00:00 GMT"
    for value, seconds in pairs { ["0"] = 0, [" 120 "] = 120, ["1.5"] = 1.5,
      ["Fri, 17 Jul 2026 12:00:07 GMT"] = 7, ["Friday, 17-Jul-26 12:01:00 GMT"] = 60 } do
      assert.equal(seconds, failure({ status = 429, headers = { ["retry-after"] = value,
        date = noon } }).retry_after)
    end
    assert.equal(0.25, failure({ status = 429, headers = { ["retry-after-ms"] = "250",
      ["retry-after"] = "7" } }).retry_after)
    for _, value in ipairs { "", "soon", "-1" } do
      assert.is_nil(failure({ status = 429, headers = { ["retry-after"] = value } }).retry_after)
    end
  end)
end)

describe("llm.providers", function()
  it("has the providers by name, and no others", function()
    for _, name in ipairs { "openai", "responses", "anthropic", "gemini", "ollama", "offline" } do
      assert.equal(name, llm.providers[name].name)
    end
    assert.is_nil(llm.providers.none)
  end)
end)
