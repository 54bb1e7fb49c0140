-- Checking names: what is near what, and what is refused.
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local options = require "neap.options"

local function failure(f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok)
  return err
end

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

  it("blames its caller's caller, or the level given", function()
    local function inner() options.check({ x = 1 }, {}, "f") end
    local function outer() options.check({ x = 1 }, {}, "f", 1) end
    local line = debug.getinfo(1, "l").currentline
    assert.matches((":%d: f: unknown"):format(line + 2),
      failure(function() inner() end), 1, true)
    assert.matches((":%d: f: unknown"):format(line - 1), failure(outer), 1, true)
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
