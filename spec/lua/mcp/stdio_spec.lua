-- Servers that are programs: both eras, what can be asked, and each way in which a server
-- can fail.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local json = require "neap.json"
local neap = require "neap"

local SERVER = helper.root .. "/spec/mcp/server.lua"

local function command(...)
  return { helper.neap, SERVER, ... }
end

-- Connects to the server of specs.
local function connect(opts, ...)
  local all = { command = command(...), timeout = 20 }
  for name, value in pairs(opts) do all[name] = value end
  return neap.mcp.connect(all)
end

local function fails(kind, f, ...)
  local err = helper.refused("mcp", f, ...)
  assert.equal(kind, err.kind)
  return err
end

-- Whether a process is there, and is no zombie.
local function is_there(pid)
  local file = io.open(("/proc/%s/stat"):format(pid))
  local state = file and file:read("a"):match("%) (%a)")
  if file then file:close() end
  return state ~= nil and state ~= "Z"
end

-- Whether a process lives on although it has been ended.
local function lives(pid)
  for _ = 1, 500 do
    if not is_there(pid) then return false end
    neap.sleep(0.02)
  end
  return true
end

for era, version in pairs { legacy = "2025-06-18", modern = "2026-07-28" } do
  describe(("a %s server"):format(era), function()
    it("says what it is", function()
      local server <close> = connect({}, era)
      assert.same({ "tides", era == "modern" and "3" or "2", version },
        { server.name, server.server_version, server.version })
      assert.equal(era == "modern" and "Ask for tides." or nil, server.instructions)
      assert.equal("neap.mcp.Server: mcp tides", tostring(server))
    end)

    it("has tools, on all pages", function()
      local server <close> = connect({}, era)
      local names = {}
      for i, tool in ipairs(server:tools { prefix = "t_" }) do names[i] = tool.name end
      assert.same({ "t_echo", "t_fail", "t_tide_tables_of_the_port" }, names)
    end)

    it("is called", function()
      local server <close> = connect({}, era)
      local text, result = server:call("echo", { text = "high\nwater \u{2014} ö" })
      assert.equal("high\nwater \u{2014} ö", text)
      assert.equal("text", result.content[1].type)
      local err = fails("tool", server.call, server, "fail")
      assert.same({ "no such port", "fail", true },
        { err.message, err.tool, err.result.isError })
      err = fails("server", server.call, server, "none", {})
      assert.same({ "mcp tides: tools/call: Unknown tool: none", -32602 },
        { err.message, err.rpc_code })
    end)

    it("has resources and prompts", function()
      local server <close> = connect({}, era)
      assert.equal("tide://kiel", server:resources()[1].uri)
      local text, parts = server:read("tide://kiel")
      assert.same({ "high at noon", "text/plain" }, { text, parts[1].mime })
      assert.equal("\0\255\16", (server:read("tide://bytes")))
      assert.equal("ask", server:prompts()[1].name)
      assert.same({ { role = "user", content = "Tides of Kiel" }, { role = "assistant",
        content = { { type = "image", mime = "image/png", data = "\0\255\16" } } } },
        (server:prompt("ask", { port = "Kiel" })))
    end)

    it("serves an agent", function()
      local server <close> = connect({}, era)
      local model = neap.llm.fake {
        { calls = { { name = "echo", arguments = { text = "a" } }, { name = "fail" },
          { name = "echo", arguments = { text = 1 } },
          { name = "tide_tables_of_the_port", arguments = { x_ = "y", port = "Kiel" } } } },
        "So be it.",
      }
      local _, shared = neap.llm.agent { model = model, tools = server:tools() }:ask "Go."
      local told = {}
      for _, message in ipairs(shared.agent.messages) do
        if message.role == "tool" then told[#told + 1] = message.content end
      end
      assert.same({ "a", "The tool has failed: no such port",
        "The arguments do not fit:\n$.text: string expected, got integer", "high at Kiel" }, told)
      assert.same({ ["^x_"] = { type = "string" } },
        model.requests[1].options.tools[3].parameters.patternProperties)
    end)

    it("answers several calls in any order", function()
      local server <close> = connect({}, era)
      local function hold(words)
        return (server:call("hold", { text = words }))
      end
      assert.same({ "a", "b", "c", n = 3 }, neap.map({ "a", "b", "c" }, hold))
    end)

    it("is told of a call that nobody waits for any more", function()
      local server <close> = connect({}, era)
      local task = neap.spawn(server.call, server, "never")
      helper.turns()
      assert.equal("a", (server:call("echo", { text = "a" })))
      task:cancel()
      helper.refused("cancelled", task.await, task)
      local heard = json.decode((server:call("heard")))
      assert.equal("notifications/cancelled", heard[#heard])
    end)

    it("tells of changes, if somebody wants to know", function()
      local seen = {}
      local server <close> = connect({ on_notification = function(method)
        seen[#seen + 1] = method
      end }, era)
      assert.equal("changed", (server:call("change")))
      helper.turns()
      assert.same({ "notifications/tools/list_changed" }, seen)
    end)

    it("limits the time of a call", function()
      local server <close> = connect({}, era)
      server.timeout = 0.3 -- connecting may take longer
      local err = helper.refused("timeout", server.call, server, "never")
      assert.matches("^mcp tides: tools/call timed out after 0%.3 s; its stderr ends with:\n"
        .. "the secret is", err.message)
      assert.equal("the secret is nil", err.stderr)
      assert.equal("a", (server:call("echo", { text = "a" })))
    end)

    for _, method in ipairs { "server/discover", "initialize", "tools/list", "tools/call" } do
      it("may die at " .. method, function()
        local function go()
          local server <close> = connect({ env = { TIDE_KEY = "s3cr3t" } }, era, "die", method)
          server:tools()
          server:call("echo", { text = "a" })
        end
        -- Those are not asked, or started once more.
        local is_alive = era == "modern" and method == "initialize"
          or era == "legacy" and method == "server/discover"
        if is_alive then return go() end
        local err = fails("dead", go)
        assert.same({ 3, false }, { err.status, err.retryable })
        assert.matches("the server has ended with exit code 3; its stderr ends with:\n"
          .. "the secret is %[redacted%]\ncannot go on$", err.message)
      end)
    end

    it("may flood its stderr", function()
      local server <close> = connect({ timeout = 60 }, era, "flood")
      for _ = 1, 3 do assert.equal("a", (server:call("echo", { text = "a" }))) end
    end)

    it("may say what is no message, or nobody's", function()
      local seen = {}
      local server <close> = connect({ on_notification = function(method, params)
        seen[#seen + 1] = method .. " " .. params.data
      end }, era, "noise")
      assert.equal("a", (server:call("echo", { text = "a" })))
      fails("server", server.call, server, "none")
      assert.same({ "notifications/message \u{FFFD}" }, seen)
    end)

    it("may say too much", function()
      local server <close> = connect({}, era, "huge")
      local err = fails("broken", server.call, server, "echo", { text = "a" })
      assert.matches("too long: a line is longer than 16777216 bytes", err.message)
      assert.equal(err, helper.failure(server.call, server, "echo", { text = "a" }))
    end)

    it("may give the same page for ever", function()
      local server <close> = connect({}, era, "cursor")
      assert.equal(1, #server:tools())
    end)

    it("may speak no version that we do", function()
      local err = fails("version", connect, {}, era, "versions")
      assert.matches("speaks version " .. (era == "modern" and "2031%-01%-01" or "1999%-01%-01")
        .. " of MCP; neap speaks 2026%-07%-28, 2025%-11%-25", err.message)
    end)
  end)
end

describe("a server that is a program", function()
  it("is asked for a handshake when it says nothing to a question that is new", function()
    local server <close> = connect({ probe = 0.3 }, "legacy", "silent", "server/discover")
    assert.equal("2025-06-18", server.version)
    local heard = json.decode((server:call("heard")))
    assert.same({ "notifications/initialized" }, heard)
  end)

  it("may be slow to say that it needs none", function()
    local server <close> = connect({ probe = 0.1 }, "modern", "late")
    assert.equal("2026-07-28", server.version)
    assert.equal("a", (server:call("echo", { text = "a" })))
  end)

  it("is not asked the new way where nobody wants it", function()
    local server <close> = connect({ probe = 0 }, "dual")
    assert.equal("2025-06-18", server.version)
  end)

  it("may never say a word", function()
    local err = helper.refused("timeout", connect, { timeout = 3, probe = 0.1 }, "legacy",
      "silent")
    assert.matches("^mcp neap: connecting timed out after 3 s; its stderr ends with:\n.*"
      .. "not a word about server/discover\nnot a word about initialize$", err.message)
  end)

  it("may not start, or end at once", function()
    local err = helper.refused("process", neap.mcp.connect, { command = { "/no/such/server" } })
    assert.equal("ENOENT", err.errno)
    assert.equal(4, fails("dead", connect, {}, "legacy", "start").status)
    assert.equal("SIGKILL", fails("dead", neap.mcp.connect, { command = { "sh", "-c",
      "kill -9 $$" } }).signal)
  end)

  it("gets answers to what it asks", function()
    local seen = {}
    local server <close> = connect({ on_notification = function(method)
      seen[#seen + 1] = method
    end }, "legacy")
    assert.equal("{}", (server:call("ask", { method = "ping" })))
    for _, method in ipairs { "sampling/createMessage", "roots/list", "elicitation/create" } do
      assert.same({ code = -32601, message = "Method not found: " .. method },
        json.decode((server:call("ask", { method = method }))))
    end
    helper.turns()
    assert.equal("notifications/tools/list_changed", seen[4])
  end)

  it("may want a call once more, but no person", function()
    local server <close> = connect({}, "modern")
    assert.equal("twice", (server:call("again")))
    assert.matches("the server asks for elicitation/create",
      fails("input", server.call, server, "person").message)
  end)

  it("ends with its connection, and so does all that it has started", function()
    local server = connect({}, "legacy")
    local child = server:call("child")
    assert.is_true(is_there(child))
    local waiting = neap.spawn(server.call, server, "never")
    helper.turns()
    server:close()
    server:close()
    assert.is_false(lives(child))
    assert.matches("mcp tides: the connection has been closed",
      helper.refused("closed", waiting.await, waiting).message)
    helper.refused("closed", server.call, server, "echo", { text = "a" })
  end)

  it("ends although it does not want to", function()
    local server = connect({}, "legacy", "stubborn")
    local started = neap.now()
    server:close()
    assert.is_true(neap.now() - started < 10)
  end)

  -- The end of the keeper was raised in its place, and each agent that was cancelled warned of
  -- an error that was suppressed.
  it("is closed by a task that is cancelled, whose error stays the one", function()
    local server = connect({}, "legacy")
    local task = neap.spawn(function()
      local _ <close> = server
      neap.sleep(60)
    end)
    helper.turns()
    task:cancel()
    local err = helper.refused("cancelled", task.await, task)
    assert.same({ "cancelled while waiting for sleep" }, { err.message, err.suppressed })
  end)

  it("lets nobody wait when the task that keeps it is cancelled", function()
    local server <close> = connect({}, "legacy")
    local waiting = neap.spawn(server.call, server, "never")
    helper.turns()
    server.transport.keeper:cancel()
    assert.matches("mcp tides: the connection has ended: cancelled",
      fails("dead", waiting.await, waiting).message)
    fails("dead", server.call, server, "never")
  end)

  it("ends with a connection that is collected", function()
    local child
    do child = connect({}, "legacy"):call("child") end
    collectgarbage()
    collectgarbage()
    assert.is_false(lives(child))
  end)

  it("may be used by other tasks than the one that has connected", function()
    local servers = neap.map({ "legacy", "modern" }, function(era) return connect({}, era) end)
    for _, server in ipairs(servers) do
      assert.equal("a", (server:call("echo", { text = "a" })))
      server:close()
    end
  end)
end)

describe("mcp.connect", function()
  it("says what is wrong with its options", function()
    local function misused(opts)
      return (helper.misused(neap.mcp.connect, opts):match("mcp%.connect: .*"))
    end
    assert.equal("mcp.connect: one of the options 'command' and 'url' is needed", misused {})
    assert.equal("mcp.connect: bad option 'command' (list of strings expected, got string)",
      misused { command = "npx server" })
    assert.equal("mcp.connect: bad option 'command' (list of strings expected, got a list whose "
      .. "item 2 is a number)", misused { command = { "sleep", 1 } })
    assert.equal("mcp.connect: bad option 'command' (list of strings expected, got an empty list)",
      misused { command = {} })
    assert.equal("mcp.connect: one of the options 'command' and 'url' is needed, not both",
      misused { command = { "sleep" }, url = "http://m" })
    assert.equal("mcp.connect: unknown option 'commands'; did you mean 'command'?",
      misused { commands = {} })
    assert.equal("mcp.connect: unknown option 'args'; did you mean 'command'?",
      misused { args = {} })
    assert.equal("mcp.connect: the variable KEY is a string without a zero byte, a secret, "
      .. "or false",
      misused { command = { "sleep" }, env = { KEY = {} } })
  end)
end)
