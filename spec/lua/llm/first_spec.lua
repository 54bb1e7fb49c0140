-- Several models as one: which errors go on to the next, what is counted, what is not
-- asked for twice.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local llm = require "neap.llm"
local neap = require "neap"
local wire = require "spec.llm"

local function failing(kind, opts)
  opts = opts or {}
  opts.max_retries = opts.max_retries or 1
  return llm.fake({ { error = kind }, { error = kind }, { error = kind } }, opts)
end

describe("llm.first", function()
  it("asks the first as long as it answers", function()
    local a, b = llm.fake { "Noon.", "Six." }, llm.fake {}
    local model = llm.first { a, b }
    assert.equal("Noon.", (model:chat("When?")))
    assert.equal("Six.", (model:chat("And then?")))
    assert.same({ 2, 0, 2 }, { a.usage.calls, b.usage.calls, model.usage.calls })
  end)

  for _, kind in ipairs { "auth", "quota", "rate", "overloaded", "server", "broken", "stalled" } do
    it("goes on after " .. kind, function()
      assert.equal("Noon.", (llm.first { failing(kind), llm.fake { "Noon." } }:chat("When?")))
    end)
  end

  for _, kind in ipairs { "model", "context", "filter", "request", "budget" } do
    it("does not go on after " .. kind, function()
      local other = llm.fake { "Noon." }
      local model = llm.first { failing(kind), other }
      assert.equal(kind, helper.refused("llm", model.chat, model, "When?").kind)
      assert.equal(0, #other.requests)
    end)
  end

  it("goes on where there is no connection", function()
    for _, code in ipairs { "http", "timeout" } do
      local http = wire.transport(neap.error.new { code = code, message = "refused" })
      local a = llm.new { url = "http://m", model = "m", http = http, max_retries = 1 }
      assert.equal("Noon.", (llm.first { a, llm.fake { "Noon." } }:chat("When?")))
    end
  end)

  it("does not go on after what a script has raised", function()
    local model = llm.first { llm.fake { function() error("a mistake", 0) end }, llm.fake { "x" } }
    assert.equal("a mistake", helper.failure(model.chat, model, "When?"))
  end)

  it("lets each client make its own attempts", function()
    local a = failing("overloaded", { max_retries = 2, wait = 0 })
    local b = llm.fake({ { error = "rate" }, "Noon." }, { wait = 0 })
    local _, reply = llm.first { a, b }:chat("When?")
    assert.same({ 2, 2, 4 }, { #a.requests, #b.requests, reply.attempts })
  end)

  it("raises the last error, with what all have used", function()
    local usage = { input = 500000 }
    local prices = { input = 1, output = 1 }
    local a = llm.fake({ { error = "auth", usage = usage } }, { prices = prices })
    local b = llm.fake { { error = "quota", usage = usage } }
    local model = llm.first { a, b }
    local err = helper.refused("llm", model.chat, model, "When?")
    assert.same({ "quota", 2, 1000000, 0.5 }, { err.kind, err.attempts, err.usage.input,
      err.usage.cost })
    assert.same({ 2, 1000000, 0.5 }, { model.usage.calls, model.usage.input, model.usage.cost })
    assert.same({ 1, 500000 }, { b.usage.calls, b.usage.input })
  end)

  it("asks nobody else once a piece was given", function()
    local a = llm.fake({ { text = "No", error = "broken" }, { text = "No", error = "broken" } },
      { max_retries = 1 })
    local b = llm.fake { "Noon." }
    local model = llm.first { a, b }
    local stream <close> = model:stream("When?")
    assert.equal("No", stream())
    local err = helper.refused("llm", stream)
    assert.same({ "broken", "No", 0 }, { err.kind, err.partial.text, #b.requests })
    assert.equal("Noon.", (model:chat("When?"))) -- of which nobody has seen a piece
  end)

  it("streams from the next", function()
    local model = llm.first { failing "server", llm.fake { "At noon." } }
    assert.same({ "At ", "noon." }, helper.collect((model:stream("When?"))))
  end)

  it("has one time limit for all", function()
    neap.testing.run(function()
      local a = llm.fake({ { error = "server", after = 3 } }, { max_retries = 1 })
      local b = llm.fake { { text = "Noon.", after = 3 } }
      local model = llm.first { a, b }
      local began = neap.now()
      helper.refused("timeout", model.chat, model, "When?", { timeout = 5 })
      assert.equal(5, neap.now() - began)
      local slow = { text = "Noon.", after = 9 }
      local late, c = llm.fake { slow, slow }, llm.fake { "Six." }
      model = llm.first { late, c }
      helper.refused("timeout", model.chat, model, "When?", { timeout = 5 })
      helper.refused("timeout", model.object, model, { "at: string" }, "When?", { timeout = 0.1 })
      assert.equal(0, #c.requests)
    end)
  end)

  it("leaves nothing behind, wherever it is cancelled", function()
    neap.testing.sweep(function()
      local a = llm.fake({ { error = "server", after = 1 }, { error = "auth", after = 1 } },
        { jitter = 0 })
      local b = llm.fake { { text = "At noon.", after = 1, between = 1 } }
      return (llm.first { a, b }:chat("When?"))
    end)
  end)

  it("does not go on when it is cancelled", function()
    neap.testing.run(function()
      local a, b = llm.fake { { text = "Late.", after = 9 } }, llm.fake { "Noon." }
      local model = llm.first { a, b }
      helper.refused("timeout", neap.timeout, 1, function() model:chat("When?") end)
      assert.equal(0, #b.requests)
    end)
  end)

  it("fills a schema, each client in its own way", function()
    local usage = { input = 10 }
    local a = llm.fake({ { text = "?", usage = usage }, { error = "auth", usage = usage } })
    local b = llm.fake { { text = '{"at": "noon"}', usage = usage } }
    local model = llm.first { a, b }
    local value, reply = model:object({ "at: string" }, "When?")
    assert.same({ "noon", 30, 3, 3 }, { value.at, reply.usage.input, reply.attempts,
      model.usage.calls })
    assert.equal(1, #b.requests[1].messages)
    local c = llm.fake { "?", "?", "?" }
    model = llm.first { c, b }
    assert.equal("schema", helper.refused("llm", model.object, model, { "at: string" }, "?").kind)
  end)

  it("keeps to the options of a call with each", function()
    local b = llm.fake({ "Noon." }, { temperature = 1 })
    llm.first { failing "auth", b }:chat("When?", { seed = 3 })
    assert.same({ 1, 3 }, { b.requests[1].options.temperature, b.requests[1].options.seed })
  end)

  it("asks as it was asked, though the messages are changed meanwhile", function()
    local list = { { role = "user", content = "When?" } }
    local a = llm.fake({ function()
      list[1] = { role = "user", content = "x" }
      return { error = "server" }
    end }, { max_retries = 1 })
    local b = llm.fake { "Noon." }
    llm.first { a, b }:chat(list)
    assert.equal("When?", b.requests[1].messages[1].content)
  end)

  it("may be of such clients, and recorded", function()
    local path = helper.tmpdir() .. "/cassette"
    local inner = llm.first { failing "auth", failing "quota" }
    local model = llm.record(path, llm.first { inner, llm.fake { "Noon." } })
    local _, reply = model:chat("When?")
    assert.same({ "Noon.", 3 }, { reply.text, reply.attempts })
    local _, lines = helper.read(path):gsub("\n", "")
    assert.equal(3, lines)
  end)

  it("tells the run that it goes on", function()
    local node = neap.Node { name = "ask" }
    local model = llm.first { failing "auth", llm.fake { "Noon." } }
    function node:exec() return (model:chat("When?")) end
    local told = {}
    neap.Flow { start = node }:run({}, { on_event = function(event)
      if event.kind == "retry" then told[#told + 1] = event.what end
    end })
    assert.same({ "llm.first" }, told)
  end)

  it("is of clients", function()
    for _, list in ipairs { {}, { {} }, { llm.fake {}, "x" } } do
      assert.matches("bad argument #1 to 'first' %(list of clients expected",
        helper.failure(llm.first, list))
    end
  end)
end)
