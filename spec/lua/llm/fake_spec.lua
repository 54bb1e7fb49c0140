-- Stand-ins for models: answers in turn, in pieces, late, broken off.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local llm = require "neap.llm"
local neap = require "neap"

-- Calls f with a fake that has these answers, on a virtual clock.
local function play(answers, f, opts)
  opts = opts or {}
  opts.jitter = 0
  return neap.testing.run(function() return f(llm.fake(answers, opts)) end)
end

describe("llm.fake", function()
  it("answers in turn, and raises when it has run out", function()
    local fake = llm.fake { "At noon.", { text = "At six." } }
    assert.equal("At noon.", (fake:chat("When?")))
    assert.equal("At six.", (fake:chat("And then?")))
    local err = helper.refused("llm", fake.chat, fake, "And then?")
    assert.equal("request", err.kind)
    assert.is_false(err.retryable)
    assert.equal("the fake has run out: it has 2 answer(s), and this is request 3", err.message)
    assert.equal(3, #fake.requests)
    assert.equal("request", helper.refused("llm", function() llm.fake({}):chat("When?") end).kind)
  end)

  it("streams in pieces, with white space where it is", function()
    local fake = llm.fake { " High\nat  noon. ", " ", "" }
    assert.same({ " High\n", "at  ", "noon. " }, helper.collect((fake:stream("When?"))))
    assert.same({ " " }, helper.collect((fake:stream("When?"))))
    assert.same({}, helper.collect((fake:stream("When?"))))
  end)

  it("thinks, speaks and calls tools, as deltas and as a reply", function()
    local answer = { reasoning = "Hm.", text = "Let me see.", calls = {
      { name = "tide", arguments = { port = "Brest" } }, { name = "now" },
      { name = "raw", arguments = "{ ", id = "mine" } }, usage = { input = 4, output = 2 } }
    local fake = llm.fake { answer, answer }
    local kinds = {}
    for delta in fake:stream("When?"):deltas() do kinds[#kinds + 1] = delta.kind end
    assert.equal("reasoning text text text call call call call call call",
      table.concat(kinds, " "))
    local reply = fake:reply("When?")
    assert.same({ "tools", "Hm.", "Let me see.", "fake" },
      { reply.stop, reply.reasoning, reply.text, reply.model })
    assert.same({ { id = "call_3", name = "tide", arguments = '{"port":"Brest"}' },
      { id = "call_4", name = "now", arguments = "{}" },
      { id = "mine", name = "raw", arguments = "{ " } }, reply.calls)
    assert.same({ 4, 2, 8 }, { reply.usage.input, reply.usage.output, fake.usage.input })
    assert.equal(2, fake.usage.calls)
  end)

  it("ends as it is told", function()
    local fake = llm.fake { { text = "High", stop = "length" } }
    local err = helper.refused("llm", fake.chat, fake, "When?")
    assert.same({ "length", "High" }, { err.kind, err.partial.text })
  end)

  it("keeps what it was asked, whatever becomes of it", function()
    local fake = llm.fake({ "At noon.", "At six." }, { system = "Be brief.", temperature = 0 })
    local messages = { { role = "user", content = "When?" } }
    local _, reply = fake:chat(messages)
    messages[1].content = "Never mind."
    messages[2] = reply.message
    fake:chat(messages, { model = "tide-2", temperature = 1 })
    assert.same({ { role = "system", content = "Be brief." },
      { role = "user", content = "When?" } }, fake.requests[1].messages)
    assert.same({ "fake", 0 }, { fake.requests[1].model, fake.requests[1].options.temperature })
    assert.equal(3, #fake.requests[2].messages)
    assert.same({ "tide-2", 1 }, { fake.requests[2].model, fake.requests[2].options.temperature })
  end)

  it("has functions answer, which may wait and raise", function()
    local seen
    local function late(messages, opts)
      neap.sleep(2)
      seen = { messages[1].content, opts.max_tokens }
      messages[1].content = "x"
      return { text = "At noon.", usage = { output = 3 } }
    end
    play({ late, function() return "At six." end, function() error("no tide", 0) end,
      function() return 7 end, function() return { txt = "x" } end }, function(fake)
        local text, reply = fake:chat("When?", { max_tokens = 9 })
        assert.same({ "At noon.", 3, 2, 2 },
          { text, reply.usage.output, reply.seconds, reply.first_token })
        assert.same({ "When?", 9 }, seen)
        assert.equal("When?", fake.requests[1].messages[1].content)
        assert.equal("At six.", (fake:chat("When?")))
        assert.equal("no tide", helper.failure(fake.chat, fake, "When?"))
        assert.matches("a string, a table or a function, got a number",
          helper.failure(fake.chat, fake, "When?"), 1, true)
        assert.matches("unknown option 'txt'; did you mean 'text'?",
          helper.failure(fake.chat, fake, "When?"), 1, true)
      end)
  end)

  it("has one function answer all requests", function()
    local fake = llm.fake(function(messages, opts)
      return messages[#messages].content .. opts.max_tokens
    end, { max_tokens = 9 })
    assert.equal("When?9", (fake:chat("When?")))
    assert.equal("And then?8", (fake:chat("And then?", { max_tokens = 8 })))
    assert.equal(2, #fake.requests)
    fake = llm.fake(function() return 7 end)
    assert.matches("llm.fake: an answer is a string, a table or a function, got a number",
      helper.failure(fake.chat, fake, "When?"), 1, true)
  end)

  it("fails, and is asked again where a model would be", function()
    play({ { error = "overloaded" }, { error = "rate", retry_after = 5 }, "At noon.",
      { error = "auth", message = "No such key." } }, function(fake)
        local text, reply = fake:chat("When?")
        assert.same({ "At noon.", 3, 5.5 }, { text, reply.attempts, reply.seconds })
        local err = helper.refused("llm", fake.chat, fake, "When?")
        assert.same({ "auth", "No such key.", 1 }, { err.kind, err.message, err.attempts })
        assert.equal(4, #fake.requests)
      end)
  end)

  it("breaks off in the middle, with the tokens that were spent", function()
    local half = { text = "At no", error = "broken", usage = { output = 2 } }
    play({ half, { text = "At noon.", usage = { output = 3 } }, half }, function(fake)
      local text, reply = fake:chat("When?")
      assert.same({ "At noon.", 5, 2 }, { text, reply.usage.output, reply.attempts })
      local pieces = {}
      local err = helper.refused("llm", function()
        for piece in fake:stream("When?") do pieces[#pieces + 1] = piece end
      end)
      assert.same({ "At ", "no" }, pieces)
      assert.same({ "broken", "At no" }, { err.kind, err.partial.text })
    end)
  end)

  it("is late, and is limited as a model is", function()
    play({ { text = "At noon.", after = 7, between = 2 } }, function(fake)
      local _, reply = fake:chat("When?")
      assert.same({ 9, 7 }, { reply.seconds, reply.first_token })
    end)
    local function limited(answer, opts, code, expected, seconds)
      opts.max_retries = 1
      play({ answer }, function(fake)
        local err = helper.refused(code, fake.chat, fake, "When?", opts)
        assert.equal(expected, err.message)
        assert.equal(seconds, neap.now())
      end)
    end
    local slow = { text = "At noon.", after = 7, between = 2 }
    limited(slow, { first_token = 3 }, "llm", "the model has not begun to answer within 3 s", 3)
    limited(slow, { silence = 1 }, "llm", "the model has said nothing for 1 s", 8)
    limited(slow, { timeout = 8 }, "timeout", "the model has not answered within 8 s", 8)
    limited(function() neap.sleep(9) end, { first_token = 4 }, "llm",
      "the model has not begun to answer within 4 s", 4)
  end)

  it("is left by a loop, and cancelled", function()
    play({ { text = "At noon.", between = 5 }, { after = 60 } }, function(fake)
      for piece in fake:stream("When?") do
        assert.equal("At ", piece)
        if piece == "At " then break end
      end
      assert.equal(0, neap.now())
      assert.equal("timeout", helper.failure(neap.timeout, 1, fake.chat, fake, "When?").code)
      assert.equal(1, neap.now())
    end)
  end)

  it("stands in for a client in a flow", function()
    play({ { error = "rate" }, "At noon." }, function(fake)
      local ask = neap.Node { name = "ask", max_retries = 2 }
      function ask:exec() return (fake:chat("When?")) end -- luacheck: ignore 212
      function ask:post(shared, _, text) shared.text = text end -- luacheck: ignore 212
      local shared = {}
      neap.Flow({ name = "tide", start = ask }):run(shared)
      assert.equal("At noon.", shared.text)
    end, { max_retries = 1 })
  end)

  it("refuses answers that are none", function()
    assert.matches("bad argument #1 to 'fake' (list of answers or function expected, got string)",
      helper.misused(llm.fake, "At noon."), 1, true)
    for answer, complaint in pairs {
      [7] = "an answer is a string, a table or a function, got a number",
      [{ error = "rates" }] = "bad option 'error' (kind of an error such as \"rate\" expected",
      [{ usage = { inputs = 1 } }] = "bad option 'usage'",
      [{ calls = { {} } }] = "bad option 'calls'",
      [{ after = -1 }] = "bad option 'after'",
    } do
      assert.matches(complaint, helper.misused(llm.fake, { answer }), 1, true)
    end
    assert.matches("got the key 'text'", helper.misused(llm.fake, { text = "x" }), 1, true)
    assert.matches("unknown option 'temprature'",
      helper.misused(llm.fake, {}, { temprature = 1 }), 1, true)
  end)
end)
