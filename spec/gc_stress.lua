--- The collector at its worst: a whole collection after every n-th allocation
--- (fewer where much is live), in the middle of a function in C as well, and
--- finalizers that use neap at that moment, whatever it is about to do. `./dev
--- test gcstress` runs the specs so; n is NEAP_GC_STRESS. What finalizers may do
--- that other specs would notice is done by spec/gc_sweep.lua.
-- SPDX-License-Identifier: MIT
local M = {}

-- Makes an object that nobody has, whose finalizer acts and makes the next.
local function haunt(act)
  setmetatable({}, { __gc = function()
    act()
    haunt(act)
  end })
end

-- What a finalizer does that leaves nothing behind; `core` is neap.core.
local function acts_of(core)
  local desk, line, gate = core.semaphore(1), core.channel(1), core.event()
  local waits = { core.sleep, function() gate:wait() end, function() core.channel():receive() end }
  local turn = 0
  return {
    -- Nobody can wait there; in the main chunk it would be between two lines.
    function()
      turn = turn % #waits + 1
      if core.in_task() then assert(not pcall(waits[turn], 0)) end
    end,
    function()
      local guard = desk:acquire()
      line:send(1)
      assert(line:receive() == 1)
      guard:release()
    end,
    function()
      core.dump()
      core.tasks()
      core.live()
    end,
    function()
      local next_one = coroutine.wrap(function() coroutine.yield(1) end)
      assert(next_one() == 1)
    end,
  }
end

--- Begins, for as long as the state lives.
---@param every integer a collection after so many allocations
function M.begin(every)
  for _, act in ipairs(acts_of(require "neap.core")) do haunt(act) end
  require "lua_memory".collect_every(every, true)
end

return M
