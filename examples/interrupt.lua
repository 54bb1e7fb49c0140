-- Ctrl-C stops an answer of a model, and not the program.
--
--   neap examples/interrupt.lua
--
-- The connection is dropped, so that nobody pays for the rest. Ctrl-D ends the program,
-- and so does Ctrl-C while you are asked.
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local llm = neap.llm

-- For those who have no model: somebody who talks slowly.
local function offline()
  return { text = ("One sheep, and one more. "):rep(20), between = 0.2 }
end

-- A part of an answer is remembered as well, so that you can say: go on.
local talk = llm.conversation { model = llm.new { offline = offline }, partial = true }

-- Prints the answer while it comes.
local function ask(text)
  local task = neap.spawn(function()
    for piece in talk:stream(text) do io.write(piece) end
  end)
  -- A task that is cancelled leaves its loop, and that drops the connection.
  neap.on_interrupt(function() task:cancel() end)
  local ok, err = neap.try(task.await, task)
  neap.on_interrupt(nil)
  print(ok and "" or err.code == "cancelled" and "[stopped]" or err.message)
end

io.stdout:setvbuf("no") -- a piece is to be seen as soon as it is there
for text in neap.input, "> " do
  if text:find("%S") then ask(text) end
end
print()
