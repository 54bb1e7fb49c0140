--- The server that requests of the bench go to: nginx on the loopback interface.
-- SPDX-License-Identifier: MIT
local neap = require "neap"

local M = {}

local CONF = [[
daemon off; master_process off; pid nginx.pid; error_log error.log;
worker_processes 1;
events { worker_connections 4096; }
http {
  access_log off; default_type text/plain; keepalive_requests 100000000;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  server {
    listen 127.0.0.1:%d backlog=4096;
    location /1k { return 200 "%s"; }
  }
}
]]

-- A port on which nobody listens at the moment.
local function free_port()
  local listener <close> = neap.net.listen("127.0.0.1:0")
  return math.tointeger(tonumber(listener.address:match("%d+$")))
end

-- Whether the server answers; waits for it up to ten seconds.
local function answers(address)
  for _ = 1, 500 do
    if neap.try(neap.net.connect, address:match("//(.*)$")) then return true end
    neap.sleep(0.02)
  end
  return false
end

--- Starts nginx, which ends when the `<close>` variable goes that it is kept in.
---@return { address: string }|nil server
---@return string|nil why there is none
function M.start()
  local folder = neap.fs.tempdir("neap-bench-")
  local port = free_port()
  neap.fs.write(folder.path .. "/nginx.conf", CONF:format(port, ("x"):rep(1024)))
  local path = (os.getenv("PATH") or "") .. ":/usr/sbin:/sbin"
  local ok, process = neap.try(neap.process.spawn,
    { "sh", "-c", "exec nginx -p . -c nginx.conf", cwd = folder.path, env = { PATH = path },
      stderr = "null" })
  local address = "http://127.0.0.1:" .. port
  if not ok or not answers(address) then
    folder:remove()
    return nil, "nginx cannot be started"
  end
  return setmetatable({ address = address }, { __close = function()
    process:kill()
    process:wait()
    folder:remove()
  end })
end

return M
