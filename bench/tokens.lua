--- tokens.lua N: N tokens of a streamed chat, each in a piece of its own, without a connection.
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local measure = require "bench.measure"

local FORMAT = 'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1694268190,' ..
  '"model":"small","choices":[{"index":0,"delta":%s,"finish_reason":%s}]}\n\n'
local TOKEN = FORMAT:format('{"content":" tide"}', "null")
local LAST = FORMAT:format("{}", '"stop"') .. "data: [DONE]\n\n"

local left = math.tointeger(tonumber((...)))
local response = { status = 200, headers = { ["content-type"] = "text/event-stream" } }

function response:read_some() -- luacheck: no self
  left = left - 1
  return left > 0 and TOKEN or left == 0 and LAST or nil
end

function response:limit_idle() end -- luacheck: no self

local model = neap.llm.new { provider = "openai", url = "http://m", model = "small",
  http = { request = function() return response end } }

measure(function()
  local size = 0
  for piece in model:stream("How is the tide?") do size = size + #piece end
  assert(size > 0)
end)
