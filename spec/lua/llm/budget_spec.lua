-- Prices and budgets: what calls cost, and that none passes what they may.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local llm = require "neap.llm"
local neap = require "neap"
local wire = require "spec.llm"

local PRICES = { input = 2, cached = 0.5, output = 10 }

-- A client with answers of so many tokens.
local function fake(opts, ...)
  local answers = {}
  for i, usage in ipairs { ... } do answers[i] = { text = "Noon.", usage = usage } end
  return llm.fake(answers, opts)
end

local function refused(client, prompt, opts)
  local err = helper.refused("llm", client.chat, client, prompt, opts)
  assert.equal("budget", err.kind)
  assert.is_false(err.retryable)
  return err
end

describe("prices", function()
  it("give the cost of a reply and of a client", function()
    local client = fake({ prices = PRICES },
      { input = 1000000, cached = 400000, cache_write = 100000, output = 100000 },
      { input = 500000 })
    assert.equal(0, client.usage.cost)
    local _, reply = client:chat("When?")
    assert.near(1.2 + 0.2 + 1, reply.usage.cost, 1e-12)
    client:chat("When?")
    assert.near(3.4, client.usage.cost, 1e-12)
  end)

  it("are not known unless they are given", function()
    local client = fake({}, { input = 10 })
    assert.is_nil(client:reply("When?").usage.cost)
    assert.is_nil(client.usage.cost)
  end)

  it("count each attempt, and what has failed", function()
    local usage = { input = 100000 }
    local client = llm.fake({ { text = "No", error = "broken", usage = usage },
      { text = "Noon.", usage = usage }, { error = "auth", usage = usage } },
      { prices = PRICES, wait = 0 })
    assert.near(0.4, client:reply("When?").usage.cost, 1e-12)
    local err = helper.refused("llm", client.chat, client, "When?")
    assert.near(0.2, err.usage.cost, 1e-12)
  end)

  it("count what an object has been asked for again", function()
    local usage = { input = 100000 }
    local client = llm.fake({ { text = "?", usage = usage },
      { text = '{"name": "Tide"}', usage = usage } }, { prices = PRICES })
    local _, reply = client:object({ "name: string" }, "Who?")
    assert.near(0.4, reply.usage.cost, 1e-12)
  end)

  it("are of input and output", function()
    for _, prices in ipairs { { input = 1 }, { input = 1, output = -1 },
      { input = 1, output = 2, reasoning = 3 } } do
      helper.failure(llm.fake, {}, { prices = prices })
    end
  end)
end)

describe("a budget", function()
  it("ends requests before they are sent", function()
    local budget = llm.budget { calls = 2 }
    local client = fake({ budget = budget }, {}, {}, {})
    client:chat("When?")
    client:chat("When?")
    local err = refused(client, "When?")
    assert.equal("the request would pass the budget: of calls = 2, 2 are spent or reserved, "
      .. "and it may take 1", err.message)
    assert.same({ 2, 2, 0 }, { #client.requests, client.usage.calls, err.attempts })
  end)

  it("is one for all clients that have it", function()
    local budget = llm.budget { tokens = 100 }
    local a = fake({ budget = budget }, { input = 40, output = 20 }, {})
    local b = fake({ budget = budget, max_tokens = 39 }, {})
    a:chat("When?")
    refused(b, "When?") -- 60 and 2 and 39
    b:chat("When?", { max_tokens = 38 })
    assert.equal(2, budget.spent.calls)
  end)

  it("reserves what may be needed, so that many at once do not pass it", function()
    local most, now = 0, 0
    local function answer()
      now = now + 1
      most = math.max(most, now)
      neap.sleep(1)
      now = now - 1
      return { text = "Noon.", usage = { input = 1, output = 1 } }
    end
    neap.testing.run(function()
      local budget = llm.budget { tokens = 100 }
      local client = llm.fake({ answer, answer, answer, answer },
        { budget = budget, max_tokens = 48 })
      local tasks = {}
      for i = 1, 3 do
        tasks[i] = function() return (pcall(client.chat, client, "When?")) end
      end
      local ok = neap.gather(tasks)
      assert.same({ true, true, false }, { table.unpack(ok, 1, 3) })
      assert.same({ calls = 2, tokens = 4, cost = 0 }, budget.spent)
      client:chat("When?") -- for what was reserved is free again
    end)
    assert.equal(2, most)
  end)

  it("limits the cost, as exactly as sums of money are", function()
    local budget = llm.budget { cost = 0.3 }
    local client = fake({ budget = budget, prices = { input = 0, output = 1 },
      max_tokens = 100000 }, { output = 100000 }, { output = 100000 }, { output = 100000 }, {})
    for _ = 1, 3 do client:chat("When?") end
    assert.near(0.3, budget.spent.cost, 1e-12)
    refused(client, "When?")
  end)

  it("ends the attempts of a call", function()
    local budget = llm.budget { calls = 1 }
    local client = llm.fake({ { error = "overloaded", usage = { input = 7 } }, "Noon." },
      { budget = budget, wait = 0 })
    local err = refused(client, "When?")
    assert.same({ 1, 7 }, { err.attempts, err.usage.input })
  end)

  it("gives back what a call that was cancelled had reserved", function()
    neap.testing.run(function()
      local budget = llm.budget { tokens = 100 }
      local client = llm.fake({ { text = "Late.", after = 10 }, "Noon." },
        { budget = budget, max_tokens = 90 })
      helper.refused("timeout", neap.timeout, 1, function() client:chat("When?") end)
      assert.equal("Noon.", (client:chat("When?")))
    end)
  end)

  it("counts what has come of a stream that was left, though no usage was told", function()
    local budget = llm.budget { tokens = 1000 }
    local http = wire.transport { size = 90, body = wire.sse {
      { choices = { { delta = { content = ("tide "):rep(8) } } } },
      { choices = { { delta = { content = "is low" }, finish_reason = "stop" } } }, "[DONE]" } }
    local client = llm.new { url = "http://m", model = "m", http = http, budget = budget }
    local stream <close> = client:stream("When?!!!")
    stream()
    stream:close()
    assert.same({ calls = 1, tokens = 12, cost = 0 }, budget.spent)
    assert.equal(0, client.usage.output)
  end)

  it("of a cost needs the prices of the client", function()
    local budget = llm.budget { cost = 1 }
    local err = helper.failure(llm.fake, {}, { budget = budget })
    assert.matches("llm.fake: the option 'prices' is missing; the budget has a cost", err)
    assert.matches("llm.new: the option 'prices'", helper.failure(llm.new, { budget = budget,
      url = "http://m" }))
  end)

  it("limits something, and is a budget", function()
    assert.matches("one of the options 'cost', 'tokens' and 'calls' is needed",
      helper.failure(llm.budget, {}))
    assert.matches("bad option 'budget' %(budget of llm.budget expected",
      helper.failure(llm.fake, {}, { budget = {} }))
  end)

  it("says what is wrong with prices", function()
    local wrong = {
      ["a table without 'output'"] = { input = 3 },
      ["a table that has 'cahced' as well"] = { input = 3, output = 4, cahced = 1 },
      ["input -1"] = { input = -1, output = 4 },
      ["input as a string"] = { input = "3", output = 4 },
      ["3"] = 3,
    }
    for given, prices in pairs(wrong) do
      assert.matches(("bad option 'prices' (table of numbers from 0 with input and output "
        .. "expected, got %s)"):format(given),
        helper.failure(llm.fake, {}, { prices = prices }), 1, true)
    end
  end)
end)
