--- What a process costs that does next to nothing.
-- SPDX-License-Identifier: MIT

---@param t bench.Tools
---@return bench.Row[]
return function(t)
  local starts = t.part(20)

  -- The same program, started so many times.
  local function often(program, more)
    if program.command then
      program.command = { t.build .. "/bench/spawn", starts, table.unpack(program.command) }
    end
    return t.with(program, more or {})
  end

  local measures = { { "wall", "ms", per = 1 }, { "memory", "MB", per = 1 } }
  return {
    {
      id = "start/flow",
      title = "a process that loads everything and runs an empty flow",
      measures = measures,
      neap = often(t.neap_by("neap", "bench/start.lua")),
      peers = {
        often(t.lua_by("lua5.4 -e ''", "", "-e", ""),
          { most = { wall = 1.7 }, above = { memory = 3 } }),
        often(t.python_by("asyncio, an empty coroutine", "-c",
          "import asyncio\nasync def main(): pass\nasyncio.run(main())")),
        often(t.node_by("LangGraph, a graph of one node", "@langchain/langgraph",
          "bench/start_langgraph.mjs", t.npm)),
      },
    },
    {
      id = "start/http",
      title = "a process that makes one GET of 1 KB",
      measures = measures,
      goals = { wall = 8, memory = 12 },
      neap = often(t.neap_by("neap", "bench/start_http.lua", "SERVER/1k")),
      peers = {
        often(t.python_by("urllib of Python", "-c",
          "import sys, urllib.request as r; r.urlopen(sys.argv[1]).read()", "SERVER/1k")),
        often(t.node_by("fetch of Node", "", "-e",
          "fetch(process.argv[1]).then((response) => response.text())", "SERVER/1k")),
      },
    },
  }
end
