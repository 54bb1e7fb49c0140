--- events.lua N: N server-sent events are read from a response, each in a piece of its
--- own, without a connection.
-- SPDX-License-Identifier: MIT
local measure = require "bench.measure"
local reader = require "neap.io.reader"
local sse = require "neap.http.sse"

local EVENT = 'data: {"choices":[{"index":0,"delta":{"content":" tide"},"finish_reason":null}]}\n\n'

local left = math.tointeger(tonumber((...)))
local response = { status = 200, headers = { ["content-type"] = "text/event-stream" } }
reader.extend(response)

function response:receive() -- luacheck: no self
  left = left - 1
  return left >= 0 and EVENT or nil
end

measure(function()
  local last
  for event in sse.events(response) do last = event end
  assert(#last.data > 0)
end)
