--- Names of tools that all vendors of models take.
-- SPDX-License-Identifier: MIT
--
-- MCP has 128 characters, dots among them, and servers have all kinds; vendors take 64
-- letters, digits, _ and -.
local M = {}

local LONGEST = 64

-- A short number for a text (FNV-1a), so that a name that is cut stays the same in every
-- process.
local function digest(text)
  local hash = 0x811c9dc5
  for i = 1, #text do hash = ((hash ~ text:byte(i)) * 0x01000193) & 0xffffffff end
  return ("%08x"):format(hash)
end

local function shortened(name, whole)
  if #name <= LONGEST then return name end
  return name:sub(1, LONGEST - 9) .. "_" .. digest(whole)
end

--- Makes the names for a list of tools, each of which differs from the others.
---@param names string[] those of the server
---@param prefix string
---@return string[]
function M.map(names, prefix)
  local list, taken = {}, {}
  -- A name that needs no change keeps it, whichever comes first.
  for i, name in ipairs(names) do
    local whole = prefix .. name
    if whole:find("^[%w_-]+$") and #whole <= LONGEST then list[i], taken[whole] = whole, true end
  end
  for i, name in ipairs(names) do
    if not list[i] then
      local whole = prefix .. name
      local made = shortened(whole:gsub("[^%w_-]", "_"), whole)
      if made == "" then made = "tool" end
      if taken[made] then made = shortened(made .. "_" .. digest(whole), whole) end
      list[i], taken[made] = made, true
    end
  end
  return list
end

return M
