-- Taboo: one agent describes a word without saying it, the other guesses it. Both are
-- loops that run side by side, and all they know of each other comes over two channels.
--
--   neap examples/taboo.lua [WORD TABOO ...]
--
-- WORD is to be guessed; the hints may have neither it nor the words behind it.
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local llm, Node, Flow = neap.llm, neap.Node, neap.Flow

local HINTS <const> = 5

local model = llm.new { offline = {
  "It has two highs a day.",
  "A thermometer?",
  "The moon moves the sea.", -- has a word that is taboo
  "Twice a day the beach is gone.",
  "The tide!",
} }

-- The first of the words that a text contains, nil if there is none.
local function find(text, words)
  for _, word in ipairs(words) do
    if text:lower():find(word:lower(), 1, true) then return word end
  end
end

-- Gives a hint, and waits for the guess. `remark` is what the agent is told next.
local hint = Node { name = "hint" }

function hint:exec(shared) return (shared.hinter:say(shared.remark)) end

function hint:post(shared, _, text)
  local word = find(text, shared.words)
  if word then
    shared.remark = ("You have said '%s'. Give another hint."):format(word)
  else
    print("hint:  " .. text)
    shared.hints:send(text)
    local guess = shared.guesses:receive()
    shared.guessed = find(guess, { shared.words[1] })
    shared.remark = ("'%s' is wrong. Give another hint."):format(guess)
  end
  shared.left = shared.left - 1
  if not shared.guessed and shared.left > 0 then return word and "taboo" or "wrong" end
  shared.hints:close()
  return "over"
end

-- Waits for a hint, and guesses. When the channel is closed there is none, but nil.
local guess = Node { name = "guess" }

function guess:prep(shared) return shared.hints:receive() end

function guess:exec(shared, text) return text and (shared.guesser:say(text)) end

function guess:post(shared, _, text)
  if not text then return "over" end
  print("guess: " .. text)
  shared.guesses:send(text)
  return "next"
end

local hinter = Flow { name = "hinter", start = hint,
  hint - "taboo" >> hint,
  hint - "wrong" >> hint,
  hint - "over" >> neap.END,
}
local guesser = Flow { name = "guesser", start = guess,
  guess - "next" >> guess,
  guess - "over" >> neap.END,
}

-- If one of the two fails, the other does not wait for it forever: it is cancelled.
local taboo = neap.parallel { name = "taboo", hinter, guesser }

function taboo:prep(shared)
  shared.words = shared.words or { "tide", "sea", "water", "ebb", "flood" }
  shared.hints, shared.guesses = neap.channel(), neap.channel()
  shared.remark, shared.left = "Give the first hint.", HINTS
  shared.hinter = llm.conversation { model = model, system = (
    "You play Taboo. Describe the word '%s' in one short sentence that has none of these "
    .. "words: %s."):format(shared.words[1], table.concat(shared.words, ", ")) }
  shared.guesser = llm.conversation { model = model,
    system = "You play Taboo. You get hints. Answer each with one guess, and nothing else." }
end

function taboo:post(shared)
  print(shared.guessed and "Guessed!" or "The word was: " .. shared.words[1])
end

if not neap.is_main() then return taboo end -- to neap run, graph and check

taboo:run { words = ... and { ... } }
