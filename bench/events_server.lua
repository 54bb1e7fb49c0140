--- events_server.lua: serves streams of 200 server-sent events of the size of a
--- chat token, one each 20 ms, and prints its address.
-- SPDX-License-Identifier: MIT
local neap = require "neap"

local EVENT = 'data: {"id":"chatcmpl-123","object":"chat.completion.chunk","created":1694268190,' ..
  '"model":"small","choices":[{"index":0,"delta":{"content":" tide"},"finish_reason":null}]}\n\n'
local HEAD = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
local EVENTS, EVERY = 200, 0.02

local listener <close> = neap.net.listen("127.0.0.1:0", { backlog = 4096 })
print("http://" .. listener.address)
io.stdout:flush()
listener:serve(function(connection)
  repeat local line = connection:read() until line == "\r" or not line
  connection:write(HEAD)
  local start = neap.now()
  for i = 1, EVENTS do
    connection:write(EVENT)
    neap.sleep(math.max(start + i * EVERY - neap.now(), 0))
  end
end)
