-- The program of kill_spec and workers_spec: works runs of a voyage off, and tells what it does.
-- SPDX-License-Identifier: MIT
--
--   neap voyage.lua STORE LEDGER SEED [work NAP]
--
-- It begins the run `v`, and ends with it; with `work` it works off what others begin, and
-- each exec naps for NAP seconds.
--
-- Each line of the ledger is written in one piece before what it is about goes on:
--
--   effect KEY            exec of a visit or an item begins
--   step KEY NAME VALUE   a step is made
--   got KEY NAME VALUE    a step has been saved
--   saved NODE            the end of a visit has been saved
--   ended STATUS          the run has ended
--
-- Standard output gets the number of each save: `saved ID SEQ`.
local neap = require "neap"
local Node, Flow, BatchNode, BatchFlow = neap.Node, neap.Flow, neap.BatchNode, neap.BatchFlow
local Parallel, Wait = neap.Parallel, neap.Wait

local path, ledger_path, seed = arg[1], arg[2], tonumber(arg[3])
math.randomseed(seed)

local ledger = assert(io.open(ledger_path, "a"))
ledger:setvbuf "full"

local function note(...)
  ledger:write(table.concat({ ... }, " "), "\n")
  ledger:flush()
end

local function effect(self)
  note("effect", self.key)
  if arg[5] then neap.sleep(tonumber(arg[5])) end
  if math.random(3) == 1 then neap.sleep(math.random() * 0.004) end
end

-- A step whose value is another each time that it is made; the ledger knows it as `told`.
local function step(self, name, told)
  local value = neap.step(name, function()
    local made = ("%x"):format(math.random(1 << 50))
    note("step", self.key, told or name, made)
    return made
  end)
  note("got", self.key, told or name, value)
  return value
end

-- A node that adds itself to the chain, in which each link depends on those before.
local function link(name, exec)
  return Node { name = name, exec = function(self, shared)
    effect(self)
    if exec then return exec(self, shared) end
  end, post = function(_, shared)
    local hash = 5381
    for byte in (shared.chain .. name):gmatch "." do
      hash = (hash * 33 + byte:byte()) % (1 << 40)
    end
    shared.chain = ("%x"):format(hash)
  end }
end

-- A node that counts how often its post was called.
local function count(name, field)
  return Node { name = name, exec = effect, post = function(_, shared)
    shared[field] = (shared[field] or 0) + 1
  end }
end

local function line(name, nodes, fields)
  for i = 2, #nodes do local _ = nodes[i - 1] >> nodes[i] end
  fields = fields or {}
  fields.name, fields.start = name, nodes[1]
  return Flow(fields)
end

local ships = BatchNode { name = "ships", concurrency = 4, on_error = "collect",
  prep = function() return { 1, 2, 3, 4, 5, 6, 7, 8 } end,
  exec = function(self, _, ship)
    effect(self)
    step(self, "inspect")
    if ship == 5 then error "sunk" end
    return ship * ship
  end,
  post = function(_, shared, _, results)
    local sum = 0
    for i = 1, 8 do sum = sum + (results[i] or 0) end
    shared.sum, shared.sunk = sum, results.errors[5] ~= nil and results.errors[1] == nil
  end }

local sides = Parallel { name = "sides", count("port", "port"),
  line("starboard", { count("fore", "fore"), count("aft", "aft"), count("keel", "keel") }),
  Parallel { name = "masts", count("main", "main"), count("mizzen", "mizzen") } }

local storm = Node { name = "storm", max_retries = 4, exec = function(self)
  effect(self)
  step(self, "weather")
  if self.cur_retry < 2 then error "too strong" end
end }

local pilot = Wait { name = "pilot", signal = "pilot", timeout = 30,
  post = function(_, shared, _, answer) shared.pilot = answer and answer.name end }

local stops = BatchFlow { name = "tour", concurrency = 2,
  prep = function() return { { at = 1 }, { at = 2 }, { at = 3 } } end,
  start = Node { name = "stop", exec = effect, post = function(self, shared)
    local field = "stop" .. self.params.at
    shared[field] = (shared[field] or 0) + 1
  end } }

local voyage = line("voyage", { link "pack",
  line("quay", { link "load", link("cast off", function(self)
    step(self, "rope")
    step(self, "rope", "rope#2")
  end) }), ships, sides, storm, pilot, stops, link "home" }, { max_takeovers = 1000000 })

local app = neap.durable { store = neap.store.sqlite(path), lease = 1, flows = { voyage = voyage,
    short = line("short", { count("a", "a"), count("b", "b"), count("c", "c") },
      { max_takeovers = 1000000 }) },
  on_event = function(event)
    if event.kind == "saved" then
      io.write(("saved %s %d\n"):format(event.id, event.seq))
      io.flush()
      if event.node then note("saved", event.id, event.node) end
    elseif event.kind == "ended" then
      note("ended", event.id, event.status)
    else
      io.write(("%s %s\n"):format(event.kind, event.id or ""))
      io.flush()
    end
  end }

if arg[4] == "work" then
  app:work { queues = { default = { concurrency = 20 } } }
else
  local run = app:start("voyage", { id = "v", shared = { chain = "" } })
  pcall(run.signal, run, "pilot", { name = "Ann" }, { id = "only" })
  local work = neap.spawn(app.work, app)
  run:await()
  app:stop()
  work:await()
end
