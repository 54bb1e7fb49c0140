--- waiting_cqueues.lua N: N coroutines at once that each sleep for 10 ms three
--- times, by cqueues.
-- SPDX-License-Identifier: MIT
local cqueues = require "cqueues"
local measure = require "bench.measure"

local count = math.tointeger(tonumber((...)))
local slept = 0

local function run()
  for _ = 1, 3 do
    cqueues.sleep(0.01)
    slept = slept + 1
  end
end

measure(function()
  local queue = cqueues.new()
  for _ = 1, count do queue:wrap(run) end
  assert(queue:loop())
end, "cqueues " .. cqueues.VERSION, cqueues.monotime)
assert(slept == 3 * count, "not every coroutine has slept")
