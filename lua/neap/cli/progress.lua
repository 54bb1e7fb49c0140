--- The progress of a run: a live line on a terminal, elsewhere a new line now and then.
-- SPDX-License-Identifier: MIT
--
-- It has no clock and no timer: it draws on an event or a tick, whose time it is given.
local encoding = require "neap.base.encoding"
local tallies = require "neap.flow.tally"

local WIDTH <const> = 79
local LEAST <const> = 10 -- of it, for the node
local REDRAW <const> = 0.1 -- seconds between two states of the live line
local CLEAR <const> = "\r\27[K"
local SOON <const>, LATE <const> = 2, 30 -- seconds between two lines elsewhere

---@class neap.Progress
---@field steps integer visits of nodes and items, as max_steps counts them
---@field retries integer
---@field node string|nil the path of the node that started last
---@field models? neap.Tally what models have taken; nil: none was asked
---@field models_by_node table<string, neap.Tally> the same by the path, without items
---@field live boolean
---@field private batches table<integer, table> the outermost batches that run, by the visit:
--- several may have one path
---@field private batch table|nil the batch that is shown
local Progress = {}
Progress.__index = Progress

local M = {}

--- Formats a duration.
---@param seconds number
---@return string
function M.duration(seconds)
  if seconds < 10 then return ("%.2f s"):format(seconds) end
  local whole = math.floor(seconds + 0.5)
  if whole < 60 then return ("%d s"):format(whole) end
  if whole < 3600 then return ("%d min %d s"):format(whole // 60, whole % 60) end
  return ("%d h %d min"):format(whole // 3600, whole % 3600 // 60)
end

--- Formats a number of retries.
---@param count integer
---@return string
function M.retries(count)
  return count == 1 and "1 retry" or ("%d retries"):format(count)
end

-- Formats a rate per second, or per minute if that reads better.
local function speed(rate)
  if rate < 1 then return ("%.1f/min"):format(rate * 60) end
  return (rate < 100 and "%.1f/s" or "%.0f/s"):format(rate)
end

-- Cuts a text to `width`, 4 at least, at its front: the outermost names matter least.
local function clip(line, width)
  local length = utf8.len(line)
  width = math.max(width, 4)
  if length <= width then return line end
  return "..." .. line:sub(utf8.offset(line, length - width + 4))
end

-- The line: the node that the run is at, and numbers for the progress.
local function describe(self, time)
  local batch, parts, spare = self.batch, {}, {}
  local function part(form, ...) parts[#parts + 1] = form:format(...) end
  if batch then
    local elapsed = time - batch.since
    local rate = elapsed > 0 and batch.done / elapsed or 0
    if batch.total then
      part("%d/%d", batch.done, batch.total)
    else
      part("%d done", batch.done)
    end
    if rate > 0 then
      part(speed(rate))
      spare[1] = #parts
    end
    part("%d in flight", batch.started - batch.done)
    table.insert(spare, 1, #parts)
    if batch.failed > 0 then part("%d failed", batch.failed) end
    if self.retries > 0 then part(M.retries(self.retries)) end
    if self.models then part("%s", tallies.text(self.models)) end
    if rate > 0 and batch.total and batch.done < batch.total then
      part("ETA %s", M.duration((batch.total - batch.done) / rate))
    end
  else
    part("step %d", self.steps)
    if self.retries > 0 then part(M.retries(self.retries)) end
    if self.models then part("%s", tallies.text(self.models)) end
    part(M.duration(time - self.since))
  end
  local numbers = ": " .. table.concat(parts, ", ")
  while #numbers > WIDTH - LEAST and spare[1] do -- the rate goes last, as it comes first
    table.remove(parts, table.remove(spare, 1))
    numbers = ": " .. table.concat(parts, ", ")
  end
  local name = clip(encoding.line(batch and batch.node or self.node), WIDTH - #numbers)
  return clip(name .. numbers, WIDTH)
end

-- Whether it is time for another line.
local function is_due(self, time)
  local passed = time - self.shown_at
  if self.live then return passed >= REDRAW and not self.giving_way end
  local batch = self.batch
  local tenth = batch and batch.total and batch.done * 10 // math.max(batch.total, 1)
  return passed >= LATE or (passed >= SOON and tenth and tenth > batch.tenth)
end

local function show(self, time)
  local line = describe(self, time)
  if self.live then
    -- The cursor stays in front, so that other output overwrites the line.
    self.write(CLEAR .. line .. "\r")
  else
    self.write(line .. "\n")
  end
  local batch = self.batch
  if batch then
    batch.tenth = batch.total and batch.done * 10 // math.max(batch.total, 1)
    batch.told = batch.done
  end
  self.shown_at, self.shown = time, true
end

local handlers = {}

function handlers.node_start(self, event)
  self.steps = self.steps + 1
  self.node = event.node
end

-- Whether a path goes through an item of one of the batches.
local function is_inside(path, batches)
  for _, batch in pairs(batches) do
    local node = batch.node
    if path:sub(1, #node + 1) == node .. "[" then return true end
  end
  return false
end

function handlers.batch_start(self, event)
  if is_inside(event.node, self.batches) then return end
  self.batch = { node = event.node, total = event.total, since = event.time,
    started = 0, done = 0, failed = 0, tenth = 0 }
  self.batches[event.visit] = self.batch
end

-- The batch of an item; nil for a batch inside another. Of several batches side by side, the
-- one that began last is shown, then one that still runs.
local function batch_of(self, event)
  local batch = self.batches[event.visit]
  if batch and self.batch.is_over then self.batch = batch end
  return batch
end

function handlers.node_end(self, event)
  local batch = self.batches[event.visit]
  if not batch then return end
  batch.is_over = true
  self.batches[event.visit] = nil
end

function handlers.item_start(self, event)
  self.steps = self.steps + 1
  local batch = batch_of(self, event)
  if batch then batch.started = batch.started + 1 end
end

function handlers.item_end(self, event)
  local batch = batch_of(self, event)
  if not batch then return end
  batch.done = batch.done + 1
  if not event.ok then batch.failed = batch.failed + 1 end
end

function handlers.retry(self)
  self.retries = self.retries + 1
end

function handlers.llm(self, event)
  local node = (event.node .. " "):gsub("%[%d+%] ", " "):sub(1, -2)
  local by_node = self.models_by_node
  self.models, by_node[node] = self.models or tallies.new(), by_node[node] or tallies.new()
  tallies.add(self.models, event)
  tallies.add(by_node[node], event)
end

--- Notes an event of the run.
---@param event table
function Progress:see(event)
  self.time = event.time
  local handler = handlers[event.kind]
  if handler then handler(self, event) end
  self:tick(event.time)
end

--- Notes that time has passed.
---@param time number
function Progress:tick(time)
  if self.write and self.node and is_due(self, time) then show(self, time) end
end

local function clear(self)
  if self.shown then self.write(CLEAR) end
  self.shown = false
end

--- Clears the live line before other output to the terminal. The live line comes back with a
--- later event or tick, but not while the other output's line is `open`.
---@param open boolean
function Progress:give_way(open)
  if not (self.live and self.write) then return end
  clear(self)
  self.giving_way = open
end

--- Ends the progress: clears the live line, or writes a last line if there is news.
function Progress:finish()
  if not self.write then return end
  if not self.live then
    if self.batch and self.batch.told ~= self.batch.done then show(self, self.time) end
  else
    clear(self)
  end
  self.write = nil
end

Progress.__close = Progress.finish

--- Begins to follow a run.
---@param now number the time of its start, by the clock of its events
---@param live boolean keeps one line up to date rather than adding lines
---@param write? fun(text: string) nil: only counts
---@return neap.Progress
function M.new(now, live, write)
  return setmetatable({ since = now, shown_at = now, live = live, write = write, steps = 0,
    batches = {}, models_by_node = {}, retries = 0, shown = false, giving_way = false }, Progress)
end

return M
