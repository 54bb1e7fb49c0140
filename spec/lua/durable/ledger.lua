-- The oracle of runs that are killed: what the ledger of voyage.lua must look like.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"

local M = {}

local function fail(number, text)
  error(("line %d of the ledger: %s"):format(number, text), 0)
end

local checks = {}

-- A visit or item begins: never after its end has been saved, and always with one key.
function checks.effect(seen, number, key)
  local place = key:match "^(.*)#%d+$"
  if seen.saved[place] and not seen.is_late then
    fail(number, key .. " begins, and had been saved")
  end
  if (seen.keys[place] or key) ~= key then
    fail(number, ("the key is %s, and was %s"):format(key, seen.keys[place]))
  end
  seen.keys[place] = key
end

-- A step is made: never after it has been saved.
function checks.step(seen, number, rest)
  local step = rest:match "^(.*) %x+$"
  if seen.got[step] then fail(number, step .. " is made, and had been saved") end
end

-- A step has been saved: always with the same value.
function checks.got(seen, number, rest)
  local step, value = rest:match "^(.*) (%x+)$"
  if (seen.got[step] or value) ~= value then
    fail(number, ("%s has given %s, and before %s"):format(step, value, seen.got[step]))
  end
  seen.got[step] = value
end

-- The end of a visit has been saved: once.
function checks.saved(seen, number, rest)
  local place = rest:gsub(" ", ":", 1)
  if seen.saved[place] then fail(number, place .. " is saved again") end
  seen.saved[place] = number
end

function checks.ended(seen, number, rest)
  local id, status = rest:match "^(%S+) (%S+)$"
  if status ~= "done" then fail(number, ("%s has ended: %s"):format(id, status)) end
  if seen.ended[id] then fail(number, id .. " has ended twice") end
  seen.ended[id] = true
end

--- Raises what is wrong with a ledger. Returns what it has.
---@param path string
---@param is_late? boolean a worker was suspended, and may begin what others have done
---@return { keys: table, saved: table, got: table, ended: table<string, true> }
function M.check(path, is_late)
  local seen = { is_late = is_late, keys = {}, saved = {}, got = {}, ended = {} }
  local number = 0
  for line in helper.read(path):gmatch "([^\n]*)\n" do
    number = number + 1
    local what, rest = line:match "^(%S+) (.*)$"
    checks[what](seen, number, rest)
  end
  return seen
end

return M
