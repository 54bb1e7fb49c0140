-- A server of MCP for specs, of either era, that misbehaves on purpose:
--
--   neap spec/mcp/server.lua ERA [FAULT [METHOD]]
--
-- It knows nothing of neap.mcp: what it says is written from the specification.
-- SPDX-License-Identifier: MIT
local json = require "neap".json

local era, fault, method_of_fault = ...

io.stdout:setvbuf("no")

local function say(value)
  io.stdout:write(json.encode(value), "\n")
end

local function complain(text)
  io.stderr:write(text, "\n")
end

local function answer(request, result)
  if era == "modern" then result.resultType = "complete" end
  say { jsonrpc = "2.0", id = request.id, result = result,
    error = fault == "noise" and json.null or nil }
end

local function refuse(request, code, message, data)
  say { jsonrpc = "2.0", id = request.id, result = fault == "noise" and json.null or nil,
    error = { code = code, message = message, data = data } }
end

local function text(words)
  return { content = { { type = "text", text = words } } }
end

-- Reads the next message.
local function hear()
  local line = io.read()
  return line and json.decode(line)
end

local tools = {
  { name = "echo", description = "Says it again.", inputSchema = { type = "object",
    properties = { text = { type = "string" } }, required = { "text" } } },
  { name = "fail", inputSchema = { type = "object" } },
  { name = "tide.tables/of the port", inputSchema = { type = "object",
    properties = { port = { type = "string", ["$ref"] = "https://x.test/port" } },
    patternProperties = { ["^x_"] = { type = "string" } }, additionalProperties = false } },
}

local methods = {}

methods["server/discover"] = function(request)
  if fault == "late" then os.execute("sleep 0.4") end
  if fault == "versions" then
    return refuse(request, -32022, "Unsupported protocol version",
      { supported = { "2031-01-01" }, requested = "2026-07-28" })
  end
  answer(request, { supportedVersions = { "2026-07-28" },
    capabilities = { tools = { listChanged = true } }, instructions = "Ask for tides.",
    _meta = { ["io.modelcontextprotocol/serverInfo"] = { name = "tides", version = "3" } } })
end

methods.initialize = function(request)
  answer(request, { protocolVersion = fault == "versions" and "1999-01-01" or "2025-06-18",
    capabilities = { tools = { listChanged = true } },
    serverInfo = { name = "tides", version = "2" } })
end

