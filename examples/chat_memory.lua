-- A conversation that goes on where it ended the last time.
--
--   neap examples/chat_memory.lua [FILE]
--
-- After each answer all that has been said is written to FILE, or to chat.json. When it
-- gets long, a summary takes the place of what is oldest.
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local llm, fs, json = neap.llm, neap.fs, neap.json

local file = ... or "chat.json"

-- For those who have no model: somebody who counts.
local function offline(messages)
  return ("This is message %d. The first was '%s'."):format(#messages, messages[1].content)
end

local talk = llm.conversation {
  model = llm.new { offline = offline },
  window = 8000, -- tokens
  summarise = true,
}

-- The messages are plain data. What is no list of them is refused by the next `say`.
if fs.exists(file) then
  talk.messages = json.decode(fs.read(file))
  print(("%s has %d messages."):format(file, #talk.messages))
end

for text in neap.input, "> " do
  if text:find("%S") then
    print((talk:say(text)))
    -- Whoever ends the program while it writes finds the old file or the new one.
    fs.write(file, json.encode(talk.messages, { indent = 2 }) .. "\n", { atomic = true })
  end
end
print()
