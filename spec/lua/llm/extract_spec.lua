-- Finding JSON and code in what a model has written.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local json = require "neap.json"
local extract = require "neap.llm".extract

describe("extract.json", function()
  local cases = {
    ['{"a":1}'] = '{"a":1}',
    [" \n[1, 2]\n"] = "[1,2]",
    ["42"] = "42",
    ["null"] = "null",
    ['Sure!\n```json\n{"a": 1}\n```\nBye {b}.'] = '{"a":1}',
    ["I read [sic]:\n```\n[1]\n```"] = "[1]",
    ["```lua\nx = {}\n```\n```JSON5\n[2]\n```"] = "[2]",
    ['As {x} says, {"b": "}\\"{"} is it.'] = '{"b":"}\\"{"}',
    ['{ {"a": {"b": []}} }'] = '{"a":{"b":[]}}',
    ['He said "so: {"a": 1}'] = '{"a":1}',
    ['{"big": 18446744073709551616, "half": "\\ud800"}'] =
      '{"big":1.8446744073709552e+19,"half":"\u{FFFD}"}',
  }
  for text, found in pairs(cases) do
    it(("finds it in %q"):format(text), function()
      assert.equal(found, json.encode(extract.json(text)))
    end)
  end

  for _, text in ipairs { "none of it", "", "{]}", '```json\n{"cut": 1' } do
    it(("finds none in %q"):format(text), function() assert.is_nil(extract.json(text)) end)
  end

  it("gives up on brackets that have no end", function()
    for _, each in ipairs { "{", "[{", '{"', '"{\\' } do
      local started = os.clock()
      assert.is_nil(extract.json(each:rep(200000)))
      assert.truthy(os.clock() - started < 20)
    end
  end)

  it("takes texts only", function()
    assert.matches("bad argument #1 to 'extract.json' %(string expected, got table%)",
      helper.misused(extract.json, {}))
  end)
end)

describe("extract.fenced", function()
  it("gives the first block, or the first of a language", function()
    local text = "So:\n```sh\nls\n```\nand\n"
      .. "~~~ Lua title=x\nprint(1)\n\nprint(2)\n~~~\n```lua\n3\n```"
    assert.equal("ls", extract.fenced(text))
    assert.equal("print(1)\n\nprint(2)", extract.fenced(text, "lua"))
    assert.is_nil(extract.fenced(text, "c"))
  end)

  it("keeps fences that are shorter, and takes the indent off", function()
    assert.equal("```lua\nx\n```", extract.fenced("````md\n```lua\nx\n```\n````"))
    assert.equal("a\n  b", extract.fenced("1. so\n   ```\n   a\n     b\n   ```"))
    assert.equal("a\r\nb", extract.fenced("```\r\na\r\nb\r\n```\r\n"))
  end)

  it("knows empty blocks, and takes none that is cut off", function()
    assert.equal("", extract.fenced("```\n```"))
    assert.is_nil(extract.fenced("```lua\nprint("))
    assert.is_nil(extract.fenced("say ```lua\nx\n```"))
    assert.is_nil(extract.fenced("```one `line` of code```\n"))
  end)
end)
