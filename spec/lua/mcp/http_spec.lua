-- Servers at an address: both eras, answers whole and as events, sessions, and what can go
-- wrong.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local json = require "neap.json"
local neap = require "neap"
local wire = require "spec.llm"

local URL = "http://tides.test/mcp"

local function of(request)
  return request.body and json.decode(request.body) or {}
end

local function result(message, value)
  return { jsonrpc = "2.0", id = message.id, result = value }
end

local function failure(message, code, text, data)
  return { jsonrpc = "2.0", id = message.id, error = { code = code, message = text, data = data } }
end

local function events(list, fields)
  local answer = { body = wire.sse(list), headers = { ["content-type"] = "text/event-stream" } }
  for name, value in pairs(fields or {}) do answer[name] = value end
  return answer
end

local TOOLS = {
  { name = "tide", inputSchema = { type = "object", properties = {
    port = { type = "string", ["x-mcp-header"] = "Port" },
    at = { type = "object", properties = { hour = { type = "integer",
      ["x-mcp-header"] = "Hour" } } } } } },
  { name = "wrong", inputSchema = { type = "object", properties = {
    port = { type = "number", ["x-mcp-header"] = "Port" } } } },
}

local function say(text)
  return { content = { { type = "text", text = text } } }
end

-- A server of the new era; `calls` answers by the names of tools.
local function modern(calls)
  return function(request)
    local message = of(request)
    local method = message.method
    assert.equal("2026-07-28", request.headers["mcp-protocol-version"])
    assert.equal(method, request.headers["mcp-method"])
    assert.equal("2026-07-28", message.params._meta["io.modelcontextprotocol/protocolVersion"])
    assert.equal("neap", message.params._meta["io.modelcontextprotocol/clientInfo"].name)
    if method == "server/discover" then
      return { json = result(message, { supportedVersions = { "2026-07-28" },
        capabilities = { tools = {} },
        _meta = { ["io.modelcontextprotocol/serverInfo"] = { name = "tides" } } }) }
    elseif method == "tools/list" then
      return { json = result(message, { tools = TOOLS }) }
    elseif method == "tools/call" then
      local answer = calls[message.params.name](message, request)
      return answer.jsonrpc and { json = answer } or answer
    end
    return { status = 404, json = failure(message, -32601, "Method not found") }
  end
end

