--- Regular expressions of JSON Schema as patterns of Lua, as far as these can do it.
-- SPDX-License-Identifier: MIT
--
-- Anchors, characters, classes and repetitions of these have a counterpart; groups and
-- alternatives have none. A character that is not ASCII is several bytes, so it can be
-- neither repeated nor stand in a class; what takes any character takes it whole.
local M = {}

-- What a regular expression repeats at most, when it is written out.
local LONGEST = 1000

local CLASSES = { d = "0-9", w = "A-Za-z0-9_", s = " \t\r\n\f\v" }
local CONTROLS = { n = "\n", t = "\t", r = "\r", f = "\f", v = "\v" }
local CONTINUATION = "\x80-\xBF"

local function refuse(what)
  error({ fault = what }, 0)
end

local function literal(character)
  return character:find("%p") and "%" .. character or character
end

-- A character behind a backslash.
local function escaped(character)
  if CONTROLS[character] then return CONTROLS[character] end
  if character == "" or character:find("%w") then refuse("\\" .. character) end
  return character
end

-- Reads a class from behind its bracket: what it has as Lua writes it, whether it is
-- negated, and the place behind it.
local function read_class(text, at)
  local is_negated = text:sub(at, at) == "^"
  if is_negated then at = at + 1 end
  local list = {}
  while text:sub(at, at) ~= "]" do
    local character = text:sub(at, at)
    if character == "" then refuse("a class without an end") end
    if character:find("[\x80-\xFF]") then refuse("a class with a character that is not ASCII") end
    if character == "\\" then
      at = at + 1
      character = text:sub(at, at)
      list[#list + 1] = CLASSES[character] or literal(escaped(character))
    elseif character == "-" and list[1] and text:sub(at + 1, at + 1) ~= "]" then
      list[#list + 1] = "-"
    else
      list[#list + 1] = literal(character)
    end
    at = at + 1
  end
  if not list[1] then refuse("an empty class") end
  return table.concat(list), is_negated, at + 1
end

-- One of what takes any character but some: in a repetition bytes do, alone the
-- character is taken whole.
local function any_but(set)
  return { many = ("[^%s]"):format(set),
    one = ("[^%s%s][%s]*"):format(set, CONTINUATION, CONTINUATION) }
end

local function only(set)
  return { many = set, one = set, is_single = true }
end

-- Reads what can be repeated, and the place behind it.
local function read_item(text, at)
  local character = text:match("^" .. utf8.charpattern, at)
  local behind = at + #character
  if character == "." then return any_but("\n\r"), behind end
  if character == "[" then
    local set, is_negated, next_at = read_class(text, behind)
    return is_negated and any_but(set) or only(("[%s]"):format(set)), next_at
  elseif character == "\\" then
    character = text:sub(behind, behind)
    local class = CLASSES[character:lower()]
    if class and character:find("%l") then return only(("[%s]"):format(class)), behind + 1 end
    if class then return any_but(class), behind + 1 end
    return only(literal(escaped(character))), behind + 1
  elseif character:find("[(|)]") then
    refuse("groups and alternatives")
  elseif character:find("[*+?{}%]]") then
    refuse(("a '%s' behind nothing"):format(character))
  elseif #character > 1 then
    return { one = character }, behind
  end
  return only(literal(character)), behind
end

local function repeated(item, least, most)
  if least > LONGEST or (most or 0) > LONGEST then refuse("a repetition that long") end
  local must = item.one:rep(least)
  if most == least then return must end
  if most and not item.is_single then refuse("a repetition up to a number of any characters") end
  return must .. (most and (item.one .. "?"):rep(most - least) or item.many .. "*")
end

-- Reads the repetition behind an item, and writes both.
local function read_repetition(text, at, item)
  local sign = text:sub(at, at)
  local low, comma, high = text:match("^{(%d+)(,?)(%d*)}", at)
  if not low and not sign:find("^[*+?]") then
    return item.one, at
  elseif not item.many then
    refuse("a repetition of a character that is not ASCII")
  end
  local least, most, behind = tonumber(low), tonumber(high), at + 1
  if low then
    if comma == "" then most = least end
    behind = text:find("}", at, true) + 1
  else
    least, most = sign == "+" and 1 or 0, sign == "?" and 1 or nil
  end
  if text:find("^[*+?]", behind) then refuse("a lazy repetition") end
  return repeated(item, least, most), behind
end

local function translate(text)
  local list, at = {}, 1
  if text:sub(1, 1) == "^" then list[1], at = "^", 2 end
  while at <= #text do
    if text:sub(at) == "$" then
      list[#list + 1] = "$"
      break
    elseif text:find("^[$^]", at) then
      refuse("an anchor in the middle")
    end
    local item
    item, at = read_item(text, at)
    list[#list + 1], at = read_repetition(text, at, item)
  end
  return table.concat(list)
end

local known = {}

--- Returns the pattern of Lua that finds what a regular expression finds, or nil and
--- what it cannot do.
---@param text string
---@return string|nil
---@return string|nil
function M.of(text)
  if known[text] then return known[text] end
  if not utf8.len(text) then return nil, "text that is not UTF-8" end
  local ok, result = pcall(translate, text)
  if not ok then return nil, type(result) == "table" and result.fault or tostring(result) end
  known[text] = result
  return result
end

return M
