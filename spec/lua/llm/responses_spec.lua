-- The Responses of OpenAI: the request, the stream and its oddities, errors.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local json = require "neap.json"
local streams = require "spec.streams"
local wire = require "spec.llm"

local OPTS = { provider = "responses", key = "sk-1" }

local event, completed = streams.responses.event, streams.responses.completed
local REASONING, MESSAGE = streams.responses.reasoning, streams.responses.message
local CALL, USAGE = streams.responses.call, streams.responses.usage
local TEXT, CALLS = streams.responses.text, streams.responses.calls
local DELTA = TEXT[8] -- "High "

local function ask(events, prompt, opts)
  local http = wire.transport { body = wire.named_sse(events) }
  return wire.client(http, OPTS):reply(prompt or "When?", opts), http.requests[1]
end

describe("a request for a response", function()
  it("has its keys in an order, and leaves no state on the server", function()
    local _, request = ask(TEXT, "When?", { system = "Be brief.", max_tokens = 40, temperature = 1,
      reasoning = "low", tools = { { name = "tide", parameters = { type = "object" } } },
      tool_choice = "tide" })
    assert.equal("http://m/v1/responses", request.url)
    assert.equal("Bearer sk-1", request.headers.authorization)
    assert.equal('{"model":"tide-1","instructions":"Be brief.","tools":[{"type":"function",'
      .. '"name":"tide","parameters":{"type":"object"},"strict":false}],"tool_choice":{"type":'
      .. '"function","name":"tide"},"reasoning":{"effort":"low"},"temperature":1,'
      .. '"max_output_tokens":40,"store":false,"include":["reasoning.encrypted_content"],'
      .. '"stream":true,"input":[{"role":"user","content":"When?"}]}', request.bytes)
  end)

  it("has the turns so far", function()
    local _, request = ask(TEXT, {
      { role = "user", content = { { type = "text", text = "This?" },
        { type = "image", data = "abcd", mime = "image/png" } } },
      { role = "assistant", content = "Hm.", calls = {
        { id = "call_1", name = "tide", arguments = '{"port":"Kiel"}' } } },
      { role = "tool", id = "call_1", content = "06:12" },
    })
    assert.equal('[{"role":"user","content":[{"type":"input_text","text":"This?"},{"type":'
      .. '"input_image","image_url":"data:image/png;base64,YWJjZA=="}]},{"role":"assistant",'
      .. '"content":"Hm."},{"type":"function_call","call_id":"call_1","name":"tide","arguments":'
      .. '"{\\"port\\":\\"Kiel\\"}"},{"type":"function_call_output","call_id":"call_1",'
      .. '"output":"06:12"}]', request.bytes:match('"input":(.*)}$'))
  end)
end)

describe("a stream of a response", function()
  it("is put together", function()
    local reply = ask(TEXT)
    assert.same({ "High at noon.", "Hm.", "stop", "tide-1-0" },
      { reply.text, reply.reasoning, reply.stop, reply.model })
    assert.same({ input = 30, cached = 20, cache_write = 2, output = 9, reasoning = 4 },
      reply.usage)
  end)

  it("has calls in pieces, or whole", function()
    local calls = { { id = "call_1", name = "tide", arguments = '{"port":"Kiel"}' } }
    assert.same(calls, ask(CALLS).calls)
    assert.equal("tools", ask(CALLS).stop)
    assert.same(calls, ask({ CALLS[4], CALLS[8], completed() }).calls)
    assert.same(calls, ask({ CALLS[8], completed() }).calls)
  end)

  it("has items that go back as they came", function()
    local http = wire.transport({ body = wire.named_sse(CALLS) },
      { body = wire.named_sse(TEXT) })
    local client = wire.client(http, OPTS)
    local message = json.decode(json.encode(client:reply("When?").message))
    client:reply { { role = "user", content = "When?" }, message,
      { role = "tool", id = "call_1", content = "06:12" } }
    local input = http.requests[2].body.input
    assert.same({ 4, "gAAA", "fc_1", "call_1" }, { #input, input[2].encrypted_content, input[3].id,
      input[4].call_id })
  end)

  it("ends for the reasons that there are", function()
    assert.equal("length", ask({ DELTA, completed("incomplete", "max_output_tokens") }).stop)
    assert.equal("filter", ask({ DELTA, completed("incomplete", "content_filter") }).stop)
    assert.equal("other", ask({ DELTA, completed("incomplete", "strange") }).stop)
    assert.equal("filter", ask({ event("refusal.delta", { output_index = 0, delta = "I cannot." }),
      completed() }).stop)
    assert.equal("filter", ask({ event("output_item.done", { output_index = 0, item = {
      type = "message", content = { { type = "refusal", refusal = "I cannot." } } } }),
      completed() }).stop)
  end)

  it("is whole, or kind broken, wherever it is cut", function()
    local body = wire.named_sse(TEXT)
    for length, reply in pairs(wire.cut(body, OPTS)) do
      assert.equal(#body, length)
      assert.equal("High at noon.", reply.text)
    end
  end)
end)

describe("a response without a stream", function()
  it("is the same reply", function()
    local http = wire.transport { kind = "application/json", body = json.encode {
      status = "completed", model = "tide-1-0", error = json.null, usage = USAGE,
      output = { REASONING, MESSAGE, CALL } } }
    local reply = wire.client(http, OPTS):reply("When?")
    assert.same({ "High at noon.", "Hm.", "tools", 30 },
      { reply.text, reply.reasoning, reply.stop, reply.usage.input })
    assert.same({ { id = "call_1", name = "tide", arguments = '{"port":"Kiel"}' } }, reply.calls)
  end)
end)

describe("a failure of a response", function()
  local function failure(answer)
    local client = wire.client(wire.transport(answer), { provider = "responses", max_retries = 1 })
    return helper.refused("llm", client.reply, client, "When is high tide?")
  end

  it("may have a status, or be an event, in each of the forms", function()
    for _, data in ipairs {
      { type = "error", code = "rate_limit_exceeded", message = "Slowly." },
      { type = "error", error = { code = "rate_limit_exceeded", message = "Slowly." } },
      event("failed", { response = { status = "failed",
        error = { code = "rate_limit_exceeded", message = "Slowly." } } }),
    } do
      local err = failure { body = wire.named_sse { DELTA, data } }
      assert.same({ "rate", 200, "Slowly.", "High " },
        { err.kind, err.status, err.message, err.partial.text })
    end
    local err = failure { kind = "application/json", body = json.encode { status = "failed",
      error = { code = "server_error", message = "Sorry." }, output = json.array {} } }
    assert.same({ "server", "Sorry." }, { err.kind, err.message })
    assert.equal("context", failure({ status = 400, kind = "application/json", body = json.encode {
      error = { code = "context_length_exceeded", message = "x" } } }).kind)
  end)
end)
