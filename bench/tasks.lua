--- tasks.lua WORK N [M]: what tasks cost, and what they hand over.
--
--   spawn N         N tasks that do nothing, a thousand at a time
--   coroutine N     N coroutines that do nothing, created and resumed
--   semaphore N M   a semaphore of one place is handed over N times, M waiting
--   channel N       N values through a channel, from a task to another
--   yield N         N values from a coroutine to who resumes it
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local measure = require "bench.measure"

local what, count, waiters = ...
count, waiters = math.tointeger(tonumber(count)), math.tointeger(tonumber(waiters))

local function nothing() end

local work = {}

function work.spawn()
  for _ = 1, count // 1000 do
    for _ = 1, 1000 do neap.spawn(nothing) end
    neap.sleep(0)
  end
end

-- As those of neap, a thousand at a time are alive.
function work.coroutine()
  local alive = {}
  for _ = 1, count // 1000 do
    for i = 1, 1000 do alive[i] = coroutine.create(nothing) end
    for i = 1, 1000 do coroutine.resume(alive[i]) end
  end
end

-- Gives the work, the waiting line being there.
local function stand_in_line()
  local desk = neap.semaphore(1)
  local first = desk:acquire()
  local left = count
  local function visit()
    while left > 0 do
      local place = desk:acquire()
      left = left - 1
      place:release()
    end
  end
  local tasks = {}
  for i = 1, waiters do tasks[i] = neap.spawn(visit) end
  neap.sleep(0)
  return function()
    first:release()
    for i = 1, waiters do tasks[i]:await() end
  end
end

function work.channel()
  local channel = neap.channel(1)
  neap.spawn(function()
    for i = 1, count do channel:send(i) end
    channel:close()
  end)
  local sum = 0
  for value in channel:values() do sum = sum + value end
  assert(sum == count * (count + 1) // 2)
end

work["yield"] = function()
  local next_one = coroutine.wrap(function()
    for i = 1, count do coroutine.yield(i) end
  end)
  local sum = 0
  for _ = 1, count do sum = sum + next_one() end
  assert(sum == count * (count + 1) // 2)
end

local by_lua = { coroutine = true, yield = true }
measure(what == "semaphore" and stand_in_line() or work[what], by_lua[what] and _VERSION)
