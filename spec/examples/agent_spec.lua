-- An agent with tools.
-- SPDX-License-Identifier: MIT
local example = require "spec.example"
local helper = require "spec.helper"

describe("agent", function()
  it("looks into files before it answers", function()
    local folder = helper.tmpdir()
    helper.write(folder .. "/tides.txt", "High at 06:12.")
    local result = example.with_model("agent", {
      example.call("list_files", {}),
      example.call("read_file", { name = "../secret" }),
      example.call("read_file", { name = "tides.txt" }),
      { content = "At 06:12." },
    }, folder, "When is high tide?")
    assert.same({ status = 0, stdout = "At 06:12.\n", stderr = [[
list_files {}
read_file {"name":"../secret"}
read_file {"name":"tides.txt"}
4 requests, 40 tokens in, 8 out
]] }, result)
  end)

  it("needs no model", function()
    assert.same({ status = 0, stdout = "It is in hello.lua: one node, which greets.\n",
      stderr = example.NOTE .. [[
list_files {}
read_file {"name":"hello.lua"}
3 requests, 0 tokens in, 0 out
]] }, example.run("agent"))
  end)
end)
