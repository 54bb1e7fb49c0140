-- Very many requests at once, and too few files for them.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local servers = require "spec.servers"
local neap = require "neap"
local http = require "neap.http"
local net = require "neap.net"

describe("requests at once", function()
  local nginx, opts

  setup(function()
    local folder = helper.tmpdir()
    servers.certificates(folder)
    nginx = servers.nginx(folder, {
      secure = true,
      connections = 2048,
      http = "keepalive_requests 100000; http2_max_concurrent_streams 128;",
      server = [[
        location = /connection { return 200 $connection; }
        location = /slow { limit_rate 20k; alias slow.txt; }
      ]],
    })
    helper.write(folder .. "/slow.txt", ("x"):rep(4096))
    opts = { ca_file = folder .. "/ca.pem" }
  end)

  teardown(function() nginx.pipe:close() end)

  -- How many connections `count` requests at once have used.
  local function connections(url, count)
    local list, used, seen = {}, 0, {}
    for i = 1, count do list[i] = i end
    for _, number in ipairs(neap.map(list, function() return http.get(url, opts).body end)) do
      if not seen[number] then used = used + 1 end
      seen[number] = true
    end
    return used
  end

  it("share one connection where there is HTTP/2", function()
    assert.equal(1, connections(nginx.secure .. "/connection", 100))
  end)

  it("have one each with HTTP/1.1, which is used again", function()
    local url = nginx.plain .. "/connection"
    assert.is_true(connections(url, 20) <= 20)
    local first = http.get(url).body
    for _ = 1, 5 do assert.equal(first, http.get(url).body) end
  end)

  it("may be ten thousand", function()
    local url, good = nginx.plain .. "/connection", 0
    local list = {}
    for i = 1, 10000 do list[i] = i end
    neap.map(list, function()
      if http.get(url).status == 200 then good = good + 1 end
    end)
    assert.equal(10000, good)
  end)

  -- Runs a script whose process may open 64 files.
  local function with_few_files(script, ...)
    local file = helper.write(helper.tmpdir() .. "/few.lua", script)
    local result = helper.run({ "sh", "-c", 'ulimit -n 64; exec "$@"', "sh",
      helper.neap, file, ... }, { timeout = 30 })
    assert.equal("", result.stderr)
    return result.stdout
  end

  it("wait their turn where few files may be open", function()
    assert.equal("500\n", with_few_files([[
      local neap = require "neap"
      local list, good = {}, 0
      for i = 1, 500 do list[i] = i end
      neap.map(list, function()
        if #neap.http.get(arg[1]).body == 4096 then good = good + 1 end
      end)
      print(good)]], nginx.plain .. "/slow"))
  end)

  it("fail so that they can be tried again when no file is left", function()
    local said = with_few_files([[
        local neap = require "neap"
        neap.http.get(arg[1]) -- all is loaded
        local held = {}
        repeat
          local file = io.open("/dev/null")
          held[#held + 1] = file
        until not file
        local _, err = pcall(neap.http.get, (arg[1]:gsub("127.0.0.1", "127.0.0.2")))
        print(err.code .. " " .. tostring(err.retryable))
        print(err.message:match("[^/]: (.+)$"))
        _, err = pcall(neap.fs.read, "/dev/null")
        print(err.code, err.errno, err.retryable ~= false)
        print(err.message)
        for _, file in ipairs(held) do file:close() end
        print(neap.http.get(arg[1]).status)]], nginx.plain .. "/connection")
    assert.equal("http true\ntoo many open files: the limit is 64 (ulimit -n)\n"
      .. "fs\tEMFILE\ttrue\nfs.read /dev/null: too many open files: the limit is 64 (ulimit -n)\n"
      .. "200\n", said)
  end)

  it("keep their time limit while they wait their turn", function()
    local listener <close> = net.listen("127.0.0.1:0")
    assert.equal("timeout\n", with_few_files([[
      local neap = require "neap"
      for _ = 1, 32 do
        neap.spawn(pcall, neap.http.get, arg[1])
      end
      neap.sleep(0.05)
      local _, err = pcall(neap.http.get, arg[1], { timeout = 0.05 })
      print(err.code)]], "http://" .. listener.address))
  end)
end)
