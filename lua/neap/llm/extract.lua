--- Finding JSON, and blocks of code, in what a model has written.
-- SPDX-License-Identifier: MIT
local FOREIGN_JSON = require "neap.base.encoding".FOREIGN_JSON
local core = require "neap.core"
local options = require "neap.base.options"
local rules = require "neap.base.schema".rules

local M = {}

-- How many brackets and quotation marks are looked at in search of an end. A text that
-- has more of them without one holds no JSON, but it could keep us busy.
local STEPS = 1000000

-- Iterates over the blocks between fences: the language, and the text.
local function blocks(text)
  local at = 1
  return function()
    while true do
      local first, last, indent, fence, info = text:find("([ \t]*)([`~][`~][`~]+)([^\n]*)\n", at)
      if not first then return nil end
      at = last + 1
      local is_begin = first == 1 or text:sub(first - 1, first - 1) == "\n"
      if is_begin and not info:find("`", 1, true) and fence == fence:sub(1, 1):rep(#fence) then
        local close = ("\n[ \t]*%s+[ \t\r]*%%f[\n\0]"):format(fence)
        local stop, behind = text:find(close, last)
        if not stop then return nil end
        at = behind + 1
        local body = text:sub(last + 1, stop - 1):gsub("\r$", "")
        if indent ~= "" then body = ("\n" .. body):gsub("\n" .. indent, "\n"):sub(2) end
        return info:match("^%s*([^%s{]*)"):lower(), body
      end
    end
  end
end

-- The place of the next of these signs, nil if there is none or the search was too long.
local function next_sign(text, signs, at, left)
  left.steps = left.steps - 1
  return left.steps > 0 and text:find(signs, at) or nil
end

-- The end of the string that begins at a quotation mark.
local function end_of_string(text, at, left)
  at = next_sign(text, '["\\]', at + 1, left)
  while at and text:sub(at, at) == "\\" do at = next_sign(text, '["\\]', at + 2, left) end
  return at
end

-- The place where a value that begins with a bracket ends, nil if nowhere.
local function find_end(text, at, left)
  local depth = 0
  while true do
    at = next_sign(text, '[{}%[%]"]', at, left)
    local sign = at and text:sub(at, at)
    if sign == "{" or sign == "[" then
      depth = depth + 1
    elseif sign ~= '"' then
      depth = depth - 1
    else
      at = end_of_string(text, at, left)
    end
    if not at or depth == 0 then return at end
    at = at + 1
  end
end

-- Gives each text that may be JSON to `try`, until that gives true.
local function each_text(text, try)
  if try(text) then return end
  for language, body in blocks(text) do
    if (language == "" or language:find("^json")) and try(body) then return end
  end
  local at, left = 1, { steps = STEPS }
  while true do
    local first = text:find("[{%[]", at)
    if not first or left.steps <= 0 then return end
    local last = find_end(text, first, left)
    if last and try(text:sub(first, last)) then return end
    at = first + 1
  end
end

--- Finds the first value of JSON in a text that a test accepts.
---@param text string
---@param accepts fun(value: any): boolean
---@return boolean found
---@return any value
function M.find(text, accepts)
  local found, result = false, nil
  each_text(text, function(candidate)
    local ok, value = pcall(core.json.decode, candidate, FOREIGN_JSON)
    if ok and accepts(value) then found, result = true, value end
    return found
  end)
  return found, result
end

local function any() return true end

--- Finds the JSON in what a model has written: the whole text, else a block between
--- fences, else the first object or array among words. Gives its value, as json.decode
--- does; nil where there is none.
---@param text string
---@return any
function M.json(text)
  options.argument(1, "extract.json", text, rules.string)
  local _, value = M.find(text, any)
  return value
end

--- Finds the first block of code between fences (``` or ~~~); one that is cut off is
--- none.
---@param text string
---@param language? string the word behind the fence; nil: any
---@return string|nil text of the block
function M.fenced(text, language)
  options.argument(1, "extract.fenced", text, rules.string)
  if language ~= nil then options.argument(2, "extract.fenced", language, rules.string) end
  for found, body in blocks(text) do
    if not language or found == language:lower() then return body end
  end
  return nil
end

return M
