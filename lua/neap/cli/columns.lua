--- Tables of text for people.
-- SPDX-License-Identifier: MIT
local M = {}

-- The text of a cell. Control characters could command a terminal.
local function cell(value)
  return (tostring(value == nil and "" or value):gsub("%c", "?"))
end

--- Lays rows out in columns, each as wide as its widest cell.
---@param rows any[][] the first one is the head; nil cells are empty
---@param count integer of columns
---@return string text ending with a newline
function M.text(rows, count)
  local widths, lines = {}, {}
  for column = 1, count do
    widths[column] = 0
    for _, row in ipairs(rows) do
      widths[column] = math.max(widths[column], utf8.len(cell(row[column])) or #cell(row[column]))
    end
  end
  for i, row in ipairs(rows) do
    local cells = {}
    for column = 1, count do
      local text = cell(row[column])
      cells[column] = text .. (" "):rep(widths[column] - (utf8.len(text) or #text))
    end
    lines[i] = table.concat(cells, "  "):gsub(" +$", "") .. "\n"
  end
  return table.concat(lines)
end

--- A time for people, in the zone of this machine.
---@param seconds number|nil since 1970
---@return string|nil
function M.time(seconds)
  return seconds and os.date("%Y-%m-%d %H:%M:%S", math.floor(seconds)) or nil
end

return M
