-- Many texts: in which requests they are sent, what these cost, and what becomes of them
-- when one fails. Then clients that need no server, and several as one.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local json = require "neap.json"
local llm = require "neap.llm"
local neap = require "neap"
local wire = require "spec.llm"

local PRICES = { input = 2, output = 10 }

-- The texts "1" to "n".
local function texts(n)
  local list = {}
  for i = 1, n do list[i] = tostring(i) end
  return list
end

-- A transport that gives each text the vector { its number, 1 }; a function may see to each
-- request before, and wait.
local function counting(before)
  local http = { requests = {} }
  function http.request(opts)
    local input = json.decode(opts.body).input
    local request = { input = input, at = neap.now() }
    table.insert(http.requests, request)
    local answer = before and before(request, #http.requests)
    local data = json.array()
    for i, text in ipairs(input) do
      data[i] = { index = i - 1, embedding = { tonumber(text), 1 } }
    end
    return answer or { status = 200, headers = { ["content-type"] = "application/json" },
      body = json.encode { data = data, usage = { prompt_tokens = 10 * #input } } }
  end
  return http
end

local function failure(status)
  return { status = status, headers = {}, body = '{"error": {"message": "no"}}' }
end

local function firsts(vectors)
  local list = {}
  for i, vector in ipairs(vectors) do list[i] = vector[1] end
  return list
end

local function sizes(requests)
  local list = {}
  for i, request in ipairs(requests) do list[i] = #request.input end
  return list
end

describe("the vectors of many texts", function()
  it("come in order, a hundred texts a request", function()
    local http = counting()
    local vectors, usage = wire.client(http):embed(texts(250))
    assert.same({ 100, 100, 50 }, sizes(http.requests))
    for i, first in ipairs(firsts(vectors)) do assert.equal(i, first) end
    assert.same({ 250, 3, 2500 }, { #vectors, usage.calls, usage.input })
  end)

  it("are asked for at once, four requests unless told otherwise", function()
    -- When each request is sent: the first takes 5 s, the sixth none.
    local expected = { ["nil"] = { 0, 0, 0, 0, 2, 3 }, ["1"] = { 0, 5, 9, 12, 14, 15 },
      ["6"] = { 0, 0, 0, 0, 0, 0 } }
    for most, times in pairs(expected) do
      neap.testing.run(function()
        local http = counting(function(_, i) neap.sleep(6 - i) end)
        local began = neap.now()
        local vectors = wire.client(http):embed(texts(6),
          { batch = 1, concurrency = math.tointeger(tonumber(most)) })
        assert.same({ 1, 2, 3, 4, 5, 6 }, firsts(vectors))
        for i, request in ipairs(http.requests) do assert.equal(times[i], request.at - began) end
      end)
    end
  end)

  it("are parted before requests become too long for vendors", function()
    local http = { requests = {} }
    function http.request(opts)
      local input = json.decode(opts.body).input
      table.insert(http.requests, { input = input })
      local data = json.array()
      for i in ipairs(input) do data[i] = { index = i - 1, embedding = { 1 } } end
      return { status = 200, headers = {}, body = json.encode { data = data } }
    end
    local long = ("tide "):rep(36000) -- 45,000 tokens
    wire.client(http):embed({ long, long, long, "short", long .. long .. long, "short" })
    assert.same({ 2, 2, 1, 1 }, sizes(http.requests))
  end)

  it("repeat only the request that has failed", function()
    local http = counting(function(request, i)
      if request.input[1] == "3" and i == 2 then return failure(503) end
    end)
    local vectors, usage = wire.client(http):embed(texts(6), { batch = 2, concurrency = 1 })
    assert.same({ 1, 2, 3, 4, 5, 6 }, firsts(vectors))
    assert.same({ 4, 60 }, { usage.calls, usage.input })
  end)

  it("fail together, and say what all requests have used", function()
    neap.testing.run(function()
      local http = counting(function(request)
        neap.sleep(tonumber(request.input[1]))
        if request.input[1] == "2" then return failure(400) end
      end)
      local began, model = neap.now(), wire.client(http, { prices = PRICES })
      local err = helper.refused("llm", model.embed, model, texts(5), { batch = 1 })
      assert.same({ "request", "no (status 400)", 2 }, { err.kind, err.message,
        neap.now() - began })
      assert.same({ 5, 10, 5 }, { err.attempts, err.usage.input, model.usage.calls })
      assert.near(20e-6, err.usage.cost, 1e-12)
    end)
  end)

  it("differ in size: that is an error", function()
    local model = llm.fake { { vectors = { { 1 } } }, { vectors = { { 1, 2 } } } }
    local err = helper.refused("llm", model.embed, model, { "a", "b" }, { batch = 1 })
    assert.same({ "broken", false, "vector 2 has 2 numbers, and the first has 1" },
      { err.kind, err.retryable, err.message })
  end)

  it("have one time limit together", function()
    neap.testing.run(function()
      local http = counting(function() neap.sleep(2) end)
      local model = wire.client(http)
      local err = helper.refused("timeout", model.embed, model, texts(3),
        { batch = 1, concurrency = 1, timeout = 5 })
      assert.equal("the model has not answered within 5 s", err.message)
      assert.same({ 3, 20 }, { err.attempts, err.usage.input })
    end)
  end)

  it("can be cancelled", function()
    neap.testing.run(function()
      local http = counting(function() neap.sleep(100) end)
      local model = wire.client(http)
      local began = neap.now()
      helper.refused("timeout", neap.timeout, 1, model.embed, model, texts(3), { batch = 1 })
      assert.same({ 1, 3 }, { neap.now() - began, #http.requests })
    end)
  end)
end)

describe("money and limits", function()
  it("count for vectors", function()
    local budget = llm.budget { calls = 2 }
    local model = wire.client(counting(), { prices = PRICES, budget = budget })
    local _, usage = model:embed(texts(2), { batch = 1 })
    assert.near(40e-6, usage.cost, 1e-12)
    assert.near(40e-6, model.usage.cost, 1e-12)
    assert.same({ 2, 20 }, { budget.spent.calls, budget.spent.tokens })
    assert.equal("budget", helper.refused("llm", model.embed, model, "3").kind)
  end)

  it("count an estimate where the vendor does not say what it has read", function()
    local budget = llm.budget { tokens = 100 }
    local model = llm.fake({ { vectors = true }, { vectors = true } }, { budget = budget })
    model:embed { ("tide"):rep(30), ("ebb "):rep(20) }
    assert.equal(50, budget.spent.tokens)
    local err = helper.refused("llm", model.embed, model, ("tide"):rep(51))
    assert.equal("budget", err.kind)
  end)

  it("make requests wait", function()
    neap.testing.run(function()
      local limit = llm.limit { requests = 2, per = 10 }
      local model = wire.client(counting(), { limit = limit })
      local began = neap.now()
      model:embed(texts(4), { batch = 1 })
      assert.near(10, neap.now() - began, 0.01)
    end)
  end)
end)

describe("vectors without a server", function()
  it("are made offline of the words", function()
    local model = llm.new { provider = "offline" }
    local vectors, usage = model:embed { "the tide at Kiel", "bread and butter" }
    assert.same({ 2, 512, 1, 0 }, { #vectors, #vectors[1], usage.calls, usage.input })
    assert.equal(1, llm.nearest(model:embed("Kiel"), vectors, 1)[1])
    assert.equal(64, #model:embed("tide", { dimensions = 64 }))
    local node = neap.Node { name = "n", exec = function() model:embed("tide") end }
    local asked
    node:run({}, { on_event = function(event)
      if event.kind == "llm" then asked = event.model end
    end })
    assert.equal("feature hashing (Weinberger et al., 2009)", asked)
  end)

  it("are those of the offline client in a fake, and use up none of its answers", function()
    local model = llm.fake { "Noon." }
    local offline = llm.new { provider = "offline" }
    assert.equal(offline:embed("tide"):bytes(), model:embed("tide"):bytes())
    assert.equal("Noon.", (model:chat("When?")))
    assert.same({ "tide" }, model.requests[1].texts)
    assert.same({ nil, "When?" }, { model.requests[1].messages,
      model.requests[2].messages[1].content })
  end)

  it("are made where one function answers all requests", function()
    local model = llm.fake(function(messages) return messages[1].content end)
    assert.equal(512, #model:embed("tide"))
    assert.equal("ebb", (model:chat("ebb")))
  end)

  it("are laid down in a fake, one answer a request", function()
    local model = llm.fake { { vectors = { { 1, 2 }, { 3, 4 } }, usage = { input = 5 } },
      { vectors = true, error = "overloaded" }, { vectors = function(asked, opts)
        return { { #asked[1], opts.dimensions } }
      end }, { vectors = { { 1 } } }, { vectors = true, error = "auth" }, "Noon.",
      { vectors = true } }
    local vectors, usage = model:embed { "a", "b" }
    assert.same({ { 1, 3 }, 5 }, { firsts(vectors), usage.input })
    assert.same({ 3, 2 }, model:embed("abc", { dimensions = 2, wait = 0 }):list())
    assert.equal("the reply has 1 vectors for 2 texts",
      helper.refused("llm", model.embed, model, { "a", "b" }).message)
    assert.equal("auth", helper.refused("llm", model.embed, model, "a").kind)
    assert.equal("Noon.", (model:chat("When?")))
    assert.equal("answer 7 of the fake is for embed, and this is another request",
      helper.refused("llm", model.chat, model, "When?").message)
  end)

  it("wait as a fake is told to", function()
    neap.testing.run(function()
      local model = llm.fake { { vectors = true, after = 3 } }
      local began = neap.now()
      model:embed("a")
      assert.equal(3, neap.now() - began)
    end)
  end)

  it("come from a cassette as they were", function()
    local path = helper.tmpdir() .. "/tape.jsonl"
    local http = wire.transport({ kind = "application/json",
      body = '{"data": [{"embedding": [0.1, 1e-30]}], "usage": {"prompt_tokens": 3}}' },
      { kind = "application/json", status = 401, body = '{"error": {"message": "no"}}' })
    local model = llm.record(path, wire.client(http, { key = "sk-planted" }))
    local vector = model:embed("tide", { dimensions = 2, extra = { user = "ada" } })
    helper.refused("llm", model.embed, model, "ebb")
    local tape = helper.read(path)
    assert.falsy(tape:find("planted", 1, true))
    assert.matches('"vectors":[[0.1,1e-30]]', tape, 1, true)

    local replayed = llm.replay(path)
    assert.equal("auth", helper.refused("llm", replayed.embed, replayed, "ebb").kind)
    local again, usage = replayed:embed({ "tide" }, { dimensions = 2, extra = { user = "ada" } })
    assert.same({ vector:bytes(), 3 }, { again[1]:bytes(), usage.input })

    replayed = llm.replay(path)
    local err = helper.refused("llm", replayed.embed, replayed, "tides", { dimensions = 2 })
    assert.equal("cassette", err.kind)
    assert.matches('texts[1]: recorded "tide", asked "tides"', err.message, 1, true)
    err = helper.refused("llm", replayed.chat, replayed, "tide")
    assert.equal("cassette", err.kind)
  end)

  it("are not taken from a cassette that is damaged", function()
    local path = helper.tmpdir() .. "/tape.jsonl"
    local line = '{"version":1,"request":{"texts":["a"]},"reply":{"vectors":%s}}\n'
    for _, vectors in ipairs { "3", "[3]", '{"a":1}' } do
      helper.write(path, line:format(vectors))
      assert.matches("is damaged in line 1", helper.refused("llm", llm.replay, path).message)
    end
    helper.write(path, line:format('[["x"]]'))
    local model = llm.replay(path)
    assert.equal("vector 1 of the reply makes no sense: item 1 is a string",
      helper.refused("llm", model.embed, model, "a").message)
  end)
end)

describe("vectors of the first client that answers", function()
  local function failing(kind)
    return llm.fake({ { vectors = true, error = kind }, { vectors = true, error = kind } },
      { max_retries = 1 })
  end

  it("are all of one model", function()
    local a = llm.fake({ { vectors = { { 1 } } }, { vectors = true, error = "overloaded" } },
      { max_retries = 1, model = "a" })
    local b = llm.fake({ { vectors = { { 2 } } }, { vectors = { { 3 } } } }, { model = "b" })
    local model = llm.first { a, b }
    local vectors, usage = model:embed({ "x", "y" }, { batch = 1, concurrency = 1 })
    assert.same({ { 2, 3 }, 4, 4, 2 }, { firsts(vectors), usage.calls, model.usage.calls,
      b.usage.calls })
  end)

  it("stay those of one model, for others cannot be compared with them", function()
    local a, b = failing "overloaded", llm.fake({}, { model = "b" })
    local model = llm.first { a, b }
    model:embed("the tide")
    model:embed("the ebb")
    assert.same({ 1, 2 }, { a.usage.calls, b.usage.calls })

    local c = llm.fake({ { vectors = true }, { vectors = true, error = "quota" } }, { model = "c" })
    model = llm.first { c, b }
    model:embed("the tide")
    assert.equal("quota", helper.refused("llm", model.embed, model, "the ebb").kind)
  end)

  it("may come from another client of that model", function()
    local a = llm.fake({ { vectors = true }, { vectors = true, error = "quota" },
      { vectors = true, error = "quota" } }, { model = "small" })
    local b = llm.fake({}, { model = "small" })
    local model = llm.first { a, b }
    for _ = 1, 3 do model:embed("the tide") end
    assert.same({ 3, 2 }, { a.usage.calls, b.usage.calls })
  end)

  it("stay those of one model when they are recorded", function()
    local a, b = failing "quota", llm.new { provider = "offline" }
    local model = llm.first { a, b }
    model:embed("the tide")
    llm.record(helper.tmpdir() .. "/tape", model):embed("the ebb")
    assert.same({ 1, 1 }, { a.usage.calls, #a.requests })
  end)

  it("come from those that have vectors", function()
    local b = llm.fake {}
    local model = llm.first { wire.client(wire.transport {}, { provider = "anthropic" }), b }
    model:embed("the tide")
    assert.equal(1, b.usage.calls)
    local c = llm.first { wire.client(wire.transport {}, { provider = "anthropic" }) }
    assert.matches("anthropic makes no vectors", helper.refused("llm", c.embed, c, "a").message)
  end)

  it("are not asked for elsewhere after an error of the request, or of the budget", function()
    for _, kind in ipairs { "model", "context", "request", "budget" } do
      local other = llm.fake {}
      local model = llm.first { failing(kind), other }
      assert.equal(kind, helper.refused("llm", model.embed, model, "a").kind)
      assert.equal(0, #other.requests)
    end
  end)
end)
