--- Which script is the main one.
-- SPDX-License-Identifier: MIT
local core = require "neap.core"

local M = {}

--- The source of the main script, as Lua names it. The executable sets it;
--- false means that a command runs a file only for its flow. Where it is nil, Lua's own
--- `arg` names the main script.
---@type string|false|nil
M.source = nil

--- Whether the file that calls this is the main script, which `neap FILE`,
--- `neap -e CODE` or `lua5.4 FILE` has started. A module is not, nor is a file whose flow
--- is used by `neap run`, `graph` or `check`.
---@return boolean
function M.is_main()
  local main = M.source
  if main == nil then
    local args = rawget(_G, "arg")
    main = type(args) == "table" and args[0] and "@" .. tostring(args[0])
  end
  return main and core.system.source(2) == main or false
end

return M
