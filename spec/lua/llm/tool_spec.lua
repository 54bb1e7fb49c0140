-- Tools: what can be one, and what becomes of a call.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local json = require "neap.json"
local llm = require "neap.llm"
local tools = require "neap.llm.tool"

local function nothing() end

-- What becomes of a call of a tool that runs f: its text, and whether it failed.
local function becomes(f)
  local tool = llm.tool { name = "t", run = f }
  return { tools.run(tool, {}, { id = "c", name = "t", arguments = "{}" }) }
end

describe("llm.tool", function()
  it("makes a tool, whose parameters are a schema", function()
    local tool = llm.tool { name = "tide", description = "high water",
      parameters = { "port: string" }, run = nothing }
    assert.same({ "tide", "high water", nothing }, { tool.name, tool.description, tool.run })
    assert.equal("string", tool.parameters.properties.port.type)
    assert.equal('{"type":"object","properties":{},"required":[],"additionalProperties":false}',
      json.encode(llm.tool({ name = "now", run = nothing }).parameters))
  end)

  local wrong = {
    { nil, "the option 'name' is missing" },
    { { name = "t" }, "the option 'run' is missing" },
    { { run = nothing }, "the option 'name' is missing" },
    { { name = ("t"):rep(200), run = nothing }, "bad option 'name' (string of up to 64 letters, "
      .. ("digits, _ and - expected, got %q)"):format(("t"):rep(80)) },
    { { name = "a.b", run = nothing }, "bad option 'name' (string of up to 64 letters, "
      .. 'digits, _ and - expected, got "a.b")' },
    { { name = "", run = nothing }, "bad option 'name' (string of up to 64 letters, "
      .. 'digits, _ and - expected, got "")' },
    { { name = "t", run = "f" }, "bad option 'run' (function expected, got string)" },
    { { name = "t", run = nothing, runs = 1 }, "unknown option 'runs'; did you mean 'run'?" },
  }
  for _, case in ipairs(wrong) do
    it("refuses what is none: " .. case[2], function()
      local message = helper.misused(llm.tool, case[1])
      assert.equal("llm.tool: " .. case[2], message:match("llm%.tool: .*"))
    end)
  end

  it("refuses parameters that are none", function()
    local function made(parameters)
      return helper.misused(llm.tool, { name = "t", run = nothing, parameters = parameters })
    end
    assert.matches("llm.tool 't': field 1 of the schema", made { "port" })
    assert.matches("llm.tool 't': the parameters of a tool are an object",
      made { type = "array" })
  end)
end)

describe("the call of a tool", function()
  local tool = llm.tool { name = "t", parameters = { "n: integer", "s: string?" }, run = nothing }

  local function arguments(text)
    return { tools.arguments(tool, { id = "c", name = "t", arguments = text }) }
  end

  it("has arguments that fit", function()
    assert.same({ { n = 1 } }, arguments '{"n": 1, "s": null}')
    assert.same({ nil, "The arguments do not fit:\n$.x: no such field is known\n"
      .. "$.n: integer expected, got string" }, arguments '{"n": "1", "x": 1}')
    assert.same({ nil, "The arguments do not fit:\n$: object expected, got array" }, arguments "[]")
    assert.same({ nil, "The arguments do not fit:\n$.n: is missing" }, arguments "null")
    assert.matches("^The arguments cannot be read: it is no JSON at line 1, column",
      arguments('{"n": ')[2])
  end)

  it("has no JSON for a reason that is a whole sentence, without a word of it", function()
    for text, why in pairs {
      ["{sesame"] = "column 2: string or '}' expected",
      ['{"n" "sesame"}'] = "column 6: ':' expected",
      ['"sesame'] = "column 8: premature end of input",
      ['"sesame\\u12"'] = "column 8: invalid escape",
      ["sesame"] = "column 1: invalid token",
    } do
      assert.equal("The arguments cannot be read: it is no JSON at line 1, " .. why,
        arguments(text)[2])
    end
  end)

  it("gives text as it is, and else JSON", function()
    assert.same({ "high", false }, becomes(function() return "high" end))
    assert.same({ '{"a":[1]}', false }, becomes(function() return { a = { 1 } } end))
    assert.same({ "null", false }, becomes(nothing))
    assert.same({ "false", false }, becomes(function() return false end))
  end)

  it("fails, and says why, with what is no JSON", function()
    local loop = {}
    loop.loop = loop
    for _, value in ipairs { nothing, loop, { f = nothing }, 0 / 0 } do
      local got = becomes(function() return value end)
      assert.matches("^The tool has given what is no JSON: ", got[1])
      assert.is_true(got[2])
    end
    assert.same({ "The tool has given text that is not UTF-8 (at its byte 2).", true },
      becomes(function() return "a\xFF" end))
  end)

  it("fails, and says why, with nil and a reason", function()
    assert.same({ "The tool has failed: no/such: No such file or directory", true },
      becomes(function() return io.open("no/such") end))
    assert.same({ "null", false }, becomes(function() return nil, nil end))
  end)

  it("fails, and says why, when it raises", function()
    assert.same({ "The tool has failed: no\u{FFFD}", true },
      becomes(function() error("no\xFF", 0) end))
    assert.same({ "The tool has failed: lost", true },
      becomes(function() error({ message = "lost" }) end))
    for _, wordless in ipairs { nothing, { [{}] = 1 }, coroutine.create(nothing) } do
      assert.same({ "The tool has failed: an error without words", true },
        becomes(function() error(wordless) end))
    end
    assert.same({ "The tool has failed: an error without words", true },
      becomes(function() error() end))
    assert.same({ 'The tool has failed: {"port":"Bern"}', true },
      becomes(function() error({ port = "Bern" }) end))
    local mute = setmetatable({}, { __tostring = function() error("no") end })
    assert.same({ "The tool has failed: an error without words", true },
      becomes(function() error(mute) end))
  end)
end)
