--- What the bench measures: programs, and the rows that compare them.
-- SPDX-License-Identifier: MIT

---@class bench.Program
---@field label string         what the page calls it
---@field command string[]|nil prints one line as bench/measure.lua does; nil: it cannot be
---       run here. SERVER at the beginning of a word stands for the address of a server of the
---       bench, SECURE for the same with TLS, EVENTS for one that sends events, CA for a file
---       of certificates.
---@field missing string|nil   why not
---@field share number|nil     how much of the work it does where it is too slow; default: 1
---@field most table<string, number>|nil  of a peer: by measure the ratio neap / peer to reach
---@field above table<string, number>|nil of a peer: by measure how much more neap may take

---@class bench.Measure
---@field [1] string          "wall", "cpu", "memory", or what a line before these calls it
---@field [2] string           a key of units
---@field per integer          it is divided by this: what is told is that of one of so many

---@class bench.Row
---@field id string            what to call it in the arguments
---@field title string
---@field measures bench.Measure[]
---@field goals table<string, number>|nil  by measure what neap is to reach, in the unit
---@field neap bench.Program
---@field peers bench.Program[]

---@class bench.Tools
---@field build string         the folder of a build with NEAP_BENCH=ON
---@field neap string          the executable
---@field npm string           the folder with node_modules
---@field part fun(work: integer): integer         what is done of this much work
---@field neap_by fun(label: string, ...): bench.Program   a script for neap with its arguments
---@field lua_by fun(label: string, library: string, ...): bench.Program for Lua with this library
---@field node_by fun(label: string, module: string, ...): bench.Program for Node with a module
---@field python_by fun(label: string, ...): bench.Program
---@field go_by fun(label: string, name: string, ...): bench.Program what was built of Go
---@field wrk_by fun(label: string, ...): bench.Program
---@field c_by fun(label: string, name: string, ...): bench.Program  what was built of C
---@field with fun(program: bench.Program, more: table): bench.Program adds fields

local M = {}

--- How many of each unit a second or a byte has.
M.units = { ns = 1e9, us = 1e6, ms = 1e3, s = 1, B = 1, KB = 1e-3, MB = 1e-6, times = 1 }

local TOPICS = { "nodes", "waiting", "tasks", "batch", "http", "llm", "json", "cbor", "start",
  "frame", "growth", "embed", "durable" }

-- The first line that a command prints, nil if there is none.
local function ask(command)
  local pipe = assert(io.popen(command .. " 2>/dev/null"))
  local line = pipe:read("l")
  pipe:close()
  return line
end

local function exists(path)
  local file = io.open(path)
  return file and file:close() and true or false
end

local function make_tools(build, share)
  local t = { build = build, neap = build .. "/bin/neap", npm = build .. "/bench/npm" }
  -- What is called python3 may be a script that looks for the real one first.
  local python = ask "python3 -c 'import asyncio, sys; print(sys.executable)'"

  function t.part(work)
    return math.max(work // share, 1)
  end

  local function program(label, is_there, what, ...)
    return { label = label, command = is_there and { ... } or nil,
      missing = not is_there and what .. " is not there" or nil }
  end

  function t.with(given, more)
    for key, value in pairs(more) do given[key] = value end
    return given
  end

  function t.neap_by(label, ...)
    return program(label, true, "", t.neap, ...)
  end

  function t.wrk_by(label, ...)
    return program(label, ask "command -v wrk", "wrk", t.neap, "bench/http_wrk.lua", ...)
  end

  function t.c_by(label, name, ...)
    local path = build .. "/bench/" .. name
    return program(label, exists(path), path, path, ...)
  end

  function t.go_by(label, name, ...)
    local path = build .. "/bench/" .. name .. "_go"
    return program(label, exists(path), "Go", path, ...)
  end

  function t.lua_by(label, library, ...)
    local there = library == "" or ask(("lua5.4 -e 'require %q print(1)'"):format(library))
    return program(label, there, "the library " .. library .. " for Lua 5.4", "env",
      "LUA_PATH=./?.lua;;", "lua5.4", ...)
  end

  function t.python_by(label, ...)
    return program(label, python, "Python with asyncio", python, ...)
  end

  function t.node_by(label, module, ...)
    return program(label, module == "" and ask "node --version" or
      exists(("%s/node_modules/%s/package.json"):format(t.npm, module)),
      "the npm module " .. module, "node", ...)
  end
  return t
end

--- Makes the rows.
---@param build string    the folder of a build with NEAP_BENCH=ON
---@param share integer   do one part in so many of the work
---@return bench.Row[]
function M.make(build, share)
  local rows, tools = {}, make_tools(build, share)
  for _, topic in ipairs(TOPICS) do
    for _, row in ipairs(require("bench.rows." .. topic)(tools)) do rows[#rows + 1] = row end
  end
  return rows
end

return M
