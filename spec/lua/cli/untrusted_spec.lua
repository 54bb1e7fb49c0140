-- neap run --untrusted: options, outcomes, limits. spec/bindings/sandbox/ has what scripts try.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local json = require "neap.json"

describe("neap run --untrusted", function()
  local folder

  before_each(function() folder = helper.tmpdir() end)

  local function run(code, ...)
    local file = helper.write(folder .. "/plan.lua", code)
    return helper.run({ helper.neap, "run", file, ... }, { timeout = 30 })
  end

  local function node(body)
    return "local neap = require 'neap' return neap.Flow { name = 'plan', start = neap.Node { "
      .. "name = 'work', exec = function(self, shared) " .. body .. " end } }"
  end

  it("runs a flow with its shared store, params and arguments", function()
    local result = run(node "print(arg[1], self.params.city) shared.n = shared.n + 1",
      "--untrusted", "--json", "--shared", '{"n":1}', "--param", "city=Aurich", "--", "x")
    assert.equal(0, result.status, result.stderr)
    local outcome = json.decode(result.stdout)
    assert.equal(2, outcome.shared.n)
    assert.equal("default", outcome.action)
    assert.truthy(result.stderr:find("x\tAurich", 1, true))
  end)

  it("runs the flow of the manual", function()
    local code = helper.read(helper.root .. "/docs/sandbox.md"):match("```lua norun\n(.-)```")
    local result = run(code, "--untrusted", "--json")
    assert.equal("tides: denied, moon phases: denied", json.decode(result.stdout).shared.notes)
  end)

  it("has a code for a file that cannot be loaded", function()
    for code, expected in pairs { ["return = 1"] = "syntax", ["error 'no'"] = "user",
      ["return 7"] = "flow", ["\27Lua"] = "syntax" } do
      local result = run(code, "--untrusted", "--json")
      assert.equal(1, result.status)
      assert.equal(expected, json.decode(result.stdout).error.code)
    end
  end)

  it("ends at its timeout, and lets the script close what it has", function()
    local result = run(node("local _ <close> = setmetatable({}, { __close = function() print "
      .. "'closed' end }) neap.sleep(60)"), "--untrusted", "--json", "--timeout",
      tostring(0.2 * helper.patience))
    assert.equal(1, result.status)
    assert.equal("timeout", json.decode(result.stdout).error.code)
    assert.truthy(result.stderr:find("closed", 1, true))
  end)

  it("ends a script whose tasks spawn tasks, well before its timeout", function()
    local bombs = {
      "local function f() neap.spawn(f) neap.spawn(f) neap.sleep(60) end f()",
      "local function f() while true do pcall(neap.spawn, f) pcall(neap.sleep, 0) end end f()",
      "local function f() while true do pcall(neap.spawn_detached, f) neap.sleep(0) end end f()",
      "local function f() while true do pcall(function() neap.spawn(f):await() end) end end f()",
    }
    for _, bomb in ipairs(bombs) do
      local result = run(node(bomb), "--untrusted", "--json", "--memory", "8M", "--timeout", "10")
      assert.equal(1, result.status)
      assert.equal("memory", json.decode(result.stdout).error.code, bomb)
    end
  end)

  it("says that there is too little memory to start", function()
    local result = run("return 1", "--untrusted", "--memory", "250K")
    assert.equal(1, result.status)
    assert.equal("neap: the sandbox cannot start: not enough memory\n", result.stderr)
  end)

  it("prints one JSON document with a code, whatever keeps the script from starting", function()
    local function check(code, status, words, text)
      if text then helper.write(folder .. "/plan.lua", text) end
      local argv = { helper.neap, "run", "--json", table.unpack(words) }
      local result = helper.run(argv, { timeout = 30, cwd = folder })
      assert.equal(status, result.status)
      assert.matches("^[^\n]+\n$", result.stdout)
      local err = json.decode(result.stdout).error
      assert.equal(code, err.code)
      assert.is_true(result.stderr:find(err.message, 1, true) ~= nil, result.stderr)
    end
    for _, memory in ipairs { "1K", "200K", "250K" } do
      check("sandbox", 1, { "--untrusted", "--memory", memory, "plan.lua" }, "return 1")
    end
    check("grant", 2, { "--untrusted", "--grant", "files=none", "plan.lua" })
    check("grant", 2, { "--untrusted", "--grant", "moon", "plan.lua" })
    local space = (" "):rep(2 ^ 20 + 1)
    check("limit", 1, { "--untrusted", "plan.lua" }, space)
    check("limit", 1, { "--untrusted", "--memory", "1M", "plan.lua" }, space:rep(40))
    for _, words in ipairs { { "--untrusted" }, {} } do
      local function also(code, file, text)
        words[#words + 1] = file
        check(code, 1, words, text)
        words[#words] = nil
      end
      also("file", "none.lua")
      also("file", ".")
      also("syntax", "plan.lua", "return = 1")
      also("user", "plan.lua", "error {}")
      also("mine", "plan.lua", "error(require('neap').error.new { code = 'mine', message = 'm' })")
      also("flow", "plan.lua", "return 7")
    end
  end)

  it("reads and writes in a folder that is granted", function()
    local result = run(node "neap.fs.write('b', neap.fs.read('a'):upper())", "--untrusted",
      "--grant", "files=" .. folder, "--shared", "{}")
    helper.write(folder .. "/a", "text")
    assert.equal(1, result.status)
    result = run(node "neap.fs.write('b', neap.fs.read('a'):upper())", "--untrusted",
      "--grant", "files=" .. folder)
    assert.equal(0, result.status, result.stderr)
    assert.equal("TEXT", helper.read(folder .. "/b"))
  end)

  it("refuses options that make no sense", function()
    local function refused(message, ...)
      local result = run(node "", ...)
      assert.equal(2, result.status)
      assert.truthy(result.stderr:find(message, 1, true), result.stderr)
    end
    refused("'--grant' is for files that nobody trusts", "--grant", "clock")
    refused("'--memory' is bytes, as in 64M, got '64 cows'", "--untrusted", "--memory", "64 cows")
    refused("'--compute' is seconds, as in 1s, got '0'", "--untrusted", "--compute", "0")
    refused("the grant 'moon'", "--untrusted", "--grant", "moon")
  end)
end)

describe("the Lua modules of neap", function()
  it("use none of the globals debug, io and os", function()
    for _, path in ipairs(helper.files(helper.root .. "/lua/neap", "%.lua$")) do
      -- Commands are for the executable alone; output.lua is about what those libraries print.
      if not path:find("/cli/") and not path:find("/io/output%.lua$") then
        for line in helper.read(path):gmatch("[^\n]+") do
          local code = line:gsub("%-%-.*", ""):gsub('"[^"]*"', '""')
          for word in code:gmatch("%f[%w_.](%l+)%.%l") do
            assert.is_nil(({ debug = 1, io = 1, os = 1 })[word], ("%s: %s"):format(path, line))
          end
        end
      end
    end
  end)
end)
