--- The variable NEAP_SLOW: the seconds for which a node may compute without a wait before
--- neap warns of it.
-- SPDX-License-Identifier: MIT
local M = {}

local DEFAULT <const> = 1

--- Starts the warnings.
---@return string|nil problem with the variable
function M.watch()
  local text = os.getenv("NEAP_SLOW")
  if text == "" then text = nil end
  local seconds = tonumber(text or DEFAULT)
  if not (seconds and seconds >= 0 and seconds < math.huge) then
    return ("NEAP_SLOW in the environment is in seconds, 0 for no warnings, got '%s'"):format(text)
  end
  if seconds > 0 then require "neap.cli.watch_slow"(seconds) end
end

return M
