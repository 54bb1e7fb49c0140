--- Reading lines of the standard input, with a prompt.
-- SPDX-License-Identifier: MIT
local core = require "neap.core"
local options = require "neap.base.options"
local rules = require "neap.base.schema".rules
local stream = require "neap.stream"

local turn = core.semaphore(1) -- held by the task that reads a line
local source -- a reader of the standard input, made when it is first needed

-- Prompts for a line and reads it. neap.testing.input replaces this field.
function core.stream.ask(prompt)
  if prompt then
    core.system.write(tostring(prompt))
  end
  source = source or stream.new(core.stream.input())
  return source:read()
end

--- Writes a prompt, if there is one, and waits for a line of the standard input. Of several
--- tasks that ask, each gets a line in turn. A task that is cancelled takes no line.
---
--- Do not mix this with Lua's io.read, which has a buffer of its own.
---@param prompt? string
---@return string|nil line without its end; nil when there are no more
return function(prompt)
  if prompt ~= nil and type(prompt) ~= "number" then
    options.argument(1, "input", prompt, rules.string)
  end
  local _ <close> = turn:acquire()
  return (core.stream.ask(prompt))
end
