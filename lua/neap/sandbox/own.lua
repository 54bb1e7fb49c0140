--- The modules of a sandboxed script, which lie in the first folder that it was granted.
-- SPDX-License-Identifier: MIT
local fs = require "neap.fs"
local try = require "neap.task.concurrent".try

--- Reads the text of a module, and may wait.
---@param name string
---@return string|nil text
---@return string path or, without a text, why there is none
return function(name)
  if not name:find("^[%w_%-]+[%w_%-.]*$") or name:find("..", 1, true) then
    return nil, "its name is no path below the granted folder"
  end
  local path, why = name:gsub("%.", "/"), nil
  for _, file in ipairs { path .. ".lua", path .. "/init.lua" } do
    local ok, result = try(fs.read, file)
    if ok then return result, file end
    why = why or result.message
  end
  return nil, why
end