methods["tools/list"] = function(request)
  local cursor = tonumber(request.params.cursor) or 1
  if fault == "cursor" then cursor = 1 end
  answer(request, { tools = { tools[cursor] },
    nextCursor = cursor < #tools and tostring(cursor + 1) or nil })
end

local call = {}
methods["tools/call"] = function(request)
  local tool = call[request.params.name]
  if not tool then return refuse(request, -32602, "Unknown tool: " .. request.params.name) end
  tool(request, request.params.arguments)
end

function call.echo(request, arguments)
  if fault == "flood" then
    for _ = 1, 1000 do complain(("flood "):rep(200)) end
  elseif fault == "noise" then
    io.stdout:write("Listening on stdio\n{\"half\": \n\n[]\n42\n")
    say { jsonrpc = "2.0", id = 4711, result = {} }
    say { jsonrpc = "2.0", id = "4711", result = {} }
    say { jsonrpc = "2.0", error = { code = -32700, message = "Parse error" } }
    io.stdout:write('{"jsonrpc":"2.0","method":"notifications/message","params":',
      '{"data":"\\ud800","big":123456789012345678901234567890}}\n')
  elseif fault == "huge" then
    io.stdout:write('{"jsonrpc":"2.0","id":', request.id, ',"result":{"x":"')
    for _ = 1, 17 do io.stdout:write(("x"):rep(1024 * 1024)) end
    return io.stdout:write('"}}\n')
  end
  answer(request, text(arguments.text))
end

function call.fail(request)
  answer(request, { content = text("no such port").content, isError = true })
end

call["tide.tables/of the port"] = function(request, arguments)
  answer(request, text("high at " .. (arguments.port or "sea")))
end

-- Says what the notifications and answers were that came before it.
local heard = {}
function call.heard(request)
  answer(request, text(json.encode(json.array(heard))))
end

-- Answers three calls in the reverse order.
local held = {}
function call.hold(request)
  table.insert(held, 1, request)
  if #held < 3 then return end
  for _, each in ipairs(held) do answer(each, text(each.params.arguments.text)) end
  held = {}
end

function call.never() end

-- Asks the client something before it answers.
function call.ask(request, arguments)
  say { jsonrpc = "2.0", id = "q1", method = arguments.method }
  say { jsonrpc = "2.0", method = "notifications/tools/list_changed" }
  local reply = hear()
  answer(request, text(json.encode(reply.result or reply.error)))
end

-- Tells who has asked for it that the tools have changed.
local subscription
methods["subscriptions/listen"] = function(request)
  assert(request.params.notifications.toolsListChanged == true)
  assert(request.params.notifications.promptsListChanged == nil)
  subscription = { ["io.modelcontextprotocol/subscriptionId"] = request.id }
  say { jsonrpc = "2.0", method = "notifications/subscriptions/acknowledged",
    params = { notifications = { toolsListChanged = true }, _meta = subscription } }
end

function call.change(request)
  if era == "legacy" or subscription then
    say { jsonrpc = "2.0", method = "notifications/tools/list_changed",
      params = { _meta = subscription } }
  end
  answer(request, text("changed"))
end

-- Wants to be asked once more.
function call.again(request)
  if request.params.requestState == "s1" then return answer(request, text("twice")) end
  say { jsonrpc = "2.0", id = request.id, result = { resultType = "input_required",
    requestState = "s1" } }
end

function call.person(request)
  say { jsonrpc = "2.0", id = request.id, result = { resultType = "input_required",
    inputRequests = { who = { method = "elicitation/create", params = {} } } } }
end

-- Starts a program that lives on, and says its number.
function call.child(request)
  local pipe = io.popen("sleep 600 >/dev/null 2>&1 & echo $!")
  answer(request, text(pipe:read()))
  pipe:close()
end

methods["resources/list"] = function(request)
  answer(request, { resources = { { uri = "tide://kiel", name = "Kiel" } } })
end

methods["resources/read"] = function(request)
  if request.params.uri == "tide://bytes" then
    return answer(request, { contents = { { uri = "tide://bytes", mimeType = "image/png",
      blob = "AP8Q" } } })
  end
  answer(request, { contents = { { uri = request.params.uri, mimeType = "text/plain",
    text = "high at noon" } } })
end

methods["prompts/list"] = function(request)
  answer(request, { prompts = { { name = "ask", arguments = { { name = "port" } } } } })
end

methods["prompts/get"] = function(request)
  local words = "Tides of " .. request.params.arguments.port
  answer(request, { messages = {
    { role = "user", content = { type = "text", text = words } },
    { role = "assistant", content = { type = "image", mimeType = "image/png", data = "AP8Q" } },
  } })
end

methods["notifications/initialized"] = function() end
methods["notifications/cancelled"] = function() end

-- The old era allows this before the handshake.
if era == "legacy" then say { jsonrpc = "2.0", id = "first", method = "ping" } end

complain("the secret is " .. tostring(os.getenv("TIDE_KEY")))
if fault == "start" then os.exit(4) end

local NOT_THERE = { legacy = "server/discover", modern = "initialize" }

for request in hear do
  local method = request.method
  if request.id == "first" and not method then
    assert(next(request.result) == nil)
  elseif not request.id or not method then
    heard[#heard + 1] = method or "answer"
  end
  if fault == "die" and method == method_of_fault then
    complain("cannot go on")
    os.exit(3)
  elseif fault == "silent" and method and (not method_of_fault or method == method_of_fault) then
    complain("not a word about " .. method) -- and no answer
  elseif era == "modern" and request.id and method ~= "initialize" and method
    and not request.params._meta["io.modelcontextprotocol/protocolVersion"] then
    refuse(request, -32602, "a request without a version")
  elseif methods[method] and NOT_THERE[era] ~= method then
    methods[method](request)
  elseif request.id and method then
    refuse(request, -32601, "Method not found")
  end
end
if fault == "stubborn" then os.execute("trap '' TERM; sleep 600") end
