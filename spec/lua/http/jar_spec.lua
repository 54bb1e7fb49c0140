-- Cookies that are kept between requests, against nginx.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local servers = require "spec.servers"
local neap = require "neap"
local http = require "neap.http"

local SERVER = [[
  location = /set { add_header Set-Cookie "tide=$arg_v; Path=/"; return 200 ok; }
  location = /more { add_header Set-Cookie "moon=full; Path=/show; HttpOnly; Max-Age=600";
    return 200 ok; }
  location = /drop { add_header Set-Cookie "tide=x; Path=/; Max-Age=0"; return 200 ok; }
  location = /login { add_header Set-Cookie "session=1; Path=/"; return 302 /show; }
  location = /foreign { add_header Set-Cookie "a=b; Domain=example.org"; return 200 ok; }
  location = /away { return 302 http://localhost:PLAIN/show; }
  location /show { return 200 "$http_cookie"; }
]]

describe("neap.http.jar", function()
  local nginx, url

  setup(function()
    nginx = servers.nginx(helper.tmpdir(), { server = SERVER })
    url = nginx.plain
  end)

  teardown(function() nginx.pipe:close() end)

  local function shown(jar, path)
    return http.get(url .. (path or "/show"), { cookies = jar }).body
  end

  it("keeps cookies for later requests", function()
    local jar = http.jar()
    assert.equal("", shown(jar))
    http.get(url .. "/set?v=high", { cookies = jar })
    assert.equal("tide=high", shown(jar))
    http.get(url .. "/set?v=low", { cookies = jar })
    assert.equal("tide=low", shown(jar))
    http.get(url .. "/drop", { cookies = jar })
    assert.equal("", shown(jar))
  end)

  it("keeps those of a redirect, in time for what it leads to", function()
    assert.equal("session=1", shown(http.jar(), "/login"))
  end)

  it("sends them only where they belong", function()
    local jar = http.jar()
    http.get(url .. "/set?v=high", { cookies = jar })
    assert.equal("", shown(jar, "/away"))
    http.get(url .. "/foreign", { cookies = jar })
    assert.equal(1, #jar:list())
  end)

  it("is apart from other jars and from requests without one", function()
    local a, b = http.jar(), http.jar()
    for _ = 1, 3 do
      http.get(url .. "/set?v=a", { cookies = a })
      http.get(url .. "/set?v=b", { cookies = b })
      http.get(url .. "/set?v=none")
      assert.equal("", http.get(url .. "/show").body)
      assert.equal("tide=a", shown(a))
      assert.equal("tide=b", shown(b))
    end
  end)

  it("may be used by many at once", function()
    local jar = http.jar()
    neap.map({ 1, 2, 3, 4, 5, 6, 7, 8 }, function()
      http.get(url .. "/set?v=high", { cookies = jar })
    end)
    assert.equal("tide=high", shown(jar))
  end)

  it("lists what it has", function()
    local jar = http.jar()
    http.get(url .. "/set?v=high", { cookies = jar })
    http.get(url .. "/more", { cookies = jar })
    local list = jar:list()
    table.sort(list, function(x, y) return x.name < y.name end)
    local moon, tide = list[1], list[2]
    assert.is_true(moon.expires > os.time())
    moon.expires = nil
    assert.same({ name = "moon", value = "full", domain = "127.0.0.1", path = "/show",
      subdomains = false, secure = false, http_only = true }, moon)
    assert.same({ name = "tide", value = "high", domain = "127.0.0.1", path = "/",
      subdomains = false, secure = false, http_only = false }, tide)
    assert.equal("neap.http.Jar: 2 cookies", tostring(jar))
  end)

  it("is emptied", function()
    local jar = http.jar()
    http.get(url .. "/set?v=high", { cookies = jar })
    jar:clear()
    assert.same({}, jar:list())
    assert.equal("", shown(jar))
  end)

  it("is saved as text and made from it", function()
    local jar = http.jar()
    http.get(url .. "/set?v=high", { cookies = jar })
    http.get(url .. "/more", { cookies = jar })
    local copy = http.jar("# Netscape HTTP Cookie File\n\n" .. jar:save():gsub("\n", "\r\n"))
    assert.equal(jar:save(), copy:save())
    assert.equal(shown(jar), shown(copy))
    assert.equal("", http.jar():save())
  end)

  it("outlives nobody who still uses it", function()
    local task = neap.spawn(function()
      http.get(url .. "/set?v=high", { cookies = http.jar() })
    end)
    neap.sleep(0)
    collectgarbage()
    collectgarbage()
    task:await()
  end)

  describe("with a server that sets what it likes", function()
    local address, server, lines, requests

    before_each(function()
      requests = {}
      address, server = servers.script(function(request, connection)
        requests[#requests + 1] = request
        local head = { "HTTP/1.1 200 OK", "Content-Length: 0" }
        for _, line in ipairs(lines) do head[#head + 1] = "Set-Cookie: " .. line end
        connection:write(table.concat(head, "\r\n"), "\r\n\r\n")
      end)
    end)

    after_each(function()
      server:cancel()
      pcall(server.await, server)
    end)

    local function set(jar, ...)
      lines = { ... }
      http.get(address, { cookies = jar })
    end

    -- The Cookie header of a request with this jar.
    local function sent(jar, headers)
      lines = {}
      http.get(address, { cookies = jar, headers = headers })
      return requests[#requests].headers.cookie
    end

    it("ignores cookies without a name, whatever comes behind them", function()
      for _, line in ipairs { "bare", "bare; Path=/", "=noname", "=noname; Path=/", "; Path=/",
        "=", "", ";", " = ; HttpOnly", "\t=x; Path=/; tide=low", "=x; tide=low",
        "; tide=low; Path=/", " ;Max-Age=3;Path=/a" } do
        local jar = http.jar()
        set(jar, line)
        assert.same({}, jar:list(), line)
        assert.is_nil(sent(jar), line)
      end
    end)

    it("takes trailers for what they are", function()
      local other, task = servers.script(function(_, connection)
        connection:write("HTTP/1.1 200 OK\r\nSet-Cookie: tide=high\r\nTransfer-Encoding: chunked",
          "\r\n\r\n0\r\nSet-Cookie: moon=full\r\nSet-Cookie: =x; Path=/\r\n\r\n")
      end)
      local jar = http.jar()
      http.get(other, { cookies = jar })
      assert.equal(1, #jar:list())
      assert.equal("tide", jar:list()[1].name)
      task:cancel()
      pcall(task.await, task)
    end)

    it("keeps those that a nameless one would have taken the place of", function()
      local jar = http.jar()
      set(jar, "=x; tide=none", "tide=high; Path=/", "=x; tide=low; Path=/", "moon=full; Path=/",
        "; tide=low; Path=/; Max-Age=0", "Path=/; Path=/", "=x; Path=/")
      local list = {}
      for _, cookie in ipairs(jar:list()) do list[cookie.name] = cookie.value end
      assert.same({ tide = "high", moon = "full", Path = "/" }, list)
      set(jar, "tide=low; Path=/")
      assert.equal(3, #jar:list())
    end)

    it("sends one header, with what the request has of its own", function()
      local jar = http.jar()
      set(jar, "home=1; Path=/")
      for _, name in ipairs { "Cookie", "cookie", "COOKIE" } do
        local headers = { [name] = " mine=2" }
        assert.equal("home=1; mine=2", sent(jar, headers))
        assert.equal("mine=2", sent(nil, headers))
      end
      assert.equal("home=1; a=1; b=2", sent(jar, { Cookie = "a=1", cookie = "b=2" }))
      assert.equal("a=1; b=2", sent(nil, { Cookie = "a=1", cookie = "b=2" }))
      assert.equal("home=1", sent(jar, { Cookie = "" }))
      assert.equal("mine=2", sent(http.jar(), { Cookie = "mine=2" }))
      assert.equal("home=1", sent(jar)) -- its own do not stay
      assert.is_nil(sent())
    end)

    it("lists no cookie that has expired", function()
      local jar = http.jar()
      set(jar, "tide=high; Max-Age=1", "moon=full")
      assert.equal(2, #jar:list())
      local deadline = neap.now() + 10
      repeat neap.sleep(0.1) until #jar:list() == 1 or neap.now() > deadline
      assert.equal("moon", jar:list()[1].name)
      assert.equal(jar:save(), http.jar(jar:save()):save())
    end)

    it("is not made of lines without a name", function()
      local jar = http.jar("127.0.0.1\tFALSE\t/\tFALSE\t0\t\tvalue\n"
        .. "127.0.0.1\tFALSE\t/\tFALSE\t0\ttide\thigh\n127.0.0.1\tFALSE\t/\tFALSE\t0\tmoon\t\n")
      local list = {}
      for _, cookie in ipairs(jar:list()) do list[cookie.name] = cookie.value end
      assert.same({ tide = "high", moon = "" }, list)
    end)
  end)

  it("leaves a cookie of the request's own to the origin it is for", function()
    local own = { headers = { Cookie = "mine=2" } }
    assert.equal("mine=2", http.get(url .. "/show", own).body)
    assert.equal("", http.get(url .. "/away", own).body)
    assert.equal("session=1; mine=2", http.get(url .. "/login",
      { headers = own.headers, cookies = http.jar() }).body)
  end)

  it("refuses a text that is none, without quoting it", function()
    for _, text in ipairs { "ALL", "hush", "Set-Cookie: hush=1", "a\0b", "FLUSH" } do
      local ok, err = pcall(http.jar, text)
      assert.is_false(ok)
      assert.matches("bad argument #1 to 'jar' %(a line of it is no cookie%)$", err)
    end
    assert.has_error(function() local r = http.jar(1) return r end)
    assert.has_error(function() local r = http.get(url, { cookies = {} }) return r end)
  end)
end)
