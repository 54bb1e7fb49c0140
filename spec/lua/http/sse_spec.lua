-- Server-sent events, by the rules of WHATWG.
-- SPDX-License-Identifier: MIT
local failure = require("spec.helper").failure
local servers = require "spec.servers"
local neap = require "neap"
local reader = require "neap.io.reader"
local sse = require "neap.http.sse"

local http = neap.http

describe("a stream of events", function()
  -- A response whose body comes in pieces of this size.
  local Pieces = {}
  Pieces.__index = Pieces
  reader.extend(Pieces)

  function Pieces:receive()
    local piece = self.text:sub(self.from, self.from + self.size - 1)
    self.from = self.from + self.size
    return piece ~= "" and piece or nil
  end

  -- The events of a text that comes in pieces of this size.
  local function parse(text, size)
    local response = setmetatable({ status = 200, text = text, from = 1, size = size,
      headers = { ["content-type"] = "text/event-stream" } }, Pieces)
    local list = {}
    for event in sse.events(response) do list[#list + 1] = event end
    return list
  end

  -- Checks that a text means these events, cut into pieces of whatever size.
  -- An event is given as { data, event, id }.
  local function means(text, ...)
    local expected = {}
    for i, e in ipairs { ... } do
      expected[i] = { data = e[1], event = e[2] or "message", id = e[3] or "" }
    end
    for size = 1, math.max(1, #text) do
      assert.same(expected, parse(text, size), ("in pieces of %d"):format(size))
    end
  end

  it("has one for each empty line after data", function()
    means("data: ebb\n\ndata: flow\n\n", { "ebb" }, { "flow" })
    means("data: ebb\n\n\n\n", { "ebb" })
    means("")
    means("\n\n")
  end)

  it("joins lines of data", function()
    means("data: YHOO\ndata: +2\ndata: 10\n\n", { "YHOO\n+2\n10" })
    means("data\n\ndata\ndata\n\ndata:", { "" }, { "\n" })
  end)

  it("takes off one space", function()
    means("data:test\n\ndata: test\n\ndata:  test\n\n", { "test" }, { "test" }, { " test" })
  end)

  it("ends lines with CR, LF or both", function()
    means("data: a\r\ndata: b\r\n\r\ndata: c\r\rdata: d\n\n", { "a\nb" }, { "c" }, { "d" })
    means("data: a\n\r\n", { "a" })
  end)

  it("may change its manner from event to event", function()
    means("data: a\n\ndata: b\ndata: c\n\ndata: d\n\nid: 7\ndata: e\n\ndata: f\n\n: x\n\n"
      .. "data: g\n\ndata: h\r\n\r\ndata: i\n\ndata: j\n\nevent: k\ndata: k\n\ndata: l\n\n",
      { "a" }, { "b\nc" }, { "d" }, { "e", nil, "7" }, { "f", nil, "7" }, { "g", nil, "7" },
      { "h", nil, "7" }, { "i", nil, "7" }, { "j", nil, "7" }, { "k", "k", "7" }, { "l", nil, "7" })
  end)

  it("passes over comments and fields that it does not know", function()
    means(": hello\n:\ndata: a\nnonsense: b\nnonsense\n\n", { "a" })
  end)

  it("has names, which hold for one event", function()
    means("event: add\ndata: 1\n\ndata: 2\n\nevent: add\n\ndata: 3\n\n",
      { "1", "add" }, { "2" }, { "3" })
    means("event: add\nevent\ndata: 1\n\n", { "1" })
  end)

  it("has ids, which hold until there is another", function()
    means("data: first\nid: 1\n\ndata:second\nid\n\ndata:  third\n\n",
      { "first", nil, "1" }, { "second", nil, "" }, { " third", nil, "" })
    means("id: 7\n\ndata: a\n\nid: x\0y\ndata: b\n\n", { "a", nil, "7" }, { "b", nil, "7" })
  end)

  it("may begin with a byte order mark", function()
    means("\xEF\xBB\xBFdata: a\n\n", { "a" })
    means("data: a\n\n\xEF\xBB\xBFdata: b\n\n", { "a" })
  end)

  it("drops an event that does not end", function()
    means("data: a\n\ndata: b\n", { "a" })
  end)

  it("has comments that may begin and end anywhere", function()
    means(":\ndata: a\n\n:\n\n::\r\n:x\rdata: b\n:y\n:\ndata: c\n\n", { "a" }, { "b\nc" })
    means("\xEF\xBB\xBF:x\ndata: a\n\n", { "a" })
    means(":x\n\xEF\xBB\xBFdata: a\n\ndata: b\n\n", { "b" })
  end)

  describe("limits an event", function()
    local MIB = 1 << 20
    local PIECES = { 16 * 1024, 5 * MIB, 64 * MIB } -- the last as of a response that is whole

    local function sizes(text, piece)
      local list = {}
      for i, event in ipairs(parse(text, piece)) do list[i] = #event.data end
      return list
    end

    local function refused(text)
      for _, piece in ipairs(PIECES) do
        local err = failure(parse, text, piece)
        assert.equal("line", err.code)
        assert.equal("an event is longer than 16777216 bytes", err.message)
        assert.is_false(err.retryable)
      end
    end

    it("of one line", function()
      for _, piece in ipairs(PIECES) do
        assert.same({ 9 * MIB, 16 * MIB, 1 }, sizes("data: " .. ("x"):rep(9 * MIB) .. "\n\ndata: "
          .. ("x"):rep(16 * MIB) .. "\n\ndata: x\n\n", piece))
      end
      refused("data: " .. ("x"):rep(16 * MIB + 1) .. "\n\n")
      refused("data: x\n\ndata: " .. ("x"):rep(16 * MIB + 1) .. "\n\n")
    end)

    it("of many lines", function()
      local line = "data: " .. ("x"):rep(MIB - 1) .. "\n"
      for _, piece in ipairs(PIECES) do
        assert.same({ 16 * MIB - 1, 16 * MIB - 1 }, sizes((line:rep(16) .. "\n"):rep(2), piece))
      end
      refused(line:rep(16) .. "data: x\n\n")
    end)

    it("and not comments, nor what is no data", function()
      local comment = ":" .. ("x"):rep(3 * MIB) .. "\n"
      local other = "x" .. comment
      local endless = ":" .. ("x"):rep(20 * MIB) .. "\n"
      local text = table.concat { endless, comment:rep(4), "data: ", ("x"):rep(12 * MIB), "\n",
        comment:rep(4), other:rep(4), endless, "\n" }
      for _, piece in ipairs(PIECES) do assert.same({ 12 * MIB }, sizes(text, piece)) end
    end)
  end)
end)

describe("the events of a response", function()
  local HEAD = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
    .. "Connection: close\r\n\r\n"

  -- Calls f with the address of a server that gives one of the answers after
  -- the other, the last one again and again, and the list of requests.
  local function with(answers, f)
    local requests = {}
    local address, server = servers.script(function(request, connection)
      requests[#requests + 1] = request
      connection:write(answers[math.min(#requests, #answers)])
      connection:close()
    end)
    local ok, err = pcall(f, address, requests)
    server:cancel()
    pcall(server.await, server)
    if not ok then error(err, 0) end
  end

  local function get(address, opts)
    local all = { stream = true }
    for name, value in pairs(opts or {}) do all[name] = value end
    local response = http.get(address, all)
    return response
  end

  it("are iterated over until it ends", function()
    with({ HEAD .. "data: ebb\n\nid: 1\nevent: turn\ndata: flow\n\ndata: no" }, function(address)
      local response <close> = get(address)
      local list = {}
      for event in response:events() do list[#list + 1] = event end
      assert.same({ { event = "message", data = "ebb", id = "" },
        { event = "turn", data = "flow", id = "1" } }, list)
      assert.is_nil(response:events()())
    end)
  end)

  it("come as they are sent, also compressed", function()
    local function hex(text)
      return (text:gsub("%x%x", function(h) return string.char(tonumber(h, 16)) end))
    end
    local seen = neap.event()
    local address, server = servers.script(function(_, connection)
      connection:write((HEAD:gsub("\r\n\r\n", "\r\nContent-Encoding: gzip\r\n\r\n")),
        hex "1f8b08000000000002034a492c49b452484d4ae2e202000000ffff")
      seen:wait()
      connection:write(hex "4b0133d372f2cbb9b800d173380117000000")
      connection:close()
    end)
    local response <close> = get(address)
    local next_event = response:events()
    assert.equal("ebb", next_event().data)
    seen:set()
    assert.equal("flow", next_event().data)
    assert.is_nil(next_event())
    server:cancel()
    pcall(server.await, server)
  end)

  it("go on where an iteration was left", function()
    with({ HEAD .. "data: 1\n\ndata: 2\n\ndata: 3\n\n" }, function(address)
      local response <close> = get(address)
      assert.equal("1", response:events()().data)
      assert.equal("2", response:events()().data)
    end)
  end)

  it("are those of a whole response, too", function()
    with({ HEAD .. "data: 1\n\n" }, function(address)
      assert.equal("1", http.get(address):events()().data)
    end)
  end)

  it("lose nothing to a cancelled wait", function()
    local go_on = neap.event()
    local address, server = servers.script(function(_, connection)
      connection:write(HEAD, "data: ebb\nda")
      go_on:wait()
      connection:write("ta: flow\n\n")
      connection:close()
    end)
    local response <close> = get(address)
    local next_event = response:events()
    assert.equal("timeout", select(2, neap.try(neap.timeout, 0.05, next_event)).code)
    go_on:set()
    assert.equal("ebb\nflow", next_event().data)
    server:cancel()
    pcall(server.await, server)
  end)

  it("are none when the answer is something else", function()
    with({ "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
      "HTTP/1.1 200 OK\r\nContent-Type: text/event-streams\r\nContent-Length: 0\r\n\r\n",
      "HTTP/1.1 429 Busy\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\nslow" },
    function(address)
      local err = failure(function() get(address):events() end)
      assert.equal("http", err.code)
      assert.equal(("http.get %s: the answer is of no type, not text/event-stream")
        :format(address .. "/"), err.message)
      assert.equal("{}", err.body)
      assert.is_false(err.retryable)
      err = failure(function() get(address):events() end)
      assert.truthy(err.message:find("is text/event-streams, not", 1, true))
      err = failure(function() get(address):events() end)
      assert.equal(429, err.status)
      assert.equal("slow", err.body)
      assert.equal(7, err.retry_after)
      assert.is_true(err.retryable)
    end)
  end)

  it("that break off raise the error, after what came", function()
    with({ "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 100\r\n\r\n"
      .. "data: 1\n\ndata: 2\n" }, function(address)
      local response <close> = get(address)
      local next_event = response:events()
      assert.equal("1", next_event().data)
      assert.is_true(failure(next_event).retryable)
    end)
  end)

  it("go on after a break, when told to", function()
    with({
      HEAD .. "retry: 10\n\nid: 1\ndata: a\n\nid: 2\ndata: lost",
      "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 100\r\n\r\n"
        .. "data: b\n\nid: 3\ndata: c\n\n",
      "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
      "", -- no answer at all
      HEAD .. "data: d\n\n",
      "HTTP/1.1 204 No More\r\n\r\n",
    }, function(address, requests)
      local response <close> = get(address, { headers = { ["last-event-id"] = "0" } })
      local list, ids = {}, {}
      for event in response:events { reconnect = true, backoff = 1 } do
        list[#list + 1] = event.data .. event.id
      end
      for i, request in ipairs(requests) do ids[i] = request.headers["last-event-id"] end
      assert.same({ "a1", "b1", "c3", "d3" }, list)
      assert.same({ "0", "1", "3", "3", "3", "3" }, ids)
    end)
  end)

  it("wait before they go on: as the server says, longer after each failure", function()
    local testing = neap.testing
    local stream = { ["Content-Type"] = "text/event-stream" }
    testing.run(function()
      local times = {}
      local function answer(answer_of)
        return function()
          times[#times + 1] = neap.now()
          return answer_of
        end
      end
      local down = answer { error = "connection refused" }
      local fake <close> = testing.http { ["http://sea/"] = {
        answer { headers = stream, body = "data: 1\n\n" }, down, down, down,
        answer { status = 503, headers = { ["Retry-After"] = 100 } },
        answer { headers = stream, body = "retry: 7000\ndata: 2\n\n" }, down,
        answer { status = 204 } } }
      local response <close> = http.get("http://sea/", { stream = true })
      local next_event = response:events { reconnect = true, wait = 2, backoff = 3, max_wait = 20 }
      while next_event() do end
      -- 2, 6, 18, at most 20, 100 as asked for; then 7 as the server says, and at most 20
      assert.same({ 0, 2, 8, 26, 46, 146, 153, 173 }, times)
      assert.equal(8, #fake.requests)
    end)
  end)

  it("go on so often at most", function()
    with({ HEAD .. "retry: 1\n\ndata: a\n\n",
      "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" },
    function(address, requests)
      local response <close> = get(address)
      local next_event = response:events { reconnect = true, max_retries = 3 }
      assert.equal("a", next_event().data)
      assert.equal(503, failure(next_event).status)
      assert.equal(4, #requests)
    end)
  end)

  it("do not go on after what no attempt can cure", function()
    with({ HEAD .. "retry: 1\n\ndata: a\n\n",
      "HTTP/1.1 404 Gone\r\nContent-Length: 4\r\nConnection: close\r\n\r\ngone" },
    function(address, requests)
      local response <close> = get(address)
      local next_event = response:events { reconnect = true }
      assert.equal("a", next_event().data)
      local err = failure(next_event)
      assert.equal(404, err.status)
      assert.equal("gone", err.body)
      assert.equal(2, #requests)
    end)
  end)

  -- Has a task wait for the event behind "a", closes the response when `waits`
  -- says so, and gives what the task got.
  local function close_when(waits, next_event, response)
    assert.equal("a", next_event().data)
    local task = neap.spawn(function() return failure(next_event) end)
    local deadline = neap.now() + 10
    repeat neap.sleep(0.002) until waits() or neap.now() > deadline
    response:close()
    local err = neap.timeout(5, task.await, task)
    assert.equal("closed", err.code)
    assert.is_false(err.retryable or false)
    assert.truthy(err.message:find("the response has been closed", 1, true))
    assert.equal("closed", failure(next_event).code)
  end

  it("end when the response is closed while they pause", function()
    with({ HEAD .. "retry: 20000\n\ndata: a\n\n" }, function(address, requests)
      local response = get(address)
      close_when(function()
        for _, task in ipairs(neap.tasks()) do
          if task.what == "sleep" then return true end
        end
      end, response:events { reconnect = true }, response)
      assert.equal(1, #requests)
    end)
  end)

  it("end when the response is closed while they connect", function()
    local asked = {}
    local address, server = servers.script(function(_, connection)
      asked[#asked + 1] = true
      if #asked == 1 then
        connection:write(HEAD, "retry: 1\n\ndata: a\n\n")
        connection:close()
      else
        asked.gone = connection:read() == nil -- at the end of the connection
      end
    end)
    local response = get(address)
    close_when(function() return asked[2] end, response:events { reconnect = true }, response)
    local deadline = neap.now() + 10
    repeat neap.sleep(0.002) until asked.gone or neap.now() > deadline
    assert.is_true(asked.gone)
    assert.equal(2, #asked)
    server:cancel()
    pcall(server.await, server)
  end)

  it("end when the response is closed while they read, first and again", function()
    for times = 1, 2 do
      local asked = 0
      local address, server = servers.script(function(_, connection)
        asked = asked + 1
        connection:write(HEAD, "retry: 1\n\n")
        if asked < times then return connection:close() end
        connection:write("data: a\n\ndata: lo")
        connection:read()
      end)
      local response = get(address)
      local looks = 0
      close_when(function()
        looks = looks + 1
        return looks > 10
      end, response:events { reconnect = true }, response)
      assert.equal(times, asked)
      server:cancel()
      pcall(server.await, server)
    end
  end)

  it("end when the response is closed though more have come", function()
    for _, reconnect in ipairs { false, true } do
      with({ HEAD .. "data: a\n\ndata: b\n\n" }, function(address, requests)
        local response = get(address)
        local next_event = response:events { reconnect = reconnect }
        assert.equal("a", next_event().data)
        response:close()
        for _ = 1, 2 do assert.equal("closed", failure(next_event).code) end
        assert.equal(1, #requests)
      end)
    end
  end)

  it("do not wait for longer than they may", function()
    local function ended(answers, opts)
      local err
      with(answers, function(address, requests)
        local response <close> = get(address)
        opts.reconnect = true
        local next_event = response:events(opts)
        assert.equal("a", next_event().data)
        err = neap.timeout(5, failure, next_event)
        assert.equal("http", err.code)
        assert.is_true(err.retryable)
        err.requests = #requests
      end)
      return err
    end
    local err = ended({ HEAD .. "retry: 120001\n\ndata: a\n\n" }, {})
    assert.equal(120.001, err.retry_after)
    assert.equal(1, err.requests)
    assert.equal("http.get: the server asks to be left alone for 120.001 s, which is more than"
      .. " 'max_retry_after' allows", err.message)
    assert.equal(1e27, ended({ HEAD .. "retry: 1" .. ("0"):rep(30) .. "\ndata: a\n\n" }, {})
      .retry_after)
    assert.equal(2, ended({ HEAD .. "retry: 2000\ndata: a\n\n" }, { max_retry_after = 1 })
      .retry_after)
    err = ended({ HEAD .. "retry: 1\ndata: a\n\n", "HTTP/1.1 503 Busy\r\nRetry-After: 121\r\n"
      .. "Content-Length: 0\r\nConnection: close\r\n\r\n" }, {})
    assert.equal(121, err.retry_after)
    assert.equal(503, err.cause.status)
    assert.equal(2, err.requests)
  end)

  it("can only be had again of a request that can be repeated", function()
    local function refused(message, f)
      local err = failure(f)
      assert.equal(message, (err:gsub("^[^:]+:%d+: ", "")))
    end
    with({ HEAD }, function(address)
      local again = { reconnect = true }
      refused("events: the option 'reconnect' is for responses with stream = true",
        function() local e = http.get(address):events(again) return e end)
      local response <close> = http.post(address, { stream = true, body = "x" })
      refused("events: the option 'reconnect' repeats a POST only with idempotent = true",
        function() local e = response:events(again) return e end)
      refused("events: unknown option 'reconect'; did you mean 'reconnect'?",
        function() local e = response:events { reconect = true } return e end)
      refused("events: bad option 'wait' (positive number of seconds expected, got 0)",
        function() local e = response:events { wait = 0 } return e end)
    end)
  end)
end)
