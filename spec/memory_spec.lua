-- Memory that Lua is refused, at any request, is an error like any other:
-- nothing breaks, nothing is left, and with memory again all goes on.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local moments = require "spec.moments"
local servers = require "spec.servers"

local names = { "testing.run" }
for name in pairs(moments.scenarios) do names[#names + 1] = name end
table.sort(names)

describe("memory may be refused, once or for good, at any request of", function()
  local server, pipe

  setup(function() server, pipe = servers.fault() end)

  teardown(function() pipe:close() end)

  for _, name in ipairs(names) do
    it(name, function()
      local result = helper.run({ helper.under, helper.lua, "spec/memory_sweep.lua", name, server },
        { cwd = helper.root, timeout = 300 })
      assert.equal(0, result.status, result.stderr)
    end)
  end
end)
