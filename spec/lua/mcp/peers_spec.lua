-- Servers and clients that meet: ours, the reference server of MCP's authors, and their
-- SDKs, the old one (@modelcontextprotocol/sdk) and the new one (.../server, .../client).
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local json = require "neap.json"
local neap = require "neap"
local npm = require "spec.npm"
local servers = require "spec.servers"

local it_npm = npm.it(it, pending)

local NUMBERS = helper.root .. "/spec/mcp/numbers.lua"

local function everything(...)
  return npm.program("@modelcontextprotocol/server-everything/dist/index.js", ...)
end

-- Uses the reference server.
local function use_everything(server)
  assert.same({ "mcp-servers/everything", "2025-11-25" }, { server.name, server.version })
  local names = {}
  for _, tool in ipairs(server:tools { prefix = "all_" }) do names[tool.name] = tool end
  assert.equal("Echo Tool", names.all_echo.definition.title)
  assert.equal("Echo: high", (server:call("echo", { message = "high" })))
  assert.equal("Echo: low", names.all_echo.run { message = "low" })
  assert.matches("%[image image/png, %d+ bytes%]", (server:call("get-tiny-image")))
  local err = helper.refused("mcp", server.call, server, "echo", {})
  assert.equal("tool", err.kind)
  local resource = server:resources()[1]
  assert.matches("%a", (server:read(resource.uri)))
  assert.equal("user", server:prompt("simple-prompt")[1].role)
  local sums = neap.map({ 1, 2, 3 }, function(n)
    return (server:call("get-sum", { a = n, b = n }))
  end)
  assert.matches("6", sums[3])
  local long = "trigger-long-running-operation"
  helper.refused("timeout", neap.timeout, 0.2, server.call, server, long,
    { duration = 30, steps = 3 })
  assert.equal("Echo: still here", (server:call("echo", { message = "still here" })))
end

-- Uses the server that is made with the new SDK.
local function use_tides(server, version)
  assert.same({ "sdk tides", "2", version, "Ask for tides." },
    { server.name, server.server_version, server.version, server.instructions })
  assert.equal(3, #server:tools())
  assert.equal("high at Kiel", (server:call("tide", { port = "Kiel" })))
  assert.equal("no such port", helper.refused("mcp", server.call, server, "fail").message)
  assert.equal("server", helper.refused("mcp", server.call, server, "none").kind)
  assert.equal("high at noon", (server:read(server:resources()[1].uri)))
  assert.same({ { role = "user", content = "Tides of Kiel" } },
    (server:prompt("ask", { port = "Kiel" })))
  helper.refused("timeout", neap.timeout, 0.2, server.call, server, "wait", { seconds = 30 })
end

describe("the reference server", function()
  it_npm("is used as a program", function()
    local server <close> = neap.mcp.connect { command = everything "stdio", probe = 30 }
    use_everything(server)
  end)

  it_npm("is used over HTTP", function()
    local listener = neap.net.listen "127.0.0.1:0"
    local port = listener.address:match("%d+$")
    listener:close()
    local command = everything "streamableHttp"
    command.env, command.stderr = { PORT = port }, "null"
    local process <close> = neap.process.spawn(command)
    local url = ("http://127.0.0.1:%s/mcp"):format(port)
    neap.retry({ max_retries = 600, wait = 0.1 }, neap.net.connect, "127.0.0.1:" .. port):close()
    do
      local server <close> = neap.mcp.connect { url = url }
      use_everything(server)
    end
    assert.is_true(process:kill())
  end)
end)

describe("the server of aimock", function()
  it_npm("is used over HTTP, with a session", function()
    local address, pipe = servers.node("npm/aimock.cjs", "[]")
    local server <close> = neap.mcp.connect { url = address .. "/mcp" }
    assert.same({ "tides", "3", "2025-03-26" },
      { server.name, server.server_version, server.version })
    local tools = server:tools()
    assert.same({ 2, "tide_high" }, { #tools, tools[1].name })
    assert.equal("high at Kiel", tools[1].run { port = "Kiel" })
    assert.equal("no such port", helper.refused("mcp", server.call, server, "fail").message)
    assert.equal("server", helper.refused("mcp", server.call, server, "none").kind)
    assert.equal("high at noon", (server:read(server:resources()[1].uri)))
    assert.same({ { role = "user", content = "Tides?" } }, (server:prompt("ask")))
    server:close()
    pipe:close()
  end)
end)

describe("a server of the SDK", function()
  for probe, version in pairs { [30] = "2026-07-28", [0] = "2025-11-25" } do
    it_npm("is used as a program: " .. version, function()
      local command = npm.script("mcp/sdk_server.cjs", "stdio")
      local server <close> = neap.mcp.connect { command = command, probe = probe }
      use_tides(server, version)
    end)

    it_npm("is used over HTTP: " .. version, function()
      local command = npm.script("mcp/sdk_server.cjs", "http")
      command.stderr = "pipe"
      local process <close> = neap.process.spawn(command)
      local url = neap.timeout(60, process.stdout.read, process.stdout)
      do
        local server <close> = neap.mcp.connect { url = url, probe = probe }
        use_tides(server, version)
      end
      if probe > 0 then
        assert.equal("cancelled", neap.timeout(60, process.stderr.read, process.stderr))
      end
    end)
  end
end)

describe("a server of ours", function()
  it("serves our own client, in either era", function()
    for probe, version in pairs { [0] = "2025-11-25", [5] = "2026-07-28" } do
      local server <close> = neap.mcp.connect { command = { helper.neap, NUMBERS },
        probe = probe }
      assert.equal(version, server.version)
      assert.equal('{"n":4}', (server:call("double", { n = 2 })))
      local err = helper.refused("mcp", server.call, server, "fail")
      assert.same({ "tool", "no such number" }, { err.kind, err.message })
    end
  end)

  for sdk, version in pairs { old = false, new = "2026-07-28" } do
    it_npm("serves a client of the SDK: " .. sdk, function()
      local command = npm.script("mcp/sdk_client.cjs", sdk, helper.neap, NUMBERS)
      command.timeout = 60
      local result = neap.process.run(command)
      assert.same({ "", 0 }, { result.stderr, result.code })
      local got = json.decode(result.stdout)
      assert.same({ "numbers", "7", "Numbers only." },
        { got.server.name, got.server.version, got.instructions })
      assert.equal(version or nil, got.version)
      assert.equal(8, #got.tools)
      assert.equal('{"n":42}', got.double.content[1].text)
      assert.same({ "no such number", true }, { got.fail.content[1].text, got.fail.isError })
      assert.matches("The arguments do not fit", got.misfit.content[1].text)
      assert.equal("said", got.talk.content[1].text)
      assert.equal(-32602, got.none.code)
      assert.matches("abort", got.cancelled.message)
      assert.equal("slept", got.both[2].content[1].text)
    end)
  end
end)
