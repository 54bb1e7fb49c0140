--- The output of commands: results on stdout, all else on stderr.
-- SPDX-License-Identifier: MIT
local core = require "neap.core"

local M = {}

--- Prints why the command has failed.
---@param message string
---@return integer status 1
function M.failure(message)
  io.stderr:write("neap: ", message, "\n")
  return 1
end

--- Prints what is wrong with the arguments.
---@param message string
---@param command? string whose arguments they are
---@return integer status 2
function M.misuse(message, command)
  io.stderr:write("neap: ", message, "\nTry: neap help", command and " " .. command or "", "\n")
  return 2
end

--- Writes a result to stdout. If that fails, prints why.
---@param ... string
---@return integer status 0 or 1
function M.result(...)
  local ok, problem = io.stdout:write(...)
  if ok then ok, problem = io.stdout:flush() end
  return ok and 0 or M.failure("standard output: " .. problem)
end

--- The text of any error. Never raises.
---@param err any
---@return string
function M.text_of(err)
  return core.text(err)
end

return M
