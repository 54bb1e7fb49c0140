--- The module luv on the engine's loop.
-- SPDX-License-Identifier: MIT
local core = require "neap.core"
local concurrent = require "neap.task.concurrent"
local options = require "neap.base.options"

local M = {}

local MODE = { test = function(value)
  return value == nil or value == "default" or value == "once" or value == "nowait"
end, expected = '"default", "once" or "nowait"' }

local function find()
  local path = package.searchpath("luv", package.cpath)
  if not path then
    error("neap.luv: luv is not installed (Debian: lua-luv, LuaRocks: luv)", 4)
  end
  return path
end

-- Replaces the functions of luv that concern the whole loop, because neap drives it.
local function take_over(uv)
  local stopped
  function uv.run(mode)
    options.argument(1, "run", mode, MODE)
    if mode == "once" or mode == "nowait" then
      core.sleep(0)
    else
      local event = core.event()
      stopped = event
      concurrent.race { core.luv.wait, function() event:wait() end }
    end
    return uv.loop_alive()
  end
  function uv.stop()
    if stopped then stopped:set() end
  end
  -- The loop also has handles that are not luv's.
  function uv.walk(callback)
    for _, handle in ipairs(core.luv.handles()) do callback(handle) end
  end
  function uv.loop_close()
    error("loop_close: the loop belongs to neap", 2)
  end
end

--- Returns the module luv, on the loop that neap drives. Its callbacks are called while
--- tasks wait. They may spawn tasks and set events, but not wait. An error in a callback is
--- a warning. `uv.run()` waits until no handle of luv is active, or uv.stop() is called.
---
--- Raises an error if luv is not installed, or was loaded before with a loop of its own.
---@return table uv the module
function M.load()
  local uv = package.loaded.luv
  if not uv then
    core.luv.attach(find())
    uv = require "luv"
    core.luv.adopt()
    take_over(uv)
  elseif not core.luv.is_attached(find()) then
    error("neap.luv: luv has been loaded before, with a loop of its own; call neap.luv() first", 3)
  end
  return uv
end

return M
