--- Texts in chunks that a model, or an embedding, can take.
-- SPDX-License-Identifier: MIT
--
-- A text is cut into paragraphs; one that is too long into sentences, such a sentence
-- into lines, a line into words, a word between its characters. Then as many of these
-- pieces as have room make a chunk.
local options = require "neap.base.options"
local rules = require "neap.base.schema".rules

-- How many bytes a token is thought to have.
local BYTES = 4

-- So many bytes before a place show whether a sentence begins there.
local LOOK_BACK = 16

-- Where a sentence may end: behind marks that white space follows, or behind those of
-- Chinese and Japanese, which nothing follows.
local MARK = "[.!?\xE3\xEF]"
local WIDE = { ["\u{3002}"] = true, ["\u{FF01}"] = true, ["\u{FF1F}"] = true }

-- Finders of the next gap in a text: its first byte, and the first one behind it; nil
-- where there is none.

local function paragraph_gap(text, from)
  local first, last = text:find("%f[\r\n]\r?\n[ \t\r]*\n%s*", from)
  return first, first and last + 1
end

local function sentence_gap(text, from)
  while true do
    local at = text:find(MARK, from)
    if not at then return nil end
    if WIDE[text:sub(at, at + 2)] then
      local behind = text:match("^[\"'%)%]]*%s*()", at + 3)
      return at + 3, behind
    end
    local first, behind = text:match("^[.!?]+[\"'%)%]]*()%s+()", at)
    if first then return first, behind end
    from = text:match("^[.!?]*()", at)
    if from == at then from = at + 1 end
  end
end

local function line_gap(text, from)
  local first, last = text:find("\n%s*", from)
  return first, first and last + 1
end

local function word_gap(text, from)
  local first, last = text:find("%s+", from)
  return first, first and last + 1
end

local LEVELS = { paragraph_gap, sentence_gap, line_gap, word_gap }

-- Moves a place forward, or back, to the first byte of a character.
local function to_character(text, at, step)
  for _ = 1, 3 do
    if not text:find("^[\x80-\xBF]", at) then break end
    at = at + step
  end
  return at
end

-- Adds what has no gap in it, between its characters.
local function add_characters(list, text, first, last, size)
  while last - first + 1 > size do
    local behind = to_character(text, first + size, -1)
    list[#list + 1] = { first = first, last = behind - 1 }
    first = behind
  end
  list[#list + 1] = { first = first, last = last }
end

-- Adds the pieces of a part of a text, none of which is longer than `size`.
local function add_pieces(list, text, first, last, size, level)
  if last - first + 1 <= size then
    list[#list + 1] = { first = first, last = last }
    return
  end
  local gap = LEVELS[level]
  if not gap then return add_characters(list, text, first, last, size) end
  local part, from = text:sub(first, last), 1
  while from <= #part do
    local stop, behind = gap(part, from)
    if not stop then stop, behind = #part + 1, #part + 1 end
    if stop > from then
      add_pieces(list, text, first + from - 1, first + stop - 2, size, level + 1)
    end
    from = behind
  end
end

-- Where the overlap with the chunk before begins, of so many bytes at most: with a
-- sentence, else with a word, else with a character.
local function overlap_before(text, chunk, place, room)
  local earliest = math.max(place - room, chunk.first + 1)
  if earliest >= place then return place end
  local begin = math.max(chunk.first, earliest - LOOK_BACK)
  local window, best = text:sub(begin, place - 1), place
  for level = 1, 2 do
    local _, behind = LEVELS[level](window, 1)
    while behind and begin + behind - 1 < earliest do
      _, behind = LEVELS[level](window, behind)
    end
    if behind then best = math.min(best, begin + behind - 1) end
  end
  if best < place then return best end
  local repeated = text:sub(earliest - 1, place - 1)
  local word = repeated:match("%s()%S")
  if word then return earliest + word - 2 end
  return repeated:find("%s") and place or to_character(text, earliest, 1)
end

-- Puts pieces together to chunks.
local function pack(text, pieces, size, overlap)
  local chunks, chunk = {}, nil
  for _, piece in ipairs(pieces) do
    if chunk and piece.last - chunk.first + 1 <= size then
      chunk.last = piece.last
    else
      local room = math.min(overlap, size - (piece.last - piece.first + 1))
      local first = chunk and overlap_before(text, chunk, piece.first, room) or piece.first
      chunk = { first = first, last = piece.last }
      chunks[#chunks + 1] = chunk
    end
  end
  return chunks
end

--- Cuts a text into chunks of so many tokens at most, a token being thought to be four
--- bytes. Cuts are made between paragraphs; where these are too long, between sentences,
--- lines, words, and at last characters. White space at a cut is left out.
---@param text string
---@param opts? { tokens?: integer, overlap?: integer } default: 500, and 50 or a tenth of the
--- tokens, whichever is less. The overlap is the most that a chunk repeats of the one before it
---@return string[]
return function(text, opts)
  options.argument(1, "chunks", text, rules.string)
  local taken = options.take(opts, "llm.chunks")
  if not (opts and opts.overlap) then
    taken.overlap = math.min(taken.overlap, taken.tokens // 10)
  elseif taken.overlap >= taken.tokens then
    options.blame("llm.chunks: an overlap of fewer tokens than a chunk has expected")
  end
  local first, last = text:match("^%s*()"), #text
  while last > 0 and text:find("^%s", last) do last = last - 1 end
  local size, pieces, list = taken.tokens * BYTES, {}, {}
  if first <= last then add_pieces(pieces, text, first, last, size, 1) end
  for i, chunk in ipairs(pack(text, pieces, size, taken.overlap * BYTES)) do
    list[i] = text:sub(chunk.first, chunk.last)
  end
  return list
end
