--- The page that the bench prints.
-- SPDX-License-Identifier: MIT
local M = {}

-- Two or three digits, or all of those before the point.
local function digits(value)
  local places = value < 0.1 and 3 or value < 10 and 2 or value < 100 and 1 or 0
  if value > 0 and value < 0.01 then places = 5 end
  return ("%." .. places .. "f"):format(value)
end

local function spread(numbers, unit)
  if not numbers then return "-" end
  return ("%s%s (%s to %s)"):format(digits(numbers.median), unit and " " .. unit or "",
    digits(numbers.min), digits(numbers.max))
end

local GOALS = {
  ratio = function(goal) return "at most " .. digits(goal.most) end,
  neap = function(goal, unit) return ("at most %s %s"):format(digits(goal.most), unit) end,
  excess = function(goal, unit) return ("at most %s %s more"):format(digits(goal.most), unit) end,
}

-- What has been made of a goal, "" where there is none.
local function verdict(goal, unit)
  if not goal then return "" end
  local outcome = goal.reached == nil and "not known" or goal.reached and "reached" or "MISSED"
  return ("%s: %s"):format(GOALS[goal.of](goal, unit), outcome)
end

local function line(measure, label, values, ratio, goal)
  local text = ("  %-12s%-36s %-30s %-26s %s"):format(measure, label, values, ratio, goal)
  return (text:gsub("%s+$", ""))
end

local function figure_lines(lines, row, figure)
  lines[#lines + 1] = line(figure.measure, row.neap.label, spread(figure.neap, figure.unit), "",
    verdict(figure.goal, figure.unit))
  for i, peer in ipairs(figure.peers) do
    if peer.value or peer.goal then
      lines[#lines + 1] = line("", row.peers[i].label, spread(peer.value, figure.unit),
        spread(peer.ratio), verdict(peer.goal, figure.unit))
    end
  end
end

local function row_lines(lines, row, options)
  lines[#lines + 1] = ("\n%s: %s"):format(row.id, row.title)
  for _, figure in ipairs(row.figures) do figure_lines(lines, row, figure) end
  local versions = {}
  for _, program in ipairs { row.neap, table.unpack(row.peers) } do
    if program.skipped then
      lines[#lines + 1] = ("  skipped: %s: %s"):format(program.label, program.skipped)
    elseif program.version and not versions[program.version] then
      versions[program.version] = true
      versions[#versions + 1] = program.version
    end
  end
  lines[#lines + 1] = "  by " .. table.concat(versions, "; ")
  lines[#lines + 1] = ("  $ ./dev bench %s%s"):format(options, row.id)
end

-- Counts the goals that were reached, and lists those that were not.
local function totals(results)
  local reached, all, missed = 0, 0, {}
  local function count(row, figure, goal, label)
    if goal and goal.reached ~= nil then
      all = all + 1
      reached = reached + (goal.reached and 1 or 0)
      if not goal.reached then
        missed[#missed + 1] = ("  %s, %s, %s"):format(row.id, figure.measure, label)
      end
    end
  end
  for _, row in ipairs(results.rows) do
    for _, figure in ipairs(row.figures) do
      count(row, figure, figure.goal, row.neap.label)
      for i, peer in ipairs(figure.peers) do count(row, figure, peer.goal, row.peers[i].label) end
    end
  end
  local text = ("\n%d of %d goals reached%s"):format(reached, all,
    #missed > 0 and "; missed:" or "")
  return #missed > 0 and text .. "\n" .. table.concat(missed, "\n") or text
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
    "ratio is of two turns in the same run. Memory is by how much the peak of the process grew;",
    "at start-up it is the whole peak. All but http/wrk do the same work, or say how much of it.",
    "",
    line("", "", "takes", "neap / peer", "goal"),
  }
  if results.quick then
    table.insert(lines, 3, "QUICK: a hundredth of the work; the figures mean nothing")
  end
  local options = results.quick and "--quick " or ""
  for _, row in ipairs(results.rows) do row_lines(lines, row, options) end
  lines[#lines + 1] = totals(results)
  return table.concat(lines, "\n") .. "\n"
end

return M
