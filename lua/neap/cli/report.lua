--- What the commands say on stderr.
-- SPDX-License-Identifier: MIT
local M = {}

--- Says why the command has failed.
---@param message string
---@return integer status 1
function M.failure(message)
  io.stderr:write("neap: ", message, "\n")
  return 1
end

--- Says what is wrong with the arguments.
---@param message string
---@param command? string whose arguments they are
---@return integer status 2
function M.misuse(message, command)
  io.stderr:write("neap: ", message, "\nTry: neap help", command and " " .. command or "", "\n")
  return 2
end

--- The text of whatever was raised. Never raises.
---@param err any
---@return string
function M.text_of(err)
  local ok, text = pcall(tostring, err)
  return ok and text or ("an error that is a %s"):format(type(err))
end

return M
