-- How many files the executable may have open.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"

-- The limits that a script sees, after a command of the shell.
local function limits(command)
  local script = helper.write(helper.tmpdir() .. "/limits.lua", [[
    local text = require("neap").fs.read "/proc/self/limits"
    print(text:match("Max open files%s+(%d+)%s+(%d+)"))]])
  local result = helper.run { "sh", "-c", command .. '; exec "$@"', "sh", helper.neap, script }
  assert.same({ 0, "" }, { result.status, result.stderr })
  local soft, hard = result.stdout:match("^(%d+)\t(%d+)\n$")
  return tonumber(soft), tonumber(hard)
end

describe("the limit of open files", function()
  it("is raised to the one that the system allows, and to what is of use", function()
    local soft, hard = limits "ulimit -Sn 64"
    assert.is_true(hard > 64)
    assert.equal(math.min(hard, 16384), soft)
  end)

  it("stays where it may not be raised", function()
    assert.same({ 64, 64 }, { limits "ulimit -n 64" })
  end)

  it("is not lowered", function()
    local _, hard = limits ":"
    if hard > 16384 then
      assert.equal(16385, (limits "ulimit -Sn 16385"))
    end
  end)
end)
