-- Vectors of texts: what is sent, what makes sense of a reply, many texts at once.
-- SPDX-License-Identifier: MIT
local base64 = require "neap.base.base64"
local helper = require "spec.helper"
local json = require "neap.json"
local llm = require "neap.llm"
local wire = require "spec.llm"

-- A reply of OpenAI with these vectors.
local function reply(vectors, tokens)
  local data = json.array()
  for i, vector in ipairs(vectors) do
    data[i] = { object = "embedding", index = i - 1, embedding = vector }
  end
  return { kind = "application/json", body = json.encode { object = "list", data = data,
    model = "small-1", usage = { prompt_tokens = tokens or 0, total_tokens = tokens or 0 } } }
end

local function plain(body, status)
  return { kind = "application/json", status = status,
    body = type(body) == "string" and body or json.encode(body) }
end

-- The vectors that a client gives, as lists.
local function lists(vectors)
  local all = {}
  for i, vector in ipairs(vectors) do all[i] = vector:list() end
  return all
end

-- Asks for vectors of texts, and gets this answer.
local function embed(answer, given, opts, client)
  local http = wire.transport(answer)
  local model = wire.client(http, client)
  local vectors, usage = model:embed(given, opts)
  return vectors, http.requests[1], usage, model
end

local function fails(answer, given, opts)
  local http = wire.transport(answer)
  local model = wire.client(http, { max_retries = 1, key = "sk-planted-key" })
  local err = helper.refused("llm", model.embed, model, given, opts)
  assert.falsy(tostring(err):find("planted", 1, true))
  return err, http
end

