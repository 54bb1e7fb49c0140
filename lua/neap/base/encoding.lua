--- Text for programs that accept only UTF-8, and from programs that write anything.
-- SPDX-License-Identifier: MIT
local M = {}

--- The options of neap.json.decode for what strangers have written, in which integers and
--- escapes may be beyond what Lua has.
---@type neap.JsonDecodeOptions
M.FOREIGN_JSON = { big_integers = "float", lone_surrogates = "replace" }

--- Replaces each byte that is not part of valid UTF-8 by U+FFFD.
---@param text string
---@return string
function M.valid(text)
  local parts, from = {}, 1
  while true do
    local length, bad = utf8.len(text, from)
    if length then break end
    parts[#parts + 1] = text:sub(from, bad - 1)
    from = bad + 1
  end
  if from == 1 then return text end
  parts[#parts + 1] = text:sub(from)
  return table.concat(parts, "\u{FFFD}")
end

--- Makes one line of valid UTF-8 from a text: control characters become spaces.
---@param text string
---@return string
function M.line(text)
  return (M.valid(text):gsub("%c", " "))
end

return M
