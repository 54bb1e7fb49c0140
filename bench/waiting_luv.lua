--- waiting_luv.lua N: N coroutines at once that each sleep for 10 ms three times,
--- by luv, with a timer for each.
-- SPDX-License-Identifier: MIT
local uv = require "luv"
local measure = require "bench.measure"

local count = math.tointeger(tonumber((...)))
local slept = 0

local function run()
  local timer, current = uv.new_timer(), coroutine.running()
  local function resume() coroutine.resume(current) end
  for _ = 1, 3 do
    timer:start(10, 0, resume)
    coroutine.yield()
    slept = slept + 1
  end
  timer:close()
end

measure(function()
  for _ = 1, count do coroutine.wrap(run)() end
  uv.run()
end, "luv, libuv " .. uv.version_string(), function() return uv.hrtime() / 1e9 end)
assert(slept == 3 * count, "not every coroutine has slept")
