-- The last that a server has written to its stderr.
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local words = require "neap.mcp.words"

local function last(pieces, env)
  local kept = words.new(words.hider(env, false))
  for _, piece in ipairs(pieces) do kept:add(piece) end
  return kept:last()
end

describe("the last words of a server", function()
  it("are lines, without what is for terminals", function()
    assert.is_nil(last {})
    assert.is_nil(last { "\n \n\r\n" })
    assert.equal("one\ntwo th ree", last { "one\n\ntw", "o\27[31m th\7ree\27[0m  \r\n" })
    assert.equal("caf\u{FFFD}", last { "caf\xE9" })
  end)

  it("are twenty lines, and no more than 4 KB", function()
    local lines = {}
    for i = 1, 30 do lines[i] = ("line %d\n"):format(i) end
    assert.matches("^line 11\n.*\nline 30$", last(lines))
    local flood = last { ("x"):rep(100000), (" word"):rep(2000) }
    assert.is_true(#flood <= 4200)
    assert.matches("^%.%.%. word word .* word$", flood)
    assert.equal("...", last { ("x"):rep(5000) })
  end)

  it("have no secrets, whole or cut", function()
    local env = { API_KEY = "s3cr3t-key", TIDE = neap.secret "t1de-s3cr3t", PORT = "8080" }
    assert.equal("key [redacted] at 8080, [redacted]",
      last({ "key s3cr", "3t-key at 8080, t1de-s3cr3t\n" }, env))
    for length = 4080, 4100 do
      local text = last({ "the key is s3cr3t-key and " .. ("word "):rep(1000):sub(1, length) }, env)
      assert.is_nil(text:find("cr3t", 1, true) or text:find("t-key", 1, true))
    end
  end)
end)
