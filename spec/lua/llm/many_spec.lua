-- More chats at once than the process may have connections.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local neap = require "neap"
local servers = require "spec.servers"
local streams = require "spec.streams"
local wire = require "spec.llm"

local CHATS = [[
  local neap = require "neap"
  local model = neap.llm.new { provider = "openai", url = arg[1], model = "tide-1",
    max_retries = 1 }
  %s
  local list, said = {}, {}
  for i = 1, 200 do list[i] = i end
  neap.map(list, function()
    local ok, err = pcall(model.chat, model, "When?")
    local text = ok and "ok" or err.message:gsub("http://%%S+: ", "URL: ")
    said[text] = (said[text] or 0) + 1
  end)
  for text, n in pairs(said) do print(n, text) end]]

-- What a process prints that has 200 chats and may have 64 files open.
local function chats(before)
  local most, now = 0, 0
  local body = wire.sse(streams.openai.text)
  local address, server = servers.script(function(request, connection)
    connection:read(tonumber(request.headers["content-length"]))
    now = now + 1
    most = math.max(most, now)
    neap.sleep(0.01)
    now = now - 1
    connection:write(("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
      .. "content-length: %d\r\n\r\n%s"):format(#body, body))
  end)
  local script = helper.write(helper.tmpdir() .. "/chats.lua", CHATS:format(before))
  local result = neap.process.run { "sh", "-c", 'ulimit -n 64; exec "$@"', "sh", helper.neap,
    script, address, timeout = 60 }
  server:cancel()
  pcall(server.await, server)
  assert.same({ "", 0 }, { result.stderr, result.code })
  return result.stdout, most
end

describe("more chats than there can be connections", function()
  it("wait for their turn", function()
    local said, most = chats ""
    assert.equal("200\tok\n", said)
    assert.is_true(most <= 32)
  end)

  it("fail where no file is left, and their error names the limit", function()
    assert.equal("200\thttp.request URL: too many open files: the limit is 64 (ulimit -n)\n",
      (chats [[
        pcall(neap.http.get, "http://127.0.0.1:1") -- all is loaded
        local held = {}
        repeat
          local file = io.open("/dev/null")
          held[#held + 1] = file
        until not file]]))
  end)
end)
