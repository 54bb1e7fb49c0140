-- Checking names: what is near what, and what is refused.
-- SPDX-License-Identifier: MIT
local failure = require("spec.helper").failure
local neap = require "neap"
local options = require "neap.options"

describe("options.near", function()
  local known = { wait = 1, max_wait = 1, post = 1, prep = 1 }

  it("finds a name one insertion, deletion or substitution away", function()
    assert.equal("wait", options.near("waiit", known))
    assert.equal("wait", options.near("wit", known))
    assert.equal("wait", options.near("waet", known))
    assert.equal("wait", options.near("ait", known))
    assert.equal("wait", options.near("waits", known))
  end)

  it("finds a name with two neighbours swapped", function()
    assert.equal("post", options.near("psot", known))
    assert.equal("wait", options.near("wati", known))
  end)

  it("finds nothing two edits away", function()
    assert.is_nil(options.near("wt", known))
    assert.is_nil(options.near("tiaw", known))
    assert.is_nil(options.near("awaits", known))
    assert.is_nil(options.near("", known))
  end)

  it("takes the first in the order of the alphabet where two are as near", function()
    for _ = 1, 20 do
      assert.equal("bat", options.near("at", { cat = 1, bat = 1, hat = 1 }))
    end
  end)
end)

describe("options.nearest", function()
  it("finds the name most like it", function()
    local known = { timeout = 1, max_steps = 1, params = 1 }
    assert.equal("timeout", options.nearest("time_out", known))
    assert.equal("max_steps", options.nearest("maxsteps", known))
    assert.equal("params", options.nearest("param", known))
  end)

  it("finds nothing where more than a third differs", function()
    assert.is_nil(options.nearest("colour", { timeout = 1, params = 1 }))
  end)
end)

describe("options.check", function()
  local function call(given)
    return options.check(given, { timeout = true, params = true }, "run")
  end

  it("gives what it was given, and an empty table for nil", function()
    local given = { timeout = 1 }
    assert.equal(given, call(given))
    assert.same({}, call(nil))
  end)

  it("refuses what is no table", function()
    assert.matches("run: options expected as a table, got a number",
      failure(function() call(3) end), 1, true)
  end)

  it("refuses a name that is not known, with the one meant if any is near", function()
    assert.matches("run: unknown option 'timeot'; did you mean 'timeout'%?$",
      failure(function() call { timeot = 1 } end))
    assert.matches("run: unknown option 'colour'$", failure(function() call { colour = 1 } end))
  end)

  it("refuses what has no name", function()
    assert.matches("run: options are named; got the key 1",
      failure(function() call { "x" } end), 1, true)
  end)

  it("refuses a name that others use, with the one that is meant", function()
    local known = { url = options.string, base_url = "url" }
    local function refusal(given)
      return failure(function() options.check(given, known, "new") end)
    end
    assert.matches("new: unknown option 'base_url'; did you mean 'url'?",
      refusal { base_url = "x" }, 1, true)
    assert.matches("new: unknown option 'baseurl'; did you mean 'url'?",
      refusal { baseurl = "x" }, 1, true)
  end)

  it("refuses what the rule of a name does not allow", function()
    local known = { seconds = options.seconds, count = options.count(2, 9), name = options.string,
      word = { function(v) return v == "a" end, '"a"' }, any = true,
      file = { function() return false end, "{ file = path }" } }
    local function refusal(given)
      return failure(function() options.check(given, known, "f") end):match(": (f: .*)")
    end
    local function expected(name, what, got)
      return ("f: bad option '%s' (%s expected, got %s)"):format(name, what, got)
    end
    assert.equal(expected("seconds", "positive number of seconds", 0), refusal { seconds = 0 })
    assert.equal(expected("seconds", "positive number of seconds", "string"),
      refusal { seconds = "soon" })
    assert.equal(expected("count", "whole number from 2", 1.5), refusal { count = 1.5 })
    assert.equal(expected("count", "whole number from 2", 10), refusal { count = 10 })
    assert.equal(expected("name", "string", "boolean"), refusal { name = true })
    assert.equal(expected("word", '"a"', '"b"'), refusal { word = "b" })
    assert.equal(expected("file", "{ file = path }", '{ fil = "x" }'),
      refusal { file = { fil = "x" } })
    assert.equal(expected("file", "{ file = path }", "an empty table"), refusal { file = {} })
    options.check({ seconds = 0.5, count = 9, name = "", word = "a", any = print }, known, "f")
  end)

  it("shows no text that may be confidential", function()
    local given = { headers = "Authorization: Bearer secret" }
    assert.matches("table expected, got string)", failure(function()
      options.check(given, { headers = options.table }, "f")
    end), 1, true)
  end)
end)

