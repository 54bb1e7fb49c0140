-- Nothing of what was sent comes out again: every provider is led through every fault, by a
-- server that quotes what it was sent. No error, event, list of tasks or warning may have a
-- word of it, and no cassette a key.
-- SPDX-License-Identifier: MIT
local base64 = require "neap.base.base64"
local helper = require "spec.helper"
local json = require "neap.json"
local llm = require "neap.llm"
local neap = require "neap"
local planted = require "spec.planted"
local wire = require "spec.llm"

local check, drive, with = planted.check, planted.drive, planted.with
local HISTORY, PROMPT, SECRET = planted.HISTORY, planted.PROMPT, planted.SECRET

-- What a server quotes: all that was sent, or a part of it, in the ways of servers.
local QUOTES = {
  request = function(request) return request.body end,
  text = function() return ("Input should be valid, not '%s'"):format(PROMPT) end,
  words = function() return "what you said about kelp forests off Norderney is too much" end,
  system = function() return "the prompt 'you know all about kelp' is not allowed" end,
  history = function()
    return 'no call for {"at":"kelp beds"}, so "The kelp is 30 m tall." means nothing'
  end,
  picture = function() return "cannot decode " .. base64.encode(planted.PICTURE) end,
  address = function()
    return "cannot decode data:image/png;base64," .. base64.encode(planted.PICTURE):sub(1, 22)
  end,
  key = function(request)
    local list = { "Incorrect key provided: " .. SECRET, "Bearer " .. SECRET, planted.OPTIONS.url }
    for name, value in pairs(request.headers) do
      list[#list + 1] = ("%s: %s"):format(name, type(value) == "table" and value:reveal() or value)
    end
    return table.concat(list, "; ")
  end,
}

local function first_event(w)
  return w.text:match("^.-\n\n") or w.text:match("^.-\n")
end

-- The answers that are faults: each is made from the wire and a quote.
local FAULTS = {}
for _, status in ipairs { 400, 401, 403, 404, 413, 422, 429, 500, 503, 529 } do
  FAULTS["status " .. status] = function(w, said)
    return { status = status, json = w.body(said) }
  end
end

FAULTS["422 with its input"] = function(_, said)
  return { status = 422, json = { detail = { { loc = { "body" }, msg = said, input = said } } } }
end
FAULTS["400 as text"] = function(_, said)
  return { status = 400, headers = { ["content-type"] = "text/plain" }, body = said }
end
FAULTS["500 as a page"] = function(_, said)
  return { status = 500, headers = { ["content-type"] = "text/html" }, body = "<p>" .. said }
end
FAULTS["a page"] = function(_, said)
  return { headers = { ["content-type"] = "text/html" }, body = "<html>" .. said }
end
FAULTS["text that is no JSON"] = function(_, said)
  return { headers = { ["content-type"] = "application/json" }, body = said }
end
FAULTS["JSON that is cut off"] = function(w, said)
  return { headers = { ["content-type"] = "application/json" },
    body = json.encode(w.body(said)):sub(1, -3) }
end
FAULTS["an error in a 200"] = function(w, said) return { json = w.body(said) } end
FAULTS["an error in a stream"] = function(w, said)
  return { headers = { ["content-type"] = w.kind }, chunks = { first_event(w), w.event(said) } }
end
FAULTS["an error event that is no JSON"] = function(w, said)
  return { headers = { ["content-type"] = w.kind },
    chunks = { "event: error\ndata: ", said:gsub("%c", " "), "\n\n" } }
end
FAULTS["an event that is no JSON"] = function(w, said)
  return { headers = { ["content-type"] = w.kind },
    body = ("%s%s }\n\n"):format(w.kind:find "json" and "" or "data: ", (said:gsub("%c", " "))) }
end
FAULTS["a context that is too long"] = function(w, said)
  return { status = 400, json = w.body("The maximum context length is 8 tokens: " .. said) }
end
FAULTS["a model that is not there"] = function(w, said)
  return { status = 404, json = w.body("The model `m` does not exist. You sent " .. said) }
end
FAULTS["a long wait"] = function(w, said)
  return { status = 429, headers = { ["retry-after"] = "3600" }, json = w.body(said) }
end
FAULTS["a break"] = function(w)
  return { headers = { ["content-type"] = w.kind }, chunks = { w.text:sub(1, 60) },
    error = "connection reset" }
end
FAULTS["no connection"] = function() return { error = "connection refused" } end

-- Faults that quote nothing, with the kind of the error.
local QUIET = {
  { "an empty stream", "broken", function(w)
    return { headers = { ["content-type"] = w.kind }, body = "" }
  end },
  { "an empty body", "broken", function() return { body = "" } end },
  { "null", "broken", function() return { json = json.null } end },
  { "a stall before the head", "stalled", function(w)
    return { headers = { ["content-type"] = w.kind }, body = w.text, delay = 1000 }
  end },
  { "a stall in the stream", "stalled", function(w)
    return { headers = { ["content-type"] = w.kind }, chunk_delay = 90,
      chunks = { first_event(w), "\n" } }
  end },
}

local NAMES = { "anthropic", "gemini", "ollama", "openai", "responses" }

describe("what was planted stays where it was:", function()
  for _, name in ipairs(NAMES) do
    local w = planted.wires[name]
    local opts = { provider = name, key = SECRET }

    local function faulty(what, make)
      for how, quote in pairs(what == "status 400" and QUOTES or { request = QUOTES.request,
        key = QUOTES.key }) do
        local prompt = (how == "text" or how == "words") and PROMPT or HISTORY
        local err, events = drive(("%s: %s, quoting the %s"):format(name, what, how), opts,
          function(request) return make(w, quote(request)) end,
          function(client) return client:chat(prompt) end)
        assert.is_table(err, what .. how)
        assert.equal(1, events.llm)
        assert.is_true(err.code == "llm" or err.code == "http", what .. how)
      end
    end

    for what, make in pairs(FAULTS) do
      it(("%s, %s"):format(name, what), function() faulty(what, make) end)
    end

    for _, fault in ipairs(QUIET) do
      it(("%s, %s"):format(name, fault[1]), function()
        local err = drive(name .. ": " .. fault[1], opts, function() return fault[3](w) end,
          function(client) return client:chat(HISTORY) end)
        assert.equal(fault[2], err.kind)
      end)
    end

    it(name .. ", cut at each byte", function()
      local whole = 0
      for i, body in ipairs { w.text, w.calls, w.event(QUOTES.text()) } do
        for length = 0, #body - 1 do
          local http = wire.transport { body = body:sub(1, length), kind = w.kind }
          local client = llm.new(with(planted.OPTIONS, with(opts, { http = http,
            max_retries = 1 })))
          local ok, reply = pcall(client.reply, client, PROMPT)
          check(("%s: cut at byte %d of body %d"):format(name, length, i), reply)
          assert(ok or reply.code == "llm", reply)
          whole = whole + (ok and 1 or 0)
        end
      end
      assert.is_true(whole < 130, whole) -- the last event may be missing
    end)

    it(name .. ", a schema that it refuses, and answers that fit none", function()
      local function ask(client) return client:object({ "height: number" }, PROMPT) end
      local err = drive(name .. ": refused", opts, function(request)
        return { status = 400, json = w.body("the schema is not supported: " .. request.body) }
      end, ask)
      assert.equal("request", err.kind)
      err = drive(name .. ": no answer fits", opts, function()
        return { headers = { ["content-type"] = w.kind }, body = w.text }
      end, ask)
      assert.equal("schema", err.kind)
    end)

    it(name .. ", tools that fail, and an agent without an end", function()
      local turn, loop = 0, {}
      loop.loop = loop
      local look = llm.tool { name = "look", parameters = { "at: string" }, run = function()
        turn = turn + 1
        if turn == 1 then error(neap.error.new { code = "kelp", message = "the kelp is gone" }) end
        if turn == 2 then return print end
        return loop
      end }
      local err = drive(name .. ": agent", opts, function()
        return { headers = { ["content-type"] = w.kind }, body = w.calls }
      end, function(client)
        return llm.agent({ model = client, tools = { look }, max_turns = 4 }):ask(PROMPT)
      end)
      assert.same({ "turns", 4 }, { err.kind, turn })
      err = drive(name .. ": agent and fault", opts, function(request)
        if turn > 4 then return { status = 400, json = w.body("no: " .. request.body) } end
        return { headers = { ["content-type"] = w.kind }, body = w.calls }
      end, function(client)
        return llm.agent({ model = client, tools = { look } }):ask(HISTORY)
      end)
      assert.equal("request", err.kind)
    end)

    it(name .. ", vectors", function()
      local err = drive(name .. ": embed", opts, function(request)
        return { status = 400, json = w.body("too long: " .. request.body) }
      end, function(client) return client:embed { PROMPT, "More kelp, and more." } end)
      assert.equal("request", err.kind)
    end)

    it(name .. ", others in its place, conversations and budgets", function()
      local function answer(request)
        return { status = 503, json = w.body("no: " .. request.body) }
      end
      local err = drive(name .. ": first", opts, answer, function(client)
        return llm.first({ client, client }):chat(PROMPT)
      end)
      assert.equal("overloaded", err.kind)
      err = drive(name .. ": conversation", opts, answer, function(client)
        return llm.conversation({ model = client, system = "Kelp, kelp." }):say(PROMPT)
      end)
      assert.equal("overloaded", err.kind)
      err = drive(name .. ": budget", with(opts, { budget = llm.budget { tokens = 1 } }), answer,
        function(client) return client:chat(HISTORY) end)
      assert.equal("budget", err.kind)
    end)
  end

  it("a key that no header can hold", function()
    for _, key in ipairs { SECRET .. "\n", neap.secret(SECRET .. "\n"),
      function() return SECRET .. "\n" end } do
      local err = drive("a newline in a key", { key = key }, error, function(client)
        return client:chat(PROMPT)
      end)
      assert.equal("auth", err.kind)
    end
  end)

  it("a cassette of another version, and one that is damaged", function()
    local path = helper.tmpdir() .. "/old.jsonl"
    for bytes, message in pairs {
      ['{"version":99,"request":"' .. PROMPT .. '"}\n'] = "is of version 99",
      ['{"version":1,"request":{"messages":"' .. PROMPT .. '"}}\n'] = "is damaged in line 1",
      ['{"version":1,"request":{"messages":["' .. PROMPT] = "is cut off in line 1",
    } do
      helper.write(path, bytes)
      local err = helper.refused("llm", llm.replay, path)
      assert.matches(message, err.message, 1, true)
      check("cassette", err)
    end
  end)

  it("what the program prints of a flow that fails", function()
    local path = helper.tmpdir() .. "/flow.lua"
    helper.write(path, ([[
      local neap = require "neap"
      local fake = neap.testing.http { ["http://m/*"] = function(request)
        return { status = 400, json = { error = { message = "no: " .. request.body .. ", key "
          .. tostring(request.headers.authorization) } } }
      end }
      local model = neap.llm.new { url = "http://m", model = "m", key = os.getenv "SCULPIN",
        headers = { ["x-pass"] = "sculpin-2" }, system = "All about kelp." }
      neap.spawn_detached(model.chat, model, %q)
      local ask = neap.Node { name = "ask", max_retries = 2 }
      function ask:exec() return model:chat(%q) end
      return neap.Flow { name = "tide", start = ask }]]):format(PROMPT, PROMPT))
    for _, mode in ipairs { "--json", "--quiet", "" } do
      local result = helper.run({ helper.neap, "run", path, mode ~= "" and mode or nil },
        { env = { SCULPIN = SECRET } })
      assert.equal(1, result.status)
      assert.matches("status 400", result.stdout .. result.stderr)
      check("output", result.stdout .. result.stderr)
    end
  end)
end)
