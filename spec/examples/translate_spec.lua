-- A text in several languages, within a limit.
-- SPDX-License-Identifier: MIT
local example = require "spec.example"
local helper = require "spec.helper"
local neap = require "neap"

describe("translate", function()
  it("translates all chunks into each language, two requests at once", function()
    local file = helper.write(helper.tmpdir() .. "/long.md",
      ("The tide comes. "):rep(200) .. "\n\n" .. ("The tide goes. "):rep(200))
    local now, most, both = 0, 0, neap.event()
    local result, asked = example.with_model("translate", function(body)
      now = now + 1
      most = math.max(most, now)
      if now == 2 then both:set() end
      neap.timeout(10, both.wait, both)
      neap.sleep(0.02) -- so that a third would come, if it may
      now = now - 1
      local prompt = body.messages[1].content
      return ("%s %s"):format(prompt:match("into (%a+)"), prompt:match("tide (%a+)"))
    end, file, "Danish", "Frisian", "Welsh")
    assert.equal(0, result.status)
    assert.equal("== Danish ==\nDanish comes\n\nDanish goes\n\n"
      .. "== Frisian ==\nFrisian comes\n\nFrisian goes\n\n"
      .. "== Welsh ==\nWelsh comes\n\nWelsh goes\n\n", result.stdout)
    assert.matches("^6 requests in %d+%.%d s\n$", result.stderr)
    assert.equal(6, #asked)
    assert.equal(2, most)
  end)

  it("loses no language to another", function()
    local result = example.with_model("translate", function(body, connection)
      if body.messages[1].content:find("Dutch") then return "De veerboot" end
      connection:write("HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n")
    end, "examples/translate/notice.md", "Dutch", "Klingon")
    assert.equal(0, result.status)
    assert.matches("^== Dutch ==\nDe veerboot\n\n== Klingon ==\n[^\n]+400", result.stdout)
  end)

  it("needs no model", function()
    local result = example.run("translate")
    assert.equal(0, result.status)
    assert.matches("== French ==\n# Le bac\n\nIl part à midi.\n", result.stdout, 1, true)
    assert.matches("\n4 requests in ", result.stderr)
  end)
end)
