-- The chat of Ollama: the request, the stream of lines, errors.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local json = require "neap.json"
local wire = require "spec.llm"

local OPTS = { provider = "ollama" }
local LINES = "application/x-ndjson"

local function line(message, done)
  message.role = "assistant"
  return { model = "tide-1:7b", message = message, done = done ~= nil, done_reason = done,
    prompt_eval_count = done and 31, eval_count = done and 9 }
end

local TEXT = { line { content = "", thinking = "Hm" }, line { content = "High " },
  line { content = "at noon." }, line({ content = "" }, "stop") }

local function ask(list, prompt, opts)
  local http = wire.transport { body = wire.lines(list), kind = LINES }
  return wire.client(http, OPTS):reply(prompt or "When?", opts), http.requests[1]
end

describe("a request to Ollama", function()
  it("has its options apart, to which others can be added", function()
    local _, request = ask(TEXT, "When?", { temperature = 1, max_tokens = 40, stop = "x", seed = 7,
      reasoning = "high", extra = { options = { num_ctx = 16384 } },
      tools = { { name = "tide", description = "high water" } } })
    assert.equal("http://m/api/chat", request.url)
    assert.is_nil(request.headers.authorization)
    assert.equal('{"model":"tide-1","tools":[{"type":"function","function":{"name":"tide",'
      .. '"description":"high water","parameters":{"properties":{},"type":"object"}}}],'
      .. '"think":"high","options":{"num_ctx":16384,"num_predict":40,"seed":7,"stop":["x"],'
      .. '"temperature":1},"stream":true,"messages":[{"role":"user","content":"When?"}]}',
      request.bytes)
    assert.is_false(select(2, ask(TEXT, "x", { reasoning = "none" })).body.think)
    assert.is_nil(select(2, ask(TEXT, "x", { tools = { { name = "a" } },
      tool_choice = "none" })).body.tools)
  end)

  it("has the turns so far, in which calls have names and no ids", function()
    local _, request = ask(TEXT, {
      { role = "user", content = { { type = "text", text = "This?" },
        { type = "image", data = "abcd", mime = "image/png" } } },
      { role = "assistant", content = "", calls = {
        { id = "call_1", name = "tide", arguments = '{"port":"Kiel"}' } } },
      { role = "tool", id = "call_1", content = "06:12" },
    })
    assert.equal('[{"role":"user","content":"This?","images":["YWJjZA=="]},{"role":"assistant",'
      .. '"content":"","tool_calls":[{"function":{"name":"tide","arguments":{"port":"Kiel"}}}]},'
      .. '{"role":"tool","content":"06:12","tool_name":"tide"}]',
      request.bytes:match('"messages":(.*)}$'))
  end)

  it("cannot have the address of a picture", function()
    local client = wire.client(wire.transport {}, OPTS)
    local err = helper.refused("llm", client.chat, client, { { role = "user",
      content = { { type = "image", url = "http://a/b.png" } } } })
    assert.equal("request", err.kind)
  end)
end)

describe("lines of Ollama", function()
  it("are put together", function()
    local reply = ask(TEXT)
    assert.same({ "High at noon.", "Hm", "stop", "tide-1:7b", 31, 9 }, { reply.text,
      reply.reasoning, reply.stop, reply.model, reply.usage.input, reply.usage.output })
  end)

  it("have calls, which come whole", function()
    local calls = { { ["function"] = { name = "tide", arguments = { port = "Kiel" } } },
      { ["function"] = { name = "now", arguments = {} } } }
    local reply = ask { line { content = "", tool_calls = calls }, line({ content = "" }, "stop") }
    assert.equal("tools", reply.stop)
    assert.same({ { id = "call_1", name = "tide", arguments = '{"port":"Kiel"}' },
      { id = "call_2", name = "now", arguments = "{}" } }, reply.calls)
  end)

  it("end for the reasons that there are", function()
    for reason, stop in pairs { stop = "stop", length = "length", load = "other" } do
      assert.equal(stop, ask({ line({ content = "x" }, reason) }).stop)
    end
  end)

  it("are whole, or kind broken, wherever they are cut", function()
    local body = wire.lines(TEXT)
    local replies = wire.cut(body, OPTS, LINES)
    for length, reply in pairs(replies) do
      assert.is_true(length >= #body - 1)
      assert.equal("High at noon.", reply.text)
    end
    assert.is_table(replies[#body])
  end)

  it("may be one body", function()
    local http = wire.transport { kind = "application/json",
      body = json.encode(line({ content = "Noon." }, "stop")) }
    assert.equal("Noon.", wire.client(http, OPTS):reply("When?").text)
  end)

  it("may be an error, with a status or without", function()
    local function failure(answer)
      local client = wire.client(wire.transport(answer), { provider = "ollama", max_retries = 1 })
      return helper.refused("llm", client.reply, client, "When?")
    end
    local body = json.encode { error = "model 'tide-1' not found" }
    local err = failure { status = 404, kind = "application/json", body = body }
    assert.same({ "model", "model 'tide-1' not found (status 404); the option 'model', or "
      .. "NEAP_LLM_MODEL, says which one" }, { err.kind, err.message })
    err = failure { kind = LINES, body = wire.lines { TEXT[2], { error = "CUDA error" } } }
    assert.same({ "server", 200, "CUDA error", "High " },
      { err.kind, err.status, err.message, err.partial.text })
    assert.equal("request", failure({ status = 400, kind = "application/json",
      body = json.encode { error = "invalid format" } }).kind)
  end)
end)
