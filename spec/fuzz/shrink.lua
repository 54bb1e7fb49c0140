--- Makes a program that fails smaller, as long as it still fails.
-- SPDX-License-Identifier: MIT
local M = {}

-- Calls f(block) for each block of a program, outer ones first; f may change it.
local function each_block(block, f)
  f(block)
  for i = 1, #block do
    for _, inner in ipairs(block[i] and block[i].blocks or {}) do each_block(inner, f) end
  end
end

-- Replaces `count` statements of a block from `first` by others, if the program
-- fails without them as well. Returns whether it does.
local function try(block, first, count, others, fails)
  local before = table.move(block, 1, #block, 1, {})
  local after = table.move(block, 1, first - 1, 1, {})
  table.move(others, 1, #others, #after + 1, after)
  table.move(block, first + count, #block, #after + 1, after)
  local function put(list)
    for i = 1, math.max(#block, #list) do block[i] = list[i] end
  end
  put(after)
  if fails() then return true end
  put(before)
  return false
end

-- Drops statements of one block, many at once first.
local function drop(block, fails)
  local smaller = false
  local count = #block
  while count >= 1 do
    local first = 1
    while first + count - 1 <= #block do
      if try(block, first, count, {}, fails) then smaller = true else first = first + count end
    end
    count = count // 2
  end
  return smaller
end

-- Puts what is in the blocks of a statement in its place.
local function lift(block, fails)
  local smaller = false
  for i = #block, 1, -1 do
    for _, inner in ipairs(block[i].blocks or {}) do
      if try(block, i, 1, inner, fails) then
        smaller = true
        break
      end
    end
  end
  return smaller
end

--- Drops statements of a program, in place, until it fails no more without any
--- of them.
---@param program fuzz.program
---@param fails fun(): boolean whether the program, as it is now, still fails
function M.shrink(program, fails)
  local smaller
  repeat
    smaller = false
    for _, part in ipairs { program.body, table.unpack(program.ghosts) } do
      each_block(part, function(block)
        if drop(block, fails) then smaller = true end
      end)
      each_block(part, function(block)
        if lift(block, fails) then smaller = true end
      end)
    end
  until not smaller
end

return M
