-- A proxy for specs, in the program that runs them: HTTP, CONNECT and SOCKS5.
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local net = require "neap.net"

local M = {}

-- Passes on what comes, in both directions, until one ends.
local function relay(a, b)
  neap.race {
    function() for bytes in a:chunks() do b:write(bytes) end end,
    function() for bytes in b:chunks() do a:write(bytes) end end,
  }
end

local function serve_http(client, log, auth)
  local line, head = client:read(), {}
  for field in client:lines() do
    if field == "\r" or field == "" then break end
    head[#head + 1] = field:gsub("\r$", "")
  end
  local method, target = line:match("^(%S+) (%S+)")
  log[#log + 1] = method .. " " .. target
  local given
  for _, field in ipairs(head) do
    given = field:match("^Proxy%-Authorization: (.*)$") or given
  end
  if given ~= auth then
    client:write("HTTP/1.1 407 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
  elseif method == "CONNECT" then
    local server <close> = net.connect(target)
    client:write("HTTP/1.1 200 Yes\r\n\r\n")
    relay(client, server)
  else
    local host, path = target:match("^http://([^/]+)(.*)$")
    local server <close> = net.connect(host)
    server:write(("%s %s HTTP/1.1\r\nhost: %s\r\nconnection: close\r\n\r\n")
      :format(method, path, host))
    relay(client, server)
  end
end

-- RFC 1928, without authentication.
local function serve_socks(client, log)
  local _, count = client:read(2):byte(1, 2)
  client:read(count)
  client:write("\5\0")
  local kind = client:read(4):byte(4)
  local host
  if kind == 1 then -- an IPv4 address
    host = ("%d.%d.%d.%d"):format(client:read(4):byte(1, 4))
  else
    host = client:read(client:read(1):byte())
  end
  local port = (">I2"):unpack(client:read(2))
  log[#log + 1] = ("SOCKS %s:%d"):format(host, port)
  local server <close> = net.connect(("%s:%d"):format(host, port))
  client:write("\5\0\0\1\0\0\0\0\0\0")
  relay(client, server)
end

--- Calls `f` with the address of a proxy, "127.0.0.1:PORT", and the list of what
--- it is asked for.
---@param kind "http"|"socks"
---@param f fun(address: string, log: string[])
---@param auth? string what Proxy-Authorization has to be
function M.with(kind, f, auth)
  local log = {}
  local listener <close> = net.listen("127.0.0.1:0")
  local server = neap.spawn(listener.serve, listener, function(client)
    if kind == "http" then serve_http(client, log, auth) else serve_socks(client, log) end
  end)
  f(listener.address, log)
  server:cancel()
  neap.try(server.await, server)
end

return M
