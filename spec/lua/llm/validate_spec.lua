-- Whether values fit a schema, and what is said of those that do not.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local json = require "neap.json"
local llm = require "neap.llm"

-- What is said of a value, a line for each misfit.
local function misfits(schema, value)
  local ok, list = llm.validate(schema, value)
  if ok then
    assert.is_nil(list)
    return ""
  end
  local lines = {}
  for i, misfit in ipairs(list) do lines[i] = ("%s %s"):format(misfit.path, misfit.message) end
  return table.concat(lines, "\n")
end

describe("llm.validate", function()
  it("passes what fits", function()
    assert.is_true(llm.validate({ "a: string", "n: integer?", { "jobs[]", { "t: low|high" } } },
      { a = "x", jobs = { { t = "low" } } }))
    assert.is_true(llm.validate({ "l: string[]", { "o", {} } }, { l = {}, o = {} }))
    assert.is_true(llm.validate({ "a: integer?" }, { a = json.null }))
    assert.is_true(llm.validate({ "a: integer" }, { a = 3.0 }))
  end)

  it("says all that does not, and where", function()
    assert.equal([[
$.x no such field is known
$.age integer or null expected, got number
$.jobs[2].title is missing
$.jobs[3] object expected, got integer
$.level one of "low", "high" expected, got "mid"
$.name is missing]], misfits({ "name: string", "age: integer?", "level: low|high",
      { "jobs[]", { "title: string" } } },
      { age = 1.5, level = "mid", jobs = { { title = "a" }, {}, 5 }, x = 1 }))
  end)

  it("takes a field that is null for one that is missing", function()
    local own = { type = "object", properties = { a = { type = "string" } } }
    assert.equal("", misfits(own, { a = json.null }))
    own.required = { "a" }
    assert.equal("$.a string expected, got null", misfits(own, { a = json.null }))
    assert.equal("$.a is missing", misfits(own, {}))
  end)

  it("tells values of each type apart", function()
    for kind, value in pairs { string = "a", integer = 1, number = 1.5, boolean = false,
      null = json.null, array = json.array {}, object = { a = 1 } } do
      assert.equal("", misfits({ type = kind }, value))
      local other = kind == "string" and "boolean" or "string"
      assert.equal(("$ %s expected, got %s"):format(other, kind), misfits({ type = other }, value))
    end
    assert.equal("$ string or null expected, got function",
      misfits({ type = { "string", "null" } }, print))
    assert.equal("$ object expected, got array", misfits({ type = "object" }, json.array {}))
    assert.equal("", misfits({ type = "null" }, nil))
  end)

  local cases = {
    { { minimum = 2, exclusiveMaximum = 4 }, 2, "" },
    { { minimum = 2, exclusiveMaximum = 4 }, 4, "$ number below 4 expected" },
    { { maximum = 2, exclusiveMinimum = 1 }, 3, "$ number up to 2 expected" },
    { { maximum = 2, exclusiveMinimum = 1 }, 1, "$ number above 1 expected" },
    { { multipleOf = 0.1 }, 0.7, "" },
    { { multipleOf = 5 }, 7, "$ multiple of 5 expected" },
    { { minLength = 2, maxLength = 2 }, "\u{E9}\u{E9}", "" },
    { { minLength = 2 }, "\u{E9}", "$ at least 2 characters expected" },
    { { maxLength = 2 }, "abc", "$ at most 2 characters expected" },
    { { minItems = 1 }, json.array {}, "$ at least 1 items expected" },
    { { maxItems = 1 }, { 1, 2 }, "$ at most 1 items expected" },
    { { minProperties = 1, maxProperties = 2 }, { a = 1 }, "" },
    { { uniqueItems = true }, { { a = 1 }, 2, { a = 1 } }, "$[3] the same as item 1" },
    { { const = { 1, 2 } }, { 1, 2 }, "" },
    { { const = "a" }, "b", '$ "a" expected, got "b"' },
    { { enum = { 1, json.null } }, json.null, "" },
    { { pattern = "^\\d{4}-\\d{2}$" }, "2026-11", "" },
    { { pattern = "^\\d{4}-\\d{2}$" }, "26-11", "$ text that matches ^\\d{4}-\\d{2}$ expected" },
    { { additionalProperties = { type = "integer" } }, { a = 1, b = "x" },
      "$.b integer expected, got string" },
    { { additionalProperties = false }, { ["a b"] = 1 }, '$["a b"] no such field is known' },
    { { items = false }, { 1 }, "$[1] nothing may stand here" },
    { { ["not"] = { type = "null" } }, json.null, "$ it is what it may not be" },
    { { allOf = { { minimum = 1 }, { maximum = 0 } } }, 0.5,
      "$ number from 1 expected\n$ number up to 0 expected" },
    { { anyOf = { { type = "string" }, { type = "null" } } }, 1,
      "$ it fits none of 2 alternatives" },
    { { anyOf = { { type = "null" }, { properties = { a = { type = "string" } } } } }, { a = 1 },
      "$.a string expected, got integer" },
    { { oneOf = { { minimum = 1 }, { minimum = 2 } } }, 1, "" },
    { { oneOf = { { minimum = 1 }, { minimum = 2 } } }, 3, "$ it fits 2 alternatives, not one" },
    { { oneOf = { { type = "null" }, { type = "string" } } }, 3,
      "$ it fits none of 2 alternatives" },
  }
  for _, case in ipairs(cases) do
    it(("checks %s of %s"):format(json.encode(case[1]), json.encode(case[2])), function()
      assert.equal(case[3], misfits(case[1], case[2]))
    end)
  end

  it("follows references, also those of a tree", function()
    local schema = { ["$ref"] = "#/$defs/a~1b", ["$defs"] = { ["a/b"] = { type = "object",
      properties = { kids = { type = "array", items = { ["$ref"] = "#/$defs/a%2Fb" } },
        name = { type = "string" } }, required = { "name" } } } }
    schema["$defs"]["a/b"].properties.kids.items["$ref"] = "#/$defs/a~1b"
    assert.equal("", misfits(schema, { name = "a", kids = { { name = "b" } } }))
    assert.equal("$.kids[1].kids[1].name is missing",
      misfits(schema, { name = "a", kids = { { name = "b", kids = { {} } } } }))
  end)

  it("ends with values that have no end", function()
    local tree = { properties = { kid = { ["$ref"] = "#" } } }
    local value = {}
    value.kid = value
    assert.matches("nested too deeply", misfits(tree, value))
  end)

  it("takes no time that doubles with each level", function()
    local tree = { oneOf = { { type = "null" }, { type = "object", required = { "kid" },
      properties = { kid = { ["$ref"] = "#" } } } } }
    local value = { kid = 5 }
    for _ = 1, 40 do value = { kid = value } end
    assert.matches("fits none of 2 alternatives", misfits(tree, value))
  end)

  it("shows the begin of what is long", function()
    assert.equal('$ "a" expected, got "' .. ("\u{E9}"):rep(20) .. '..."',
      misfits({ const = "a" }, ("\u{E9}"):rep(50)))
    assert.equal(20, #select(2, llm.validate({ items = { type = "string" } },
      { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22 })))
  end)

  it("refuses what is no schema", function()
    assert.matches("llm.validate: a schema is a list of fields", helper.misused(llm.validate, 5, 5))
  end)
end)
