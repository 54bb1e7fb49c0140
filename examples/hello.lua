-- The smallest flow: one node that greets.
--
--   neap examples/hello.lua [NAME]
-- SPDX-License-Identifier: MIT
local neap = require "neap"

local Greet = neap.Node:extend { name = "Greet" }

-- prep takes from the shared store what exec needs,
function Greet:prep(shared)
  return shared.name
end

-- exec does the work,
function Greet:exec(_, name)
  return ("Hello, %s!"):format(name)
end

-- and post puts the result back.
function Greet:post(shared, _, greeting)
  shared.greeting = greeting
end

local hello = neap.Flow { name = "hello", start = Greet {} }

if not neap.is_main() then return hello end -- to neap run, graph and check

local shared = { name = ... or "world" }
hello:run(shared)
print(shared.greeting)
