-- Whatever on_event does, at whatever event, breaks nothing.
-- SPDX-License-Identifier: MIT
local moments = require "spec.moments"
local neap = require "neap"
local servers = require "spec.servers"

-- Begins a run that does what body does, told of by on_event.
local function begin(body, at_moment)
  local node = neap.Node { name = "scenario", exec = body }
  return neap.spawn(neap.Flow { name = "flow", start = node }, {}, { on_event = at_moment })
end

local names, acts = {}, {}
for name in pairs(moments.scenarios) do names[#names + 1] = name end
for act in pairs(moments.acts) do acts[#acts + 1] = act end
table.sort(names)
table.sort(acts)

describe("on_event", function()
  local server, pipe

  setup(function() server, pipe = servers.fault() end)

  teardown(function() pipe:close() end)

  for _, name in ipairs(names) do
    for _, act in ipairs(acts) do
      it(("may %s at each event of %s"):format(act, name), function()
        assert.is_true(moments.sweep(name, act, server, begin) > 1)
      end)
    end
  end
end)
