--- Taking out of a server's sentence what was sent to it.
-- SPDX-License-Identifier: MIT
--
-- Servers quote requests in their errors, and errors are logged. So a sentence that
-- goes into an error has neither the texts of the messages in it, whole or in part,
-- nor keys and the values of headers.
local text = require "neap.base.utf8"

local M = {}

-- What is shorter tells nothing, and would only garble the sentence.
local SHORTEST = 4

-- So many bytes that a sentence and a prompt have in common are no accident.
local RUN = 12

-- How long a sentence in an error may be, in bytes.
local LONGEST = 400

-- Each word is looked for in all that was sent. Where that is more than this, in
-- bytes, it would take too long, and the sentence is left out.
local SEARCHED = 4 * 1024 * 1024

local TAKEN_OUT = "[...]"

local function escape(plain)
  return (plain:gsub("%p", "%%%0"))
end

local function without_secrets(sentence, secrets)
  for _, secret in ipairs(secrets) do
    if #secret >= SHORTEST then sentence = sentence:gsub(escape(secret), "[redacted]") end
  end
  sentence = sentence:gsub("([Bb]earer )%S+", "%1[redacted]")
  sentence = sentence:gsub("(%a+://)[^%s/\"@]*@", "%1")
  return (sentence:gsub("(%a+://[^%s?\"]*)%?[^%s\"]*", "%1"))
end

local function is_in(piece, texts)
  for _, sent in ipairs(texts) do
    if sent:find(piece, 1, true) then return true end
  end
  return false
end

-- Marks what stands between quotation marks and was sent.
local function mark_quotes(lower, texts, mark)
  for _, form in ipairs { '()"([^"]+)"()', "()'([^']+)'()", "()`([^`]+)`()" } do
    for first, quoted, behind in lower:gmatch(form) do
      if #quoted >= SHORTEST and is_in(quoted, texts) then mark(first + 1, behind - 2) end
    end
  end
end

-- Marks whole texts that were sent.
local function mark_texts(lower, texts, mark)
  for _, sent in ipairs(texts) do
    local from = 1
    while #sent >= SHORTEST and #sent <= #lower do
      local first, last = lower:find(sent, from, true)
      if not first then break end
      mark(first, last)
      from = last + 1
    end
  end
end

-- Marks runs that are part of what was sent, from the begin of a word or of a
-- character that is not ASCII, for not all languages have spaces.
local function mark_runs(lower, texts, mark)
  local from = 1
  while true do
    from = lower:find("[%w\x80-\xFF]", from)
    if not from or from + RUN - 1 > #lower then return end
    local last = from + RUN - 1
    if is_in(lower:sub(from, last), texts) then
      while last < #lower and is_in(lower:sub(from, last + 1), texts) do last = last + 1 end
      mark(from, last)
      from = last + 1
    else
      from = lower:find("[^%w]", from + 1) or #lower + 1
    end
  end
end

-- Widens a range to whole words.
local function whole_words(lower, first, last)
  while first > 1 and lower:find("^[%w\x80-\xFF]", first - 1) do first = first - 1 end
  while last < #lower and lower:find("^[%w\x80-\xFF]", last + 1) do last = last + 1 end
  return first, last
end

local function without_texts(sentence, texts)
  local lower, marked = sentence:lower(), {}
  local function mark(first, last)
    first, last = whole_words(lower, first, last)
    for i = first, last do marked[i] = true end
  end
  mark_texts(lower, texts, mark)
  mark_quotes(lower, texts, mark)
  mark_runs(lower, texts, mark)
  local pieces, from = {}, 1
  while from <= #sentence do
    local last = from
    while last < #sentence and marked[last + 1] == marked[from] do last = last + 1 end
    pieces[#pieces + 1] = marked[from] and TAKEN_OUT or sentence:sub(from, last)
    from = last + 1
  end
  return table.concat(pieces)
end

--- Returns a sentence as an error may quote it: one line of valid UTF-8, without
--- secrets and without what was sent; nil where nothing can be said.
---@param sentence string|nil
---@param secrets string[] keys and values of headers
---@param sent string[] the texts that were sent
---@return string|nil
function M.sentence(sentence, secrets, sent)
  if not sentence then return nil end
  local texts, size = {}, 0
  for i, each in ipairs(sent) do
    size = size + #each
    texts[i] = each:lower():gsub("%s+", " ")
  end
  if size > SEARCHED then return nil end
  -- What is cut off must not be half of a secret.
  sentence = sentence:sub(1, 16 * LONGEST)
  sentence = text.line(without_secrets(sentence, secrets)):gsub("%s+", " ")
  sentence = without_texts(sentence:sub(1, 4 * LONGEST), texts)
  if #sentence > LONGEST then
    sentence = sentence:sub(1, LONGEST - 3):gsub("[\xC0-\xF7][\x80-\xBF]*$", "") .. "..."
  end
  return sentence:find("%S") and sentence or nil
end

return M
