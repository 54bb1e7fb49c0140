-- Clients of all providers that ask aimock, a server that others have written. What it
-- does otherwise than the vendors is not tested by it: in Gemini, the end of a turn with
-- calls; in embeddings, that each text has its vector.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local json = require "neap.json"
local neap = require "neap"
local npm = require "spec.npm"
local servers = require "spec.servers"

local llm = neap.llm
local it_npm = npm.it(it, pending)

local HEIGHT = "Über 2 m — but not “today”. 🌊"
local TIDE = { name = "tide", arguments = '{"port":"Kiel"}' }
local PLACE = { name = "place", arguments = "{}" }

local function answer(match, response, more)
  local fixture = { match = match, response = response }
  for name, value in pairs(more or {}) do fixture[name] = value end
  return fixture
end

local function failure(status, kind, message)
  return { status = status, error = { type = kind, message = message }, retryAfter = 0 }
end

local FIXTURES = {
  answer({ userMessage = "How high?" }, { content = HEIGHT,
    usage = { prompt_tokens = 31, completion_tokens = 9 } }),
  answer({ userMessage = "Judge" }, { content = '{"name":"Ada","good":true}' }),
  answer({ userMessage = "When and where?", hasToolResult = false },
    { content = "Let me see.", toolCalls = { TIDE, PLACE } }),
  answer({ userMessage = "When and where?", hasToolResult = true },
    { content = "High at 06:12." }),
  answer({ userMessage = "Who am I?" }, failure(401, "authentication_error", "No such key.")),
  answer({ userMessage = "Ask again." }, failure(500, "server_error", "Sorry.")),
  answer({ userMessage = "Break off." }, { content = ("Nobody hears the end. "):rep(5) },
    { truncateAfterChunks = 8, latency = 10 }),
  answer({ userMessage = "Disturb me." }, { content = "x" }, { chaos = { malformedRate = 1 } }),
  answer({ userMessage = "Hang up." }, { content = "x" }, { chaos = { disconnectRate = 1 } }),
  answer({ inputText = "tide" }, { embedding = { 0.5, -0.25, 1 } }),
}

local PROVIDERS = { "openai", "responses", "anthropic", "gemini" }

-- Each of them is told once that it asks too often.
for _, provider in ipairs(PROVIDERS) do
  table.insert(FIXTURES, answer({ userMessage = "Twice.", model = provider, sequenceIndex = 0 },
    failure(429, "rate_limit_error", "Slowly.")))
end
table.insert(FIXTURES, answer({ userMessage = "Twice." }, { content = "Now." }))

-- Has a model call two tools in a turn.
local function use_tools(model)
  local asked = {}
  local function tool(name, parameters, result)
    return llm.tool { name = name, description = name, parameters = parameters,
      run = function(args)
        asked[#asked + 1] = name .. " " .. json.encode(args)
        return result
      end }
  end
  local agent = llm.agent { model = model, tools = {
    tool("tide", llm.schema { "port: string" }, "06:12"), tool("place", nil, "here") } }
  assert.equal("High at 06:12.", (agent:ask("When and where?")))
  table.sort(asked)
  assert.same({ "place {}", 'tide {"port":"Kiel"}' }, asked)
end

describe("llm.fake", function()
  it("plays an agent as aimock does", function()
    use_tools(llm.fake { { text = "Let me see.", calls = { TIDE, PLACE } }, "High at 06:12." })
  end)
end)

describe("aimock", function()
  local address, pipe

  setup(function()
    if not npm.missing then
      address, pipe = servers.node("npm/aimock.cjs", json.encode(FIXTURES))
    end
  end)

  teardown(function()
    if pipe then pipe:close() end
  end)

  for _, provider in ipairs(PROVIDERS) do
    describe("as " .. provider, function()
      local function client(opts)
        local all = { provider = provider, url = address, model = provider, key = "sk-1",
          wait = 0, max_tokens = 100, max_retries = 2 }
        for name, value in pairs(opts or {}) do all[name] = value end
        return llm.new(all)
      end

      it_npm("answers, and its answer streams", function()
        local text, reply = client():chat("How high?")
        assert.equal(HEIGHT, text)
        assert.same({ "stop", provider }, { reply.stop, reply.model })
        assert.same({ 31, 9 }, { reply.usage.input, reply.usage.output })
        assert.matches("^req%-", reply.request_id)
        local pieces = helper.collect(client():stream("How high?"))
        assert.is_true(#pieces > 3)
        assert.equal(HEIGHT, table.concat(pieces))
      end)

      it_npm("is an agent with two calls in a turn", function()
        use_tools(client())
      end)

      it_npm("gives an object", function()
        local Verdict = llm.schema { "name: string", "good: boolean" }
        assert.same({ name = "Ada", good = true }, (client():object(Verdict, "Judge Ada.")))
      end)

      it_npm("is asked again when it is too much for it", function()
        local text, reply = client():chat("Twice.")
        assert.same({ "Now.", 2 }, { text, reply.attempts })
      end)

      it_npm("fails in each of its ways", function()
        local function refusal(prompt)
          local model = client()
          return helper.refused("llm", model.chat, model, prompt)
        end
        local function said(err) return { err.kind, err.status, err.attempts, err.message } end
        assert.same({ "auth", 401, 1, "No such key. (status 401)" }, said(refusal "Who am I?"))
        assert.same({ "server", 500, 2, "Sorry. (status 500)" }, said(refusal "Ask again."))
        local err = refusal "Break off."
        assert.same({ "broken", 200, 2 }, { err.kind, err.status, err.attempts })
        assert.matches("^the answer broke off: ", err.message)
        assert.matches("^Nobod", err.partial.text)
        err = refusal "Disturb me."
        assert.same({ "broken", 200, 2, "the reply makes no sense: it is no JSON at line 1, "
          .. "column 2: string or '}' expected" }, said(err))
        local model = client()
        err = helper.refused("http", model.chat, model, "Hang up.")
        assert.is_true(err.retryable)
      end)

      if provider == "openai" or provider == "responses" then
        it_npm("makes vectors", function()
          local vectors = client():embed { "the tide", "low tide" }
          assert.equal("[[0.5,-0.25,1.0],[0.5,-0.25,1.0]]", json.encode(vectors))
        end)
      end
    end)
  end
end)
