-- A conversation at the terminal.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local json = require "neap.json"
local neap = require "neap"
local servers = require "spec.servers"

describe("chat", function()
  local script = helper.neap .. " examples/chat.lua"

  -- Serves a model that answers with the number of messages it got; after "wait" with
  -- one word, and no end.
  local function serve(asked)
    return servers.script(function(request, connection)
      local body = json.decode(connection:read(tonumber(request.headers["content-length"])))
      asked[#asked + 1] = body.messages
      connection:write("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n",
        "Connection: close\r\n\r\n")
      local waits = body.messages[#body.messages].content == "wait"
      local text = waits and "Well" or #body.messages .. " messages"
      connection:write("data: ", json.encode { choices = { { delta = { content = text },
        finish_reason = not waits and "stop" or nil } } }, "\n\n")
      if waits then connection:read() end
      return false
    end)
  end

  local function chat(url)
    return neap.process.spawn { helper.neap, "examples/chat.lua", "Be brief.", cwd = helper.root,
      stdin = "pipe", stdout = "pipe", stderr = "pipe", env = { NEAP_LLM_URL = url } }
  end

  local function stop(server)
    server:cancel()
    pcall(server.await, server)
  end

  local function read_until(stream, words)
    local text = ""
    while not text:find(words, 1, true) do
      text = text .. assert(stream:read_some(), "the end behind " .. text)
    end
    return text
  end

  it("needs no model", function()
    local result = helper.run({ "sh", "-c", script },
      { cwd = helper.root, stdin = "Tell: The tide comes.\n\n", env = { NEAP_LLM_URL = "" } })
    assert.equal("> The tide comes.\n> > \n", result.stdout)
    assert.matches("offline summariser", result.stderr)
    assert.equal(0, result.status)
  end)

  it("remembers what was said", function()
    local asked = {}
    local url, server = serve(asked)
    local child <close> = chat(url)
    child.stdin:write("Hello\nAnd?\n")
    child.stdin:close()
    assert.equal("> 2 messages\n> 4 messages\n> \n", child.stdout:read("a"))
    assert.same({ role = "assistant", content = "2 messages" }, asked[2][3])
    assert.equal(0, child:wait().code)
    stop(server)
  end)

  it("has Ctrl-C stop the answer, and not the program", function()
    local asked = {}
    local url, server = serve(asked)
    local child <close> = chat(url)
    child.stdin:write("wait\n")
    read_until(child.stdout, "Well")
    child:kill("SIGINT")
    read_until(child.stdout, " [stopped]\n")
    child.stdin:write("And?\n")
    child.stdin:close()
    assert.matches("4 messages\n> \n", child.stdout:read("a"))
    assert.same({ role = "assistant", content = "Well" }, asked[2][3])
    assert.equal(0, child:wait().code)
    stop(server)
  end)
end)
