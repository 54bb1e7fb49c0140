-- Servers that answer anything, and clients that ask anything: whatever comes, a call gives
-- what its description says, or raises an error object, a request has one answer, and nobody
-- waits for ever.
-- SPDX-License-Identifier: MIT
local json = require "neap.json"
local neap = require "neap"
local tools = require "neap.llm.tool"

local random = math.random

local NAMES = { "tools", "resources", "prompts", "name", "uri", "content", "type", "text",
  "inputSchema", "contents", "messages", "role", "nextCursor", "resultType", "requestState",
  "inputRequests", "isError", "structuredContent", "blob", "data", "resource", "mimeType",
  "protocolVersion", "serverInfo", "capabilities", "supportedVersions", "_meta", "properties",
  "x-mcp-header", "method", "params", "id", "error", "code", "message", "supported",
  "instructions", "listChanged", "description", "title" }

local RESULTS = {
  ["server/discover"] = { supportedVersions = { "2026-07-28" },
    capabilities = { tools = { listChanged = true } } },
  initialize = { protocolVersion = "2025-11-25", capabilities = {}, serverInfo = { name = "f" } },
  ["tools/list"] = { tools = { { name = "a.b", inputSchema = { type = "object",
    properties = { a = { type = "string" } } } } } },
  ["tools/call"] = { content = { { type = "text", text = "x" } } },
  ["resources/list"] = { resources = { { uri = "u" } } },
  ["resources/read"] = { contents = { { uri = "u", text = "t" } } },
  ["prompts/list"] = { prompts = { { name = "p" } } },
  ["prompts/get"] = { messages = { { role = "user", content = { type = "text", text = "t" } } } },
}

