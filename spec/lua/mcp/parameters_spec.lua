-- Arguments that are headers, too; the values are those of the specification.
-- SPDX-License-Identifier: MIT
local json = require "neap.json"
local parameters = require "neap.mcp.parameters"

local function find(schema)
  return parameters.find { name = "t", inputSchema = json.decode(schema) }
end

describe("an argument that is a header", function()
  it("is written as plain ASCII, or in Base64", function()
    for value, header in pairs {
      ["us-west1"] = "us-west1",
      [""] = "",
      ["Hello, \u{4E16}\u{754C}"] = "=?base64?SGVsbG8sIOS4lueVjA==?=",
      [" padded "] = "=?base64?IHBhZGRlZCA=?=",
      ["line1\nline2"] = "=?base64?bGluZTEKbGluZTI=?=",
      ["=?base64?literal?="] = "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?=",
    } do
      assert.equal(header, parameters.encode(value))
    end
  end)

  it("is found where an argument is", function()
    local found = assert(find [[{"properties": {"a": {"type": "string", "x-mcp-header": "A"},
      "b": {"type": "object", "properties": {"properties": {"type": "boolean",
      "x-mcp-header": "B-c"}}}, "n": {"type": "integer", "x-mcp-header": "N"}}}]])
    assert.same({ ["Mcp-Param-A"] = "x", ["Mcp-Param-B-c"] = "false", ["Mcp-Param-N"] = "42" },
      parameters.values(found, { a = "x", b = { properties = false }, n = 42.0 }))
    assert.same({}, parameters.values(found, { a = json.null, b = "x" }))
    assert.is_nil(find '{"properties": {"a": {"type": "string"}}}')
  end)

  it("spoils its tool elsewhere, or with a name or a type that cannot be", function()
    local function spoils(why, schema)
      local found, reason = find(schema)
      assert.is_nil(found)
      assert.matches(why, reason)
    end
    local ELSEWHERE = "stands where no argument is"
    spoils(ELSEWHERE, '{"x-mcp-header": "A"}')
    spoils(ELSEWHERE, '{"anyOf": [{"properties": {"a": {"x-mcp-header": "A"}}}]}')
    spoils(ELSEWHERE, '{"properties": {"a": {"items": {"x-mcp-header": "A"}}}}')
    spoils("no name of a header", '{"properties": {"a": {"type": "string", "x-mcp-header": ""}}}')
    spoils("no name of a header",
      [[{"properties": {"a": {"type": "string", "x-mcp-header": "A\nB"}}}]])
    spoils("for a string, an integer or a boolean",
      '{"properties": {"a": {"type": "number", "x-mcp-header": "A"}}}')
    spoils("two arguments have the header 'a'", [[{"properties": {"b": {"properties": {"c":
      {"type": "string", "x-mcp-header": "a"}}}, "a": {"type": "string", "x-mcp-header": "a"}}}]])
  end)
end)
