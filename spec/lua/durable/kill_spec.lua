-- A durable run whose process is killed at random moments, and begun again until it has ended.
-- SPDX-License-Identifier: MIT
--
-- NEAP_KILLS says how often (30), NEAP_SEED which seed it begins with.
local helper = require "spec.helper"
local ledgers = require "spec.lua.durable.ledger"
local neap = require "neap"

local KILLS <const> = tonumber(os.getenv "NEAP_KILLS") or 30
local SEED <const> = tonumber(os.getenv "NEAP_SEED") or os.time()

-- The links of the chain, in their order.
local LINKS <const> = { "pack", "load", "cast off", "home" }

local function chain()
  local value = ""
  for _, name in ipairs(LINKS) do
    local hash = 5381
    for byte in (value .. name):gmatch "." do hash = (hash * 33 + byte:byte()) % (1 << 40) end
    value = ("%x"):format(hash)
  end
  return value
end

-- Begins the program, and kills it after so many seconds. Returns the highest number of a save
-- that it has told of, and whether it ended by itself.
local function live(db, ledger, seed, seconds)
  local process <close> = neap.process.spawn { helper.neap,
    helper.root .. "/spec/lua/durable/voyage.lua", db, ledger, seed, stdin = "null" }
  local killer = neap.spawn(function()
    neap.sleep(seconds)
    process:kill "SIGKILL"
  end)
  local told = 0
  for line in process.stdout:lines() do
    told = math.max(told, tonumber(line:match "^saved v (%d+)$") or 0)
  end
  local result = process:wait()
  killer:cancel()
  assert(result.ok or result.signal == "SIGKILL", "the program ended by itself")
  return told, result.ok
end

-- What the store has of the run, by a connection of its own.
local function look(db)
  local store <close> = neap.store.sqlite(db, { read_only = true })
  local run = neap.durable({ store = store, flows = {} }):run "v"
  return run and run:info(), run and run:shared()
end

-- One voyage. Returns how often it was killed.
local function sail(seed)
  local folder, random = helper.tmpdir(), seed
  local db, ledger, kills = folder .. "/runs.db", folder .. "/ledger", 0
  math.randomseed(seed)
  repeat
    random = random + 1
    local told, is_over = live(db, ledger, random, math.random() ^ 2 * 0.25 * helper.patience)
    if not is_over then kills = kills + 1 end
    local exists, info = pcall(look, db)
    assert(exists or told == 0, tostring(info))
    if told > 0 and exists then
      assert(info.seq >= told, ("save %d was told, and the store has %d"):format(told, info.seq))
    end
  until is_over
  local info, shared = look(db)
  assert.equal("done", info.status)
  assert.same({ chain = chain(), sum = 179, sunk = true, port = 1, fore = 1, aft = 1, keel = 1,
    main = 1, mizzen = 1, pilot = "Ann", stop1 = 1, stop2 = 1, stop3 = 1 }, shared)
  ledgers.check(ledger)
  return kills
end

describe("a run whose process is killed", function()
  it(("comes to its end, and nothing that was saved is lost (seed %d)"):format(SEED), function()
    local kills, seed = 0, SEED
    while kills < KILLS do
      local ok, result = pcall(sail, seed)
      if not ok then error(("seed %d: %s"):format(seed, tostring(result)), 0) end
      kills, seed = kills + result, seed + 1000
    end
  end)
end)
