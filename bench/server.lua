--- The servers that requests of the bench go to, on the loopback interface: nginx,
--- and bench/events_server.lua.
-- SPDX-License-Identifier: MIT
local neap = require "neap"

local M = {}

local CONF = [[
%s
daemon off; master_process off; pid nginx.pid; error_log error.log;
worker_processes 1; worker_rlimit_nofile 16384;
events { worker_connections 8192; }
http {
  access_log off; default_type application/json; keepalive_requests 100000000;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  server {
    listen 127.0.0.1:%d backlog=8192;
    %s
    set $kilobyte "%s"; # a word of 4 KB is too long for nginx
    location /1k { return 200 "$kilobyte"; }
    location /4k { return 200 "$kilobyte$kilobyte$kilobyte$kilobyte"; }
    %s
  }
}
]]
local TLS = [[
    listen 127.0.0.1:%d ssl http2;
    ssl_certificate cert.pem; ssl_certificate_key key.pem;
]]
local CERTIFICATE = { "openssl", "req", "-nodes", "-newkey", "ec", "-pkeyopt",
  "ec_paramgen_curve:P-256", "-x509", "-days", "2", "-subj", "/CN=neap", "-addext",
  "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "cert.pem" }
local DELAYED = [[location /delayed { echo_sleep 0.05; echo "late"; }]]
local ECHO = "/usr/lib/nginx/modules/ngx_http_echo_module.so"

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

-- Starts nginx in a folder. Adds what there is then for words of commands, and for
-- those that there are not why.
local function start_nginx(folder, words, missing)
  local port, secure_port = free_port(), free_port()
  local has_tls = neap.try(neap.process.run,
    { "openssl", cwd = folder.path, check = true, table.unpack(CERTIFICATE, 2) }) ~= nil
  local has_echo = neap.fs.exists(ECHO)
  neap.fs.write(folder.path .. "/nginx.conf", CONF:format(
    has_echo and ("load_module %s;"):format(ECHO) or "", port,
    has_tls and TLS:format(secure_port) or "", ("x"):rep(1024), has_echo and DELAYED or ""))
  local path = (os.getenv("PATH") or "") .. ":/usr/sbin:/sbin"
  local address = "http://127.0.0.1:" .. port
  local ok, process = neap.try(neap.process.spawn,
    { "sh", "-c", "exec nginx -p . -c nginx.conf", cwd = folder.path, env = { PATH = path },
      stderr = "null" })
  if not ok or not answers(address) then
    missing.SERVER, missing.SECURE = "nginx cannot be started", "nginx cannot be started"
    return nil
  end
  words.SERVER = address
  if has_tls then
    words.SECURE, words.CA = "https://127.0.0.1:" .. secure_port, folder.path .. "/cert.pem"
  else
    missing.SECURE = "openssl cannot make a certificate"
  end
  if not has_echo then missing["SERVER/delayed"] = "nginx has no module for echo_sleep" end
  return process
end

-- Starts what serves events.
local function start_events(words, executable)
  local process = neap.process.spawn { executable, "bench/events_server.lua" }
  words.EVENTS = process.stdout:read()
  return process
end

--- Starts the servers, which end when the `<close>` variable goes that they are
--- kept in.
---@param executable string neap, for the server of events
---@return { words: table<string, string>, missing: table<string, string> } servers what
--- words of commands begin with, and what there is instead; those that cannot be had, and why
function M.start(executable)
  local folder = neap.fs.tempdir("neap-bench-")
  local words, missing = {}, {}
  local processes = { start_events(words, executable) }
  processes[#processes + 1] = start_nginx(folder, words, missing)
  return setmetatable({ words = words, missing = missing }, { __close = function()
    for _, process in ipairs(processes) do
      process:kill()
      process:wait()
    end
    folder:remove()
  end })
end

return M
