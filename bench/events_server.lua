--- events_server.lua: serves streams of server-sent events as a model's chat sends them,
--- and prints its address. By the beginning of the path a stream has
---   /burst   100,000 tokens at once
---   /first   one token; then the client has to close the connection
---   else     200 tokens, one each 20 ms
-- SPDX-License-Identifier: MIT
local neap = require "neap"

local FORMAT = 'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1694268190,' ..
  '"model":"small","choices":[{"index":0,"delta":%s,"finish_reason":%s}]}\n\n'
local TOKEN = FORMAT:format('{"content":" tide"}', "null")
local LAST = FORMAT:format("{}", '"stop"') .. "data: [DONE]\n\n"
local HEAD = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
local TOKENS, EVERY = 200, 0.02
local BURST = 100000

local function pace(connection)
  local start = neap.now()
  for i = 1, TOKENS do
    connection:write(TOKEN)
    neap.sleep(math.max(start + i * EVERY - neap.now(), 0))
  end
  connection:write(LAST)
end

local ways = {}

function ways.burst(connection)
  for _ = 1, BURST, 100 do connection:write(TOKEN:rep(100)) end
  connection:write(LAST)
end

function ways.first(connection)
  connection:write(TOKEN)
  connection:read()
end

local listener <close> = neap.net.listen("127.0.0.1:0", { backlog = 4096 })
print("http://" .. listener.address)
io.stdout:flush()
listener:serve(function(connection)
  local request = connection:read()
  if not request then return end
  local size = 0
  repeat
    local line = connection:read()
    size = tonumber(line and line:lower():match("^content%-length: *(%d+)")) or size
  until line == "\r" or not line
  if size > 0 then connection:read(size) end
  connection:write(HEAD);
  (ways[request:match("^%u+ /(%a*)")] or pace)(connection)
end)
