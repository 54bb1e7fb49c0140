-- Texts in chunks: where they are cut, and that nothing is lost.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local llm = require "neap.llm"

local function chunks(text, tokens, overlap)
  return llm.chunks(text, { tokens = tokens, overlap = overlap or 0 })
end

-- What is said at random, with gaps of all kinds. No character but the marks is there
-- twice, so that a chunk has one place.
local function babble(random)
  local gaps = { " ", " ", " ", "", "", "  ", ". ", "? ", "!", ".", "\n", "\n\n", "\r\n \r\n",
    ".\n\n\n" }
  local list, wide = {}, 0x4E00
  for i = 1, random(200) do
    local character = utf8.char(wide)
    wide = wide + 1
    list[i] = character .. gaps[random(#gaps)]
  end
  return table.concat(list)
end

describe("llm.chunks", function()
  it("keeps what has room in one", function()
    assert.same({ "The tide comes.\n\nIt goes." }, llm.chunks("\n The tide comes.\n\nIt goes. \n"))
    assert.same({}, llm.chunks(""))
    assert.same({}, llm.chunks(" \n\n "))
  end)

  it("cuts between paragraphs", function()
    assert.same({ "One, two.\n\nThree.", "Four, five.", "Six." },
      chunks("One, two.\n\nThree.\n \nFour, five.\r\n\r\n\r\nSix.", 5))
  end)

  it("cuts a long paragraph between sentences", function()
    assert.same({ "Short.", 'He said "No."', "Then he went! Why?" },
      chunks('Short.\n\nHe said "No." Then he went! Why?', 5))
    assert.same({ "It is v1.5 now.", "Really?!", "Yes, it is." },
      chunks("It is v1.5 now. Really?! Yes, it is.", 4))
    assert.same({ "潮が満ちる。", "潮が引く！", "本当？" },
      chunks("潮が満ちる。潮が引く！本当？", 5))
  end)

  it("cuts a long sentence between lines, then words, then characters", function()
    assert.same({ "- one two\n- three", "- four five six" },
      chunks("- one two\n- three\n- four five six", 5))
    assert.same({ "the tide", "comes", "slowly" }, chunks("the tide comes slowly", 2))
    assert.same({ "abcdefgh", "ij" }, chunks("abcdefghij", 2))
    assert.same({ "潮潮", "潮潮", "潮" }, chunks("潮潮潮潮潮", 2))
    assert.same({ "\u{1F30A}", "\u{1F30A}" }, chunks("\u{1F30A}\u{1F30A}", 1))
  end)

  it("repeats the end of the chunk before: sentences, else words, else characters", function()
    assert.same({ "One two. Three four.", "Three four. Five six." },
      chunks("One two. Three four. Five six.", 6, 3))
    assert.same({ "One two three. Four five.", "Four five. Six seven eight nine.",
      "eight nine. Ten eleven twelve." },
      chunks("One two three. Four five. Six seven eight nine. Ten eleven twelve.", 8, 4))
    assert.same({ "One two three.\n\nFour five.", "Four five.\n\nSix seven." },
      chunks("One two three.\n\nFour five.\n\nSix seven.", 7, 3))
    assert.same({ "one two three four", "four five six" },
      chunks("one two three four five six", 5, 2))
    assert.same({ "潮满月落", "月落星沉" }, chunks("潮满月落星沉", 3, 2))
  end)

  it("is of 500 tokens, and repeats 50, but never more than a tenth", function()
    local text = ("tide "):rep(2000)
    local list = llm.chunks(text)
    assert.is_true(#list[1] <= 2000 and #list[1] > 1990)
    assert.is_true(#list[2] <= 2000)
    local sum = 0
    for _, each in ipairs(list) do sum = sum + #each end
    local repeated = (sum - #text) / (#list - 1)
    assert.is_true(repeated > 180 and repeated <= 200, repeated)
    assert.equal("the tide", llm.chunks("the tide comes", { tokens = 2 })[1])
    assert.equal("comes", llm.chunks("the tide comes", { tokens = 2 })[2])
  end)

  it("loses nothing, makes none too long, and cuts no character", function()
    math.randomseed(7)
    for _ = 1, 400 do
      local text, tokens = babble(math.random), math.random(1, 30)
      local overlap = math.random(0, tokens - 1)
      local from, seen = 1, 0
      for _, chunk in ipairs(chunks(text, tokens, overlap)) do
        assert.is_true(#chunk <= 4 * tokens and #chunk > 0)
        assert.is_truthy(utf8.len(chunk))
        assert.is_nil(chunk:find("^%s") or chunk:find("%s$"))
        -- It begins in what was seen, or behind white space, and goes on from there.
        local first, last = text:find(chunk, math.max(from, seen - 4 * overlap), true)
        assert.is_truthy(first)
        assert.is_nil(text:sub(seen + 1, first - 1):find("%S"))
        assert.is_true(last > seen)
        from, seen = first + 1, last
      end
      assert.is_nil(text:sub(seen + 1):find("%S"))
    end
    math.randomseed()
  end)

  it("takes what is not UTF-8 as it is", function()
    local bytes = ("\x80"):rep(50)
    assert.equal(bytes, table.concat(chunks(bytes, 2)))
  end)

  it("refuses an overlap that leaves no room", function()
    assert.matches("llm.chunks: an overlap of fewer tokens than a chunk has expected",
      helper.misused(llm.chunks, "x", { tokens = 5, overlap = 5 }), 1, true)
    assert.matches("bad option 'tokens'", helper.misused(llm.chunks, "x", { tokens = 0 }), 1, true)
    assert.matches("bad argument #1 to 'chunks'", helper.misused(llm.chunks), 1, true)
  end)
end)
