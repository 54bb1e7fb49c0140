-- Bodies as servers really send them: compressed, cut off, of lengths that are
-- none. What is not whole never passes for it.
-- SPDX-License-Identifier: MIT
local servers = require "spec.servers"
local neap = require "neap"

local http = neap.http

local function hex(text)
  return (text:gsub("%x%x", function(h) return string.char(tonumber(h, 16)) end))
end

local TEXT = ("high tide, low tide. "):rep(20)

-- That text in each encoding; of deflate both kinds that are about.
local PACKED = {
  { "gzip", hex "1f8b0800000000000203cbc84ccf5028c94c49d551c8c92f07b3f41432460507932000"
    .. hex "4d24f469a4010000" },
  { "deflate", hex "78dacbc84ccf5028c94c49d551c8c92f07b3f41432460507932000ffe08de1" },
  { "deflate", hex "cbc84ccf5028c94c49d551c8c92f07b3f41432460507932000" },
  { "br", hex "13a301f8c56d6c5df9d25d450a4127a816a2ac142001720be72c62f64d0a04" },
  { "zstd", hex "28b52ffd60a400d50000806869676820746964652c206c6f772e2002008c381556a12801" },
}

-- "foo" and "bar".
local FOO = hex "1f8b08000000000002ff4bcbcf07002165738c03000000"
local BAR = hex "1f8b08000000000002ff4b4a2c0200aa8cff7603000000"

