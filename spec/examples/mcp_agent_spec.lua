-- An agent with the tools of another program.
-- SPDX-License-Identifier: MIT
local example = require "spec.example"
local helper = require "spec.helper"

describe("mcp_agent", function()
  it("calls the tools of its server", function()
    local result, asked = example.with_model("mcp_agent", {
      example.call("trip", { from = "Oslo", to = "Bergen" }), { content = "Two ferries." },
    }, "From Oslo to Bergen?")
    assert.same({ status = 0, stdout = "Two ferries.\n",
      stderr = 'ferries: trip {"from":"Oslo","to":"Bergen"}\n' }, result)
    assert.equal("trip", asked[1].tools[1]["function"].name)
    local told = asked[2].messages[#asked[2].messages].content
    assert.equal('{"legs":["Oslo to Hirtshals","Hirtshals to Bergen"],"price":140}', told)
  end)

  it("uses the server that is named", function()
    local result = example.with_model("mcp_agent", { example.call("double", { n = 21 }),
      { content = "42." } }, "Twice 21?", helper.neap, helper.root .. "/spec/mcp/numbers.lua")
    assert.same({ "42.\n", 'numbers: double {"n":21}\n' }, { result.stdout, result.stderr })
  end)

  it("needs no model", function()
    assert.same({ status = 0, stderr = example.NOTE .. [[
ferries: harbours {}
ferries: trip {"from":"Kiel","to":"Bergen"}
]], stdout = "Take three ferries, by Oslo and Hirtshals. They cost 260 euros.\n" },
      example.run("mcp_agent"))
  end)
end)
