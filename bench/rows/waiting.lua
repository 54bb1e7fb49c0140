--- What runs cost that wait.
-- SPDX-License-Identifier: MIT

---@param t bench.Tools
---@return bench.Row[]
return function(t)
  local count = t.part(100000)

  local function waiting(label, ...)
    return t.neap_by(label, "bench/waiting.lua", ...)
  end

  return {
    {
      id = "waiting/runs",
      title = ("%d runs at once of three nodes that each sleep for 10 ms"):format(count),
      measures = { { "wall", "s", per = 1 }, { "cpu", "s", per = 1 },
        { "memory", "B", per = count } },
      goals = { memory = 1600 },
      neap = waiting("neap", count, 1, 10, 10),
      peers = {
        t.with(t.go_by("goroutines", "waiting", count), { most = { wall = 0.95, cpu = 0.6 } }),
        t.lua_by("cqueues", "cqueues", "bench/waiting_cqueues.lua", count),
        t.lua_by("luv", "luv", "bench/waiting_luv.lua", count),
        t.with(t.python_by("asyncio", "bench/waiting.py", count), { most = { wall = 1 / 26 } }),
        t.node_by("pocketflow", "pocketflow", "bench/waiting.mjs", t.npm, count),
      },
    },
    {
      id = "waiting/waves",
      title = ("the same in ten waves of %d, one after the other"):format(count // 10),
      measures = { { "cpu", "us", per = count } },
      goals = { cpu = 1.5 },
      neap = waiting("neap", count, 10, 10, 10),
      peers = { waiting("neap, one wave", count, 1, 10, 10) },
    },
    {
      id = "waiting/random",
      title = "the same at once, each sleep of another length, 5 to 35 ms",
      measures = { { "cpu", "us", per = count } },
      neap = waiting("neap", count, 1, 5, 35),
      peers = { t.with(t.c_by("coroutines on neap's timers", "wheel", count, 5, 35),
        { most = { cpu = 1.3 } }) },
    },
  }
end
