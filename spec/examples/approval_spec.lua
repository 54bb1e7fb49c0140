-- A request that is decided by another process than the one that has asked.
-- SPDX-License-Identifier: MIT
local example = require "spec.example"
local helper = require "spec.helper"
local json = require "neap.json"
local neap = require "neap"
local testing = require "neap.testing"

describe("approval", function()
  local env

  before_each(function() env = { APPROVAL_DB = helper.tmpdir() .. "/approval.db" } end)
  after_each(helper.cleanup)

  local function run(...)
    local result = helper.run({ helper.neap, ... }, { cwd = helper.root, env = env })
    assert.equal(0, result.status, result.stderr)
    return result.stdout
  end

  local function runs(what, ...)
    return json.decode(run("runs", what, "--json", example.path "approval", ...))
  end

  -- Starts a run, and returns its id.
  local function request(...)
    return run(example.path "approval", ...):match "^(approval%-%x+): "
  end

  -- Has another process work until a run has ended.
  local function work(id)
    local worker <close> = neap.process.spawn { helper.neap, "work", example.path "approval",
      cwd = helper.root, env = env, stdin = "null", stderr = "stdout" }
    local said = neap.timeout(30, function() return worker.stdout:read() end)
    local ended = neap.timeout(30, function() return worker.stdout:read() end)
    assert.equal(("neap: %s: done"):format(id), ended)
    return said
  end

  it("asks, and waits in its file", function()
    local id = request "Tea"
    local list = runs "list"
    assert.equal(id, list.runs[1].id)
    assert.equal("waiting", list.runs[1].status)
    assert.equal("decision", list.runs[1].waits)
    assert.equal("Tea", runs("show", id).shared.request)
  end)

  it("orders what is approved, with the key of the visit", function()
    local id = request()
    run("runs", "signal", example.path "approval", id, "decision", "--value",
      '{"yes": true, "by": "Ada"}')
    assert.equal("ordered: Tickets to Texel, approved by Ada", work(id))
    assert.matches("^order " .. id:gsub("%p", "%%%0") .. ":", runs("show", id).shared.number)
  end)

  it("declines what is not", function()
    local id = request "Cake"
    run("runs", "signal", example.path "approval", id, "decision", "--value", '{"by": "Bob"}')
    assert.equal("declined by Bob: Cake", work(id))
  end)

  it("asks again each day, and declines after the fourth", function()
    local said = {}
    testing.run(function()
      local chunk = assert(loadfile(helper.root .. "/examples/approval.lua"))
      local sqlite = neap.store.sqlite
      neap.store.sqlite = neap.store.memory -- on the virtual clock
      local app = chunk()
      neap.store.sqlite = sqlite
      local print_before = print
      _G.print = function(text) said[#said + 1] = text end
      local _ <close> = setmetatable({}, { __close = function() _G.print = print_before end })
      local work_task = neap.spawn(app.work, app)
      local start = neap.now()
      app:start("approval", { id = "r", shared = { asked = 0, request = "Tea" } }):await()
      assert.is_true(neap.now() - start >= 4 * 86400)
      app:stop()
      work_task:await()
    end)
    assert.same({ "r: Tea?", "r: again: Tea?", "r: again: Tea?", "r: again: Tea?",
      "declined: Tea" }, said)
  end)
end)
