-- Answers that come before the request's body has been sent, from servers that
-- close at once. Their system resets such a connection, since what was sent has
-- not been read.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local servers = require "spec.servers"
local neap = require "neap"

local http = neap.http

local ROUNDS = 6 -- with each kind of body
local PIECE = ("y"):rep(64 * 1024)
local LARGE = 128 -- pieces
local TOO_LARGE = "HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\nX-Limit: 7\r\n"
  .. "Connection: close\r\n\r\nlarge"

describe("an early answer", function()
  local url, server, seen, answer
  local folder = helper.tmpdir()
  helper.write(folder .. "/large", PIECE:rep(LARGE))

  before_each(function()
    seen = 0
    url, server = servers.script(function(request, connection)
      seen = seen + 1
      return answer(request, connection)
    end)
  end)

  after_each(function()
    server:cancel()
    pcall(server.await, server)
  end)

  -- Answers with these texts, one after another, and closes.
  local function say(...)
    local texts = { ... }
    answer = function(_, connection)
      for i, text in ipairs(texts) do
        if i > 1 then neap.sleep(0.002) end
        connection:write(text)
      end
      return false
    end
  end

  local function pieces(count)
    return function()
      count = count - 1
      return count >= 0 and PIECE or nil
    end
  end

  local bodies = {
    ["a text"] = function() return { body = PIECE:rep(LARGE) } end,
    ["a short text"] = function() return { body = PIECE } end,
    ["short pieces"] = function() return { body = pieces(1) } end,
    ["pieces"] = function() return { body = pieces(LARGE) } end,
    ["pieces of known size"] = function()
      return { body = pieces(LARGE), body_size = LARGE * #PIECE }
    end,
    ["a file"] = function() return { file = folder .. "/large" } end,
  }

  -- Sends it and returns what came of it, its body read.
  local function send(make, extra)
    local opts = make()
    opts.url, opts.method, opts.timeout, opts.fresh_connection = url, "POST", 20, true
    for name, value in pairs(extra or {}) do opts[name] = value end
    local response <close> = http.request(opts)
    return { status = response.status, body = response:read("a") or "",
      headers = response.headers }
  end

  -- Expects each kind of body, often, to fail with such a sentence.
  local function fails(pattern)
    for what, make in pairs(bodies) do
      for _ = 1, ROUNDS do
        seen = 0
        local ok, err = pcall(send, make)
        assert.is_false(ok, what)
        assert.equal("http", err.code)
        assert.matches(pattern, err.message)
        assert.is_true(err.retryable)
        assert.equal(1, seen)
      end
    end
  end

  for what, make in pairs(bodies) do
    describe("to " .. what, function()
      for _, stream in ipairs { false, true } do
        local how = stream and "is streamed" or "is given"

        local function gives(status, body, headers)
          for _ = 1, ROUNDS do
            seen = 0
            local got = send(make, { stream = stream })
            assert.same({ status, body }, { got.status, got.body })
            for name, value in pairs(headers or {}) do
              assert.equal(value, got.headers[name])
            end
            assert.equal(1, seen)
          end
        end

        it(how .. " whole when the connection is reset at once", function()
          say(TOO_LARGE)
          gives(413, "large", { ["x-limit"] = "7", connection = "close" })
        end)

        it(how .. " when the server does not say that it closes", function()
          say("HTTP/1.1 401 Who\r\nContent-Length: 3\r\n\r\nwho")
          gives(401, "who")
        end)

        it(how .. " when it comes in parts", function()
          say("HTTP/1.1 413 Too Large\r\nConn", "ection: close\r\nContent-Length: 5\r\n\r\n",
            "la", "rge")
          gives(413, "large", { connection = "close" })
        end)

        it(how .. " in chunks", function()
          say("HTTP/1.1 400 Bad\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
            .. "2\r\nba\r\n", "1\r\nd\r\n", "0\r\n\r\n")
          gives(400, "bad")
        end)

        it(how .. " when nothing but the end of the connection ends it", function()
          say("HTTP/1.1 400 Bad\r\nConnection: close\r\n\r\nb", "ad")
          gives(400, "bad")
          say("HTTP/1.0 400 Bad\r\n\r\nbad")
          gives(400, "bad")
          say("HTTP/1.1 431 Large\r\nConnection: close\r\n\r\n")
          gives(431, "")
        end)

        it(how .. " behind interim ones", function()
          say("HTTP/1.1 102 Wait\r\n\r\nHTTP/1.1 103 Hint\r\nX-Limit: 1\r\n\r\n" .. TOO_LARGE)
          gives(413, "large", { ["x-limit"] = "7" })
          say("HTTP/1.1 102 Wait\r\n\r\n", TOO_LARGE)
          gives(413, "large", { ["x-limit"] = "7" })
        end)

        it(how .. " when the connection stays for a while", function()
          answer = function(_, connection)
            connection:write(TOO_LARGE)
            neap.sleep(0.01)
            return false
          end
          gives(413, "large")
        end)
      end
    end)
  end

  it("may be that of a local socket", function()
    local listener <close> = neap.net.listen(folder .. "/socket")
    local task = neap.spawn(listener.serve, listener, function(connection)
      repeat until connection:read() == "\r"
      connection:write(TOO_LARGE)
    end)
    for what, make in pairs(bodies) do
      for _ = 1, ROUNDS do
        local got = send(make, { unix_socket = folder .. "/socket" })
        assert.same({ 413, "large" }, { got.status, got.body }, what)
      end
    end
    task:cancel()
    pcall(task.await, task)
  end)

  it("is decoded", function()
    local packed = "\x1f\x8b\8\0\0\0\0\0\2\3\x4b\xcb\xcf\7\0\x21\x65\x73\x8c\3\0\0\0" -- foo
    say("HTTP/1.1 400 Bad\r\nContent-Encoding: gzip\r\nConnection: close\r\n"
      .. "Content-Length: " .. #packed .. "\r\n\r\n" .. packed)
    for _ = 1, ROUNDS do assert.equal("foo", send(bodies["a text"]).body) end
    say("HTTP/1.1 400 Bad\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n"
      .. packed:sub(1, -2))
    fails("")
  end)

  it("that is cut off is an error", function()
    say("HTTP/1.1 413 Too La")
    fails("")
    say("HTTP/1.1 413 Too Large\r\nContent-Len")
    fails("")
  end)

  it("of which a part is missing is an error", function()
    say("HTTP/1.1 413 Too Large\r\nContent-Length: 9\r\nConnection: close\r\n\r\nlarge")
    fails("")
    say("HTTP/1.1 413 Too Large\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
      .. "5\r\nlarge\r\n")
    fails("")
  end)

  it("that never came is an error", function()
    say("")
    fails("the connection broke$")
    say("HTTP/1.1 100 Continue\r\n\r\n")
    fails("the connection broke$")
  end)

  it("that says yes does not stop the sending, which may fail", function()
    say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
    for what, make in pairs(bodies) do
      for _ = 1, ROUNDS do
        seen = 0
        local ok, got = pcall(send, make)
        assert.is_true(ok and got.body == "ok" or got.code == "http", what)
        assert.equal(1, seen)
      end
    end
  end)

  it("that says where to go is followed", function()
    local got
    answer = function(request, connection)
      local size = tonumber(request.headers["content-length"])
      if request.line:find("/there", 1, true) then
        got = #connection:read(size)
        connection:write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        return nil
      end
      connection:write("HTTP/1.1 307 Over\r\nLocation: /there\r\nConnection: close\r\n"
        .. "Content-Length: 0\r\n\r\n")
      return false
    end
    for _ = 1, ROUNDS do
      got = nil
      assert.equal("ok", send(bodies["a text"]).body)
      assert.equal(LARGE * #PIECE, got)
    end
  end)

  it("gives its cookies", function()
    say("HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\nSet-Cookie: tide=high\r\n"
      .. "Connection: close\r\n\r\nlarge")
    for _ = 1, ROUNDS do
      local jar = http.jar()
      assert.equal(413, send(bodies["a text"], { cookies = jar }).status)
      assert.matches("tide\thigh", jar:save())
    end
  end)

  it("ends the sending, not the body", function()
    local rest
    answer = function(_, connection)
      connection:write(TOO_LARGE)
      rest = connection:read("a")
      return false
    end
    for _ = 1, ROUNDS do
      rest = nil
      assert.equal(413, send(bodies["pieces"]).status)
      while not rest do neap.sleep(0) end
      assert.is_true(#rest < LARGE * #PIECE)
      assert.not_equal("0\r\n\r\n", rest:sub(-5))
    end
  end)

  it("reaches a request whose body is still to be made", function()
    answer = function(_, connection)
      connection:write("HTTP/1.1 400 Bad\r\nTransfer-Encoding: chunked\r\n"
        .. "Connection: close\r\n\r\n")
      neap.sleep(0.002)
      connection:write("3\r\nbad\r\n")
      neap.sleep(0.002)
      connection:write("0\r\n\r\n")
      return false
    end
    for _, stream in ipairs { false, true } do
      for _ = 1, ROUNDS do
        local got = send(function() return { body = function() neap.sleep(3600) end } end,
          { stream = stream })
        assert.same({ 400, "bad" }, { got.status, got.body })
      end
    end
  end)

  it("that is late leaves a connection for the next request", function()
    answer = function(request, connection)
      if request.headers["content-length"] then
        connection:read(tonumber(request.headers["content-length"]))
      else
        while connection:read() ~= "0\r" do end
        connection:read()
      end
      connection:write("HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno")
    end
    local function post(make)
      local response = http.post(url, make())
      assert.same({ 404, "no" }, { response.status, response.body })
    end
    for _ = 1, ROUNDS do
      post(function() return { body = "small" } end)
      for _, make in pairs(bodies) do post(make) end
    end
  end)
end)
