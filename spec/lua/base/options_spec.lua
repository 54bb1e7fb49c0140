-- Checking names: what is near what, and what is refused.
-- SPDX-License-Identifier: MIT
local failure = require("spec.helper").failure
local neap = require "neap"
local options = require "neap.base.options"
local schema = require "neap.base.schema"

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
    return options.check(given, "run")
  end

  it("gives what it was given, and an empty table for nil", function()
    local given = { timeout = 1 }
    assert.equal(given, call(given))
    assert.same({}, call(nil))
  end)

  it("gives the defaults to whoever asks for them, in a table of its own", function()
    local given = { per = 60 }
    assert.same({ per = 60 }, options.take(given, "limiter"))
    assert.same({ per = 1 }, options.take(nil, "limiter"))
    assert.are_not.equal(given, options.take(given, "limiter"))
  end)

  it("refuses what is no table", function()
    assert.matches("run: options expected as a table, got number",
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
    assert.matches("run: options are named; got the key table",
      failure(function() call { [{}] = "x" } end), 1, true)
  end)

  it("refuses a name that others use, with the one that is meant", function()
    for where, names in pairs {
      ["llm.new"] = { base_url = "url", baseurl = "url", api_key = "key" },
      ["http.get"] = { retries = "max_retries", timeout_ms = "timeout" },
      retry = { maxAttempts = "max_retries" },
    } do
      for given, name in pairs(names) do
        assert.matches(("%s: unknown option '%s'; did you mean '%s'?"):format(where, given, name),
          failure(function() options.check({ [given] = 1 }, where) end), 1, true)
      end
    end
    assert.matches("chat: unknown option 'api_key'$", -- for it has no key
      failure(function() options.check({ api_key = "x" }, "chat") end))
  end)

  it("refuses what the rule of a name does not allow", function()
    local function refused(where, name, value, what, got)
      local err = failure(function() options.check({ [name] = value }, where) end)
      assert.equal(("%s: bad option '%s' (%s expected, got %s)"):format(where, name, what, got),
        err:match(": (.*)"))
    end
    refused("run", "timeout", 0, "positive number of seconds", 0)
    refused("run", "timeout", "soon", "positive number of seconds", "string")
    refused("run", "timeout", neap.http.jar(), "positive number of seconds", "neap.http.Jar")
    refused("json.encode", "indent", 1.5, "whole number from 0 to 31", 1.5)
    refused("json.encode", "indent", 32, "whole number from 0 to 31", 32)
    refused("retry", "max_retries", 0, "whole number from 1", 0)
    refused("chat", "model", true, "string", "boolean")
    refused("gather", "on_error", "go", '"stop" or "collect"', '"go"')
    local files = '"pipe", "inherit", "null", { file = path } or { append = path }'
    refused("process.run", "stdout", { fil = "x" }, files, '{ fil = "x" }')
    refused("process.run", "stdout", {}, files, "an empty table")
    options.check({ timeout = 0.5, max_steps = 9, on_event = print }, "run")
  end)

  it("shows no text that may be confidential", function()
    for _, headers in ipairs { "Authorization: Bearer secret", { authorization = { "secret" } } } do
      local err = failure(function() options.check({ headers = headers }, "http.get") end)
      assert.matches("(table of strings, numbers or secrets by name expected, got "
        .. type(headers) .. ")", err, 1, true)
    end
  end)
end)

describe("what is read in C is refused", function()
  local calls = {
    ["fs.read"] = function(opts) neap.fs.read("/dev/null", opts) end,
    ["json.decode"] = function(opts) neap.json.decode("1", opts) end,
    ["json.encode"] = function(opts) neap.json.encode(1, opts) end,
  }
  local values = { true, false, -1, 0, 1, 1.0, 1.5, 31, 32, 1e6, 2^53, 2^63, 0 / 0, "", "1",
    "error", "float", "string", "replace", {}, print }
  for where, call in pairs(calls) do
    it(("as all that is not: %s"):format(where), function()
      assert.matches(where .. ": options expected as a table, got number", failure(call, 1), 1,
        true)
      assert.matches(where .. ": options are named; got the key 1", failure(call, { 1 }), 1, true)
      for name in pairs(schema.options[where]) do
        for _, value in ipairs(values) do
          local opts = { [name] = value }
          local ok, err = pcall(call, opts)
          local complaint = options.complaint(opts, where)
          assert.equal(complaint == nil, ok)
          if not ok then assert.matches(complaint, err, 1, true) end
        end
      end
    end)
  end
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
      assert.matches(("^spec/lua/base/options_spec.lua:%d: .*'"):format(line), err)
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
