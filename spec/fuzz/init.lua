--- Random concurrent programs: plays those of many seeds, and makes one that
--- fails small.
-- SPDX-License-Identifier: MIT
local generate = require "spec.fuzz.generate"
local helper = require "spec.helper"
local shrink = require "spec.fuzz.shrink"
local write = require "spec.fuzz.write"

local M = {}

-- So many programs are played by one process, which may take so many seconds;
-- and one program. A checker of memory makes them take up to fifty times as long.
local AT_ONCE = helper.under[1] and 10 or 100
local PATIENCE, PATIENCE_WITH_ONE = 60, helper.under[1] and 30 or 5

-- At most so many tries to make a program smaller.
local TRIES = 600

local function play(argv, timeout)
  return helper.run({ helper.under, helper.lua, "spec/fuzz/play.lua", argv },
    { cwd = helper.root, timeout = timeout })
end

-- What kind of failure a result is: the first fault without its numbers, what a
-- checker of memory says first, or the status.
local function kind_of(result)
  if result.status == 0 then return nil end
  local text = result.stdout:match("fault: ([^\n]*)") or
    result.stderr:match("[^\n]*ERROR: AddressSanitizer: [%w-]+") or
    result.stderr:match("runtime error: [^\n]*")
  return (text or "status " .. result.status):gsub("%d+", "N")
end

-- Makes a program smaller that fails in this way. Returns what its play says.
local function make_small(program, kind)
  local path = helper.tmpdir() .. "/program.lua"
  local tries, last = 0, nil
  shrink.shrink(program, function()
    if tries == TRIES then return false end
    tries = tries + 1
    helper.write(path, write.text(program))
    local result = play({ "file", path }, PATIENCE_WITH_ONE)
    if kind_of(result) ~= kind then return false end
    last = result
    return true
  end)
  return last
end

-- What is told of a program that failed.
local function describe(seed, result)
  local program = generate.program(seed)
  local small = make_small(program, kind_of(result))
  return table.concat({
    result.stdout .. result.stderr,
    ("the program of seed %d failed (status %d); its smallest part that fails:"):format(seed,
      result.status),
    write.text(program),
    small and small.stdout .. small.stderr or "(only among the programs before it)",
    ("run it again with: ./dev fuzz 0 %d"):format(seed),
  }, "\n")
end

---@class fuzz.count
---@field programs integer
---@field deadlocks integer  programs that ended so
---@field steps integer      statements that began or went on, events

--- Plays the programs of `count` seeds from `seed` on, or as many as there is
--- time for, at least one.
---@param seed integer
---@param count integer
---@param seconds? number
---@return string|nil failure what failed, with its smallest program and how to run it again
---@return fuzz.count played    what came out well
function M.play(seed, count, seconds)
  local note = helper.write(helper.tmpdir() .. "/seed", "")
  local deadline = os.time() + (seconds or math.huge)
  local last = seed + count
  local from = seed
  local played = { programs = 0, deadlocks = 0, steps = 0 }
  repeat
    local result = play({ "seeds", note, from, math.min(AT_ONCE, last - from) }, PATIENCE)
    if result.status ~= 0 then
      local failed = math.tointeger(tonumber(helper.read(note)))
      if not failed then error("the programs do not start: " .. result.stderr) end
      played.programs = failed - seed
      return describe(failed, result), played
    end
    for number, what in result.stdout:gmatch("(%d+) (%a+)") do
      played[what] = played[what] + math.tointeger(number)
    end
    from = from + AT_ONCE
  until from >= last or os.time() >= deadline
  return nil, played
end

return M
