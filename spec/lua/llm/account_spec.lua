-- The event "llm": each call of a model, once, in the run in which it ends.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local json = require "neap.json"
local llm = require "neap.llm"
local neap = require "neap"
local wire = require "spec.llm"

local USAGE = { input = 1000, cached = 200, output = 50, reasoning = 10 }
local PRICES = { input = 2, cached = 0.5, output = 10 }
local COST = (800 * 2 + 200 * 0.5 + 50 * 10) / 1e6

-- Runs f in a node; returns the events "llm", and what f has raised.
local function events_of(f)
  local events, err = {}, nil
  local node = neap.Node { name = "ask", exec = function()
    local ok, raised = pcall(f)
    if not ok then err = raised end
  end }
  neap.Flow { name = "flow", start = node }:run({}, { on_event = function(event)
    if event.kind == "llm" then events[#events + 1] = event end
  end })
  return events, err
end

-- The only event of f, without what is not the same each time.
local function event_of(f)
  local events, err = events_of(f)
  assert.equal(1, #events)
  local event = events[1]
  assert.is_true(event.seconds >= 0 and event.seconds < 5)
  assert.is_number(event.time)
  event.seconds, event.time = nil, nil
  return event, err
end

local function usage_of(counts, cost)
  local usage = { input = 0, cached = 0, cache_write = 0, output = 0, reasoning = 0, cost = cost }
  for name, count in pairs(counts or {}) do usage[name] = count end
  return usage
end

-- What an event has besides.
local function expected(fields)
  local event = { kind = "llm", node = "flow > ask", visit = 2, call = "chat", provider = "fake",
    model = "fake", usage = usage_of(), attempts = 1, stop = "stop" }
  for name, value in pairs(fields) do event[name] = value end
  if event.failed or fields.stop == "" then event.stop = nil end
  return event
end

local function fake(...)
  return llm.fake({ ... }, { wait = 0, prices = PRICES })
end

local answer = { text = "At six and at noon.", usage = USAGE }

describe("the event llm", function()
  for call, act in pairs {
    chat = function(model) model:chat("When?") end,
    reply = function(model) model:reply("When?") end,
    stream = function(model) for _ in model:stream("When?") do end end, -- luacheck: ignore 542
  } do
    it("tells of a " .. call .. " what it took", function()
      local model = fake(answer)
      assert.same(expected { call = call, usage = usage_of(USAGE, COST), cost = COST },
        (event_of(function() act(model) end)))
    end)
  end

  it("has no cost where there are no prices", function()
    assert.same(expected { usage = usage_of(USAGE) },
      (event_of(function() llm.fake({ answer }):chat("When?") end)))
  end)

  it("has the model that was asked for", function()
    local event = event_of(function() fake(answer):chat("When?", { model = "other" }) end)
    assert.equal("other", event.model)
    local http = wire.transport { body = wire.sse {
      { model = "tide-1-2026", choices = { { delta = { content = "Noon." },
        finish_reason = "stop" } } }, "[DONE]" } }
    event = event_of(function() wire.client(http):chat("When?") end)
    assert.same({ "openai", "tide-1" }, { event.provider, event.model })
    local nameless = llm.new { url = "http://m", http = http }
    assert.equal("tide-1-2026", event_of(function() nameless:chat("When?") end).model)
  end)

  it("counts attempts, and comes once for all of them", function()
    local model = fake({ error = "overloaded", usage = USAGE }, { error = "rate" }, answer)
    local twice = usage_of({ input = 2000, cached = 400, output = 100, reasoning = 20 }, 2 * COST)
    assert.same(expected { usage = twice, cost = 2 * COST, attempts = 3 },
      (event_of(function() model:chat("When?") end)))
  end)

  for _, kind in ipairs { "auth", "request", "model", "context", "filter" } do
    it("says that a call has failed, of kind " .. kind, function()
      local event, err = event_of(function() fake({ error = kind }):chat("When?") end)
      assert.equal(kind, err.kind)
      assert.same(expected { failed = kind, usage = usage_of(nil, 0), cost = 0 }, event)
    end)
  end

  it("says so of a reply that is no answer, but not where any reply will do", function()
    for _, stop in ipairs { "length", "filter", "other" } do
      local short = { text = "At", stop = stop, usage = USAGE }
      local event, err = event_of(function() fake(short):chat("When?") end)
      assert.equal(err.kind, event.failed)
      assert.is_nil(event.stop)
      event = event_of(function() fake(short):reply("When?") end)
      assert.is_nil(event.failed)
      assert.equal(stop, event.stop)
    end
  end)

  it("says so of errors that are not of a model", function()
    local lost = neap.error.new { code = "http", message = "refused" }
    local event, err = event_of(function()
      wire.client(wire.transport(lost), { max_retries = 1 }):chat("When?")
    end)
    assert.same({ "http", "http" }, { err.code, event.failed })
    local late = { text = "late", after = 9 }
    for name, act in pairs {
      timeout = function() fake(late):chat("When?", { timeout = 0.01 }) end,
      stalled = function() fake(late):chat("When?", { first_token = 0.01, max_retries = 1 }) end,
      user = function() fake(function() error("a mistake", 0) end):chat("When?") end,
    } do
      assert.equal(name, event_of(act).failed)
    end
  end)

  it("comes of a call that a budget has stopped before a request", function()
    local model = llm.fake({ answer }, { budget = llm.budget { calls = 1 } })
    model:chat("When?")
    local event = event_of(function() model:chat("When?") end)
    assert.same({ "budget", 0, "fake" }, { event.failed, event.attempts, event.provider })
  end)

  it("does not come of arguments that are none", function()
    local model = fake(answer)
    for _, act in ipairs {
      function() model:chat(42) end,
      function() model:chat("When?", { temprature = 1 }) end,
      function() model:object({ "a: string" }, {}) end,
      function() model:object({ "a: string" }, "Go.", { tools = {} }) end,
      function() model:embed {} end,
    } do
      assert.equal(0, #events_of(act))
    end
  end)

  it("comes when a stream is left early, with what is known by then", function()
    local model = fake(answer, answer, answer, answer)
    assert.same(expected { call = "stream", usage = usage_of(USAGE, COST), cost = COST, stop = "" },
      (event_of(function()
        for _ in model:stream("When?") do break end -- luacheck: ignore 512
      end)))
    local event = event_of(function()
      for _ in model:stream("When?") do error("a mistake", 0) end -- luacheck: ignore 512
    end)
    assert.is_nil(event.failed or event.stop)
    event = event_of(function()
      local stream <close> = model:stream("When?")
      stream()
      stream:close()
      stream:close()
    end)
    assert.equal("stream", event.call)
    assert.equal(0, #events_of(function() model:stream("When?"):close() end)) -- nothing was sent
  end)

  it("comes when a stream was read to its end, closed or not", function()
    local model = fake(answer, answer)
    assert.equal("stop", event_of(function()
      local stream = model:stream("When?")
      while stream() do end -- luacheck: ignore 542
    end).stop)
    assert.equal("stop", event_of(function()
      local stream <close> = model:stream("When?")
      for _ in stream:deltas() do end -- luacheck: ignore 542
    end).stop)
  end)

  it("says that a stream has failed, also where nobody closes it", function()
    local event = event_of(function()
      local stream = fake({ text = "At six", error = "broken" }):stream("When?")
      while stream() do end -- luacheck: ignore 542
    end)
    assert.same({ "broken", "stream" }, { event.failed, event.call })
  end)

  -- Cancels a run whose node does f, once it waits; returns its events "llm".
  local function cancelled(f)
    local events = {}
    local node = neap.Node { name = "ask", exec = f }
    local task = neap.spawn(node, {}, { on_event = function(event)
      if event.kind == "llm" then events[#events + 1] = event end
    end })
    neap.sleep(0.002)
    task:cancel()
    pcall(task.await, task)
    return events
  end

  it("comes once when a call is cancelled, wherever it waits", function()
    local slow = { text = "late", after = 60 }
    for name, f in pairs {
      chat = function() fake(slow):chat("When?") end,
      wait = function() llm.fake({ { error = "rate" } }, { wait = 60 }):chat("When?") end,
      stream = function() for _ in fake(slow):stream("When?") do end end, -- luacheck: ignore 542
      loop = function() for _ in fake("a b c"):stream("When?") do neap.sleep(60) end end,
      object = function() fake(slow):object({ "a: string" }, "Go.") end,
      embed = function() fake({ vectors = true, after = 60 }):embed("a") end,
      again = function()
        pcall(neap.sleep, 60)
        fake(slow):chat("When?") -- cancelled already: it may not wait
      end,
    } do
      local events = cancelled(f)
      assert.equal(1, #events, name)
      assert.equal("cancelled", events[1].failed, name)
    end
  end)

  it("is one of an object, however often it was asked for", function()
    local model = fake({ text = "no JSON", usage = USAGE }, { text = '{"a": "x"}', usage = USAGE })
    local event = event_of(function() model:object({ "a: string" }, "Go.") end)
    assert.same({ "object", 2, 2000, 2 * COST, "stop" },
      { event.call, event.attempts, event.usage.input, event.cost, event.stop })
    model = fake("no", "no", "no")
    event = event_of(function() model:object({ "a: string" }, "Go.") end)
    assert.same({ "schema", 3 }, { event.failed, event.attempts })
    event = event_of(function() llm.new { provider = "offline" }:object({ "a: string" }, "Go.") end)
    assert.same({ "model", 0, "offline" }, { event.failed, event.attempts, event.provider })
  end)

  it("is one of an embedding, however many requests it takes", function()
    local model = llm.new { provider = "offline" }
    local event = event_of(function() model:embed({ "a", "b", "c" }, { batch = 1 }) end)
    assert.same({ "embed", 3, "offline" }, { event.call, event.attempts, event.provider })
    event = event_of(function() fake({ vectors = true, error = "auth" }):embed("a") end)
    assert.same({ "embed", "auth" }, { event.call, event.failed })
  end)

  it("is one of several clients, with the one that was asked last", function()
    local a = llm.fake({ { error = "overloaded", usage = USAGE } },
      { max_retries = 1, model = "big", prices = PRICES })
    local b = llm.fake({ answer, '{"a": "x"}' }, { model = "small" })
    local model = llm.first { a, b }
    local event = event_of(function() model:chat("When?") end)
    assert.same({ "small", 2, 2000, COST }, { event.model, event.attempts, event.usage.input,
      event.cost })
    a = llm.fake({ { error = "overloaded" }, { error = "overloaded" } },
      { max_retries = 1, model = "big" })
    event = event_of(function() llm.first { a, b }:object({ "a: string" }, "Go.") end)
    assert.same({ "small", 2, "object" }, { event.model, event.attempts, event.call })
    event = event_of(function() llm.first { a, a }:chat("When?") end)
    assert.same({ "big" }, { event.model })
    assert.is_string(event.failed)
  end)

  it("is one of each turn of a conversation, and of its summaries", function()
    local talk = llm.conversation { model = fake("Noon.", "Six.") }
    local calls = {}
    for i, event in ipairs((events_of(function()
      talk:say("When?")
      for _ in talk:stream("And then?") do end -- luacheck: ignore 542
    end))) do calls[i] = event.call end
    assert.same({ "chat", "stream" }, calls)
    local long = llm.conversation { window = 20, summarise = true,
      model = fake(("Long. "):rep(20), "In short.", "Six.") }
    assert.equal(3, #events_of(function()
      long:say("When?")
      long:say("And then?")
    end))
  end)

  it("is one of each request of an agent, at its node", function()
    local tool = llm.tool { name = "now", description = "the time", parameters = {},
      run = function() return "noon" end }
    local agent = llm.agent { model = fake({ calls = { { name = "now" } } }, "At noon."),
      tools = { tool } }
    local seen = {}
    local flow = neap.Flow { name = "flow", start = agent }
    flow:run({ prompt = "When?" }, { on_event = function(event)
      if event.kind == "llm" then
        seen[#seen + 1] = ("%s %s %s"):format(event.node, event.call, event.stop)
      end
    end })
    assert.same({ "flow > agent > ask reply tools", "flow > agent > ask reply stop" }, seen)
  end)

  it("comes of what is recorded and replayed", function()
    local path = helper.tmpdir() .. "/tape"
    local model = llm.record(path, fake(answer))
    assert.equal("fake", event_of(function() model:chat("When?") end).provider)
    local replay = llm.replay(path, { model = "fake" })
    local event, err = event_of(function() replay:chat("When?") end)
    assert.is_nil(err)
    assert.same({ "replay", "fake", 1000 }, { event.provider, event.model, event.usage.input })
    event = event_of(function() replay:chat("Something else?") end)
    assert.equal("cassette", event.failed)
  end)

  it("belongs to the node whose tasks ask", function()
    local model = fake(answer, answer, answer)
    local events = events_of(function()
      neap.map({ 1, 2, 3 }, function() model:chat("When?") end)
    end)
    assert.equal(3, #events)
    for _, event in ipairs(events) do
      assert.same({ "flow > ask", 2 }, { event.node, event.visit })
    end
  end)

  it("is added up in neap.dump and neap.tasks, also where nobody observes the run", function()
    local text, before, task
    local node = neap.Node { name = "ask", exec = function()
      local model = fake(answer, answer)
      before = neap.dump()
      model:chat("When?")
      neap.gather { function() model:chat("And then?") end }
      text = neap.dump()
      for _, each in ipairs(neap.tasks()) do task = each.llm and each or task end
    end }
    neap.Flow { name = "flow", start = node }:run {}
    assert.not_matches("tokens", before)
    assert.matches("at flow > ask (2100 tokens, cost 0.004400) ", text, 1, true)
    assert.same({ "flow > ask", 2, 2, 2000, 100, 2 * COST }, { task.node, task.llm.calls,
      task.llm.attempts, task.llm.input, task.llm.output, task.llm.cost })
    assert.not_matches("When", text)
  end)

  it("changes nothing where no run is", function()
    assert.equal("At six and at noon.", (fake(answer):chat("When?")))
  end)

  it("has neither keys nor prompts nor answers in it", function()
    local key, prompt, text = "sk-planted-key", "a planted prompt", "a planted answer"
    local http = wire.transport(
      { status = 400, kind = "application/json", body = json.encode { error = {
        message = ("no: %s %s"):format(key, prompt) } } },
      { body = wire.sse { { choices = { { delta = { content = text }, finish_reason = "stop" } } },
        "[DONE]" } },
      { body = wire.sse { { choices = { { delta = { content = text } } } } }, breaks = prompt })
    local model = wire.client(http, { key = key, max_retries = 1 })
    local events = events_of(function()
      for _ = 1, 3 do pcall(model.chat, model, prompt, { system = prompt }) end
      pcall(model.object, model, { "a: string" }, prompt)
    end)
    assert.equal(4, #events)
    local all = json.encode(events)
    for _, planted in ipairs { key, prompt, text, "planted" } do
      assert.is_nil(all:find(planted, 1, true))
    end
  end)
end)
