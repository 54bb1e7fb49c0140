--- http_wrk.lua KIND URL COUNT CONCURRENCY: wrk, which counts requests for a second
--- rather than seconds for requests; what it prints is for COUNT.
-- SPDX-License-Identifier: MIT
local neap = require "neap"

local kind, url, count, concurrency = ...

local script = neap.fs.tempfile("neap-bench-")
if kind == "post" then
  script:write('wrk.method, wrk.body = "POST", ("x"):rep(2048)\n')
end

-- The processor seconds of all that was run and waited for.
local function spent()
  local stat = neap.fs.read("/proc/self/stat")
  local user, system = stat:match("^.*%)" .. (" %S+"):rep(13) .. " (%d+) (%d+)")
  return (tonumber(user) + tonumber(system)) / 100
end

local before = spent()
local output = neap.process.run({ "wrk", "-t1", "-d1s", "-c" .. concurrency, "-s", script.path, url,
  check = true }).stdout
local share = tonumber(count) / tonumber(output:match("(%d+) requests in"))
local wall = tonumber(output:match("requests in ([%d.]+)s"))
print(("wall %.6f cpu %.6f memory 0 wrk"):format(wall * share, (spent() - before) * share))
