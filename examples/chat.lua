-- Talks with a language model, which remembers what has been said.
--
--   neap examples/chat.lua [SYSTEM]
--
-- SYSTEM says who the model is to be. Answers are printed as they come. Ctrl-D ends it.
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local llm = neap.llm

-- For those who have no model: somebody who asks back.
local function offline(messages)
  return ("Why do you say '%s'?"):format(messages[#messages].content)
end

local talk = llm.conversation { model = llm.new { offline = offline }, system = (...) }

io.stdout:setvbuf("no") -- a piece is to be seen as soon as it is there
for text in neap.input, "> " do
  if text:find("%S") then
    for piece in talk:stream(text) do io.write(piece) end
    print()
  end
end
print()
