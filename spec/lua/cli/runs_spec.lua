-- `neap runs`, `neap work` and `neap store`: durable runs from the shell.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local neap = require "neap"

local APP <const> = [[
local neap = require "neap"
local draft = neap.Node { name = "draft",
  post = function(_, shared) shared.text = "All about " .. shared.topic end }
local ask = neap.Wait { name = "ask", signal = "approval",
  post = function(_, shared, _, answer) shared.answer = answer return "yes" end }
local slow = neap.Node { name = "slow", exec = function()
  print "begins" io.stdout:flush()
  neap.sleep(0.3)
  print "ends" io.stdout:flush()
end }
local broken = neap.Node { name = "broken", exec = function() error("no luck", 0) end }
local _ = draft >> ask
local app = neap.durable { store = neap.store.sqlite "runs.db",
  tags = function(shared) return { topic = shared.topic or "none" } end, flows = {
  article = neap.Flow { name = "article", start = draft },
  slow = neap.Flow { name = "slow", start = slow },
  broken = neap.Flow { name = "broken", start = broken },
} }
if neap.is_main() then
  for _, start in ipairs(neap.json.decode(arg[1])) do
    app:start(start.flow, { id = start.id, shared = { topic = start.topic } })
  end
  if arg[2] then
    local work = neap.spawn(app.work, app)
    local count = #neap.json.decode(arg[1])
    while select(2, app:count { status = arg[2] }) < count do neap.sleep(0.01) end
    app:stop()
    work:await()
  end
end
return app
]]

