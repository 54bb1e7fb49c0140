-- Lines, so many bytes, all of it: from pieces of any size.
-- SPDX-License-Identifier: MIT
local collect = require("spec.helper").collect
local neap = require "neap"
local reader = require "neap.io.reader"

local Pieces = {}
Pieces.__index = Pieces
reader.extend(Pieces)

function Pieces:receive()
  self.next = self.next + 1
  local piece = self.pieces[self.next]
  if piece == false then -- an interruption
    error("interrupted", 0)
  end
  return piece
end

local function from(...)
  return setmetatable({ pieces = { ... }, next = 0 }, Pieces)
end

-- All ways to cut a text into pieces.
local function cuts(text)
  local list = {}
  for mask = 0, (1 << (#text - 1)) - 1 do
    local pieces, start = {}, 1
    for i = 1, #text do
      if i == #text or mask & (1 << (i - 1)) ~= 0 then
        pieces[#pieces + 1] = text:sub(start, i)
        start = i + 1
      end
    end
    list[#list + 1] = pieces
  end
  return list
end

describe("reading", function()
  it("gives the same lines however the text comes", function()
    for _, pieces in ipairs(cuts("ab\n\nc\r\nde")) do
      assert.same({ "ab", "", "c\r", "de" }, collect(from(table.unpack(pieces)):lines()))
    end
  end)

  it("keeps the ends of lines when asked to", function()
    for _, pieces in ipairs(cuts("ab\n\ncd")) do
      local source = from(table.unpack(pieces))
      assert.equal("ab\n", source:read("L"))
      assert.equal("\n", source:read("L"))
      assert.equal("cd", source:read("L"))
      assert.is_nil(source:read("L"))
    end
  end)

  it("gives so many bytes, and fewer only at the end", function()
    for _, pieces in ipairs(cuts("abcdefg")) do
      local source = from(table.unpack(pieces))
      assert.equal("abc", source:read(3))
      assert.equal("", source:read(0))
      assert.equal("def", source:read(3))
      assert.equal("g", source:read(3))
      assert.is_nil(source:read(3))
      assert.is_nil(source:read(0))
    end
  end)

  it("mixes what is asked for", function()
    for _, pieces in ipairs(cuts("5\nhelloxyz")) do
      local source = from(table.unpack(pieces))
      local size = tonumber(source:read())
      assert.equal("hello", source:read(size))
      assert.equal("xyz", source:read("a"))
      assert.equal("", source:read("a"))
    end
  end)

  it("gives pieces as they come, after what was left of the last", function()
    local source = from("a\nb", "c", "d")
    assert.equal("a", source:read())
    assert.equal("b", source:read_some())
    assert.same({ "c", "d" }, collect(source:chunks()))
    assert.is_nil(source:read_some())
  end)

  it("loses nothing when a read is interrupted", function()
    for _, what in ipairs { "l", "a", 6 } do
      local source = from("ab", "cd", false, "ef")
      assert.same({ false, "interrupted" }, { pcall(source.read, source, what) })
      assert.equal("abcdef", source:read(what))
    end
  end)

  it("refuses lines that are too long, and goes on with them if told to", function()
    for _, pieces in ipairs(cuts("abcd\nef")) do
      local source = from(table.unpack(pieces))
      local ok, err = pcall(source.read, source, "l", 3)
      assert.is_false(ok)
      assert.equal("line", err.code)
      assert.equal("abcd", source:read("l", 4))
      assert.equal("ef", source:read("l", 4))
    end
  end)

  it("refuses what it does not know", function()
    local source = from("a")
    assert.has_error(function() source:read("n") end,
      'bad argument #1 to \'read\' ("l", "L", "a" or a number of bytes expected, got "n")')
    assert.has_error(function() source:read(-1) end,
      'bad argument #1 to \'read\' ("l", "L", "a" or a number of bytes expected, got -1)')
    assert.has_error(function() source:lines(0) end,
      "bad argument #1 to 'lines' (whole number from 1 expected, got 0)")
  end)

  it("works on what waits", function()
    local source = setmetatable({ left = 3 }, { __index = Pieces })
    function source:receive()
      neap.sleep(0.001)
      self.left = self.left - 1
      return self.left >= 0 and "x\n" or nil
    end
    assert.same({ "x", "x", "x" }, collect(source:lines()))
  end)
end)
