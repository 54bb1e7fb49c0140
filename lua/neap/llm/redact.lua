--- Taking out of a server's sentence what was sent to it.
-- SPDX-License-Identifier: MIT
--
-- Servers quote requests in their errors, and errors are logged. So a sentence that
-- goes into an error has neither the texts of the messages in it, whole or in part,
-- nor keys and the values of headers. Escapes of JSON, HTML and addresses, in which
-- texts are quoted, are undone before.
local encoding = require "neap.base.encoding"

local M = {}

-- What is shorter tells nothing, and would only garble the sentence.
local SHORTEST = 4

-- So many bytes that a sentence and a prompt have in common are no accident: in
-- writing that is not ASCII they are fewer, for a name may be three characters.
local RUN, RUN_BEYOND_ASCII = 12, 9

-- How long a sentence in an error may be, in bytes.
local LONGEST = 400

-- Each word is looked for in all that was sent. Where that is more than this, in
-- bytes, it would take too long, and the sentence is left out.
local SEARCHED = 1024 * 1024

local TAKEN_OUT = "[...]"

-- A word of so many characters of base64 is a piece of a picture or a file.
local ENCODED = 120

local ENTITIES = { amp = "&", lt = "<", gt = ">", quot = '"', apos = "'" }

-- The character with a number, nil if there is none.
local function character(number)
  local is_one = number and number < 0x110000 and not (number >= 0xD800 and number < 0xE000)
  return is_one and utf8.char(number) or nil
end

local function unescape(sentence)
  sentence = sentence:gsub("\\u(%x%x%x%x)\\u(%x%x%x%x)", function(high, low)
    local h, l = tonumber(high, 16), tonumber(low, 16)
    if h >= 0xD800 and h < 0xDC00 and l >= 0xDC00 and l < 0xE000 then
      return utf8.char(0x10000 + ((h - 0xD800) << 10) + (l - 0xDC00))
    end
  end)
  sentence = sentence:gsub("\\u(%x%x%x%x)", function(digits)
    return character(tonumber(digits, 16))
  end)
  sentence = sentence:gsub("\\[bfnrt]", " "):gsub('\\(["\\/])', "%1")
  sentence = sentence:gsub("&#[xX](%x+);", function(digits)
    return #digits < 7 and character(tonumber(digits, 16)) or nil
  end)
  sentence = sentence:gsub("&#(%d+);", function(digits)
    return #digits < 8 and character(tonumber(digits)) or nil
  end)
  sentence = sentence:gsub("&(%a+);", ENTITIES)
  return (sentence:gsub("%%(%x%x)", function(digits)
    return string.char(tonumber(digits, 16))
  end))
end

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

local function without_files(sentence)
  sentence = sentence:gsub("(data:[%w.+-]*/?[%w.+-]*;base64,)[%w+/=_-]*", "%1" .. TAKEN_OUT)
  return (sentence:gsub("[%w+/=_-]+", function(word)
    return #word >= ENCODED and TAKEN_OUT or nil
  end))
end

local function is_in(piece, texts)
  for _, sent in ipairs(texts) do
    if sent:find(piece, 1, true) then return true end
  end
  return false
end

-- Marks what stands between quotation marks and was sent. Each mark may be the first
-- of two.
local function mark_quotes(lower, texts, mark)
  for _, sign in ipairs { '"', "'", "`" } do
    local first = lower:find(sign, 1, true)
    while first do
      local behind = lower:find(sign, first + 1, true)
      local quoted = behind and lower:sub(first + 1, behind - 1)
      if quoted and #quoted >= SHORTEST and is_in(quoted, texts) then
        mark(first + 1, behind - 1)
      end
      first = behind
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
    if not from then return end
    local is_ascii = lower:byte(from) < 0x80
    local last = from + (is_ascii and RUN or RUN_BEYOND_ASCII) - 1
    if last <= #lower and is_in(lower:sub(from, last), texts) then
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
  sentence = unescape(sentence:sub(1, 16 * LONGEST))
  sentence = without_files(without_secrets(sentence, secrets))
  sentence = encoding.line(sentence):gsub("%s+", " ")
  sentence = without_texts(sentence:sub(1, 4 * LONGEST), texts)
  if #sentence > LONGEST then
    sentence = sentence:sub(1, LONGEST - 3):gsub("[\xC0-\xF7][\x80-\xBF]*$", "") .. "..."
  end
  return sentence:find("%S") and sentence or nil
end

return M
