--- Finding the actions that a post method returns, by its source.
-- SPDX-License-Identifier: MIT
local core = require "neap.core"

local M = {}

---@class neap.Returns
---@field actions string[] the actions that it returns as literals, in order
---@field open boolean it may return other actions
---@field silent boolean it may return nothing, or nil

-- The end of the long string or comment that begins at `from`; nil if none begins there.
local function long_end(source, from)
  local level = source:match("^%[(=*)%[", from)
  if not level then return nil end
  local _, last = source:find("]" .. level .. "]", from, true)
  return last or #source
end

local function short_string_end(source, from)
  local quote, i = source:sub(from, from), from + 1
  while i <= #source do
    local c = source:sub(i, i)
    if c == quote then return i end
    i = i + (c == "\\" and 2 or 1)
  end
  return #source
end

-- Splits source into names, string literals and single other characters. Comments and space
-- are left out.
---@return { text: string, line: integer }[]
local function scan(source)
  local tokens, line, i = {}, 1, 1
  while i <= #source do
    local last
    local c = source:sub(i, i)
    local keep = not c:find("%s")
    if source:find("^%-%-", i) then
      last = long_end(source, i + 2) or (source:find("\n", i, true) or #source + 1) - 1
      keep = false
    elseif c == '"' or c == "'" then
      last = short_string_end(source, i)
    elseif c:find("[%a_]") then
      last = select(2, source:find("^[%w_]+", i))
    else
      last = long_end(source, i) or i
    end
    local text = source:sub(i, last)
    if keep then tokens[#tokens + 1] = { text = text, line = line } end
    line = line + select(2, text:gsub("\n", ""))
    i = last + 1
  end
  return tokens
end

local opens = { ["function"] = true, ["do"] = true, ["if"] = true, ["repeat"] = true }
local closes = { ["end"] = true, ["until"] = true }
-- The tokens that end a block, and with it a return statement.
local ends_block = { ["end"] = true, ["else"] = true, ["elseif"] = true, ["until"] = true,
  [";"] = true }

-- The string of a token that is a string literal; nil for other tokens.
local function literal(token)
  if not (token and token.text:find("^[\"'%[]") and #token.text > 1) then return nil end
  local chunk = load("return " .. token.text, "=literal", "t", {})
  return chunk and chunk()
end

-- Notes in `result` the actions of a return whose expression is the tokens first to last.
local function note(result, tokens, first, last)
  local count = last - first + 1
  if count == 0 or (count == 1 and tokens[first].text == "nil") then
    result.silent = true
    return
  end
  local text = literal(tokens[last])
  if count == 1 and text then
    table.insert(result.actions, text)
    return
  end
  -- `condition and "this" or "that"` gives one of the two, for a condition
  -- without an `or` of its own.
  local ors = 0
  for i = first, last do
    if tokens[i].text == "or" then ors = ors + 1 end
  end
  local this = literal(tokens[last - 2])
  if count > 4 and ors == 1 and text and this and tokens[last - 1].text == "or"
    and tokens[last - 3].text == "and" then
    table.insert(result.actions, this)
    table.insert(result.actions, text)
  else
    result.open = true
  end
end

-- Reads the body of the function whose keyword is token `from`. Return statements of
-- functions inside it do not count.
local function read_body(tokens, from)
  local result = { actions = {}, open = false, silent = false }
  local blocks, functions, returned, i = 1, {}, false, from + 1
  while tokens[i] and blocks > 0 do
    local text = tokens[i].text
    if opens[text] then
      blocks = blocks + 1
      functions[blocks] = text == "function" or nil
    elseif closes[text] then
      functions[blocks] = nil
      blocks = blocks - 1
    elseif text == "return" and not next(functions, nil) then
      local last = i
      while tokens[last + 1] and not ends_block[tokens[last + 1].text]
        and tokens[last + 1].text ~= "function" do
        last = last + 1
      end
      if tokens[last + 1] and tokens[last + 1].text == "function" then
        result.open = true
      else
        note(result, tokens, i + 1, last)
      end
      returned = returned or blocks == 1
      i = last
    end
    i = i + 1
  end
  result.silent = result.silent or not returned
  return result
end

-- The text of the lines of a function; nil if its source is not available.
local function source_of(f)
  local from, first, last = core.system.source(f)
  local source
  if from:find("^@") then
    source = core.system.read_file(from:sub(2))
  elseif not from:find("^=") then
    source = from
  end
  if not source then return nil end
  local lines, number = {}, 0
  for line in source:gmatch("[^\n]*") do
    number = number + 1
    if number >= first then lines[#lines + 1] = line end
    if number == last then break end
  end
  return number == last and table.concat(lines, "\n") or nil
end

--- Finds what a function returns. If that is unknown (no source, several functions begin on
--- its line), anything is possible.
---@param f function
---@return neap.Returns
function M.of(f)
  local unknown = { actions = {}, open = true, silent = true }
  local source = source_of(f)
  if not source then return unknown end
  local tokens, from = scan(source), nil
  for i, token in ipairs(tokens) do
    if token.line > 1 then break end
    if token.text == "function" then
      if from then return unknown end
      from = i
    end
  end
  return from and read_body(tokens, from) or unknown
end

return M
