--- Error objects.
-- SPDX-License-Identifier: MIT
--
-- An error object is a table with the fields `message` and `code`. One that leaves a run
-- also has `node` (the path of the node, as in "order > payment > Charge"), `phase`
-- ("prep", "exec", "fallback", "post"), `attempt` (from 1), `cause` (the value that was
-- raised) and `traceback`. If the cause has `retryable` or `retry_after`, so has the error
-- object: they steer the attempts of every node that the error passes. `tostring` gives one
-- readable paragraph.
local core = require "neap.core"

local M = {}

local meta = core.error_meta

---@class neap.Error
---@field message string
---@field code string "timeout", "cancelled", "http", "deadlock", "action", "user" and others
---@field node? string the path of the node
---@field phase? string "prep", "exec", "fallback" or "post"
---@field attempt? integer from 1
---@field cause? any the value that was raised
---@field traceback? string
---@field retryable? boolean false: no further attempts
---@field retry_after? number seconds that the next attempt waits at least

-- Functions here call these, not the fields of the module: a script can replace those, and
-- in a sandbox one copy of the module serves all scripts.
local function new(fields)
  local other = getmetatable(fields)
  if other ~= nil and other ~= meta then
    local name = type(other) == "table" and rawget(other, "__name")
    error(("error.new: the fields are %s; a table without a metatable expected"):format(
      type(name) == "string" and "a " .. name or "a table that has a metatable"), 2)
  end
  return setmetatable(fields, meta)
end

local function is(value)
  return getmetatable(value) == meta
end

--- Makes an error object of a table, which must not have another metatable.
---@type fun(fields: table): neap.Error `fields` has `message` and `code`
M.new = new

--- Whether a value is an error object.
---@type fun(value: any): boolean
M.is = is

-- Shortens a very long path of a node in its middle.
local function shorten(path)
  if #path <= 400 then return path end
  return ("%s ... %s"):format(path:sub(1, 190), path:sub(-190))
end

function meta:__tostring()
  if not self.node then return core.text(self.message) end
  local place = shorten(self.node)
  if self.phase then
    local attempt = (self.attempt or 1) > 1 and (", attempt %d"):format(self.attempt) or ""
    place = ("%s (%s%s)"):format(place, self.phase, attempt)
  end
  return ("%s: %s"):format(place, core.text(self.message))
end

-- The fields of a table without __tostring or message: { card = "expired" }.
local function fields_of(value)
  local list = {}
  for key, field in next, value do
    list[#list + 1] = ("%s = %s"):format(core.text(key),
      type(field) == "string" and ("%q"):format(field:sub(1, 80)) or core.text(field))
  end
  table.sort(list)
  if #list > 8 then list = table.move(list, 1, 8, 1, { [9] = "..." }) end
  return ("{ %s }"):format(table.concat(list, ", "))
end

-- The text of an error. In a sandbox no metamethod is called.
local function text_of(value)
  if type(value) == "table" then
    local message = rawget(value, "message")
    if type(message) == "string" then return message end
    if core.sandboxed then return "an error that is a table" end
    if getmetatable(value) == nil and next(value) ~= nil then return fields_of(value) end
  end
  return core.text(value)
end

local function advice_of(cause) return cause.retryable, cause.retry_after end

local function raw_advice_of(cause)
  return rawget(cause, "retryable"), rawget(cause, "retry_after")
end

-- The `retryable` and `retry_after` of an error. A metamethod may compute them, and raise.
local function advice(cause)
  if type(cause) ~= "table" then return nil, nil end
  local ok, retryable, retry_after = pcall(core.sandboxed and raw_advice_of or advice_of, cause)
  if not ok then return nil, nil end
  return retryable, retry_after
end

-- Makes the error object for an error that leaves a run. `origin` has node, phase, attempt
-- and traceback, unless memory was exhausted.
local function leave(cause, origin)
  if not (origin and origin.node) then error("not enough memory", 0) end
  local fields = {}
  if is(cause) then
    for key, value in pairs(cause) do fields[key] = value end
  else
    fields.message, fields.code = text_of(cause), "user"
    fields.retryable, fields.retry_after = advice(cause)
  end
  if fields.node then
    -- The error has left a run inside this one, which noted the exact place.
    fields.node = ("%s > %s"):format(origin.node, fields.node)
  else
    fields.node, fields.phase, fields.attempt = origin.node, origin.phase, origin.attempt
    fields.traceback = origin.traceback
    fields.cause = cause
  end
  return new(fields)
end

core.on_leave(leave)

return M
