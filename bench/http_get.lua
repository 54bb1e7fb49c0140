--- http_get.lua URL COUNT CONCURRENCY: so many GETs, so many of them at once.
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local measure = require "bench.measure"

local url, count, concurrency = ...
count, concurrency = math.tointeger(tonumber(count)), math.tointeger(tonumber(concurrency))

measure(function()
  local left = count
  local function work()
    while left > 0 do
      left = left - 1
      local response = neap.http.get(url)
      assert(response.status == 200 and #response.body > 0)
    end
  end
  local workers = {}
  for i = 1, concurrency do workers[i] = work end
  neap.gather(workers)
end)
