--- Vectors of texts without a model: their words, hashed.
-- SPDX-License-Identifier: MIT
--
-- The method is feature hashing: Kilian Weinberger et al., "Feature Hashing for Large Scale
-- Multitask Learning", ICML 2009. Each word, and each three characters of it, adds to one
-- number of the vector, with the sign that another bit of its hash says. So texts are near
-- to each other that have words in common, or words alike; what they mean counts nothing.
-- The same text has the same vector on every machine.
local stop_words = require "neap.base.stop_words"

local M = {}

--- What makes the vectors, in a line.
M.method = "feature hashing (Weinberger et al., 2009)"

--- How many numbers a vector has unless that is asked for.
M.DIMENSIONS = 512

-- What the characters of a word weigh together, next to the word.
local CHARACTERS = 0.7

-- FNV-1a of 64 bits, and the last steps of MurmurHash3, for its low bits are weak.
local function hash(text)
  local h = 0xcbf29ce484222325
  for i = 1, #text do h = (h ~ text:byte(i)) * 0x100000001b3 end
  h = (h ~ h >> 33) * 0xff51afd7ed558ccd
  return h ~ h >> 33
end

local function add(numbers, feature, weight)
  local h = hash(feature)
  local at = (h >> 1) % #numbers + 1
  numbers[at] = numbers[at] + (h & 1 == 0 and weight or -weight)
end

-- Each three characters that stand together in a word, with its begin and end as two more.
local function threes_of(word)
  local characters, list = { "^" }, {}
  for character in word:gmatch(utf8.charpattern) do characters[#characters + 1] = character end
  characters[#characters + 1] = "$"
  for i = 3, #characters do list[i - 2] = table.concat(characters, "", i - 2, i) end
  return list
end

-- How often each word is in a text, in the order in which they first are.
local function count_words(text, is_left_out)
  -- Where words are not spaced, the characters stand in for them.
  text = text:lower():gsub("[\xE3-\xE9][\x80-\xBF][\x80-\xBF]", " %0 ")
  local words, counts = {}, {}
  for word in text:gmatch("[%w\x80-\xff]+") do
    if not is_left_out[word] then
      if not counts[word] then words[#words + 1] = word end
      counts[word] = (counts[word] or 0) + 1
    end
  end
  return words, counts
end

--- Makes the numbers of a text.
---@param text string
---@param dimensions integer
---@return number[]
function M.numbers(text, dimensions)
  local numbers = {}
  for i = 1, dimensions do numbers[i] = 0.0 end
  local words, counts = count_words(text, stop_words)
  if not words[1] then words, counts = count_words(text, {}) end
  if not words[1] then add(numbers, text, 1) end
  for _, word in ipairs(words) do
    local weight = 1 + math.log(counts[word])
    add(numbers, word, weight)
    local threes = threes_of(word)
    for _, three in ipairs(threes) do
      add(numbers, three, weight * CHARACTERS / math.sqrt(#threes))
    end
  end
  return numbers
end

return M
