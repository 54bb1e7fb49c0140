-- Requests with attempts.
-- SPDX-License-Identifier: MIT
local example = require "spec.example"
local helper = require "spec.helper"
local neap = require "neap"
local servers = require "spec.servers"

describe("fetch_urls", function()
  local folder = helper.tmpdir()
  local nginx, url

  -- How often the server has answered so, "503 /down". It notes an answer when that
  -- has been sent, which whoever got it need not await; but before the next one.
  local function answers(line)
    neap.http.get(url .. "/tide")
    local _, count = helper.read(folder .. "/access.log"):gsub(line:gsub("%p", "%%%0") .. "\n", "")
    return count
  end

  -- /limited serves one request in 250 ms and refuses the others: the third attempt
  -- comes later than that.
  setup(function()
    helper.write(folder .. "/limited.txt", "one at a time\n")
    nginx = servers.nginx(folder, {
      http = [[
        log_format short '$status $uri';
        limit_req_zone $uri zone=one:32k rate=4r/s;
      ]],
      server = [[
        access_log access.log short;
        location = /tide { return 200 "ebb and flow\n"; }
        location = /down { return 503; }
        location = /free { alias limited.txt; }
        location = /limited { limit_req zone=one; alias limited.txt; }
      ]],
    })
    url = nginx.plain
  end)

  teardown(function() nginx.pipe:close() end)

  it("lists what it fetched in the order it was asked for", function()
    local result = example.run("fetch_urls", url .. "/tide", url .. "/free")
    assert.matches("^200 " .. url .. "/tide, 13 bytes in %d%.%d%d s\n"
      .. "200 " .. url .. "/free, 14 bytes in %d%.%d%d s\n$", result.stdout)
    assert.equal("", result.stderr)
    assert.equal(0, result.status)
  end)

  it("tries again what may succeed later", function()
    local good, bad = answers("200 /limited"), answers("503 /limited")
    local result = example.run("fetch_urls", url .. "/limited", url .. "/limited")
    assert.equal(0, result.status)
    assert.equal(2, answers("200 /limited") - good)
    assert.is_true(answers("503 /limited") > bad)
  end)

  it("gives up after three attempts, at once when there is no hope", function()
    local result = example.run("fetch_urls", url .. "/down", url .. "/tide", url .. "/none")
    local lines = {}
    for line in result.stdout:gmatch("[^\n]+") do lines[#lines + 1] = line end
    assert.equal(1, result.status)
    assert.equal(("- %s/down after 3 attempt(s): http.get %s/down: status 503"):format(url, url),
      lines[1])
    assert.matches("^200 ", lines[2])
    assert.equal(("- %s/none after 1 attempt(s): http.get %s/none: status 404"):format(url, url),
      lines[3])
    assert.equal(3, answers("503 /down"))
    assert.equal(1, answers("404 /none"))
  end)

  it("says how to call it", function()
    assert.same({ status = 2, stdout = "", stderr = "usage: fetch_urls.lua URL ...\n" },
      example.run("fetch_urls"))
  end)
end)
