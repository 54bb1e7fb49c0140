-- Talks with a language model, which remembers what has been said.
--
--   neap examples/chat.lua [SYSTEM]
--
-- SYSTEM says who the model is to be. The model is the one that NEAP_LLM_PROVIDER,
-- NEAP_LLM_URL, NEAP_LLM_KEY and NEAP_LLM_MODEL name; without them a summariser that
-- needs no network answers. Answers are printed as they come. Ctrl-C stops an answer,
-- and not the program; Ctrl-D ends it, and so does Ctrl-C while you are asked.
-- SPDX-License-Identifier: MIT
local neap = require "neap"

local model = neap.llm.new { system = (...) }

-- Prints the answer to the messages while it comes. Returns the message to remember,
-- nil when there is none.
local function answer(messages)
  local pieces = {}
  local task = neap.spawn(function()
    local stream <close> = model:stream(messages)
    for piece in stream do
      pieces[#pieces + 1] = piece
      io.stdout:write(piece)
      io.stdout:flush()
    end
    return stream.reply.message
  end)
  local before = neap.on_interrupt(function() task:cancel() end)
  local ok, result = neap.try(task.await, task)
  neap.on_interrupt(before)
  if ok then
    print()
    return result
  end
  print((" [%s]"):format(result.code == "cancelled" and "stopped" or result.message))
  -- What was said before it broke off is remembered, too.
  return pieces[1] and { role = "assistant", content = table.concat(pieces) }
end

local messages = {}
for question in function() return neap.input("> ") end do
  if question:find("%S") then
    messages[#messages + 1] = { role = "user", content = question }
    messages[#messages + 1] = answer(messages)
    -- A question without an answer would stand in the way of the next.
    if messages[#messages].role == "user" then messages[#messages] = nil end
  end
end
print()
io.stderr:write(("%d tokens in, %d out\n"):format(model.usage.input, model.usage.output))
