-- Schemas: what fields make of a JSON Schema, and what is no schema.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local json = require "neap.json"
local llm = require "neap.llm"

-- The JSON text of the fields of a schema.
local function properties(fields)
  return json.encode(llm.schema(fields).properties)
end

describe("llm.schema", function()
  it("makes a JSON Schema in the order of its fields", function()
    assert.equal('{"type":"object","properties":{"zone":{"type":"string"},'
      .. '"age":{"type":"integer"}},"required":["zone","age"],"additionalProperties":false}',
      json.encode(llm.schema { "zone: string", "age: integer" }))
    assert.equal('{"type":"object","properties":{},"required":[],"additionalProperties":false}',
      json.encode(llm.schema {}))
  end)

  it("has a mark for what may be null, and for lists", function()
    assert.equal('{"a":{"type":["number","null"]}}', properties { "a: number?" })
    assert.equal('{"a":{"type":"array","items":{"type":"string"}}}', properties { "a: string[]" })
    assert.equal('{"a":{"type":["array","null"],"items":{"type":["string","null"]}}}',
      properties { "a: string?[]?" })
    assert.equal('{"a":{"type":"array","items":{"type":"array","items":{"type":"boolean"}}}}',
      properties { " a : boolean [] []" })
  end)

  it("has bars between words to choose from", function()
    assert.equal('{"a":{"type":"string","enum":["low","very high"]}}',
      properties { "a: low | very high" })
    assert.equal('{"a":{"type":["string","null"],"enum":["low","high",null]}}',
      properties { "a: low|high?" })
    assert.equal('{"a":{"type":"array","items":{"type":"string","enum":["low","high"]}}}',
      properties { "a: (low|high)[]" })
  end)

  it("has fields in fields", function()
    assert.equal('{"at":{"type":["object","null"],"properties":{"x":{"type":"number"}},'
      .. '"required":["x"],"additionalProperties":false}}',
      properties { { "at?", { "x: number" } } })
    assert.equal('{"jobs":{"type":"array","items":{"type":"object",'
      .. '"properties":{"title":{"type":"string"}},"required":["title"],'
      .. '"additionalProperties":false}}}', properties { { "jobs[]", { "title: string" } } })
  end)

  it("has words about a field behind a comma", function()
    assert.equal('{"a":{"type":"string","description":"the port, as on charts"}}',
      properties { "a: string, the port, as on charts" })
    assert.equal("newest first",
      llm.schema { { "jobs[], newest first", { "t: string" } } }.properties.jobs.description)
  end)

  it("gives back a JSON Schema that can be checked by", function()
    local own = { type = "object", title = "Tide", properties = { high = { type = "string",
      format = "time", ["x-unit"] = "h" } }, required = { "high" } }
    assert.equal(own, llm.schema(own))
    local made = llm.schema { "a: string" }
    assert.equal(made, llm.schema(made))
  end)

  local none = {
    ["a number"] = { 5, "a schema is a list of fields or a JSON Schema, got number" },
    ["a word"] = { "string", "a schema is a list of fields or a JSON Schema, got string" },
    ["a list of numbers"] = { { 5 }, 'field 1 of the schema: a field is a text such as "age: '
      .. 'integer", or { "name", { fields } }' },
    ["a name alone"] = { { "age" }, 'field 1 of the schema ("age"): a field is "name: type"' },
    ["a type of C"] = { { "age: int" },
      [[field 1 of the schema ("age: int"): unknown type 'int'; did you mean 'integer'?]] },
    ["a type of nobody"] = { { "age: blob" },
      [[field 1 of the schema ("age: blob"): unknown type 'blob'; there are string, integer, ]]
        .. "number and boolean, and a|b for a choice" },
    ["a slip in a field of a field"] = { { { "at", { "x: nunber" } } },
      [[field 1 of the schema.at ("x: nunber"): unknown type 'nunber'; did you mean 'number'?]] },
    ["a field without fields"] = { { { "at", 5 } },
      "field 1 of the schema: a field is a text such as \"age: integer\", or "
      .. '{ "name", { fields } }' },
    ["a field of fields with a type"] = { { { "at: object", {} } },
      "field 1 of the schema: a field with fields in it is "
        .. '{ "name", ... }, { "name[]", ... } or { "name?", ... }' },
    ["one field twice"] = { { "a: string", "a: number" },
      [[field 2 of the schema ("a: number"): there is a field 'a' already]] },
    ["two marks"] = { { "a: string??" }, 'field 1 of the schema ("a: string??"): one ? is enough' },
    ["a choice with a list in it"] = { { "a: low|high[]" },
      'field 1 of the schema ("a: low|high[]"): '
        .. "a list of a choice has parentheses: (low|high)[]" },
    ["a choice of types"] = { { "a: string|number" }, 'field 1 of the schema ("a: string|number"): '
      .. "a choice is of words, and 'string' is a type" },
    ["a choice of nothing"] = { { "a: low|" }, 'field 1 of the schema ("a: low|"): '
      .. "a choice is words with bars between them, as in low|high or (low|high)[]" },
    ["fields with names"] = { { "a: string", b = "number" },
      "the schema: fields stand in a list; got the key 'b'" },
    ["names with types"] = { { age = "integer" }, "the schema at #/age: this keyword is not "
      .. 'understood; fields stand in a list, as in { "age: integer" }' },
    ["a keyword that nobody has"] = { { type = "object", propertys = {} },
      "the schema at #/propertys: this keyword is not understood" },
    ["a keyword that is not checked"] = { { properties = { a = { ["if"] = {} } } },
      "the schema at #/properties/a/if: this keyword is not understood" },
    ["a type that JSON has not"] = { { items = { type = "int" } },
      "the schema at #/items/type: a type of JSON, or a list of them expected" },
    ["a bound that is a text"] = { { minimum = "1" },
      "the schema at #/minimum: a number expected" },
    ["alternatives that are none"] = { { anyOf = { type = "string" } },
      "the schema at #/anyOf: a list of schemas expected" },
    ["a list for a schema"] = { { items = { "string" } },
      "the schema at #/items: a schema is a table of keywords, got a list" },
    ["a pattern with a group"] = { { pattern = "^(a|b)$" },
      "the schema at #/pattern: Lua's patterns cannot do it: groups and alternatives" },
    ["a reference to nothing"] = { { ["$ref"] = "#/$defs/a" },
      "the schema at #/$ref: there is no such part" },
    ["a reference to itself"] = { { ["$ref"] = "#" },
      "the schema at #: a schema leads back to itself" },
    ["a circle of alternatives"] = {
      { anyOf = { { type = "null" }, { allOf = { { ["$ref"] = "#" } } } } },
      "the schema at #: a schema leads back to itself" },
  }
  for what, case in pairs(none) do
    it("refuses " .. what, function()
      local message = helper.misused(llm.schema, case[1])
      assert.equal("llm.schema: " .. case[2], message:match("llm%.schema: .*"))
    end)
  end

  it("refuses nothing at all, at the line of the script", function()
    local message = helper.misused(function() llm.schema() end)
    assert.matches("schema_spec.lua:%d+: llm.schema: a schema is a list of fields", message)
  end)
end)
