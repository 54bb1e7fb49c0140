--- tasks_cqueues.lua WORK N [M]: what bench/tasks.lua does, by cqueues.
-- SPDX-License-Identifier: MIT
local condition = require "cqueues.condition"
local cqueues = require "cqueues"
local measure = require "bench.measure"

local what, count, many = ...
count, many = math.tointeger(tonumber(count)), math.tointeger(tonumber(many))

local function nothing() end

local work = {}

function work.spawn()
  local queue = cqueues.new()
  for _ = 1, count // 1000 do
    for _ = 1, 1000 do queue:wrap(nothing) end
    assert(queue:loop())
  end
end

-- Calls f in a coroutine of a queue, until all of them have ended.
local function within(f)
  local queue = cqueues.new()
  queue:wrap(f, queue)
  assert(queue:loop())
end

function work.await()
  within(function(queue)
    local ended = condition.new()
    for _ = 1, count do
      local is_over = false
      queue:wrap(function()
        is_over = true
        ended:signal()
      end)
      while not is_over do ended:wait() end
    end
  end)
end

function work.channel()
  local sum = 0
  within(function(queue)
    local is_full, value, changed, ended = false, nil, condition.new(), false
    queue:wrap(function()
      for i = 1, count do
        while is_full do changed:wait() end
        is_full, value = true, i
        changed:signal()
      end
      ended = true
      changed:signal()
    end)
    while true do
      while not (is_full or ended) do changed:wait() end
      if not is_full then break end
      sum, is_full = sum + value, false
      changed:signal()
    end
  end)
  assert(sum == count * (count + 1) // 2)
end

function work.semaphore()
  within(function(queue)
    local is_held, freed, left = false, condition.new(), count
    for _ = 1, many do
      queue:wrap(function()
        while left > 0 do
          while is_held do freed:wait() end
          is_held, left = true, left - 1
          -- Who comes next has to wait, as with a semaphore that is fair.
          cqueues.poll(0)
          is_held = false
          freed:signal()
        end
      end)
    end
  end)
end

measure(work[what], "cqueues " .. cqueues.VERSION, cqueues.monotime)
