-- What specs share: temporary folders, files, commands, what a call raises, small
-- nodes, and the check that no spec leaves anything of the engine behind.
-- SPDX-License-Identifier: MIT
local lfs = require "lfs"

local M = {}

--- The project's folder.
M.root = debug.getinfo(1, "S").source:match("^@(.*)/spec/helper%.lua$")
  :gsub("^%.%f[/\0]", lfs.currentdir())

--- The folder of the build under test.
M.build = os.getenv("NEAP_BUILD") or M.root .. "/build/release"

--- The `neap` executable under test.
M.neap = os.getenv("NEAP_BIN") or M.build .. "/bin/neap"

--- Whether all Lua code is suspended at each instruction (./dev test preempt): tests
--- of how long code computes, or how deep it calls, are pending then. So are those of signals to
--- scripts that compute: one that comes between two instructions finds nothing that runs, and
--- outside of slices the loop does not look at it before the script waits.
M.is_preempted = M.build:find("preempt$") ~= nil

--- How many times as long as usual all may take, where a checker or a build for tests slows it
--- down: limits of time that code has to get by with are multiplied by it.
M.patience = tonumber(os.getenv("NEAP_PATIENCE")) or 1

--- The words that start a Lua which can load the core under test: the stock
--- one, with the sanitizers loaded first where the core needs them. For specs
--- that run a Lua of their own: helper.run { helper.lua, "-e", "..." }.
M.lua = {}
for word in (os.getenv("NEAP_LUA") or "lua5.4"):gmatch("%S+") do
  M.lua[#M.lua + 1] = word
end

--- The name by which pkg-config knows that Lua.
M.lua_package = os.getenv("NEAP_LUA_PACKAGE") or "lua5.4"

--- The words before M.lua that have a checker of memory run it, if that is one
--- that runs programs: valgrind.
M.under = {}
for word in (os.getenv("NEAP_UNDER") or ""):gmatch("%S+") do
  M.under[#M.under + 1] = word
end

local folders = {}

--- Quotes a string for the shell.
---@param text string|number
---@return string
function M.quote(text)
  return "'" .. tostring(text):gsub("'", "'\\''") .. "'"
end

--- Returns the path of a new temporary folder. It lasts until the program that
--- runs the specs ends.
---@return string
function M.tmpdir()
  local pipe = assert(io.popen("mktemp -d"))
  local path = pipe:read("l")
  pipe:close()
  folders[#folders + 1] = assert(path, "mktemp failed")
  return path
end

--- Deletes all temporary folders; spec/run.lua calls it last.
function M.cleanup()
  for _, path in ipairs(folders) do
    os.execute("rm -rf " .. M.quote(path))
  end
  folders = {}
end

--- Returns the whole content of a file; raises when it cannot be read.
---@param path string
---@return string
function M.read(path)
  local file = assert(io.open(path, "rb"))
  local text, message = file:read("a")
  file:close()
  return assert(text, message)
end

--- Writes a file and the folders above it; returns the path.
---@param path string
---@param text string
---@return string
function M.write(path, text)
  local folder = path:match("^(.*)/[^/]*$")
  if folder and not lfs.attributes(folder) then
    assert(os.execute("mkdir -p " .. M.quote(folder)))
  end
  local file = assert(io.open(path, "wb"))
  assert(file:write(text))
  assert(file:close())
  return path
end

--- Lists the files below a folder whose paths match a Lua pattern, sorted.
--- A folder that does not exist has none.
---@param folder string
---@param pattern? string  default: all files
---@return string[]
function M.files(folder, pattern)
  local list = {}
  local function visit(path)
    local mode = lfs.attributes(path, "mode")
    if mode == "directory" then
      for name in lfs.dir(path) do
        if name ~= "." and name ~= ".." then
          visit(path .. "/" .. name)
        end
      end
    elseif mode == "file" and path:find(pattern or "") then
      list[#list + 1] = path
    end
  end
  visit(folder)
  table.sort(list)
  return list
end

---@class helper.run_opts
---@field cwd? string                   the folder to run in
---@field env? table<string, string>    variables added to the environment
---@field stdin? string                 what the command reads; default: nothing
---@field timeout? number               seconds; default 120, then status is 124

---@class helper.result
---@field status integer  the exit status, 128 + n after signal n
---@field stdout string
---@field stderr string

--- Runs a command and waits for its end.
---@param argv (string|string[])[]  a list in the list stands for its words
---@param opts? helper.run_opts
---@return helper.result
function M.run(argv, opts)
  opts = opts or {}
  local folder = M.tmpdir()
  local input = "/dev/null"
  if opts.stdin then
    input = M.write(folder .. "/stdin", opts.stdin)
  end

  local words = { "exec", "env" }
  for name, value in pairs(opts.env or {}) do
    words[#words + 1] = M.quote(name .. "=" .. value)
  end
  words[#words + 1] = "timeout -k 5 " .. (opts.timeout or 120)
  for _, part in ipairs(argv) do
    for _, word in ipairs(type(part) == "table" and part or { part }) do
      words[#words + 1] = M.quote(word)
    end
  end
  local command = ("cd %s && %s <%s >%s/stdout 2>%s/stderr"):format(
    M.quote(opts.cwd or "."), table.concat(words, " "), input, folder, folder)

  local _, how, code = os.execute(command)
  return {
    status = how == "signal" and 128 + code or code,
    stdout = M.read(folder .. "/stdout"),
    stderr = M.read(folder .. "/stderr"),
  }
end

--- Returns what a call raises; raises itself if that is nothing.
---@param f function
---@param ... any  the arguments
---@return any
function M.failure(f, ...)
  local ok, err = pcall(f, ...)
  if ok then error("nothing was raised", 2) end
  return err
end

--- Returns the error object of this code that a call raises.
---@param code string
---@param f function
---@param ... any  the arguments
---@return neap.Error
function M.refused(code, f, ...)
  local err = M.failure(f, ...)
  if type(err) ~= "table" or err.code ~= code then
    error(("not an error of the code %q: %s"):format(code, err), 2)
  end
  return err
end

--- Returns the message of the wrong argument that a call raises.
---@param f function
---@param ... any  the arguments
---@return string
function M.misused(f, ...)
  local err = M.failure(f, ...)
  if type(err) ~= "string" then
    error(("not the message of a wrong argument: %s"):format(err), 2)
  end
  return err
end

--- Calls a function and returns the warnings that it gave.
---@param f function
---@return string[]
function M.warnings(f)
  local list, warn = {}, _G.warn
  _G.warn = function(...) list[#list + 1] = table.concat { ... } end
  local ok, err = pcall(f)
  _G.warn = warn
  assert(ok, err)
  return list
end

--- Gives other tasks turns.
---@param n? integer  how many; default 3
function M.turns(n)
  for _ = 1, n or 3 do require("neap").sleep(0) end
end

--- Returns the values of an iterator as a list.
---@param iterator fun(): any
---@return any[]
function M.collect(iterator)
  local list = {}
  for item in iterator do list[#list + 1] = item end
  return list
end

--- Makes a node that adds its name to shared and ends with this action.
---@param name string
---@param action? string
---@return neap.Node
function M.step(name, action)
  return require("neap").Node { name = name, post = function(_, shared)
    shared[#shared + 1] = name
    return action
  end }
end

--- Counts the file descriptors that this process has open.
---@return integer
function M.open_files()
  return #require("neap").fs.list("/proc/self/fd")
end

-- Returns what is alive in the engine as text ("tasks = 2"), nil if nothing.
local function live()
  local core = package.loaded["neap.core"]
  if not (core and core.live) then
    return nil
  end
  local list = {}
  local counts = core.live()
  if core.in_task and core.in_task() then
    counts.tasks = counts.tasks - 1 -- the script itself
  end
  for name, count in pairs(counts) do
    if count ~= 0 then
      list[#list + 1] = name .. " = " .. count
    end
  end
  table.sort(list)
  return list[1] and table.concat(list, ", ")
end

--- Raises when tasks or operations of the engine are still alive. Runs after
--- each spec and its own after_each; authors need not call it.
function M.after_each()
  if live() then
    -- What only waits for the collector is no leak.
    collectgarbage()
    collectgarbage()
  end
  local left = live()
  if left then
    error("left alive in the engine: " .. left, 0)
  end
end

return M
