-- What clients send who are wrong, slow or hostile.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local neap = require "neap"
local serving = require "spec.serving"
local with, say = serving.with, serving.say

local HOST = "Host: localhost\r\n"
local END = "GET /end HTTP/1.1\r\n" .. HOST .. "Connection: close\r\n\r\n"

-- Calls f with a server that notes the bodies and paths that it gets.
local function with_echo(opts, f)
  local seen = {}
  with({
    ["POST /"] = function(request)
      local body = request:body()
      seen[#seen + 1] = body
      return body
    end,
    ["GET /*path"] = function(request)
      seen[#seen + 1] = request.path
      return request.path
    end,
  }, opts, function(server) f(server, seen) end)
end

describe("a request", function()
  after_each(helper.after_each)

  it("that could be read in two ways is refused, and nothing after it is read", function()
    with_echo(nil, function(server, seen)
      for what, text in pairs {
        ["length and coding"] = "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ["coding and length"] = "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
        ["two codings"] = ("Transfer-Encoding: chunked\r\n"):rep(2) .. "\r\n0\r\n\r\n",
        ["two lengths"] = "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx",
        ["a list of lengths"] = "Content-Length: 1, 1\r\n\r\nx",
        ["a signed length"] = "Content-Length: +1\r\n\r\nx",
        ["a length that is too large"] = "Content-Length: 18446744073709551617\r\n\r\nx",
        ["a folded field"] = "X: a\r\n b\r\n\r\n",
        ["a space before the colon"] = "Content-Length : 1\r\n\r\nx",
        ["a bare line feed"] = "X: a\nContent-Length: 1\r\n\r\nx",
        ["a bare return"] = "X: a\rContent-Length: 1\r\n\r\nx",
        ["two hosts"] = "Host: localhost\r\n\r\n",
        ["two tokens"] = "Authorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n",
      } do
        assert.equal("400", serving.statuses(say(server,
          "POST / HTTP/1.1\r\n" .. HOST .. text .. END)), what)
      end
      assert.equal("501", serving.statuses(say(server, "POST / HTTP/1.1\r\n" .. HOST
        .. "Transfer-Encoding: gzip, chunked\r\n\r\n" .. END)))
      assert.same({}, seen)
    end)
  end)

  it("whose chunks are none is refused", function()
    with_echo({ max_body = 100 }, function(server, seen)
      local function post(chunks)
        return serving.statuses(say(server, "POST / HTTP/1.1\r\n" .. HOST
          .. "Transfer-Encoding: chunked\r\n\r\n" .. chunks .. END))
      end
      assert.equal("200 200", post("1;a=\"b\"\r\nx\r\n0\r\nTrailer: 1\r\n\r\n"))
      assert.same({ "x", "/end" }, seen)
      for _, chunks in ipairs { "x\r\n", "-1\r\n", "0x1\r\nx\r\n", "1\nx\r\n0\r\n\r\n",
        "1\r\nxy\r\n0\r\n\r\n", "1\r\nx\n0\r\n\r\n", "1000000000000000f\r\n", "\r\n",
        "1;" .. ("x"):rep(2000) .. "\r\n" } do
        assert.equal("400", post(chunks), chunks)
      end
      assert.equal("413", post("fffffffffffffff\r\n"))
      assert.equal("413", post(("50\r\n%s\r\n"):format(("x"):rep(80)):rep(2)))
      assert.matches("^4%d%d$", post("0\r\n" .. ("T: 1\r\n"):rep(20000)))
      assert.same({ "x", "/end" }, seen)
    end)
  end)

  it("with too long a body is refused before it is read", function()
    with_echo({ max_body = 10 }, function(server, seen)
      local function post(size, more)
        return say(server, ("POST / HTTP/1.1\r\n%sContent-Length: %d\r\n%s\r\n"):format(HOST, size,
          more or "") .. (more and "" or ("x"):rep(size)) .. (more and "" or END))
      end
      assert.equal("200 200", serving.statuses(post(10)))
      assert.equal("413", serving.statuses(post(11)))
      assert.equal("413", serving.statuses(post(1000000, "Expect: 100-continue\r\n")))
      assert.same({ ("x"):rep(10), "/end" }, seen)
    end)
  end)

  it("may come byte by byte", function()
    with_echo(nil, function(server, seen)
      local connection <close> = neap.net.connect(server.address)
      for byte in ("\r\nPOST / HTTP/1.1\r\n" .. HOST .. "Content-Length: 2\r\n\r\nab" .. END)
        :gmatch(".") do
        connection:write(byte)
        neap.sleep(0)
      end
      assert.equal("200 200", serving.statuses(connection:read("a")))
      assert.same({ "ab", "/end" }, seen)
    end)
  end)

  it("has a head of at most 64 KiB and 100 fields", function()
    with_echo(nil, function(server)
      assert.equal("431", serving.statuses(say(server,
        "GET / HTTP/1.1\r\n" .. HOST .. "X: " .. ("x"):rep(70000))))
      assert.equal("431", serving.statuses(say(server,
        "GET / HTTP/1.1\r\n" .. HOST .. ("X: 1\r\n"):rep(100) .. "\r\n")))
    end)
  end)

  it("has limits of time, for its head, its body, and its answer", function()
    neap.testing.run(function()
      local _ <close> = neap.testing.net {}
      local function hold(routes, text)
        local took
        with(routes, nil, function(server)
          local connection <close> = neap.net.connect(server.address)
          local begun = neap.now()
          if text ~= "" then connection:write(text) end
          pcall(connection.read, connection, "a")
          took = neap.now() - begun
        end)
        return took
      end
      local function post(request) return request:body() end
      local function is_about(seconds, took)
        assert.is_true(took >= seconds and took <= seconds + 4, took)
      end
      is_about(10, hold({}, "GET / HT"))
      is_about(60, hold({}, ""))
      is_about(30, hold({ ["POST /"] = post },
        "POST / HTTP/1.1\r\n" .. HOST .. "Content-Length: 4\r\n\r\nx"))
    end)
  end)

  it("is cut when its client does not read the answer", function()
    local ended = neap.event()
    with({ ["GET /"] = function()
      local piece = ("x"):rep(1 << 20)
      local guard <const> = setmetatable({}, { __close = function() ended:set() end })
      neap.spawn(function()
        local _ <close> = guard
        neap.sleep(60)
      end)
      return function() return piece end
    end }, { write_timeout = 0.2 }, function(server)
      local connection <close> = neap.net.connect(server.address)
      connection:write("GET / HTTP/1.1\r\n" .. HOST .. "\r\n")
      neap.timeout(20, ended.wait, ended)
    end)
  end)
end)

-- Streams of requests, changed at random.
describe("a server that gets anything", function()
  after_each(helper.after_each)

  local GOOD = { "GET /a?b=c HTTP/1.1\r\n" .. HOST .. "\r\n",
    "POST / HTTP/1.1\r\n" .. HOST .. "Content-Length: 5\r\n\r\nhello",
    "POST / HTTP/1.1\r\n" .. HOST .. "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "HEAD /x HTTP/1.1\r\n" .. HOST .. "\r\n", "OPTIONS * HTTP/1.1\r\n" .. HOST .. "\r\n",
    "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    "POST / HTTP/1.1\r\n" .. HOST .. "Expect: 100-continue\r\nContent-Length: 1\r\n\r\nx" }
  local PARTS = { "\r\n", "\n", "\r", ":", " ", "\0", "%", "/", "chunked", "0\r\n\r\n", "\xff",
    "Content-Length: 9\r\n", "Transfer-Encoding: chunked\r\n", "HTTP/1.1", "ffffffff", "?", "," }

  local function mutate(random)
    local parts = {}
    for i = 1, random(4) do parts[i] = GOOD[random(#GOOD)] end
    local text = table.concat(parts)
    for _ = 1, random(0, 3) do
      local at = random(#text)
      local part = random(2) == 1 and PARTS[random(#PARTS)] or text:sub(at, at + random(20))
      text = text:sub(1, at - 1) .. part .. text:sub(at + random(0, 4))
    end
    return text
  end

  it("answers what it can, in whole answers, and goes on", function()
    local seed = tonumber(os.getenv("NEAP_SEED")) or os.time()
    local state = seed
    local function random(from, to) -- a generator of its own: 48 bits, as drand48
      if not to then from, to = 1, from end
      state = (state * 0x5DEECE66D + 11) & 0xFFFFFFFFFFFF
      return from + (state >> 16) % (to - from + 1)
    end
    local rounds = tonumber(os.getenv("NEAP_ROUNDS")) or 1500
    with_echo({ max_body = 1000 }, function(server)
      for round = 1, rounds do
        local text = mutate(random)
        local connection <close> = neap.net.connect(server.address)
        local cut = random(#text + 1)
        pcall(connection.write, connection, text:sub(1, cut - 1))
        if cut % 2 == 0 then neap.sleep(0) end
        pcall(connection.write, connection, text:sub(cut))
        pcall(connection.finish, connection)
        local got = ""
        local ok = pcall(neap.timeout, 20, function()
          for piece in connection:chunks() do got = got .. piece end
        end)
        assert.is_true(ok, ("seed %d, round %d: no end: %q"):format(seed, round, text))
        got = got:gsub("HTTP/1.1 100 Continue\r\n\r\n", "")
        local is_whole = got == "" or got:find("^HTTP/1%.1 [2345]%d%d ")
        assert.is_true(is_whole and true, ("seed %d, round %d: %q"):format(seed, round, got))
        if not text:find("HEAD", 1, true) then
          local well, why = pcall(serving.answers, got)
          assert.is_true(well, ("seed %d, round %d: %q: %s"):format(seed, round, text, why))
        end
      end
      assert.equal("200", serving.statuses(say(server, END)))
    end)
  end)
end)
