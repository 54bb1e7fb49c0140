--- http_luahttp.lua KIND URL COUNT CONCURRENCY: what bench/http.lua does, by
--- lua-http, each coroutine with a connection that it keeps.
-- SPDX-License-Identifier: MIT
package.path = package.path .. ";/usr/share/lua/5.1/?.lua" -- where Debian has it
local client = require "http.client"
local cqueues = require "cqueues"
local new_headers = require "http.headers".new
local version = require "http.version"
local measure = require "bench.measure"

local kind, url, count, concurrency = ...
count, concurrency = math.tointeger(tonumber(count)), math.tointeger(tonumber(concurrency))
local host, port, path = url:match("^http://([^:]+):(%d+)(/.*)$")
local body = kind == "post" and ("x"):rep(2048)

local headers = new_headers()
headers:append(":method", kind:upper())
headers:append(":scheme", "http")
headers:append(":authority", host .. ":" .. port)
headers:append(":path", path)
if body then headers:append("content-length", tostring(#body)) end

local left, done = count, 0
local function work()
  local connection = assert(client.connect { host = host, port = tonumber(port), version = 1.1 })
  while left > 0 do
    left = left - 1
    local stream = connection:new_stream()
    assert(stream:write_headers(headers, not body))
    if body then assert(stream:write_chunk(body, true)) end
    assert(stream:get_headers():get(":status") == "200")
    assert(#stream:get_body_as_string() > 0)
    stream:shutdown()
    done = done + 1
  end
  connection:close()
end

measure(function()
  local queue = cqueues.new()
  for _ = 1, concurrency do queue:wrap(work) end
  assert(queue:loop())
end, ("%s %s"):format(version.name, version.version), cqueues.monotime)
assert(done == count, "a request failed")
