--- What the bench measures: programs, and the rows that compare two of them.
-- SPDX-License-Identifier: MIT

---@class bench.Program
---@field label string         what the page calls it
---@field command string[]|nil prints one line as bench/measure.lua does; nil: it cannot be run here
---@field missing string|nil   why not
---@field needs "server"|nil    it is given the server's address for SERVER in the command

---@class bench.Figure
---@field measure "wall"|"cpu"|"memory"
---@field per integer          what the measure is divided by: it is that of one of so many
---@field unit string          a key of units
---@field most number|nil      a figure to reach
---@field of "ratio"|"neap"|"excess"|nil  what of: neap / peer, neap, or neap - peer in the unit

---@class bench.Row
---@field id string            what to call it in the arguments
---@field title string
---@field neap bench.Program
---@field peer bench.Program
---@field figures bench.Figure[]

local M = {}

--- How many of each unit a second or a byte has.
M.units = { ns = 1e9, ms = 1e3, s = 1, B = 1, MB = 1e-6 }

-- The first line that a command prints, nil if there is none.
local function ask(command)
  local pipe = assert(io.popen(command .. " 2>/dev/null"))
  local line = pipe:read("l")
  pipe:close()
  return line
end

-- The path if there is such a file, else nil.
local function exists(path)
  local file = io.open(path)
  return file and file:close() and path
end

