--- Asking whoever sits at the terminal, or whatever stands in for them.
-- SPDX-License-Identifier: MIT
local core = require "neap.core"
local options = require "neap.base.options"
local rules = require "neap.base.schema".rules
local stream = require "neap.stream"

local turn = core.semaphore(1) -- who asks next
local source -- the standard input, once somebody has asked

-- Asks whoever has the standard input. It is a field for neap.testing.input, which
-- puts another in its place.
function core.stream.ask(prompt)
  if prompt then
    io.stdout:write(prompt)
    io.stdout:flush()
  end
  source = source or stream.new(core.stream.input())
  return source:read()
end

--- Writes a prompt, if there is one, and waits for a line of the standard input;
--- others run meanwhile. Of several who ask at once each gets a line, in turn.
--- Who is cancelled takes nothing: the line is there for the next.
---
--- Lua's io.read has a buffer of its own: use one or the other.
---@param prompt? string
---@return string|nil line without its end; nil when there are no more
return function(prompt)
  if prompt ~= nil and type(prompt) ~= "number" then
    options.argument(1, "input", prompt, rules.string)
  end
  local _ <close> = turn:acquire()
  return (core.stream.ask(prompt))
end
