--- luv on the loop of the engine.
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

-- What luv does with the loop itself is ours to do.
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
  -- On the loop are handles that are none of luv's.
  function uv.walk(callback)
    for _, handle in ipairs(core.luv.handles()) do callback(handle) end
  end
  function uv.loop_close()
    error("loop_close: the loop belongs to neap", 2)
  end
end

--- Gives luv, on the loop that neap drives: its handles are served while tasks
--- wait, and its callbacks may spawn tasks, set events and so on, but not wait
--- themselves. What a callback raises is a warning. `uv.run()` waits until there is
--- no active handle of luv's, or uv.stop() is called.
---
--- Raises an error when luv is not installed, or has been loaded before with a
--- loop of its own.
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