describe("embed", function()
  it("gives a vector for a text, and a list of them for a list", function()
    local vector, _, usage = embed(reply({ { 1, 0.5 } }, 7), "high tide")
    assert.same({ 1, 0.5 }, vector:list())
    assert.same({ calls = 1, input = 7, cached = 0, cache_write = 0, output = 0, reasoning = 0 },
      usage)
    local vectors = embed(reply { { 1, 0 }, { 0, 1 } }, { "high tide", "low tide" })
    assert.same({ { 1, 0 }, { 0, 1 } }, lists(vectors))
    assert.same({ { 1, 0 } }, lists((embed(reply { { 1, 0 } }, { "high tide" }))))
  end)

  it("asks nobody for the vectors of no texts", function()
    local http = wire.transport(reply {})
    local vectors, usage = wire.client(http):embed {}
    assert.same({ {}, 0, 0 }, { vectors, usage.calls, #http.requests })
  end)

  it("takes the list that a batch has made", function()
    assert.equal(1, #embed(reply { { 1, 0 } }, { "high tide", n = 1 }))
  end)

  it("refuses what is no text, before anything is sent", function()
    local model = llm.fake {}
    for expected, given in pairs {
      ["string or list of strings expected, got number"] = 3,
      ["string or list of strings expected, got nil"] = false,
      ["the text is empty"] = " \n",
      ["text 2 is empty"] = { "a", "" },
      ["text 2 is a number"] = { "a", 7 },
      ["text 1 is a table"] = { { "a" } },
      ["list of strings without holes expected, got the key text"] = { text = "a" },
      ["list of strings without holes expected, got the key 3"] = { "a", [3] = "c" },
    } do
      local message = helper.misused(model.embed, model, given or nil)
      assert.equal(("bad argument #1 to 'embed' (%s)"):format(expected), message)
    end
    local err = helper.refused("json", model.embed, model, { "a", "b\xff" })
    assert.equal("text 2 is not UTF-8 (at its byte 2)", err.message)
    assert.equal(0, #model.requests)
  end)

  it("knows its options", function()
    local model = llm.fake {}
    for expected, opts in pairs {
      ["unknown option 'temperature'"] = { temperature = 0 },
      ["unknown option 'dimension'; did you mean 'dimensions'?"] = { dimension = 8 },
      ["unknown option 'batches'; did you mean 'batch'?"] = { batches = 8 },
      ["bad option 'batch' (whole number from 1 expected, got 0)"] = { batch = 0 },
      ["bad option 'concurrency' (whole number from 1 expected, got 0.5)"] = { concurrency = 0.5 },
      ["bad option 'timeout' (positive number of seconds expected, got string)"] =
        { timeout = "1" },
    } do
      assert.matches("embed: " .. expected, helper.misused(model.embed, model, "a", opts), 1, true)
    end
  end)

  it("wins over the options of the client", function()
    local client = { model = "chats", headers = { ["x-a"] = "1", ["x-b"] = "1" }, temperature = 1,
      system = "Be brief.", extra = { user = "ada" } }
    local _, request = embed(reply { { 1 } }, "tide",
      { model = "small", headers = { ["X-B"] = "2" } }, client)
    assert.equal('{"model":"small","encoding_format":"float","input":["tide"],"user":"ada"}',
      request.bytes)
    assert.same({ "1", "2" }, { request.headers["x-a"], request.headers["x-b"] })
  end)
end)

describe("a request for vectors", function()
  it("of OpenAI asks for numbers", function()
    local _, request = embed(reply { { 1, 2 } }, "tide", { dimensions = 2 }, { key = "sk-1" })
    assert.equal("http://m/v1/embeddings", request.url)
    assert.equal("Bearer sk-1", request.headers.authorization)
    assert.equal('{"model":"tide-1","dimensions":2,"encoding_format":"float","input":["tide"]}',
      request.bytes)
  end)

  it("goes where the address leads, also if that is for another kind of request", function()
    for url, expected in pairs {
      ["http://m/v1"] = "http://m/v1/embeddings",
      ["http://m/v1/embeddings"] = "http://m/v1/embeddings",
      ["http://m/v1/chat/completions"] = "http://m/v1/embeddings",
      ["http://m/x/v1/chat/completions/?version=3"] = "http://m/x/v1/embeddings?version=3",
    } do
      local _, request = embed(reply { { 1 } }, "tide", nil, { url = url })
      assert.equal(expected, request.url)
    end
    local _, request = embed(reply { { 1 } }, "tide", nil,
      { provider = "responses", url = "http://m/v1/responses" })
    assert.equal("http://m/v1/embeddings", request.url)
  end)

  it("of Gemini has one for each text, and `extra` in each", function()
    local vectors, request, usage = embed(plain { embeddings = { { values = { 1, 2 } },
      { values = { 3, 4 } } }, usageMetadata = { promptTokenCount = 9 } }, { "high", "low" },
      { dimensions = 2, extra = { taskType = "RETRIEVAL_QUERY" } },
      { provider = "gemini", key = "AI-1", model = "models/tide-1" })
    assert.same({ { 1, 2 }, { 3, 4 } }, lists(vectors))
    assert.equal(9, usage.input)
    assert.equal("http://m/v1beta/models/tide-1:batchEmbedContents", request.url)
    assert.equal("AI-1", request.headers["x-goog-api-key"])
    local function one(text)
      return ('{"model":"models/tide-1","content":{"parts":[{"text":"%s"}]},'
        .. '"outputDimensionality":2,"taskType":"RETRIEVAL_QUERY"}'):format(text)
    end
    assert.equal(('{"requests":[%s,%s]}'):format(one "high", one "low"), request.bytes)
  end)

  it("of Ollama has nothing cut", function()
    local vectors, request, usage = embed(plain { model = "m", embeddings = { { 1, 2 }, { 3, 4 } },
      prompt_eval_count = 5 }, { "high", "low" }, { dimensions = 2 },
      { provider = "ollama", url = "http://m/api/chat" })
    assert.same({ { 1, 2 }, { 3, 4 } }, lists(vectors))
    assert.equal(5, usage.input)
    assert.equal("http://m/api/embed", request.url)
    assert.equal('{"model":"tide-1","dimensions":2,"truncate":false,"input":["high","low"]}',
      request.bytes)
  end)

  it("is not made of a provider that has no vectors", function()
    local http = wire.transport(reply { { 1 } })
    local model = wire.client(http, { provider = "anthropic" })
    local err = helper.refused("llm", model.embed, model, "tide")
    assert.same({ "request", false, "anthropic makes no vectors; ask a client of another provider "
      .. "for them: openai, responses, gemini, ollama or offline" },
      { err.kind, err.retryable, err.message })
    assert.equal(0, #http.requests)
  end)

  it("needs a model where the provider does", function()
    local model = llm.new { provider = "ollama" }
    assert.matches("embed: the option 'model' is missing", helper.misused(model.embed, model, "a"))
  end)

  it("can be that of a provider of one's own", function()
    local own = { name = "own", request = function() end, event = function() end,
      failed = function() return "server" end, embed = {
        request = function(call) return "/v", { ["x-a"] = "1" }, { n = #call.texts } end,
        parse = function(state, body)
          state.reply.usage.input = body.n
          return body.rows
        end } }
    local vectors, request, usage = embed(plain { rows = { { 1 }, { 2 } }, n = 3 }, { "a", "b" },
      nil, { provider = own })
    assert.same({ { { 1 }, { 2 } }, 3, '{"n":2}', "http://m/v" },
      { lists(vectors), usage.input, request.bytes, request.url })
    own.embed = { request = own.request }
    assert.matches("the 'embed' of a provider has the functions 'request' and 'parse', or 'answer'",
      helper.misused(llm.new, { provider = own, url = "http://m" }), 1, true)
    own.embed = nil
    local model = llm.new { provider = own, url = "http://m" }
    assert.matches("own makes no vectors", helper.refused("llm", model.embed, model, "a").message)
  end)
end)

describe("a reply with vectors", function()
  local function item(index, first)
    return { index = index, embedding = { first, 0 } }
  end

  it("is put in the order of its indices", function()
    for _, data in ipairs { { item(2, 3), item(0, 1), item(1, 2) },
      { item(3, 3), item(1, 1), item(2, 2) } } do
      local vectors = embed(plain { data = data }, { "a", "b", "c" })
      assert.same({ { 1, 0 }, { 2, 0 }, { 3, 0 } }, lists(vectors))
    end
  end)

  it("keeps its order where no index says anything", function()
    for _, data in ipairs { { item(nil, 1), item(nil, 2) }, { item(0, 1), item(0, 2) },
      { item(json.null, 1), item("1", 2) } } do
      assert.same({ { 1, 0 }, { 2, 0 } }, lists((embed(plain { data = data }, { "a", "b" }))))
    end
  end)

  it("is read as base64, too", function()
    local bytes = llm.vector({ 0.25, -3, 1e20 }):bytes()
    local vector = embed(plain { data = { { index = 0, embedding = base64.encode(bytes) } } }, "a")
    assert.equal(bytes, vector:bytes())
  end)

  it("is refused where it makes no sense", function()
    local long = ("x"):rep(15)
    for expected, body in pairs {
      ["the reply has 1 vectors for 2 texts"] = { data = { item(0, 1) } },
      ["the reply has 0 vectors for 2 texts"] = { data = json.array() },
      ["the reply has 3 vectors for 2 texts"] = { data = { item(0, 1), item(1, 1), item(2, 1) } },
      ["the reply has no vectors in it"] = { object = "list" },
      ["two vectors have the index 1"] = { data = { item(1, 1), item(1, 2) } },
      ["vector 2 has 3 numbers, and the first has 2"] = { data = { item(0, 1),
        { index = 1, embedding = { 1, 2, 3 } } } },
      ["vector 2 of the reply makes no sense: item 1 is a string"] = { data = { item(0, 1),
        { index = 1, embedding = { "NaN", 2 } } } },
      ["vector 2 of the reply makes no sense: a list of numbers expected, got an empty one"] = {
        data = { item(0, 1), { index = 1, embedding = json.array() } } },
      ["vector 1 of the reply makes no sense: item 2 is no number that a float32 can be"] =
        '{"data": [{"embedding": [1, 1e39]}, {"embedding": [1, 1]}]}',
      ["vector 1 of the reply makes no sense"] = { data = {
        { index = 0, embedding = json.null }, item(1, 1) } },
      ["vector 2 of the reply makes no sense "] = { data = { item(0, 1),
        { index = 1, embedding = base64.encode(long) } } }, -- not four bytes each
      ["vector 2 of the reply makes no sense  "] = { data = { item(0, 1),
        { index = 1, embedding = base64.encode("\0\0\xc0\x7f\0\0\xc0\x7f") } } }, -- NaN
      ["vector 2 of the reply makes no sense   "] = { data = { item(0, 1), "planted" } },
      ["the reply makes no sense: it is no JSON at line 1, column 26: invalid token"] =
        '{"data": [{"embedding": [NaN]}]}',
      ["the reply is empty"] = "",
      ["the reply has no answer in it"] = "3",
    } do
      local err = fails(plain(body), { "planted one", "planted two" })
      assert.same({ "broken", true, (expected:gsub("%s+$", "")), 200 },
        { err.kind, err.retryable, err.message, err.status })
    end
  end)

  it("has the dimensions that were asked for", function()
    local err = fails(reply { { 1, 2, 3 } }, "a", { dimensions = 2 })
    assert.equal("the vectors have 3 numbers, and 2 were asked for", err.message)
  end)

  it("is an error where it says so", function()
    local err = fails(plain { error = { message = "no: 'my planted text'", code = 429 } },
      "my planted text")
    assert.equal("rate", err.kind)
    err = fails(plain({ error = { message = "The input 'my planted text' is too long for the "
      .. "context window", type = "invalid_request_error" } }, 400), "my planted text")
    assert.same({ "context", "The input '[...]' is too long for the context window (status 400)" },
      { err.kind, err.message })
    assert.equal("auth", (fails(plain({ error = { message = "sk-planted-key is unknown" } }, 401),
      "a")).kind)
  end)

  it("is asked for again where that may help", function()
    local http = wire.transport(plain({ error = { message = "busy" } }, 503),
      reply { { 1, 2 }, { 3, 4 } }, reply({ { 1, 2 } }, 3))
    local model = wire.client(http)
    local vector, usage = model:embed("a")
    assert.same({ { 1, 2 }, 3, 3, 3 }, { vector:list(), usage.calls, usage.input,
      model.usage.calls })
  end)
end)
