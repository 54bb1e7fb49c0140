-- The command that serves a file.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local neap = require "neap"

-- Starts `neap serve` for a script; its process and URL.
local function start(text, env, ...)
  local file = helper.write(helper.tmpdir() .. "/tides.lua", text)
  local process = neap.process.spawn { helper.neap, "serve", file, "--listen", "127.0.0.1:0",
    env = env, ... }
  return process, process.stdout:read()
end

describe("neap serve", function()
  after_each(helper.after_each)

  it("serves a flow that the file returns", function()
    local process <close>, url = start [[
      print "not the first line"
      local neap = require "neap"
      return neap.Node { name = "double", exec = function(_, shared) return shared.n * 2 end,
        post = function(_, shared, _, n) shared.n = n end }]]
    assert.matches("^http://127%.0%.0%.1:%d+$", url)
    assert.equal('{"n":42}', neap.http.post(url .. "/", { json = { n = 21 } }).body)
    assert.equal(400, neap.http.post(url .. "/", { json = 1, check = false }).status)
    assert.equal(400, neap.http.post(url .. "/", { body = "{", check = false }).status)
    assert.equal(404, neap.http.get(url .. "/x", { check = false }).status)
    assert.equal(405, neap.http.get(url .. "/", { check = false }).status)
    assert.equal(500, neap.http.post(url .. "/", { body = "", check = false }).status) -- no n
    process:close()
  end)

  it("serves a durable app, and works its runs off", function()
    local process <close>, url = start [[
      local neap = require "neap"
      local node = neap.Node { name = "double", post = function(_, shared)
        shared.n = shared.n * 2
      end }
      return neap.durable { store = neap.store.memory(),
        flows = { double = neap.Flow { start = node } } }]]
    local run = neap.json.decode(neap.http.post(url .. "/runs",
      { json = { flow = "double", id = "r", shared = { n = 21 } } }).body)
    assert.equal("r", run.id)
    for event in neap.http.get(url .. "/runs/r/events", { stream = true }):events() do
      if event.event == "ended" then break end
    end
    run = neap.json.decode(neap.http.get(url .. "/runs/r?shared=1").body)
    assert.equal("done", run.status)
    assert.same({ n = 42 }, run.shared)
    process:close()
  end)

  it("answers what is under way when it is told to end", function()
    local process <close>, url = start([[
      local neap = require "neap"
      neap.serve.route("GET", "/", function()
        io.stdout:write "begun\n"
        io.stdout:flush()
        neap.sleep(0.5)
        return "done"
      end)]], { NEAP_SERVE_TOKEN = "ebb" })
    assert.equal(401, neap.http.get(url .. "/", { check = false }).status)
    local asked = neap.spawn(neap.http.get, url .. "/",
      { headers = { Authorization = "Bearer ebb" } })
    assert.equal("begun", process.stdout:read())
    neap.sleep(0.1) -- code that computes when the signal comes is cancelled
    process:kill("SIGTERM")
    assert.equal("done", asked:await().body)
    local result = process:wait()
    assert.equal("SIGTERM", result.signal or result.code == 143 and "SIGTERM" or result.code)
  end)

  it("says what is in the way", function()
    local file = helper.write(helper.tmpdir() .. "/empty.lua", "")
    local function refuses(status, what, ...)
      local result = helper.run { helper.neap, "serve", ... }
      assert.equal(status, result.status, result.stderr)
      assert.matches(what, result.stderr)
    end
    refuses(1, "give it a token", file, "--listen", "0.0.0.0:0")
    refuses(1, "host:port", file, "--listen", "nowhere")
    refuses(1, "no such file", file, "--token-file", "/none")
    refuses(1, "cannot open", "/none.lua")
    refuses(2, "unknown option '%-%-lisen'; did you mean '%-%-listen'", file, "--lisen", "x")
  end)
end)
