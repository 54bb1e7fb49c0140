--- What tasks cost, and what they hand over.
-- SPDX-License-Identifier: MIT

---@param t bench.Tools
---@return bench.Row[]
return function(t)
  local count = t.part(1000000)

  local function by_lua(label, ...)
    return t.neap_by(label, "bench/tasks.lua", ...)
  end

  local function go(...)
    return t.with(t.go_by("goroutines", "tasks", ...), { most = { cpu = 1.5 } })
  end

  local function cqueues(work, ...)
    local few = t.part(100000)
    return t.with(t.lua_by("cqueues", "cqueues", "bench/tasks_cqueues.lua", work, few, ...),
      { share = few / count })
  end

  local function coroutines(many)
    return by_lua("coroutines of Lua, not scheduled", "coroutine", count, many)
  end

  local function row(id, title, neap, ...)
    return { id = "tasks/" .. id, title = title, measures = { { "cpu", "ns", per = count } },
      neap = neap, peers = { ... } }
  end

  return {
    row("spawn", "a task that does nothing, spawned and ended", by_lua("neap", "spawn", count),
      t.with(coroutines(1000), { most = { cpu = 1.5 } }),
      t.go_by("goroutines", "tasks", "spawn", count), cqueues "spawn"),
    row("await", "a task that does nothing, spawned and awaited, then the next",
      by_lua("neap", "await", count), go("await", count), cqueues "await", coroutines(1)),
    row("gather", "a function that does nothing, gathered with 99 others",
      by_lua("neap", "gather", count, 100), t.go_by("goroutines", "tasks", "gather", count, 100),
      coroutines(100)),
    row("channel", "a value through a channel of one place, from a task to another",
      by_lua("neap", "channel", count), go("channel", count), cqueues "channel",
      by_lua("a value that a coroutine yields", "yield", count)),
    row("semaphore", "a semaphore of one place handed over, 10 tasks waiting",
      by_lua("neap", "semaphore", count, 10), go("semaphore", count, 10), cqueues("semaphore", 10)),
  }
end
