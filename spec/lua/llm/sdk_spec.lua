-- The streams that our specs serve, read by the vendors' own SDKs: what they understand
-- is what neap does. A stream that no SDK can read would prove nothing.
-- SPDX-License-Identifier: MIT
local json = require "neap.json"
local neap = require "neap"
local npm = require "spec.npm"
local servers = require "spec.servers"
local streams = require "spec.streams"
local wire = require "spec.llm"

local it_npm = npm.it(it, pending)

local openai, responses, anthropic = streams.openai, streams.responses, streams.anthropic

-- A stream with its events up to the n-th, and then these.
local function up_to(list, n, ...)
  local events = table.move(list, 1, n, 1, {})
  for _, event in ipairs { ... } do events[#events + 1] = event end
  return events
end

local FIXTURES = {
  openai = {
    text = openai.text,
    calls = openai.calls,
    length = up_to(openai.text, 3, openai.chunk({}, "length"), openai.text[5], "[DONE]"),
    filter = up_to(openai.text, 2, openai.chunk({}, "content_filter"), openai.text[5], "[DONE]"),
    bare = up_to(openai.text, 4, "[DONE]"),
    failure = up_to(openai.text, 2, { error = { message = "Sorry.", type = "server_error" } }),
  },
  responses = {
    text = responses.text,
    calls = responses.calls,
    length = up_to(responses.text, 11, responses.completed("incomplete", "max_output_tokens",
      { responses.reasoning, responses.message })),
    failure = up_to(responses.text, 8, { type = "error", code = "server_error",
      message = "Sorry.", param = json.null, sequence_number = 9 }),
  },
  anthropic = {
    text = anthropic.text,
    calls = anthropic.calls,
    length = up_to(anthropic.text, 7, anthropic.last("max_tokens", 9), anthropic.finish),
    filter = up_to(anthropic.text, 7, anthropic.last("refusal", 9), anthropic.finish),
    pause = up_to(anthropic.text, 7, anthropic.last("pause_turn", 9), anthropic.finish),
    failure = up_to(anthropic.text, 4, { type = "error",
      error = { type = "overloaded_error", message = "Overloaded" } }),
  },
}

-- The vendors' words for our `stop`. A response is completed also with calls.
local STOPS = {
  openai = { stop = "stop", tools = "tool_calls", length = "length", filter = "content_filter" },
  responses = { stop = "completed", tools = "completed", length = "incomplete" },
  anthropic = { stop = "end_turn", tools = "tool_use", length = "max_tokens",
    filter = "refusal", pause = "pause_turn" },
}

-- Serves each of the streams at an address of its name.
local function serve(provider)
  return servers.script(function(request, connection)
    connection:read(tonumber(request.headers["content-length"]))
    local events = FIXTURES[provider][request.line:match("^POST /([^/]+)/")]
    local body = provider == "openai" and wire.sse(events) or wire.named_sse(events)
    connection:write(("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
      .. "content-length: %d\r\n\r\n%s"):format(#body, body))
  end)
end

-- Arguments as values, for SDKs may decode them.
local function decoded(calls)
  local list = {}
  for i, call in ipairs(calls) do
    list[i] = { id = call.id, name = call.name,
      arguments = call.arguments ~= "" and json.decode(call.arguments) or {} }
  end
  return list
end

-- What the SDK says that it has understood at these addresses.
local function read(provider, addresses)
  local command = npm.script("npm/sdk_reader.cjs", provider, table.unpack(addresses))
  command.timeout = 60
  local result = neap.process.run(command)
  assert.same({ "", 0 }, { result.stderr, result.code })
  local list = {}
  for line in result.stdout:gmatch("[^\n]+") do list[#list + 1] = json.decode(line) end
  return list
end

local function compare(provider, theirs, reply)
  assert.same({
    text = theirs.text, stop = theirs.stop, model = theirs.model,
    calls = decoded(theirs.calls), reasoning = theirs.reasoning or "",
    input = theirs.input or 0, output = theirs.output or 0, cached = theirs.cached or 0,
  }, {
    text = reply.text, stop = STOPS[provider][reply.stop], model = reply.model,
    calls = decoded(reply.calls), reasoning = reply.reasoning or "",
    input = reply.usage.input, output = reply.usage.output, cached = reply.usage.cached,
  })
end

-- What neap has understood of the stream at an address, or nil and its error.
local function ask(provider, address)
  local client = neap.llm.new { provider = provider, url = address, model = "tide-1",
    key = "sk-1", max_retries = 1 }
  local ok, reply = pcall(client.reply, client, "When?")
  if ok then return reply end
  assert.equal("llm", reply.code)
  return nil, reply
end

describe("a stream", function()
  it("comes over a connection to the end that its name says", function()
    for provider, fixtures in pairs(FIXTURES) do
      local address, server = serve(provider)
      for name in pairs(fixtures) do
        local reply = ask(provider, address .. "/" .. name)
        local stop = ({ text = "stop", bare = "stop", calls = "tools" })[name] or name
        assert.equal(stop, reply and reply.stop or "failure")
      end
      server:cancel()
      pcall(server.await, server)
    end
  end)
end)

describe("the SDK of", function()
  for provider, fixtures in pairs(FIXTURES) do
    it_npm(provider .. " understands the streams as neap does", function()
      local address, server = serve(provider)
      local names, addresses = {}, {}
      for name in pairs(fixtures) do names[#names + 1] = name end
      for i, name in ipairs(names) do addresses[i] = address .. "/" .. name end
      for i, theirs in ipairs(read(provider, addresses)) do
        local ours, err = ask(provider, addresses[i])
        if names[i] == "failure" then
          assert.matches(err.message, theirs.error, 1, true)
        else
          assert.is_nil(theirs.error)
          compare(provider, theirs, ours)
        end
      end
      server:cancel()
      pcall(server.await, server)
    end)
  end
end)
