--- Checking names: unknown options are refused with the name most likely meant.
-- SPDX-License-Identifier: MIT
local M = {}

--- Raises an error at `level`, counted as error does from whoever calls this.
--- Where a tail call has taken the place of that function, as in
--- `return Flow { ... }`, there is no position to give.
---@param message string
---@param level integer
function M.blame(message, level)
  if debug.getinfo(level, "t").istailcall then error(message, 0) end
  error(message, level + 1)
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

--- Finds the known name most like `name`, if any is like it at all: no more
--- than a third of its letters differ.
---@param name string
---@param known table<string, any> the names are the keys
---@return string|nil name
function M.nearest(name, known)
  local best, least = nil, math.max(1, #name // 3) + 1
  for candidate in pairs(known) do
    local d = one_edit(name, candidate) and 1 or distance(name, candidate)
    if d < least or (d == least and best and candidate < best) then
      best, least = candidate, d
    end
  end
  return best
end

--- Raises an error when `given` is no table or has a key that is not known.
---@param given table|nil nil stands for no options
---@param known table<string, any> the names are the keys
---@param where string the function's name, for the message
---@param level? integer whom to blame, as for error; default 2, the caller's caller
---@return table given an empty table where it was nil
function M.check(given, known, where, level)
  level = (level or 2) + 1
  if given == nil then return {} end
  if type(given) ~= "table" then
    error(("%s: options expected as a table, got a %s"):format(where, type(given)), level)
  end
  for name in pairs(given) do
    if type(name) ~= "string" then
      error(("%s: options are named; got the key %s"):format(where, tostring(name)), level)
    elseif known[name] == nil then
      local meant = M.nearest(name, known)
      error(("%s: unknown option '%s'%s"):format(where, name,
        meant and ("; did you mean '%s'?"):format(meant) or ""), level)
    end
  end
  return given
end

return M
