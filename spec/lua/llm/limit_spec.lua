-- Limits of a key: what requests wait for, what they put back, and what the vendor says.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local llm = require "neap.llm"
local neap = require "neap"
local wire = require "spec.llm"

local function whole(headers, usage)
  return { headers = headers, body = wire.sse { { choices = { { delta = { content = "Noon." },
    finish_reason = "stop" } }, usage = usage }, "[DONE]" } }
end

-- Answers that come after so many seconds.
local function answers(n, after, usage)
  local list = {}
  for i = 1, n do list[i] = { text = "Noon.", after = after, usage = usage } end
  return list
end

-- When the calls of all these clients end, which begin together.
local function ends(...)
  local began, tasks = neap.now(), {}
  for i, client in ipairs { ... } do
    tasks[i] = function()
      client:chat("When?")
      return math.floor((neap.now() - began) * 1000 + 0.5) / 1000
    end
  end
  return { table.unpack(neap.gather(tasks), 1, select("#", ...)) }
end

local function on_clock(f)
  return function() neap.testing.run(f) end
end

describe("llm.limit", function()
  it("lets so many requests through in a time, of all clients", on_clock(function()
    local limit = llm.limit { requests = 2, per = 10 }
    local a = llm.fake(answers(2), { limit = limit })
    local b = llm.fake(answers(2), { limit = limit })
    assert.same({ 0, 0, 5, 10 }, ends(a, b, a, b))
  end))

  it("has a minute unless it is told", on_clock(function()
    local limit = llm.limit { requests = 1 }
    local a = llm.fake(answers(2), { limit = limit })
    assert.same({ 0, 60 }, ends(a, a))
  end))

  it("lets so many through at once", on_clock(function()
    local a = llm.fake(answers(3, 2), { limit = llm.limit { concurrency = 2 } })
    assert.same({ 2, 2, 4 }, ends(a, a, a))
  end))

  it("reserves an estimate, and puts back what was not used", on_clock(function()
    local usage = { input = 20, output = 30 }
    local a = llm.fake(answers(2, 2, usage), { limit = llm.limit { tokens = 102, per = 102 },
      max_tokens = 100 })
    -- 102 are reserved; after 2 seconds 2 have come, and 52 are back. 48 are missing.
    assert.same({ 2, 52 }, ends(a, a))
  end))

  it("takes what was used beyond the estimate", on_clock(function()
    local limit = llm.limit { tokens = 100, per = 100 }
    local a = llm.fake(answers(2, 0, { input = 149, output = 1 }), { limit = limit })
    local began = neap.now()
    a:chat("When?")
    a:chat("When?")
    assert.near(52, neap.now() - began, 1e-6)
  end))

  it("lets through what is more than all, alone", on_clock(function()
    local a = llm.fake(answers(2), { limit = llm.limit { tokens = 10, per = 10 },
      max_tokens = 1000 })
    assert.equal("Noon.", (a:chat("When?")))
  end))

  it("gives its place to the attempts of others while a client waits for its next",
    on_clock(function()
      local limit = llm.limit { concurrency = 1 }
      local a = llm.fake({ { error = "server", after = 1 }, { text = "Noon.", after = 1 } },
        { limit = limit, wait = 5, jitter = 0 })
      local b = llm.fake(answers(1, 1), { limit = limit })
      assert.same({ 7, 2 }, ends(a, b))
    end))

  it("is not passed by a stream before its end", on_clock(function()
    local a = llm.fake(answers(3), { limit = llm.limit { concurrency = 1 } })
    local stream = a:stream("When?")
    assert.equal("Noon.", stream())
    helper.refused("timeout", a.chat, a, "When?", { timeout = 3 })
    stream:close()
    assert.equal("Noon.", (a:chat("When?")))
    for _ in a:stream("When?") do neap.sleep(0) end
    assert.equal(3, #a.requests)
  end))

  it("counts for the time of a call, and not for that until the first token", on_clock(function()
    local a = llm.fake(answers(3), { limit = llm.limit { requests = 1, per = 10 },
      first_token = 1 })
    assert.same({ 0, 10 }, ends(a, a))
    local began = neap.now()
    local err = helper.refused("timeout", a.chat, a, "When?", { timeout = 4 })
    assert.equal("the model has not answered within 4 s", err.message)
    assert.same({ 0, 0 }, { err.attempts, err.usage.input })
    assert.equal(4, neap.now() - began)
    assert.equal(2, a.usage.calls)
  end))

  it("loses nothing when a call is cancelled in the line", on_clock(function()
    local a = llm.fake(answers(3, 1), { limit = llm.limit { requests = 2, per = 20,
      concurrency = 1 } })
    local first = neap.spawn(a.chat, a, "When?")
    local second = neap.spawn(a.chat, a, "When?")
    neap.sleep(0.5)
    second:cancel()
    helper.refused("cancelled", second.await, second)
    first:await()
    assert.same({ 1, 10 }, ends(a, a))
  end))

  it("leaves nothing behind, wherever it is cancelled", function()
    neap.testing.sweep(function()
      local limit = llm.limit { requests = 1, tokens = 50, per = 4, concurrency = 1 }
      local a = llm.fake({ { error = "server", after = 1 }, "Noon.", "Six." }, { limit = limit,
        jitter = 0, max_tokens = 40, timeout = 100 })
      a:chat("When?")
      a:chat("When?")
    end)
  end)

  it("gives back what a budget does not allow", on_clock(function()
    local limit = llm.limit { requests = 1, per = 1000, concurrency = 1 }
    local a = llm.fake({ "Noon." }, { limit = limit, budget = llm.budget { tokens = 10 } })
    local err = helper.refused("llm", a.chat, a, "When?", { max_tokens = 100 })
    assert.equal("budget", err.kind)
    assert.same({ 0 }, ends(a))
  end))

  it("is closed for all clients when a server asks to wait", on_clock(function()
    local limit = llm.limit { requests = 100 }
    local a = llm.fake({ { error = "rate", retry_after = 30 }, "Noon." }, { limit = limit })
    local b = llm.fake({ "Noon." }, { limit = limit })
    assert.same({ 30, 0 }, ends(a, b))
    local c = llm.fake({ { error = "rate", retry_after = 30 } }, { limit = limit,
      max_retries = 1 })
    helper.refused("llm", c.chat, c, "When?")
    local d = llm.fake({ "Noon." }, { limit = limit })
    assert.same({ 30 }, ends(d))
  end))

  it("is not closed for longer than a client would wait", on_clock(function()
    local limit = llm.limit { requests = 100 }
    local a = llm.fake({ { error = "rate", retry_after = 3600 }, "Noon." }, { limit = limit })
    helper.refused("llm", a.chat, a, "When?")
    assert.same({ 0 }, ends(a))
  end))

  for vendor, names in pairs {
    openai = { "x-ratelimit-remaining-requests", "x-ratelimit-remaining-tokens" },
    anthropic = { "anthropic-ratelimit-requests-remaining",
      "anthropic-ratelimit-tokens-remaining" },
  } do
    it("follows what headers say is left: " .. vendor, on_clock(function()
      local http = wire.transport(whole { [names[1]] = "1" }, whole { [names[1]] = "90" })
      local a = llm.new { url = "http://m", model = "m", http = http,
        limit = llm.limit { requests = 100, per = 100 } }
      assert.same({ 0 }, ends(a))
      assert.same({ 0 }, ends(a))
      assert.same({ 1 }, ends(a))
      http = wire.transport(whole { [names[2]] = "3" })
      a = llm.new { url = "http://m", model = "m", http = http, max_tokens = 48,
        limit = llm.limit { tokens = 100, per = 100 } }
      assert.same({ 0 }, ends(a))
      assert.same({ 1 }, ends(a)) -- of 50 there are 3, and 46 that the first has not used
    end))
  end

  -- The answers to two requests of a key that takes 10 requests, and has said this.
  local function told(headers, opts, usage)
    headers.date = "Mon, 30 Nov 2026 14:00:00 GMT"
    local all = { url = "http://m", model = "m", http = wire.transport(whole(headers, usage)),
      limit = llm.limit { requests = 10, tokens = 1000, per = 100 } }
    for name, value in pairs(opts or {}) do all[name] = value end
    local a = llm.new(all)
    ends(a)
    return ends(a)[1]
  end

  it("waits for the reset that a vendor names", on_clock(function()
    local LEFT, RESET = "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"
    for text, seconds in pairs { ["500ms"] = 0.5, ["1m0s"] = 60, ["1m1.5s"] = 61.5, ["7"] = 7,
      ["0s"] = 0, ["2h"] = 120 } do
      assert.equal(seconds, told { [LEFT] = "0", [RESET] = text })
    end
    assert.equal(20, told({ [LEFT] = "0", [RESET] = "1m0s" }, { max_retry_after = 20 }))
    assert.equal(0, told { [LEFT] = "1", [RESET] = "1m0s" })
    assert.equal(0, told { [LEFT] = "-1", [RESET] = "0" }) -- Azure's "no limit"
    assert.equal(10, told { [LEFT] = "0", [RESET] = "soon" }) -- as fast as the limit's own
    local left = "anthropic-ratelimit-requests-remaining"
    local reset = "anthropic-ratelimit-requests-reset"
    for text, seconds in pairs { ["2026-11-30T14:00:30Z"] = 30, ["2026-11-30T15:00:30+01:00"] = 30,
      ["2026-11-30T13:59:00Z"] = 0, ["2026-11-30T14:00:02.5Z"] = 2.5 } do
      assert.equal(seconds, told { [left] = "0", [reset] = text })
    end
  end))

  it("goes at the pace of a vendor that names its size", on_clock(function()
    assert.equal(6, told { ["x-ratelimit-limit-requests"] = "100",
      ["x-ratelimit-remaining-requests"] = "0", ["x-ratelimit-reset-requests"] = "10m0s" })
    -- 52 are wanted, 12 are left and 2 were put back; 88 come in 44 s.
    assert.equal(19, told({ ["anthropic-ratelimit-tokens-limit"] = "100",
      ["anthropic-ratelimit-tokens-remaining"] = "12",
      ["anthropic-ratelimit-tokens-reset"] = "2026-11-30T14:00:44Z" }, { max_tokens = 50 },
      { prompt_tokens = 40, completion_tokens = 10 }))
  end))

  it("limits something, and is a limit", function()
    assert.matches("one of the options 'requests', 'tokens' and 'concurrency' is needed",
      helper.failure(llm.limit, { per = 3 }))
    assert.matches("bad option 'limit' %(limit of llm.limit expected", helper.failure(llm.fake, {},
      { limit = {} }))
  end)
end)
