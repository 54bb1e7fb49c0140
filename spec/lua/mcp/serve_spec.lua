-- Tools for other programs: what a server says, line by line, in both eras.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local json = require "neap.json"
local neap = require "neap"

local script = helper.root .. "/spec/mcp/numbers.lua"

local META = { ["io.modelcontextprotocol/protocolVersion"] = "2026-07-28",
  ["io.modelcontextprotocol/clientCapabilities"] = {} }

local function request(id, method, params, meta)
  params = params or {}
  params._meta = meta
  return json.encode { jsonrpc = "2.0", id = id, method = method, params = params }
end

local function call(id, name, arguments, meta)
  return request(id, "tools/call", { name = name, arguments = arguments }, meta)
end

-- Sends lines to the server. Gives its answers by their ids, what it has written to stderr,
-- the ids in their order, and the messages that have none.
local function serve(...)
  local input = table.concat({ ... }, "\n") .. "\n"
  local result = neap.process.run { helper.neap, script, stdin = input, timeout = 20, check = true }
  local answers, order, others = {}, {}, {}
  for line in result.stdout:gmatch("([^\n]*)\n") do
    if line ~= "served" then
      local answer = json.decode(line)
      assert.equal("2.0", answer.jsonrpc)
      if answer.id == nil then
        table.insert(others, answer)
      else
        assert.is_nil(answers[answer.id])
        answers[answer.id] = answer
        order[#order + 1] = answer.id
      end
    end
  end
  return answers, result.stderr, order, others
end

local function text_of(answer)
  assert.same({ 1, "text" }, { #answer.result.content, answer.result.content[1].type })
  return answer.result.content[1].text
end

describe("mcp.serve", function()
  it("shakes hands, with the version that the client has if it can", function()
    local function shake(version)
      return serve(request("a", "initialize", { protocolVersion = version, capabilities = {},
        clientInfo = { name = "c", version = "1" } }),
        '{"jsonrpc":"2.0","method":"notifications/initialized"}')
    end
    assert.same({ protocolVersion = "2024-11-05", capabilities = { tools = {} },
      serverInfo = { name = "numbers", version = "7" }, instructions = "Numbers only." },
      shake("2024-11-05").a.result)
    assert.equal("2025-11-25", shake("1999-01-01").a.result.protocolVersion)
    assert.equal("2025-11-25", shake("2026-07-28").a.result.protocolVersion)
  end)

  it("is discovered", function()
    local result = serve(request("d", "server/discover", {}, META)).d.result
    assert.same({ "complete", "2026-07-28", "Numbers only.", "public" },
      { result.resultType, result.supportedVersions[1], result.instructions, result.cacheScope })
    assert.same({ name = "numbers", version = "7" },
      result._meta["io.modelcontextprotocol/serverInfo"])
  end)

  it("refuses a version that it does not speak", function()
    local meta = { ["io.modelcontextprotocol/protocolVersion"] = "2031-01-01" }
    assert.same({ code = -32022, message = "Unsupported protocol version",
      data = { supported = { "2026-07-28" }, requested = "2031-01-01" } },
      serve(request(1, "tools/list", {}, meta))[1].error)
  end)

  for era, meta in pairs { legacy = false, modern = META } do
    it("lists and runs tools: " .. era, function()
      meta = meta or nil
      local answers = serve(request(1, "tools/list", nil, meta),
        call(2, "double", { n = 21 }, meta), call(3, "keep", { a = 1 }, meta),
        call(4, "none", {}, meta), request(5, "no/such", {}, meta), call(6, "keep", nil, meta))
      local result = answers[1].result
      assert.same({ name = "double", description = "Twice as much.", inputSchema = {
        type = "object", properties = { n = { type = "integer" } }, required = { "n" },
        additionalProperties = false } }, result.tools[1])
      assert.equal(8, #result.tools)
      assert.equal(meta and "complete" or nil, result.resultType)
      assert.equal(meta and 3600000 or nil, result.ttlMs)
      assert.equal('{"n":42}', text_of(answers[2]))
      assert.is_nil(answers[2].result.isError)
      assert.same({ code = -32602, message = "Unknown tool: none" }, answers[4].error)
      assert.same({ code = -32601, message = "Method not found: no/such" }, answers[5].error)
      assert.matches("The arguments do not fit", text_of(answers[3]))
      assert.equal('{"kept":true}', text_of(answers[6]))
    end)
  end

  it("keeps what is printed out of its output", function()
    local answers, stderr = serve(call(1, "talk"), request(2, "ping"))
    assert.equal("said", text_of(answers[1]))
    assert.same({}, answers[2].result)
    assert.equal("printed\t1\nwritten\nalso\n", stderr)
  end)

  it("says as a result that a tool has failed", function()
    local answers = serve(call(1, "fail"), call(2, "luck"), call(3, "odd"),
      call(4, "double", { n = "x" }), call(5, "double", { n = json.null }))
    for i, words in ipairs { "^no such number$", "^no luck$", "^The tool has given what is no JSON",
      "^The arguments do not fit:\n%$%.n: integer expected, got string$",
      "^The arguments do not fit:\n%$%.n: integer expected, got null$" } do
      assert.matches(words, text_of(answers[i]))
      assert.is_true(answers[i].result.isError)
    end
  end)

  it("runs several calls at once, and ends when all have been answered", function()
    local _, _, order = serve(call(1, "nap", { seconds = 0.3 }),
      call("b", "nap", { seconds = 0.1 }), request(3, "ping"))
    assert.same({ 3, "b", 1 }, order)
  end)

  it("answers what is no request", function()
    local answers, _, _, others = serve("{", "[]", "", '{"jsonrpc":"2.0","id":1,"result":{}}',
      '{"jsonrpc":"2.0","id":null,"method":"ping"}',
      '{"jsonrpc":"2.0","method":"notifications/other"}', request(2, "ping"))
    assert.same({ -32700, -32600, -32600 },
      { others[1].error.code, others[2].error.code, others[3].error.code })
    assert.equal(3, #others)
    assert.same({}, answers[2].result)
  end)

  it("cancels a call that the client cancels, and says nothing more of it", function()
    local server <close> = neap.process.spawn { helper.neap, script, stderr = "pipe" }
    server.stdin:write(call(1, "nap", { seconds = 60 }), "\n",
      call(2, "nap", { seconds = 0 }), "\n")
    assert.equal(2, json.decode(server.stdout:read()).id)
    server.stdin:write(call(1, "nap", { seconds = 0 }), "\n")
    local refused = json.decode(server.stdout:read())
    assert.same({ 1, -32600 }, { refused.id, refused.error.code })
    server.stdin:write(call("s", "stubborn"), "\n")
    for _, id in ipairs { 1, "s", 4711 } do
      server.stdin:write(json.encode { jsonrpc = "2.0", method = "notifications/cancelled",
        params = { requestId = id } }, "\n")
    end
    server.stdin:finish()
    assert.equal("served\n", server.stdout:read("a"))
    assert.equal("ended by cancelled\n", server.stderr:read("a"))
    assert.equal(0, server:wait().code)
  end)

  it("has a stream of changes, in which there are none", function()
    local answers, _, _, others = serve(request("s", "subscriptions/listen",
      { notifications = { toolsListChanged = true } }, META), request(2, "ping"))
    local about = { ["io.modelcontextprotocol/subscriptionId"] = "s" }
    assert.same({ { method = "notifications/subscriptions/acknowledged", jsonrpc = "2.0",
      params = { notifications = {}, _meta = about } } }, others)
    assert.equal("complete", answers.s.result.resultType)
    assert.equal("s", answers.s.result._meta["io.modelcontextprotocol/subscriptionId"])
  end)

  it("speaks by streams, with several at once", function()
    local tools = { neap.mcp.tool(function(arguments)
      print("kept where it belongs")
      return arguments.n
    end, { name = "same", parameters = { "n: integer" } }) }
    local printed, real = {}, print
    print = function(text) printed[#printed + 1] = text end -- luacheck: ignore 121
    local listener = neap.net.listen "127.0.0.1:0"
    local server = neap.spawn(listener.serve, listener, function(connection)
      neap.mcp.serve { tools = tools, input = connection, output = connection }
    end)
    local answers = neap.map({ 1, 2, 3 }, function(n)
      local connection <close> = neap.net.connect(listener.address)
      connection:write(call(n, "same", { n = n }), "\n")
      connection:finish()
      return connection:read("a")
    end)
    listener:close()
    server:await()
    print = real -- luacheck: ignore 121
    for n = 1, 3 do assert.equal(tostring(n), text_of(json.decode(answers[n]))) end
    assert.equal(3, #printed)
  end)

  it("survives a peer that leaves before its answer", function()
    local ours, theirs = neap.stream.pair()
    local nap = neap.mcp.tool(function() neap.sleep(0.05) end, { name = "nap" })
    local server = neap.spawn(neap.mcp.serve, { tools = { nap }, input = ours, output = ours })
    theirs:write(call(1, "nap"), "\n")
    helper.turns()
    theirs:close()
    server:await()
  end)

  -- Its task was forgotten before it had written the answer, so the server returned, and
  -- whoever owned it ended the task.
  it("has written all answers when it returns, to a client that reads slowly", function()
    local ours, theirs = neap.stream.pair()
    local long = neap.mcp.tool(function() return ("n"):rep(500000) end, { name = "long" })
    local server = neap.spawn(function()
      neap.mcp.serve { tools = { long }, input = ours, output = ours }
      ours:close()
    end)
    for id = 1, 5 do theirs:write(call(id, "long"), "\n") end
    theirs:finish()
    helper.turns(50)
    local ids = {}
    for line in theirs:lines() do ids[json.decode(line).id] = true end
    assert.same({ true, true, true, true, true }, ids)
    server:await()
  end)

  it("ends its calls when its input cannot be read", function()
    local ours, theirs = neap.stream.pair()
    local ended
    local nap = neap.mcp.tool(function()
      local ok, err = pcall(neap.sleep, 60)
      ended = not ok and err.code
      error(err, 0)
    end, { name = "nap" })
    local server = neap.spawn(function()
      local ok, err = pcall(neap.mcp.serve, { tools = { nap }, input = ours, output = ours })
      helper.turns()
      return ok, err.code, ended
    end)
    theirs:write(call(1, "nap"), "\n")
    helper.turns()
    ours:close()
    assert.same({ false, "closed", "cancelled" }, { server:await() })
    theirs:close()
  end)

  it("says what is wrong with its options", function()
    local function misused(opts)
      return helper.misused(neap.mcp.serve, opts):match("mcp%.serve: .*")
    end
    local tool = neap.mcp.tool(print, { name = "t" })
    assert.equal("mcp.serve: the option 'tools' is missing", misused {})
    assert.equal("mcp.serve: the options 'input' and 'output' belong together",
      misused { tools = { tool }, input = neap.stream.pair() })
    assert.equal("mcp.serve: there are two tools with the name 't'",
      misused { tools = { tool, neap.mcp.tool(print, { name = "t" }) } })
    assert.matches("mcp.tool: unknown option 'desc'",
      helper.misused(neap.mcp.tool, print, { desc = "" }))
    assert.matches("bad argument #1 to 'tool' %(function or flow expected, got string%)",
      helper.misused(neap.mcp.tool, "print"))
    assert.matches("mcp.tool: the option 'name' is missing", helper.misused(neap.mcp.tool, print))
  end)
end)
