-- Keys do not come out again: each fault is led through by a server that quotes all that it
-- was sent. No error and no list of tasks may have a word of it.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local json = require "neap.json"
local neap = require "neap"

local SERVER = helper.root .. "/spec/mcp/server.lua"

local KEY = "sculpin"
local URL = "http://sculpin-user:sculpin-pass@tides.test/mcp?token=sculpin-query"

local HEADERS = { ["X-Pass"] = "sculpin-4711",
  Authorization = neap.secret "Bearer sculpin-key-0815" }

-- All that a server was sent, but the arguments.
local function quote(request)
  local list = { URL, "sculpin-query", "Bearer sculpin-key-0815", "sculpin-key-0815" }
  for name, value in pairs(request.headers) do
    list[#list + 1] = ("%s: %s"):format(name, type(value) == "table" and value:reveal() or value)
  end
  return table.concat(list, "; ")
end

local function failure(id, said)
  return { jsonrpc = "2.0", id = id, error = { code = -32000, message = said,
    data = { said, { nested = said } } } }
end

-- The answers that are faults, each made from the id of a request and a quote.
local FAULTS = {
  ["an error"] = function(id, said) return { json = failure(id, said) } end,
  ["an error among events"] = function(id, said)
    return { body = "data: " .. json.encode(failure(id, said)) .. "\n\n",
      headers = { ["content-type"] = "text/event-stream" } }
  end,
  ["a page"] = function(_, said) return { body = "<p>" .. said } end,
  ["an odd result"] = function(id, said)
    return { json = { jsonrpc = "2.0", id = id, result = { resultType = said } } }
  end,
  ["a question"] = function(id, said)
    return { json = { jsonrpc = "2.0", id = id, result = { resultType = "input_required",
      inputRequests = { { method = said } } } } }
  end,
  ["a tool that has failed"] = function(id, said)
    return { json = { jsonrpc = "2.0", id = id, result = { isError = true,
      content = { { type = "text", text = said } }, structuredContent = { [said] = said } } } }
  end,
  ["no answer"] = function() neap.sleep(3600) end,
  ["no connection"] = function(_, said) return { error = "refused", status = #said } end,
  ["events that break off"] = function(_, said)
    return { chunks = { "data: " .. said .. "\n\n" }, error = "reset",
      headers = { ["content-type"] = "text/event-stream" } }
  end,
}
for _, status in ipairs { 400, 401, 403, 404, 405, 422, 429, 500, 503 } do
  FAULTS["status " .. status] = function(_, said) return { status = status, body = said } end
  FAULTS[("status %d with an error"):format(status)] = function(id, said)
    return { status = status, json = failure(id, said) }
  end
end

local function check(value)
  assert.is_nil(value:find(KEY, 1, true), value)
end

for name, fault in pairs(FAULTS) do
  describe("no key is in the error of", function()
    for _, at in ipairs { "server/discover", "initialize", "tools/list", "tools/call" } do
      it(("%s at %s"):format(name, at), function()
        neap.testing.run(function()
          local dumps = {}
          local fake <close> = neap.testing.http { ["http://*"] = function(request)
            dumps[#dumps + 1] = neap.dump()
            local message = request.body and json.decode(request.body) or {}
            local is_old = at == "initialize" and message.method == "server/discover"
            if message.method == at then return fault(message.id, quote(request)) end
            if is_old or request.method ~= "POST" then return { status = 400 } end
            return { json = { jsonrpc = "2.0", id = message.id, result = {
              supportedVersions = { "2026-07-28" }, protocolVersion = "2025-06-18",
              capabilities = { tools = {} }, tools = {} } } }
          end }
          local ok, err = pcall(function()
            local server <close> = neap.mcp.connect { url = URL, headers = HEADERS, timeout = 9 }
            check(tostring(server))
            server:tools()
            server:call("tide", {})
          end)
          if at ~= "server/discover" then assert.is_false(ok) end
          if not ok then
            check(tostring(err))
            check(json.encode(err))
          end
          check(table.concat(dumps))
          assert.is_true(#fake.requests > 0)
        end)
      end)
    end
  end)
end

describe("no key of a program", function()
  it("is in its errors", function()
    local env = { TIDE_KEY = "sculpin-1234", TIDE = neap.secret "sculpin-5678" }
    for _, method in ipairs { "server/discover", "initialize", "tools/list" } do
      local err = helper.failure(function()
        local server <close> = neap.mcp.connect { env = env, probe = 0.1, timeout = 20,
          command = { helper.neap, SERVER, "modern", "die", method } }
        server:tools()
        error("it lives", 0)
      end)
      check(json.encode(err))
    end
  end)
end)
