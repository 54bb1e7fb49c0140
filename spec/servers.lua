-- Servers that specs talk to: nginx, and one that misbehaves on purpose. Each
-- ends when its pipe is closed, or with us.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"

local M = {}

local DEADLINE = 500 -- looks of 20 ms

local function look_again()
  os.execute("sleep 0.02")
end

-- Returns the first line of a file once there is a whole one.
local function wait_for_line(path)
  for _ = 1, DEADLINE do
    local file = io.open(path)
    local text = file and file:read("a") or ""
    if file then file:close() end
    if text:find("\n") then return text:match("^[^\n]*") end
    look_again()
  end
  error("nothing in " .. path)
end

--- Starts the server of spec/engine/server.h.
---@return string address  "http://127.0.0.1:PORT"
---@return file* pipe
function M.fault()
  local file = helper.tmpdir() .. "/port"
  local program = helper.build .. "/spec/fault_server"
  local pipe = io.popen(("exec %s %s"):format(helper.quote(program), file), "w")
  return "http://127.0.0.1:" .. wait_for_line(file), pipe
end

--- Starts a script of Node that is below spec/, and that writes its address to the
--- file which it gets as its first argument after the folder of packages.
---@param script string
---@param ... string the further arguments
---@return string address
---@return file* pipe
function M.node(script, ...)
  local file, words = helper.tmpdir() .. "/address", {}
  for i, word in ipairs(require("spec.npm").script(script, file, ...)) do
    words[i] = helper.quote(word)
  end
  local pipe = io.popen("exec " .. table.concat(words, " "), "w")
  return wait_for_line(file), pipe
end

--- Returns a port of 127.0.0.1 on which nobody listens at the moment.
---@return integer
function M.free_port()
  local port
  repeat
    port = math.random(20000, 32000)
  until not helper.read("/proc/net/tcp"):find((":%04X 00000000:0000 0A"):format(port))
  return port
end

--- Makes a certificate authority, ca.pem and ca.key, in a folder, and
--- certificates that it has signed: cert.pem and key.pem for 127.0.0.1.
---@param folder string
function M.certificates(folder)
  local script = [[
    cd %s
    new="openssl req -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256"
    $new -x509 -days 2 -subj /CN=tide -keyout ca.key -out ca.pem
    $new -subj /CN=gauge -addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out csr.pem
    openssl x509 -req -days 2 -in csr.pem -CA ca.pem -CAkey ca.key -CAcreateserial \
      -copy_extensions copy -out cert.pem]]
  local command = "set -e; " .. script:format(helper.quote(folder))
  assert(os.execute("{ " .. command .. "\n} >/dev/null 2>&1"), "openssl failed")
end

---@class servers.request
---@field line string       "GET /path HTTP/1.1"
---@field headers table<string, string> by names in lower case

-- Reads the head of a request; nil at the end of the connection.
local function read_head(connection)
  local line = connection:read()
  if not line or line == "" then return nil end
  local headers = {}
  for field in connection:lines() do
    local name, value = field:match("^([^:]+):%s*(.-)%s*$")
    if not name then break end
    headers[name:lower()] = value
  end
  return { line = line:match("^[^\r]*"), headers = headers }
end

--- Serves HTTP/1.1 from a task of the caller's: `answer(request, connection)` is
--- called for each request, reads its body if it has one and writes the answer,
--- head and all, or returns false to have the connection closed. Ends when the task
--- that it returns is cancelled.
---@param answer fun(request: servers.request, connection: neap.Stream): false|nil
---@return string address
---@return neap.Task
function M.script(answer)
  local neap = require "neap"
  local listener = neap.net.listen("127.0.0.1:0")
  return "http://" .. listener.address, neap.spawn(function()
    local _ <close> = listener
    listener:serve(function(connection)
      for request in read_head, connection do
        if answer(request, connection) == false then return end
      end
    end)
  end)
end

local NGINX = [[
daemon off; master_process off; pid nginx.pid; error_log error.log;
events { worker_connections %d; }
http {
  access_log off; default_type text/plain;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  %s
  server {
    listen 127.0.0.1:PLAIN;
    %s
  }
}
]]

local SECURE = [[
listen 127.0.0.1:SECURE ssl http2;
ssl_certificate cert.pem; ssl_certificate_key key.pem;]]

---@class servers.nginx_opts
---@field http? string         directives of the http block
---@field server string        directives of the server block
---@field secure? boolean      listen with TLS too; the folder has certificates
---@field connections? integer default: 512

---@class servers.nginx
---@field plain string         "http://127.0.0.1:PORT"
---@field secure string|nil    "https://127.0.0.1:PORT"
---@field folder string        where relative paths of the directives begin
---@field pipe file*

--- Starts nginx on ports that are free. PLAIN and SECURE in the directives
--- stand for these.
---@param folder string
---@param opts servers.nginx_opts
---@return servers.nginx
function M.nginx(folder, opts)
  local server = (opts.secure and SECURE or "") .. "\n" .. opts.server
  local conf = NGINX:format(opts.connections or 512, opts.http or "", server)
  for _ = 1, 20 do
    local ports = { PLAIN = M.free_port(), SECURE = M.free_port() }
    helper.write(folder .. "/error.log", "")
    helper.write(folder .. "/nginx.conf", (conf:gsub("%u+", ports)))
    local pipe = io.popen(("PATH=$PATH:/usr/sbin; cd %s; nginx -p . -c nginx.conf 2>/dev/null &"
      .. " cat >/dev/null; kill $! 2>/dev/null; wait"):format(helper.quote(folder)), "w")
    for _ = 1, DEADLINE do
      local file = io.open(folder .. "/nginx.pid")
      if file then
        file:close()
        return {
          plain = "http://127.0.0.1:" .. ports.PLAIN,
          secure = opts.secure and "https://127.0.0.1:" .. ports.SECURE or nil,
          folder = folder,
          pipe = pipe,
        }
      elseif helper.read(folder .. "/error.log"):find("%[emerg%]") then
        break
      end
      look_again()
    end
    pipe:close()
  end
  error("nginx does not start: " .. helper.read(folder .. "/error.log"))
end

return M
