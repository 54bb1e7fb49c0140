--- Random concurrent programs, as trees of statements.
-- SPDX-License-Identifier: MIT
--
-- A statement is { name, id =, arguments..., blocks = { block... } }; a block is
-- a list of statements. spec/fuzz/write.lua makes Lua of it, in which each
-- statement is a call of the method of that name of spec/fuzz/world.lua.
local M = {}

local random = math.random

local TIMES = { 0, 0, 1e-10, 0.0005, 0.001, 0.001, 0.002, 0.003, 0.005, 0.01 }
local LIMITS = { 0.0005, 0.001, 0.002, 0.004, 0.008, 0.02 }
local WAYS = { "timeout", "race", "gather", "map", "await" }

local function pick(list) return list[random(#list)] end

local function chance(percent) return random(100) <= percent end

-- Lua text of a table of options, without those that are nil.
local function options(list)
  local words = {}
  for i = 1, #list, 2 do words[#words + 1] = list[i] .. " = " .. tostring(list[i + 1]) end
  return "{ " .. table.concat(words, ", ") .. " }"
end

-- How each kind of statement is made. `g` is what is generated: how much may
-- follow, and what there is to act upon.
local make = {}

-- A block of statements; `size` is the most there may be.
local function block(g, depth, size)
  local list = {}
  for _ = 1, random(size or 4) do
    if g.left <= 0 then break end
    list[#list + 1] = g:statement(depth + 1)
  end
  return list
end

local function blocks(g, depth, count, size)
  local list = {}
  for i = 1, count do list[i] = block(g, depth, size) end
  return list
end

local function channel(g) return random(#g.channels) end
local function semaphore(g) return random(#g.semaphores) end
local function event(g) return random(g.events) end
local function slot(g) return random(math.max(g.slots, 1)) end

local function new_slot(g)
  g.slots = g.slots + 1
  return g.slots
end

function make.sleep() return { pick(TIMES) } end

function make.spawn(g, depth)
  local number = new_slot(g)
  return { number, blocks = blocks(g, depth, 1) }
end

make.detach = make.spawn

function make.await(g) return { slot(g) } end

function make.cancel(g) return { slot(g) } end

-- "collect" or "stop", as Lua text.
local function on_error() return chance(30) and '"collect"' or '"stop"' end

function make.gather(g, depth)
  return { chance(30) and slot(g) or 0, on_error(), blocks = blocks(g, depth, random(4)) }
end

function make.race(g, depth)
  return { chance(30) and slot(g) or 0, blocks = blocks(g, depth, random(4)) }
end

function make.map(g, depth)
  return { random(4), random(3), on_error(), blocks = blocks(g, depth, 1, 3) }
end

function make.loop(g, depth) return { random(3), blocks = blocks(g, depth, 1, 3) } end

function make.timeout(g, depth) return { pick(LIMITS), blocks = blocks(g, depth, 1) } end

function make.send(g) return { channel(g) } end
function make.receive(g) return { channel(g) } end
function make.values(g, depth) return { channel(g), blocks = blocks(g, depth, 1, 2) } end
function make.receive_by(g) return { channel(g), ("%q"):format(pick(WAYS)) } end
function make.close(g) return { channel(g) } end

-- Some who send, some who receive, as many values.
function make.pipe(g)
  return { channel(g), random(6), random(3), random(3), tostring(chance(40)) }
end

function make.acquire(g) return { semaphore(g), scoped = true } end

function make.acquire_by(g)
  return { semaphore(g), ("%q"):format(pick(WAYS)), scoped = true }
end

function make.visit(g, depth) return { semaphore(g), blocks = blocks(g, depth, 1) } end

function make.set(g) return { event(g) } end
make.clear, make.wait_for = make.set, make.set

function make.limit(g) return { random(#g.limiters), pick { 0, 1, 1, 2 } } end
function make.penalize(g) return { random(#g.limiters), pick(TIMES) } end

function make.guard(g, depth)
  return { blocks = { chance(40) and block(g, depth, 2) or {} }, scoped = true }
end

local function one_block(g, depth) return { blocks = blocks(g, depth, 1) } end
make.pcall, make.try = one_block, one_block

function make.xpcall(g, depth)
  return { blocks = { block(g, depth), chance(30) and block(g, depth, 2) or {} } }
end

function make.shield(g, depth) return { pick(LIMITS), blocks = blocks(g, depth, 1, 3) } end

function make.wrap(g, depth) return { random(4), blocks = blocks(g, depth, 1) } end
function make.yield() return {} end

function make.coroutine(g, depth)
  g.coroutines = g.coroutines + 1
  return { g.coroutines, blocks = blocks(g, depth, 1) }
end

function make.resume(g) return { random(math.max(g.coroutines, 1)) } end
make.shut = make.resume

function make.sort(g, depth) return { blocks = blocks(g, depth, 1, 1) } end
function make.raise() return { ("%q"):format(pick { "text", "table", "error" }) } end
function make.leave() return {} end
function make.collect() return {} end

local function node_options()
  local list = {}
  if chance(40) then table.move({ "max_retries", random(3) }, 1, 2, 1, list) end
  if chance(20) then table.move({ "wait", pick(TIMES) }, 1, 2, #list + 1, list) end
  if chance(30) then table.move({ "timeout", pick(LIMITS) }, 1, 2, #list + 1, list) end
  return list
end

local function add(list, key, value)
  list[#list + 1] = key
  list[#list + 1] = value
end

-- A node: prep, exec, post and the fallback are its blocks.
local function a_node(g, depth)
  local list = node_options()
  if chance(5) then list = { "atomic", true } end
  if chance(30) then add(list, "falls_back", true) end
  if chance(20) then add(list, "action", '"skip"') end
  local some = function(percent, size)
    return chance(percent) and block(g, depth, size) or {}
  end
  return { options(list), blocks = { some(25, 2), block(g, depth, 3), some(25, 2), some(30, 1) } }
end

local function a_batch(g, depth)
  local list = node_options()
  add(list, "items", random(0, 4))
  if chance(60) then add(list, "concurrency", random(3)) end
  if chance(40) then add(list, "on_error", '"collect"') end
  if chance(40) then add(list, "iterator", true) end
  return { options(list), blocks = { {}, block(g, depth, 3), {}, {} } }
end

local PARTS = { "node", "node", "node", "batch", "subflow", "parallel", "batch_flow" }

local function parts(g, depth, most)
  local list = {}
  for _ = 1, random(most) do
    local kind = (depth >= g.deepest or g.left <= 0) and "node" or pick(PARTS)
    list[#list + 1] = g:statement(depth + 1, kind)
  end
  return list
end

make.node, make.batch = a_node, a_batch

function make.subflow(g, depth)
  return { options(node_options()), blocks = { parts(g, depth, 3) } }
end

function make.parallel(g, depth)
  local list = node_options()
  if chance(40) then add(list, "concurrency", random(3)) end
  if chance(40) then add(list, "on_error", '"collect"') end
  return { options(list), blocks = { parts(g, depth, 3) } }
end

function make.batch_flow(g, depth)
  local list = node_options()
  add(list, "items", random(0, 3))
  if chance(60) then add(list, "concurrency", random(3)) end
  if chance(40) then add(list, "on_error", '"collect"') end
  return { options(list), blocks = { parts(g, depth, 2) } }
end

-- A flow that is run: by `run`, or spawned and awaited. `acts` is the number of
-- the event at which on_event does what its second block says; 0 is never.
function make.flow(g, depth)
  local list = {}
  if chance(30) then add(list, "timeout", pick(LIMITS)) end
  if chance(15) then add(list, "max_steps", random(6)) end
  local acts = chance(30) and random(12) or 0
  return { tostring(chance(40)), acts, options(list),
    blocks = { parts(g, depth, 3), acts > 0 and block(g, depth, 2) or {} } }
end

-- How often each kind comes.
local WEIGHTS = {
  sleep = 14, spawn = 9, detach = 2, await = 6, cancel = 5, gather = 6, race = 5, map = 4,
  loop = 3, timeout = 7, send = 5, receive = 5, values = 1, receive_by = 3, close = 2, pipe = 5,
  acquire = 4, acquire_by = 3, visit = 4, set = 4, clear = 1, wait_for = 2, limit = 3,
  penalize = 1, guard = 9, pcall = 6, try = 2, xpcall = 3, shield = 3, wrap = 4, yield = 4,
  coroutine = 4, resume = 7, shut = 2, sort = 1, raise = 3, leave = 1, collect = 1, flow = 5,
}

local function draw_from(weights)
  local names, total = {}, 0
  for name, weight in pairs(weights) do
    names[#names + 1] = name
    total = total + weight
  end
  table.sort(names)
  return function()
    local at = random(total)
    for _, name in ipairs(names) do
      at = at - weights[name]
      if at <= 0 then return name end
    end
  end
end

local draw = draw_from(WEIGHTS)

-- What has no blocks may stand where the tree is deep enough.
local LEAVES = {}
for name, weight in pairs(WEIGHTS) do
  local made = { sleep = 1, await = 1, cancel = 1, send = 1, receive = 1, receive_by = 1, close = 1,
    pipe = 1, acquire = 1, set = 1, wait_for = 1, limit = 1, yield = 1, resume = 1, shut = 1,
    raise = 1 }
  LEAVES[name] = made[name] and weight
end

local draw_leaf = draw_from(LEAVES)

local Generator = {}
Generator.__index = Generator

function Generator:statement(depth, name)
  self.left = self.left - 1
  self.count = self.count + 1
  local id = self.count
  name = name or (depth >= self.deepest and draw_leaf or draw)()
  local made = make[name](self, depth)
  made.name, made.id = name, id
  return made
end

---@class fuzz.program
---@field seed integer
---@field clock "virtual"|"real"
---@field channels integer[]    their capacities
---@field semaphores integer[]  their places
---@field events integer        how many
---@field limiters table[]      their options
---@field tide number|false     when all channels are closed and all events set; false: never
---@field collect integer       a whole collection after so many allocations; 0: as ever
---@field ghosts table[]        blocks that finalizers run, again and again
---@field body table            a block

--- Makes the program of a seed.
---@param seed integer
---@return fuzz.program
function M.program(seed)
  math.randomseed(seed)
  local g = setmetatable({ left = pick { 5, 10, 20, 40, 80 }, count = 0, slots = 0,
    coroutines = 0, deepest = random(3, 7), channels = {}, semaphores = {}, events = 2,
    limiters = {} }, Generator)
  for i = 1, 3 do g.channels[i] = random(0, 3) end
  for i = 1, 2 do g.semaphores[i] = random(2) end
  for i = 1, 2 do g.limiters[i] = { rate = pick { 300, 1000, 7 }, burst = pick { 1, 3 } } end
  local collect, ghosts = 0, {}
  if seed % 4 == 1 then
    collect = pick { 1, 2, 5, 20, 100 }
    for i = 1, random(3) do ghosts[i] = block(g, g.deepest - 1, 2) end
  end
  local body = {}
  while g.left > 0 do body[#body + 1] = g:statement(1) end
  return { seed = seed, clock = seed % 10 == 0 and "real" or "virtual", channels = g.channels,
    semaphores = g.semaphores, events = g.events, limiters = g.limiters,
    tide = chance(75) and pick { 0.01, 0.03, 0.1 }, collect = collect,
    ghosts = ghosts, body = body }
end

return M
