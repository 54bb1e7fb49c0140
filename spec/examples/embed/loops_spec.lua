-- neap in the loops of programs: each is built against what is installed, and run.
-- SPDX-License-Identifier: MIT
local foreign = require "spec.foreign"
local helper = require "spec.helper"

-- Where all code is suspended at each instruction, it is never idle for long.
local it_sleeps = helper.is_preempted and pending or it

describe("a program with neap in its loop", function()
  local prefix

  setup(function()
    prefix = foreign.install()
  end)

  -- Builds a program by the line in the README, and runs it.
  local function run(name)
    local folder = foreign.example(prefix, name .. ".c", " " .. name .. "%.c ")
    return foreign.succeed({ helper.under, folder .. "/" .. name },
      { cwd = folder, env = foreign.env })
  end

  it("gives it a slice in each frame", function()
    assert.equal("the lamp turns\nthe lamp turns\nthe lamp turns\nsuccess after 9 frames or more\n",
      run "minimal")
  end)

  it("ends a script that nobody trusts", function()
    assert.equal("ended with code compute after some frames\n", run "sandbox")
  end)

  it_sleeps("waits for its descriptor", function()
    assert.equal("the ferry is at Hallig\nthe ferry is at Norderney\n"
      .. "success: the timer has ticked, the loop has slept\n", run "own_loop")
  end)

  it("lends it a loop of libuv's", function()
    assert.equal("the water is at 1\nthe water is at 2\nthe water is at 3\n"
      .. "success, and the timer has ticked\nnothing is left on the loop\n", run "uv_loop")
  end)
end)
