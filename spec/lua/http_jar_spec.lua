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
