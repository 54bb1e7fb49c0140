--- Redirecting and announcing what a script prints.
-- SPDX-License-Identifier: MIT
-- luacheck: globals print warn io.write io.stdout
local core = require "neap.core"

local M = {}

-- A value that undoes a change when it is closed.
local function undone_by(undo)
  return setmetatable({}, { __close = undo })
end

local function print_to(file)
  return function(...)
    local words = table.pack(...)
    for i = 1, words.n do words[i] = tostring(words[i]) end
    file:write(table.concat(words, "\t"), "\n")
  end
end

-- Refuses values that cannot be written, at the line of the script: the real `write` would
-- blame this module.
local function check_texts(...)
  for i = 1, select("#", ...) do
    local kind = type((select(i, ...)))
    if kind ~= "string" and kind ~= "number" then
      error(("bad argument #%d to 'write' (string expected, got %s)"):format(i, kind), 3)
    end
  end
end

-- Whether the last of these texts leaves its line unfinished.
local function is_open(...)
  local last = select("#", ...) > 0 and select(-1, ...) or "\n"
  return tostring(last):sub(-1) ~= "\n"
end

--- Redirects stdout to stderr until the guard is closed: for print, io.write and io.stdout,
--- not for programs.
---@return table guard
function M.to_stderr()
  local old_print, old_stdout, old_output = print, io.stdout, io.output()
  local system, old_system = core.system, core.system.write
  print, io.stdout = print_to(io.stderr), io.stderr
  system.write = system.say
  io.output(io.stderr)
  return undone_by(function()
    print, io.stdout, system.write = old_print, old_stdout, old_system
    io.output(old_output)
  end)
end

--- Calls `announce` before each print, warn, io.write and write of a file to the terminal,
--- until the guard is closed.
---@param announce fun(open: boolean) `open`: the text leaves its line unfinished
---@return table guard
function M.announce(announce)
  local methods = getmetatable(io.stdout).__index
  local old_print, old_warn, old_io_write = print, warn, io.write
  local write = methods.write
  local terminals = { [io.stdout] = core.isatty(1), [io.stderr] = core.isatty(2) }
  function methods.write(file, ...)
    if terminals[file] then
      check_texts(...)
      announce(is_open(...))
    end
    return write(file, ...)
  end
  local system = core.system
  local old_system, old_say = system.write, system.say
  function system.write(text)
    if core.isatty(1) then announce(is_open(text)) end
    old_system(text)
  end
  function system.say(text)
    if core.isatty(2) then announce(is_open(text)) end
    old_say(text)
  end
  function io.write(...)
    return io.output():write(...)
  end
  function warn(...)
    announce(false)
    return old_warn(...)
  end
  print = print_to(io.stdout)
  return undone_by(function()
    print, warn, io.write, methods.write = old_print, old_warn, old_io_write, write
    system.write, system.say = old_system, old_say
  end)
end

return M
