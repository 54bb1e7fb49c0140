-- Values that fit a schema.
-- SPDX-License-Identifier: MIT
local example = require "spec.example"
local helper = require "spec.helper"

describe("structured", function()
  it("reads letters into a table, and loses none to another", function()
    local folder = helper.tmpdir()
    local first = helper.write(folder .. "/a", "I want 12 euros back. Ada")
    local second = helper.write(folder .. "/b", "Hello!")
    local result = example.with_model("structured", {
      { content = '{"from": "Ada", "wants": "refund", "amount": 12}' },
    }, first, folder .. "/none")
    assert.equal("", result.stderr)
    assert.equal(0, result.status)
    assert.matches(first .. ": Ada wants refund, 12.00\n", result.stdout, 1, true)
    assert.matches("no such file", result.stdout, 1, true)
    result = example.with_model("structured", { "Hm.", "Well.", "No." }, second)
    assert.equal(second .. ": no answer has fitted the schema; the last does not at $\n",
      result.stdout)
  end)

  it("needs no model", function()
    example.succeeds([[
examples/structured/ada.txt: Ada wants refund, 12.00
examples/structured/bob.txt: Bob wants order, no amount
examples/structured/eve.txt: Eve wants other, no amount
]], example.run("structured"))
  end)
end)
