-- Cassettes: what is recorded, what is given from them, and what never is in one.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local json = require "neap.json"
local llm = require "neap.llm"
local neap = require "neap"
local wire = require "spec.llm"

local KEY = "sk-test+key/1234"

local function delta(text, reason)
  return { choices = { { delta = { content = text }, finish_reason = reason } } }
end

local function answer(text)
  return { body = wire.sse { delta(text), delta(nil, "stop"),
    { choices = json.array {}, usage = { prompt_tokens = 7, completion_tokens = 4 } }, "[DONE]" } }
end

-- The parsed lines of a cassette.
local function lines_of(path)
  local list = {}
  for line in helper.read(path):gmatch("[^\n]+") do list[#list + 1] = json.decode(line) end
  return list
end

describe("a cassette", function()
  local path
  before_each(function() path = helper.tmpdir() .. "/tide.jsonl" end)

  local function missed(client, ...)
    local err = helper.refused("llm", client.chat, client, ...)
    assert.equal("cassette", err.kind)
    assert.is_false(err.retryable)
    return err.message
  end

  it("gives what was recorded, in any order, each once", function()
    local model = wire.client(wire.transport(answer "At noon.", answer "At six.",
      answer "Soon."))
    local recorded = llm.record(path, model)
    assert.equal("At noon.", (recorded:chat("When?")))
    assert.equal("At six.", (recorded:chat("And then?")))
    assert.equal("Soon.", (recorded:chat("When?")))
    assert.equal(3, model.usage.calls)
    assert.equal(3, #lines_of(path))
    local replayed = llm.replay(path)
    assert.equal("At six.", (replayed:chat("And then?")))
    local text, reply = replayed:chat("When?")
    assert.same({ "At noon.", "stop", 7, 4, 1 },
      { text, reply.stop, reply.usage.input, reply.usage.output, reply.attempts })
    assert.equal("Soon.", (replayed:chat("When?")))
    assert.equal(("the cassette %s has no such request left; its answer in line 1 has been given")
      :format(path), missed(replayed, "When?"))
    assert.equal("At noon.", (llm.replay(path):chat("When?")))
    assert.is_true(replayed.offline)
  end)

  it("has reasoning, calls, and what vendors want to have back", function()
    local model = llm.record(path, llm.new { provider = {
      name = "ebb", answer = function()
        return { reasoning = "Hm.", text = "Let me see.", vendor = { ebb = '{"b":1,"a":2}' },
          calls = { { id = "a", name = "tide", arguments = '{"port": "Brest"}' } } }
      end } })
    local messages = { { role = "user", content = "When?" } }
    local first = model:reply(messages)
    messages[2] = first.message
    messages[3] = { role = "tool", id = "a", content = "At noon." }
    model:reply(messages)
    local replayed = llm.replay(path)
    local again = replayed:reply { messages[1] }
    assert.same({ "Hm.", "Let me see.", "tools" }, { again.reasoning, again.text, again.stop })
    assert.same(first.calls, again.calls)
    assert.same(first.message, again.message)
    messages[2].vendor = { ebb = "{}" }
    assert.equal("tools", replayed:reply(messages).stop)
  end)

  it("tells requests apart by all that they ask", function()
    local tools = { { name = "tide", parameters = { type = "object", properties = {} },
      run = function() end } }
    local image = { { role = "user", content = { { type = "text", text = "Where?" },
      { type = "image", data = "\0\xFF\x80", mime = "image/png" } } } }
    local model = llm.record(path, llm.fake { "a", "b", "c", "d", "e" })
    model:chat("When?", { temperature = 0.5 })
    model:chat("When?", { tools = tools, seed = 1 })
    model:chat("When?", { system = "Be brief." })
    model:chat(image)
    model:chat("When?", { model = "tide-2" })
    local replayed = llm.replay(path)
    assert.equal("d", (replayed:chat(image)))
    assert.equal("c", (replayed:chat("When?", { system = "Be brief.", timeout = 9, cache = true })))
    assert.equal("b", (replayed:chat("When?", { tools = tools, seed = 1.0 // 1 | 0 })))
    assert.equal("a", (replayed:chat("When?", { temperature = 0.5, max_retries = 1 })))
    assert.matches('model: recorded "tide-2", asked "tide-3"',
      missed(replayed, "When?", { model = "tide-3" }), 1, true)
    assert.equal("e", (replayed:chat("When?", { model = "tide-2" })))
  end)

  it("shows in what the nearest request differs", function()
    local model = llm.record(path, llm.fake { "a", "b" })
    local long = ("The harbour is full of ships. "):rep(9)
    model:chat(long .. "When is high tide?", { temperature = 0 })
    model:chat("Something else entirely")
    local replayed = llm.replay(path)
    assert.equal(table.concat({
      ("the cassette %s has no such request. The nearest is in line 1:"):format(path),
      '  messages[1].content: recorded "...l of ships. When is high tide?", '
        .. 'asked "...l of ships. When is low tide?"',
      "  options.seed: recorded nothing, asked 3",
      "  options.temperature: recorded 0, asked nothing" }, "\n"),
      missed(replayed, long .. "When is low tide?", { seed = 3 }))
    replayed:chat(long .. "When is high tide?", { temperature = 0 })
    assert.matches("The nearest is in line 2:", missed(replayed, long .. "When is low tide?"), 1,
      true)
    replayed:chat("Something else entirely")
    assert.matches("has no such request, and all that it has (2) have been given",
      missed(replayed, "When?"), 1, true)
  end)

  it("shows no half of a character, and not all of what differs much", function()
    local list = {}
    for i = 1, 9 do list[i] = { role = "user", content = ("港"):rep(30) .. i } end
    llm.record(path, llm.fake { "a" }):chat(list)
    for i = 1, 9 do list[i] = { role = "user", content = ("港"):rep(29) .. "口" .. i } end
    local message = missed(llm.replay(path), list)
    assert.is_truthy(utf8.len(message))
    assert.is_nil(message:find("\u{FFFD}", 1, true))
    assert.matches("\n  and 4 more$", message)
  end)

  it("has errors, too, and the attempts that follow them", function()
    local http = wire.transport({ status = 503 }, answer "At noon.",
      { status = 400, body = '{"error": {"message": "No."}}', kind = "application/json" })
    local model = llm.record(path, wire.client(http))
    assert.equal(2, select(2, model:chat("When?")).attempts)
    local err = helper.refused("llm", model.chat, model, "And then?")
    neap.testing.run(function()
      local replayed = llm.replay(path, { jitter = 0 })
      local text, reply = replayed:chat("When?")
      assert.same({ "At noon.", 2, 0.5 }, { text, reply.attempts, reply.seconds })
      local again = helper.refused("llm", replayed.chat, replayed, "And then?")
      for _, name in ipairs { "kind", "message", "status", "retryable", "attempts" } do
        assert.equal(err[name], again[name])
      end
    end)
  end)

  it("has an answer that broke off, and one that took too long", function()
    neap.testing.run(function()
      local model = llm.record(path, llm.fake { { text = "At no", error = "broken" },
        { text = "At noon.", after = 9 } })
      local opts = { max_retries = 1 }
      assert.equal("At no", helper.refused("llm", model.chat, model, "When?", opts).partial.text)
      helper.refused("timeout", model.chat, model, "When?", { timeout = 2 })
      local replayed = llm.replay(path)
      assert.equal("At no", helper.refused("llm", replayed.chat, replayed, "When?", opts)
        .partial.text)
      assert.equal("the model has not answered within 2 s",
        helper.refused("timeout", replayed.chat, replayed, "When?").message)
    end)
  end)

  it("has as much of an answer as somebody waited for", function()
    local model = llm.record(path, llm.fake { "At noon, I think.", "x", { after = 60 } })
    for piece in model:stream("When?") do
      if piece == "noon, " then break end
    end
    local unread <close> = model:stream("Never asked") -- luacheck: ignore 211
    unread:close()
    neap.testing.run(function() pcall(neap.timeout, 1, model.chat, model, "And?") end)
    assert.equal(2, #lines_of(path))
    local replayed, pieces = llm.replay(path), {}
    local err = helper.refused("llm", function()
      for piece in replayed:stream("When?") do pieces[#pieces + 1] = piece end
    end)
    assert.same({ "At ", "noon, " }, pieces)
    assert.equal("nobody has waited for the rest of this answer when it was recorded", err.message)
  end)

  it("never has the key in it, wherever it comes from", function()
    local secrets = { KEY, "hush-hush", "token-5678", "pass-9012", "query-3456", "extra-7890" }
    local echo = table.concat(secrets, " ")
    local failure = { status = 400, kind = "application/json",
      body = json.encode { error = { message = "Not with " .. echo } } }
    local function ask(key, opts)
      local all = { key = key, url = "http://pilot:pass-9012@m/v1?key=query-3456&x=1",
        headers = { Authorization = "Bearer token-5678", ["X-Api-Key"] = "hush-hush",
          ["x-title"] = "Harbour" }, extra = { accessToken = "extra-7890", author = "me", n = 1.0,
          prompt_cache_key = "Harbour" } }
      local http = wire.transport(answer(echo), failure, answer "Yes. No.")
      local model = llm.record(path, wire.client(http, all))
      model:chat("Harbour " .. echo, opts)
      helper.refused("llm", model.chat, model, "And?", opts)
      for piece in model:stream("Stay. " .. KEY, opts) do
        if piece then break end
      end
    end
    ask(KEY)
    ask(function() return KEY end, { headers = { ["x-secret"] = "hush-hush" } })
    local written = helper.read(path)
    for _, secret in ipairs(secrets) do
      assert.is_nil(written:find(secret, 1, true), secret)
      assert.is_nil(written:find(json.encode(secret):sub(2, -2), 1, true), secret)
    end
    assert.is_nil(written:lower():find("authorization", 1, true))
    assert.is_nil(written:find("x-title", 1, true))
    assert.matches("Harbour [redacted]", written, 1, true)
    assert.matches('"author":"me"', written, 1, true)
    -- Who has the same secrets asks the same.
    local replayed = llm.replay(path, { key = KEY, extra = { author = "me", n = 1,
      accessToken = "extra-7890", prompt_cache_key = "Harbour" },
      headers = { a_token = "hush-hush", b_token = "token-5678", c_token = "pass-9012",
        d_token = "query-3456" } })
    assert.matches("^%[redacted%] ", (replayed:chat("Harbour " .. echo)))
  end)

  describe("that cannot be used", function()
    local function refused(text)
      local file = path .. ".other"
      helper.write(file, text)
      local err = helper.refused("llm", llm.replay, file)
      assert.equal("cassette", err.kind)
      return (err.message:gsub("^the cassette .*%.other ", ""))
    end

    it("is refused with a sentence", function()
      llm.record(path, llm.fake { "At noon.", "At six." }):chat("When?")
      local line = helper.read(path)
      assert.equal("is cut off in line 2", refused(line .. line:sub(1, -10)))
      assert.equal("is damaged in line 1: no JSON", refused(line:sub(1, -10) .. "\n" .. line))
      assert.equal("is damaged in line 2: no JSON", refused(line .. "\n" .. line))
      assert.equal("is of version 2 in line 1; this neap reads version 1: record it again",
        refused((line:gsub('"version":1', '"version":2'))))
      assert.equal("is damaged in line 1: it has no version", refused("[]\n"))
      for _, damage in ipairs { '{"version":1}', '{"version":1,"request":{"messages":[]}}',
        '{"version":1,"request":{"messages":[]},"reply":{"text":1}}',
        '{"version":1,"request":{"messages":[]},"reply":{"calls":[{"id":"a"}]}}',
        '{"version":1,"request":{"messages":[]},"reply":{"usage":{"input":"x"}}}',
        '{"version":1,"request":{"messages":[]},"error":{"code":"llm"}}',
        '{"version":1,"request":{"messages":null},"reply":{"text":""}}' } do
        assert.equal("is damaged in line 1: it is no request with its answer", refused(damage))
      end
    end)

    it("is whole without the last end of a line", function()
      llm.record(path, llm.fake { "At noon." }):chat("When?")
      helper.write(path, (helper.read(path):gsub("\n$", "")))
      assert.equal("At noon.", (llm.replay(path):chat("When?")))
    end)

    it("is cut at any byte, and never gives half of an answer", function()
      llm.record(path, llm.fake { "At noon.", "At six." }):chat("When?")
      local line = helper.read(path)
      for length = 1, #line - 2 do
        assert.equal("is cut off in line 1", refused(line:sub(1, length)))
      end
    end)

    it("is not there, or cannot be written", function()
      local err = helper.refused("llm", llm.replay, path .. "/x")
      assert.matches("cannot be read: .*No such file", err.message)
      err = helper.refused("llm", llm.record, path .. "/x", llm.fake {})
      assert.matches("cannot be written: .*No such file", err.message)
      assert.equal("cassette", err.kind)
    end)

    it("is none", function()
      assert.matches("bad argument #1 to 'replay' (path expected, got nil)",
        helper.misused(llm.replay), 1, true)
      assert.matches("argument #2 to 'record' (client of a language model expected, got table)",
        helper.misused(llm.record, path, {}), 1, true)
    end)
  end)

  describe("of the environment", function()
    local core = require "neap.core"
    local getenv, variables = core.getenv, nil
    before_each(function()
      variables = {}
      core.getenv = function(name)
        if name:find("^NEAP_LLM_") or name:find("_API_KEY$") then return variables[name] end
        return getenv(name)
      end
    end)
    after_each(function() core.getenv = getenv end)

    it("is recorded and replayed by a script that knows of none", function()
      local function script(http)
        local opts = { url = "http://m", model = "tide-1", http = http, temperature = 0 }
        local text = llm.new(opts):chat("When?")
        return text .. " " .. llm.new(opts):chat("When?")
      end
      variables.NEAP_LLM_CASSETTE, variables.NEAP_LLM_KEY = "record:" .. path, KEY
      assert.equal("At noon. At six.", script(wire.transport(answer "At noon.", answer "At six.")))
      variables.NEAP_LLM_CASSETTE, variables.NEAP_LLM_KEY = "replay:" .. path, nil
      local none = wire.transport {}
      assert.equal("At noon.", script(none):sub(1, 8))
      assert.equal(0, #none.requests)
      assert.equal("cassette", helper.refused("llm", script, none).kind)
    end)

    it("needs no address, no model and no key to be replayed", function()
      llm.record(path, wire.client(wire.transport(answer "At noon."))):chat("When?")
      variables.NEAP_LLM_CASSETTE = "replay:" .. path
      assert.equal("At noon.", (llm.new():chat("When?")))
      llm.fake { "x" }
    end)

    it("is refused where it is neither", function()
      variables.NEAP_LLM_CASSETTE = path
      assert.equal("NEAP_LLM_CASSETTE is neither record:PATH nor replay:PATH",
        helper.refused("llm", llm.new).message)
    end)
  end)
end)
