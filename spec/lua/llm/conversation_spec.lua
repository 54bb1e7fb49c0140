-- Conversations: what is remembered, what falls out of the window, and what a failure
-- leaves.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local json = require "neap.json"
local llm = require "neap.llm"
local neap = require "neap"
local wire = require "spec.llm"

local function said(text, input, reason)
  return { body = wire.sse { { choices = { { delta = { content = text },
    finish_reason = reason or "stop" } } }, { choices = json.array {},
    usage = { prompt_tokens = input or 0, completion_tokens = 4 } }, "[DONE]" } }
end

-- A conversation with a model that gives these replies in turn.
local function talk(replies, opts)
  local http = wire.transport(table.unpack(replies))
  local all = { model = wire.client(http) }
  for name, value in pairs(opts or {}) do all[name] = value end
  return llm.conversation(all), http
end

-- The contents of the messages that a request had.
local function sent(request)
  local list = {}
  for i, message in ipairs(request.body.messages) do list[i] = message.content end
  return list
end

local LONG = ("x"):rep(40) -- ten tokens

describe("llm.conversation", function()
  it("remembers what was said", function()
    local conversation, http = talk({ said "Noon.", said "At one." }, { system = "Be brief." })
    assert.equal("Noon.", (conversation:say "When?"))
    local text, reply = conversation:say "And then?"
    assert.same({ "At one.", "stop" }, { text, reply.stop })
    assert.same({ "Be brief.", "When?", "Noon.", "And then?" }, sent(http.requests[2]))
    assert.equal(4, #conversation.messages)
  end)

  it("goes on from plain data", function()
    local first = talk { said "Noon." }
    first:say "When?"
    local second, http = talk { said "At one." }
    second.messages = json.decode(json.encode(first.messages))
    second:say({ { type = "text", text = "And then?" } }, { temperature = 0 })
    assert.equal(3, #http.requests[1].body.messages)
    assert.equal(0, http.requests[1].body.temperature)
  end)

  it("remembers an answer as far as it came, where that is wanted", function()
    local answers = { "Noon or six.", "Yes.", { text = "Low ti", error = "broken" }, "Well." }
    local conversation = llm.conversation { model = llm.fake(answers, { max_retries = 1 }),
      partial = true }
    for piece in conversation:stream "When?" do
      if piece == "or " then break end
    end
    local kept = { { role = "user", content = "When?" },
      { role = "assistant", content = "Noon or " } }
    assert.same(kept, conversation.messages)
    local unread = conversation:stream "And?"
    unread:close()
    assert.same(kept, conversation.messages)
    local stream = conversation:stream "Sure?"
    for _ in stream do end -- luacheck: ignore 542
    stream:close()
    assert.same({ 4, "Yes." }, { #conversation.messages, conversation.messages[4].content })
    assert.equal("broken", helper.failure(function()
      for _ in conversation:stream "And low?" do end -- luacheck: ignore 542
    end).kind)
    assert.same({ 6, "Low ti" }, { #conversation.messages, conversation.messages[6].content })
    local task = neap.spawn(function()
      for _ in conversation:stream "So?" do neap.sleep(60) end
    end)
    helper.turns()
    task:cancel()
    pcall(task.await, task)
    assert.same({ 8, "Well." }, { #conversation.messages, conversation.messages[8].content })
  end)

  it("streams, and remembers at the end", function()
    local conversation, http = talk { { body = wire.sse { { choices = { { delta = {
      content = "No" } } } }, { choices = { { delta = { content = "on." },
      finish_reason = "stop" } } } } } }
    local stream <close> = conversation:stream "When?"
    assert.equal("No", stream())
    assert.same({}, conversation.messages)
    assert.equal("on.", stream())
    assert.is_nil(stream())
    assert.is_nil(stream())
    assert.equal("Noon.", stream.reply.text)
    assert.equal(2, #conversation.messages)
    for _ in conversation:stream "And then?" do break end -- luacheck: ignore 512
    assert.equal(2, #conversation.messages)
    assert.equal(2, #http.requests)
  end)

  it("is left as it was by what raises", function()
    local call = { body = wire.sse { { choices = { { delta = { tool_calls = { { index = 0,
      id = "c", ["function"] = { name = "t", arguments = "{}" } } } },
      finish_reason = "tool_calls" } } } } }
    for kind, reply in pairs { length = said("No", 0, "length"), tools = call,
      auth = { status = 401 } } do
      local conversation = talk { reply }
      local err = helper.refused("llm", conversation.say, conversation, "When?")
      assert.equal(kind, err.kind)
      err = helper.refused("llm", function()
        for _ in conversation:stream "When?" do end -- luacheck: ignore 542
      end)
      assert.equal(kind, err.kind)
      assert.same({}, conversation.messages)
    end
  end)

  it("keeps the turns of those who speak at once", function()
    local conversation = talk { said "Yes." }
    local first, second = conversation:stream "One?", conversation:stream "Two?"
    helper.collect(second)
    helper.collect(first)
    local list = {}
    for i, message in ipairs(conversation.messages) do list[i] = message.content end
    assert.same({ "Two?", "Yes.", "One?", "Yes." }, list)
  end)

  it("drops whole turns that have no room, the oldest first", function()
    local conversation, http = talk({ said(LONG) }, { window = 45 })
    for i = 1, 3 do conversation:say(i .. LONG:sub(2)) end
    assert.same({ 1, 3, 3 }, { #http.requests[1].body.messages, #http.requests[2].body.messages,
      #http.requests[3].body.messages })
    assert.equal("2", sent(http.requests[3])[1]:sub(1, 1))
    assert.equal(4, #conversation.messages)
  end)

  it("parts no call from its result, and sends the last turn whatever its size", function()
    local conversation, http = talk({ said "Yes." }, { window = 12 })
    conversation.messages = { { role = "user", content = "a" },
      { role = "assistant", calls = { { id = "c", name = "t", arguments = '"' .. LONG .. '"' } } },
      { role = "tool", id = "c", content = "b" }, { role = "assistant", content = "c" },
      { role = "user", content = "d" }, { role = "assistant", content = "e" } }
    conversation:say "f"
    assert.same({ "d", "e", "f" }, sent(http.requests[1]))
    conversation:say(LONG .. LONG)
    assert.same({ LONG .. LONG }, sent(http.requests[2]))
  end)

  it("keeps messages of the system", function()
    local conversation, http = talk({ said "Yes." }, { window = 15 })
    conversation.messages = { { role = "system", content = "s" },
      { role = "user", content = LONG }, { role = "assistant", content = "a" } }
    conversation:say(LONG)
    assert.same({ "s", LONG }, sent(http.requests[1]))
  end)

  it("learns from replies how long a token is", function()
    local conversation, http = talk({ said("a", 30), said "b" }, { window = 45 })
    conversation:say(LONG) -- ten tokens by the estimate, and thirty by the model
    conversation:say(LONG)
    assert.same({ LONG }, sent(http.requests[2]))
  end)

  it("has what falls out summarised by the model", function()
    local conversation, http = talk({ said "a", said "b", said "They met.", said "c",
      said "They met twice.", said "d" }, { window = 25, summarise = true, system = "S" })
    conversation:say(LONG)
    conversation:say(LONG)
    conversation:say(LONG)
    assert.matches("^Summarise this conversation.*user: x+\n\nassistant: a",
      sent(http.requests[3])[1])
    assert.same({ "S", "What was said before, in short: They met.", LONG },
      sent(http.requests[4]))
    conversation.messages = json.decode(json.encode(conversation.messages))
    conversation:say(LONG)
    assert.matches("system: What was said before, in short: They met%.\n\nuser: x+\n\nassistant: c",
      sent(http.requests[5])[1])
    assert.same({ "S", "What was said before, in short: They met twice.", LONG },
      sent(http.requests[6]))
  end)

  it("has it summarised by a function, whose errors leave it as it was", function()
    local given
    local conversation, http = talk({ said "a" }, { window = 12, summarise = function(list)
      given = list
      neap.sleep(0)
      if #list > 2 then error("no", 0) end
      return ""
    end })
    conversation:say(LONG)
    conversation:say(LONG)
    assert.equal("a", given[2].content)
    assert.same({ LONG }, sent(http.requests[2]))
    conversation.messages = { { role = "user", content = LONG }, { role = "user", content = LONG },
      { role = "assistant", content = "b" } }
    assert.equal("no", helper.failure(conversation.say, conversation, LONG))
    assert.equal(3, #conversation.messages)
  end)

  it("loses nothing to a function that gives no summary", function()
    for kind, value in pairs { ["nil"] = false, table = {}, number = 5 } do
      local conversation = llm.conversation { model = llm.fake(function() return "a" end),
        window = 20, summarise = function() return value or nil end }
      conversation:say(LONG)
      assert.equal("llm.conversation: the function 'summarise' gives a text, got " .. kind,
        helper.failure(conversation.say, conversation, LONG))
      assert.equal(2, #conversation.messages)
    end
  end)

  it("refuses what it cannot be made of, and what cannot be said", function()
    local function refusal(opts)
      return helper.misused(llm.conversation, opts):match("llm%.conversation: .*")
    end
    local model = wire.client(wire.transport(said "a"))
    assert.equal("llm.conversation: the option 'model' is missing", refusal())
    assert.equal("llm.conversation: 'summarise' needs a 'window'",
      refusal { model = model, summarise = true })
    assert.equal("llm.conversation: bad option 'window' (whole number from 1 expected, got 0)",
      refusal { model = model, window = 0 })
    local conversation = llm.conversation { model = model }
    assert.matches("bad argument #1 to 'say'", helper.misused(conversation.say, conversation))
    assert.matches("bad argument #1 to 'stream'",
      helper.misused(conversation.stream, conversation))
    assert.matches("say: options expected as a table, got string",
      helper.misused(conversation.say, conversation, "a", "b"))
    assert.matches("stream: unknown option 'time_out'; did you mean 'timeout'",
      helper.misused(conversation.stream, conversation, "a", { time_out = 1 }))
    conversation.messages = "[]"
    assert.matches("say: the messages of a conversation are a list, got string",
      helper.misused(conversation.say, conversation, "a"))
    conversation.messages = { turns = {} }
    assert.matches("say: the messages of a conversation are a list, got a table without a first "
      .. "message", helper.misused(conversation.say, conversation, "a"), 1, true)
  end)
end)
