-- What is checked of schemas that strangers wrote: what is understood, and never more than
-- the whole asks for.
-- SPDX-License-Identifier: MIT
local json = require "neap.json"
local lenient = require "neap.llm.lenient"
local tools = require "neap.llm.tool"
local validate = require "neap.llm.validate"

local function fits(schema, value)
  return validate.misfits(lenient.of(json.decode(schema)), json.decode(value))[1] == nil
end

describe("the schema of a stranger", function()
  it("is checked as far as it is understood", function()
    local schema = [[{"type": "object", "properties": {"n": {"type": "integer", "minimum": 1,
      "exclusiveMinimum": true, "pattern": "(a|b)"}, "if": {"type": "string"}},
      "required": ["n"], "if": {"required": ["x"]}, "then": {"required": ["y"]}}]]
    assert.is_true(fits(schema, '{"n": 1, "x": 1}'))
    assert.is_false(fits(schema, '{"n": 0}'))
    assert.is_false(fits(schema, '{"n": "1"}'))
    assert.is_false(fits(schema, '{"n": 1, "if": 1}'))
    assert.is_false(fits(schema, '{}'))
  end)

  it("refuses nothing by half of what it says", function()
    for schema, value in pairs {
      ['{"patternProperties": {"^x": {}}, "additionalProperties": false}'] = '{"x1": 1}',
      ['{"prefixItems": [{"type": "string"}], "items": {"type": "integer"}}'] = '["a", 1]',
      ['{"items": [{"type": "string"}], "additionalItems": false}'] = '["a"]',
      ['{"not": {"contains": {"const": 1}}}'] = '[2]',
      ['{"oneOf": [{"type": "object", "propertyNames": {"const": "a"}}, {"type": "object"}]}'] =
        '{"b": 1}',
      ['{"not": {"$ref": "#/$defs/a"}, "$defs": {"a": {"contains": {}}}}'] = '1',
      ['{"$ref": "https://x.test/schema"}'] = '{"b": 1}',
      ['{"$ref": "#/none"}'] = '1',
      ['{"$ref": "#"}'] = '1',
      ['{"anyOf": [{"$ref": "#"}, {"type": "string"}]}'] = '1',
      ['{"type": "objekt", "required": true, "properties": [], "enum": 3}'] = '1',
      ['{"properties": {"a": null}}'] = '{"a": 1}',
      ['{"anyOf": []}'] = '1',
    } do
      assert.is_true(fits(schema, value), schema)
    end
  end)

  it("follows references in itself", function()
    local schema = [[{"$defs": {"port": {"type": "string", "unevaluatedProperties": false}},
      "properties": {"port": {"$ref": "#/$defs/port"}, "next": {"$ref": "#"}}}]]
    assert.is_true(fits(schema, '{"port": "Kiel", "next": {"port": "Emden"}}'))
    assert.is_false(fits(schema, '{"port": 1}'))
    assert.is_false(fits(schema, '{"next": {"port": 1}}'))
  end)

  it("says that one alternative has to fit, where it cannot say that only one may", function()
    local schema = '{"oneOf": [{"type": "string", "if": {}}, {"type": "integer"}]}'
    assert.is_true(fits(schema, '"a"'))
    assert.is_false(fits(schema, "true"))
  end)

  it("takes no longer than it may", function()
    local defs = {}
    for i = 1, 60 do
      defs[i] = ('"d%d": {"anyOf": [{"$ref": "#/$defs/d%d"}, {"$ref": "#/$defs/d%d"}]}')
        :format(i, i + 1, i + 1)
    end
    local schema = ('{"$ref": "#/$defs/d1", "$defs": {%s, "d61": {"type": "string"}}}')
      :format(table.concat(defs, ","))
    local misfits = validate.misfits(lenient.of(json.decode(schema)), 1)
    assert.equal("it takes too long to check", misfits[1].message)
  end)

  it("goes to the model as it is", function()
    local parameters = json.decode '{"type": "object", "if": {}, "properties": {}}'
    local tool = tools.foreign { name = "t", parameters = parameters, run = print }
    assert.equal(parameters, tool.parameters)
    assert.same({ type = "object", properties = {} },
      tools.foreign({ name = "t", parameters = json.null, run = print }).parameters)
  end)
end)