-- A server of the old era, with sessions; `calls` answers by the names of tools.
local function legacy(calls, opts)
  opts = opts or {}
  local server = { sessions = {}, last = 0, seen = {} }
  return function(request)
    if request.method == "DELETE" then
      server.sessions[request.headers["mcp-session-id"]] = nil
      return { status = 200 }
    elseif request.method == "GET" then
      return opts.get(request)
    end
    local message = of(request)
    local method, session = message.method, request.headers["mcp-session-id"]
    server.seen[#server.seen + 1] = method
    if method == "initialize" then
      assert.is_nil(session)
      assert.is_nil(request.headers["mcp-protocol-version"])
      server.last = server.last + 1
      server.sessions["s" .. server.last] = true
      return events({ result(message, { protocolVersion = "2025-03-26", capabilities = {},
        serverInfo = { name = "old tides", version = "1" } }) },
        { headers = { ["content-type"] = "text/event-stream; charset=utf-8",
          ["Mcp-Session-Id"] = "s" .. server.last } })
    elseif not session then
      return opts.unknown and opts.unknown(message)
        or { status = 400, json = failure({}, -32000, "Bad Request: No valid session ID") }
    elseif not server.sessions[session] then
      return { status = 404, json = failure({}, -32001, "Session not found") }
    end
    assert.equal("2025-03-26", request.headers["mcp-protocol-version"])
    assert.is_nil(request.headers["mcp-method"])
    assert.is_nil(message.params and message.params._meta)
    if not message.id or not method then
      if opts.told then opts.told(message) end
      return { status = 202 }
    elseif method == "tools/call" then
      local answer = calls[message.params.name](message, request)
      return answer.jsonrpc and { json = answer } or answer
    end
    return { json = failure(message, -32601, "Method not found") }
  end, server
end

-- Runs f with a connection to a server, on the clock of tests.
local function with(server, f, opts)
  neap.testing.run(function()
    local fake <close> = neap.testing.http { [URL] = server }
    local all = { url = URL }
    for name, value in pairs(opts or {}) do all[name] = value end
    local connection <close> = neap.mcp.connect(all)
    f(connection, fake)
  end)
end

local function fails(kind, f, ...)
  local err = helper.refused("mcp", f, ...)
  assert.equal(kind, err.kind)
  return err
end

describe("a server of the new era at an address", function()
  it("is asked with all that it wants to know", function()
    with(modern { tide = function(message, request)
      assert.equal("tide", request.headers["mcp-name"])
      assert.equal("application/json, text/event-stream", request.headers.accept)
      assert.equal("Bearer k", request.headers.authorization)
      return result(message, say("high at " .. message.params.arguments.port))
    end }, function(server, fake)
      assert.same({ "tides", "2026-07-28" }, { server.name, server.version })
      assert.equal("high at Kiel", (server:call("tide", { port = "Kiel" })))
      assert.equal(2, #fake.requests)
    end, { headers = { Authorization = "Bearer k" } })
  end)

  it("gets arguments as headers, and no tool that says so in a wrong way", function()
    local warned = helper.warnings(function()
      with(modern { tide = function(message, request)
        return result(message, say(("%s %s"):format(request.headers["mcp-param-port"],
          request.headers["mcp-param-hour"])))
      end }, function(server)
        assert.equal("nil nil", (server:call("tide", { port = "Kiel" })))
        assert.equal(1, #server:tools())
        assert.equal("Kiel nil", (server:call("tide", { port = "Kiel" })))
        assert.equal("=?base64?TMO8YmVjaw==?= 6",
          (server:call("tide", { port = "L\u{FC}beck", at = { hour = 6 } })))
      end)
    end)
    assert.same({ "neap: mcp tides: the tool 'wrong' is left out: x-mcp-header is for a string, "
      .. "an integer or a boolean" }, warned)
  end)

  it("is asked for its tools when it misses a header", function()
    with(modern { tide = function(message, request)
      if request.headers["mcp-param-port"] then return result(message, say "high") end
      return { status = 400, json = failure(message, -32020, "Header mismatch") }
    end }, function(server)
      local warned = helper.warnings(function()
        assert.equal("high", (server:call("tide", { port = "Kiel" })))
      end)
      assert.equal(1, #warned) -- of the other tool
    end)
  end)

  it("answers with events, some of them for others", function()
    local seen = {}
    with(modern { tide = function(message)
      return events { { jsonrpc = "2.0", method = "notifications/progress",
        params = { progress = 1 } }, "no JSON", result({ id = 4711 }, {}),
        result(message, say "high") }
    end }, function(server)
      assert.equal("high", (server:call("tide")))
      helper.turns()
      assert.same({ "notifications/progress 1" }, seen)
    end, { on_notification = function(method, params)
      seen[#seen + 1] = method .. " " .. params.progress
    end })
  end)

  it("may end the events before the answer", function()
    with(modern { tide = function()
      return events { { jsonrpc = "2.0", method = "notifications/progress" } }
    end }, function(server)
      assert.matches("the stream has ended before the answer",
        fails("broken", server.call, server, "tide").message)
    end)
  end)

  it("may not know a method, or a version", function()
    with(modern {}, function(server)
      local err = fails("server", server.read, server, "tide://kiel")
      assert.same({ -32601, "mcp tides: resources/read: Method not found" },
        { err.rpc_code, err.message })
      assert.same({}, server:resources())
    end)
    local function other(request)
      return { status = 400, json = failure(of(request), -32022, "Unsupported protocol version",
        { supported = { "2031-01-01" } }) }
    end
    fails("version", with, other, function() end)
  end)

  it("may say nothing", function()
    with(modern { tide = function(message)
      neap.sleep(3600)
      return result(message, say "late")
    end }, function(server)
      local err = helper.refused("timeout", server.call, server, "tide")
      assert.equal("mcp tides: tools/call timed out after 7 s", err.message)
    end, { timeout = 7 })
  end)

  it("may answer with something else", function()
    with(modern {
      tide = function() return { body = "<html>busy</html>" } end,
      busy = function() return { status = 503, headers = { ["Retry-After"] = 9 } } end,
      wait = function() return { status = 202 } end,
      key = function() return { status = 401, json = { error = "invalid_token" } } end,
      lost = function() return { error = "connection reset" } end,
      slow = function(message)
        return { status = 429, headers = { ["Retry-After"] = 7 },
          json = failure(message, -32000, "not so fast") }
      end,
      long = function()
        return { body = "data: " .. ("x"):rep(17 * 1024 * 1024) .. "\n\n",
          headers = { ["content-type"] = "text/event-stream" } }
      end,
    }, function(server)
      local err = fails("broken", server.call, server, "tide")
      assert.matches("the answer is no message", err.message)
      err = fails("server", server.call, server, "busy")
      assert.same({ 503, true, 9 }, { err.status, err.retryable, err.retry_after })
      fails("server", server.call, server, "wait")
      err = fails("auth", server.call, server, "key")
      assert.same({ 401, false }, { err.status, err.retryable })
      helper.refused("http", server.call, server, "lost")
      -- The wait that the server asks for was lost where it also says what is wrong.
      err = fails("server", server.call, server, "slow")
      assert.same({ "mcp tides: tools/call: not so fast", -32000, 429, true, 7 },
        { err.message, err.rpc_code, err.status, err.retryable, err.retry_after })
      assert.matches("the server has sent a message that is too long",
        fails("broken", server.call, server, "long").message)
    end)
  end)
end)

describe("a server of the old era at an address", function()
  local calls = {
    tide = function(message) return result(message, say "high") end,
    ask = function(message)
      return events { { jsonrpc = "2.0", id = "q", method = "sampling/createMessage" },
        { jsonrpc = "2.0", id = 9, method = "ping" }, result(message, say "asked") }
    end,
  }

  it("shakes hands, keeps a session, and is told of its end", function()
    local serve, server = legacy(calls)
    with(serve, function(connection)
      assert.same({ "old tides", "2025-03-26" }, { connection.name, connection.version })
      assert.equal("high", (connection:call("tide")))
      assert.same({ "server/discover", "initialize", "notifications/initialized", "tools/call" },
        server.seen)
      assert.is_true(server.sessions.s1)
    end)
    assert.same({}, server.sessions)
  end)

  for what, unknown in pairs {
    ["an error of its own"] = function(message)
      return { json = failure(message, -32602, "Invalid request parameters") }
    end,
    ["a page"] = function() return { status = 404, body = "<html></html>" } end,
    ["a failure"] = function() return { status = 500, body = "" } end,
    ["what is no message"] = function() return { body = "{}" } end,
  } do
    it("may answer what is new to it with " .. what, function()
      with(legacy(calls, { unknown = unknown }), function(connection)
        assert.equal("2025-03-26", connection.version)
      end)
    end)
  end

  it("may forget its session", function()
    local serve, server = legacy(calls)
    with(serve, function(connection)
      server.sessions = {}
      local function call() return (connection:call("tide")) end
      assert.same({ "high", "high", "high", n = 3 }, neap.gather { call, call, call })
      assert.equal(2, server.last)
    end)
  end)

  it("gets answers to what it asks", function()
    local told = {}
    with(legacy(calls, { told = function(message) told[#told + 1] = message end }),
      function(connection)
        assert.equal("asked", (connection:call("ask")))
        neap.sleep(1)
        assert.same({ "q", -32601 }, { told[2].id, told[2].error.code })
        assert.same({ 9, {} }, { told[3].id, told[3].result })
      end)
  end)

  it("is told of a call that nobody waits for any more", function()
    local told = {}
    with(legacy({ never = function() neap.sleep(3600) end },
      { told = function(message) told[#told + 1] = message end }), function(connection)
      helper.refused("timeout", connection.call, connection, "never")
      neap.sleep(1)
      assert.equal("notifications/cancelled", told[2].method)
      assert.equal(3, told[2].params.requestId)
    end, { timeout = 5 })
  end)

  it("may go on in another stream", function()
    local id
    with(legacy({ tide = function(message)
      id = message.id
      return { body = "id: e1\nretry: 2000\ndata:\n\n",
        headers = { ["content-type"] = "text/event-stream" } }
    end }, { get = function(request)
      assert.equal("e1", request.headers["last-event-id"])
      return events { result({ id = id }, say "high") }
    end }), function(connection)
      local started = neap.now()
      assert.equal("high", (connection:call("tide")))
      assert.equal(2, neap.now() - started)
    end)
  end)
end)

describe("changes of what a server at an address has", function()
  local seen

  local function note(method) seen[#seen + 1] = method end

  -- A stream of events, one every ten seconds.
  local function stream(list)
    local chunks = {}
    for i, each in ipairs(list) do chunks[i] = wire.sse { each } end
    return { chunks = chunks, chunk_delay = 10,
      headers = { ["content-type"] = "text/event-stream" } }
  end

  before_each(function() seen = {} end)

  it("come in the stream that a server of the new era is asked for", function()
    local serve = modern {}
    with(function(request)
      local message = of(request)
      if message.method ~= "subscriptions/listen" then
        local answer = serve(request)
        local about = answer.json.result
        if about and about.capabilities then about.capabilities.tools.listChanged = true end
        return answer
      end
      assert.same({ toolsListChanged = true }, message.params.notifications)
      return stream { { jsonrpc = "2.0", method = "notifications/subscriptions/acknowledged" },
        { jsonrpc = "2.0", method = "notifications/tools/list_changed" } }
    end, function()
      neap.sleep(25)
      assert.same({ "notifications/tools/list_changed" }, seen)
    end, { on_notification = note })
  end)

  it("come in the stream that a server of the old era may have", function()
    with(legacy({}, { get = function(request)
      assert.equal("s1", request.headers["mcp-session-id"])
      return stream { { jsonrpc = "2.0", method = "notifications/tools/list_changed" } }
    end }), function()
      neap.sleep(15)
      assert.same({ "notifications/tools/list_changed" }, seen)
    end, { on_notification = note })
    with(legacy({}, { get = function() return { status = 405 } end }), function()
      neap.sleep(15)
    end, { on_notification = note })
  end)
end)

describe("a connection to an address", function()
  it("ends calls under way when it is closed", function()
    with(modern { never = function() neap.sleep(3600) end }, function(server)
      local task = neap.spawn(server.call, server, "never")
      neap.sleep(1)
      server:close()
      helper.refused("closed", task.await, task)
      assert.equal("mcp tides: the connection has been closed",
        helper.refused("closed", server.tools, server).message)
    end)
  end)

  it("has no server, or none that speaks MCP", function()
    local err = helper.refused("http", neap.mcp.connect, { url = "http://127.0.0.1:1/mcp" })
    assert.matches("connection refused", err.message)
    err = fails("server", with, function() return { status = 404, body = "no such page" } end,
      function() end)
    assert.equal("mcp http://tides.test/mcp: the server answers with status 404", err.message)
    fails("auth", with, function() return { status = 403, body = "" } end, function() end)
  end)

  it("shows no key, although the server quotes it", function()
    local function quote(request)
      local key = request.headers.authorization
      return { status = 400, json = failure(of(request), -32000, "No such key: " .. tostring(key),
        { key = tostring(key):match("%S+$"), known = { "a", 1 } }) }
    end
    for _, key in ipairs { "Bearer s3cr3t", neap.secret "Bearer s3cr3t" } do
      local err = fails("server", with, function(request)
        local headers = request.headers
        headers.authorization = neap.secret(headers.authorization):reveal()
        return quote(request)
      end, function() end, { headers = { Authorization = key } })
      assert.is_nil(json.encode(err):find("s3cr3t", 1, true))
      assert.same({ "a", 1 }, err.data.known)
    end
  end)

  it("shows no key of its address", function()
    local err = helper.refused("http", neap.mcp.connect, {
      url = "http://me:s3cr3t@127.0.0.1:1/mcp?key=s3cr3t", headers = { Authorization = "s3cr3t" } })
    assert.is_nil(json.encode(err):find("s3cr3t", 1, true))
  end)
end)
