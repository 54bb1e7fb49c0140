--- Error objects.
-- SPDX-License-Identifier: MIT
--
-- What neap raises itself, and what leaves a run, is a table with the fields
-- `message` and `code`; from a run also `node` (the path of the node, as in
-- "order > payment > Charge"), `phase` ("prep", "exec", "fallback", "post"),
-- `attempt` (from 1), `cause` (what was raised, itself) and `traceback`, and
-- `retryable` and `retry_after` where the cause has them: so they steer the
-- attempts of every node that the error passes, however many runs it leaves.
-- `tostring` gives one readable paragraph.
local core = require "neap.core"

local M = {}

local meta = core.error_meta

---@class neap.Error
---@field message string
---@field code string "timeout", "cancelled", "http", "deadlock", "action", "user" and others
---@field node? string the path of the node
---@field phase? string "prep", "exec", "fallback" or "post"
---@field attempt? integer from 1
---@field cause? any what was raised, itself
---@field traceback? string
---@field retryable? boolean false: no further attempts
---@field retry_after? number seconds that the next attempt waits at least

--- Makes an error object of its fields.
---@param fields table with `message` and `code`
---@return neap.Error
function M.new(fields)
  return setmetatable(fields, meta)
end

--- Whether a value is an error object of neap's.
---@param value any
---@return boolean
function M.is(value)
  return getmetatable(value) == meta
end

-- The path of a node, without its middle where that is very long.
local function shorten(path)
  if #path <= 400 then return path end
  return ("%s ... %s"):format(path:sub(1, 190), path:sub(-190))
end

function meta:__tostring()
  if not self.node then return tostring(self.message) end
  local place = shorten(self.node)
  if self.phase then
    local attempt = (self.attempt or 1) > 1 and (", attempt %d"):format(self.attempt) or ""
    place = ("%s (%s%s)"):format(place, self.phase, attempt)
  end
  return ("%s: %s"):format(place, self.message)
end

-- The fields of a table that says nothing about itself: { card = "expired" }.
local function fields_of(value)
  local list = {}
  for key, field in next, value do
    list[#list + 1] = ("%s = %s"):format(tostring(key),
      type(field) == "string" and ("%q"):format(field:sub(1, 80)) or tostring(field))
  end
  table.sort(list)
  if #list > 8 then list = table.move(list, 1, 8, 1, { [9] = "..." }) end
  return ("{ %s }"):format(table.concat(list, ", "))
end

-- A __tostring of the user's may raise, too; then the type has to do.
local function text_of(value)
  local describe = tostring
  if type(value) == "table" then
    local message = rawget(value, "message")
    if type(message) == "string" then return message end
    if getmetatable(value) == nil and next(value) ~= nil then describe = fields_of end
  end
  local ok, text = pcall(describe, value)
  return ok and text or ("an error that is a %s"):format(type(value))
end

local function advice_of(cause) return cause.retryable, cause.retry_after end

-- What an error says of further attempts: its `retryable` and `retry_after`,
-- which may be computed, and what computes them may raise.
local function advice(cause)
  if type(cause) ~= "table" then return nil, nil end
  local ok, retryable, retry_after = pcall(advice_of, cause)
  if not ok then return nil, nil end
  return retryable, retry_after
end

-- Makes the object for an error that leaves a run. `origin` has node, phase,
-- attempt and traceback; only for want of memory it has not.
local function leave(cause, origin)
  if not (origin and origin.node) then error("not enough memory", 0) end
  local fields = {}
  if M.is(cause) then
    for key, value in pairs(cause) do fields[key] = value end
  else
    fields.message, fields.code = text_of(cause), "user"
    fields.retryable, fields.retry_after = advice(cause)
  end
  if fields.node then
    -- It left a run inside this one: that run knows better what happened.
    fields.node = ("%s > %s"):format(origin.node, fields.node)
  else
    fields.node, fields.phase, fields.attempt = origin.node, origin.phase, origin.attempt
    fields.traceback = origin.traceback
    fields.cause = cause
  end
  return M.new(fields)
end

core.on_leave(leave)

return M