--- Makes the rows.
---@param build string    the folder of a build with NEAP_BENCH=ON
---@param share integer   do one part in so many of the work
---@return bench.Row[]
function M.make(build, share)
  local nodes, runs, starts = 1000000 // share, 100000 // share, math.max(20 // share, 1)
  local neap, spawn = build .. "/bin/neap", build .. "/bench/spawn"
  local go = exists(build .. "/bench/waiting_go")
  -- What is called python3 may be a script that looks for the real one first.
  local python = ask "python3 -c 'import asyncio, sys; print(sys.executable)'"
  local no_python = not python and "python3 with asyncio is not installed" or nil

  local function nodes_by(label, walk)
    return { label = label, command = { neap, "bench/nodes.lua", walk, nodes } }
  end
  local function start_of(label, ...)
    return { label = label, command = { spawn, starts, ... } }
  end

  local rows = {}
  local function node(id, title, walk, peer, most)
    rows[#rows + 1] = {
      id = "node/" .. id,
      title = title,
      neap = nodes_by("neap", "neap." .. walk),
      peer = peer,
      figures = {
        { measure = "wall", per = nodes, unit = "ns", most = most, of = most and "ratio" },
      },
    }
  end
  node("loop", "a node: prep, exec, post, the next one by action", "loop",
    nodes_by("the loop written by hand in Lua, a fresh self for each visit", "hand.loop"), 1.25)
  node("plain", "the same", "loop",
    nodes_by("the loop without a fresh self", "hand.plain"))
  node("retry", "a node that may be retried (max_retries = 3) but never fails", "retry",
    nodes_by("the loop with a pcall in a loop of attempts", "hand.retry"))
  node("nested", "a node alone in a flow, which is a node of the outer flow", "nested",
    nodes_by("a loop in the loop", "hand.nested"))
  node("batch", "an item of a batch", "batch",
    nodes_by("a loop over the items, a fresh self for each", "hand.batch"))

  local waiting = { label = "neap", command = { neap, "bench/waiting.lua", runs } }
  local function wait(id, peer, most)
    rows[#rows + 1] = {
      id = "waiting/" .. id,
      title = ("%d runs at once of three nodes that each sleep for 10 ms"):format(runs),
      neap = waiting,
      peer = peer,
      figures = {
        { measure = "wall", per = 1, unit = "s", most = most, of = most and "ratio" },
        { measure = "cpu", per = 1, unit = "s" },
        { measure = "memory", per = runs, unit = "B", most = most and 1600, of = most and "neap" },
      },
    }
  end
  wait("go", {
    label = "goroutines that sleep as often",
    command = go and { go, runs },
    missing = not go and "go was not installed when the bench was built" or nil,
  }, 1)
  wait("asyncio", {
    label = "Python's asyncio, tasks that sleep as often",
    command = python and { python, "bench/waiting.py", runs },
    missing = no_python,
  })

  local function tasks_by(label, ...)
    return { label = label, command = { neap, "bench/tasks.lua", ... } }
  end
  local function task(id, title, count, ours, peer, most)
    rows[#rows + 1] = {
      id = "tasks/" .. id,
      title = title,
      neap = ours,
      peer = peer,
      figures = {
        { measure = "cpu", per = count, unit = "ns", most = most, of = most and "ratio" },
      },
    }
  end
  task("spawn", "a task that does nothing, spawned and ended", nodes,
    tasks_by("neap", "spawn", nodes),
    tasks_by("a coroutine of Lua, created and resumed", "coroutine", nodes, 1000), 1.5)
  task("await", "a task that does nothing, spawned and awaited, one after the other", nodes,
    tasks_by("neap", "await", nodes),
    tasks_by("a coroutine of Lua, created and resumed", "coroutine", nodes, 1), 1.5)
  task("gather", "a function that does nothing, gathered with 99 others", nodes,
    tasks_by("neap", "gather", nodes, 100),
    tasks_by("a coroutine of Lua, created and resumed", "coroutine", nodes, 100), 1.5)
  task("channel", "a value through a channel of one place, from a task to another", nodes,
    tasks_by("neap", "channel", nodes),
    tasks_by("a value that a coroutine of Lua yields", "yield", nodes))
  local function line(id, waiters)
    task(id, ("a semaphore handed over, %d tasks waiting"):format(waiters), nodes,
      tasks_by("neap", "semaphore", nodes, waiters),
      tasks_by("the same, 10 tasks waiting", "semaphore", nodes, 10))
  end
  line("line", 1000 // share)
  line("semaphore", 100000 // share)

  local gets = 20000 // share
  local npm = build .. "/bench/npm"
  local function get(id, label, command, missing, most)
    rows[#rows + 1] = {
      id = "http/" .. id,
      title = "a thousand GETs of 1 KB from nginx on this machine, 64 at once",
      neap = { label = "neap", needs = "server",
        command = { neap, "bench/http_get.lua", "SERVER/1k", gets, 64 } },
      peer = { label = label, needs = "server", command = not missing and command or nil,
        missing = missing },
      figures = {
        { measure = "cpu", per = gets / 1000, unit = "ms", most = most, of = most and "ratio" },
        { measure = "wall", per = gets / 1000, unit = "ms" },
      },
    }
  end
  get("curl", "a program in C on libcurl's multi interface and libuv",
    { build .. "/bench/http_get", "SERVER/1k", gets, 64 }, nil, 1.2)
  local no_undici = not exists(npm .. "/node_modules/undici/package.json")
    and "npm could not install undici when the bench was built" or nil
  local function node_by(how)
    return { "node", "bench/http_get.mjs", how, npm, "SERVER/1k", gets, 64 }
  end
  get("undici", "Node's undici, request", node_by "request", no_undici, 1 / 3)
  get("fetch", "Node's undici, fetch", node_by "fetch", no_undici)

  local start = start_of("neap", neap, "bench/start.lua")
  local function begin(id, peer, wall, memory)
    rows[#rows + 1] = {
      id = "start/" .. id,
      title = "a process that loads everything and runs an empty flow",
      neap = start,
      peer = peer,
      figures = {
        { measure = "wall", per = 1, unit = "ms", most = wall, of = wall and "ratio" },
        { measure = "memory", per = 1, unit = "MB", most = memory, of = memory and "excess" },
      },
    }
  end
  begin("lua", start_of("lua5.4 -e ''", "lua5.4", "-e", ""), 1.7, 3)
  begin("asyncio", {
    label = "Python, asyncio runs an empty coroutine",
    command = python and { spawn, starts, python, "-c",
      "import asyncio\nasync def main(): pass\nasyncio.run(main())" },
    missing = no_python,
  })
  return rows
end

return M
