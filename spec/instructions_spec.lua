-- What things cost, in instructions of the processor counted by callgrind: that it
-- does not grow unnoticed. Time would depend on the machine and on what else it does.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"

-- How much more is let pass: the seed of Lua's hashes changes the counts by up to two
-- per cent. They are those of Debian 12: gcc 12.2, Lua 5.4.4, libuv 1.44.
local TOLERANCE = 0.05

-- For each piece of work: what one unit of it takes at most, the program of bench/
-- that does it, two numbers of units, whose difference is what is measured, and what
-- else the program is told.
-- When one has become cheaper, lower it here, in the same commit.
local WORK = {
  { "a node", 2440, { "bench/nodes.lua", "neap.loop" }, 1000, 11000 },
  { "a node that may be retried", 2480, { "bench/nodes.lua", "neap.retry" }, 1000, 11000 },
  { "a node of a nested flow", 3030, { "bench/nodes.lua", "neap.nested" }, 1000, 11000 },
  { "an item of a batch", 2270, { "bench/nodes.lua", "neap.batch" }, 1000, 11000 },
  -- In 20 waves: a single one grows the heap all the time, and its few collections would fall
  -- here or there by a few KB that are loaded at the start.
  { "a run of three nodes that sleep", 17200, { "bench/waiting.lua" }, 1000, 5000, { 20, 10, 10 } },
  { "a task, spawned and ended", 2370, { "bench/tasks.lua", "spawn" }, 1000, 11000 },
  { "a task, spawned and awaited", 4640, { "bench/tasks.lua", "await" }, 1000, 11000 },
  { "a function that is gathered", 6580, { "bench/tasks.lua", "gather" }, 1000, 11000, { 100 } },
  { "a value through a channel", 2020, { "bench/tasks.lua", "channel" }, 1000, 11000 },
  { "an event of a stream, read", 8500, { "bench/events.lua" }, 1000, 11000 },
  { "a token of a streamed chat", 83500, { "bench/tokens.lua" }, 1000, 6000 },
  { "100 KB of JSON, decoded", 30200000, { "bench/json.lua", "neap", "decode" }, 2, 6 },
  { "100 KB of JSON, encoded", 12300000, { "bench/json.lua", "neap", "encode" }, 2, 6 },
  { "a semaphore handed over", 2660, { "bench/tasks.lua", "semaphore" }, 1000, 11000, { 10 } },
}

local is_release = (os.getenv("NEAP_BUILD") or ""):find("release", 1, true)
local it_counts = is_release and it or pending

-- The instructions of a whole process.
local function count(argv)
  local result = helper.run({ "valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
    helper.neap, argv }, { cwd = helper.root })
  assert.equal(0, result.status, result.stderr)
  return tonumber(result.stderr:match("Collected : (%d+)"))
end

local function argv_of(work, units)
  local argv = table.move(work[3], 1, #work[3], 1, {})
  argv[#argv + 1] = units
  return table.move(work[6] or {}, 1, #(work[6] or {}), #argv + 1, argv)
end

describe("the instructions of", function()
  it("pieces of work are counted with programs that work", function()
    for _, work in ipairs(WORK) do
      local result = helper.run({ helper.neap, argv_of(work, work[4]) }, { cwd = helper.root })
      assert.equal(0, result.status, result.stderr)
    end
  end)

  for _, work in ipairs(WORK) do
    local name, most, _, few, many = table.unpack(work)
    it_counts(name .. (" are at most %d"):format(most), function()
      local each = (count(argv_of(work, many)) - count(argv_of(work, few))) / (many - few)
      assert.is_true(each <= most * (1 + TOLERANCE), ("%s: %.0f"):format(name, each))
    end)
  end
end)
