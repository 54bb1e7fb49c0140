-- On which connection a request goes out: a new one, one that was kept, or one to a
-- local socket.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local neap = require "neap"
local http = require "neap.http"
local net = require "neap.net"
local failure = helper.failure

-- Calls `f` while each request to this address is answered with the number of its
-- connection and its first line.
local function with_server(address, f)
  local listener, count = net.listen(address), 0
  local server = neap.spawn(listener.serve, listener, function(connection)
    count = count + 1
    local number, first = count, nil
    for line in connection:lines() do
      first = first or line:match("^%u+ %S+")
      if line == "\r" then
        local body = first:find("^HEAD") and "" or number .. " " .. first
        connection:write("HTTP/1.1 200 OK\r\nContent-Length: " .. #body .. "\r\n\r\n" .. body)
        first = nil
      end
    end
  end)
  f("http://" .. listener.address)
  server:cancel()
  pcall(server.await, server)
  listener:close()
end

describe("a request", function()
  it("goes out on a connection that was kept", function()
    with_server("127.0.0.1:0", function(url)
      assert.equal("1 GET /", http.get(url).body)
      assert.equal("1 GET /", http.get(url).body)
    end)
  end)

  it("goes out on a fresh connection where asked to, which is kept in turn", function()
    with_server("127.0.0.1:0", function(url)
      local opts = { fresh_connection = true }
      assert.equal("1 GET /", http.get(url, opts).body)
      assert.equal("2 POST /", http.post(url, opts).body)
      assert.not_equal("3 GET /", http.get(url).body)
    end)
  end)

  it("goes out on no connection that has been idle for longer than it likes", function()
    with_server("127.0.0.1:0", function(url)
      assert.equal("1 GET /", http.get(url).body)
      neap.sleep(1)
      assert.equal("1 GET /", http.get(url, { max_idle = 60 }).body)
      assert.equal("1 GET /", http.get(url, { max_idle = math.huge }).body)
      neap.sleep(1)
      assert.equal("2 GET /", http.get(url, { max_idle = 1 }).body)
      assert.equal("3 GET /", http.get(url, { max_idle = 0.5 }).body)
    end)
  end)

  describe("over a local socket", function()
    local path = helper.tmpdir() .. "/socket"
    local opts = { unix_socket = path }

    it("has any host, and a connection that is kept", function()
      with_server(path, function()
        assert.equal("1 GET /info", http.get("http://daemon/info", opts).body)
        assert.equal("1 GET /info", http.get("http://daemon/info", opts).body)
      end)
    end)

    it("has nothing to do with others to that host", function()
      with_server("127.0.0.1:0", function(url)
        with_server(path, function()
          assert.equal("1 GET /here", http.get(url .. "/here", opts).body)
          assert.equal("1 GET /there", http.get(url .. "/there").body)
          assert.equal("1 GET /here", http.get(url .. "/here", opts).body)
        end)
      end)
    end)

    it("goes through no proxy of the environment", function()
      with_server(path, function()
        local script = ("print(require('neap').http.get('http://daemon/', %s).body)")
          :format(("{ unix_socket = %q }"):format(path))
        local result = neap.process.run({ helper.neap, "-e", script },
          { env = { http_proxy = "http://127.0.0.1:1", all_proxy = "socks5://127.0.0.1:1" } })
        assert.equal("1 GET /\n", result.stdout)
      end)
    end)

    it("says why it cannot connect, and may be tried again", function()
      local err = failure(http.get, "http://daemon/", { unix_socket = path .. "-gone" })
      assert.equal("http", err.code)
      assert.is_true(err.retryable)
      assert.equal("http.get http://daemon/: unix_socket: no such file or directory", err.message)
    end)

    it("does not call it a time limit when the server accepts nobody", function()
      local busy = path .. "-busy"
      local listener <close> = neap.net.listen(busy, { backlog = 1 })
      local first <close> = neap.net.connect(busy)
      local second <close> = neap.net.connect(busy)
      local err = failure(http.get, "http://daemon/", { unix_socket = busy })
      assert.equal("http", err.code)
      assert.is_true(err.retryable)
      assert.matches("http.get http://daemon/: unix_socket: ", err.message, 1, true)
      assert.is_nil(err.message:find "timeout of")
      assert.is_truthy(listener and first and second)
    end)

    for what, case in pairs {
      ["an empty path"] = { { unix_socket = "" }, "the path of unix_socket is empty" },
      ["a path that is too long"] = { { unix_socket = ("x"):rep(108) },
        "the path of unix_socket is longer than the 107 bytes that the system takes" },
      ["a proxy as well"] = { { unix_socket = path, proxy = "http://127.0.0.1:1" },
        "unix_socket and proxy exclude each other" },
    } do
      it("is refused with " .. what, function()
        local err = failure(http.get, "http://daemon/", case[1])
        assert.equal("http.get: " .. case[2], err.message)
        assert.is_false(err.retryable)
      end)
    end
  end)
end)

describe("the method", function()
  for method, name in pairs {
    GET = "get", HEAD = "head", POST = "post", PUT = "put", PATCH = "patch", DELETE = "delete",
  } do
    it(method .. " has a function", function()
      with_server("127.0.0.1:0", function(url)
        local expected = method == "HEAD" and "" or "1 " .. method .. " /"
        assert.equal(expected, http[name](url).body)
      end)
      assert.matches("^bad argument #1 to '" .. name .. "' %(string expected, got nil%)",
        (failure(http[name]):gsub("^.-: ", "")))
      assert.matches("^http%." .. name .. " http://127.0.0.1:1/: connection refused$",
        failure(http[name], "http://127.0.0.1:1/").message)
    end)
  end

  for _, name in ipairs { "get", "head" } do
    it(name .. " takes no body", function()
      assert.matches("http%." .. name .. ": unknown option 'body'",
        failure(http[name], "http://127.0.0.1:1/", { body = "x" }))
    end)
  end
end)
