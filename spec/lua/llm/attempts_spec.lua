-- What a call does over several attempts, how long it waits, and what becomes of the
-- connection. On the virtual clock, and against a server.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local json = require "neap.json"
local llm = require "neap.llm"
local neap = require "neap"
local servers = require "spec.servers"
local wire = require "spec.llm"

local ROUTE = "POST http://m/v1/chat/completions"
local STREAM = { ["content-type"] = "text/event-stream" }

local function delta(text, reason)
  return { choices = { { delta = { content = text }, finish_reason = reason } } }
end

local function pieces(...)
  local list = {}
  for i, item in ipairs { ... } do
    list[i] = item:sub(1, 1) == ":" and item or wire.sse { delta(item) }
  end
  return list
end

local function whole(...)
  local list = pieces(...)
  list[#list + 1] = wire.sse { delta(nil, "stop"), { choices = json.array {},
    usage = { prompt_tokens = 5, completion_tokens = 2 } }, "[DONE]" }
  return { headers = STREAM, chunks = list }
end

local function broken(...)
  return { headers = STREAM, chunks = pieces(...), error = "the peer has closed the connection" }
end

-- Calls f with a client and a fake, which gives these answers, on a virtual clock.
local function play(answers, opts, f)
  return neap.testing.run(function()
    local fake <close> = neap.testing.http { [ROUTE] = answers }
    local all = { url = "http://m/v1", model = "tide-1", jitter = 0 }
    for name, value in pairs(opts or {}) do all[name] = value end
    return f(llm.new(all), fake)
  end)
end

local function busy(headers)
  return { status = 503, headers = headers }
end

