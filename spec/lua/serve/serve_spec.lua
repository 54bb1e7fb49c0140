-- A server of HTTP: what handlers get, what clients get, and how it ends.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local neap = require "neap"
local serve = require "neap.serve"
local serving = require "spec.serving"
local with, say = serving.with, serving.say

local CLOSE = "Host: localhost\r\nConnection: close\r\n"

local function get(url)
  return neap.http.get(url, { check = false })
end

describe("a handler", function()
  after_each(helper.after_each)

  it("gets the method, the path, the query, the headers and who asks", function()
    local seen
    with({ ["PUT /tides/:port/*rest"] = function(request) seen = request end }, nil,
      function(_, url)
        neap.http.put(url .. "/tides/Saint%20Malo/2026/11?unit=m&when=high+tide&a=%26",
          { body = "x", headers = { ["X-Tide"] = "ebb" } })
        assert.same({ "PUT", "/tides/Saint Malo/2026/11", "unit=m&when=high+tide&a=%26" },
          { seen.method, seen.path, seen.query_string })
        assert.same({ port = "Saint Malo", rest = "2026/11" }, seen.params)
        assert.same({ unit = "m", when = "high tide", a = "&" }, seen.query)
        assert.equal("ebb", seen.headers["x-tide"])
        assert.matches("^127%.0%.0%.1:%d+$", seen.peer)
        assert.is_nil(seen.nothing)
      end)
  end)

  it("answers with a status, a body and headers, each of which may be left out", function()
    local answers = {
      nothing = {}, text = { "ebb" }, json = { { height = 1 } }, list = { neap.json.array {} },
      status = { 202 }, yes = { true }, null = { 200, neap.json.null },
      all = { 201, "<p>", { ["Content-Type"] = "text/html", ["Set-Cookie"] = { "a=1", "b=2" } } },
    }
    with({ ["GET /:name"] = function(request)
      return table.unpack(answers[request.params.name])
    end }, nil, function(server, url)
      local function see(name)
        local answer = get(url .. "/" .. name)
        return { answer.status, answer.headers["content-type"] or "-", answer.body }
      end
      assert.same({ 204, "-", "" }, see "nothing")
      assert.same({ 202, "-", "" }, see "status")
      assert.same({ 200, "text/plain; charset=utf-8", "ebb" }, see "text")
      assert.same({ 200, "application/json", '{"height":1}' }, see "json")
      assert.same({ 200, "application/json", "[]" }, see "list")
      assert.same({ 200, "application/json", "true" }, see "yes")
      assert.same({ 200, "application/json", "null" }, see "null")
      assert.same({ 201, "text/html", "<p>" }, see "all")
      local text = say(server, "GET /all HTTP/1.1\r\n" .. CLOSE .. "\r\n")
      assert.matches("\r\nSet%-Cookie: a=1\r\nSet%-Cookie: b=2\r\n", text)
      assert.matches("\r\nDate: %u%l%l, %d%d %u%l%l %d%d%d%d %d%d:%d%d:%d%d GMT\r\n", text)
    end)
  end)

  it("reads the body as it likes", function()
    with({
      ["POST /json"] = function(request) return { got = request:json() } end,
      ["POST /body"] = function(request) return request:body() end,
      ["POST /lines"] = function(request)
        return table.concat(helper.collect(request:lines()), "|")
      end,
      ["POST /echo"] = function(request) return request:chunks() end,
    }, nil, function(server, url)
      assert.equal('{"got":[1,2]}', neap.http.post(url .. "/json", { json = { 1, 2 } }).body)
      assert.equal("a|b|c", neap.http.post(url .. "/lines", { body = "a\nb\nc" }).body)
      assert.equal("", neap.http.post(url .. "/body", { body = "" }).body)
      local large = ("tide"):rep(100000)
      assert.equal(large, neap.http.post(url .. "/body", { body = large }).body)
      assert.equal(large, neap.http.post(url .. "/echo", { body = large }).body)
      local bad = neap.http.post(url .. "/json", { body = "{", check = false })
      assert.equal(400, bad.status)
      assert.matches("the body is no JSON", bad:json().error.message)
      assert.equal("ebb flow", serving.answers(say(server, "POST /body HTTP/1.1\r\n" .. CLOSE
        .. "Transfer-Encoding: chunked\r\n\r\n3\r\nebb\r\n5;x=1\r\n flow\r\n0\r\nT: 1\r\n\r\n"))[1]
        .body)
    end)
  end)

  it("sends pieces as they come, and cuts the connection when they fail", function()
    with({
      ["GET /good"] = function()
        local n = 0
        return function()
          n = n + 1
          return n < 4 and ("x"):rep(n - 1) or nil
        end
      end,
      ["GET /bad"] = function()
        local n = 0
        return function()
          n = n + 1
          if n == 2 then error(neap.error.new { code = "net", message = "no tide" }) end
          return "x"
        end
      end,
      ["GET /number"] = function() return function() return 1 end end,
    }, nil, function(server, url)
      assert.equal("xxx", get(url .. "/good").body)
      local warnings = helper.warnings(function()
        for _, path in ipairs { "/bad", "/number" } do
          local text = say(server, "GET " .. path .. " HTTP/1.1\r\n" .. CLOSE .. "\r\n")
          assert.matches("^HTTP/1.1 200 OK\r\n", text)
          assert.is_nil(text:find("\r\n0\r\n", 1, true))
        end
      end)
      assert.matches("GET /bad failed: .*no tide", warnings[1])
      assert.matches("GET /number failed: the body of the answer has a number", warnings[2])
      assert.equal(2, #warnings)
    end)
  end)

  it("refuses with serve.refuse, also from a node of a flow", function()
    local node = neap.Node { name = "check", exec = function() serve.refuse(409, "too late") end }
    with({
      ["GET /plain"] = function() serve.refuse(404, "no such tide") end,
      ["GET /flow"] = function() neap.Flow { start = node }:run {} end,
    }, nil, function(_, url)
      assert.same({ error = { status = 404, message = "no such tide" } },
        get(url .. "/plain"):json())
      assert.same({ error = { status = 409, message = "too late" } }, get(url .. "/flow"):json())
    end)
    assert.matches("bad argument #1 to 'refuse' %(status from 400 to 599 expected, got 200",
      helper.misused(serve.refuse, 200, "x"))
  end)

  it("fails with status 500 and a warning, which the client does not see", function()
    local wrong = {
      raise = function() error("password") end,
      status = function() return 600 end,
      body = function() return 200, print, { [1] = "x" } end,
      thread = function() return 200, coroutine.create(print) end,
      name = function() return 200, "x", { ["a b"] = "1" } end,
      split = function() return 200, "x", { a = "1\r\nSet-Cookie: evil=1" } end,
      zero = function() return 200, "x", { a = "1\0" } end,
      length = function() return 200, "x", { ["Content-Length"] = "9" } end,
      coding = function() return 200, "x", { ["transfer-encoding"] = "chunked" } end,
    }
    with({ ["GET /:name"] = function(request) return wrong[request.params.name]() end }, nil,
      function(_, url)
        for name in pairs(wrong) do
          local answer
          local warnings = helper.warnings(function() answer = get(url .. "/" .. name) end)
          assert.equal(500, answer.status, name)
          assert.is_nil(answer.body:find("password", 1, true))
          assert.is_nil(answer.headers["set-cookie"])
          assert.matches("GET /" .. name .. " failed", warnings[1])
        end
      end)
  end)

  it("cannot read the body of a request that has been answered", function()
    local kept
    with({ ["POST /"] = function(request) kept = request end }, nil, function(_, url)
      neap.http.post(url .. "/", { body = "x" })
      helper.refused("closed", kept.body, kept)
    end)
  end)

  it("need not read the body", function()
    with({ ["POST /"] = function() return "no" end }, nil, function(server)
      local function post(size, ending)
        return serving.statuses(say(server, ("POST / HTTP/1.1\r\nHost: localhost\r\n"
          .. "Content-Length: %d\r\n\r\n%s"):format(size, ("x"):rep(size)) .. ending))
      end
      local again = "GET /x HTTP/1.1\r\n" .. CLOSE .. "\r\n"
      assert.equal("200 404", post(10, again))
      assert.equal("200 404", post(200000, again))
      assert.equal("200", post(300000, again)) -- too much to be dropped
      assert.equal("200", serving.statuses(say(server, "POST / HTTP/1.1\r\nHost: localhost\r\n"
        .. "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n" .. again)))
    end)
  end)
end)

describe("events", function()
  after_each(helper.after_each)

  it("are sent as the standard has them", function()
    local list = { "ebb\nflow", { data = { h = 1 }, event = "tide", id = 7, retry = 1.5 },
      { data = "a\r\nb\rc" } }
    with({ ["GET /"] = function()
      local n = 0
      return serve.events(function()
        n = n + 1
        return list[n]
      end)
    end }, nil, function(server, url)
      local answer = get(url .. "/")
      assert.equal("text/event-stream", answer.headers["content-type"])
      assert.equal("no-store", answer.headers["cache-control"])
      assert.equal("data: ebb\ndata: flow\n\nevent: tide\nid: 7\nretry: 1500\ndata: {\"h\":1}\n\n"
        .. "data: a\ndata: b\ndata: c\n\n", answer.body)
      list = { { data = "x", id = "1\nevent: evil" } }
      local warnings = helper.warnings(function()
        say(server, "GET / HTTP/1.1\r\n" .. CLOSE .. "\r\n")
      end)
      assert.matches("the field 'id' of an event has a line break", warnings[1])
    end)
    assert.matches("bad argument #1 to 'events'", helper.misused(serve.events, 1))
  end)

  it("are kept alive by comments, and end with their client", function()
    neap.testing.run(function()
      local fake <close> = neap.testing.net {}
      local ended = false
      with({ ["GET /"] = function()
        local guard <const> = setmetatable({}, { __close = function() ended = true end })
        return serve.events(function()
          local _ <close> = guard
          neap.sleep(3600)
        end)
      end }, nil, function(server)
        local connection <close> = neap.net.connect(server.address)
        connection:write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        repeat until connection:read() == "\r"
        local begun = neap.now()
        for _ = 1, 3 do assert.equal("3\r\n:\n\n\r\n", connection:read(8)) end
        assert.is_true(math.abs(neap.now() - begun - 45) <= 4, neap.now() - begun)
        assert.is_false(ended)
        connection:close()
        neap.sleep(40)
        assert.is_true(ended)
      end)
      assert.is_table(fake)
    end)
  end)

  it("end when the server is closed", function()
    with({ ["GET /"] = function()
      return serve.events(function() neap.sleep(3600) end)
    end }, nil, function(server)
      local connection <close> = neap.net.connect(server.address)
      connection:write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
      repeat until connection:read() == "\r"
      server:close()
      assert.equal("", connection:read("a"))
    end)
  end)
end)

describe("a server", function()
  after_each(helper.after_each)

  it("says what there is not", function()
    with({ ["GET /tide"] = function() return "x" end, ["POST /tide"] = function() end }, nil,
      function(server, url)
        assert.equal(404, get(url .. "/").status)
        local answer = neap.http.delete(url .. "/tide", { check = false })
        assert.same({ 405, "GET, HEAD, OPTIONS, POST" }, { answer.status, answer.headers.allow })
        local text = say(server, "OPTIONS /tide HTTP/1.1\r\n" .. CLOSE .. "\r\n")
        assert.equal(204, serving.answers(text)[1].status)
        assert.matches("\r\nAllow: GET, HEAD, OPTIONS, POST\r\n", text)
        for _, path in ipairs { "/%", "/%zz", "/%00", "/a/../tide", "/a/%2e%2E/tide" } do
          assert.equal("400", serving.statuses(say(server,
            ("GET %s HTTP/1.1\r\n%s\r\n"):format(path, CLOSE))), path)
        end
      end)
  end)

  it("answers HEAD without the body, and the next request after it", function()
    with({ ["GET /"] = function() return "tide" end,
      ["GET /pieces"] = function() return function() error("not called") end end,
    }, nil, function(server)
      local text = say(server, "HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n"
        .. "HEAD /pieces HTTP/1.1\r\n" .. CLOSE .. "\r\n")
      local first, rest = text:match("^(.-\r\n\r\n)(.*)$")
      assert.matches("Content%-Length: 4\r\n", first)
      assert.matches("^HTTP/1.1 200 OK\r\n.*Transfer%-Encoding: chunked\r\n.*\r\n\r\n$", rest)
    end)
  end)

  it("answers requests that come at once one after the other", function()
    local n = 0
    with({ ["GET /"] = function()
      n = n + 1
      local own = n
      neap.sleep(0)
      return { own }
    end }, nil, function(server)
      local request = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
      local text = say(server, request:rep(500) .. "GET / HTTP/1.1\r\n" .. CLOSE .. "\r\n")
      local answers = serving.answers(text)
      assert.equal(501, #answers)
      for i, answer in ipairs(answers) do assert.equal(("[%d]"):format(i), answer.body) end
    end)
  end)

  it("speaks HTTP/1.0", function()
    with({ ["GET /"] = function() return "tide" end, ["GET /pieces"] = function()
      local n = 0
      return function()
        n = n + 1
        return n < 3 and "ebb" or nil
      end
    end }, nil, function(server)
      assert.matches("Connection: close\r\n\r\ntide$", say(server, "GET / HTTP/1.0\r\n\r\n"))
      assert.matches("Connection: keep%-alive\r\n\r\ntideHTTP/1.1 200 OK\r\n.*tide$",
        say(server, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n"))
      local text = say(server, "GET /pieces HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
      assert.matches("Connection: close\r\n\r\nebbebb$", text)
      assert.is_nil(text:find("Transfer", 1, true))
    end)
  end)

  it("invites a client to send its body when the handler reads it", function()
    with({ ["POST /read"] = function(request) return request:body() end,
      ["POST /not"] = function() serve.refuse(403, "no") end,
    }, nil, function(server)
      local head = " HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 4\r\n"
      local connection <close> = neap.net.connect(server.address)
      connection:write("POST /read" .. head .. "\r\n")
      assert.equal("HTTP/1.1 100 Continue", connection:read("L"):sub(1, -3))
      assert.equal("\r\n", connection:read("L"))
      connection:write("tide")
      assert.equal("HTTP/1.1 200 OK\r", connection:read())
      assert.equal("403", serving.statuses(say(server, "POST /not" .. head .. "\r\n")))
    end)
  end)

  it("answers what is under way when it is closed, and run returns then", function()
    local begun = neap.event()
    local server <close> = serve.listen("127.0.0.1:0", { routes = { ["GET /"] = function()
      begun:set()
      neap.sleep(0.1)
      return "done"
    end } })
    local task = neap.spawn(server.run, server)
    local idle <close> = neap.net.connect(server.address)
    local asked = neap.spawn(get, server.url .. "/")
    begun:wait()
    server:close()
    server:close()
    assert.is_nil(idle:read())
    local answer = asked:await()
    assert.same({ "done", "close" }, { answer.body, answer.headers.connection })
    task:await()
    assert.equal("ECONNREFUSED", helper.failure(neap.net.connect, server.address).errno)
  end)

  it("is closed with its handlers when the task is cancelled that runs it", function()
    local begun, ended = neap.event(), false
    local server = serve.listen("127.0.0.1:0", { routes = { ["GET /"] = function()
      local _ <close> = setmetatable({}, { __close = function() ended = true end })
      begun:set()
      neap.sleep(60)
    end } })
    local task = neap.spawn(server.run, server)
    local client = neap.spawn(say, server, "GET / HTTP/1.1\r\n" .. CLOSE .. "\r\n")
    begun:wait()
    task:cancel()
    assert.matches("^%(?r?e?s?e?t?%)?$", client:await())
    assert.is_true(ended)
    assert.equal("cancelled", task.status)
    assert.equal("ECONNREFUSED", helper.failure(neap.net.connect, server.address).errno)
  end)

  it("lets further clients wait when it has as many as it may", function()
    local now, most = 0, 0
    with({ ["GET /"] = function()
      now = now + 1
      most = math.max(most, now)
      neap.sleep(0.002)
      now = now - 1
      return "x"
    end }, { max_connections = 3 }, function(server)
      local tasks = {}
      for i = 1, 20 do
        tasks[i] = neap.spawn(say, server, "GET / HTTP/1.1\r\n" .. CLOSE .. "\r\n")
      end
      for _, task in ipairs(tasks) do assert.equal("200", serving.statuses(task:await())) end
      assert.equal(3, most)
    end)
  end)

  it("holds 1,000 connections that say nothing, and answers others", function()
    with({ ["GET /"] = function() return "x" end }, { max_connections = 2000 },
      function(server, url)
        local idle = {}
        for i = 1, 1000 do idle[i] = neap.net.connect(server.address) end
        assert.equal("x", get(url .. "/").body)
        for _, connection in ipairs(idle) do connection:close() end
      end)
  end)

  it("can be asked by curl", function()
    with({ ["POST /"] = function(request) return { got = #request:body() } end }, nil,
      function(_, url)
        local large = helper.write(helper.tmpdir() .. "/large", ("x"):rep(2000000))
        local function curl(...)
          return neap.process.run { "curl", "-sS", "--max-time", "20", url, ... }.stdout
        end
        assert.equal('{"got":2000000}', curl("--data-binary", "@" .. large))
        assert.equal('{"got":2000000}', curl("--data-binary", "@" .. large, "-H",
          "Transfer-Encoding: chunked"))
        assert.equal('{"got":1}', curl("-0", "-d", "x"))
      end)
  end)

  it("can listen at a path", function()
    local path = helper.tmpdir() .. "/socket"
    local routes = { ["GET /"] = function() return "x" end }
    local server <close> = serve.listen(path, { routes = routes })
    local task = neap.spawn(server.run, server)
    assert.equal("unix:" .. path, server.url)
    assert.equal("neap.serve.Server: unix:" .. path, tostring(server))
    assert.equal("200", serving.statuses(say(server, "GET / HTTP/1.1\r\n" .. CLOSE .. "\r\n")))
    server:close()
    task:await()
  end)
end)
