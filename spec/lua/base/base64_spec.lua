-- Base64: the vectors of RFC 4648, and what is none.
-- SPDX-License-Identifier: MIT
local base64 = require "neap.base.base64"

local VECTORS = { [""] = "", f = "Zg==", fo = "Zm8=", foo = "Zm9v", foob = "Zm9vYg==",
  fooba = "Zm9vYmE=", foobar = "Zm9vYmFy", ["\0\255\254"] = "AP/+" }

describe("base64", function()
  it("is encoded and decoded", function()
    for bytes, text in pairs(VECTORS) do
      assert.equal(text, base64.encode(bytes))
      assert.equal(bytes, base64.decode(text))
    end
  end)

  it("may lack what fills up its end", function()
    assert.equal("f", base64.decode("Zg"))
    assert.equal("fo", base64.decode("Zm8"))
  end)

  it("is nothing else", function()
    for _, text in ipairs { "Z", "Zg=", "Zm9v=", "Zm 9v", "Zm9v\n", "Z===", "=", "[0.1]" } do
      assert.is_nil(base64.decode(text))
    end
  end)
end)