local function any(depth)
  local kind = random(12)
  if kind == 1 then return json.null end
  if kind == 2 then return random(-5, 5) end
  if kind == 3 then return random() * 1e300 end
  if kind == 4 or depth > 3 then return "text" end
  if kind == 5 then return true end
  if kind == 6 then return json.array() end
  local value = kind < 10 and json.array() or {}
  for i = 1, random(0, 5) do
    value[kind < 10 and i or NAMES[random(#NAMES)]] = any(depth + 1)
  end
  return value
end

-- The same value, with something else in some places: the same ones in each process.
local function changed(value, depth)
  if random(8) == 1 then return any(depth) end
  if type(value) ~= "table" then return value end
  local keys, copy = {}, setmetatable({}, getmetatable(value))
  for key in pairs(value) do keys[#keys + 1] = key end
  table.sort(keys)
  for _, key in ipairs(keys) do copy[key] = changed(value[key], depth + 1) end
  return copy
end

local function answer(message)
  local kind, result = random(10), RESULTS[message.method]
  if kind == 1 then return any(0) end
  if kind == 2 then return { jsonrpc = "2.0", id = message.id, error = any(0) } end
  if kind == 3 then return { jsonrpc = "2.0", id = any(2), result = result } end
  return { jsonrpc = "2.0", id = message.id, result = kind > 7 and result or changed(result, 0) }
end

-- Plays a program.
local function play(call)
  for line in call.stdin:lines() do
    local message = json.decode(line)
    if message.id and message.method and random(20) > 1 then
      call.stdout:write(json.encode(answer(message)), "\n")
    end
    if random(10) == 1 then call.stdout:write(json.encode(any(0)), "\n") end
    if random(100) == 1 then return { code = 1 } end
  end
end

-- Answers a request.
local function respond(request)
  local body = json.encode(answer(request.body and json.decode(request.body) or {}))
  local headers = { ["mcp-session-id"] = random(2) == 1 and "s" or nil }
  if random(3) == 1 then
    headers["content-type"] = "text/event-stream"
    body = ("id: %d\ndata: %s\n\ndata: %s\n\n"):format(random(3), json.encode(any(0)), body)
  end
  local status = random(12) == 1 and ({ 202, 400, 401, 404, 500 })[random(5)] or 200
  return { status = status, headers = headers, body = body }
end

local function check(ok, err)
  if ok or type(err) == "table" and err.code then return end
  error("no error object: " .. tostring(err), 0)
end

-- Asks a server all that can be asked.
local function ask(opts)
  opts.timeout = 5
  opts.on_notification = random(2) == 1 and function() end or nil
  local connected, server = pcall(neap.mcp.connect, opts)
  if not connected then return check(false, server) end
  for _ = 1, 4 do
    local ok, list = pcall(server.tools, server)
    check(ok, list)
    for _, tool in ipairs(ok and list or {}) do
      check(pcall(tool.run, { a = "x" }))
      check(pcall(tools.arguments, tool, { id = "1", name = tool.name, arguments = '{"a": 1}' }))
    end
    check(pcall(server.call, server, "a.b", { a = "x" }))
    check(pcall(server.read, server, "u"))
    check(pcall(server.prompt, server, "p"))
    check(pcall(server.resources, server))
    check(pcall(server.prompts, server))
  end
  server:close()
end

describe("a server that answers anything", function()
  local warn

  -- Tools that are left out, and notifications of any kind, are warned of.
  setup(function() warn, _G.warn = _G.warn, function() end end)
  teardown(function() _G.warn = warn end)

  it("is understood as a program, or refused", function()
    for seed = 1, 40 do
      neap.testing.run(function()
        local fake <close> = neap.testing.process { anything = play }
        ask { command = { "anything" } }
        assert.is_true(#fake.calls > 0)
      end, { seed = seed })
    end
  end)

  it("is understood at an address, or refused", function()
    for seed = 1, 40 do
      neap.testing.run(function()
        local fake <close> = neap.testing.http { ["http://anything/*"] = respond }
        ask { url = "http://anything/mcp" }
        assert.is_true(#fake.requests > 0)
      end, { seed = seed })
    end
  end)
end)

describe("a client that asks anything", function()
  local METHODS = { "initialize", "server/discover", "ping", "tools/list", "tools/call",
    "notifications/cancelled", "subscriptions/listen", "no/such" }
  local VERSION = "io.modelcontextprotocol/protocolVersion"

  -- A message, and whether it is a request.
  local function message(id)
    local kind = random(10)
    if kind == 1 then return any(0), false end
    local asked = { jsonrpc = "2.0", id = id, method = METHODS[random(#METHODS)],
      params = kind < 5 and any(0) or { name = random(2) == 1 and "nap" or any(2),
        arguments = changed({ seconds = 1 }, 0), requestId = random(id) } }
    if kind > 6 then
      asked.params._meta = { [VERSION] = random(3) > 1 and "2026-07-28" or any(2) }
    end
    if kind == 10 then asked.id = nil end
    return asked, asked.id ~= nil
  end

  it("gets one answer to each request, unless it has cancelled it", function()
    local nap = neap.mcp.tool(function(arguments) neap.sleep(arguments.seconds) end,
      { name = "nap", parameters = { "seconds: number" } })
    for seed = 1, 40 do
      neap.testing.run(function()
        local asked, cancelled, seen = {}, {}, {}
        local fake <close> = neap.testing.process { numbers = function(call)
          neap.mcp.serve { tools = { nap }, input = call.stdin, output = call.stdout }
        end }
        local process <close> = neap.process.spawn { "numbers" }
        local reader = neap.spawn(function()
          for line in process.stdout:lines() do
            local answered = json.decode(line)
            if answered.id ~= nil then seen[answered.id] = (seen[answered.id] or 0) + 1 end
          end
        end)
        for id = 1, 50 do
          local each, is_request = message(id)
          asked[id] = is_request or nil
          local may_cancel = type(each) == "table" and each.method == "notifications/cancelled"
            and type(each.params) == "table" and each.params.requestId
          if may_cancel then cancelled[may_cancel] = true end
          process.stdin:write(json.encode(each), "\n")
        end
        process.stdin:finish()
        reader:await()
        for id in pairs(asked) do
          assert.is_true(seen[id] == 1 or cancelled[id] and not seen[id],
            ("request %d of seed %d: %s"):format(id, seed, seen[id]))
        end
        assert.equal(0, process:wait().code)
        assert.equal(1, #fake.calls)
      end, { seed = seed })
    end
  end)
end)
