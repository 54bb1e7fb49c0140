--- What an error may quote of a model's reply: not what was sent, nor keys.
-- SPDX-License-Identifier: MIT
--
-- Servers quote requests in their errors: whole, cut off, a word of them, with
-- the escapes of JSON or HTML. So each word of a reply is looked for in the
-- prompt, after escapes have been undone.

local M = {}

-- How much of a reply an error quotes, in bytes.
local EXCERPT = 300

-- How much is looked at for that; the rest would not be quoted.
local LOOKED_AT = 4 * EXCERPT

-- Each word is looked for in all that was sent. Where that is more than this, in
-- bytes, it would take too long, and nothing is quoted.
local SEARCHED = 16 * 1024 * 1024

-- A word as long as this is taken out wherever the prompt has it, a shorter one
-- beside such a word only, or among as many as RUN: "the" alone tells nothing.
local LONG = 4
local RUN = 3

local TAKEN_OUT = "[...]"

local ENTITIES = { amp = "&", lt = "<", gt = ">", quot = '"', apos = "'" }

-- Returns the character with a number as UTF-8, "" if there is none.
local function character(number)
  local is_one = number and number < 0x110000
    and not (number >= 0xD800 and number < 0xE000)
  return is_one and utf8.char(number) or ""
end

-- Returns a text without the escapes of JSON, of HTML and of addresses.
local function unescape(text)
  text = text:gsub("\\u(%x%x%x%x)\\u(%x%x%x%x)", function(high, low)
    local h, l = tonumber(high, 16), tonumber(low, 16)
    if h >= 0xD800 and h < 0xDC00 and l >= 0xDC00 and l < 0xE000 then
      return utf8.char(0x10000 + ((h - 0xD800) << 10) + (l - 0xDC00))
    end
  end)
  text = text:gsub("\\u(%x%x%x%x)", function(digits)
    return character(tonumber(digits, 16))
  end)
  text = text:gsub("\\[bfnrt]", " "):gsub('\\(["\\/])', "%1")
  text = text:gsub("&#[xX](%x+);", function(digits)
    return #digits < 7 and character(tonumber(digits, 16)) or nil
  end)
  text = text:gsub("&#(%d+);", function(digits)
    return #digits < 8 and character(tonumber(digits)) or nil
  end)
  text = text:gsub("&(%a+);", ENTITIES)
  return (text:gsub("%%(%x%x)", function(digits)
    return string.char(tonumber(digits, 16))
  end))
end

-- Adds to a list all texts that messages hold, but what names their sort.
local function collect(value, list, open)
  if type(value) == "string" then
    list[#list + 1] = value:lower()
  elseif type(value) == "table" and not open[value] then
    open[value] = true
    for key, inner in pairs(value) do
      if key ~= "role" and key ~= "type" then
        collect(inner, list, open)
      end
    end
  end
  return list
end

-- Returns whether a word stands in one of the texts. One that is not ASCII may
-- be a whole sentence of a language without spaces: two characters of it, of
-- three bytes each as these have them, are enough.
local function is_in(word, texts)
  word = word:lower()
  for _, text in ipairs(texts) do
    if text:find(word, 1, true) then
      return true
    end
    if word:find("[\x80-\xFF]") then
      for first in word:gmatch("()[\xC0-\xFF][\x80-\xBF]*") do
        local last = utf8.offset(word, 3, first)
        local pair = last and word:sub(first, last - 1)
        if pair and #pair >= 6 and text:find(pair, 1, true) then
          return true
        end
      end
    end
  end
  return false
end

-- Returns the words of a text, each with its place, whether it was sent, and
-- whether a quotation mark stands before it, where another text begins.
local function words_of(text, texts)
  local words = {}
  for between, first, word, behind in
    text:gmatch("([^%w\x80-\xFF]*)()([%w\x80-\xFF]+)()") do
    words[#words + 1] = { first = first, last = behind - 1,
      sent = is_in(word, texts), opens = between:find('"', 1, true) ~= nil }
  end
  return words
end

-- Returns the first and the last of the words that are taken out together: a run
-- of words that were sent, one of them long, or many.
local function next_run(words, from)
  while words[from] do
    local last, is_long = from - 1, false
    while words[last + 1] and words[last + 1].sent
      and (last < from or not words[last + 1].opens) do
      last = last + 1
      is_long = is_long or words[last].last - words[last].first + 1 >= LONG
    end
    if is_long or last - from + 1 >= RUN then
      return from, last
    end
    from = math.max(from, last) + 1
  end
end

-- Takes out what was sent.
local function without(text, texts)
  local words, pieces, at = words_of(text, texts), {}, 1
  local first, last = next_run(words, 1)
  while first do
    pieces[#pieces + 1] = text:sub(at, words[first].first - 1)
    pieces[#pieces + 1] = TAKEN_OUT
    at = words[last].last + 1
    first, last = next_run(words, last + 1)
  end
  pieces[#pieces + 1] = text:sub(at)
  return table.concat(pieces)
end

-- Takes out the keys, values of headers, and users and queries of addresses.
local function without_secrets(text, secrets)
  for _, secret in ipairs(secrets) do
    text = text:gsub(secret:gsub("%p", "%%%0"), "[redacted]")
  end
  text = text:gsub("([Bb]earer )%S+", "%1[redacted]")
  text = text:gsub("(%a+://)[^%s/\"@]*@", "%1")
  return (text:gsub("(%a+://[^%s?\"]*)%?[^%s\"]*", "%1"))
end

--- Returns the beginning of a reply as an error may quote it: one line, valid
--- UTF-8, without the secrets and without what was sent.
---@param body string
---@param secrets string[] keys and values of headers
---@param messages table what was sent to the model
---@return string
function M.excerpt(body, secrets, messages)
  local text = body
  if #text > LOOKED_AT then
    -- Half a word at the end, or half a secret, is not known for what it is.
    text = text:sub(1, LOOKED_AT + #table.concat(secrets))
  end
  text = without_secrets(unescape(text), secrets)
  if #body > LOOKED_AT then
    text = text:sub(1, LOOKED_AT):gsub("[%w\x80-\xFF]*$", "")
  end
  local sent, size = collect(messages, {}, {}), 0
  for _, each in ipairs(sent) do
    size = size + #each
  end
  text = size <= SEARCHED and without(text, sent)
    or text ~= "" and TAKEN_OUT or ""
  text = text:gsub("[%s%c]+", " ")
  if #text > EXCERPT then
    -- Not in the middle of a character.
    text = text:sub(1, EXCERPT - 3):gsub("[\xC0-\xF7][\x80-\xBF]*$", "")
    text = text .. "..."
  end
  return utf8.len(text) and text or (text:gsub("[\x80-\xFF]", "?"))
end

return M
