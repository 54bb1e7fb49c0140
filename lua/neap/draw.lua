--- Drawings of flows as text: Mermaid and Graphviz.
-- SPDX-License-Identifier: MIT
--
-- A drawing is made in two steps. `survey` turns a flow into boxes and arrows. It opens each
-- flow once, where it is met first, and makes a single box of it elsewhere, so that
-- recursion ends and shared flows are not repeated. Then the boxes and arrows are written in
-- one of the languages.
local graph = require "neap.flow.graph"
local nodes = require "neap.flow.node"
local options = require "neap.base.options"
local encoding = require "neap.base.encoding"

local M = {}

---@class neap.Box
---@field id string of the box, unique in the drawing
---@field number integer the part of `id` that is unique
---@field label string
---@field batch boolean
---@field parallel boolean
---@field inside? neap.Level the inside of a flow or parallel that is opened here

---@class neap.Arrow
---@field from neap.Box
---@field to neap.Box|nil nil: the end of the flow
---@field label string|nil nil: "default"
---@field by? string for an arrow from an opened flow to itself: the id of a point on it

---@class neap.Level
---@field boxes neap.Box[] the start first
---@field starts neap.Box[] the start of a flow; all branches of a parallel
---@field arrows neap.Arrow[]
---@field ends boolean whether an arrow goes to the end

-- Makes a different label for each node of a level.
local function label_nodes(members)
  local labels, used = {}, {}
  for i, node in ipairs(members) do
    local name = encoding.line(nodes.name(node))
    used[name] = (used[name] or 0) + 1
    labels[i] = used[name] > 1 and ("%s (%d)"):format(name, used[name]) or name
  end
  return labels
end

