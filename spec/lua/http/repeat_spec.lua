-- A connection that has been kept may be dead, or die with the request that goes out on
-- it. Who asked is not told, and the server may have acted: so a request is sent again
-- by itself when that does no harm, and else never.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local servers = require "spec.servers"
local neap = require "neap"
local http = require "neap.http"

local OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

describe("on a connection that was kept and dies with it", function()
  local url, server
  local seen   -- the lines of the requests to /die
  local deaths -- how many more of them close their connection

  before_each(function()
    seen, deaths = {}, math.huge
    url, server = servers.script(function(request, connection)
      local dies = request.line:find(" /die ", 1, true) and deaths > 0
      local size = tonumber(request.headers["content-length"] or 0)
      if request.line:find(" /die ", 1, true) then
        seen[#seen + 1] = request.line
        deaths = deaths - 1
      end
      -- What is large is not read before the end, so that it breaks off.
      if size > 0 and not (dies and size > 1024 * 1024) then connection:read(size) end
      if dies then return false end
      neap.sleep(0.01) -- so that those at once need a connection each
      connection:write(OK)
    end)
  end)

  after_each(function()
    server:cancel()
    pcall(server.await, server)
  end)

  local function keep(count)
    neap.map({ n = count }, function() http.get(url .. "/ok") end)
  end

  local function pieces()
    local given = false
    return function()
      if given then return nil end
      given = true
      return "pay 10"
    end
  end

  local file = helper.tmpdir() .. "/body"
  helper.write(file, "pay 10")
  local large = file .. ".large"
  helper.write(large, ("10 "):rep(1024 * 1024))

  for what, make in pairs {
    ["a text"] = function() return { body = "pay 10" } end,
    ["a large text"] = function() return { body = ("pay 10 "):rep(1024 * 1024) } end,
    ["a value"] = function() return { json = { pay = 10 } } end,
    ["a file"] = function() return { file = file } end,
    ["pieces"] = function() return { body = pieces() } end,
    ["nothing, for a stream"] = function() return { stream = true } end,
    ["a PATCH"] = function() return { method = "PATCH", body = "pay 10" } end,
    ["a GET that is not idempotent"] = function() return { method = "GET", idempotent = false } end,
  } do
    it("what posts is sent once: " .. what, function()
      for _, kept in ipairs { 0, 1, 7 } do
        keep(kept)
        seen = {}
        local opts = make()
        opts.url, opts.method = url .. "/die", opts.method or "POST"
        local ok, err = pcall(http.request, opts)
        assert.is_false(ok)
        assert.equal("http", err.code)
        assert.is_true(err.retryable)
        assert.equal(1, #seen)
      end
    end)
  end

  for what, opts in pairs {
    ["a GET"] = { method = "GET" },
    ["a GET with an idle timeout"] = { method = "GET", idle_timeout = 30 },
    ["a stream"] = { method = "GET", stream = true },
    ["a HEAD"] = { method = "HEAD" },
    ["a DELETE"] = { method = "DELETE" },
    ["a PUT"] = { method = "PUT", body = "10" },
    ["a large PUT"] = { method = "PUT", body = ("10 "):rep(1024 * 1024) },
    ["a POST that is idempotent"] = { method = "POST", body = "10", idempotent = true },
    ["a PUT of a file"] = { method = "PUT", file = file },
    ["a PUT of a large file"] = { method = "PUT", file = large },
  } do
    it("what does no harm is sent again, every time: " .. what, function()
      opts.url = url .. "/die"
      for _, kept in ipairs { 1, 7, 1, 1, 1, 1, 1, 1 } do
        keep(kept)
        seen, deaths = {}, 1
        local response = http.request(opts)
        assert.equal(200, response.status)
        assert.equal(opts.method == "HEAD" and "" or "ok", response:read("a") or "")
        assert.equal(2, #seen)
      end
    end)
  end

  it("what does no harm is sent again once, since the next connection is new", function()
    keep(7)
    local ok, err = pcall(http.get, url .. "/die")
    assert.is_false(ok)
    assert.matches("without an answer$", err.message)
    assert.is_true(err.retryable)
    assert.equal(2, #seen)
  end)

  it("a body that has begun to go is not sent again, even if that would do no harm", function()
    keep(1)
    local ok, err = pcall(http.request, { url = url .. "/die", method = "PUT", body = pieces() })
    assert.is_false(ok)
    assert.is_true(err.retryable)
    assert.equal(1, #seen)
  end)

  it("the time limit is that of the request, however often it is sent", function()
    keep(1)
    deaths = 1
    local start = neap.now()
    assert.is_true(pcall(http.get, url .. "/die", { timeout = 5 }))
    assert.is_true(neap.now() - start < 5)
    assert.equal(2, #seen)
  end)
end)

describe("sending a POST again", function()
  local function with_server(answer, f)
    local url, server = servers.script(answer)
    f(url)
    server:cancel()
    pcall(server.await, server)
  end

  it("because of a redirect is no repeat", function()
    local bodies = {}
    with_server(function(request, connection)
      bodies[#bodies + 1] = connection:read(tonumber(request.headers["content-length"]))
      connection:write(request.line:find("/there", 1, true) and OK or "HTTP/1.1 307 Over\r\n"
        .. "Location: /there\r\nContent-Length: 0\r\n\r\n")
    end, function(url)
      for _ = 1, 3 do
        bodies = {}
        assert.equal("ok", http.post(url, { body = "pay 10" }).body)
        assert.same({ "pay 10", "pay 10" }, bodies)
      end
    end)
  end)

  describe("without an expectation that was not met", function()
    local expected, bodies

    local function refuse(again)
      expected, bodies = {}, {}
      return function(request, connection)
        expected[#expected + 1] = request.headers.expect or "nothing"
        if request.headers.expect or again then
          connection:write("HTTP/1.1 417 No\r\nContent-Length: 2\r\n\r\nno")
        elseif request.headers["content-length"] then
          bodies[#bodies + 1] = connection:read(6)
          connection:write(OK)
        else
          bodies[#bodies + 1] = connection:read(16)
          connection:write(OK)
        end
      end
    end

    local function opts(body)
      return { body = body, headers = { Expect = "100-continue" } }
    end

    it("is none either", function()
      with_server(refuse(false), function(url)
        assert.equal("ok", http.post(url, opts("pay 10")).body)
        assert.same({ "100-continue", "nothing" }, expected)
        assert.same({ "pay 10" }, bodies)
      end)
    end)

    it("sends pieces from the first on", function()
      with_server(refuse(false), function(url)
        local given = false
        local response = http.post(url, opts(function()
          if given then return nil end
          given = true
          return "pay 10"
        end))
        assert.equal("ok", response.body)
        assert.same({ "100-continue", "nothing" }, expected)
        assert.same({ "6\r\npay 10\r\n0\r\n\r\n" }, bodies)
      end)
    end)

    it("ends when the server refuses that, too", function()
      with_server(refuse(true), function(url)
        local response = http.post(url, opts("pay 10"))
        assert.same({ 417, "no" }, { response.status, response.body })
        assert.same({ "100-continue", "nothing" }, expected)
      end)
    end)

    it("comes before the head of a stream", function()
      for _, again in ipairs { false, true } do
        with_server(refuse(again), function(url)
          local o = opts("pay 10")
          o.stream = true
          local response <close> = http.post(url, o)
          assert.same(again and { 417, "no" } or { 200, "ok" },
            { response.status, response:read("a") })
          assert.same({ "100-continue", "nothing" }, expected)
        end)
      end
    end)

    -- libcurl waits for the server for a second.
    for what, answer in pairs {
      ["with a length"] = "HTTP/1.1 417 No\r\nX-Tide: low\r\nContent-Length: 2\r\n\r\nno",
      ["in chunks"] = "HTTP/1.1 417 No\r\nX-Tide: low\r\nTransfer-Encoding: chunked\r\n\r\n"
        .. "1\r\nn\r\n1\r\no\r\n0\r\n\r\n",
      ["and closes"] = "HTTP/1.1 417 No\r\nX-Tide: low\r\nConnection: close\r\n\r\nno",
    } do
      it("comes too late once pieces have gone: the server answers " .. what, function()
        local count = 0
        with_server(function(_, connection)
          count = count + 1
          connection:read() -- the size of the first
          connection:write(answer)
          return false
        end, function(url)
          neap.map({ false, true, false, true, false, true }, function(stream)
            local o = opts(function() return "pay 10" end)
            o.stream, o.timeout = stream, 20
            local response <close> = http.post(url, o)
            assert.same({ 417, "low", "no" },
              { response.status, response.headers["x-tide"], response:read("a") })
          end)
          assert.equal(6, count)
        end)
      end)
    end
  end)
end)
