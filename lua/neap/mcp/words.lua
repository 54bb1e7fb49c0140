--- The last that a server has written to its stderr, for errors.
-- SPDX-License-Identifier: MIT
local hider = require "neap.llm.content".hider
local secrets = require "neap.secret"
local valid = require "neap.base.encoding".valid

local M = {}

--- Makes a function that takes secrets out of a text: those of an address, and values of a
--- table.
---@param values? table
---@param all boolean whether all values are secrets, as of headers; else those that are made
--- with neap.secret or have the name of one
---@param url? string
---@return fun(text: string): string
function M.hider(values, all, url)
  local named = {}
  for name, value in pairs(values or {}) do
    named[(all or secrets.is(value)) and name .. "_secret" or name] = value
  end
  return hider({ options = { headers = named } }, nil, url)
end

-- So many bytes and lines at most are kept, however much comes.
local BYTES, LINES = 4096, 20

---@class neap.mcp.Words
---@field private tail string
---@field private is_cut boolean what came before the tail is gone
---@field private hide fun(text: string): string
local Words = {}
Words.__index = Words

--- Adds what has been read.
---@param bytes string
function Words:add(bytes)
  if #bytes < BYTES then bytes = self.tail .. bytes end
  self.is_cut = self.is_cut or #bytes > BYTES
  self.tail = bytes:sub(-BYTES)
end

--- The last lines, nil if there are none.
---@return string|nil
function Words:last()
  local lines, tail = {}, self.tail
  -- Half a word may be half a key, which would not be known.
  if self.is_cut then tail = "..." .. (tail:match("%s.*$") or "") end
  for line in tail:gmatch("[^\r\n]+") do
    -- Colours and other sequences of terminals say nothing in an error.
    line = line:gsub("\27%[[%d;]*%a", ""):gsub("%c", " "):match("^(.-)%s*$")
    lines[#lines + 1] = line ~= "" and line or nil
  end
  if not lines[1] then return nil end
  local from = math.max(1, #lines - LINES + 1)
  return (self.hide(valid(table.concat(lines, "\n", from))))
end

--- Begins with none.
---@param hide fun(text: string): string takes secrets out of a text
---@return neap.mcp.Words
function M.new(hide)
  return setmetatable({ tail = "", is_cut = false, hide = hide }, Words)
end

return M
