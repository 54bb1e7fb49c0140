--- batch.lua neap|pool N CONCURRENCY: a batch of N items that an iterator gives, by
--- neap or by a pool of coroutines written by hand for just this case.
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local measure = require "bench.measure"

local by, count, concurrency = ...
count, concurrency = math.tointeger(tonumber(count)), math.tointeger(tonumber(concurrency))

local function prep()
  local i = 0
  return function()
    i = i + 1
    if i <= count then return i end
  end
end

local function exec(_, shared, item)
  shared.sum = shared.sum + item
end

local work = {}

function work.neap(shared)
  neap.BatchNode { prep = prep, exec = exec, concurrency = concurrency }:run(shared)
end

-- As many coroutines as may be at work, each of which takes the next item.
function work.pool(shared)
  local self = setmetatable({}, { __index = { exec = exec } })
  local view, next_item = { __index = self }, prep()
  local results, index = {}, 0
  local function worker()
    for item in next_item do
      index = index + 1
      local own = index
      results[own] = self.exec(setmetatable({}, view), shared, item)
    end
  end
  for _ = 1, concurrency do assert(coroutine.resume(coroutine.create(worker))) end
  return results
end

local shared = { sum = 0 }
measure(function() work[by](shared) end, by == "pool" and _VERSION or nil)
assert(shared.sum == count * (count + 1) // 2, "an item is missing")
