-- Nodes in C: a program built against what is installed, without Lua.
-- SPDX-License-Identifier: MIT
local foreign = require "spec.foreign"
local helper = require "spec.helper"

describe("the nodes in C", function()
  it("are built by the one line in their README, and a thread completes them", function()
    local folder = foreign.example(foreign.install(), "nodes_in_c.c", "nodes_in_c")
    local output = foreign.succeed({ helper.under, folder .. "/orders" },
      { cwd = folder, env = foreign.env })
    -- Who comes first is up to the threads.
    local lines = { Ada = {}, Bob = {} }
    for who, what in output:gmatch("(%a+): ([^\n]+)\n") do table.insert(lines[who], what) end
    assert.same({ "charge 40, attempt 1", "charge 40, attempt 2", "pack lamp", "pack rope",
      "pack oil", "ship", "done" }, lines.Ada)
    assert.same({ "charge 400, attempt 1",
      "limit in post of order > charge: too much for one order" }, lines.Bob)
  end)
end)
