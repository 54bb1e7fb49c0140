--- `neap FILE` and `neap -e CODE`: running scripts.
-- SPDX-License-Identifier: MIT
local main = require "neap.base.main"
local report = require "neap.cli.report"
local slow = require "neap.cli.slow"

local M = {}

--- Loads a Lua file, or standard input for "-", and sets `arg` as Lua does: the file at 0,
--- its arguments from 1 on. The file is not the main script.
---@param file string
---@param ... string
---@return function|nil chunk
---@return string|nil problem
function M.load(file, ...)
  arg = { [-1] = arg and arg[0], [0] = file, ... } -- luacheck: globals arg
  main.source = false
  return loadfile(file ~= "-" and file or nil)
end

-- Runs the main script and returns the exit status for its result. A flow as the result is
-- a failure if no flow was run, because nothing has been done then.
local function run(chunk, file, ...)
  local problem = slow.watch()
  if problem then return report.misuse(problem) end
  main.source = debug.getinfo(chunk, "S").source
  local value = chunk(...)
  if type(value) == "table" and require("neap.flow.node").is_node(value)
    and not require("neap.flow.graph").planned then
    return report.failure(file == "-e" and "-e: the code returns a flow, and runs none"
      or ("%s returns a flow; neap run %s runs it"):format(file, file))
  end
  local status = math.tointeger(value)
  if not status then return 0 end
  return (status < 0 or status > 255) and 255 or status
end

--- Runs a script. Errors are reported by the code that runs this task.
---@param file string
---@param ... string its arguments
---@return integer status the number that the script returned; 1 if it returned a flow and
--- none was run
function M.main(file, ...)
  local chunk, problem = M.load(file, ...)
  if not chunk then return report.failure(problem) end
  return run(chunk, file, ...)
end

--- Runs a piece of code.
---@param code? string
---@param ... string its arguments
---@return integer status
function M.main_code(code, ...)
  if not code then return report.misuse("'-e' needs a piece of code") end
  arg = { [-1] = arg and arg[0], [0] = "-e", ... } -- luacheck: globals arg
  local chunk, problem = load(code, "=(command line)")
  if not chunk then return report.failure(problem) end
  return run(chunk, "-e", ...)
end

return M
