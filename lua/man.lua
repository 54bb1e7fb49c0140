-- Writes neap's manual page: neap lua/man.lua NEAP OUTPUT. What NEAP says when it
-- is asked for help is all that stands in it.
-- SPDX-License-Identifier: MIT
local neap = require "neap"

local program, output = ...

local function ask(...)
  return neap.process.run({ program, ... }).stdout
end

-- The text for roff, which takes some characters for more than themselves.
local function escape(text)
  return (text:gsub("\\", "\\e"):gsub("%-", "\\-"):gsub("^[.']", "\\&%0"))
end

local page = {}

local function add(line, ...)
  page[#page + 1] = line:format(...)
end

-- Adds a block of lines that no blank line divides: usage, a list, or prose.
local function add_block(block)
  if block:find("^usage: ") then
    add ".PP"
    add ".nf"
    for line in block:gmatch("[^\n]+") do add("%s", escape(line:sub(8))) end
    add ".fi"
    return
  end
  add ".PP"
  block = block:gsub("^%l", string.upper)
  for line in block:gmatch("[^\n]+") do
    local item = line:match("^  (%S.*)$")
    if item then
      local name, text = item:match("^(.-)   *(.*)$")
      add ".TP"
      add(".B %s", escape(name or item))
      if name then add("%s", escape(text)) end
    else
      add("%s", escape(line:match("^ *(.*)$")))
    end
  end
end

local function add_blocks(text)
  for block in (text .. "\n"):gmatch("(.-)\n\n+") do add_block(block) end
end

local overview = ask "help"
local usage, rest = overview:match("^(.-)\n\n(.*)$")
add('.TH NEAP 1 "" "%s"', ask("version"):match("^neap %S+"))
add ".SH NAME"
add "neap \\- a flow engine, scripted in Lua"
add ".SH SYNOPSIS"
add_block(usage)
add ".SH DESCRIPTION"
add_blocks(rest)
add ".SH COMMANDS"
for command in rest:gmatch("\n  (%l+)") do
  add(".SS neap %s", command)
  add_blocks(ask("help", command))
end

neap.fs.write(output, table.concat(page, "\n") .. "\n")
