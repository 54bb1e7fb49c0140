--- The page that the bench prints.
-- SPDX-License-Identifier: MIT
local M = {}

-- Two or three digits, or all of those before the point.
local function digits(value)
  local places = value < 0.1 and 3 or value < 10 and 2 or value < 100 and 1 or 0
  return ("%." .. places .. "f"):format(value)
end

local function spread(numbers, unit)
  if not numbers then return "-" end
  return ("%s%s (%s to %s)"):format(digits(numbers.median), unit and " " .. unit or "",
    digits(numbers.min), digits(numbers.max))
end

local goals = {
  ratio = "neap / peer at most %g",
  neap = "neap at most %g %s",
  excess = "neap at most %g %s above the peer",
}

local function goal_line(figure)
  local goal = figure.goal
  local verdict = goal.reached == nil and "not known" or goal.reached and "reached" or "MISSED"
  return ("  %-8s%s: %s"):format("", goals[goal.of]:format(goal.most, figure.unit), verdict)
end

local function row_lines(row, options)
  local peer = row.peer.label .. (row.peer.version and ", " .. row.peer.version or "")
  local lines = { "", ("%s: %s"):format(row.id, row.title), "  peer: " .. peer }
  if row.peer.skipped then lines[#lines + 1] = "  peer skipped: " .. row.peer.skipped end
  for _, figure in ipairs(row.figures) do
    lines[#lines + 1] = ("  %-8s%-26s%-26s%s"):format(figure.measure,
      spread(figure.neap, figure.unit), spread(figure.peer, figure.unit), spread(figure.ratio))
    if figure.goal then lines[#lines + 1] = goal_line(figure) end
  end
  lines[#lines + 1] = ("  $ ./dev bench %s%s"):format(options, row.id)
  return lines
end

--- Writes the results of bench/run.lua for people.
---@param results table
---@return string
function M.format(results)
  local lines = {
    ("neap %s against its peers"):format(results.version),
    ("%s; load %s when it began"):format(results.machine, results.load),
    ("Medians (least to most) of %d runs; in each of them all programs take their turn, and a")
      :format(results.runs),
    "ratio is of two turns in the same run. Memory is by how much the peak of the process grew,",
    "divided by the number of runs that waited; at start-up it is the whole peak.",
    "",
    ("  %-8s%-26s%-26s%s"):format("", "neap", "peer", "neap / peer"),
  }
  if results.quick then
    table.insert(lines, 3, "QUICK: a hundredth of the work; the figures mean nothing")
  end
  local options = results.quick and "--quick " or ""
  for _, row in ipairs(results.rows) do
    lines[#lines + 1] = table.concat(row_lines(row, options), "\n")
  end
  return table.concat(lines, "\n") .. "\n"
end

return M
