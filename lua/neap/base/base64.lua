--- Base64 (RFC 4648 section 4).
-- SPDX-License-Identifier: MIT
local M = {}

local DIGITS = {}
for i = 1, 64 do
  DIGITS[i - 1] = ("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"):sub(i, i)
end

-- The values of digits, by their bytes.
local VALUES = {}
for value = 0, 63 do VALUES[DIGITS[value]:byte()] = value end

--- Encodes bytes.
---@param bytes string
---@return string
function M.encode(bytes)
  local list = {}
  for i = 1, #bytes, 3 do
    local a, b, c = bytes:byte(i, i + 2)
    local bits = a << 16 | (b or 0) << 8 | (c or 0)
    list[#list + 1] = DIGITS[bits >> 18] .. DIGITS[bits >> 12 & 63]
      .. (b and DIGITS[bits >> 6 & 63] or "=") .. (c and DIGITS[bits & 63] or "=")
  end
  return table.concat(list)
end

--- Decodes a text, nil where it is no base64.
---@param text string
---@return string|nil
function M.decode(text)
  local digits, padding = text:match("^([%w+/]*)(=*)$")
  local rest = digits and #digits % 4
  local may_be = digits and rest ~= 1 and (padding == "" or #padding == (4 - rest) % 4)
  if not may_be then return nil end
  local list = {}
  for i = 1, #digits, 4 do
    local a, b, c, d = digits:byte(i, i + 3)
    local bits = VALUES[a] << 18 | VALUES[b] << 12 | (VALUES[c] or 0) << 6 | (VALUES[d] or 0)
    local bytes = string.char(bits >> 16, bits >> 8 & 255, bits & 255)
    list[#list + 1] = d and bytes or bytes:sub(1, c and 2 or 1)
  end
  return table.concat(list)
end

return M
