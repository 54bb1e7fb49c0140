--- Extractive summaries: the sentences that a text leans on most, unchanged
-- and in their order.
-- SPDX-License-Identifier: MIT
--
-- The method is TextRank: Rada Mihalcea and Paul Tarau, "TextRank: Bringing
-- Order into Texts", EMNLP 2004. Sentences are the vertices of a graph, an edge
-- weighs how many words two of them share, and PageRank over those weights
-- says which sentences the others point to. As in the paper the damping is
-- 0.85 and the iteration stops when no score moves by more than 0.0001; words
-- that carry no meaning of their own are left out.
--
-- No model, no network, no chance: the same text gives the same summary.

local options = require "neap.base.options"
local rules = require "neap.base.schema".rules
local stop_words = require "neap.base.stop_words"

local summary = {}

--- What made the summary, in a line.
summary.method = "TextRank (Mihalcea & Tarau, 2004)"

local DAMPING = 0.85
local THRESHOLD = 0.0001
-- The scores of a graph contract by the damping each round, so this is only a
-- bound that nobody has to prove: 0.85^60 is below the threshold.
local MAX_ROUNDS = 60

-- The graph is quadratic in its vertices. A long text is represented by this
-- many of its sentences, evenly spaced, the first among them.
local MAX_SENTENCES = 400

-- Nor is a larger text read whole: this many bytes of it are, in so many evenly
-- spaced windows, the first at its beginning.
local MAX_BYTES, WINDOWS = 1024 * 1024, 16

-- A sentence worth quoting, in characters and in words that carry meaning.
local SHORTEST, LONGEST, FEWEST_WORDS = 40, 300, 5

-- Of two sentences that share more of their words than this, one is enough.
local SAME = 0.5

--- Turns words separated by white space into a set.
local function set(words)
  local result = {}
  for word in words:gmatch("%S+") do
    result[word] = true
  end
  return result
end

-- What a full stop after these ends is not a sentence. Single and dotted
-- letters (J. Doe, e.g., U.S.) need no entry.
local ABBREVIATIONS = set [[
  al approx art cf ch co corp dept dr ed eds est fig inc jr ltd messrs mr mrs ms
  no nos para pp prof rev sec sect sr st vol vs
]]

-- Openings of sentences that lean on the one before them.
local CONNECTIVES = {
  "And ", "But ", "By contrast", "For example", "Furthermore", "He ", "Hence",
  "However", "In addition", "In other words", "In such", "In this case",
  "Instead", "It ", "Likewise", "Moreover", "Nor ", "Or ", "Otherwise", "She ",
  "Similarly", "So ", "That ", "Therefore", "These ", "They ", "This is ",
  "Those ", "Thus", "To do this", "To this end",
}

-- What may stand between the mark that ends a sentence and the space after it.
-- A class of bytes: exact for ASCII, close enough for ’ ” ».
local CLOSERS = "[\"'%)%]’”»]*"

-- Labels in front of a sentence: "a) ", "(iv) ", "2. ", "1.1. ", "2.1 ", "* ".
local LABELS = {
  "^%(?%w%w?%w?%w?%)%s+",
  "^%d[%d.]*%.%s+",
  "^%d+%.%d[%d.]*%s+",
  "^[-*+]%s+",
  "^•%s+",
}

--- Returns the text without the labels it begins with.
local function without_labels(text)
  for _, label in ipairs(LABELS) do
    text = text:gsub(label, "")
  end
  return text
end

