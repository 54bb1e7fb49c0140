--- waiting.lua N WAVES LEAST MOST: N runs of a flow of three nodes that each sleep for
--- LEAST to MOST ms, in so many waves. Other files of this name do the same.
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local measure = require "bench.measure"

local count, waves, least, most = ...
count, waves = math.tointeger(tonumber(count)), math.tointeger(tonumber(waves))
least, most = tonumber(least) / 1000, tonumber(most) / 1000

local random, range = math.random, most - least

local Sleep = neap.Node:extend { name = "Sleep" }

function Sleep:exec(shared) -- luacheck: no self
  neap.sleep(range == 0 and least or least + range * random())
  shared.slept = shared.slept + 1
end

local first = Sleep {}
local flow = neap.Flow { start = first, first >> Sleep {} >> Sleep {} }
local shared = { slept = 0 }

measure(function()
  for _ = 1, waves do
    local tasks = {}
    for i = 1, count // waves do tasks[i] = neap.spawn(flow, shared) end
    for i = 1, count // waves do tasks[i]:await() end
  end
end)
assert(shared.slept == 3 * (count // waves) * waves, "not every node has slept")
