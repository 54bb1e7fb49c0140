--- Lists that servers give page by page.
-- SPDX-License-Identifier: MIT
local failure = require "neap.mcp.failure"
local field = require "neap.mcp.message".field

local M = {}

-- A list of more pages has no end.
local MOST = 10000

--- Reads all pages of a list. Waits. What has the same key is taken once, and a page that
--- was read already ends the list: some servers give the same one for ever.
---@param server neap.mcp.Server
---@param label string the server, for messages
---@param method string "tools/list"
---@param name string of the list in the result
---@param key string by which items are known
---@return table[]
function M.all(server, label, method, name, key)
  local list, known, cursors, cursor = {}, {}, {}, nil
  for _ = 1, MOST do
    local result = server:ask(method, { cursor = cursor })
    local items = field(result, name)
    if type(items) ~= "table" then
      error(failure.broken(label, "the result of %s has no list '%s'", method, name), 0)
    end
    for _, item in ipairs(items) do
      local id = field(item, key)
      if type(id) == "string" and not known[id] then
        known[id] = true
        list[#list + 1] = item
      end
    end
    cursor = field(result, "nextCursor")
    if type(cursor) ~= "string" or cursors[cursor] then return list end
    cursors[cursor] = true
  end
  error(failure.broken(label, "the list of %s has no end", method), 0)
end

return M
