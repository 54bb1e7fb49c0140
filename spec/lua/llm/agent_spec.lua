-- Agents: the way from a prompt to an answer, what goes wrong on it, and where they stand
-- in flows.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local json = require "neap.json"
local llm = require "neap.llm"
local neap = require "neap"
local wire = require "spec.llm"

local function said(text, reason)
  return { body = wire.sse { { choices = { { delta = { content = text },
    finish_reason = reason or "stop" } } }, { choices = json.array {},
    usage = { prompt_tokens = 7, completion_tokens = 4 } }, "[DONE]" } }
end

-- Calls of tools, each { name, arguments }.
local function calls(...)
  local list = {}
  for i, each in ipairs { ... } do
    list[i] = { index = i - 1, id = "c" .. i, ["function"] = { name = each[1],
      arguments = each[2] or "{}" } }
  end
  return { body = wire.sse { { choices = { { delta = { tool_calls = list },
    finish_reason = "tool_calls" } } }, { choices = json.array {},
    usage = { prompt_tokens = 5, completion_tokens = 1 } }, "[DONE]" } }
end

local function tool(name, run, parameters)
  return llm.tool { name = name, run = run, parameters = parameters }
end

local echo = tool("echo", function(arguments) return arguments.text end, { "text: string" })

-- An agent with a model that gives these replies in turn.
local function agent(replies, opts)
  local http = wire.transport(table.unpack(replies))
  local all = { model = wire.client(http), tools = { echo } }
  for name, value in pairs(opts or {}) do all[name] = value end
  return llm.agent(all), http
end

