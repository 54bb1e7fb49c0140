-- The smallest flow.
-- SPDX-License-Identifier: MIT
local example = require "spec.example"
local helper = require "spec.helper"

describe("hello", function()
  it("greets the world, or whom it is told to", function()
    example.succeeds("Hello, world!\n", example.run("hello"))
    example.succeeds("Hello, Moon!\n", example.run("hello", "Moon"))
  end)

  it("runs under a Lua that is not ours", function()
    example.succeeds("Hello, Moon!\n", helper.run({ helper.lua, "examples/hello.lua", "Moon" },
      { cwd = helper.root }))
  end)
end)
