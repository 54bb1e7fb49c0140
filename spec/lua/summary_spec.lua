-- The extractive summariser.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local summary = require "neap.summary"

local LICENSES = "/usr/share/common-licenses"

-- Three sentences about tides that share words, and one that shares none.
local TIDES = [[
The tides follow the Moon across every ocean of the planet.
Purple elephants seldom juggle marmalade before breakfast.
Spring tides come when the Moon and the Sun pull together.
Neap tides come when the Moon and the Sun pull across each other.
]]

--- Returns the summary of a text and how many thousand instructions of Lua's
--- machine it took: the same on every computer.
local function measured(text)
  local thousands = 0
  debug.sethook(function() thousands = thousands + 1 end, "", 1000)
  local result = summary.summarize(text)
  debug.sethook()
  return result, thousands
end

--- Returns a text with its wrapping undone.
local function unwrapped(text)
  return (text:gsub("%s+", " "))
end

describe("neap.summary", function()
  it("names its method and the paper", function()
    assert.equal("TextRank (Mihalcea & Tarau, 2004)", summary.method)
  end)

  it("prefers the sentences that share words with others", function()
    assert.equal(
      "Neap tides come when the Moon and the Sun pull across each other.",
      summary.summarize(TIDES, { sentences = 1 })
    )
  end)

  it("takes what nothing else in the text mentions last", function()
    local result = summary.summarize(TIDES)
    assert.truthy(result:find("^The tides follow"))
    assert.is_nil(result:find("elephants", 1, true))
  end)

  it("gives the sentences in their order in the text", function()
    -- The best comes last: see above.
    assert.equal(
      "The tides follow the Moon across every ocean of the planet. "
        .. "Neap tides come when the Moon and the Sun pull across each other.",
      summary.summarize(TIDES)
    )
  end)

  it("does not say the same thing twice", function()
    local text = TIDES .. "\n" .. TIDES
    local _, count = summary.summarize(text):gsub("Neap tides", "")
    assert.equal(1, count)
  end)

  it("gives the same summary each time", function()
    local text = helper.read(LICENSES .. "/GPL-2")
    assert.equal(summary.summarize(text), summary.summarize(text))
  end)

  it("honours both limits", function()
    local text = helper.read(LICENSES .. "/MPL-2.0")
    local short = summary.summarize(text, { sentences = 9, max_chars = 150 })
    assert.is_true(#short > 0 and utf8.len(short) <= 150)
    local one = summary.summarize(text, { sentences = 1, max_chars = 999 })
    local two = summary.summarize(text, { sentences = 2, max_chars = 999 })
    assert.is_true(#one < #two)
    assert.truthy(two:find(one, 1, true))
  end)

  describe("finds sentences", function()
    it("across abbreviations and initials", function()
      local sentence = "Harbour pilots, e.g. those of Dr. J. Doe and Sons Inc. "
        .. "of St. Ives, watch the spring tides."
      assert.equal(
        sentence,
        summary.summarize(sentence .. " Coffee gets cold. So does tea.",
          { sentences = 1 })
      )
    end)

    it("across hard-wrapped lines", function()
      local text = "Harbour pilots watch the\n  spring tides of\r\nthe "
        .. "northern coast.\n\nCoffee gets cold.\n\nSo does tea.\n"
      assert.equal(
        "Harbour pilots watch the spring tides of the northern coast.",
        summary.summarize(text, { sentences = 1 })
      )
    end)

    it("behind the labels of headings and lists", function()
      local sentence = "Harbour pilots watch the spring tides of the coast."
      for _, label in ipairs { "1. ", "2.1. ", "2.1 ", "a) ", "(iv) ", "* " } do
        local text = "TIDE TABLES\n\n  " .. label .. sentence
          .. "\n\n  3. Coffee.\n"
        assert.equal(sentence, summary.summarize(text, { sentences = 1 }))
      end
    end)

    it("before marks that no space follows", function()
      assert.equal(
        "海洋的潮汐来自月亮和太阳的引力。",
        summary.summarize(
          "海洋有潮汐。海洋的潮汐来自月亮和太阳的引力。引力来自太阳！",
          { sentences = 1 }
        )
      )
    end)
  end)

  it("passes over notices, capitals, definitions and connectives", function()
    local text = [[
Copyright (C) 2026 The Harbour Pilots of the Northern Coast and its Tides.
HARBOUR PILOTS WATCH THE SPRING TIDES OF THE NORTHERN COAST WITHOUT WARRANTY.
"Harbour pilots" means those who watch the spring tides of the northern coast.
However, harbour pilots watch the spring tides of the northern coast.
Where the northern coast has a harbour, pilots keep a watch on tides.]]
    assert.equal(
      "Where the northern coast has a harbour, pilots keep a watch on tides.",
      summary.summarize(text)
    )
  end)

  describe("without good sentences", function()
    it("gives nothing for an empty text", function()
      assert.equal("", summary.summarize(""))
      assert.equal("", summary.summarize(" \n\t\r\n "))
    end)

    it("gives a short text whole", function()
      assert.equal("Hello world. It rains.",
        summary.summarize("Hello   world.\nIt rains.\n"))
    end)

    it("gives the beginning of a text without an end", function()
      local text = ("flotsam and jetsam "):rep(100)
      local result = summary.summarize(text, { max_chars = 30 })
      assert.equal("flotsam and jetsam flotsam…", result)
      assert.is_true(utf8.len(result) <= 30)
    end)

    it("cuts a word only when there is no space to cut at", function()
      assert.equal("aaaa…",
        summary.summarize(("a"):rep(100), { max_chars = 5 }))
    end)
  end)

  it("returns valid UTF-8 without control characters", function()
    local inputs = {
      "\xff\xfe\x80",
      "Harbour pilots \xffwatch the \27[31mspring\0 tides of the coast.",
      ("é"):rep(1000),
      ("ab\xc3"):rep(500000),
    }
    for _, input in ipairs(inputs) do
      local result = summary.summarize(input)
      assert.is_truthy(utf8.len(result))
      assert.is_nil(result:find("%c"))
      assert.is_true(#result > 0)
    end
    assert.equal(
      "Harbour pilots \u{FFFD}watch the [31mspring tides of the coast.",
      summary.summarize(inputs[2])
    )
  end)

  it("reads well on every licence, without much ado", function()
    local files = helper.files(LICENSES)
    assert.is_true(#files > 0)
    for _, file in ipairs(files) do
      local text = helper.read(file)
      local result, work = measured(text)
      assert.is_true(work < 4000, file .. " took " .. work)
      assert.is_true(utf8.len(result) >= 100 and utf8.len(result) <= 400, file)
      assert.truthy(result:find("^%u%l"), file .. ": " .. result)
      assert.truthy(result:find("%.$"), file .. ": " .. result)
      local first = result:match("^.-%. ") or result
      assert.truthy(unwrapped(text):find(first, 1, true), file .. ": " .. first)
    end
  end)

  it("bounds its work on 5 MB, whatever they hold", function()
    local size = 5 * 1024 * 1024
    local prose = unwrapped(helper.read(LICENSES .. "/GPL-3"))
    local units = {
      prose, "word ", "x", ".", ". ", "a. ", "Ab. ", "1. ", "(a) ", "\n", " ",
      '."', "\xff", "潮汐。", "Harbour pilots watch the spring tides at night. ",
    }
    for _, unit in ipairs(units) do
      local text = unit:rep(size // #unit)
      local result, work = measured(text)
      assert.is_true(work < 150000, unit:sub(1, 9) .. " took " .. work)
      assert.is_true((utf8.len(result) or 999) <= 400)
    end
  end)

  it("refuses what is no text and no limit", function()
    assert.has_error(function() summary.summarize(nil) end,
      "bad argument #1 to 'summarize' (string expected, got nil)")
    for _, bad in ipairs { 0, -1, 1.5, "2" } do
      assert.has_error(function()
        summary.summarize("text", { sentences = bad })
      end, ("summarize: bad option 'sentences' (whole number from 1 expected, got %s)"):format(
        type(bad) == "string" and "string" or bad))
    end
  end)
end)
