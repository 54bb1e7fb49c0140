--- Checking options: their names, unknown ones of which are refused with the name
--- most likely meant, and their values. All are refused in the same words, at the
--- line of the script that gave them.
-- SPDX-License-Identifier: MIT
local core = require "neap.core"

local M = {}

--- What a value has to be: a test, and how that is called in an error. Where the
--- name has quotes or braces in it, the error shows what was given.
---@alias neap.Rule { [1]: fun(value: any): boolean, [2]: string }

local function of_type(name)
  return { function(value) return type(value) == name end, name }
end

M.boolean, M.string, M.table, M.func, M.number =
  of_type "boolean", of_type "string", of_type "table", of_type "function", of_type "number"

---@type neap.Rule
M.integer = { function(value) return math.type(value) == "integer" end, "integer" }

--- Seconds, which also may be no whole number.
---@type neap.Rule
M.seconds = { function(value) return type(value) == "number" and value > 0 end,
  "positive number of seconds" }

--- The rule for whole numbers from `low` to `high`.
---@param low integer
---@param high? integer default: the largest there is
---@return neap.Rule
function M.count(low, high)
  return { function(value)
    return math.type(value) == "integer" and value >= low and value <= (high or math.maxinteger)
  end, ("whole number from %d"):format(low) }
end

-- What the sources of neap's own functions begin with: "=neap" in the
-- executable, "@" and the folder elsewhere.
local own = debug.getinfo(1, "S").source:gsub("options%.lua$", ""):gsub("%.options$", "")
core.own_source(own)

-- Whether a function of which debug.getinfo tells this is neap's. Of those in C,
-- spawn is the only one that calls back into what checks options.
local function is_own(info)
  if info.what ~= "C" then return info.source:sub(1, #own) == own end
  local neap = package.loaded.neap
  return type(neap) == "table" and info.func == rawget(neap, "spawn")
end

--- Functions of neap's that others of neap's call in the place of their own: what
--- called them has not gone by a tail call of the script's. (One of the script's
--- would go unseen there, and the line be that of the caller's caller.)
---@type table<function, true>
M.tail_called = setmetatable({}, { __mode = "k" })

--- The line of the script that has called into neap: "file:line". Where a tail
--- call has taken its place, as in `return Flow { ... }`, there is none.
---@return string|nil
function M.place()
  local level, hidden = 1, false
  local info = debug.getinfo(level, "fSlt")
  while info and is_own(info) do
    hidden = info.istailcall and not M.tail_called[info.func]
    level = level + 1
    info = debug.getinfo(level, "fSlt")
  end
  if not info or hidden or info.currentline < 0 then return nil end
  return ("%s:%d"):format(info.short_src, info.currentline)
end

--- Raises an error at that line.
---@param message string
function M.blame(message)
  local place = M.place()
  error(place and ("%s: %s"):format(place, message) or message, 0)
end

local function describe_table(value)
  local keys = {}
  for key, inner in pairs(value) do
    keys[#keys + 1] = ("%s = %s"):format(tostring(key),
      type(inner) == "string" and ("%q"):format(inner) or type(inner))
  end
  table.sort(keys)
  return keys[1] and ("{ %s }"):format(table.concat(keys, ", ")) or "an empty table"
end

-- What was given in place of what is expected: a number itself, else the type; what
-- might be confidential only where it is most likely a slip in a word.
local function describe(value, expected)
  if type(value) == "number" then return tostring(value) end
  if type(value) == "string" and expected:find('"', 1, true) then return ("%q"):format(value) end
  if type(value) == "table" and expected:find("{", 1, true) then return describe_table(value) end
  return type(value)
end

--- Raises an error unless a value is what an option has to be.
---@param where string the function's name, for the message
---@param name string
---@param value any
---@param rule neap.Rule
function M.expect(where, name, value, rule)
  local fault = M.fault(name, value, rule)
  if fault then M.blame(("%s: %s"):format(where, fault)) end
end

--- What is wrong with the value of an option, nil if nothing is.
---@param name string
---@param value any
---@param rule neap.Rule
---@return string|nil
function M.fault(name, value, rule)
  local test, expected = rule[1], rule[2]
  if test(value) then return nil end
  return ("bad option '%s' (%s expected, got %s)"):format(name, expected, describe(value, expected))
end

-- Whether `a` becomes `b` by one insertion, deletion or substitution, or by
-- swapping two neighbours.
local function one_edit(a, b)
  if #a > #b then a, b = b, a end
  if #b - #a > 1 then return false end
  local i = 1
  while i <= #a and a:byte(i) == b:byte(i) do i = i + 1 end
  if #a < #b then return a:sub(i) == b:sub(i + 1) end
  if a:sub(i + 1) == b:sub(i + 1) then return true end
  return a:byte(i) == b:byte(i + 1) and a:byte(i + 1) == b:byte(i) and a:sub(i + 2) == b:sub(i + 2)
end

-- The number of insertions, deletions and substitutions between two words
-- (Levenshtein 1966, by the rows of Wagner and Fischer 1974).
local function distance(a, b)
  local row = {}
  for j = 0, #b do row[j] = j end
  for i = 1, #a do
    local diagonal = row[0]
    row[0] = i
    for j = 1, #b do
      local cost = a:byte(i) == b:byte(j) and 0 or 1
      diagonal, row[j] = row[j], math.min(diagonal + cost, row[j] + 1, row[j - 1] + 1)
    end
  end
  return row[#b]
end

--- Finds the known names that `name` is one edit away from.
---@param name string
---@param known table<string, any> the names are the keys
---@return string|nil name the first of them in the order of the alphabet
function M.near(name, known)
  local best
  for candidate in pairs(known) do
    if one_edit(name, candidate) and (not best or candidate < best) then best = candidate end
  end
  return best
end

--- Finds the known name most like `name`, in capitals or not, if any is like it
--- at all: no more than a third of its letters differ.
---@param name string
---@param known table<string, any> the names are the keys
---@return string|nil name
function M.nearest(name, known)
  local best, least = nil, math.max(1, #name // 3) + 1
  local lower = name:lower()
  for candidate in pairs(known) do
    local other = candidate:lower()
    local d = other == lower and 0 or one_edit(lower, other) and 1 or distance(lower, other)
    if d < least or (d == least and best and candidate < best) then
      best, least = candidate, d
    end
  end
  return best
end

--- Raises an error when `given` is no table, has a key that is not known, or a
--- value that its rule refuses.
---@param given table|nil nil stands for no options
---@param known table<string, neap.Rule|true|string> by name: its rule; true takes any
--- value; a string is the name that is meant, of what is known by another elsewhere
---@param where string the function's name, for the message
---@return table given an empty table where it was nil
function M.check(given, known, where)
  if given == nil then return {} end
  if type(given) ~= "table" then
    M.blame(("%s: options expected as a table, got a %s"):format(where, type(given)))
  end
  for name, value in pairs(given) do
    local rule = known[name]
    if type(name) ~= "string" then
      M.blame(("%s: options are named; got the key %s"):format(where, tostring(name)))
    elseif rule == nil or type(rule) == "string" then
      local other = rule or M.nearest(name, known)
      if type(known[other]) == "string" then other = known[other] end
      M.blame(("%s: unknown option '%s'%s"):format(where, name,
        other and ("; did you mean '%s'?"):format(other) or ""))
    end
    if rule ~= true then M.expect(where, name, value, rule) end
  end
  return given
end

return M
