-- Two processes that work for one file, of which one is killed or suspended.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local ledgers = require "spec.lua.durable.ledger"
local neap = require "neap"

local RUNS <const>, LEASE <const> = 200, 1 -- the lease is that of voyage.lua

-- Begins a worker. Its lines are added to a list.
local function begin(folder, seed, lines, nap)
  local process = neap.process.spawn { helper.neap, helper.root .. "/spec/lua/durable/voyage.lua",
    folder .. "/runs.db", folder .. "/ledger", seed, "work", nap, stdin = "null" }
  local reader = neap.spawn(function()
    for text in process.stdout:lines() do lines[#lines + 1] = text end
  end)
  return process, reader
end

-- The app that starts the runs and looks at them.
local function app_of(folder)
  local nodes = {}
  for i = 1, 3 do nodes[i] = neap.Node { name = ("abc"):sub(i, i) } end
  local _ = nodes[1] >> nodes[2] >> nodes[3]
  return neap.durable { store = neap.store.sqlite(folder .. "/runs.db"),
    flows = { short = neap.Flow { name = "short", start = nodes[1] } } }
end

-- Waits until so many runs are done.
local function wait_for(app, count)
  while (app:count().done or 0) < count do neap.sleep(0.05) end
end

-- Disturbs one of two workers when it has claimed runs, and checks that all come to
-- their end. Returns the lines of both.
local function disturb(nap, f)
  local folder = helper.tmpdir()
  local app, lines = app_of(folder), { {}, {} }
  local _ <close> = app.store
  for i = 1, RUNS do app:start("short", { id = "r" .. i }) end
  local one <close>, first = begin(folder, 1, lines[1], nap)
  while not lines[1][1] do neap.sleep(0.01) end -- it has claimed
  local other <close>, second = begin(folder, 2, lines[2], 0)
  local ended = neap.spawn(neap.timeout, 60 * helper.patience, wait_for, app, RUNS)
  f(one, ended, lines)
  ended:await()
  one:kill "SIGKILL"
  other:kill "SIGKILL"
  first:await()
  second:await()
  for i = 1, RUNS do
    local run = app:run("r" .. i)
    assert.equal("done", run:status())
    assert.same({ a = 1, b = 1, c = 1 }, run:shared())
  end
  return ledgers.check(folder .. "/ledger", true), lines
end

describe("of two workers", function()
  it("one takes over what the other had when that is killed", function()
    disturb(0.02, function(one, ended)
      neap.sleep(math.random() * 0.2)
      local since = neap.now()
      one:kill "SIGKILL"
      ended:await()
      local took = neap.now() - since
      assert.is_true(took < (LEASE + 1 + 3) * helper.patience, ("it took %g s"):format(took))
    end)
  end)

  it("one that was suspended for longer than its lease has its saves refused", function()
    -- While it naps, for one that is suspended as it writes holds up the file.
    local _, lines = disturb(0.6, function(one, ended, lines)
      neap.sleep(0.15)
      one:kill "SIGSTOP"
      ended:await()
      one:kill "SIGCONT"
      neap.timeout(10 * helper.patience, function()
        repeat neap.sleep(0.05) until table.concat(lines[1], "\n"):find "fenced"
      end)
    end)
    assert.is_nil(table.concat(lines[2], "\n"):find "fenced")
  end)
end)
