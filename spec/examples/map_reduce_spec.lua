-- A batch, and what becomes of its results.
-- SPDX-License-Identifier: MIT
local example = require "spec.example"
local helper = require "spec.helper"

describe("map_reduce", function()
  local folder = helper.tmpdir()

  it("adds up the words of all files", function()
    local one = helper.write(folder .. "/one", "The moon, the tide.")
    local two = helper.write(folder .. "/two", "the MOON\n")
    example.succeeds([[
3 different words in 2 files
      3 the
      2 moon
      1 tide
]], example.run("map_reduce", one, two))
  end)

  it("reads the licences when it is given nothing", function()
    local result = example.run("map_reduce")
    local _, lines = result.stdout:gsub("\n", "")
    assert.equal(0, result.status)
    assert.equal(11, lines)
    assert.matches("^%d+ different words in %d+ files\n +%d+ the\n", result.stdout)
  end)

  it("fails for a file that is not there", function()
    local result = example.run("map_reduce", folder .. "/none")
    assert.equal(1, result.status)
    assert.matches("count_words > Map[1] (exec): ", result.stderr, 1, true)
    assert.matches("none: no such file or directory", result.stderr, 1, true)
  end)
end)
