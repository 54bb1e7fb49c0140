-- Random values for the specs of CBOR, and whether two are alike.
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local json = neap.json

local M = {}

-- Objects that are kept by their fields, and by what `save` gives.
M.Plain, M.Pair = { __name = "Plain" }, {}
neap.cbor.type("spec.Plain", M.Plain)
neap.cbor.type("spec.Pair", M.Pair, {
  save = function(pair) return { first = pair.left, second = pair.right } end,
  load = function(saved)
    if type(saved) ~= "table" then return nil end -- of bytes that were mutated
    return setmetatable({ left = saved.first, right = saved.second }, M.Pair)
  end,
})

local FLOATS = { 0.0, -0.0, 1.0, 0.5, 1 / 3, 65504.0, 65505.0, 5.9604644775390625e-8, 2.0 ^ -25,
  2.0 ^ -149, 2.0 ^ -150, 5e-324, 2.0 ^ 128, 1e300, math.huge, -math.huge, 0 / 0, -(0 / 0) }
local TEXTS = { "", "a", "tide", "größer", "潮", "\u{10FFFF}", "\xff", "\xed\xa0\x80", "\0", "a\0b" }

local function scalar(random)
  local kind = random(9)
  if kind == 1 then return random(0) end
  if kind == 2 then return random(-300, 300) end
  if kind == 3 then return (1 << random(0, 63)) - random(0, 1) end
  if kind == 4 then return FLOATS[random(#FLOATS)] end
  if kind == 5 then return string.unpack("d", string.pack("i8", random(0))) end
  if kind == 6 then return random(2) == 1 end
  if kind == 7 then return json.null end
  if kind == 8 then return TEXTS[random(#TEXTS)] end
  local bytes = {}
  for i = 1, random(0, 300) do bytes[i] = string.char(random(0, random(2) == 1 and 127 or 255)) end
  return table.concat(bytes)
end

local function key(random)
  local value
  repeat value = scalar(random) until value == value and value ~= json.null
  return value
end

-- What may be put into a table: something new, or a table that is there.
local function item(random, depth, tables)
  if #tables > 0 and random(8) == 1 then return tables[random(#tables)] end
  if depth > 0 and random(3) == 1 then return M.table(random, depth - 1, tables) end
  return scalar(random)
end

--- A random table.
function M.table(random, depth, tables)
  local t, kind = {}, random(8)
  if kind == 1 then
    -- Nothing inside may refer to it: it is not there before it is loaded.
    local inside = {}
    return setmetatable({ left = item(random, depth, inside), right = item(random, depth, inside) },
      M.Pair)
  end
  tables[#tables + 1] = t
  if kind == 2 then setmetatable(t, M.Plain) end
  if kind == 3 or kind == 4 then json.array(t) end
  if kind == 4 or kind == 5 then
    for i = 1, random(0, 12) do t[i] = item(random, depth, tables) end
  end
  if kind ~= 5 and (kind ~= 4 or random(4) == 1) then
    for _ = 1, random(0, 20) do t[key(random)] = item(random, depth, tables) end
  end
  return t
end

--- A random value.
function M.value(random)
  if random(10) == 1 then return scalar(random) end
  return M.table(random, random(0, 5), {})
end

--- Whether two values are alike: in their bits, in their metatables, and in what is shared.
function M.same(a, b, met)
  if type(a) ~= type(b) then return false end
  if math.type(a) == "float" then
    return math.type(b) == "float" and string.pack("d", a) == string.pack("d", b)
  end
  if type(a) ~= "table" then return rawequal(a, b) and math.type(a) == math.type(b) end
  met = met or { to = {}, from = {} }
  if met.to[a] or met.from[b] then return met.to[a] == b and met.from[b] == a end
  met.to[a], met.from[b] = b, a
  if getmetatable(a) ~= getmetatable(b) then return false end
  for k, v in next, a do
    if not M.same(v, rawget(b, k), met) then return false end
  end
  for k in next, b do
    if rawget(a, k) == nil then return false end
  end
  return true
end

-- Bytes with a few of them changed, added or gone.
local function mutate(random, bytes)
  for _ = 1, random(4) do
    local at, kind = random(0, #bytes), random(5)
    local byte = string.char(random(0, 255))
    if kind == 1 then bytes = bytes:sub(1, at) end
    if kind == 2 then bytes = bytes:sub(1, at) .. byte .. bytes:sub(at + 1) end
    if kind == 3 then bytes = bytes:sub(1, at) .. bytes:sub(at + 2) end
    if kind == 4 then bytes = bytes:sub(1, at) .. byte .. bytes:sub(at + 2) end
    if kind == 5 then
      local from = random(0, #bytes)
      bytes = bytes:sub(1, at) .. bytes:sub(from, from + random(0, 20)) .. bytes:sub(at + 1)
    end
  end
  return bytes
end

--- Encodes a random value and decodes it, as it is and mutated.
function M.try(random)
  local cbor = neap.cbor
  local value = M.value(random)
  local bytes = cbor.encode(value)
  local again = cbor.decode(bytes)
  assert(M.same(value, again), "it comes back as another")
  assert(cbor.encode(again) == bytes, "it has other bytes")
  for _ = 1, 3 do
    local wrong = mutate(random, bytes)
    local ok, result = pcall(cbor.decode, wrong)
    if ok then
      local second = cbor.encode(result)
      assert(M.same(result, cbor.decode(second)), "what was mutated comes back as another")
    else
      assert(type(result) == "table" and result.code == "cbor", tostring(result))
      assert(result.offset >= 1 and result.offset <= #wrong + 1, tostring(result))
    end
  end
end

--- A generator of random numbers of its own.
function M.random(seed)
  local state = seed * 0x9E3779B97F4A7C15 + 1
  local function bits()
    state = state ~ state << 13
    state = state ~ state >> 7
    state = state ~ state << 17
    return state
  end
  return function(from, to)
    if from == 0 and not to then return bits() end
    if not to then from, to = 1, from end
    return from + (bits() >> 1) % (to - from + 1)
  end
end

-- lua5.4 spec/bindings/cbor/values.lua COUNT FIRST: tries so many seeds.
if arg and arg[0]:find("values.lua", 1, true) then
  local count, first = tonumber(arg[1]), tonumber(arg[2] or 1)
  for seed = first, first + count - 1 do
    local ok, err = pcall(M.try, M.random(seed))
    assert(ok, ("seed %d: %s"):format(seed, tostring(err)))
  end
end

return M