-- Makes the box of a node. The box of a flow that was not met before has its inside as well.
local function survey(root)
  local count, opened = 0, {}
  local new_box

  local function new_boxes(members)
    local labels, boxes = label_nodes(members), {}
    for i, node in ipairs(members) do boxes[i] = new_box(node, labels[i]) end
    return boxes
  end

  -- Makes a box for each branch, even if the same node is there twice. There are no arrows,
  -- because the successors of branches do not count.
  local function new_fork(parallel)
    local boxes = new_boxes(nodes.state(parallel).branches)
    return { boxes = boxes, starts = boxes, arrows = {}, ends = false }
  end

  local function new_level(flow)
    local members = graph.nodes(flow)
    local boxes, box_of, arrows, ends = new_boxes(members), {}, {}, false
    for i, node in ipairs(members) do box_of[node] = boxes[i] end
    for i, node in ipairs(members) do
      local state = nodes.state(node)
      for _, action in ipairs(state.actions) do
        local target = state.targets[action]
        local arrow = { from = boxes[i], to = box_of[target],
          label = action ~= "default" and encoding.line(action) or nil }
        if arrow.from == arrow.to and arrow.from.inside then
          count = count + 1
          arrow.by = "j" .. count
        end
        arrows[#arrows + 1] = arrow
        ends = ends or target == nodes.END
      end
    end
    return { boxes = boxes, starts = { boxes[1] }, arrows = arrows, ends = ends }
  end

  function new_box(node, label)
    count = count + 1
    local opens = graph.has_inside(node) and not opened[node]
    local box = { number = count, id = (opens and "f" or "n") .. count, label = label,
      batch = graph.is_batch(node), parallel = graph.is_parallel(node) }
    if opens then
      opened[node] = true
      box.inside = box.parallel and new_fork(node) or new_level(node)
    elseif graph.has_inside(node) then
      box.label = label .. " (as above)"
    end
    return box
  end

  return new_box(root, encoding.line(nodes.name(root)))
end

-- Collects lines, indented by their depth up to a limit.
local function new_page()
  local lines, depth = {}, 0
  local page = {}
  function page.add(form, ...)
    lines[#lines + 1] = ("  "):rep(math.min(depth, 20)) .. form:format(...)
  end
  function page.indent(by) depth = depth + by end
  function page.text() return table.concat(lines, "\n") .. "\n" end
  return page
end

-- The title of the frame of an opened flow or parallel.
local function title_of(box)
  return box.label .. (box.batch and " (batch)" or box.parallel and " (parallel)" or "")
end

-- Whether a box is drawn without a frame when it is the whole drawing.
local function is_plain_flow(box)
  return box.inside and not box.batch and not box.parallel
end

local DRAWN = { test = nodes.is_node, expected = "node or flow" }

-- In a quoted text, Mermaid reads #34; as the character with that number.
local function quote_mermaid(label)
  return '"' .. label:gsub('[#"&<>`\\]', function(c) return ("#%d;"):format(c:byte()) end) .. '"'
end

local function mermaid_arrow(page, arrow, end_id)
  local from = arrow.from.id
  local label = arrow.label and ("|%s|"):format(quote_mermaid(arrow.label)) or ""
  if arrow.by then
    -- Mermaid cannot draw an arrow from a subgraph to itself.
    page.add('%s -->%s %s((" "))', from, label, arrow.by)
    page.add("%s --> %s", arrow.by, from)
  else
    page.add("%s -->%s %s", from, label, arrow.to and arrow.to.id or end_id)
  end
end

local mermaid_box

local function mermaid_level(page, inside, number)
  local start_id, end_id = "s" .. number, "e" .. number
  page.add("%s([%s])", start_id, inside.boxes[1] and "start" or "no start")
  for _, box in ipairs(inside.boxes) do mermaid_box(page, box) end
  if inside.ends then page.add("%s([END])", end_id) end
  for _, box in ipairs(inside.starts) do page.add("%s --> %s", start_id, box.id) end
  for _, arrow in ipairs(inside.arrows) do mermaid_arrow(page, arrow, end_id) end
end

function mermaid_box(page, box)
  if box.inside then
    page.add("subgraph %s[%s]", box.id, quote_mermaid(title_of(box)))
    page.indent(1)
    mermaid_level(page, box.inside, box.number)
    page.indent(-1)
    page.add("end")
  else
    page.add(box.batch and "%s[[%s]]" or "%s[%s]", box.id, quote_mermaid(box.label))
  end
end

--- Draws a flow as a Mermaid flowchart: nested flows and parallels as subgraphs,
--- nodes of a batch with double sides, actions other than "default" on the
--- arrows.
---@param flow table a flow, or a node, which is drawn without its successors
---@return string text ends with a newline
function M.mermaid(flow)
  options.argument(1, "mermaid", flow, DRAWN)
  local page, box = new_page(), survey(flow)
  page.add("flowchart TD")
  page.indent(1)
  if is_plain_flow(box) then
    mermaid_level(page, box.inside, box.number)
  else
    mermaid_box(page, box)
  end
  return page.text()
end

local function quote_dot(label)
  return '"' .. label:gsub('["\\]', "\\%0") .. '"'
end

-- Graphviz draws arrows between nodes only, and clips them at the frame of a cluster. An
-- arrow to a flow goes to its start; an arrow from a flow comes from the last node in it.
local function dot_head(box)
  return box.inside and "s" .. box.number or box.id
end

local function dot_tail(box)
  while box.inside do
    local boxes = box.inside.boxes
    if not boxes[1] then return dot_head(box) end
    box = boxes[#boxes]
  end
  return box.id
end

local function dot_arrow(page, arrow, end_id)
  local from, to = arrow.from, arrow.to
  local hints = {}
  if arrow.label then hints[1] = "label=" .. quote_dot(arrow.label) end
  if from.inside and from ~= to then hints[#hints + 1] = "ltail=cluster_" .. from.id end
  if to and to.inside and from ~= to then hints[#hints + 1] = "lhead=cluster_" .. to.id end
  page.add("%s -> %s%s;", dot_tail(from), to and dot_head(to) or end_id,
    hints[1] and (" [%s]"):format(table.concat(hints, ", ")) or "")
end

local dot_box

local function dot_level(page, inside, number)
  local start_id, end_id = "s" .. number, "e" .. number
  page.add(inside.boxes[1] and '%s [shape=point, xlabel="start"];'
    or '%s [shape=plain, label="no start"];', start_id)
  for _, box in ipairs(inside.boxes) do dot_box(page, box) end
  if inside.ends then page.add('%s [shape=oval, label="END"];', end_id) end
  for _, box in ipairs(inside.starts) do
    page.add("%s -> %s%s;", start_id, dot_head(box),
      box.inside and (" [lhead=cluster_%s]"):format(box.id) or "")
  end
  for _, arrow in ipairs(inside.arrows) do dot_arrow(page, arrow, end_id) end
end

function dot_box(page, box)
  if box.inside then
    page.add("subgraph cluster_%s {", box.id)
    page.indent(1)
    page.add("label=%s;", quote_dot(title_of(box)))
    dot_level(page, box.inside, box.number)
    page.indent(-1)
    page.add("}")
  else
    page.add("%s [label=%s%s];", box.id, quote_dot(box.label), box.batch and ", shape=box3d" or "")
  end
end

--- Draws a flow in the language of Graphviz: nested flows and parallels as
--- clusters, nodes of a batch as stacks, actions other than "default" on the
--- arrows.
---@param flow table a flow, or a node, which is drawn without its successors
---@return string text ends with a newline
function M.dot(flow)
  options.argument(1, "dot", flow, DRAWN)
  local page, box = new_page(), survey(flow)
  page.add("digraph %s {", quote_dot(box.label))
  page.indent(1)
  page.add("compound=true;")
  page.add("node [shape=box];")
  if is_plain_flow(box) then
    dot_level(page, box.inside, box.number)
  else
    dot_box(page, box)
  end
  page.indent(-1)
  page.add("}")
  return page.text()
end

return M
