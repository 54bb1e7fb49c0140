--- cbor.lua neap|json|cjson decode|encode N: writes or reads a conversation of 100 KB as CBOR,
--- or as JSON, N times.
-- SPDX-License-Identifier: MIT
local measure = require "bench.measure"

local by, what, count = ...
count = math.tointeger(tonumber(count))

local libraries = {}

function libraries.neap()
  local cbor = require "neap.cbor"
  return cbor.decode, cbor.encode
end

function libraries.json()
  local json = require "neap.json"
  return json.decode, json.encode, "neap.json"
end

function libraries.cjson()
  local json = require "cjson"
  return json.decode, json.encode, "lua-cjson " .. json._VERSION
end

local messages = {}
for i = 1, 120 do
  messages[i] = { id = "msg_" .. i, role = i % 2 == 0 and "assistant" or "user", tokens = i * 3,
    cost = i / 7, content = ("The tide comes in at noon, and goes out again. "):rep(6 + i % 20),
    facts = { "moon", i, true } }
end

local decode, encode, name = libraries[by]()
local value = { topic = "tides", messages = messages }
local text = encode(value)
assert(#text > 90000 and decode(text).messages[120].facts[2] == 120)
measure(function()
  for _ = 1, count do
    if what == "decode" then decode(text) else encode(value) end
  end
end, name, by == "cjson" and os.clock or nil)
