-- The client: what it takes from options and the environment, its three calls, and
-- what it raises.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local json = require "neap.json"
local llm = require "neap.llm"
local neap = require "neap"
local wire = require "spec.llm"

local BASE = "http://127.0.0.1:4010/v1"
local KEY = "sk-test+key/1234"

local function delta(text, reason)
  return { choices = { { delta = { content = text }, finish_reason = reason } } }
end

local function answer(text, reason)
  return { body = wire.sse { delta(text), delta(nil, reason or "stop"),
    { choices = json.array {}, usage = { prompt_tokens = 7, completion_tokens = 4 } }, "[DONE]" } }
end

describe("neap.llm", function()
  local system = require "neap.core".system
  local core = require "neap.core"
  local getenv, say = core.getenv, system.say
  local variables, written

  before_each(function()
    variables, written = {}, ""
    core.getenv = function(name)
      if name:find("^NEAP_LLM_") or name:find("_API_KEY$") then return variables[name] end
      return getenv(name)
    end
    system.say = function(text) written = written .. text end
  end)

  after_each(function()
    core.getenv, system.say = getenv, say
  end)

  describe("asks and", function()
    it("chat returns the text and the reply", function()
      local client = wire.client(wire.transport(answer "High at noon."))
      local text, reply = client:chat("When is high tide?")
      assert.equal("High at noon.", text)
      assert.equal("High at noon.", reply.text)
      assert.equal("stop", reply.stop)
      assert.equal(1, reply.attempts)
      assert.equal(7, reply.usage.input)
      assert.equal("tide-1", reply.model)
      assert.is_number(reply.seconds)
      assert.is_number(reply.first_token)
      assert.is_false(client.offline)
    end)

    it("stream gives the pieces, and then has the reply", function()
      local client = wire.client(wire.transport {
        body = wire.sse { delta "High ", delta "at ", delta("noon.", "stop") } })
      assert.same({ "High ", "at ", "noon." }, helper.collect((client:stream("When?"))))
      local stream <close> = client:stream("When?")
      assert.is_nil(stream.reply)
      for _ in stream do assert.is_nil(stream.reply) end
      assert.equal("High at noon.", stream.reply.text)
      assert.is_nil(stream())
    end)

    it("stream gives reasoning and calls too, as deltas", function()
      local client = wire.client(wire.transport { body = wire.sse {
        { choices = { { delta = { reasoning = "Hm." } } } }, delta "Noon.",
        { choices = { { delta = { tool_calls = { { index = 0, id = "a",
          ["function"] = { name = "tide", arguments = "{}" } } } } } } }, delta(nil, "tool_calls"),
      } })
      local list = {}
      for each in client:stream("When?"):deltas() do list[#list + 1] = each end
      assert.same({ { kind = "reasoning", text = "Hm." }, { kind = "text", text = "Noon." },
        { kind = "call", index = 1, id = "a", name = "tide", arguments = "{}" } }, list)
    end)

    it("reply takes any stop, chat only an answer", function()
      for reason, kind in pairs { tool_calls = "tools", length = "length",
        content_filter = "filter", strange = "broken" } do
        local http = wire.transport(answer("High", reason))
        local client = wire.client(http)
        assert.equal("High", client:reply("When?").text)
        local err = helper.refused("llm", client.chat, client, "When?")
        assert.equal(kind, err.kind)
        assert.is_false(err.retryable)
        assert.equal("High", err.partial.text)
        assert.equal(4, err.usage.output)
        assert.equal(2, #http.requests)
      end
    end)

    it("a call's options win over the client's", function()
      local http = wire.transport(answer "x")
      local client = wire.client(http, { temperature = 1, system = "a" })
      client:chat("When?", { model = "tide-2", temperature = 0 })
      assert.equal("tide-2", http.requests[1].body.model)
      assert.equal(0, http.requests[1].body.temperature)
      assert.equal("a", http.requests[1].body.messages[1].content)
    end)

    it("extra is merged into the body, with what is there", function()
      local http = wire.transport(answer "x")
      local extra = { stream_options = { include_obfuscation = false }, top_p = 1 }
      wire.client(http, { extra = extra }):chat("When?")
      assert.same({ include_usage = true, include_obfuscation = false },
        http.requests[1].body.stream_options)
      assert.equal(1, http.requests[1].body.top_p)
      assert.same({ include_obfuscation = false }, extra.stream_options)
    end)

    it("a list of messages is left as it is, and the reply's is appended", function()
      local http = wire.transport(answer "At noon.")
      local messages = { { role = "user", content = "When?" } }
      local client = wire.client(http, { system = "Be brief." })
      local before = json.encode(messages)
      local _, reply = client:chat(messages)
      assert.equal(before, json.encode(messages))
      messages[2] = reply.message
      messages[3] = { role = "user", content = "And then?" }
      client:chat(messages)
      assert.equal(4, #http.requests[2].body.messages)
      assert.same({ role = "assistant", content = "At noon." }, http.requests[2].body.messages[3])
    end)

    it("counts what it has used", function()
      local client = wire.client(wire.transport({ status = 503 }, answer "x"))
      client:chat("When?")
      client:chat("When?")
      assert.same({ calls = 3, input = 14, output = 8, cached = 0, cache_write = 0, reasoning = 0 },
        client.usage)
    end)

    it("asks a function for the key of each request", function()
      local n = 0
      local http = wire.transport({ status = 503 }, answer "x")
      wire.client(http, { key = function()
        neap.sleep(0)
        n = n + 1
        return "key-" .. n
      end }):chat("When?")
      assert.equal("Bearer key-1", http.requests[1].headers.authorization)
      assert.equal("Bearer key-2", http.requests[2].headers.authorization)
    end)
  end)

  describe("takes from the environment", function()
    it("address, key and model", function()
      variables.NEAP_LLM_URL, variables.NEAP_LLM_KEY = BASE, KEY
      variables.NEAP_LLM_MODEL = "tide-2"
      local http = wire.transport(answer "x")
      llm.new({ http = http }):chat("When?")
      local request = http.requests[1]
      assert.equal(BASE .. "/chat/completions", request.url)
      assert.equal("Bearer " .. KEY, request.headers.authorization)
      assert.equal("tide-2", request.body.model)
      llm.new({ http = http, model = "tide-3" }):chat("When?")
      assert.equal("tide-3", http.requests[2].body.model)
      assert.equal("", written)
    end)

    it("the provider, and a vendor's key only when the provider is named", function()
      variables.OPENAI_API_KEY = KEY
      local http = wire.transport(answer "x")
      llm.new({ http = http, url = BASE }):chat("When?")
      assert.is_nil(http.requests[1].headers.authorization)
      llm.new({ http = http, provider = "openai" }):chat("When?")
      assert.equal("Bearer " .. KEY, http.requests[2].headers.authorization)
      assert.equal("https://api.openai.com/v1/chat/completions", http.requests[2].url)
      variables.NEAP_LLM_PROVIDER = "openai"
      llm.new({ http = http, url = BASE }):chat("When?")
      assert.equal("Bearer " .. KEY, http.requests[3].headers.authorization)
      variables.NEAP_LLM_KEY = "other"
      llm.new({ http = http }):chat("When?")
      assert.equal("Bearer other", http.requests[4].headers.authorization)
    end)

    it("nothing from empty variables", function()
      variables = { NEAP_LLM_URL = "", NEAP_LLM_PROVIDER = "", OPENAI_API_KEY = KEY }
      assert.is_true(llm.new().offline)
    end)

    it("no address that is none, of which it shows no secret", function()
      variables.NEAP_LLM_URL = "pilot:word@harbour?token=hush"
      local err = helper.refused("llm", llm.new)
      assert.equal("NEAP_LLM_URL is no http URL: harbour", err.message)
      assert.is_false(err.retryable)
    end)
  end)

  describe("without an address", function()
    it("summarises, and says so once", function()
      package.loaded["neap.llm"] = nil
      local fresh = require "neap.llm"
      local client = fresh.new()
      fresh.new()
      assert.is_true(client.offline)
      assert.equal(require("neap.summary").method, client.model)
      assert.equal("neap: NEAP_LLM_URL is not set; using the built-in offline summariser, "
        .. client.model .. "\n", written)
      local text, reply = client:chat("Summarize:\n\nThe tide comes. The tide goes.")
      assert.equal("The tide comes. The tide goes.", text)
      assert.same({ role = "assistant", content = text }, reply.message)
      assert.equal(1, client.usage.calls)
      assert.same({ "The ", "tide ", "comes." },
        helper.collect((client:stream("Shorten: The tide comes."))))
    end)

    it("has the script's own answers stand in, and says so once", function()
      package.loaded["neap.llm"] = nil
      local fresh = require "neap.llm"
      local client = fresh.new { system = "Be brief.",
        offline = { "At noon.", { text = "At six." } } }
      fresh.new { offline = {} }
      assert.equal("neap: NEAP_LLM_URL is not set; the script's own answers stand in for a "
        .. "model's\n", written)
      assert.same({ true, "fake", "fake" }, { client.offline, client.provider, client.model })
      assert.equal("At noon.", (client:chat("When?")))
      assert.equal("At six.", (client:chat("And then?")))
      local err = helper.refused("llm", client.chat, client, "And then?")
      assert.equal("the fake has run out: it has 2 answer(s), and this is request 3", err.message)
      client = fresh.new { model = "tide-2", offline = function(messages, opts)
        return messages[1].content .. opts.temperature
      end }
      assert.equal("tide-2", client.model)
      assert.equal("When?0", (client:chat("When?", { temperature = 0 })))
    end)

    it("asks a model all the same where one is named", function()
      assert.equal("openai", llm.new { offline = { "x" }, url = BASE, model = "m" }.provider)
      assert.equal("The tide comes.",
        (llm.new { offline = { "x" }, provider = "offline" }:chat("The tide comes.")))
      variables.NEAP_LLM_URL = BASE
      assert.equal("openai", llm.new { offline = { "x" } }.provider)
      variables = { NEAP_LLM_PROVIDER = "ollama" }
      assert.equal("ollama", llm.new { offline = { "x" } }.provider)
      assert.equal("", written)
    end)

    it("refuses answers that are none, also where a model is named", function()
      variables.NEAP_LLM_URL = BASE
      assert.matches("llm.new: bad option 'offline' (list of answers or function expected, got "
        .. "string)", helper.misused(llm.new, { offline = "x" }), 1, true)
      assert.matches("llm.new: unknown option 'txt'; did you mean 'text'?",
        helper.misused(llm.new, { offline = { { txt = "x" } } }), 1, true)
      assert.matches("llm.new: a list of answers expected, got the key 'text'",
        helper.misused(llm.new, { offline = { text = "x" } }), 1, true)
    end)

    it("says nothing when that is what was asked for", function()
      variables.NEAP_LLM_URL = BASE
      local client = llm.new { provider = "offline" }
      assert.is_true(client.offline)
      assert.equal("The tide comes.", (client:chat {
        { role = "system", content = "Be brief." },
        { role = "user", content = { { type = "text", text = "The tide comes." } } },
        { role = "assistant", content = "Yes." } }))
      assert.equal("", written)
      local err = helper.refused("llm", client.chat, client,
        { { role = "system", content = "Be brief." } })
      assert.equal("request", err.kind)
    end)
  end)

  describe("refuses", function()
    it("options that it does not know, with the name that is meant", function()
      for given, meant in pairs { api_key = "key", apiKey = "key", base_url = "url",
        max_completion_tokens = "max_tokens", temprature = "temperature",
        reasoning_effort = "reasoning", system_prompt = "system" } do
        assert.matches(("unknown option '%s'; did you mean '%s'?"):format(given, meant),
          helper.misused(llm.new, { [given] = "x" }), 1, true)
      end
    end)

    it("options of the wrong kind, and shows no key", function()
      for name, value in pairs { temperature = "hot", max_tokens = 0.5, timeout = "soon",
        stop = { 1 }, seed = 1.5, reasoning = "much", tools = { {} }, tool_choice = 1,
        cache = "yes", headers = { 1 }, extra = "x", first_token = 0, silence = -1,
        provider = 1, url = "harbour", key = 1, http = {}, jitter = 2, max_retries = 0 } do
        assert.matches(("llm.new: bad option '%s'"):format(name),
          helper.misused(llm.new, { [name] = value }), 1, true)
        if llm.new { provider = "offline" }[name] == nil and name ~= "url" and name ~= "key"
          and name ~= "http" then
          local client = llm.new { provider = "offline" }
          assert.matches(("chat: bad option '%s'"):format(name),
            helper.misused(client.chat, client, "x", { [name] = value }), 1, true)
        end
      end
    end)

    it("options that are the client's, and clients that are no options", function()
      local client = wire.client(wire.transport(answer "x"))
      assert.matches("chat: unknown option 'url'; it is an option of llm.new",
        helper.misused(client.chat, client, "x", { url = "http://m" }), 1, true)
      assert.matches("llm.conversation: options expected as a table, got neap.llm.Client",
        helper.misused(llm.conversation, client), 1, true)
    end)

    it("tools that no vendor takes", function()
      local client = wire.client(wire.transport(answer "x"))
      for message, tools in pairs {
        ["there are two tools with the name 'tide'"] = { { name = "tide" }, { name = "tide" } },
        ["tool 2: bad option 'name' (string of up to 64 letters, digits, _ and - expected, "
          .. 'got "high tide")'] = { { name = "tide" }, { name = "high tide" } },
        ["tool 1: bad option 'name'"] = { { name = ("x"):rep(200) } },
        ["tool 1: bad option 'parameters' (table expected, got string)"] =
          { { name = "tide", parameters = "port" } },
      } do
        assert.matches("llm.new: " .. message, helper.misused(llm.new, { tools = tools }), 1, true)
        assert.matches("chat: " .. message,
          helper.misused(client.chat, client, "x", { tools = tools }), 1, true)
      end
    end)

    it("a choice of a tool that is not there, before anything is sent", function()
      local http = wire.transport(answer "x")
      local client = wire.client(http)
      local tools = { { name = "tide" }, { name = "port" } }
      local function refusal(opts)
        return helper.misused(client.chat, client, "x", opts)
      end
      assert.matches("chat: the option 'tool_choice' names a tool that is not there, \"tied\"; "
        .. "did you mean \"tide\"?", refusal { tools = tools, tool_choice = "tied" }, 1, true)
      assert.matches("that is not there, \"weather\"$",
        refusal { tools = tools, tool_choice = "weather" })
      for _, choice in ipairs { "tide", "required" } do
        assert.matches(("'tool_choice' is \"%s\", but there are no tools"):format(choice),
          refusal { tool_choice = choice }, 1, true)
      end
      assert.matches("llm.new: the option 'tool_choice'",
        helper.misused(llm.new, { tools = tools, tool_choice = "tied" }), 1, true)
      assert.equal(0, #http.requests)
      client:chat("x", { tools = tools, tool_choice = "port" })
      client:chat("x", { tool_choice = "none" })
      client:chat("x", { tool_choice = "required", extra = { tools = { { type = "search" } } } })
      assert.equal(3, #http.requests)
    end)

    it("keys that no header can hold, and does not show them", function()
      for key, message in pairs {
        ["sk-1\n"] = "the key has a control character in it, such as the newline at the end of "
          .. "a file",
        [7] = "the function for the key has given a number",
        [""] = "the key is an empty text",
      } do
        local http = wire.transport(answer "x")
        local client = wire.client(http, { key = function() return key end })
        local err = helper.refused("llm", client.chat, client, "x")
        assert.same({ "auth", message, false }, { err.kind, err.message, err.retryable })
        assert.same({}, http.requests)
      end
    end)

    it("nothing itself where there is no key, but says so when the server does", function()
      local function message(opts)
        local client = wire.client(wire.transport { status = 401 }, opts)
        return helper.refused("llm", client.chat, client, "x").message
      end
      local status = "the server has answered with status 401"
      assert.equal(status .. "; no key was sent: there is neither the option 'key' nor "
        .. "NEAP_LLM_KEY", message())
      assert.equal(status, message { key = KEY })
      assert.equal(status, message { headers = { Authorization = "Basic x" } })
    end)

    it("prompts and messages that are none", function()
      local client = wire.client(wire.transport(answer "x"))
      for fault, prompt in pairs {
        ["string or list of messages expected, got 7)"] = 7,
        ["string or list of messages expected, got an empty list)"] = {},
        ["string or list of messages expected, got one message; write { message })"] =
          { role = "user", content = "x" },
        ["string or list of messages expected, got neap.Secret, whose text"] = neap.secret "x",
        ["message 1: the content is a string or a list of parts, got a secret, whose text"] =
          { { role = "user", content = neap.secret "x" } },
        ['message 1: the role is "system", "user", "assistant" or "tool", got "me"'] =
          { { role = "me" } },
        ['message 1: the role is "system", "user", "assistant" or "tool", got nil'] =
          { { content = "me" } },
        ["message 1: a table expected, got a string"] = { "When?" },
        ["message 2: the content is a string or a list of parts, got nil"] =
          { { role = "user", content = "a" }, { role = "user" } },
        ["message 1: the content has no parts"] = { { role = "user", content = {} } },
        ["message 1: the content is a list of parts, got a table with names"] =
          { { role = "user", content = { type = "text", text = "a" } } },
        ["message 1: the content is a string or a list of parts, got nil)"] =
          { { role = "assistant", calls = {} } },
        ["message 1: a result of a tool has the id of its call"] =
          { { role = "tool", content = "x" } },
        ["message 1: an image has a url, or data and mime"] =
          { { role = "user", content = { { type = "image" } } } },
        ["message 1: a call has the strings id, name and arguments"] =
          { { role = "assistant", calls = { { name = "tide" } } } },
      } do
        assert.matches("bad argument #1 to 'reply' (" .. fault,
          helper.misused(client.reply, client, prompt), 1, true)
      end
    end)

    it("text that is not UTF-8, by the name that it has", function()
      local client = wire.client(wire.transport(answer "x"))
      for where, arguments in pairs {
        ["the prompt is not UTF-8 (at its byte 2)"] = { "a\xff" },
        ["the system's message is not UTF-8 (at its byte 1)"] = { "a", { system = "\xff" } },
        ["message 1 of the prompt is not UTF-8 (at its byte 1)"] =
          { { { role = "user", content = "\xff" } } },
      } do
        local err = helper.refused("json", client.chat, client, table.unpack(arguments))
        assert.equal(where, err.message)
        assert.is_false(err.retryable)
      end
    end)

    it("providers that do not exist, and a missing model", function()
      assert.matches("unknown provider 'antropic'; did you mean 'anthropic'?",
        helper.misused(llm.new, { provider = "antropic" }), 1, true)
      assert.matches("unknown provider 'mistral'; there are: anthropic, gemini, offline, ollama, "
        .. "openai, responses", helper.misused(llm.new, { provider = "mistral" }), 1, true)
      assert.matches("a provider has a function 'request'",
        helper.misused(llm.new, { provider = { name = "x" } }), 1, true)
      local client = llm.new { provider = "anthropic" }
      assert.matches("chat: the option 'model' is missing, and NEAP_LLM_MODEL is not set",
        helper.misused(client.chat, client, "x"), 1, true)
    end)

    it("a dot in place of the colon", function()
      local client = llm.new { provider = "offline" }
      assert.matches("call it as client:chat(...)", helper.misused(client.chat, "When?"), 1, true)
    end)
  end)

  describe("keeps to itself", function()
    local secret = "the merger with Gezeiten AG is on Friday"

    -- All that can be seen of a value.
    local function seen(value, open)
      if type(value) ~= "table" then return tostring(value) end
      open = open or {}
      if open[value] then return "" end
      open[value] = true
      local list = { tostring(value) }
      for name, inner in next, value do
        list[#list + 1] = seen(name, open) .. " = " .. seen(inner, open)
      end
      return table.concat(list, "\n")
    end

    local function nothing_secret(text)
      for _, word in ipairs { KEY, "Gezeiten", "gezeiten", "merger", "geheim", "north-pass", "hush",
        "word" } do
        assert.is_nil(text:find(word, 1, true), word)
      end
    end

    local function failure(status, body, prompt, kind)
      local client = wire.client(wire.transport { status = status, body = body,
        kind = kind or "application/json" }, { key = KEY, max_retries = 1,
        system = "Es ist geheim.", headers = { ["x-pass"] = "north-pass" },
        url = "http://pilot:word@m/v1?token=hush" })
      local stream <close> = client:stream("x")
      nothing_secret(seen(client) .. seen(stream))
      return helper.refused("llm", client.chat, client, prompt or secret)
    end

    it("key, headers and prompt, wherever a server quotes them", function()
      local request = json.encode { messages = { { content = secret } }, key = KEY }
      for _, said in ipairs {
        { detail = { { msg = "field required", input = json.decode(request) } } },
        { error = { message = "bad: " .. secret } }, { error = "bad: " .. secret:upper() },
        { error = { message = "bad request: " .. request } },
        { error = { message = 'bad: token "Gezeiten" is not allowed' } },
        { error = { message = "bad: 'with Gezeiten AG is on...' is too long" } },
        { error = { message = "bad: the merger with Gezeiten AG" } },
        { error = { message = "bad: Incorrect key " .. KEY .. ", Bearer " .. KEY:reverse() } },
        { error = { message = "bad: x-pass north-pass, http://pilot:word@m/v1?token=hush" } },
        { message = "bad: Es ist geheim." }, { detail = "bad: " .. request },
        { error = "bad: the merger with \\u0047ezeiten AG" },
        { error = "bad: &quot;the merger with &#71;ezeiten AG&quot;" },
        { error = "bad: content=the%20merger%20with%20%47ezeiten%20AG" },
        { error = 'bad: {"content": "the\\nmerger with \\"Gezeiten AG"}' },
      } do
        for _, status in ipairs { 400, 422, 500, 200 } do
          nothing_secret(seen(failure(status, json.encode(said))))
        end
        local err = failure(200, wire.sse { said }, nil, "text/event-stream")
        nothing_secret(seen(err))
      end
      nothing_secret(seen(failure(400, request)))
      nothing_secret(seen(failure(400, secret, nil, "text/plain")))
      nothing_secret(seen(failure(200, '{"a": ' .. secret)))
      nothing_secret(seen(failure(200, "data: " .. secret .. "\n\n", nil, "text/event-stream")))
    end)

    it("words of languages without spaces", function()
      for _, said in ipairs { "bad: 看明天的潮汐表", "bad: \\u660e\\u5929\\u7684\\u6f6e" } do
        local err = failure(400, json.encode { error = said }, "请问明天的潮汐")
        assert.is_nil(err.message:find("潮", 1, true))
        assert.is_nil(err.message:find("天", 1, true))
      end
    end)

    it("arguments and results of tools", function()
      local err = failure(400, json.encode { error = { message =
        'Invalid {"ship":"Gezeiten"}: see merger-result-7' } }, {
        { role = "user", content = "x" },
        { role = "assistant", calls = { { id = "a", name = "b",
          arguments = '{"ship":"Gezeiten"}' } } },
        { role = "tool", id = "a", content = "merger-result-7" } })
      nothing_secret(seen(err))
      assert.matches("^Invalid %[...%]: see %[...%]", err.message)
    end)

    it("but not what else a server says", function()
      assert.equal("Rate limit reached for tide-1 on requests per min (status 400)",
        failure(400, json.encode { error = { message =
          "Rate limit reached for tide-1 on requests per min" } }).message)
    end)

    it("the prompt of a run, in its events and its dump", function()
      local client = wire.client(wire.transport({ status = 503, kind = "application/json",
        body = json.encode { error = { message = "busy: " .. secret } } }, answer "x"),
        { key = KEY, wait = 0.01 })
      local events, dump = {}, nil
      local watcher = neap.spawn(function()
        neap.sleep(0)
        dump = neap.dump()
      end)
      neap.Node({ name = "ask", exec = function() return (client:chat(secret)) end }):run({},
        { on_event = function(event) events[#events + 1] = seen(event) end })
      watcher:await()
      assert.matches("retry", table.concat(events, "\n"), 1, true)
      assert.is_nil(table.concat(events, "\n"):find("Gezeiten", 1, true))
      assert.is_nil(dump:find("Gezeiten", 1, true))
      assert.is_nil(dump:find(KEY, 1, true))
    end)

    it("nothing of a sentence where too much was sent to look through", function()
      assert.equal("the server has answered with status 400",
        failure(400, json.encode { error = { message = "bad: Gezeiten" } },
          secret:rep(200000)).message)
    end)
  end)

  it("sends the same bytes in every process", function()
    local script = [[
      local neap = require "neap"
      local http = { request = function(opts)
        print(opts.body)
        return { status = 200, headers = { ["content-type"] = "application/json" },
          body = '{"choices":[{"message":{"content":"x"}}],"content":[],"stop_reason":"end_turn",'
            .. '"candidates":[{"finishReason":"STOP"}],"output":[],"done":true}' }
      end }
      for _, name in ipairs { "openai", "responses", "anthropic", "gemini", "ollama" } do
        local client = neap.llm.new { provider = name, http = http, model = "m", key = "k",
          temperature = 1, max_tokens = 9, seed = 1, stop = "x", reasoning = "low", cache = true,
          system = "Be brief.", extra = { b = 1, a = { d = 1, c = 2 } }, tools = { { name = "tide",
            description = "d", parameters = { type = "object", properties = { x = { type = "string",
            description = "y" }, a = { type = "number" } }, required = { "x" } } } } }
        client:reply { { role = "user", content = "When?" },
          { role = "assistant", content = "Hm.", calls = { { id = "a", name = "tide",
            arguments = '{"z":1,"y":2,"x":3,"w":4}' } } },
          { role = "tool", id = "a", content = "06:12", failed = true } }
      end]]
    local first
    for _ = 1, 4 do
      local result = helper.run({ helper.neap, "-e", script })
      assert.equal("", result.stderr)
      first = first or result.stdout
      assert.equal(first, result.stdout)
    end
    assert.equal(5, select(2, first:gsub("\n", "")))
  end)
end)
