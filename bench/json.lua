--- json.lua neap|cjson|dkjson decode|encode N: reads or writes a chat completion of
--- 100 KB N times.
-- SPDX-License-Identifier: MIT
local measure = require "bench.measure"
local text = require "bench.json_text"

local by, what, count = ...
count = math.tointeger(tonumber(count))

local libraries = {}

function libraries.neap()
  local json = require "neap.json"
  return json.decode, json.encode
end

function libraries.cjson()
  local json = require "cjson"
  return json.decode, json.encode, "lua-cjson " .. json._VERSION
end

function libraries.dkjson()
  local json = require "dkjson"
  return json.decode, json.encode, json.version
end

local decode, encode, name = libraries[by]()
local value = decode(text)
assert(#encode(value) > 90000 and value.choices[20].logprobs.content[60].bytes[3] == 32)
measure(function()
  for _ = 1, count do
    if what == "decode" then decode(text) else encode(value) end
  end
end, name, by ~= "neap" and os.clock or nil)
