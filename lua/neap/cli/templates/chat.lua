--- `neap new --chat`: a conversation at the terminal.
-- SPDX-License-Identifier: MIT
local MAIN = [[
-- A conversation with a model at the terminal. An empty line or Ctrl-D ends it.
--
--   neap main.lua
local neap = require "neap"
local llm, Node, Flow = neap.llm, neap.Node, neap.Flow

local SYSTEM <const> = "You are a pilot, and answer in few words."

-- Answers as long as there is no model.
local function offline(messages)
  return ("I am no model. You have said: %s"):format(messages[#messages].content)
end

-- The spec gives a fake; else it is the model that the environment names.
local given = ...
local model = type(given) == "table" and given or llm.new { offline = offline }

local ask = Node { name = "ask" }

function ask:exec() return neap.input("> ") end

function ask:post(shared, _, text)
  if not text then io.write("\n") end
  if not text or not text:find("%S") then return "end" end
  table.insert(shared.messages, { role = "user", content = text })
end

local answer = Node { name = "answer" }

-- Prints the answer as it comes, and keeps it, so that the model remembers what it said.
function answer:exec(shared)
  local stream <close> = model:stream(shared.messages, { system = SYSTEM })
  for piece in stream do
    io.write(piece)
    io.flush()
  end
  io.write("\n")
  return stream.reply.message
end

function answer:post(shared, _, message) table.insert(shared.messages, message) end

local flow = Flow { name = "@NAME@", start = ask,
  ask >> answer,
  answer >> ask,
  ask - "end" >> neap.END,
}

function flow:prep(shared) shared.messages = shared.messages or {} end

if neap.is_main() then flow:run {} end
return flow -- to neap run, graph and check
]]

local SPEC = [[
local neap = require "neap"
local llm, testing = neap.llm, neap.testing

-- Talks with a fake that has these answers. Returns the messages, and the fake.
local function talk(lines, answers)
  local model, shared = llm.fake(answers), {}
  local flow = assert(loadfile "main.lua")(model)
  testing.run(function()
    local _ <close> = testing.input(lines)
    flow:run(shared)
  end)
  return shared.messages, model
end

describe("@NAME@", function()
  before_each(function() stub(io, "write") end) -- busted puts it back

  it("remembers what was said", function()
    local messages, model = talk({ "When is high tide?", "And then?", "" },
      { "At noon.", "At six." })
    assert.equal("At six.", messages[4].content)
    local asked = model.requests[2].messages
    assert.equal("system", asked[1].role)
    assert.equal("At noon.", asked[3].content)
    assert.equal("And then?", asked[4].content)
    assert.stub(io.write).was.called_with("noon.")
  end)

  it("ends with the input", function()
    assert.same({}, (talk({ false }, {})))
  end)
end)
]]

---@type neap.cli.Template
return {
  about = "A conversation with a language model at the terminal, which remembers what was said. "
    .. "`main.lua` has the\nflow, and `spec/main_spec.lua` tests it.",
  model = "",
  files = { ["main.lua"] = MAIN, ["spec/main_spec.lua"] = SPEC },
}
