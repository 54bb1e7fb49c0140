-- generateContent of Gemini: the request, the stream and its oddities, errors.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local json = require "neap.json"
local wire = require "spec.llm"

local OPTS = { provider = "gemini", key = "AI-1" }

local function event(parts, reason, usage)
  return { candidates = { { content = { role = "model", parts = parts }, finishReason = reason,
    index = 0 } }, usageMetadata = usage, modelVersion = "tide-1-0" }
end

local TEXT = { event { { text = "Hm. ", thought = true } }, event { { text = "High " } },
  event({ { text = "at noon." } }, nil, { promptTokenCount = 20, candidatesTokenCount = 2 }),
  event({ { text = "" } }, "STOP", { promptTokenCount = 20, cachedContentTokenCount = 8,
    candidatesTokenCount = 4, thoughtsTokenCount = 3, totalTokenCount = 27 }) }

local function ask(events, prompt, opts)
  local http = wire.transport { body = wire.sse(events) }
  return wire.client(http, OPTS):reply(prompt or "When?", opts), http.requests[1]
end

describe("a request to generate content", function()
  it("names the model in its address, and has the key in a header", function()
    local _, request = ask(TEXT, "When?", { system = "Be brief." })
    assert.equal("http://m/v1beta/models/tide-1:streamGenerateContent?alt=sse", request.url)
    assert.equal("AI-1", request.headers["x-goog-api-key"])
    assert.equal('{"systemInstruction":{"parts":[{"text":"Be brief."}]},'
      .. '"contents":[{"role":"user","parts":[{"text":"When?"}]}]}', request.bytes)
  end)

  it("has all options in its own words", function()
    local _, request = ask(TEXT, "When?", { max_tokens = 40, stop = "x", temperature = 1, seed = 7,
      reasoning = "low", tool_choice = "tide", extra = { generationConfig = { topK = 3 } },
      tools = { { name = "tide", description = "high water", parameters = { type = "object" } } } })
    assert.same({ maxOutputTokens = 40, stopSequences = json.array { "x" }, temperature = 1,
      seed = 7, topK = 3, thinkingConfig = { includeThoughts = true, thinkingLevel = "LOW" } },
      request.body.generationConfig)
    assert.same({ functionCallingConfig = { mode = "ANY",
      allowedFunctionNames = json.array { "tide" } } }, request.body.toolConfig)
    assert.same({ name = "tide", description = "high water",
      parametersJsonSchema = { type = "object" } },
      request.body.tools[1].functionDeclarations[1])
    _, request = ask(TEXT, "When?", { reasoning = "none", tool_choice = "required",
      tools = { { name = "tide" } } })
    assert.same({ thinkingBudget = 0 }, request.body.generationConfig.thinkingConfig)
    assert.equal("ANY", request.body.toolConfig.functionCallingConfig.mode)
  end)

  it("has the turns so far", function()
    local _, request = ask(TEXT, {
      { role = "user", content = { { type = "image", data = "abcd", mime = "image/png" },
        { type = "image", url = "gs://a/b.png" } } },
      { role = "assistant", content = "", calls = {
        { id = "c1", name = "tide", arguments = '{"port":"Kiel"}' },
        { id = "neap_call_2", name = "now", arguments = "{}" } } },
      { role = "tool", id = "c1", content = "06:12" },
      { role = "tool", id = "neap_call_2", content = "no clock", failed = true },
      { role = "user", content = "And?" },
    })
    assert.equal('[{"role":"user","parts":[{"inlineData":{"mimeType":"image/png","data":'
      .. '"YWJjZA=="}},{"fileData":{"fileUri":"gs://a/b.png"}}]},{"role":"model","parts":['
      .. '{"functionCall":{"id":"c1","name":"tide","args":{"port":"Kiel"}}},'
      .. '{"functionCall":{"name":"now","args":{}}}]},{"role":"user","parts":['
      .. '{"functionResponse":{"id":"c1","name":"tide","response":{"result":"06:12"}}},'
      .. '{"functionResponse":{"name":"now","response":{"error":"no clock"}}},{"text":"And?"}]}]',
      request.bytes:match('"contents":(.*)}$'))
  end)
end)