--- Returns the text as valid UTF-8: each byte that belongs to no character
-- becomes U+FFFD.
local function valid_utf8(text)
  local parts, from = {}, 1
  while true do
    local ok, bad = utf8.len(text, from)
    if ok then
      parts[#parts + 1] = text:sub(from)
      return table.concat(parts)
    end
    parts[#parts + 1] = text:sub(from, bad - 1)
    parts[#parts + 1] = "\u{FFFD}"
    from = bad + 1
  end
end

--- Returns a line's worth of text: white space and control characters become
-- single spaces, none at the ends.
local function one_line(text)
  text = text:gsub("[%s%c]+", " ")
  return (text:gsub("^ ", ""):gsub(" $", ""))
end

--- True for a line that no sentence runs into or out of: blank, a rule
-- ("-----"), a copyright notice.
local function is_break(line)
  return not line:find("[%w\x80-\xff]")
    or line:find("^%s*Copyright%s+[%(%d\x80-\xff]") ~= nil
end

--- True for a line that begins an item of a list.
local function is_item(line)
  local text = line:match("^%s*(%S.*)")
  return text ~= without_labels(text)
end

--- Returns the paragraphs of a text, each as one line. Lines are taken to be
-- wrapped: only a blank line, a rule or an item of a list ends a paragraph.
local function paragraphs(text)
  local list, lines = {}, {}
  local function finish()
    if #lines > 0 then
      list[#list + 1] = one_line(table.concat(lines, " "))
      lines = {}
    end
  end
  for line in text:gmatch("([^\n]*)\n?") do
    if is_break(line) then
      finish()
    else
      if is_item(line) then
        finish()
      end
      lines[#lines + 1] = line
    end
  end
  finish()
  return list
end

--- True if the mark at `at` ends the sentence that began at `from`; `after` is
-- where the next one would begin.
local function ends_sentence(text, from, at, after)
  if text:find("^[%l,;:]", after) then
    return false
  end
  if text:sub(at, at) ~= "." then
    return true
  end
  local word = text:sub(math.max(from, at - 12), at - 1):match("[%w.]*$")
  return not (
    word:find("^%a$")
    or word:find("%.%a$")
    or ABBREVIATIONS[word:lower()]
  )
end

--- Appends the sentences of a paragraph, without their labels, to `list`.
local function split(text, list)
  local from, search = 1, 1
  while true do
    local at, stop = text:find("[.!?]" .. CLOSERS .. " ", search)
    if not at then
      break
    end
    if ends_sentence(text, from, at, stop + 1) then
      list[#list + 1] = without_labels(text:sub(from, stop - 1))
      from = stop + 1
    end
    search = stop + 1
  end
  list[#list + 1] = without_labels(text:sub(from))
end

--- Returns what is read of a text: all of it, or windows set apart by blank
-- lines. The sentences that their edges cut do not begin or end like sentences.
local function excerpt(text)
  if #text <= MAX_BYTES then
    return text
  end
  local windows = {}
  for i = 0, WINDOWS - 1 do
    local from = 1 + i * (#text // WINDOWS)
    local window = text:sub(from, from + MAX_BYTES // WINDOWS - 1)
    -- Without what is left of a character that the edges cut.
    window = window:gsub("^[\x80-\xBF]+", "")
    windows[#windows + 1] = window:gsub("[\xC0-\xF7][\x80-\xBF]*$", "")
  end
  return table.concat(windows, "\n\n")
end

--- Returns all that stands between sentence ends: sentences, and headings,
-- addresses and the like, which nothing but their look tells apart.
local function pieces_of(text)
  text = excerpt(text)
  -- These marks end a sentence without white space after them.
  for _, mark in ipairs { "。", "！", "？" } do
    text = text:gsub(mark, "%0\n\n")
  end
  local list = {}
  for _, paragraph in ipairs(paragraphs(text)) do
    split(paragraph, list)
  end
  return list
end

--- True for an opening that needs the sentence before it.
local function begins_with_connective(text)
  for _, opening in ipairs(CONNECTIVES) do
    if text:sub(1, #opening) == opening then
      return true
    end
  end
  return false
end

--- True for what reads as a sentence by itself: of a quotable length, begun and
-- ended as sentences are, not set in capitals. What begins with a quotation
-- mark is the definition of a term, or somebody else's words.
local function is_sentence(text)
  local length = utf8.len(text) or #text
  if length < SHORTEST or length > LONGEST then
    return false
  end
  if
    not text:find("^[%u%d\x80-\xff]")
    or not text:find("[.!?\x80-\xff][\"'%)%]]*$")
    or begins_with_connective(text)
  then
    return false
  end
  local _, capitals = text:gsub("%u", "")
  local _, small = text:gsub("%l", "")
  return 4 * capitals <= small
end

--- Returns the distinct words of a sentence that carry meaning, in order.
local function words_of(text)
  -- Where words are not spaced, the characters stand in for them.
  text = text:lower():gsub("[\xE3-\xE9][\x80-\xBF][\x80-\xBF]", " %0 ")
  local list, seen = {}, {}
  for word in text:gmatch("[%w\x80-\xff]+") do
    if not seen[word] and not stop_words[word] and not word:find("^%d+$") then
      seen[word] = true
      list[#list + 1] = word
    end
  end
  return list
end

--- Returns at most `n` entries of a list, evenly spaced, the first among them.
local function sample(list, n)
  if #list <= n then
    return list
  end
  local result = {}
  for i = 0, n - 1 do
    result[i + 1] = list[1 + i * #list // n]
  end
  return result
end

--- Returns the vertices of the graph, { text, length, words }: the pieces that
-- `accept` lets pass, of at most so many characters and at least so many words.
local function vertices(pieces, accept, max_chars, fewest_words)
  local accepted = {}
  for _, piece in ipairs(pieces) do
    -- No character has more than four bytes.
    if #piece <= 4 * max_chars and accept(piece) then
      accepted[#accepted + 1] = piece
    end
  end
  local list = {}
  for _, piece in ipairs(sample(accepted, MAX_SENTENCES)) do
    local text = valid_utf8(piece)
    local length, words = utf8.len(text), words_of(text)
    if length <= max_chars and #words >= fewest_words then
      list[#list + 1] = { text = text, length = length, words = words }
    end
  end
  return list
end

--- Returns for each sentence an array: shared[i][j] is the number of words that
-- sentence i shares with an earlier sentence j, nil for none.
local function shared_words(sentences)
  local shared, holders = {}, {}
  for i, sentence in ipairs(sentences) do
    local counts = {}
    for _, word in ipairs(sentence.words) do
      local earlier = holders[word] or {}
      for _, j in ipairs(earlier) do
        counts[j] = (counts[j] or 0) + 1
      end
      earlier[#earlier + 1] = i
      holders[word] = earlier
    end
    shared[i] = counts
  end
  return shared
end

--- Returns the edges at each sentence: { to = { j, ... }, weight = { w, ... },
-- total = sum of the weights }.
local function edges_of(sentences, shared)
  local edges = {}
  local function add(i, j, weight)
    local edge = edges[i]
    edge.to[#edge.to + 1] = j
    edge.weight[#edge.weight + 1] = weight
    edge.total = edge.total + weight
  end
  for i, sentence in ipairs(sentences) do
    edges[i] = { to = {}, weight = {}, total = 0 }
    for j = 1, i - 1 do
      local count = shared[i][j]
      if count then
        -- Section 4.1 of the paper: long sentences share words by chance.
        local size = math.log(#sentence.words) + math.log(#sentences[j].words)
        add(i, j, count / size)
        add(j, i, count / size)
      end
    end
  end
  return edges
end

--- Returns the score of each sentence: section 2.2 of the paper.
local function scores_of(edges)
  local scores = {}
  for i = 1, #edges do
    scores[i] = 1
  end
  for _ = 1, MAX_ROUNDS do
    local moved = 0
    for i, edge in ipairs(edges) do
      local sum = 0
      for k, j in ipairs(edge.to) do
        sum = sum + edge.weight[k] * scores[j] / edges[j].total
      end
      local score = 1 - DAMPING + DAMPING * sum
      moved = math.max(moved, math.abs(score - scores[i]))
      scores[i] = score
    end
    if moved < THRESHOLD then
      break
    end
  end
  return scores
end

--- Returns the indices of the sentences, the best first; equals in the order of
-- the text.
local function ranking(scores)
  local order = {}
  for i = 1, #scores do
    order[i] = i
  end
  table.sort(order, function(a, b)
    if scores[a] ~= scores[b] then
      return scores[a] > scores[b]
    end
    return a < b
  end)
  return order
end

--- Returns the indices of the best sentences that fit and do not repeat each
-- other, in the order of the text.
local function choose(sentences, shared, order, count, max_chars)
  local chosen = {}
  local function repeats(i)
    for _, j in ipairs(chosen) do
      local common = shared[math.max(i, j)][math.min(i, j)] or 0
      local smaller = math.min(#sentences[i].words, #sentences[j].words)
      if common > SAME * smaller then
        return true
      end
    end
    return false
  end
  local room = max_chars
  for _, i in ipairs(order) do
    if #chosen == count then
      break
    end
    if sentences[i].length <= room and not repeats(i) then
      chosen[#chosen + 1] = i
      room = room - sentences[i].length - 1
    end
  end
  table.sort(chosen)
  return chosen
end

--- Returns the beginning of a text in which no sentence was found, cut between
-- words.
local function beginning(text, max_chars)
  -- The rest of a large text need not be looked at.
  text = valid_utf8(one_line(text:sub(1, 4 * max_chars + 4)))
  if utf8.len(text) <= max_chars then
    return text
  end
  local head = text:sub(1, utf8.offset(text, max_chars) - 1)
  return (head:match("^(.+) ") or head) .. "…"
end

--- Summarises a text by the sentences that the rest of it has most in common
-- with, joined by spaces, in their order. Headings, lists, notices and blocks
-- of capitals are passed over as long as there are sentences; a text without
-- any is represented by its beginning. Bytes that are not UTF-8 become U+FFFD.
---@param text string of any size; what is read of it is bounded
---@param opts? neap.summary.opts
---@return string # "" for an empty text
function summary.summarize(text, opts)
  options.argument(1, "summarize", text, rules.string)
  opts = options.take(opts, "summarize")
  local count, max_chars = opts.sentences, opts.max_chars

  local pieces = pieces_of(text)
  if #text <= max_chars and #pieces <= count then
    return beginning(text, max_chars)
  end
  local sentences = vertices(pieces, is_sentence, max_chars, FEWEST_WORDS)
  if #sentences == 0 then
    -- Two words, or the weight of an edge would be a division by zero.
    sentences = vertices(pieces, function() return true end, max_chars, 2)
  end
  if #sentences == 0 then
    return beginning(text, max_chars)
  end

  local shared = shared_words(sentences)
  local order = ranking(scores_of(edges_of(sentences, shared)))
  local lines = {}
  for i, k in ipairs(choose(sentences, shared, order, count, max_chars)) do
    lines[i] = sentences[k].text
  end
  return table.concat(lines, " ")
end

return summary
