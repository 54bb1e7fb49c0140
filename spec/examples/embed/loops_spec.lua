-- neap in the loops of programs: each is built against what is installed, and run.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"

-- A program in C that links what was built with sanitizers needs them, too.
local sanitizers = helper.read(helper.build .. "/CMakeCache.txt")
  :match("\nNEAP_SANITIZE:%w+=([^\n]+)")
local flags = sanitizers and "-fsanitize=" .. sanitizers or ""

local function succeed(argv, opts)
  local result = helper.run(argv, opts)
  if result.status ~= 0 then
    error(("status %d\n%s%s"):format(result.status, result.stdout, result.stderr), 2)
  end
  return result.stdout
end

describe("a program with neap in its loop", function()
  local prefix

  setup(function()
    prefix = helper.tmpdir() .. "/opt"
    succeed { "cmake", "--install", helper.build, "--prefix", prefix }
  end)

  -- Builds a program by the line in the README, and runs it.
  local function run(name)
    local folder = helper.tmpdir()
    local line = helper.read(helper.root .. "/examples/embed/README.md")
      :match("\n(cc [^\n]* " .. name .. "%.c [^\n]+)\n")
    succeed({ "sh", "-ec", ("cp %s/examples/embed/%s.c . && %s -Wall -Wextra -pedantic -Werror "
      .. "%s -Wl,-rpath,%s/lib"):format(helper.root, name, line, flags, prefix) },
      { cwd = folder, env = { PKG_CONFIG_PATH = prefix .. "/lib/pkgconfig" } })
    return succeed({ helper.under, folder .. "/" .. name },
      { cwd = folder, env = { LUA_PATH = "", LUA_CPATH = "", LD_LIBRARY_PATH = "" } })
  end

  it("gives it a slice in each frame", function()
    assert.equal("the lamp turns\nthe lamp turns\nthe lamp turns\nsuccess after 9 frames or more\n",
      run "minimal")
  end)

  it("ends a script that nobody trusts", function()
    assert.equal("ended with code compute after some frames\n", run "sandbox")
  end)

  it("waits for its descriptor", function()
    assert.equal("the ferry is at Hallig\nthe ferry is at Norderney\n"
      .. "success: the timer has ticked, the loop has slept\n", run "own_loop")
  end)

  it("lends it a loop of libuv's", function()
    assert.equal("the water is at 1\nthe water is at 2\nthe water is at 3\n"
      .. "success, and the timer has ticked\nnothing is left on the loop\n", run "uv_loop")
  end)
end)
