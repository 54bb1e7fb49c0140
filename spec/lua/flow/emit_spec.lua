-- neap.emit: events of the script's own.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local neap = require "neap"
local Node, Flow, BatchNode = neap.Node, neap.Flow, neap.BatchNode
local failure = helper.failure

-- Runs a flow; returns the events of this kind, or all.
local function events_of(flow, kind)
  local events = {}
  local ok, err = pcall(flow.run, flow, {}, { on_event = function(event)
    if not kind or event.kind == kind then events[#events + 1] = event end
  end })
  return events, not ok and err or nil
end

-- Those events as lines: the node, the visit, and a field.
local function lines_of(flow, kind, field)
  local lines = {}
  for i, event in ipairs((events_of(flow, kind))) do
    lines[i] = ("%s %d %s"):format(event.node, event.visit, tostring(event[field]))
  end
  return lines
end

describe("neap.emit", function()
  it("tells on_event of a kind and its fields, with node, visit and time", function()
    local list = { 1 }
    local a = Node { name = "a", exec = function()
      neap.emit("cache", { hit = true, list = list })
      neap.emit("cache")
    end }
    local before = neap.now()
    local events = events_of(Flow { name = "f", start = a }, "cache")
    local time = events[1].time
    assert.is_true(before <= time and time <= neap.now())
    assert.same({ kind = "cache", hit = true, list = list, node = "f > a", visit = 2,
      time = time }, events[1])
    assert.same({ kind = "cache", node = "f > a", visit = 2, time = events[2].time }, events[2])
  end)

  it("tells it between the begin and the end of the visit", function()
    local kinds = {}
    local a = Node { name = "a", exec = function() neap.emit("mine") end }
    for i, event in ipairs((events_of(a))) do kinds[i] = event.kind .. event.visit end
    assert.same({ "node_start1", "mine1", "node_end1" }, kinds)
  end)

  it("works in each phase, in items, branches and attempts", function()
    local function tell(what)
      return function() neap.emit("mine", { what = what }) end
    end
    local batch = BatchNode { name = "all", concurrency = 2,
      prep = function() neap.emit("mine", { what = "prep" }) return { "x", "y" } end,
      exec = function(_, _, item)
        neap.sleep(0)
        neap.emit("mine", { what = item })
      end,
      post = tell "post" }
    local tried = 0
    local fork = neap.parallel { name = "fork",
      Node { name = "a", timeout = 60, max_retries = 2, exec = function()
        neap.emit("mine", { what = tried })
        tried = tried + 1
        if tried == 1 then error("no", 0) end
      end } }
    assert.same({ "f > all 2 prep", "f > all[1] 2 x", "f > all[2] 2 y", "f > all 2 post",
      "f > fork > a 4 0", "f > fork > a 4 1" },
      lines_of(Flow { name = "f", start = batch, batch >> fork }, "mine", "what"))
  end)

  it("belongs to the node in the tasks that it has spawned, however deep", function()
    local a = Node { name = "a", exec = function()
      neap.gather { function()
        neap.sleep(0)
        neap.timeout(60, function() neap.emit("mine", { what = 1 }) end)
      end, function()
        coroutine.wrap(function() neap.emit("mine", { what = 2 }) end)()
      end }
    end }
    local lines = lines_of(Flow { name = "f", start = a }, "mine", "what")
    table.sort(lines)
    assert.same({ "f > a 2 1", "f > a 2 2" }, lines)
  end)

  it("belongs to the run that a node has begun, not to the one around it", function()
    local inner = Node { name = "inner", exec = function() neap.emit("mine", { what = 1 }) end }
    local seen
    local outer = Node { name = "outer", exec = function()
      inner:run {}
      seen = lines_of(inner, "mine", "what")
    end }
    assert.same({}, lines_of(outer, "mine", "what"))
    assert.same({ "inner 1 1" }, seen)
  end)

  it("does nothing outside of runs, in detached tasks, and where nobody observes", function()
    assert.is_nil(neap.emit("mine"))
    local a = Node { name = "a", exec = function()
      neap.emit("mine", { what = "node" })
      neap.spawn_detached(function() neap.emit("mine", { what = "detached" }) end)
      neap.sleep(0.001)
    end }
    a:run {}
    assert.same({ "a 1 node" }, lines_of(a, "mine", "what"))
  end)

  it("copies the fields, so that nobody changes them later", function()
    local fields = { n = 1 }
    local events = events_of(Node { name = "a", exec = function()
      neap.emit("mine", fields)
      fields.n = 2
      neap.emit("mine", fields)
    end }, "mine")
    assert.same({ 1, 2 }, { events[1].n, events[2].n })
    assert.same({ n = 2 }, fields)
  end)

  it("works while a task is being cancelled, for it does not wait", function()
    local lines
    local task = neap.spawn(function()
      lines = {}
      Node { name = "a", exec = function()
        local _ <close> = setmetatable({}, { __close = function() neap.emit("closing") end })
        neap.sleep(60)
      end }:run({}, { on_event = function(event) table.insert(lines, event.kind) end })
    end)
    neap.sleep(0.001)
    task:cancel()
    pcall(task.await, task)
    assert.same({ "node_start", "wait", "cancel", "closing", "node_end" }, lines)
  end)

  it("may be called by on_event, which is then told of it", function()
    local seen = {}
    Node { name = "a" }:run({}, { on_event = function(event)
      seen[#seen + 1] = event.kind
      if event.kind == "node_start" then neap.emit("mine") end
    end })
    assert.same({ "node_start", "mine", "node_end" }, seen)
  end)

  it("goes on where on_event raises", function()
    local done
    Node { name = "a", exec = function()
      neap.emit("mine")
      done = true
    end }:run({}, { on_event = function(event)
      if event.kind == "mine" then error("no", 0) end
    end })
    assert.is_true(done)
  end)

  for _, case in ipairs {
    { "no kind", {}, "bad argument #1 to 'emit' (string that is not empty expected, got nil)" },
    { "an empty kind", { "" },
      "bad argument #1 to 'emit' (string that is not empty expected, got string)" },
    { "fields that are none", { "mine", 1 }, "bad argument #2 to 'emit' (table expected, got 1)" },
    { "a kind of neap's own", { "node_end" },
      "emit: events of the kind 'node_end' are neap's own; choose another name" },
    { "a field that neap sets", { "mine", { visit = 1 } },
      "emit: neap itself sets the field 'visit'; choose another name" },
    { "a list", { "mine", { "x" } }, "emit: fields have names, got the key 1" },
    { "a key that is no name", { "mine", { [{}] = 1 } },
      "emit: fields have names, got the key of the type table" },
  } do
    local name, arguments, message = table.unpack(case)
    it("refuses " .. name .. ", at the line of the script, also where nobody observes", function()
      local err = failure(function() neap.emit(table.unpack(arguments)) end)
      assert.equal(message, (err:gsub("^[^:]*emit_spec%.lua:%d+: ", "")))
      assert.matches("^[^:]*emit_spec%.lua:%d+: ", err)
    end)
  end
end)
