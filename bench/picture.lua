--- The picture that the bench draws of its ratios, as SVG.
-- SPDX-License-Identifier: MIT
local M = {}

local LEFT, WIDTH, RIGHT = 380, 420, 90 -- of the labels, the bars, the last numbers
local LINE, BAR, GAP, TOP = 20, 12, 14, 64

local STYLE = [[
    text { font: 12px sans-serif; fill: #24292f; }
    .title { font-weight: bold; }
    .faint { fill: #6e7781; }
    .axis { stroke: #6e7781; stroke-width: 1; }
    .grid { stroke: #d0d7de; stroke-width: 1; }
    .less { fill: #2f7d6d; }
    .more { fill: #b5562a; }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3; }
      .faint { fill: #8d96a0; }
      .grid { stroke: #30363d; }
      .less { fill: #4fb8a2; }
      .more { fill: #e08e63; }
    }]]

local function escape(text)
  return (text:gsub("[&<>]", { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;" }))
end

-- How often a peer's figure is neap's, in words.
local function times(value)
  return ("%." .. (value < 10 and 2 or value < 100 and 1 or 0) .. "f"):format(value) .. "x"
end

-- What is drawn: for each row its first measure, with the peers that have a ratio.
local function groups(results)
  local list, most, least = {}, 1, 1
  for _, row in ipairs(results.rows) do
    local figure, bars = row.figures[1], {}
    for i, peer in ipairs(figure.peers) do
      if peer.ratio and not row.peers[i].label:find("^neap") then
        local value = 1 / peer.ratio.median
        bars[#bars + 1] = { label = row.peers[i].label, value = value }
        most, least = math.max(most, value), math.min(least, value)
      end
    end
    if #bars > 0 then
      list[#list + 1] = { title = ("%s: %s"):format(row.id, row.title), bars = bars,
        measure = figure.measure }
    end
  end
  return list, most, least
end

--- Draws how often the time of each peer is neap's: to the right of the line neap
--- takes less. The scale is logarithmic.
---@param results table of bench/run.lua
---@return string svg
function M.draw(results)
  local list, most, least = groups(results)
  local low, high = math.floor(math.log(least, 10)), math.ceil(math.log(most, 10))
  if high == low then high = low + 1 end
  local function x(value)
    return LEFT + WIDTH * (math.log(value, 10) - low) / (high - low)
  end
  local y, parts = TOP, {}
  local function add(format, ...) parts[#parts + 1] = "  " .. format:format(...) end

  for _, group in ipairs(list) do
    y = y + GAP
    add('<text class="title" x="8" y="%d">%s (%s)</text>', y, escape(group.title), group.measure)
    for _, bar in ipairs(group.bars) do
      y = y + LINE
      local from, to = x(math.min(1, bar.value)), x(math.max(1, bar.value))
      add('<text x="%d" y="%d" text-anchor="end">%s</text>', LEFT - 8, y, escape(bar.label))
      add('<rect class="%s" x="%.1f" y="%d" width="%.1f" height="%d"/>',
        bar.value >= 1 and "less" or "more", from, y - BAR + 2, math.max(to - from, 1), BAR)
      add('<text x="%.1f" y="%d">%s</text>', to + 5, y, times(bar.value))
    end
    y = y + LINE // 2
  end

  local head = {}
  for power = low, high do
    local at = x(10.0 ^ power)
    head[#head + 1] = ('  <line class="%s" x1="%.1f" y1="%d" x2="%.1f" y2="%d"/>'):format(
      power == 0 and "axis" or "grid", at, TOP - 12, at, y)
    head[#head + 1] = ('  <text class="faint" x="%.1f" y="%d" text-anchor="middle">%gx</text>')
      :format(at, TOP - 18, 10.0 ^ power)
  end
  return table.concat({
    ('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d">'):format(
      LEFT + WIDTH + RIGHT, y + 12, LEFT + WIDTH + RIGHT, y + 12),
    "  <title>What others take, in times of what neap takes</title>",
    "  <style>", STYLE, "  </style>",
    ('  <text class="title" x="8" y="20">What others take, in times of what neap %s takes</text>')
      :format(escape(results.version)),
    ('  <text class="faint" x="8" y="%d">%s</text>'):format(36, escape(results.machine)),
    table.concat(head, "\n"),
    table.concat(parts, "\n"),
    "</svg>\n",
  }, "\n")
end

return M
