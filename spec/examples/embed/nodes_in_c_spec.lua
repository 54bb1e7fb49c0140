-- Nodes in C: a program built against what is installed, without Lua.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"

-- A program in C that links what was built with sanitizers needs them, too.
local sanitizers = helper.read(helper.build .. "/CMakeCache.txt")
  :match("\nNEAP_SANITIZE:%w+=([^\n]+)")
local flags = sanitizers and "-fsanitize=" .. sanitizers or ""

local function succeed(argv, opts)
  local result = helper.run(argv, opts)
  if result.status ~= 0 then
    error(("status %d\n%s%s"):format(result.status, result.stdout, result.stderr), 2)
  end
  return result.stdout
end

describe("the nodes in C", function()
  it("are built by the one line in their README, and a thread completes them", function()
    local prefix, folder = helper.tmpdir() .. "/opt", helper.tmpdir()
    succeed { "cmake", "--install", helper.build, "--prefix", prefix }
    local line = helper.read(helper.root .. "/examples/embed/README.md")
      :match("\n(cc [^\n]*nodes_in_c[^\n]+)\n")
    succeed({ "sh", "-ec", ("cp %s/examples/embed/nodes_in_c.c . && %s -Wall -Wextra -pedantic "
      .. "-Werror %s -Wl,-rpath,%s/lib"):format(helper.root, line, flags, prefix) },
      { cwd = folder, env = { PKG_CONFIG_PATH = prefix .. "/lib/pkgconfig" } })
    local output = succeed({ helper.under, folder .. "/orders" },
      { cwd = folder, env = { LD_LIBRARY_PATH = "" } })
    -- Who comes first is up to the threads.
    local lines = { Ada = {}, Bob = {} }
    for who, what in output:gmatch("(%a+): ([^\n]+)\n") do table.insert(lines[who], what) end
    assert.same({ "charge 40, attempt 1", "charge 40, attempt 2", "pack lamp", "pack rope",
      "pack oil", "ship", "done" }, lines.Ada)
    assert.same({ "charge 400, attempt 1",
      "limit in post of order > charge: too much for one order" }, lines.Bob)
  end)
end)