describe("neap runs", function()
  local folder

  before_each(function()
    folder = helper.tmpdir()
    helper.write(folder .. "/app.lua", APP)
  end)
  after_each(helper.cleanup)

  local function run(...)
    return helper.run({ helper.neap, ... }, { cwd = folder, timeout = 60 })
  end

  -- What a command prints, which has to succeed.
  local function out(...)
    local result = run(...)
    assert.equal(0, result.status, result.stderr)
    return result.stdout
  end

  local function json(...)
    return neap.json.decode(out("runs", ...))
  end

  -- Starts runs, and works until all of them have a status.
  local function start(runs, status)
    out("app.lua", neap.json.encode(runs), status)
  end

  it("lists runs, the newest first, by flow, status and tag", function()
    start { { flow = "article", id = "a", topic = "tides" }, { flow = "slow", id = "b" } }
    local list = json("list", "app.lua", "--json")
    assert.equal("b", list.runs[1].id)
    assert.equal("a", list.runs[2].id)
    assert.is_nil(list.next)
    assert.equal("a", json("list", "app.lua", "--json", "--tag", "topic=tides").runs[1].id)
    assert.equal(1, #json("list", "app.lua", "--json", "--flow", "slow").runs)
    assert.equal(0, #json("list", "app.lua", "--json", "--status", "done").runs)
    assert.matches("^ID  FLOW     STATUS  WAITS  SEQ  UPDATED\nb   slow     queued         0    %d",
      out("runs", "list", "app.lua"))
  end)

  it("lists page by page", function()
    start { { flow = "slow", id = "a" }, { flow = "slow", id = "b" } }
    local more = out("runs", "list", "app.lua", "--limit", "1"):match "more: %-%-after (%d+)\n$"
    assert.equal("a", json("list", "app.lua", "--json", "--after", more).runs[1].id)
  end)

  it("shows a run, with its shared store and its steps", function()
    start({ { flow = "article", id = "a", topic = "tides" } }, "waiting")
    local shown = json("show", "app.lua", "a", "--json")
    assert.equal("waiting", shown.status)
    assert.equal("approval", shown.waits)
    assert.equal("All about tides", shown.shared.text)
    assert.matches("\ntag       topic=tides\nshared    {.*}\n$",
      out("runs", "show", "app.lua", "a"))
    assert.equal("article > draft", json("history", "app.lua", "a", "--json")[1].node)
    assert.matches("\n1    article > draft  1        default  0%.%d+ s  ",
      out("runs", "history", "app.lua", "a"))
  end)

  it("shows why a run has failed, and has it tried again", function()
    start({ { flow = "broken", id = "a" } }, "failed")
    assert.equal("no luck", json("show", "app.lua", "a", "--json").error.message)
    assert.matches("\nerror     broken > broken: no luck\n", out("runs", "show", "app.lua", "a"))
    assert.equal("a  queued\n", out("runs", "retry", "app.lua", "a"))
  end)

  it("sends signals, the second of one key only once", function()
    start({ { flow = "article", id = "a", topic = "tides" } }, "waiting")
    for _ = 1, 2 do
      out("runs", "signal", "app.lua", "a", "approval", "--value", '{"by":"Ada"}', "--key", "k")
    end
    start({ { flow = "article", id = "a", topic = "tides" } }, "done")
    assert.same({ by = "Ada" }, json("show", "app.lua", "a", "--json").shared.answer)
    local result = run("runs", "signal", "app.lua", "a", "approval")
    assert.equal(1, result.status)
    assert.matches("^neap: runs: .*ended", result.stderr)
  end)

  it("pauses, resumes, cancels, forks and prunes", function()
    start({ { flow = "article", id = "a", topic = "tides" } }, "waiting")
    assert.equal("a  paused\n", out("runs", "pause", "app.lua", "a"))
    assert.not_equal("paused", json("resume", "app.lua", "a", "--json").status)
    assert.equal("b", json("fork", "app.lua", "a", "--id", "b", "--json").id)
    assert.equal("a  cancelled\n", out("runs", "cancel", "app.lua", "a", "--reason", "enough"))
    assert.equal("enough", json("show", "app.lua", "a", "--json").error.message)
    assert.equal("0 removed\n", out("runs", "prune", "app.lua"))
    assert.equal(1, json("prune", "app.lua", "--ended-before", "99999999999", "--json").removed)
    local result = run("runs", "show", "app.lua", "a")
    assert.equal("neap: runs: there is no run 'a'\n", result.stderr)
    assert.equal(1, result.status)
  end)

  it("says what is wrong with its arguments", function()
    for words, problem in pairs {
      ["lst app.lua"] = "runs: unknown action 'lst'; did you mean 'list'?",
      ["show app.lua"] = "runs: show takes FILE ID",
      ["show app.lua a b"] = "runs: 'b' is one word too many",
      ["show app.lua a --at 1"] = "runs: unknown option '--at'",
      ["signal app.lua a b --value {"] = "runs: '--value' is JSON",
      ["list app.lua --tag x"] = "runs: '--tag' is NAME=TEXT, got 'x'",
      ["list app.lua --limit x"] = "runs: '--limit' is a number, got 'x'",
    } do
      local list = { "runs" }
      for word in words:gmatch "%S+" do list[#list + 1] = word end
      local result = run(table.unpack(list))
      assert.equal(2, result.status)
      assert.equal(1, (result.stderr:find("neap: " .. problem, 1, true)), result.stderr)
    end
    helper.write(folder .. "/none.lua", "return 1")
    local result = run("runs", "list", "none.lua")
    assert.equal(1, result.status)
    assert.matches("^neap: runs: none.lua returns no app; ", result.stderr)
  end)

  it("is beside neap work, which lets visits end when it is told to stop", function()
    start { { flow = "slow", id = "a" } }
    local worker <close> = neap.process.spawn { helper.neap, "work", "app.lua", cwd = folder,
      stdin = "null", stderr = "stdout" }
    assert.equal("begins", neap.timeout(30, function() return worker.stdout:read() end))
    worker:kill "TERM"
    assert.equal("ends", neap.timeout(30, function() return worker.stdout:read() end))
    assert.equal("neap: a: done", neap.timeout(30, function() return worker.stdout:read() end))
    assert.equal(143, worker:wait().code)
    assert.equal("done", json("show", "app.lua", "a", "--json").status)
  end)

  it("is beside neap work, which gives back what takes longer than it may", function()
    start { { flow = "slow", id = "a" } }
    local worker <close> = neap.process.spawn { helper.neap, "work", "app.lua", "--grace", "0",
      "--queue", "default=1", cwd = folder, stdin = "null", stderr = "stdout" }
    assert.equal("begins", neap.timeout(30, function() return worker.stdout:read() end))
    worker:kill "TERM"
    assert.equal(143, worker:wait().code)
    assert.equal("queued", json("show", "app.lua", "a", "--json").status)
  end)
end)

describe("neap store", function()
  it("checks and copies a file, and finds what is damaged", function()
    local folder = helper.tmpdir()
    helper.write(folder .. "/app.lua", APP)
    local function run(...)
      return helper.run({ helper.neap, ... }, { cwd = folder, timeout = 60 })
    end
    assert.equal(0, run("app.lua", '[{"flow":"slow","id":"a"}]').status)
    assert.equal("runs.db: nothing is damaged\n", run("store", "check", "runs.db").stdout)
    assert.equal("runs.db: copied to copy.db\n",
      run("store", "backup", "runs.db", "copy.db").stdout)
    assert.equal("copy.db: nothing is damaged\n", run("store", "check", "copy.db").stdout)
    assert.equal(1, run("store", "backup", "runs.db", "copy.db").status)
    local result = run("store", "check", "runs.dbx")
    assert.equal("neap: store: runs.dbx: there is no such file\n", result.stderr)
    assert.equal(1, result.status)
    assert.is_false(neap.fs.exists(folder .. "/runs.dbx"))
    helper.write(folder .. "/bad.db", ("x"):rep(5000))
    assert.equal(1, run("store", "check", "bad.db").status)
    assert.equal(2, run("store", "backup", "runs.db").status)
    helper.cleanup()
  end)
end)
