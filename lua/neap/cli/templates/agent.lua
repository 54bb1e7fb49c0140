--- `neap new --agent`: a model that calls a tool.
-- SPDX-License-Identifier: MIT
local MAIN = [[
-- An agent: a model that calls tools until it has an answer.
--
--   neap main.lua [QUESTION]
local neap = require "neap"
local llm, Node, Flow = neap.llm, neap.Node, neap.Flow

local QUESTION <const> = "How much are 17, 4 and 21 together?"

-- The arguments of a call are validated by `parameters` before `run` gets them. What it
-- raises goes to the model, which may try something else.
local add = llm.tool {
  name = "add",
  description = "Adds numbers.",
  parameters = { "numbers: number[]" },
  run = function(arguments)
    local sum = 0
    for _, number in ipairs(arguments.numbers) do sum = sum + number end
    return sum
  end,
}

-- Answers as long as there is no model: adds the numbers in the question.
local function offline(messages)
  local last = messages[#messages]
  if last.role == "tool" then return ("They are %s."):format(last.content) end
  local numbers = neap.json.array()
  for number in last.content:gmatch("%d+%.?%d*") do numbers[#numbers + 1] = tonumber(number) end
  return { calls = { { name = "add", arguments = { numbers = numbers } } } }
end

-- The spec gives a fake; else it is the model that the environment names.
local given = ...
local model = type(given) == "table" and given or llm.new { offline = offline }

-- Takes shared.prompt, and sets shared.answer.
local agent = llm.agent {
  model = model,
  tools = { add },
  system = "You answer questions in one sentence. Never do sums in your head.",
  max_turns = 5,
}

local report = Node { name = "report" }

function report:exec(shared) print(shared.answer) end

local flow = Flow { name = "@NAME@", start = agent, agent >> report }

function flow:prep(shared) shared.prompt = shared.prompt or QUESTION end

if neap.is_main() then flow:run { prompt = arg[1] } end
return flow -- to neap run, graph and check
]]

local SPEC = [[
local neap = require "neap"
local llm = neap.llm

-- Runs the flow with a fake that has these answers. Returns the shared store, and the fake.
local function run(...)
  local model, shared = llm.fake { ... }, { prompt = "How much are 2 and 3?" }
  assert(loadfile "main.lua")(model):run(shared)
  return shared, model
end

local function call(numbers)
  return { calls = { { name = "add", arguments = { numbers = numbers } } } }
end

describe("@NAME@", function()
  before_each(function() stub(_G, "print") end) -- busted puts it back

  it("gives the model the result of its call", function()
    local shared, model = run(call { 2, 3 }, "They are 5.")
    local messages = model.requests[2].messages
    assert.equal("tool", messages[#messages].role)
    assert.equal("5", messages[#messages].content)
    assert.equal("They are 5.", shared.answer)
    assert.stub(print).was.called_with("They are 5.")
  end)

  it("tells the model what is wrong with a call", function()
    local shared, model = run(call { "two" }, call { 2, 3 }, "They are 5.")
    local messages = model.requests[2].messages
    assert.is_true(messages[#messages].failed)
    assert.equal(3, shared.agent.turns)
  end)

  it("gives up after five requests", function()
    local again = call { 1 }
    local ok, err = pcall(run, again, again, again, again, again)
    assert.is_false(ok)
    assert.equal("turns", err.kind)
  end)
end)
]]

---@type neap.cli.Template
return {
  about = "An agent: a language model that calls a tool, which adds numbers. `main.lua` has the "
    .. "flow, and\n`spec/main_spec.lua` tests it.",
  usage = [[
neap main.lua            # runs it
neap main.lua "How much are 7 and 8?"]],
  model = "",
  files = { ["main.lua"] = MAIN, ["spec/main_spec.lua"] = SPEC },
}
