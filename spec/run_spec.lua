-- The runner of specs: what it counts, and that it notices what it should.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"

-- Runs spec/run.lua over one spec file with this text. The real core is kept
-- out of its sight.
local function run(text)
  local path = helper.write(helper.tmpdir() .. "/x_spec.lua", text)
  return helper.run({ helper.lua, "spec/run.lua", path },
    { cwd = helper.root, env = { LUA_CPATH = ";;" } })
end

local function last_line(result)
  return result.stdout:match("([^\n]*)\n$")
end

describe("spec/run.lua", function()
  it("counts and ends well when all passes", function()
    local result = run [[it("a", function() end) it("b", function() end)]]
    assert.equal("2 passed, 0 failed\n", result.stdout)
    assert.equal(0, result.status)
  end)

  it("counts failures and errors, and says where", function()
    local result = run [[
      describe("x", function()
        it("a", function() assert.equal(1, 2) end)
        it("b", function() error { code = "odd" } end)
        it("c", function() end)
      end)]]
    assert.equal("1 passed, 2 failed", last_line(result))
    assert.equal(1, result.status)
    assert.matches("FAILED %S+ > x > a\n[^\n]*x_spec.lua:2:", result.stdout)
    assert.matches('code = "odd"', result.stdout, 1, true)
  end)

  it("fails for a file that does not parse", function()
    local result = run "it("
    assert.equal("0 passed, 1 failed", last_line(result))
    assert.equal(1, result.status)
  end)

  it("fails when no test ran", function()
    assert.equal(1, run("").status)
    assert.equal(1, run([[pending "later"]]).status)
  end)

  it("fails a spec that leaves something alive, and only that", function()
    local result = run [[
      local left = 0
      package.loaded["neap.core"] = { live = function() return { tasks = left } end }
      it("cleans up", function() left = 1 finally(function() left = 0 end) end)
      it("forgets", function() left = 1 end)
      after_each(function() if left == 2 then left = 0 end end)
      it("leaves it to after_each", function() left = 2 end)]]
    assert.equal("3 passed, 1 failed", last_line(result))
    assert.matches("after %S+ > forgets%)\n", result.stdout)
    assert.matches("left alive in the engine: tasks = 1\n", result.stdout)
  end)
end)

describe("ctest", function()
  it("has each test that ./dev test has", function()
    local result = helper.run { "ctest", "--test-dir", helper.build, "--show-only" }
    local there, wanted = {}, {}
    for name in result.stdout:gmatch("Test +#%d+: (%S+)\n") do there[#there + 1] = name end
    for _, path in ipairs(helper.files("spec", "_test%.c$")) do
      wanted[#wanted + 1] = path:match("^spec/(%w+/)") .. path:match("([^/]+)%.c$")
    end
    for _, path in ipairs(helper.files("spec", "_spec%.lua$")) do wanted[#wanted + 1] = path end
    table.sort(there)
    table.sort(wanted)
    assert.same(wanted, there)
  end)

  it("runs specs and C tests of a build, sanitizers included", function()
    local result = helper.run({ "ctest", "--test-dir", helper.build, "--output-on-failure",
      "-R", "options_spec|status_test" })
    assert.equal(0, result.status, result.stdout)
    assert.matches("100%% tests passed, 0 tests failed out of 2\n", result.stdout)
  end)
end)

describe("helper.run", function()
  it("tells status, output and errors apart", function()
    assert.same({ status = 3, stdout = "out\n", stderr = "err\n" },
      helper.run { "sh", "-c", "echo out; echo err >&2; exit 3" })
  end)

  it("hands arguments, variables and input over as they are", function()
    local odd = "a b'c\"$HOME\n*"
    local result = helper.run({ "sh", "-c", 'printf %s "$1$X"; cat', "sh", odd },
      { env = { X = odd }, stdin = "in" })
    assert.equal(odd .. odd .. "in", result.stdout)
  end)

  it("ends what takes too long", function()
    assert.equal(124, helper.run({ "sleep", "60" }, { timeout = 0.1 }).status)
  end)

  it("tells a signal", function()
    assert.equal(128 + 9, helper.run({ "sh", "-c", "kill -9 $$" }).status)
  end)
end)
