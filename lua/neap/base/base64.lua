--- Base64 (RFC 4648 section 4).
-- SPDX-License-Identifier: MIT
local M = {}

local DIGITS = {}
for i = 1, 64 do
  DIGITS[i - 1] = ("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"):sub(i, i)
end

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

return M
