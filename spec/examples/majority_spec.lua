-- The answer that comes most often.
-- SPDX-License-Identifier: MIT
local example = require "spec.example"

local function sample(answer)
  return ('{"steps": ["Think."], "answer": "%s"}'):format(answer)
end

describe("majority", function()
  it("asks as often as it is told, and counts", function()
    local result, asked = example.with_model("majority",
      { sample "north", sample "South", sample " south\\n", "I do not know." },
      "Where does the tide come from?", "4")
    assert.same({ status = 0, stdout = "south (2 of 4)\n", stderr = "" }, result)
    assert.equal(4, #asked)
    for _, body in ipairs(asked) do
      assert.equal("Where does the tide come from?", body.messages[1].content)
    end
  end)

  it("fails when nobody has answered", function()
    local result = example.with_model("majority", { "Hm.", "Well." }, "Why?", "2")
    assert.equal(1, result.status)
    assert.equal("", result.stdout)
    assert.matches("majority > vote .exec.: .*no answer has fitted the schema", result.stderr)
  end)

  it("needs no model", function()
    example.succeeds("8 (3 of 5)\n", example.run("majority"))
  end)
end)