local FRAMINGS = {
  length = function(body) return ("Content-Length: %d\r\n\r\n%s"):format(#body, body) end,
  chunks = function(body)
    local chunk = body == "" and "" or ("%x\r\n%s\r\n"):format(#body, body)
    return "Transfer-Encoding: chunked\r\n\r\n" .. chunk .. "0\r\n\r\n"
  end,
  ["the connection's end"] = function(body) return "Connection: close\r\n\r\n" .. body end,
}

describe("the body of a response", function()
  local address, server, answer, requests

  before_each(function()
    requests = {}
    address, server = servers.script(function(request, connection)
      requests[#requests + 1] = request
      connection:write("HTTP/1.1 200 OK\r\n", answer)
      if answer:find("Connection: close", 1, true) then connection:close() end
    end)
  end)

  after_each(function()
    server:cancel()
    pcall(server.await, server)
  end)

  -- Returns the body of an answer, at once or streamed.
  local function get(text, stream, opts)
    local all = { stream = stream }
    for name, value in pairs(opts or {}) do all[name] = value end
    answer = text
    local response <close> = http.get(address, all)
    return stream and response:read("a") or response.body
  end

  local function error_of(...)
    local ok, err = pcall(get, ...)
    assert.is_false(ok)
    assert.equal("http", err.code)
    return err
  end

  -- Checks the sentence of an error and whether it may pass.
  local function fails(sentence, retryable, ...)
    local err = error_of(...)
    assert.equal(("http.get %s/: %s"):format(address, sentence), err.message)
    assert.equal(retryable, err.retryable)
  end

  local function coded(encoding, framing, body)
    return ("Content-Encoding: %s\r\n%s"):format(encoding, FRAMINGS[framing](body))
  end

  it("is asked for in the encodings that are decoded", function()
    get("Content-Length: 0\r\n\r\n")
    get("Content-Length: 0\r\n\r\n", false, { headers = { ["Accept-Encoding"] = "br" } })
    -- A part of what is compressed could not be decoded.
    get("Content-Length: 0\r\n\r\n", false, { headers = { Range = "bytes=0-9" } })
    assert.equal("gzip, deflate, br, zstd", requests[1].headers["accept-encoding"])
    assert.equal("br", requests[2].headers["accept-encoding"])
    assert.equal("identity", requests[3].headers["accept-encoding"])
  end)

  for _, packed in ipairs(PACKED) do
    local encoding, body = table.unpack(packed)
    for framing in pairs(FRAMINGS) do
      for _, stream in ipairs { false, true } do
        it(("of %d bytes of %s that ends with %s%s is decoded, and cut anywhere it is an error")
          :format(#body, encoding, framing, stream and ", streamed," or ""), function()
            assert.equal(TEXT, get(coded(encoding, framing, body), stream))
            for cut = 1, #body - 1 do
              fails(("the body ended before its %s data was complete"):format(encoding), true,
                coded(encoding, framing, body:sub(1, cut)), stream)
            end
          end)
      end
    end
  end

  it("gives what came before it was cut, and then the error, each time", function()
    answer = coded("gzip", "length", FOO .. BAR:sub(1, 18))
    local response <close> = http.get(address, { stream = true })
    assert.equal("foobar", response:read(6))
    for _ = 1, 2 do
      local err = select(2, pcall(response.read_some, response))
      assert.is_true(err.retryable)
      assert.equal(address .. "/", err.url)
    end
  end)

  it("that is cut is asked for again, where that was allowed", function()
    local seen = 0
    local other, task = servers.script(function(_, connection)
      seen = seen + 1
      connection:write("HTTP/1.1 200 OK\r\n",
        coded("gzip", "length", seen == 1 and FOO:sub(1, -2) or FOO))
    end)
    assert.equal("foo", http.get(other, { max_retries = 2 }).body)
    task:cancel()
    pcall(task.await, task)
  end)

  it("may be several members of gzip, and zero bytes behind them", function()
    for _, stream in ipairs { false, true } do
      assert.equal("foobar", get(coded("gzip", "chunks", FOO .. BAR), stream))
      assert.equal("foo", get(coded("gzip", "length", FOO .. ("\0"):rep(600)), stream))
      for cut = 1, #BAR - 1 do
        assert.is_true(error_of(coded("gzip", "length", FOO .. BAR:sub(1, cut)), stream).retryable)
      end
    end
  end)

  it("that cannot be decoded is an error that does not pass", function()
    local length = "length"
    fails("the body is not valid gzip data", false, coded("gzip", length, "high tide"))
    fails("the body is not valid gzip data", false, coded("gzip", length, FOO .. "tide"), true)
    fails("the body goes on behind the end of its br data", false,
      coded("br", length, PACKED[4][2] .. "tide"))
    fails("the body has an unknown encoding: compress, not one of gzip, deflate, br, zstd",
      false, coded("compress", length, "tide"))
    fails("the body has more than 5 encodings, one in another", false,
      coded("gzip" .. (", gzip"):rep(5), length, FOO))
  end)

  it("may be in one encoding within another", function()
    -- gzip, and that in deflate
    local both = hex "78da93efe66000012666efd3e7d91914538b7b98815c002f85042c"
    assert.equal("foo", get(coded("gzip, deflate", "length", both)))
    assert.equal("foo", get("Content-Encoding: gzip\r\n" .. coded("deflate", "chunks", both), true))
    fails("the body ended before its deflate data was complete", true,
      coded("gzip,deflate", "length", both:sub(1, -2)))
  end)

  it("may be none at all, in whatever encoding", function()
    assert.equal("", get(coded("gzip", "length", "")))
    assert.equal("", get(coded("tide", "chunks", ""), true))
    for _, status in ipairs { 204, 304 } do
      local other, task = servers.script(function(_, connection)
        connection:write(("HTTP/1.1 %d None\r\nContent-Encoding: gzip\r\n\r\n"):format(status))
      end)
      assert.equal("", http.get(other).body)
      task:cancel()
      pcall(task.await, task)
    end
    answer = "Content-Encoding: gzip\r\nContent-Length: 500\r\n\r\n"
    assert.equal("", http.request { url = address, method = "HEAD" }.body)
    answer = "Content-Encoding: gzip\r\nConnection: close\r\n\r\n"
    assert.equal("", http.request { url = address, method = "HEAD" }.body)
    -- Only the end of the connection says that this is all.
    fails("the connection ended before the answer was complete", true,
      coded("gzip", "the connection's end", ""))
  end)

  it("has its limit when it is decoded", function()
    assert.equal(420, #get(coded("gzip", "length", PACKED[1][2]), false, { max_body = 420 }))
    for _, stream in ipairs { false, true } do
      fails("the body is larger than 419 bytes", false,
        coded("gzip", "length", PACKED[1][2]), stream, { max_body = 419 })
    end
  end)

  it("that grows is decoded as it is read, to its end or its fault", function()
    -- 64 MiB of the letter x.
    local bomb = hex "cfffff7f0024f0e2b14072effff9ffff0f8004401c1680eefd3fffffff01900088c302"
      .. hex "d0bdffcfffff7f001200715800baf7ff"
    local function read(body, most)
      answer = coded("br", "length", body)
      local response <close> = http.get(address, { stream = true })
      local size = 0
      local ok, err = pcall(function()
        for bytes in response:chunks() do
          size = size + #bytes
          if size >= most then return end
        end
      end)
      return size, ok or err
    end
    assert.is_true(read(bomb, 1) < 1024 * 1024) -- and is left
    local size, outcome = read(bomb, math.huge)
    assert.equal(64 << 20, size)
    assert.is_true(outcome)
    size, outcome = read(bomb .. "tide", math.huge)
    assert.equal(64 << 20, size)
    assert.is_false(outcome.retryable)
    size, outcome = read(bomb:sub(1, -8), math.huge)
    assert.is_true(size > 1 << 20 and size < 64 << 20)
    assert.is_true(outcome.retryable)
  end)

  it("has one length, however often it is told", function()
    local same = "Content-Length: 5\r\n"
    assert.equal("hello", get(same .. same .. "\r\nhello"))
    assert.equal("hello", get("Content-Length: 5, 5 ,5\r\n" .. same .. "\r\nhello"))
    assert.equal("hello", get("Content-Length: 0005\r\n" .. same .. "\r\nhello"))
    for _, stream in ipairs { false, true } do
      for _, lengths in ipairs { "5\r\nContent-Length: 6", "6\r\nContent-Length: 5", "5, 6",
        "5\r\nX: y\r\ncontent-LENGTH: 5\r\nContent-Length: 4" } do
        fails("the answer is not HTTP: it has more than one Content-Length, and they differ",
          false, ("Content-Length: %s\r\n\r\nhello\n"):format(lengths), stream)
      end
    end
  end)

  it("has a length that is a number", function()
    for _, stream in ipairs { false, true } do
      for _, length in ipairs { "", "tide", "-5", "+5", "5x", "5 5", "0x5", "5.0", "5,", ",5",
        "5\r\n 5", "9223372036854775808", "18446744073709551621", ("9"):rep(100) } do
        fails("the answer is not HTTP: its Content-Length is not a number of bytes", false,
          ("Content-Length: %s\r\n\r\nhello"):format(length), stream)
      end
    end
  end)

  it("in chunks has no length but theirs", function()
    local chunks = "Transfer-Encoding: chunked\r\n"
    local body = "\r\n5\r\nhello\r\n0\r\n\r\n"
    for _, length in ipairs { "3", "900", "5\r\nContent-Length: 6", "99999999999999999999" } do
      local lengths = ("Content-Length: %s\r\n"):format(length)
      assert.equal("hello", get(chunks .. lengths .. body))
      assert.equal("hello", get(lengths .. chunks .. body, true))
    end
  end)

  it("keeps what has come when a trailer looks like a status line", function()
    local text = "X-A: 1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"
      .. "HTTP/x: a\r\nHTTP/1.1 200: b\r\nHTTP/1.1 103 c: d\r\n\r\n"
    for _, stream in ipairs { false, true } do
      assert.equal("hello", get(text, stream))
      answer = text
      local response <close> = http.get(address, { stream = stream })
      assert.equal("1", response.headers["x-a"])
      assert.equal("hello", response:read("a"))
    end
  end)

  it("with a trailer that is none is an error that does not pass", function()
    for _, stream in ipairs { false, true } do
      fails("the answer is not HTTP: a trailer is malformed", false,
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nhigh tide\r\n\r\n", stream)
    end
  end)

  it("in chunks that are none is an error that does not pass", function()
    for _, chunk in ipairs { "tide\r\nhello\r\n", "-5\r\nhello\r\n", "5\r\nhello, world\r\n",
      ("f"):rep(40) .. "\r\nhello\r\n" } do
      fails("the answer is not HTTP: its chunks are malformed", false,
        "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n" .. chunk .. "0\r\n\r\n")
    end
  end)
end)
