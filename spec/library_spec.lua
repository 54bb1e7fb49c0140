-- What libneap weighs, and what it writes to that is not an engine's.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"

local build = os.getenv("NEAP_BUILD") or ""
local it_is_release = build:find("release", 1, true) and it or pending

-- How many engines there are, and of which threads, is nowhere noted. What is: that the
-- handler of forks has been registered, and how many forks there were.
local WRITTEN = { "neap__forks", "once", "watch_code" }

-- The stripped size in bytes that it does not outgrow unnoticed; 160 KiB are the aim.
local MOST = 256 * 1024

local function output_of(argv)
  local result = helper.run(argv)
  assert.equal(0, result.status, result.stderr)
  return result.stdout
end

describe("libneap", function()
  local path = build .. "/engine/libneap.so"

  it("exports what neap.h declares and nothing else", function()
    local count = 0
    for name in output_of({ "nm", { "-D", "--defined-only", path } }):gmatch(" %a ([^\n]+)") do
      count = count + 1
      assert.is_truthy(name:find("^neap_%l"), name)
    end
    assert.is_true(count > 100, count)
  end)

  it_is_release("has no state but that of engines", function()
    local names = {}
    for section, name in output_of({ "objdump", { "-t", path } })
        :gmatch("O (%.%S+)%s+%x+%s+([%w_%.]+)\n") do
      name = name:gsub("%.%d+$", "")
      if (section == ".data" or section == ".bss")
          and name ~= "completed" and not name:find("^__") then
        names[#names + 1] = name
      end
    end
    table.sort(names)
    assert.same(WRITTEN, names)
  end)

  it_is_release("is small", function()
    local dir = helper.tmpdir()
    local stripped = dir .. "/libneap.so"
    output_of({ "strip", { "-o", stripped, path } })
    local file <close> = assert(io.open(stripped, "rb"))
    local size = file:seek("end")
    assert.is_true(size <= MOST, ("%d bytes"):format(size))
  end)
end)
