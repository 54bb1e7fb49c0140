-- Many files, and a model that fails.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local json = require "neap.json"
local servers = require "spec.servers"

describe("summarize", function()
  local folder = helper.tmpdir()
  local nginx, url

  setup(function()
    nginx = servers.nginx(folder, { server = [[
      location = /v1/chat/completions {
        return 200 '{"choices":[{"message":{"content":"Water comes and goes."}}]}';
      }
      location = /garbage/v1/chat/completions { return 200 "tide"; }
      location = /page/v1/chat/completions { return 200 "<html>"; }
      location = /broken/v1/chat/completions { return 500; }
    ]] })
    url = nginx.plain
  end)

  teardown(function() nginx.pipe:close() end)

  local file = helper.write(folder .. "/tides.txt", "The sea rises. The sea falls.\n")

  local function summarize(base, ...)
    local result = helper.run({ helper.neap, "examples/summarize.lua", "--json", { ... } },
      { cwd = helper.root, env = { NEAP_LLM_URL = base } })
    return result, json.decode(result.stdout)
  end

  it("has a model summarise files", function()
    local result, rows = summarize(url .. "/v1", file)
    assert.equal(0, result.status)
    assert.equal(1, #rows)
    assert.equal("Water comes and goes.", rows[1].summary)
    assert.equal(file, rows[1].file)
    assert.equal(30, rows[1].size)
    assert.equal(1, rows[1].attempts)
    assert.is_nil(rows[1].error)
  end)

  it("loses no batch to a file that cannot be read", function()
    local missing = folder .. "/a_missing_one"
    local result, rows = summarize(url .. "/v1", missing, file)
    assert.equal(1, result.status)
    assert.equal(missing, rows[1].file)
    assert.equal("(no summary)", rows[1].summary)
    assert.matches("no such file", rows[1].error)
    assert.equal("Water comes and goes.", rows[2].summary)
  end)

  local faults = {
    ["with garbage"] = { base = "/garbage", reason = "it is no JSON", attempts = 3 },
    ["with status 500"] = { base = "/broken", reason = "status 500", attempts = 3 },
    ["with a web page"] = { base = "/page", reason = "is the address right?", attempts = 1 },
  }
  for what, fault in pairs(faults) do
    it("falls back, after attempts that may help, when a server answers " .. what, function()
      local result, rows = summarize(url .. fault.base, file)
      assert.equal(1, result.status)
      assert.equal("(no summary)", rows[1].summary)
      assert.equal(fault.attempts, rows[1].attempts)
      assert.matches(fault.reason, rows[1].error, 1, true)
    end)
  end

  it("falls back when nobody listens", function()
    local result, rows = summarize("http://127.0.0.1:1/v1", file)
    assert.equal(1, result.status)
    assert.equal("(no summary)", rows[1].summary)
    assert.matches("connection refused", rows[1].error)
  end)

  it("needs no model", function()
    local result, rows = summarize("", file)
    assert.equal(0, result.status)
    assert.equal("The sea rises. The sea falls.", rows[1].summary)
    assert.matches("offline summariser", result.stderr)
  end)

  it("prints a table for people", function()
    local result = helper.run({ helper.neap, "examples/summarize.lua" }, { cwd = helper.root })
    assert.equal(0, result.status)
    assert.matches("^FILE +SIZE ATTEMPTS +TIME\n/usr/share/common%-licenses/", result.stdout)
    assert.matches("\n(%d+) of %1 files summarised in %d+%.%d%d s\n$", result.stderr)
  end)
end)
