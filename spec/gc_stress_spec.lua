-- A finalizer runs at any allocation, also in the middle of a function in C.
-- Whatever it does to the task that it interrupts, it breaks nothing.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local moments = require "spec.moments"
local servers = require "spec.servers"

local names = {}
for name in pairs(moments.scenarios) do names[#names + 1] = name end
table.sort(names)

describe("a finalizer may cancel, close, wake, spawn, raise and try to wait", function()
  local server, pipe

  setup(function() server, pipe = servers.fault() end)

  teardown(function() pipe:close() end)

  for _, name in ipairs(names) do
    it("at any allocation of " .. name, function()
      local result = helper.run({ helper.under, helper.lua, "spec/gc_sweep.lua", name, server },
        { cwd = helper.root, timeout = 300 })
      assert.equal(0, result.status, result.stderr)
    end)
  end
end)