describe("an option that makes no sense is refused at the line of the script:", function()
  local node = neap.Node()
  local calls = {
    ["neap.Node"] = function(o) local _ = neap.Node(o) end,
    ["Class:extend"] = function(o) local _ = neap.Flow:extend(o) end,
    ["a field"] = function(o) for key, value in pairs(o) do node[key] = value end end,
    ["node:run"] = function(o) node:run({}, o) end,
    ["neap.spawn"] = function(o) neap.spawn(node, {}, o) end,
    ["neap.map"] = function(o) neap.map({}, print, o) end,
    ["neap.gather"] = function(o) neap.gather({}, o) end,
    ["neap.limiter"] = function(o) neap.limiter(o) end,
    ["http.get"] = function(o) neap.http.get("http://127.0.0.1:1/", o) end,
    ["http.post"] = function(o) neap.http.post("http://127.0.0.1:1/", o) end,
    ["http.request"] = function(o) neap.http.request(o) end,
    ["net.connect"] = function(o) neap.net.connect("127.0.0.1:1", o) end,
    ["net.listen"] = function(o) neap.net.listen("127.0.0.1:0", o) end,
    ["listener:serve"] = function(o) neap.net.listen("127.0.0.1:0"):serve(print, o) end,
    ["fs.write"] = function(o) neap.fs.write("/", "", o) end,
    ["fs.read"] = function(o) neap.fs.read("/", o) end,
    ["fs.mkdir"] = function(o) neap.fs.mkdir("/", o) end,
    ["fs.remove"] = function(o) neap.fs.remove("/", o) end,
    ["fs.watch"] = function(o) neap.fs.watch("/", o) end,
    ["process.run"] = function(o) o[1] = "true" neap.process.run(o) end,
    ["process.spawn"] = function(o) o[1] = "true" neap.process.spawn(o) end,
    ["json.encode"] = function(o) neap.json.encode({}, o) end,
    ["json.decode"] = function(o) neap.json.decode("{}", o) end,
    ["llm.new"] = function(o) neap.llm.new(o) end,
    ["neap.retry"] = function(o) neap.retry(o, print) end,
    ["client:chat"] = function(o) neap.llm.new({ url = "http://127.0.0.1:1" }):chat("", o) end,
    ["testing.run"] = function(o) neap.testing.run(print, o) end,
    ["testing.sweep"] = function(o) neap.testing.sweep(print, o) end,
  }
  for name, call in pairs(calls) do
    it(name, function()
      local line = debug.getinfo(call, "S").linedefined
      local err = failure(call, { max_retrys = 1, tiemout = 1 })
      assert.matches(("^spec/lua/options_spec.lua:%d: .*'"):format(line), err)
    end)
  end

  it("and not that of somebody else where a tail call has taken its place", function()
    local function make() return neap.limiter { rat = 1 } end
    local function call()
      local limiter = make()
      return limiter
    end
    assert.equal("limiter: unknown option 'rat'; did you mean 'rate'?", failure(call))
  end)
end)

describe("a name that means an option", function()
  local function refusal(fields)
    local _, message = pcall(function()
      local _ = neap.Node(fields)
    end)
    return message
  end

  it("is found whatever the style it is written in", function()
    for given, meant in pairs { maxRetries = "max_retries", MaxWait = "max_wait", Post = "post",
      max_tries = "max_retries", processAfterFail = "process_after_fail",
      process_after_failure = "process_after_fail", timeout_ms = "timeout" } do
      assert.matches(("unknown option '%s'; did you mean '%s'%%?"):format(given, meant),
        refusal { [given] = 3 })
    end
  end)

  it("is told apart from those of run", function()
    assert.matches("'max_steps' cannot be a field: it is an option of run",
      refusal { max_steps = 3 })
  end)

  it("is blamed on nobody where a tail call has hidden the caller", function()
    local _, message = pcall(function() return neap.Node { maxRetries = 3 } end)
    assert.equal("Node: unknown option 'maxRetries'; did you mean 'max_retries'?", message)
  end)
end)
