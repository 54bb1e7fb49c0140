-- What tools give, as text.
-- SPDX-License-Identifier: MIT
local content = require "neap.mcp.content"
local json = require "neap.json"

local function text(result)
  return content.text(json.decode(result))
end

describe("the text of a result", function()
  it("has all texts, and a word for the rest", function()
    assert.equal("one\ntwo", text [[{"content": [{"type": "text", "text": "one"},
      {"type": "text", "text": "two"}]}]])
    assert.equal("[image image/png, 3 bytes]\n[audio audio/wav, 1 bytes]\n[resource tide://kiel]\n"
      .. "high\n[resource tide://b, of no type, 2 bytes]\n[content of the type odd]",
      text [[{"content": [{"type": "image", "data": "AP8Q", "mimeType": "image/png"},
        {"type": "audio", "data": "AA==", "mimeType": "audio/wav"},
        {"type": "resource_link", "uri": "tide://kiel"},
        {"type": "resource", "resource": {"uri": "tide://a", "text": "high"}},
        {"type": "resource", "resource": {"uri": "tide://b", "blob": "AAA="}},
        {"type": "odd"}]}]])
  end)

  it("is the value as JSON where there is no text", function()
    assert.equal('{"n":1}', text '{"structuredContent": {"n": 1}, "content": []}')
    assert.equal("high", text [[{"structuredContent": 1,
      "content": [{"type": "text", "text": "high"}]}]])
  end)

  it("is empty where nothing can be understood", function()
    for _, result in ipairs { "{}", '{"content": null}', '{"content": "x"}', '{"content": {}}',
      '{"content": [{"type": "text"}]}', '{"structuredContent": null}' } do
      assert.equal("", text(result))
    end
    assert.equal("[content of no type]", text '{"content": [1]}')
  end)
end)

describe("a resource", function()
  it("is text or bytes, also in lines of Base64", function()
    local whole, parts = content.resource(json.decode [[{"contents": [{"uri": "a", "text": "x"},
      {"uri": "b", "mimeType": "m", "blob": "AP8Q\nAP8Q"}]}]])
    assert.equal("x\0\255\16\0\255\16", whole)
    assert.same({ { uri = "a", text = "x" },
      { uri = "b", mime = "m", data = "\0\255\16\0\255\16" } }, parts)
  end)
end)
