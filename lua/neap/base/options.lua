--- Checking options: their names and their values. An unknown name is refused with the
--- name most likely meant. All errors have the same form and name the line of the script.
-- SPDX-License-Identifier: MIT
local core = require "neap.core"
local schema = require "neap.base.schema"

local M = {}

-- The beginning of the sources of neap's own functions: "=neap" in the executable, "@" and
-- the folder elsewhere.
local own = core.system.source(1):gsub("base/options%.lua$", ""):gsub("%.base%.options$", "")
core.own_source(own)

--- Functions of neap that other functions of neap tail-call. A tail call seen at one of
--- them is therefore neap's and hides no line of the script.
---@type table<function, true>
M.tail_called = setmetatable({}, { __mode = "k" })

--- The function in C that calls back into code that checks options; neap.task.concurrent
--- sets it.
---@type function|nil
M.calls_back = nil

--- The line of the script that has called neap: "file:line". Nil where the call was a tail
--- call, as in `return Flow { ... }`.
---@return string|nil
function M.place()
  local place = core.system.place(own, M.tail_called, M.calls_back)
  return place -- no tail call: it would hide this function, which is neap's
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
    keys[#keys + 1] = ("%s = %s"):format(core.text(key),
      type(inner) == "string" and ("%q"):format(inner) or type(inner))
  end
  table.sort(keys)
  return keys[1] and ("{ %s }"):format(table.concat(keys, ", ")) or "an empty table"
end

-- The name of the class of a value, nil if it has none.
local function class_of(value)
  local meta = getmetatable(value)
  local name = type(meta) == "table" and rawget(meta, "__name")
  return type(name) == "string" and name or nil
end

-- Describes a value that was refused: a number by itself, others by their type. A string,
-- which may be a secret, is shown only where one of a few words was expected.
local function describe(value, expected)
  if type(value) == "number" then return tostring(value) end
  if type(value) == "string" and expected:find('"', 1, true) then return ("%q"):format(value) end
  local class = class_of(value)
  if class then return class end
  if type(value) == "table" and expected:find("{", 1, true) then return describe_table(value) end
  return type(value)
end

--- What is expected, and what was given instead. For a value that does not pass the rule.
---@param value any
---@param rule neap.Rule
---@return string
function M.refusal(value, rule)
  return ("%s expected, got %s"):format(rule.expected,
    rule.given and rule.given(value) or describe(value, rule.expected))
end

local refusal = M.refusal

--- Raises an error unless an argument passes a rule.
---@param n integer its position, not counting the `self` of a method
---@param where string the function's name
---@param value any
---@param rule neap.Rule
function M.argument(n, where, value, rule)
  if rule.test(value) then return end
  M.blame(("bad argument #%d to '%s' (%s)"):format(n, where, refusal(value, rule)))
end

--- What is wrong with the value of an option, nil if nothing is.
---@param name string
---@param value any
---@param rule neap.Rule
---@return string|nil
function M.fault(name, value, rule)
  return not rule.test(value) and ("bad option '%s' (%s)"):format(name, refusal(value, rule)) or nil
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

--- Finds the known name most like `name`, whatever their case. At most a third of the
--- letters may differ.
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

--- A name without its style: in lower case, without underscores.
---@param name string
---@return string
function M.plain(name)
  return (name:lower():gsub("_", ""))
end

-- The message for a name that is not known.
local function unknown(name, known, where)
  if type(name) ~= "string" then
    return ("options are named; got the key %s"):format(math.type(name) and name or type(name))
  end
  local other = require "neap.base.schema.meant"[M.plain(name)]
  local home = schema.homes[where]
  if not known[other] and home and schema.options[home][name] then
    return ("unknown option '%s'; it is an option of %s"):format(name, home)
  end
  if not known[other] then other = M.nearest(name, known) end
  return ("unknown option '%s'%s"):format(name,
    other and ("; did you mean '%s'?"):format(other) or "")
end

--- What is wrong with the options of a function, nil if nothing is. The binding, which
--- reads some options itself, calls this for the message when it finds a wrong one.
---@param given any
---@param where string the function's name, for the message
---@param known? table<string, neap.Rule> default: those of `where` in neap.base.schema
---@return string|nil
function M.complaint(given, where, known)
  known = known or schema.options[where]
  if type(given) ~= "table" then
    return ("%s: options expected as a table, got %s"):format(where,
      class_of(given) or type(given))
  end
  for name, value in pairs(given) do
    local rule = known[name]
    if not (rule and rule.test(value)) then
      local class = class_of(given)
      if class and not class:find("^neap%.json") then
        return ("%s: options expected as a table, got %s"):format(where, class)
      end
      return ("%s: %s"):format(where,
        rule and M.fault(name, value, rule) or unknown(name, known, where))
    end
  end
end

core.on_complaint(M.complaint)

--- Raises an error when `given` is no table, has a key that is not known, or a
--- value that its rule refuses.
---@param given table|nil nil stands for no options
---@param where string the function's name, for the message
---@param known? table<string, neap.Rule> default: those of `where` in neap.base.schema
---@return table given an empty table where it was nil
function M.check(given, where, known)
  if given == nil then return {} end
  local complaint = M.complaint(given, where, known)
  if complaint then M.blame(complaint) end
  return given
end

--- Checks options like `check`, and returns a new table that has the defaults as well.
---@param given table|nil
---@param where string
---@return table
function M.take(given, where)
  local taken = {}
  for name, rule in pairs(schema.options[where]) do taken[name] = rule.default end
  for name, value in pairs(M.check(given, where)) do taken[name] = value end
  return taken
end

return M
