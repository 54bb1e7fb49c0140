-- Random concurrent programs come out as they must; `./dev fuzz` plays more of
-- them. What they are is told in spec/fuzz/generate.lua, what they must in
-- spec/fuzz/world.lua.
-- SPDX-License-Identifier: MIT
local fuzz = require "spec.fuzz"
local helper = require "spec.helper"

-- A checker of memory makes a program take up to thirty times as long.
local COUNT = helper.under[1] and 100 or helper.build:find("release", 1, true) and 2000 or 500

describe("random concurrent programs", function()
  it("end, or deadlock, with nothing lost, doubled or left", function()
    local failure = fuzz.play(1, COUNT)
    assert.is_nil(failure)
  end)
end)
