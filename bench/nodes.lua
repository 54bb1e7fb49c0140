--- nodes.lua WALK N: what it takes to execute N nodes that do next to nothing.
--
-- Each walk is there twice: as a flow of neap, and as the loop that one would
-- write by hand for just this case. The methods are the same functions. Two
-- nodes call each other by the action "again"; "done" ends.
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local measure = require "bench.measure"
local Node, Flow, BatchNode, END = neap.Node, neap.Flow, neap.BatchNode, neap.END

local walk, count = ...
count = math.tointeger(tonumber(count))

-- ----------------------------------------------------------------- the methods

local function prep(_, shared)
  return shared.visits
end

local function exec(_, _, visits)
  return visits + 1
end

local function post(_, shared, _, visits)
  shared.visits = visits
  return visits < count and "again" or "done"
end

local items = {}
local function prep_items()
  return items
end

local function exec_item(_, _, item)
  return item + 1
end

local function post_items(_, shared, _, results)
  for i = 1, #results do shared.visits = shared.visits + results[i] - items[i] end
end

-- --------------------------------------------------------------------- by neap

local by_neap = {}

-- Two nodes in a loop, with these options besides the methods.
local function pair(options)
  local Step = Node:extend { prep = prep, exec = exec, post = post }
  local a, b = Step(options), Step(options)
  return Flow { start = a,
    a - "again" >> b, b - "again" >> a,
    a - "done" >> END, b - "done" >> END,
  }
end

function by_neap.loop()
  return pair {}
end

function by_neap.retry()
  return pair { max_retries = 3 }
end

-- Each visit is that of a flow with one node in it.
function by_neap.nested()
  local function inner() return Flow { start = Node { prep = prep, exec = exec, post = post } } end
  local a, b = inner(), inner()
  return Flow { start = a,
    a - "again" >> b, b - "again" >> a,
    a - "done" >> END, b - "done" >> END,
  }
end

-- Each visit is that of an item.
function by_neap.batch()
  return Flow { start = BatchNode { prep = prep_items, exec = exec_item, post = post_items } }
end

-- --------------------------------------------------------------------- by hand

local by_hand = {}

-- A node by hand: a table of methods and successors. `view` is the metatable
-- of a `self` that reads from it.
local function node(methods)
  methods.successors = {}
  methods.view = { __index = methods }
  return methods
end

local function twins(make)
  local a, b = make(), make()
  a.successors.again, b.successors.again = b, a
  a.successors.done, b.successors.done = END, END
  return a
end

local function step()
  return node { prep = prep, exec = exec, post = post }
end

-- A fresh self for each visit, as neap gives one.
function by_hand.loop(shared)
  local current = twins(step)
  repeat
    local self = setmetatable({}, current.view)
    local prep_res = current.prep(self, shared)
    local exec_res = current.exec(self, shared, prep_res)
    current = current.successors[current.post(self, shared, prep_res, exec_res) or "default"]
  until current == END
end

-- The node itself as self, which all visits then share.
function by_hand.plain(shared)
  local current = twins(step)
  repeat
    local prep_res = current:prep(shared)
    local exec_res = current:exec(shared, prep_res)
    current = current.successors[current:post(shared, prep_res, exec_res) or "default"]
  until current == END
end

function by_hand.retry(shared)
  local current = twins(step)
  repeat
    local self = setmetatable({}, current.view)
    local prep_res = current.prep(self, shared)
    local ok, exec_res
    for attempt = 1, 3 do
      self.cur_retry = attempt - 1
      ok, exec_res = pcall(current.exec, self, shared, prep_res)
      if ok then break end
    end
    if not ok then error(exec_res, 0) end
    current = current.successors[current.post(self, shared, prep_res, exec_res) or "default"]
  until current == END
end

function by_hand.nested(shared)
  local outer = twins(function() return node { start = step() } end)
  repeat
    local action
    local current = outer.start
    repeat
      local self = setmetatable({}, current.view)
      local prep_res = current.prep(self, shared)
      local exec_res = current.exec(self, shared, prep_res)
      action = current.post(self, shared, prep_res, exec_res) or "default"
      current = current.successors[action]
    until not current
    outer = outer.successors[action]
  until outer == END
end

function by_hand.batch(shared)
  local batch = node { prep = prep_items, exec = exec_item, post = post_items }
  local self = setmetatable({}, batch.view)
  local prep_res = batch.prep(self, shared)
  local view, results = { __index = self }, {}
  for i = 1, #prep_res do
    results[i] = batch.exec(setmetatable({}, view), shared, prep_res[i])
  end
  batch.post(self, shared, prep_res, results)
end

-- -------------------------------------------------------------------- the work

local function work()
  local by, name = (walk or ""):match("^(%a+)%.(%a+)$")
  if not count or count < 1 then
    return nil
  elseif by == "neap" and by_neap[name] then
    local flow = by_neap[name]()
    return function(shared) flow:run(shared) end
  elseif by == "hand" then
    return by_hand[name]
  end
end

local run = work()
if not run then
  io.stderr:write("usage: nodes.lua neap.WALK|hand.WALK N\n",
    "WALK: loop, retry, nested, batch; hand.plain\n")
  os.exit(2)
end
if walk:find("batch", 1, true) then
  for i = 1, count do items[i] = i end
end
local shared = { visits = 0 }
measure(function() run(shared) end, walk:find("^hand") and _VERSION or nil)
assert(shared.visits == count, "not every node was visited")
