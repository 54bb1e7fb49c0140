-- Does each act at the allocations of a scenario of spec/moments.lua, from a
-- finalizer; spec/gc_stress_spec.lua starts this, for collections are fast where
-- little else lives:
--
--   lua5.4 spec/gc_sweep.lua SCENARIO SERVER
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local memory = require "lua_memory"
local moments = require "spec.moments"
local neap = require "neap"

local name, server = table.unpack(arg)

-- Begins what body does, with a collection at each allocation, in each of which
-- a finalizer calls at_moment.
local function begin(body, at_moment)
  local is_over = false
  local function haunt()
    setmetatable({}, { __gc = function()
      if is_over then return end
      local _ <close> = setmetatable({}, { __close = haunt })
      at_moment()
    end })
  end
  local task = neap.spawn(body)
  haunt()
  memory.collect_every(1)
  return task, function()
    is_over = true
    memory.collect_every(0)
    collectgarbage()
  end
end

-- Each of the first moments, then fewer and fewer.
local function next_k(k) return k + 1 + k // 30 end

for act in pairs(moments.acts) do
  local tries = moments.sweep(name, act, server, begin, next_k)
  assert(tries > 1, "no moment was disturbed")
end
helper.cleanup()
