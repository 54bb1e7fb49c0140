--- What neap costs a host that drives it in slices of 1 ms: how long the longest take.
-- SPDX-License-Identifier: MIT

-- Sums up many slices, by the time of their thread and by that of the wall, in which others
-- have had their turn.
local function distribution(unit)
  local measures = {}
  for _, name in ipairs { "cpu p50", "cpu p99", "cpu p99.9", "cpu max", "wall p50", "wall p99",
    "wall p99.9", "wall max" } do
    measures[#measures + 1] = { name, unit, per = 1 }
  end
  return measures
end

---@param t bench.Tools
---@return bench.Row[]
return function(t)
  local slices, requests, firsts = t.part(1000000), t.part(1000), t.part(100)
  local engines = t.part(1000)
  local idle_ms = t.part(2000)

  local function row(id, title, measures, goals, ...)
    return { id = "embed/" .. id, title = title, measures = measures, goals = goals,
      neap = t.c_by("neap", "embed", ...), peers = {} }
  end

  local stripped = t.build .. "/bench/libneap.stripped"
  local size = row("size", "libneap.so, stripped", { { "memory", "KB", per = 1 } },
    { memory = 160 })
  size.neap.command = size.neap.command and { "sh", "-c",
    'strip -o "$1" "$0" && echo "wall 0 cpu 0 memory $(stat -c %s "$1") neap"',
    t.build .. "/engine/libneap.so", stripped }

  local cuts, states = t.part(10000), t.part(1000)

  -- A slice that ends while Lua computes.
  local function cut(id, title, most, longest)
    return { id = "embed/" .. id, title = "a slice of " .. title, measures = distribution "us",
      goals = { ["cpu p99.9"] = most, ["cpu max"] = longest },
      neap = t.c_by("neap", "embed_lua", id, cuts), peers = {} }
  end

  -- The same where a signal is lent to the state.
  local function signalled(id, title)
    return { id = ("embed/%s-signal"):format(id),
      title = ("a slice of Lua: %s, by a signal"):format(title), measures = distribution "us",
      goals = { ["cpu p99.9"] = 1100, ["cpu max"] = 2000 },
      neap = t.c_by("neap", "embed_lua", id, cuts, "signal"), peers = {} }
  end

  return {
    cut("loop", "Lua: an endless loop", 1100, 2000),
    cut("pcalls", "Lua: nested pcalls", 1100, 2000),
    cut("coroutines", "Lua: coroutines of the script", 1100, 2000),
    cut("metamethods", "Lua: metamethods", 1100, 2000),
    cut("frames", "Lua: a loop below 10000 calls", 1100, 2000),
    cut("strings", "Lua: strings of 64 KB", 1600),
    cut("tables", "Lua: tables of 64 KB", 1600),
    cut("sort", "Lua: table.sort of 2000, with a comparator", 3000),
    cut("gsub", "Lua: string.gsub with a function", 3000),
    signalled("loop", "an endless loop"), signalled("metamethods", "metamethods"),
    signalled("frames", "a loop below 10000 calls"),
    { id = "embed/state", title = "a Lua state with an engine, made and closed", measures = {
      { "cpu p50", "us", per = 1 }, { "cpu max", "us", per = 1 }, { "heap", "KB", per = 1 },
      { "descriptors", "times", per = 1 },
    }, goals = { ["cpu p50"] = 500, heap = 200, descriptors = 4 },
      neap = t.c_by("neap", "embed_lua", "state", states), peers = {} },
    row("idle", "a slice in which nothing is to be done", distribution "ns", { ["cpu p50"] = 300 },
      "idle", slices, 0),
    row("timers", "the same, 10000 operations waiting", distribution "ns", { ["cpu p50"] = 300 },
      "idle", slices, 10000),
    row("gets", ("a slice while %d GETs are begun at once, and answered"):format(requests),
      distribution "us", { ["cpu max"] = 2500 }, "gets", requests, "SERVER/1k"),
    row("first", "the first GET of a process, after neap_http_preload", distribution "us",
      { ["cpu p50"] = 1000 }, "first", firsts, "SERVER/1k"),
    row("turns", ("turns of an epoll loop that is idle for %d ms"):format(idle_ms),
      { { "turns", "times", per = 1 }, { "cpu", "ms", per = 1 } }, { turns = 10 },
      "turns", idle_ms),
    row("engine", "an engine without Lua, made and freed", {
      { "cpu p50", "us", per = 1 }, { "cpu max", "us", per = 1 }, { "heap", "KB", per = 1 },
      { "descriptors", "times", per = 1 },
    }, { ["cpu p50"] = 500, heap = 200, descriptors = 4 }, "engine", engines),
    size,
  }
end