describe("a stream of generated content", function()
  it("is put together, and its last usage counts", function()
    local reply = ask(TEXT)
    assert.same({ "High at noon.", "Hm. ", "stop", "tide-1-0" },
      { reply.text, reply.reasoning, reply.stop, reply.model })
    assert.same({ input = 20, cached = 8, cache_write = 0, output = 7, reasoning = 3 }, reply.usage)
    assert.is_nil(reply.message.vendor)
  end)

  it("has calls, with a name for those without an id", function()
    local reply = ask { event({ { functionCall = { name = "tide", args = { port = "Kiel" } } },
      { functionCall = { id = "c2", name = "now" } } }, "STOP") }
    assert.equal("tools", reply.stop)
    assert.same({ { id = "neap_call_1", name = "tide", arguments = '{"port":"Kiel"}' },
      { id = "c2", name = "now", arguments = "{}" } }, reply.calls)
    assert.equal("tools", ask({ event({ { functionCall = { name = "tide" } } }, "NEW") }).stop)
  end)

  it("has signatures that go back on their parts, which are not merged", function()
    local http = wire.transport({ body = wire.sse {
      event { { text = "Let " } }, event { { text = "me see." } },
      event { { functionCall = { name = "tide", args = { port = "Kiel" } },
        thoughtSignature = "AbC=" } },
      event({ { functionCall = { name = "tide", args = { port = "Emden" } } } }, "STOP"),
    } }, { body = wire.sse { event { { text = "Noon." } },
      event({ { text = "", thoughtSignature = "DeF=" } }, "STOP") } })
    local client = wire.client(http, OPTS)
    local messages = { { role = "user", content = "When?" } }
    messages[2] = client:reply(messages).message
    messages[3] = { role = "tool", id = "neap_call_1", content = "06:12" }
    messages[4] = { role = "tool", id = "neap_call_2", content = "07:12" }
    messages[5] = client:reply(json.decode(json.encode(messages))).message
    messages[6] = { role = "user", content = "And?" }
    client:reply(messages)
    local contents = http.requests[3].body.contents
    assert.same(json.array { { text = "Let me see." },
      { functionCall = { name = "tide", args = { port = "Kiel" } }, thoughtSignature = "AbC=" },
      { functionCall = { name = "tide", args = { port = "Emden" } } } }, contents[2].parts)
    assert.same(json.array { { text = "Noon." }, { text = "", thoughtSignature = "DeF=" } },
      contents[4].parts)
    assert.equal("And?", contents[5].parts[1].text)
    -- What was sent before is sent again byte for byte.
    local before = http.requests[2].bytes:match('"contents":(.*)%]}$')
    assert.equal(1, http.requests[3].bytes:match('"contents":(.*)}$'):find(before, 1, true))
  end)

  it("ends for the reasons that there are", function()
    for reason, stop in pairs { STOP = "stop", MAX_TOKENS = "length", SAFETY = "filter",
      RECITATION = "filter", PROHIBITED_CONTENT = "filter", MALFORMED_FUNCTION_CALL = "other" } do
      assert.equal(stop, ask({ event({ { text = "x" } }, reason) }).stop)
    end
    assert.equal("filter", ask({ { promptFeedback = { blockReason = "SAFETY" } } }).stop)
    assert.equal("filter", ask({ { candidates = { { finishReason = "SAFETY" } } } }).stop)
  end)

  it("is whole, or kind broken, wherever it is cut", function()
    local body = wire.sse(TEXT)
    for length, reply in pairs(wire.cut(body, OPTS)) do
      assert.equal(#body, length)
      assert.equal("High at noon.", reply.text)
    end
  end)

  it("may be a body that is none", function()
    local http = wire.transport { kind = "application/json", body = json.encode(TEXT[4]) }
    assert.equal("stop", wire.client(http, OPTS):reply("When?").stop)
  end)
end)

describe("a failure of generated content", function()
  local function failure(status, body, kind)
    local client = wire.client(wire.transport { status = status, body = body,
      kind = kind or "application/json" }, { provider = "gemini", max_retries = 1 })
    return helper.refused("llm", client.reply, client, "When is high tide?")
  end

  local function said(code, status, message, details)
    return { error = { code = code, status = status, message = message, details = details } }
  end

  it("has a kind by its status in words", function()
    for _, case in ipairs {
      { 400, "INVALID_ARGUMENT", "request" }, { 403, "PERMISSION_DENIED", "auth" },
      { 429, "RESOURCE_EXHAUSTED", "rate" }, { 500, "INTERNAL", "server" },
      { 503, "UNAVAILABLE", "overloaded" }, { 504, "DEADLINE_EXCEEDED", "server" },
    } do
      local body = said(case[1], case[2], "Sorry.")
      assert.equal(case[3], failure(case[1], json.encode(body)).kind)
      assert.equal(case[3], failure(case[1], json.encode { body }).kind)
      assert.equal(case[3], failure(200, wire.sse { TEXT[2], body }, "text/event-stream").kind)
    end
    assert.equal("model", failure(404, json.encode(said(404, "NOT_FOUND",
      "models/tide-9 is not found for API version v1beta"))).kind)
    assert.equal("context", failure(400, json.encode(said(400, "INVALID_ARGUMENT",
      "The input token count (9) exceeds the maximum number of tokens allowed (8)."))).kind)
  end)

  it("is one of the key although the status is 400", function()
    assert.equal("auth", failure(400, json.encode(said(400, "INVALID_ARGUMENT", "Sorry.",
      { { ["@type"] = "type.googleapis.com/google.rpc.ErrorInfo",
        reason = "API_KEY_INVALID" } }))).kind)
  end)

  it("has the time to wait in its body", function()
    local function delay(text)
      return failure(429, json.encode(said(429, "RESOURCE_EXHAUSTED", "Sorry.",
        { { ["@type"] = "type.googleapis.com/google.rpc.RetryInfo", retryDelay = text } })))
    end
    assert.equal(46, delay("46s").retry_after)
    assert.equal(0.5, delay("0.5s").retry_after)
    assert.equal(37037, delay("37037s").retry_after)
    assert.is_nil(delay("soon").retry_after)
  end)
end)
