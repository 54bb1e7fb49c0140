-- Has each request for memory of a scenario of spec/moments.lua get nothing,
-- once, and then it and all after it; spec/memory_spec.lua starts this:
--
--   lua5.4 spec/memory_sweep.lua SCENARIO SERVER
--
-- Whatever fails then, nothing is left of it, and the same scenario goes well as
-- soon as there is memory again.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local memory = require "lua_memory"
local moments = require "spec.moments"
local neap = require "neap"
local core = require "neap.core"

local name, server = table.unpack(arg)
local folder = helper.tmpdir()

-- No step of a scenario waits for so many seconds.
local PATIENCE = 20

-- No other task may be there, so the main chunk runs it.
local function virtual_clock()
  return { is_main = true, run = function()
    return neap.testing.run(function()
      neap.gather { function() neap.sleep(10) end, function() neap.sleep(20) end }
      return neap.now()
    end)
  end }
end

local make = name == "testing.run" and virtual_clock or moments.scenarios[name]

-- Whether an error says that memory was out, or what became of the task then.
local function is_of_memory(err)
  if type(err) == "table" then
    return is_of_memory(err.message) or err.code == "cancelled" or is_of_memory(err.cause)
  end
  return type(err) == "string" and err:find("memory", 1, true) ~= nil
end

-- Cancels all tasks and waits until they have ended.
local function end_all()
  for _, info in ipairs(neap.tasks()) do info.task:cancel() end
  for _, info in ipairs(neap.tasks()) do pcall(info.task.await, info.task) end
  neap.sleep(0)
  neap.sleep(0)
end

-- Runs the scenario. With n, the n-th request for memory gets nothing. Returns
-- the error, if it failed, and how many requests got nothing.
local function run(n, for_good)
  local made, task
  local function begin()
    made = make(folder, server)
    if made.is_main then return made.run() end
    task = neap.spawn(made.run)
    neap.timeout(PATIENCE, task.await, task)
  end
  -- Lua drops a finalizer for whose call there is no memory, and what its object
  -- held is lost for good. So none is called meanwhile.
  collectgarbage("stop")
  memory.fail_at(n, for_good)
  local ok, err = pcall(begin)
  local failures = memory.failures()
  memory.fail_at(0)
  collectgarbage("restart")
  if task and task.status == "pending" then
    task:cancel()
    pcall(neap.timeout, PATIENCE, task.await, task)
    assert(task.status ~= "pending", "the task does not end")
  end
  end_all()
  if made and made.finish then made.finish() end
  if not ok then collectgarbage() end
  local live = core.live()
  if live.tasks ~= 0 or live.operations ~= 0 then
    collectgarbage()
    live = core.live()
  end
  assert(live.tasks == 0 and live.operations == 0, ("%d tasks and %d operations are left"):format(
    live.tasks, live.operations))
  return not ok and err, failures
end

local function sweep(for_good)
  local n, failures, err = 1, nil, nil
  repeat
    local where = (" with request %d%s refused"):format(n, for_good and " and those after it" or "")
    local done, why = pcall(function()
      err, failures = run(n, for_good)
      assert(not err or failures > 0 and is_of_memory(err), tostring(err))
    end)
    assert(done, tostring(why) .. where)
    done, err = pcall(run, 0)
    assert(done and not err, tostring(err) .. ", with memory again," .. where)
    n = n + 1
  until failures == 0
  return n
end

assert(not run(0)) -- what is loaded on first use is there
sweep(false)
sweep(true)
helper.cleanup()
