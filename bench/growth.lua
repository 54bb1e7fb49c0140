--- growth.lua WHAT SIZE UNITS: work of one kind in pieces of this size, until so many
--- units are done; what one unit costs must not depend on the size.
--
--   runs        SIZE runs at once that sleep for 1 ms
--   items       a batch of SIZE items
--   timers      SIZE tasks that sleep, each until another time
--   waiters     a semaphore handed over, SIZE tasks waiting
--   nodes       a flow of SIZE nodes in a row, made and walked
--   successors  a node with SIZE successors, made and left by the last one
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local measure = require "bench.measure"

local what, size, units = ...
size, units = math.tointeger(tonumber(size)), math.tointeger(tonumber(units))

local work = {}

function work.runs()
  local node = neap.Node { exec = function() neap.sleep(0.001) end }
  local tasks = {}
  for i = 1, size do tasks[i] = neap.spawn(node, {}) end
  for i = 1, size do tasks[i]:await() end
end

function work.items()
  local items = {}
  for i = 1, size do items[i] = i end
  neap.BatchNode { prep = function() return items end, exec = function() end }:run {}
end

function work.timers()
  local function nap(seconds) neap.sleep(seconds) end
  local tasks = {}
  for i = 1, size do tasks[i] = neap.spawn(nap, (i * 7919 % size + 1) / size / 100) end
  for i = 1, size do tasks[i]:await() end
end

function work.waiters()
  local desk = neap.semaphore(1)
  local first = desk:acquire()
  local tasks = {}
  local function visit() desk:acquire():release() end
  for i = 1, size do tasks[i] = neap.spawn(visit) end
  neap.sleep(0)
  first:release()
  for i = 1, size do tasks[i]:await() end
end

function work.nodes()
  local first = neap.Node {}
  local flow, last = neap.Flow { start = first }, first
  for _ = 2, size do last = last >> neap.Node {} end
  flow:run {}
end

function work.successors()
  local first, last = neap.Node { post = function() return "to" .. size end }, neap.Node {}
  for i = 1, size do first:to(last, "to" .. i) end
  neap.Flow { start = first }:run {}
end

measure(function()
  for _ = 1, units // size do work[what]() end
end)
