--- waiting.lua N: N runs at once of a flow of three nodes that each sleep for
--- 10 ms. waiting.go and waiting.py do the same.
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local measure = require "bench.measure"

local count = math.tointeger(tonumber((...)))
if not count then
  io.stderr:write("usage: waiting.lua N\n")
  os.exit(2)
end

local Sleep = neap.Node:extend { name = "Sleep" }

function Sleep:exec(shared) -- luacheck: no self
  neap.sleep(0.01)
  shared.slept = shared.slept + 1
end

local first = Sleep {}
local flow = neap.Flow { start = first, first >> Sleep {} >> Sleep {} }
local shared = { slept = 0 }

measure(function()
  local tasks = {}
  for i = 1, count do tasks[i] = neap.spawn(flow, shared) end
  for i = 1, count do tasks[i]:await() end
end)
assert(shared.slept == 3 * count, "not every node has slept")
