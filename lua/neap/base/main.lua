--- Which script is the main one.
-- SPDX-License-Identifier: MIT
local M = {}

--- Where the code of the main script comes from, as debug.getinfo has it. The
--- executable sets it, to false while a command wants a file for its flow; nil
--- stands for what Lua's own `arg` says.
---@type string|false|nil
M.source = nil

--- Whether the file from which this is called is the script that was started, by
--- `neap FILE`, `neap -e CODE` or `lua5.4 FILE`, rather than a module that was
--- required or a file whose flow `neap run`, `graph` or `check` wants to have.
---@return boolean
function M.is_main()
  local main = M.source
  if main == nil then
    local args = rawget(_G, "arg")
    main = type(args) == "table" and args[0] and "@" .. tostring(args[0])
  end
  return main and debug.getinfo(2, "S").source == main or false
end

return M
