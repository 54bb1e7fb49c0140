-- Values that fit a schema: how each vendor is asked, what a refusal does, and how often
-- a model is asked again.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local json = require "neap.json"
local llm = require "neap.llm"
local neap = require "neap"
local wire = require "spec.llm"

local Tide = llm.schema { "port: string", "high: number?" }
local GOOD = '{"port": "Kiel", "high": null}'

local function said(text, reason)
  return { body = wire.sse { { choices = { { delta = { content = text },
    finish_reason = reason or "stop" } } }, { choices = json.array {},
    usage = { prompt_tokens = 7, completion_tokens = 4 } }, "[DONE]" } }
end

local function called(arguments, name)
  return { body = wire.sse { { choices = { { delta = { tool_calls = { { index = 0, id = "c1",
    ["function"] = { name = name or "answer", arguments = arguments } } } },
    finish_reason = "tool_calls" } } } } }
end

local function refused(message, param)
  return { status = 400, kind = "application/json",
    body = json.encode { error = { message = message, param = param } } }
end

describe("object", function()
  it("gives a value that fits, without its nulls", function()
    local value, reply = wire.client(wire.transport(said(GOOD))):object(Tide, "When?")
    assert.same({ port = "Kiel" }, value)
    assert.same({ "stop", 1, 7 }, { reply.stop, reply.attempts, reply.usage.input })
  end)

  it("takes fields in the place of a schema, and finds them among words", function()
    local client = wire.client(wire.transport(said("See [1]:\n```json\n" .. GOOD .. "\n```")))
    assert.same({ port = "Kiel" }, (client:object({ "port: string", "high: any|none?" }, "When?")))
  end)

  local own = '{"type":"object","properties":{"port":{"type":"string"},"high":{"type":'
    .. '["number","null"]}},"required":["port","high"],"additionalProperties":false}'
  local mechanisms = {
    openai = { body = wire.sse { { choices = { { message = { content = GOOD } } } } },
      '"response_format":{"type":"json_schema","json_schema":{"name":"answer","strict":true,'
        .. '"schema":' .. own .. "}}" },
    responses = { body = json.encode { output = { { type = "message", content = { {
      type = "output_text", text = GOOD } } } } }, kind = "application/json",
      '"text":{"format":{"type":"json_schema","name":"answer","strict":true,"schema":'
        .. own .. "}}" },
    anthropic = { body = json.encode { content = { { type = "text", text = GOOD } },
      stop_reason = "end_turn" }, kind = "application/json",
      '"output_config":{"format":{"type":"json_schema","schema":' .. own .. "}}" },
    gemini = { body = wire.sse { { candidates = { { content = { parts = { { text = GOOD } } },
      finishReason = "STOP" } } } },
      '"generationConfig":{"responseJsonSchema":' .. own
        .. ',"responseMimeType":"application/json"}' },
    ollama = { body = json.encode { message = { content = GOOD }, done = true } .. "\n",
      kind = "application/x-ndjson", '"format":' .. own },
  }
  for provider, case in pairs(mechanisms) do
    it(("asks %s by its own mechanism"):format(provider), function()
      local http = wire.transport { body = case.body, kind = case.kind }
      local client = wire.client(http, { provider = provider })
      assert.same({ port = "Kiel" }, (client:object(Tide, "When?")))
      assert.truthy(http.requests[1].bytes:find(case[1], 1, true), http.requests[1].bytes)
    end)
  end

  it("does not promise by the letter what a schema of one's own leaves open", function()
    local http = wire.transport(said(GOOD))
    wire.client(http):object({ type = "object", properties = { port = {} } }, "When?")
    assert.is_false(http.requests[1].body.response_format.json_schema.strict)
  end)

  it("asks for a call where the mechanism is refused, and remembers it", function()
    for _, refusal in ipairs { refused "response_format is not supported",
      refused("This is unavailable now", "response_format"),
      refused "no structured SCHEMA here" } do
      local http = wire.transport(refusal, called(GOOD))
      local client = wire.client(http, { tools = { { name = "other" } } })
      local value, reply = client:object(Tide, "When?")
      assert.same({ port = "Kiel" }, value)
      assert.equal(2, #http.requests)
      assert.equal(1, reply.attempts)
      assert.is_nil(http.requests[2].body.response_format)
      assert.equal("answer", http.requests[2].body.tools[1]["function"].name)
      assert.equal("answer", http.requests[2].body.tool_choice["function"].name)
      client:object(Tide, "And then?")
      assert.equal(3, #http.requests)
    end
  end)

  it("asks in the prompt where calls are refused, too", function()
    local http = wire.transport(refused "bad response_format", refused "does not support tools",
      said("Well: " .. GOOD))
    local prompt = { { role = "user", content = { { type = "text", text = "When?" } } } }
    local client = wire.client(http)
    assert.same({ port = "Kiel" }, (client:object(Tide, prompt)))
    assert.equal(1, #prompt[1].content)
    local asked = http.requests[3].body
    assert.is_nil(asked.tools)
    assert.is_nil(asked.tool_choice)
    assert.matches('Answer with JSON alone.*{"type":"object"', asked.messages[1].content[2].text)
    client:object(Tide, "When?")
    assert.matches("^When%?\n\nAnswer with JSON alone", http.requests[4].body.messages[1].content)
  end)

  it("asks in the prompt what is no object, and forgets nothing over it", function()
    local http = wire.transport(said("[1, 2]"), said(GOOD))
    local client = wire.client(http)
    local numbers = { type = "array", items = { type = "integer" } }
    assert.same({ 1, 2 }, (client:object(numbers, "How?")))
    assert.is_nil(http.requests[1].body.response_format)
    client:object(Tide, "When?")
    assert.truthy(http.requests[2].body.response_format)
  end)

  it("raises other refusals, and remembers no way that was refused", function()
    local http = wire.transport(refused "the temperature is too high")
    local err = helper.refused("llm", function() wire.client(http):object(Tide, "When?") end)
    assert.same({ "request", 1 }, { err.kind, #http.requests })
    http = wire.transport(refused "format", refused "tools", refused "image format", said(GOOD))
    local client = wire.client(http)
    err = helper.refused("llm", function() client:object(Tide, "When?") end)
    assert.same({ "request", 3 }, { err.kind, #http.requests })
    client:object(Tide, "When?")
    assert.truthy(http.requests[4].body.response_format)
  end)

  it("asks again with what is wrong, and counts all of it", function()
    local http = wire.transport(said '{"port": 5}', said "I can't.", said(GOOD))
    local client = wire.client(http)
    local value, reply = client:object(Tide, "When?")
    assert.same({ port = "Kiel" }, value)
    assert.same({ 3, 21, 12 }, { reply.attempts, reply.usage.input, reply.usage.output })
    assert.equal(21, client.usage.input)
    local messages = http.requests[3].body.messages
    assert.equal(5, #messages)
    assert.equal('{"port": 5}', messages[2].content)
    assert.equal("This does not fit:\n$.port: string expected, got integer\n"
      .. "Answer once more, with the whole of it.", messages[3].content)
    assert.matches("$: there is no JSON", messages[5].content, 1, true)
  end)

  it("answers calls that do not fit with a failed result", function()
    local http = wire.transport(refused "response_format", called '{"port":', called(GOOD))
    wire.client(http):object(Tide, "When?")
    local messages = http.requests[3].body.messages
    assert.same({ "user", "assistant", "tool" },
      { messages[1].role, messages[2].role, messages[3].role })
    assert.equal("c1", messages[3].tool_call_id)
  end)

  it("raises kind schema when nothing has fitted", function()
    local http = wire.transport(said '{"port": 5}')
    local err = helper.refused("llm", function()
      wire.client(http):object(Tide, "When?", { attempts = 2 })
    end)
    assert.same({ "schema", 2, 2, 14, false, '{"port": 5}' },
      { err.kind, #http.requests, err.attempts, err.usage.input, err.retryable, err.text })
    assert.same({ { path = "$.port", message = "string expected, got integer" } }, err.errors)
    assert.equal("no answer has fitted the schema; the last does not at $.port", err.message)
  end)

  it("does not ask again when an answer was cut off, or refused", function()
    for reason, kind in pairs { length = "length", content_filter = "filter" } do
      local http = wire.transport(said('{"port": "Ki', reason))
      local err = helper.refused("llm", function() wire.client(http):object(Tide, "When?") end)
      assert.same({ kind, 1 }, { err.kind, #http.requests })
      assert.equal('{"port": "Ki', err.partial.text)
    end
    local err = helper.refused("llm", function()
      wire.client(wire.transport(called("{}", "other"))):object(Tide, "When?")
    end)
    assert.equal("tools", err.kind)
  end)

  it("counts what was spent before an error", function()
    local http = wire.transport(said "no", { status = 401, body = "{}" })
    local err = helper.refused("llm", function() wire.client(http):object(Tide, "When?") end)
    assert.same({ "auth", 7, 2 }, { err.kind, err.usage.input, err.attempts })
  end)

  it("has one limit of time for all that it asks", function()
    neap.testing.run(function()
      local fake <close> = neap.testing.http { ["POST http://m/v1/chat/completions"] = {
        delay = 2, json = { choices = { { message = { content = "no" } } } } } }
      local client = llm.new { url = "http://m", model = "m", timeout = 5 }
      helper.refused("timeout", client.object, client, Tide, "When?", { attempts = 9 })
      assert.equal(5, neap.now())
      assert.equal(3, #fake.requests)
    end)
  end)

  it("asks a fake, and a cassette, as it would a vendor", function()
    local fake = llm.fake { '{"port": 5}', GOOD }
    local value, reply = fake:object(Tide, "When?")
    assert.same({ port = "Kiel" }, value)
    assert.equal(2, reply.attempts)
    assert.equal("When?", fake.requests[1].messages[1].content)
    assert.same(Tide, fake.requests[1].options.schema.schema)

    local path = helper.tmpdir() .. "/tides"
    local http = wire.transport(refused "no response_format", called '{"port": 5}', called(GOOD))
    assert.same({ port = "Kiel" },
      (llm.record(path, wire.client(http)):object(Tide, "When?")))
    local player = llm.replay(path, { model = "tide-1" })
    assert.same({ port = "Kiel" }, (player:object(Tide, "When?")))
    helper.refused("llm", player.object, player, { "height: number" }, "When?")
  end)

  it("refuses what is no schema, and tools", function()
    local client = wire.client(wire.transport(said(GOOD)))
    assert.matches("object: a schema is a list of fields or a JSON Schema, got string",
      helper.misused(client.object, client, "port", "When?"))
    assert.matches("object: it has no tools; an agent has",
      helper.misused(client.object, client, Tide, "When?", { tool_choice = "none" }))
    assert.matches("bad argument #1 to 'object'", helper.misused(client.object, client, Tide, {}))
  end)

  it("offline says what to set", function()
    local client = llm.new { provider = "offline" }
    local err = helper.refused("llm", client.object, client, Tide, "When?")
    assert.equal("model", err.kind)
    assert.matches("NEAP_LLM_URL", err.message)
  end)
end)
