-- The client for chat models, against a transport that records what it is
-- asked to post and answers what the spec has laid down.
-- SPDX-License-Identifier: MIT
local json = require "neap.json"
local llm = require "neap.llm"

local BASE = "http://127.0.0.1:4010/v1"
local KEY = "sk-test+key/1234"

local REPLY = [[{ "model": "tide-1",
  "choices": [{ "message": { "role": "assistant", "content": "High at noon." },
    "finish_reason": "stop" }],
  "usage": { "prompt_tokens": 7, "completion_tokens": 4 } }]]

--- Returns a transport that answers each request with `response` (by default a
-- good one) and keeps the last request in `url` and `opts`.
local function transport(response)
  local http = {}
  function http.post(url, opts)
    http.url, http.opts = url, opts
    return response or { status = 200, headers = {}, body = REPLY }
  end
  return http
end

--- Returns what a client raises for a response.
local function failure(response, url)
  local client = llm.new {
    url = url or BASE, key = KEY, http = transport(response),
  }
  local ok, err = pcall(client.chat, client, "When is high tide?")
  assert.is_false(ok)
  return err
end

describe("neap.llm", function()
  local getenv, stderr = os.getenv, io.stderr
  local variables, written

  before_each(function()
    variables, written = {}, ""
    os.getenv = function(name) -- luacheck: ignore 122
      if name:find("^NEAP_LLM_") then
        return variables[name]
      end
      return getenv(name)
    end
    io.stderr = { -- luacheck: ignore 122
      write = function(self, ...)
        written = written .. table.concat { ... }
        return self
      end,
    }
  end)

  after_each(function()
    os.getenv, io.stderr = getenv, stderr -- luacheck: ignore 122
  end)

  describe("asks an endpoint and", function()
    it("returns the text and the decoded reply", function()
      local client = llm.new { url = BASE, http = transport() }
      local text, reply = client:chat("When is high tide?")
      assert.equal("High at noon.", text)
      assert.equal("tide-1", reply.model)
      assert.equal(7, reply.usage.prompt_tokens)
      assert.equal("stop", reply.choices[1].finish_reason)
      assert.is_false(client.offline)
    end)

    it("sends what it was told, and nothing else", function()
      local http = transport()
      llm.new {
        url = BASE, key = KEY, model = "tide-1", temperature = 0,
        max_tokens = 50, system = "Be brief.", timeout = 9,
        headers = { ["X-Harbour"] = "north" }, http = http,
      }:chat("When?")
      assert.same({
        json = {
          model = "tide-1",
          temperature = 0,
          max_tokens = 50,
          messages = {
            { role = "system", content = "Be brief." },
            { role = "user", content = "When?" },
          },
        },
        headers = { authorization = "Bearer " .. KEY, ["x-harbour"] = "north" },
        timeout = 9,
      }, http.opts)

      llm.new { url = BASE, http = http }:chat("When?")
      assert.same({
        json = { messages = { { role = "user", content = "When?" } } },
        headers = {},
        timeout = 120,
      }, http.opts)
    end)

    it("lets a call override the client", function()
      local http = transport()
      local client = llm.new {
        url = BASE, key = KEY, model = "a", temperature = 1, http = http,
      }
      client:chat("When?", {
        model = "b", temperature = 0, headers = { Authorization = "Basic xyz" },
      })
      assert.equal("b", http.opts.json.model)
      assert.equal(0, http.opts.json.temperature)
      assert.same({ authorization = "Basic xyz" }, http.opts.headers)
    end)

    it("joins the parts of a content that are text", function()
      local thought = { type = "thinking", thinking = { { type = "text",
        text = "hm" } } }
      for _, parts in ipairs {
        { { type = "text", text = "hello" } },
        { { type = "text", text = "hel" }, { type = "text", text = "lo" } },
        { thought, { type = "text", text = "hello" } },
        { { text = "hello" } },
      } do
        local client = llm.new { url = BASE, http = transport {
          status = 200, headers = {},
          body = json.encode { choices = { { message = { content = parts } } } },
        } }
        assert.equal("hello", (client:chat("When?")))
      end
    end)

    it("takes a conversation, which it leaves as it is", function()
      local http = transport()
      local messages = {
        { role = "user", content = "When?" },
        { role = "assistant", content = "At noon." },
        { role = "user", content = "And then?" },
      }
      llm.new { url = BASE, system = "Be brief.", http = http }:chat(messages)
      assert.equal(3, #messages)
      assert.equal(4, #http.opts.json.messages)
      assert.equal("And then?", http.opts.json.messages[4].content)
    end)

    it("completes the address", function()
      local full = BASE .. "/chat/completions"
      for given, expected in pairs {
        [BASE] = full,
        [BASE .. "/"] = full,
        [full] = full,
        [BASE .. "?version=1"] = full .. "?version=1",
      } do
        local http = transport()
        llm.new { url = given, http = http }:chat("When?")
        assert.equal(expected, http.url)
      end
    end)

    it("reads the environment where it is told nothing", function()
      variables.NEAP_LLM_URL = BASE
      variables.NEAP_LLM_KEY = KEY
      variables.NEAP_LLM_MODEL = "tide-2"
      local http = transport()
      llm.new { http = http }:chat("When?")
      assert.equal(BASE .. "/chat/completions", http.url)
      assert.equal("Bearer " .. KEY, http.opts.headers.authorization)
      assert.equal("tide-2", http.opts.json.model)
      llm.new { http = http, model = "tide-3" }:chat("When?")
      assert.equal("tide-3", http.opts.json.model)
    end)

    it("keeps the key out of the client", function()
      local client = llm.new { url = BASE, key = KEY, http = transport() }
      for name, value in pairs(client) do
        assert.is_nil(tostring(value):find(KEY, 1, true), name)
      end
    end)
  end)

  describe("raises", function()
    it("an error with the status and the beginning of the body", function()
      local err = failure {
        status = 500, headers = {}, body = ("no "):rep(500),
      }
      assert.equal("http", err.code)
      assert.equal(500, err.status)
      assert.equal(300, #err.body)
      assert.truthy(err.message:find("HTTP status 500", 1, true))
      assert.truthy(err.message:find(BASE .. "/chat/completions", 1, true))
    end)

    it("what tells a retry from a lost cause", function()
      local expected = {
        [302] = false, [400] = false, [401] = false, [404] = false,
        [408] = true, [409] = true, [425] = true, [429] = true,
        [500] = true, [503] = true, [529] = true,
      }
      for status, retryable in pairs(expected) do
        local err = failure { status = status, headers = {}, body = "" }
        assert.equal(retryable, err.retryable, status)
        assert.equal("http", err.code)
      end
    end)

    it("the seconds that Retry-After asks for", function()
      local noon = "Fri, 17 Jul 2026 12:00:00 GMT"
      for value, seconds in pairs {
        ["0"] = 0,
        [" 120 "] = 120,
        ["Fri, 17 Jul 2026 12:00:07 GMT"] = 7,
        ["Friday, 17-Jul-26 12:01:00 GMT"] = 60,
        ["Fri Jul 17 13:00:00 2026"] = 3600,
        ["Sat Aug  1 12:00:00 2026"] = 15 * 86400,
        ["Fri, 17 Jul 2026 11:00:00 GMT"] = 0,
      } do
        local err = failure {
          status = 503, body = "",
          headers = { ["retry-after"] = value, date = noon },
        }
        assert.equal(seconds, err.retry_after, value)
      end
    end)

    it("no such seconds where the header makes no sense", function()
      for _, value in ipairs { "", "soon", "-1", "1.5",
        "Fri, 17 Foo 2026 12:00:07 GMT" } do
        local err = failure {
          status = 429, headers = { ["retry-after"] = value }, body = "",
        }
        assert.is_nil(err.retry_after)
      end
    end)

    it("seconds by our own clock when the server has none", function()
      local later = os.date("!%a, %d %b %Y %H:%M:%S GMT", os.time() + 60)
      local err = failure {
        status = 429, headers = { ["retry-after"] = later }, body = "",
      }
      assert.is_true(err.retry_after > 50 and err.retry_after <= 60)
    end)

    it("code llm for a reply that is no JSON or has no message", function()
      for _, body in ipairs {
        "", "<html>maintenance</html>", "null", "3", "{}", '{"choices":[]}',
        '{"choices":[null]}', '{"error":{"message":"overloaded"}}',
      } do
        local err = failure { status = 200, headers = {}, body = body }
        assert.equal("llm", err.code, body)
        assert.is_true(err.retryable)
        assert.equal(200, err.status)
        assert.equal(body, err.body)
      end
    end)

    it("code llm, and that asking again is of no use, for one without text",
      function()
        local function refusal(message, reason)
          return failure { status = 200, headers = {}, body = json.encode {
            choices = { { message = message, finish_reason = reason } },
          } }
        end
        local null = json.null
        for words, err in pairs {
          ["the model called tools"] =
            refusal({ content = null, tool_calls = { {} } }, "tool_calls"),
          ["the model called a function"] =
            refusal({ content = null }, "function_call"),
          ["the model refused"] = refusal({ refusal = "I cannot" }, "stop"),
          ["a content filter took the text"] =
            refusal({ content = null }, "content_filter"),
          ["max_tokens were spent before there was text"] =
            refusal({ content = json.array {} }, "length"),
          ["it is empty"] =
            refusal({ content = { { type = "image" } } }, "odd"),
        } do
          assert.equal("llm", err.code)
          assert.is_false(err.retryable)
          assert.truthy(err.message:find(words, 1, true), err.message)
        end
      end)

    it("what an error in a 2xx says of asking again", function()
      for body, retryable in pairs {
        ['{"error":{"message":"Invalid API key","code":401}}'] = false,
        ['{"error":{"message":"x","type":"invalid_request_error"}}'] = false,
        ['{"error":{"message":"x","code":"insufficient_quota"}}'] = false,
        ['{"error":{"message":"busy","code":503}}'] = true,
        ['{"error":{"message":"x","type":"rate_limit_error"}}'] = true,
        ['{"error":{"message":"x","type":"overloaded_error"}}'] = true,
        ['{"error":"upstream timed out"}'] = true,
        ['{"error":"no such model"}'] = false,
      } do
        local err = failure { status = 200, headers = {}, body = body }
        assert.equal("llm", err.code)
        assert.equal(retryable, err.retryable, body)
      end
    end)

    it("that a quota is spent, which no waiting cures, unlike a rate", function()
      for code, retryable in pairs {
        insufficient_quota = false, billing_hard_limit_reached = false,
        rate_limit_exceeded = true,
      } do
        for _, field in ipairs { "code", "type" } do
          local err = failure {
            status = 429, headers = { ["retry-after"] = "7" },
            body = json.encode { error = { message = "x", [field] = code } },
          }
          assert.equal(retryable, err.retryable, code)
          assert.equal(7, err.retry_after)
        end
      end
    end)

    it("nothing secret", function()
      local echo = "key " .. KEY .. ", Bearer abcdefgh, "
        .. "GET https://pilot:pw@harbour.test/tides?token=hush"
      local err = failure({
        status = 401, headers = {}, body = echo,
      }, "http://pilot:word@127.0.0.1:4010/v1?token=hush")
      for name, value in pairs(err) do
        for _, secret in ipairs { KEY, "abcdefgh", "hush", "word", "pw" } do
          assert.is_nil(tostring(value):find(secret, 1, true), name)
        end
      end
      assert.truthy(err.body:find("key [redacted]", 1, true))
    end)

    describe("no words of the prompt that a server quotes:", function()
      local secret = "the merger with Gezeiten AG is on Friday"

      -- What of the prompt is left in the error for this body.
      local function quoted(body, prompt, opts)
        local client = llm.new { url = BASE, http = transport {
          status = 422, headers = {}, body = body,
        } }
        local ok, err = pcall(client.chat, client, prompt or secret, opts)
        assert.is_false(ok)
        for name, value in pairs(err) do
          for word in (secret .. " geheim 潮汐"):gmatch("[^ ]+") do
            if #word > 3 then
              assert.is_nil(tostring(value):lower():find(word:lower(), 1, true),
                ("%s: %s"):format(name, value))
            end
          end
        end
        return err.body
      end

      it("as JSON, escaped, in part, cut off, one of them", function()
        local request = json.encode { messages = { { content = secret } } }
        assert.equal('{"detail":{"input":{"messages":[{"content":"[...]"}]}}}',
          quoted('{"detail":{"input":' .. request .. "}}"))
        assert.equal("bad: [...]!", quoted("bad: " .. secret:upper() .. "!"))
        quoted(json.encode { detail = request })
        quoted('{"input":"the merger with \\u0047ezeiten AG"}')
        quoted("&quot;the merger with &#71;ezeiten&quot;")
        quoted("content=the%20merger%20with%20%47ezeiten")
        assert.equal('token "[...]" is not allowed',
          quoted('token "Gezeiten" is not allowed'))
        assert.equal('"[...]" is too long', quoted('"merger with Gezei" is too long'))
        for length = 280, 1300 do
          quoted(("."):rep(length) .. secret)
        end
      end)

      it("of the system's message, of parts, in languages without spaces",
        function()
          quoted("bad: geheim", "When?", { system = "Es ist geheim." })
          quoted("bad: geheim",
            { { role = "user", content = { { type = "text", text = "geheim" } } } })
          quoted("bad: 看潮汐表", { { role = "user", content = "明天的潮汐" } })
        end)

      it("but all else that it says", function()
        assert.equal("the model 'tide-1' is not known",
          quoted("the model 'tide-1' is not known"))
        assert.equal("", quoted(""))
      end)

      it("nothing at all where too much was sent to look through", function()
        assert.equal("[...]", quoted("bad: Gezeiten", secret:rep(500000)))
      end)
    end)

    it("no half of a key at the end of an excerpt", function()
      for length = 280, 300 do
        local err = failure {
          status = 401, headers = {}, body = ("."):rep(length) .. KEY,
        }
        assert.is_nil(err.body:find("sk", 1, true))
      end
    end)

    it("one line of valid UTF-8, whatever the body holds", function()
      for _, body in ipairs {
        "\xff\xfe\0\27[31m\n", ("é"):rep(400), "x" .. ("é"):rep(400),
        ("a"):rep(5000000),
      } do
        local err = failure { status = 502, headers = {}, body = body }
        assert.is_truthy(utf8.len(err.body))
        assert.is_nil(err.body:find("%c"))
        assert.is_true(#err.body <= 300)
      end
    end)

    it("what the transport raised, itself", function()
      local raised = { code = "cancelled" }
      local client = llm.new { url = BASE, http = {
        post = function() error(raised) end,
      } }
      local ok, err = pcall(client.chat, client, "When?")
      assert.is_false(ok)
      assert.equal(raised, err)
    end)
  end)

  describe("refuses", function()
    it("unknown options, naming the one meant", function()
      local function message(f, ...)
        local _, err = pcall(f, ...)
        return tostring(err)
      end
      local expected = "unknown option 'modle'; did you mean 'model'?"
      local client = llm.new { url = BASE, http = transport() }
      assert.truthy(message(llm.new, { modle = "x" }):find(expected, 1, true))
      assert.truthy(message(client.chat, client, "When?", { modle = "x" })
        :find(expected, 1, true))
    end)

    it("names that other clients have for options, with ours", function()
      for name, meant in pairs { api_key = "key", base_url = "url",
        apikey = "key", max_completion_tokens = "max_tokens" } do
        local ok, err = pcall(llm.new, { url = BASE, [name] = "x" })
        assert.is_false(ok)
        assert.truthy(err:find(("unknown option '%s'; did you mean '%s'?")
          :format(name, meant), 1, true), err)
      end
    end)

    it("values of the wrong type, in new and in chat", function()
      local http = transport()
      local client = llm.new { url = BASE, http = http }
      for name, value in pairs { temperature = "hot", max_tokens = {},
        timeout = "soon", model = 3, system = {}, headers = "x" } do
        local expected = ("bad option '%s' ("):format(name)
        local ok, err = pcall(llm.new, { url = BASE, [name] = value })
        assert.is_false(ok)
        assert.truthy(err:find("llm.new: " .. expected, 1, true), err)
        ok, err = pcall(client.chat, client, "When?", { [name] = value })
        assert.is_false(ok)
        assert.truthy(err:find("chat: " .. expected, 1, true), err)
      end
      for name, value in pairs { key = 3, http = {}, temperature = -1 } do
        local ok, err = pcall(llm.new, { url = BASE, [name] = value })
        assert.is_false(ok)
        assert.truthy(err:find(("bad option '%s' ("):format(name), 1, true))
      end
      assert.is_nil(http.url)
    end)

    it("a chat with a dot in place of the colon", function()
      for _, client in ipairs {
        llm.new { url = BASE, http = transport() }, llm.new(),
      } do
        for _, prompt in ipairs { "When?", { { role = "user" } } } do
          local ok, err = pcall(function() client.chat(prompt) end)
          assert.is_false(ok)
          assert.truthy(err:find("call it as client:chat(...)", 1, true), err)
          assert.truthy(err:find("llm_spec.lua:", 1, true), err)
        end
      end
    end)

    it("addresses of other schemes, without repeating them", function()
      for _, url in ipairs { "file:///etc/passwd", "localhost:80", true } do
        assert.has_error(function() llm.new { url = url } end, "llm.new: bad option 'url' (URL "
          .. ("that begins with http:// or https:// expected, got %s)"):format(type(url)))
      end
    end)

    it("an address of the environment that is none, by its variable", function()
      for value, shown in pairs {
        ["nonsense"] = "nonsense",
        ["localhost:4010/v1?token=hush"] = "localhost:4010/v1",
        ["pilot:word@127.0.0.1/v1"] = "127.0.0.1/v1",
        ["ftp://pilot:word@127.0.0.1/v1"] = "ftp://127.0.0.1/v1",
      } do
        variables.NEAP_LLM_URL = value
        local ok, err = pcall(llm.new)
        assert.is_false(ok)
        assert.equal("NEAP_LLM_URL is no http URL: " .. shown, tostring(err))
        assert.equal("llm", err.code)
        assert.is_false(err.retryable)
        assert.is_false(llm.new({ url = BASE }).offline)
      end
    end)

    it("texts that are not UTF-8, by what the caller calls them", function()
      local parts = { { type = "text", text = "\xFF" } }
      for name, case in pairs {
        ["the prompt is not UTF-8 (at its byte 3)"] = { "ab\xFF" },
        ["the system's message is not UTF-8 (at its byte 1)"] =
          { "When?", { system = "\x80" } },
        ["message 2 of the prompt is not UTF-8 (at its byte 2)"] =
          { { { role = "user", content = "When?" }, { content = "a\xC0\x80" } } },
        ["cannot encode $.messages[1].content[1].text: the string is not UTF-8 "
          .. "(at its byte 1)"] = { { { role = "user", content = parts } } },
      } do
        local client = llm.new { url = BASE }
        local ok, err = pcall(client.chat, client, table.unpack(case))
        assert.is_false(ok)
        assert.equal(name, err.message)
        assert.equal("json", err.code)
        assert.is_false(err.retryable)
      end
    end)

    it("prompts that are none", function()
      local client = llm.new { url = BASE, http = transport() }
      for _, prompt in ipairs { print, true, {} } do
        assert.has_error(function() client:chat(prompt) end, "bad argument #1 to 'chat' (string "
          .. ("or list of messages expected, got %s)"):format(type(prompt)))
      end
    end)
  end)

  describe("without an endpoint", function()
    local BEST = "Neap tides come when the Moon and the Sun pull apart."
    local TIDES = "The Moon has pulled at the seas for ages. " .. BEST
      .. " Coffee gets cold. Neap tides and coffee have their hour."

    --- Returns the module as a program that just started has it.
    local function fresh()
      package.loaded["neap.llm"] = nil
      local module = require "neap.llm"
      package.loaded["neap.llm"] = llm
      return module
    end

    it("says once what answers instead", function()
      variables.NEAP_LLM_URL = "" -- as good as unset
      local module = fresh()
      assert.is_true(module.new().offline)
      assert.equal("neap: NEAP_LLM_URL is not set; using the built-in offline "
        .. "summariser, TextRank (Mihalcea & Tarau, 2004)\n", written)
      module.new()
      assert.equal(1, select(2, written:gsub("\n", "")))
    end)

    it("summarises what follows the instruction", function()
      local client = llm.new()
      local plain = client:chat(TIDES)
      assert.truthy(plain:find(BEST, 1, true))
      for _, instruction in ipairs {
        "Summarize: ", "Summarize asynchronously: ",
        "Please summarize this in two sentences:\n\n",
      } do
        assert.equal(plain, (client:chat(instruction .. TIDES)))
      end
    end)

    it("takes for an instruction only what looks like one", function()
      local client = llm.new()
      assert.equal("See http://harbour.test now.",
        (client:chat("See http://harbour.test now.")))
      assert.equal("Tides:", (client:chat("Tides:")))
      assert.equal("High tide at: noon.",
        (client:chat("High tide\nat: noon.")))
    end)

    it("answers the user's last message in the shape of a reply", function()
      local text, reply = llm.new():chat {
        { role = "system", content = "Be brief." },
        { role = "user", content = "Something else." },
        { role = "user", content = { { type = "text", text = TIDES } } },
        { role = "assistant", content = "Well," },
      }
      assert.truthy(text:find(BEST, 1, true))
      assert.equal(text, reply.choices[1].message.content)
      assert.equal("TextRank (Mihalcea & Tarau, 2004)", reply.model)
    end)

    it("says what it needs when no message is the user's", function()
      local client = llm.new()
      assert.has_error(function()
        client:chat { { role = "system", content = "Be brief." } }
      end, "the offline summariser needs a message of the user")
    end)
  end)
end)
