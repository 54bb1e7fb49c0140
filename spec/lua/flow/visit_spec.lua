-- Visits: their numbers, and that each that has begun ends once.
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local Node, Flow, BatchNode, BatchFlow = neap.Node, neap.Flow, neap.BatchNode, neap.BatchFlow

local function nap() neap.sleep(0.0005) end
local function fail() error("no", 0) end
local function three() return { 1, 2, 3 } end
local function entries() return { { n = 1 }, { n = 2 } } end

-- Fails in the first visit of two, by turns.
local function flaky()
  local count = 0
  return function()
    nap()
    count = count + 1
    if count % 2 == 1 then error("not yet", 0) end
    return count
  end
end

-- Flows of all kinds, each made anew, since some count.
local shapes = {}

shapes["a node"] = function() return Node { name = "a", exec = nap } end

shapes["a node that fails"] = function() return Node { name = "a", exec = fail } end

shapes["a node whose prep fails"] = function() return Node { name = "a", prep = fail } end

shapes["a node without methods"] = function() return Node { name = "a" } end

shapes["a loop"] = function()
  local a = Node { name = "a", exec = nap,
    post = function(_, shared)
      shared.n = (shared.n or 0) + 1
      return shared.n < 3 and "again" or nil
    end }
  return Flow { name = "f", start = a, a - "again" >> a, a >> neap.END }
end

shapes["an action without a successor"] = function()
  local a = Node { name = "a", post = function() return "odd" end }
  return Flow { name = "f", start = a, a >> Node { name = "b" } }
end

shapes["a strict flow that refuses an action"] = function()
  local a = Node { name = "a", post = function() return "odd" end }
  return Flow { name = "f", start = a, strict = true, a >> Node { name = "b" } }
end

shapes["a flow whose inner action leads nowhere"] = function()
  local inner = Flow { name = "inner", start = Node { name = "a",
    post = function() return "odd" end } }
  return Flow { name = "f", start = inner, inner >> Node { name = "b" } }
end

shapes["attempts, waits and a fallback"] = function()
  local a = Node { name = "a", max_retries = 3, wait = 0.0005, exec = fail,
    process_after_fail = nap }
  return Flow { name = "f", start = a }
end

shapes["a nested flow that is walked again"] = function()
  local a, b = Node { name = "a", exec = nap }, Node { name = "b", exec = flaky() }
  local inner = Flow { name = "inner", start = a, a >> b }
  local outer = Flow { name = "outer", start = inner, max_retries = 2 }
  return Flow { name = "f", start = outer, outer >> Node { name = "c" } }
end

shapes["a nested flow with a fallback"] = function()
  local deep = Flow { name = "deep", start = Node { name = "a", exec = fail } }
  local inner = Flow { name = "inner", start = deep, process_after_fail = nap }
  return Flow { name = "f", start = inner }
end

shapes["a time limit"] = function()
  local slow = Node { name = "slow", exec = function() neap.sleep(60) end }
  local inner = Flow { name = "inner", start = slow, timeout = 0.002, max_retries = 2,
    process_after_fail = nap }
  return Flow { name = "f", start = inner }
end

shapes["a batch"] = function()
  return BatchNode { name = "all", prep = three, exec = flaky(), max_retries = 2 }
end

shapes["a batch of workers"] = function()
  return BatchNode { name = "all", prep = three, exec = flaky(), concurrency = 2,
    on_error = "collect" }
end

shapes["a batch of workers that fails"] = function()
  return Flow { name = "f", max_retries = 2,
    start = BatchNode { name = "all", prep = three, exec = flaky(), concurrency = 2 } }
end

shapes["a batch of flows"] = function()
  local a, b = Node { name = "a", exec = nap }, Node { name = "b", exec = flaky() }
  return BatchFlow { name = "each", start = a, a >> b, prep = entries, concurrency = 2,
    max_retries = 2 }
end

shapes["a batch of flows that collects"] = function()
  local a = Node { name = "a", exec = flaky() }
  return BatchFlow { name = "each", start = Flow { name = "inner", start = a }, prep = entries,
    on_error = "collect" }
end

shapes["branches"] = function()
  return neap.parallel { name = "fork", Node { name = "a", exec = nap },
    Flow { name = "inner", start = Node { name = "b", exec = nap } } }
end

shapes["branches of which one fails"] = function()
  return Flow { name = "f", start = neap.parallel { name = "fork",
    Node { name = "a", exec = function() neap.sleep(60) end },
    Flow { name = "inner", start = Node { name = "b", exec = fail } } } }
end

shapes["branches with attempts and limits"] = function()
  return neap.parallel { name = "fork", max_retries = 2, timeout = 60, concurrency = 1,
    Node { name = "a", exec = flaky() }, Node { name = "b", exec = flaky() } }
end

shapes["a walk that is begun again, with tasks to be ended"] = function()
  local a = Node { name = "a", exec = function() neap.spawn(neap.sleep, 60) end }
  return Flow { name = "outer", start = Flow { name = "f", max_retries = 3, start = a,
    a >> BatchNode { name = "all", prep = three, exec = flaky(), concurrency = 2 } } }
end

shapes["tasks of a node"] = function()
  return Flow { name = "f", start = Node { name = "a", exec = function()
    neap.spawn(nap)
    neap.gather { nap, nap }
  end } }
end

-- Checks what a run has told: each visit that began has ended, once, inside of the visit
-- around it; what is told of a visit is told between.
local function check(events)
  local open, seen = {}, {}
  for i, event in ipairs(events) do
    local visit = event.visit
    assert.equal("integer", math.type(visit), event.kind)
    if event.kind == "node_start" then
      assert.is_nil(seen[visit])
      assert.is_true(visit == 1 or next(open) ~= nil)
      seen[visit], open[visit] = event, true
    else
      assert.is_true(open[visit], ("%d: %s of %s"):format(i, event.kind, event.node))
    end
    if event.kind == "node_end" then
      open[visit] = nil
      assert.equal(seen[visit].node, event.node)
      assert.near(event.time - seen[visit].time, event.seconds, 0.05)
      if event.failed ~= nil then
        assert.same({ true, nil }, { event.failed, event.action })
        assert.is_not_nil(event.error)
      else
        assert.equal("string", type(event.action))
        assert.is_nil(event.error)
      end
      for other in pairs(open) do
        assert.are_not.equal(event.node .. " > ", seen[other].node:sub(1, #event.node + 3))
      end
    end
  end
  assert.is_nil(next(open))
  if events[1] then
    assert.equal("node_start", events[1].kind)
    assert.equal("node_end", events[#events].kind)
    assert.equal(1, events[#events].visit)
  end
end

-- Runs a flow; `act` is called with the task at the k-th event.
local function play(shape, k, act)
  local events, task = {}, nil
  task = neap.spawn(shape(), {}, { on_event = function(event)
    events[#events + 1] = event
    if #events == k then act(task) end
  end })
  pcall(task.await, task)
  return events
end

local names = {}
for name in pairs(shapes) do names[#names + 1] = name end
table.sort(names)

describe("visits of", function()
  for _, name in ipairs(names) do
    it(name .. " end once each, however the run ends", function()
      local events = play(shapes[name], 0)
      assert.is_true(#events >= 2)
      check(events)
      for k = 1, #events do
        check(play(shapes[name], k, function(task) task:cancel() end))
      end
    end)
  end
end)
