-- Plays random programs for some time, one after the other from a seed, and
-- makes the first that fails small:
--
--   lua5.4 spec/fuzz/run.lua SECONDS [SEED]
--
-- With 0 seconds it plays just the program of that seed. The programs are
-- played by processes of their own (spec/fuzz/play.lua), so that one which
-- crashes or hangs fails like any other.
-- SPDX-License-Identifier: MIT
local fuzz = require "spec.fuzz"

local seconds, seed = tonumber(arg[1]), math.tointeger(arg[2])
if not seconds or (arg[2] and not seed) then
  io.stderr:write("usage: ./dev fuzz [MODE] SECONDS [SEED]\n")
  os.exit(2)
end
seed = seed or os.time() % 1000000 * 1000

local deadline = os.time() + seconds
local total = { programs = 0, deadlocks = 0, steps = 0 }
repeat
  local count = seconds == 0 and 1 or 2000
  local left = math.max(deadline - os.time(), 0)
  local failure, played = fuzz.play(seed, count, left)
  for what, number in pairs(played) do total[what] = total[what] + number end
  if failure then
    print(failure)
    print(("%d passed, 1 failed"):format(total.programs))
    os.exit(1)
  end
  seed = seed + played.programs
until os.time() >= deadline
print(("%d deadlocks, %d steps; the next seed is %d"):format(total.deadlocks, total.steps, seed))
print(("%d passed, 0 failed"):format(total.programs))
