-- Plays random programs; spec/fuzz/run.lua starts this, once for many programs.
--
--   lua5.4 spec/fuzz/play.lua seeds NOTE FROM COUNT
--   lua5.4 spec/fuzz/play.lua file FILE
--
-- Ends with status 1 at the first program that fails, whose faults it prints.
-- The seed of the program under way is always in the file NOTE, should the
-- process itself come to an end.
-- SPDX-License-Identifier: MIT
local generate = require "spec.fuzz.generate"
local world = require "spec.fuzz.world"
local write = require "spec.fuzz.write"

-- Plays a program: on the virtual clock twice, and it has to do the same unless
-- finalizers are part of it.
-- Returns what was wrong, and how it ended.
local function play(text)
  local make = assert(load(text, "=program"))
  local first = world.play(make())
  local faults = first.faults
  if first.is_virtual and #first.ghosts == 0 and #faults == 0 then
    local second = world.play(make())
    if #second.faults > 0 then
      faults = second.faults
    else
      for i = 1, math.max(#first.trace, #second.trace) do
        if first.trace[i] ~= second.trace[i] then
          faults = { ("step %d was %s, then %s"):format(i, first.trace[i], second.trace[i]) }
          break
        end
      end
    end
  end
  return faults, first
end

local function stop_at(faults)
  for _, fault in ipairs(faults) do print("fault: " .. fault) end
  os.exit(1, true)
end

local modes = {}

function modes.file(path)
  local file = assert(io.open(path))
  local text = file:read("a")
  file:close()
  local faults, played = play(text)
  if os.getenv("NEAP_FUZZ_TRACE") then
    for _, line in ipairs(played.trace) do print(line) end
  end
  if #faults > 0 then stop_at(faults) end
end

function modes.seeds(note, from, count)
  local file <close> = assert(io.open(note, "w"))
  local played, deadlocks, steps = 0, 0, 0
  for seed = from, from + count - 1 do
    file:seek("set")
    file:write(("%-20d"):format(seed))
    file:flush()
    local faults, first = play(write.text(generate.program(seed)))
    if #faults > 0 then stop_at(faults) end
    played, steps = played + 1, steps + #first.trace
    if first.is_deadlock then deadlocks = deadlocks + 1 end
  end
  print(("%d programs, %d deadlocks, %d steps"):format(played, deadlocks, steps))
end

modes[arg[1]](arg[2], math.tointeger(arg[3]), math.tointeger(arg[4]))
