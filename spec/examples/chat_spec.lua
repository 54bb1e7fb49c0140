-- A conversation at the terminal.
-- SPDX-License-Identifier: MIT
local example = require "spec.example"
local helper = require "spec.helper"

describe("chat", function()
  it("remembers what was said", function()
    local result, asked = example.talk("chat", { "At noon.", "At six." },
      "When is high tide?\n\nAnd low?\n", "You are a pilot.")
    assert.same({ status = 0, stdout = "> At noon.\n> > At six.\n> \n", stderr = "" }, result)
    assert.same({
      { role = "system", content = "You are a pilot." },
      { role = "user", content = "When is high tide?" },
      { role = "assistant", content = "At noon." },
      { role = "user", content = "And low?" },
    }, asked[2].messages)
  end)

  it("needs no model", function()
    example.succeeds("> Why do you say 'Hello'?\n> \n", helper.run({ helper.neap,
      example.path("chat") }, { cwd = helper.root, stdin = "Hello\n", env = example.NO_MODEL }))
  end)
end)
