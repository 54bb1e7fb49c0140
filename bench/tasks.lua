--- tasks.lua WORK N [M]: what tasks cost, and what they hand over.
--
--   spawn N         N tasks that do nothing, a thousand at a time
--   await N         N tasks that do nothing, each awaited before the next
--   gather N M      N functions that do nothing, gathered M at a time
--   coroutine N M   N coroutines that do nothing, created M at a time and resumed
--   semaphore N M   a semaphore of one place is handed over N times, M waiting
--   channel N       N values through a channel, from a task to another
--   yield N         N values from a coroutine to who resumes it
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local measure = require "bench.measure"

local what, count, many = ...
count, many = math.tointeger(tonumber(count)), math.tointeger(tonumber(many))

local function nothing() end

local work = {}

function work.spawn()
  for _ = 1, count // 1000 do
    for _ = 1, 1000 do neap.spawn(nothing) end
    neap.sleep(0)
  end
end

function work.await()
  for _ = 1, count do neap.spawn(nothing):await() end
end

function work.gather()
  local functions = {}
  for i = 1, many do functions[i] = nothing end
  for _ = 1, count // many do neap.gather(functions) end
end

-- As many are alive at a time as there are of neap's.
function work.coroutine()
  local alive = {}
  for _ = 1, count // many do
    for i = 1, many do alive[i] = coroutine.create(nothing) end
    for i = 1, many do coroutine.resume(alive[i]) end
  end
end

-- Gives the work, the waiting line being there. It ends with the last time that
-- the semaphore is handed over: the ends of the tasks are no part of it.
local function stand_in_line()
  local desk, served = neap.semaphore(1), neap.event()
  local first = desk:acquire()
  local left = count
  local function visit()
    while left > 0 do
      local place = desk:acquire()
      left = left - 1
      if left == 0 then served:set() end
      place:release()
    end
  end
  for _ = 1, many do neap.spawn(visit) end
  neap.sleep(0)
  return function()
    first:release()
    served:wait()
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
