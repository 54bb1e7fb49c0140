-- What libneap weighs, and what the libraries write to that is not an engine's.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"

local build = os.getenv("NEAP_BUILD") or ""
local it_is_release = build:find("release", 1, true) and it or pending

-- What each library writes to that is of the process, or of a thread. How many engines there
-- are is nowhere noted. What is: that something was done once, and with what outcome; and how
-- many forks there were.
local WRITTEN = {
  ["engine/libneap.so"] = { "neap__forks", "once", "watch_code" },
  ["lib/neap/libneap_http.so"] = { "global_code", "once" },
  -- Besides: how many hosts were closed, that Lua's records of calls are as expected, and of
  -- each thread, the host that it found last and what runs in it. Signals are of the process
  -- as well: which ones are lent to states, and which alarms a thread has set.
  ["bindings/libneap_lua.so"] = { "closed", "forks", "is_known", "is_set", "last", "lent", "mutex",
    "once", "running" },
}

-- The stripped size in bytes that it does not outgrow: 160 KiB, the stores, and saved runs.
local MOST = (160 + 26 + 16) * 1024

local function output_of(argv)
  local result = helper.run(argv)
  assert.equal(0, result.status, result.stderr)
  return result.stdout
end

-- The sections of data that are written to after the library was loaded.
local is_written = { [".data"] = true, [".bss"] = true, [".tdata"] = true, [".tbss"] = true }

-- Returns the names of what a library writes to, sorted, without those of the compiler's own.
local function written_by(library)
  local names = {}
  for section, name in output_of({ "objdump", { "-t", library } })
      :gmatch("[^\n]* (%.%S+)%s+%x+%s[^\n]-([%w_%.]+)\n") do
    name = name:gsub("%.%d+$", "")
    if is_written[section] and not name:find("^%.") and not name:find("^_")
        and name ~= "completed" then
      names[#names + 1] = name
    end
  end
  table.sort(names)
  return names
end

describe("a library", function()
  for library, names in pairs(WRITTEN) do
    it_is_release(("has no state but that of engines: %s"):format(library), function()
      assert.same(names, written_by(build .. "/" .. library))
    end)
  end
end)

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

  it_is_release("is small", function()
    local dir = helper.tmpdir()
    local stripped = dir .. "/libneap.so"
    output_of({ "strip", { "-o", stripped, path } })
    local file <close> = assert(io.open(stripped, "rb"))
    local size = file:seek("end")
    assert.is_true(size <= MOST, ("%d bytes"):format(size))
  end)
end)
