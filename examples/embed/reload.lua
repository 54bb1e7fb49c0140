-- What the program in reload.c does. Edit it while the program runs.
-- SPDX-License-Identifier: MIT
local neap = require "neap"

local greet = neap.Node { name = "greet" }

function greet:exec(shared)
  say("hello, guest " .. shared.guest) -- luacheck: globals say
  neap.sleep(0.5)
end

return neap.Flow { name = "welcome", start = greet }