describe("a call is made again", function()
  it("after what may pass, with the waits of a node", function()
    play({ busy(), busy(), whole "Noon." }, nil, function(client, fake)
      local text, reply = client:chat("When?")
      assert.equal("Noon.", text)
      assert.equal(3, reply.attempts)
      assert.equal(1.5, reply.seconds)
      assert.equal(3, #fake.requests)
      assert.equal(fake.requests[1].body, fake.requests[3].body)
    end)
  end)

  it("as often as it may, and then its error ends the attempts of a node, too", function()
    play(busy(), nil, function(client, fake)
      local err = helper.refused("llm", client.chat, client, "When?")
      assert.same({ "overloaded", false, 3, 3 },
        { err.kind, err.retryable, err.attempts, #fake.requests })
      local node = neap.Node { name = "ask", max_retries = 3,
        exec = function() return (client:chat("When?")) end }
      assert.is_false(pcall(node.run, node))
      assert.equal(6, #fake.requests)
    end)
  end)

  it("by a node where the client is told to leave it", function()
    play(busy(), { max_retries = 1 }, function(client, fake)
      local err = helper.refused("llm", client.chat, client, "When?")
      assert.is_true(err.retryable)
      local node = neap.Node { name = "ask", max_retries = 3,
        exec = function() return (client:chat("When?")) end }
      assert.is_false(pcall(node.run, node))
      assert.equal(4, #fake.requests)
    end)
  end)

  it("not after what will not pass", function()
    play({ status = 401 }, nil, function(client, fake)
      local err = helper.refused("llm", client.chat, client, "When?")
      assert.same({ "auth", 1, 1 }, { err.kind, err.attempts, #fake.requests })
    end)
  end)

  it("when the server asks for it, unless that is too late", function()
    play({ busy { ["retry-after"] = 30 }, whole "Noon." }, nil, function(client)
      assert.equal("Noon.", (client:chat("When?")))
      assert.equal(30, neap.now())
    end)
    play(busy { ["retry-after"] = 121 }, nil, function(client, fake)
      local err = helper.refused("llm", client.chat, client, "When?")
      assert.same({ 121, 1, 0, true },
        { err.retry_after, #fake.requests, neap.now(), err.retryable })
    end)
    play({ busy { ["retry-after"] = 121 }, whole "Noon." }, { max_retry_after = 200 },
      function(client) assert.equal("Noon.", (client:chat("When?"))) end)
  end)

  it("after a break in the middle of an answer that nobody was given a piece of", function()
    play({ broken("No", "on"), whole("Noon", ".") }, nil, function(client)
      local text, reply = client:chat("When?")
      assert.equal("Noon.", text)
      assert.equal(2, reply.attempts)
    end)
    local half = { headers = STREAM, chunks = { wire.sse { { choices = json.array {},
      usage = { prompt_tokens = 5, completion_tokens = 1 } } } }, error = "gone" }
    play({ half, whole "Noon." }, nil, function(client)
      local reply = client:reply("When?")
      assert.same({ 10, 3 }, { reply.usage.input, reply.usage.output })
      assert.same({ 2, 10 }, { client.usage.calls, client.usage.input })
    end)
  end)

  it("for a stream until the first piece is given, and then not", function()
    play({ busy(), broken(), whole "Noon." }, nil, function(client)
      assert.same({ "Noon." }, helper.collect((client:stream("When?"))))
    end)
    play(broken("No", "on"), nil, function(client, fake)
      local got = {}
      local err = helper.refused("llm", function()
        for piece in client:stream("When?") do got[#got + 1] = piece end
      end)
      assert.same({ "No", "on" }, got)
      assert.same({ "broken", true, 1, 1 },
        { err.kind, err.retryable, err.attempts, #fake.requests })
      assert.equal("Noon", err.partial.text)
      assert.is_nil(err.partial.stop)
      assert.matches("the answer broke off: .*the peer has closed the connection", err.message)
    end)
  end)

  it("when the server was not reached, and raises what http raises", function()
    play({ { error = "connection refused" }, whole "Noon." }, nil, function(client)
      assert.equal("Noon.", (client:chat("When?")))
    end)
    play({ error = "connection refused" }, nil, function(client, fake)
      helper.refused("http", client.chat, client, "When?")
      assert.equal(3, #fake.requests)
    end)
    play({ error = "no such host", retryable = false }, nil, function(client, fake)
      helper.refused("http", client.chat, client, "When?")
      assert.equal(1, #fake.requests)
    end)
  end)

  it("no more when it was cancelled", function()
    play(busy(), nil, function(client, fake)
      local task = neap.spawn(client.chat, client, "When?")
      neap.sleep(0.1)
      task:cancel()
      helper.refused("cancelled", task.await, task)
      assert.equal(1, #fake.requests)
    end)
  end)

  it("and nothing is left behind, wherever it is cancelled", function()
    local steps = neap.testing.sweep(function()
      local answers = { busy(), broken("No"), whole("Noon", "."), whole("Noon", ".") }
      for _, each in ipairs(answers) do each.delay, each.chunk_delay = 1, 1 end
      local fake <close> = neap.testing.http { [ROUTE] = answers }
      local client = llm.new { url = "http://m/v1", model = "tide-1" }
      client:chat("When?")
      for _ in client:stream("When?") do neap.sleep(0) end
      assert(#fake.requests == 4)
    end)
    assert.is_true(steps > 20)
  end)
end)

describe("the time that may pass", function()
  local function slow(answer, delay, between)
    answer.delay, answer.chunk_delay = delay, between
    return answer
  end

  local function failure(answers, opts, code)
    return play(answers, opts, function(client)
      local err = helper.refused(code or "llm", client.chat, client, "When?")
      return err, neap.now()
    end)
  end

  it("until the first event is first_token, of each attempt", function()
    local err, seconds = failure(slow(whole "Noon.", 400), { max_retries = 2 })
    assert.same({ "stalled", 600.5 }, { err.kind, seconds })
    assert.equal("the model has not begun to answer within 300 s", err.message)
    err, seconds = failure(slow(whole "Noon.", 0, 5), { first_token = 2, max_retries = 1 })
    assert.same({ "stalled", 2, true }, { err.kind, seconds, err.retryable })
  end)

  it("between two events is silence", function()
    local err, seconds = failure(slow(whole("No", "on"), 0, 61), { max_retries = 1 })
    assert.same({ "stalled", 121 }, { err.kind, seconds })
    assert.equal("the model has said nothing for 60 s", err.message)
    assert.equal("No", err.partial.text)
  end)

  -- Found in review: HTTP saw to it, and did not stop while the script did something else.
  it("goes on only while the script waits", function()
    local listener, wanted = neap.net.listen "127.0.0.1:0", neap.event()
    local server = neap.spawn(listener.serve, listener, function(connection)
      connection:read_some()
      connection:write("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
      for _, chunk in ipairs(whole("No", "on", ".").chunks) do
        connection:write(chunk)
        wanted:wait()
        wanted:clear()
      end
    end)
    local client = llm.new { url = "http://" .. listener.address, model = "m", silence = 0.3,
      max_retries = 1 }
    local stream <close> = client:stream("When?")
    for _, piece in ipairs { "No", "on", "." } do
      assert.equal(piece, stream())
      if piece == "on" then neap.sleep(0.5) end
      wanted:set()
    end
    assert.is_nil(stream())
    wanted:set()
    listener:close()
    server:await()
  end)

  it("is prolonged by comments and pings behind the first event only", function()
    local chunks = pieces("No", ": wait\n\n", ": wait\n\n", "on.")
    chunks[5] = whole().chunks[1]
    play({ headers = STREAM, chunks = chunks, chunk_delay = 50 }, nil, function(client)
      assert.equal("Noon.", (client:chat("When?")))
    end)
    local early = pieces(": wait\n\n", ": wait\n\n", ": wait\n\n", "Noon.")
    local err, seconds = failure({ headers = STREAM, chunks = early, chunk_delay = 40 },
      { first_token = 100, max_retries = 1 })
    assert.same({ "stalled", 100 }, { err.kind, seconds })
  end)

  it("in all is timeout, whatever is going on", function()
    local partial, attempts = { [3] = "No" }, { [4] = 3 }
    for seconds, case in pairs {
      [2] = slow(whole "Noon.", 5), [3] = slow(whole("No", "on"), 0, 2), [4] = busy(),
    } do
      local err, now = failure(case, { timeout = seconds, wait = 1, max_retries = 9 }, "timeout")
      assert.equal(seconds, now)
      assert.equal(("the model has not answered within %g s"):format(seconds), err.message)
      assert.equal(partial[seconds], err.partial and err.partial.text)
      assert.equal(attempts[seconds] or 1, err.attempts)
      assert.is_true(err.retryable)
      assert.is_number(err.usage.input)
    end
  end)

  it("does not count while nobody reads", function()
    play(whole("No", "on", "."), nil, function(client)
      local text = ""
      for piece in client:stream("When?") do
        text = text .. piece
        neap.sleep(1000)
      end
      assert.equal("Noon.", text)
    end)
  end)
end)

describe("against a server", function()
  -- Serves what `answer` writes, and calls f with a client of it.
  local function serve(answer, opts, f)
    local closed = neap.event()
    local address, task = servers.script(function(request, connection)
      connection:read(tonumber(request.headers["content-length"]))
      return answer(connection, request, closed)
    end)
    local all = { url = address .. "/v1", model = "tide-1", wait = 0.01 }
    for name, value in pairs(opts or {}) do all[name] = value end
    local ok, err = pcall(f, llm.new(all), closed)
    task:cancel()
    pcall(task.await, task)
    if not ok then error(err, 0) end
  end

  local HEAD = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked"
    .. "\r\n\r\n"

  local function write_chunk(connection, text)
    connection:write(("%x\r\n%s\r\n"):format(#text, text))
  end

  it("pieces are there as soon as they have been sent", function()
    local go_on = neap.event()
    serve(function(connection)
      connection:write(HEAD)
      write_chunk(connection, wire.sse { delta "No" })
      go_on:wait()
      write_chunk(connection, wire.sse { delta("on.", "stop"), "[DONE]" })
      connection:write("0\r\n\r\n")
    end, nil, function(client)
      local stream <close> = client:stream("When?")
      assert.equal("No", stream())
      go_on:set()
      assert.equal("on.", stream())
      assert.is_nil(stream())
      assert.equal("Noon.", stream.reply.text)
    end)
  end)

  it("a connection that has done its work is used again", function()
    local connections = {}
    serve(function(connection)
      connections[connection] = true
      connection:write(HEAD)
      write_chunk(connection, wire.sse { delta("Noon.", "stop"), "[DONE]" })
      connection:write("0\r\n\r\n")
    end, nil, function(client)
      for _ = 1, 3 do assert.equal("Noon.", (client:chat("When?"))) end
      local count = 0
      for _ in pairs(connections) do count = count + 1 end
      assert.equal(1, count)
    end)
  end)

  it("leaving the loop drops the connection", function()
    for _, leave in ipairs { "break", "error", "cancel", "close" } do
      serve(function(connection, _, closed)
        connection:write(HEAD)
        write_chunk(connection, wire.sse { delta "No" })
        connection:read()
        closed:set()
        return false
      end, nil, function(client, closed)
        local begun = neap.event()
        local function read()
          if leave == "close" then
            local stream <close> = client:stream("When?")
            stream()
            return
          end
          for _ in client:stream("When?") do
            begun:set()
            if leave == "break" then break end
            if leave == "error" then error("enough") end
          end
        end
        local task = neap.spawn(read)
        if leave == "cancel" then
          begun:wait()
          task:cancel()
        end
        pcall(task.await, task)
        neap.timeout(5, closed.wait, closed)
      end)
    end
  end)

  it("an answer that is cut off is asked for again", function()
    local count = 0
    serve(function(connection)
      count = count + 1
      connection:write(HEAD)
      write_chunk(connection, wire.sse { delta "No" })
      if count == 1 then return false end
      write_chunk(connection, wire.sse { delta("on.", "stop"), "[DONE]" })
      connection:write("0\r\n\r\n")
    end, nil, function(client)
      local text, reply = client:chat("When?")
      assert.same({ "Noon.", 2 }, { text, reply.attempts })
    end)
  end)

  it("one that never answers is given up", function()
    serve(function(connection)
      connection:read()
      return false
    end, { first_token = 0.05, max_retries = 2 }, function(client)
      local err = helper.refused("llm", client.chat, client, "When?")
      assert.same({ "stalled", 2 }, { err.kind, err.attempts })
    end)
  end)

  it("nobody there is what http raises", function()
    local client = llm.new { url = "http://127.0.0.1:1/v1", model = "tide-1", wait = 0 }
    local err = helper.refused("http", client.chat, client, "When?")
    assert.matches("connection refused", err.message)
  end)
end)