-- The results of tools that a model was told in a request.
local function results(request)
  local list = {}
  for _, message in ipairs(request.body.messages) do
    if message.role == "tool" then list[#list + 1] = message.content end
  end
  return list
end

describe("llm.agent", function()
  it("answers at once where no tool is needed", function()
    local flow, http = agent { said "Noon." }
    local text, shared = flow:ask "When?"
    assert.equal("Noon.", text)
    assert.equal("Noon.", shared.answer)
    assert.same({ 1, 7, 4 }, { shared.agent.turns, shared.agent.usage.input,
      shared.agent.usage.output })
    assert.equal("echo", http.requests[1].body.tools[1]["function"].name)
  end)

  it("runs the tools that are called, in the order of the calls", function()
    local flow, http = agent { calls({ "echo", '{"text":"a"}' }, { "echo", '{"text":"b"}' }),
      said "Both." }
    local text, shared = flow:ask { { role = "user", content = "Say a, b." } }
    assert.equal("Both.", text)
    assert.same({ "a", "b" }, results(http.requests[2]))
    local roles = {}
    for i, message in ipairs(shared.agent.messages) do roles[i] = message.role end
    assert.same({ "user", "assistant", "tool", "tool", "assistant" }, roles)
    assert.same({ 2, 12 }, { shared.agent.turns, shared.agent.usage.input })
    assert.equal(json.encode(shared.agent.messages),
      json.encode(json.decode(json.encode(shared.agent.messages))))
  end)

  it("runs several tools at once, as many as it may", function()
    local running, most = 0, 0
    local slow = tool("slow", function()
      running = running + 1
      most = math.max(most, running)
      neap.sleep(0.001)
      running = running - 1
    end)
    local three = calls({ "slow" }, { "slow" }, { "slow" })
    agent({ three, said "So." }, { tools = { slow } }):ask "Go."
    assert.equal(3, most)
    most = 0
    agent({ three, said "So." }, { tools = { slow }, concurrency = 2 }):ask "Go."
    assert.equal(2, most)
  end)

  it("tells the model what goes wrong, and goes on", function()
    local bad = tool("bad", function() error("no port", 0) end)
    local odd = tool("odd", function() return print end)
    local flow, http = agent({ calls({ "bad" }, { "odd" }, { "none" }, { "echo", '{"text":1}' },
      { "echo", "{" }), said "Sorry." }, { tools = { bad, odd, echo } })
    local text, shared = flow:ask "Go."
    assert.equal("Sorry.", text)
    local told = results(http.requests[2])
    assert.equal("The tool has failed: no port", told[1])
    assert.matches("^The tool has given what is no JSON", told[2])
    assert.equal("There is no tool 'none'; there are: bad, odd, echo", told[3])
    assert.equal("The arguments do not fit:\n$.text: string expected, got integer", told[4])
    assert.matches("^The arguments cannot be read", told[5])
    for i = 3, 7 do assert.is_true(shared.agent.messages[i].failed) end
  end)

  it("raises kind turns where a model only calls", function()
    local flow, http = agent({ calls { "echo", '{"text":"a"}' } }, { max_turns = 3 })
    local err = helper.refused("llm", flow.ask, flow, "Go.")
    assert.same({ "turns", 3, 15, "agent > ask", false },
      { err.kind, #http.requests, err.usage.input, err.node, err.retryable })
  end)

  it("raises what an answer that is none is", function()
    for reason, kind in pairs { length = "length", content_filter = "filter" } do
      local flow = agent { said("Wel", reason) }
      local err = helper.refused("llm", flow.ask, flow, "Go.")
      assert.same({ kind, "Wel" }, { err.kind, err.partial.text })
    end
  end)

  it("sends a turn that has paused back as it is", function()
    local paused = { kind = "application/json", body = json.encode { stop_reason = "pause_turn",
      content = { { type = "server_tool_use", id = "s" } } } }
    local done = { kind = "application/json", body = json.encode { stop_reason = "end_turn",
      content = { { type = "text", text = "Done." } } } }
    local http = wire.transport(paused, done)
    local flow = llm.agent { model = wire.client(http, { provider = "anthropic" }) }
    assert.equal("Done.", (flow:ask "Go."))
    assert.equal("server_tool_use", http.requests[2].body.messages[2].content[1].type)
  end)

  it("has calls approved, one at a time, once they fit", function()
    local asked, open = {}, 0
    local flow, http = agent({ calls({ "echo", '{"text":"a"}' }, { "echo", '{"text":"b"}' },
      { "echo", '{"text":"c"}' }, { "echo", '{"text":"d"}' }, { "echo", "{}" }), said "So." }, {
      approve = function(call, shared, arguments)
        assert.equal("Go.", shared.prompt)
        assert.same(json.decode(call.arguments), arguments)
        open = open + 1
        assert.equal(1, open)
        neap.sleep(0.001)
        open = open - 1
        local text = json.decode(call.arguments).text
        asked[#asked + 1] = text
        if text == "b" then return false, "not b" end
        if text == "c" then error("the door is shut", 0) end
        return text == "a" or nil
      end,
    })
    flow:ask "Go."
    table.sort(asked)
    assert.same({ "a", "b", "c", "d" }, asked)
    assert.same({ "a", "The call was not approved: not b",
      "The call was not approved: the door is shut", "The call was not approved.",
      "The arguments do not fit:\n$.text: is missing" }, results(http.requests[2]))
  end)

  it("says what ask is called without", function()
    local flow = agent { said "Noon." }
    assert.matches("bad argument #1 to 'ask' %(string or list of messages expected",
      helper.misused(flow.ask, flow))
    assert.matches("bad argument #1 to 'ask' %(agent expected, got string; "
      .. "call it as agent:ask%(%.%.%.%)%)", helper.misused(flow.ask, "When?"))
  end)

  it("tells a model that calls tools where there are none", function()
    local flow, http = agent({ calls { "echo" }, said "So." }, { tools = {} })
    flow:ask "Go."
    assert.same({ "There is no tool 'echo'; there are: none" }, results(http.requests[2]))
  end)

  it("ends with a cancellation, which no tool's failure is", function()
    neap.testing.run(function()
      local wait = tool("wait", function() neap.sleep(100) end)
      local flow, http = agent({ calls { "wait" }, said "So." }, { tools = { wait } })
      helper.refused("timeout", neap.timeout, 5, flow.ask, flow, "Go.")
      assert.same({ 1, 5 }, { #http.requests, neap.now() })
    end)
  end)

  it("stands in a flow, twice, with its own names", function()
    local http = wire.transport(said "one", said "two")
    local flow = llm.agent { name = "scout", model = wire.client(http), system = "Look.",
      prompt = function(shared) return "About " .. (shared.found or "nothing") end,
      answer = function(shared, text, reply)
        assert.equal("stop", reply.stop)
        shared.found = text
      end }
    local again = neap.Node { name = "again", post = function(_, shared)
      return shared.found == "one" and "again" or "enough"
    end }
    local shared = {}
    neap.Flow({ name = "all", start = flow, flow >> again, again - "again" >> flow,
      again - "enough" >> neap.END }):run(shared)
    assert.equal("two", shared.found)
    assert.is_nil(shared.answer)
    assert.equal(1, shared.scout.turns)
    local messages = http.requests[2].body.messages
    assert.same({ "Look.", "About one" }, { messages[1].content, messages[2].content })
    local text = flow:ask "Hm?"
    assert.equal("two", text)
    assert.equal("Hm?", http.requests[3].body.messages[2].content)
  end)

  it("is told by its events", function()
    local nodes = {}
    local flow = agent { calls { "echo", '{"text":"a"}' }, said "So." }
    flow:run({ prompt = "Go." }, { on_event = function(event)
      if event.kind == "node_start" then nodes[#nodes + 1] = event.node end
    end })
    assert.same({ "agent", "agent > ask", "agent > act", "agent > ask" }, nodes)
  end)

  it("wants a prompt", function()
    local flow = agent { said "So." }
    assert.matches("agent: there is no prompt; it is looked for in shared.prompt",
      tostring(helper.failure(flow.run, flow, {})))
    assert.matches("agent: shared.prompt: string or list of messages expected, got 4",
      tostring(helper.failure(flow.run, flow, { prompt = 4 })), 1, true)
    local function of(prompt)
      local made = llm.agent { model = llm.fake { "So." }, prompt = function() return prompt end }
      return tostring(helper.failure(made.run, made, { prompt = "Go." }))
    end
    assert.matches("agent: what the function 'prompt' gave: string or list of messages expected, "
      .. "got nil", of(), 1, true)
    assert.matches("agent: what the function 'prompt' gave: message 1: a table expected, got a "
      .. "string", of { "Go." }, 1, true)
  end)

  local function refusal(opts)
    return helper.misused(llm.agent, opts):match("llm%.agent: .*")
  end

  it("refuses what cannot be one", function()
    local model = wire.client(wire.transport(said "So."))
    assert.equal("llm.agent: the option 'model' is missing", refusal {})
    assert.equal("llm.agent: bad option 'model' (client of a model expected, got string)",
      refusal { model = "small" })
    assert.equal("llm.agent: unknown option 'max_turn'; did you mean 'max_turns'?",
      refusal { model = model, max_turn = 1 })
    assert.equal("llm.agent: there are two tools with the name 'echo'",
      refusal { model = model, tools = { echo, echo } })
    assert.equal("llm.agent: tool 1: the option 'run' is missing",
      refusal { model = model, tools = { { name = "a" } } })
    assert.equal("llm.agent: bad option 'tools' (list of tools expected, got a table with names)",
      refusal { model = model, tools = echo })
    assert.equal("llm.agent: bad option 'tools' (list of tools expected, got a list whose item 2 "
      .. "is a function)", refusal { model = model, tools = { echo, print } })
    assert.equal("llm.agent: unknown option 'temperature'; it is an option of llm.new",
      refusal { model = model, temperature = 0 })
    assert.equal("llm.agent: unknown option 'max_steps'; did you mean 'max_turns'?",
      refusal { model = model, max_steps = 3 })
  end)
end)
