-- Ctrl-C stops an answer, and not the program.
-- SPDX-License-Identifier: MIT
local example = require "spec.example"
local helper = require "spec.helper"
local json = require "neap.json"
local neap = require "neap"

-- Reads until these words come.
local function read_until(stream, words)
  local text = ""
  while not text:find(words, 1, true) do
    text = text .. assert(stream:read_some(), "the end behind " .. text)
  end
end

local function start(env)
  return neap.process.spawn { helper.neap, example.path("interrupt"), cwd = helper.root,
    stdin = "pipe", stdout = "pipe", stderr = "null", env = env }
end

describe("interrupt", function()
  it("stops the answer, drops the connection and goes on", function()
    local is_dropped = false
    local url, stop, asked = example.serve(function(body, connection)
      if #body.messages > 1 then return "Very." end
      connection:write("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n",
        "Connection: close\r\n\r\ndata: ",
        json.encode { choices = { { delta = { content = "It is " } } } }, "\n\n")
      is_dropped = not connection:read()
    end)
    local child <close> = start { NEAP_LLM_URL = url, NEAP_LLM_PROVIDER = false,
      NEAP_LLM_CASSETTE = false }
    child.stdin:write("How is the tide?\n")
    read_until(child.stdout, "It is ")
    child:kill("SIGINT")
    read_until(child.stdout, "[stopped]\n> ")
    child.stdin:write("Go on.\n")
    child.stdin:close()
    assert.equal("Very.\n> \n", child.stdout:read("a"))
    assert.equal(0, child:wait().code)
    assert.is_true(is_dropped)
    assert.same({
      { role = "user", content = "How is the tide?" },
      { role = "assistant", content = "It is " },
      { role = "user", content = "Go on." },
    }, asked[2].messages)
    stop()
  end)

  it("lets Ctrl-C end the program while nothing is answered", function()
    local child <close> = start(example.NO_MODEL)
    read_until(child.stdout, "> ")
    child:kill("SIGINT")
    local ended = child:wait()
    assert.equal(130, ended.code or ended.signal)
  end)

  it("says why there is no answer, and goes on", function()
    local result, asked = example.talk("interrupt", { "Low." }, "How?\nAnd now?\n")
    assert.equal(0, result.status)
    assert.matches("^> Low.\n> [^\n]+400[^\n]+\n> \n$", result.stdout)
    assert.equal(3, #asked[2].messages)
  end)

  it("needs no model", function()
    local child <close> = start(example.NO_MODEL)
    child.stdin:write("Talk\n")
    read_until(child.stdout, "sheep")
    child:kill("SIGINT")
    read_until(child.stdout, "[stopped]\n> ")
    child.stdin:close()
    assert.equal(0, child:wait().code)
  end)
end)
