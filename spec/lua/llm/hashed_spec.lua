-- Vectors without a model: what makes them alike, and that they never change.
-- SPDX-License-Identifier: MIT
local hashed = require "neap.llm.hashed"
local llm = require "neap.llm"

local function vector(text, dimensions)
  return llm.vector(hashed.numbers(text, dimensions or hashed.DIMENSIONS))
end

-- The cosine of two texts.
local function cosine(a, b)
  local _, cosines = llm.nearest(vector(a), { vector(b) }, 1)
  return cosines[1]
end

describe("hashed words", function()
  it("are near to each other where words are the same, or alike", function()
    local tide = "High water at Kiel comes with the tide."
    assert.near(1, cosine(tide, tide), 1e-6)
    local same, alike = cosine(tide, "The tide at Kiel"), cosine(tide, "Tides of the waters")
    local other = cosine(tide, "A bakery sells bread.")
    assert.truthy(same > alike and alike > other + 0.1, ("%f %f %f"):format(same, alike, other))
  end)

  it("pay no heed to order, case and words without a meaning of their own", function()
    assert.near(1, cosine("The tide is high", "HIGH was a tide"), 1e-6)
  end)

  it("find words in writing without spaces", function()
    assert.truthy(cosine("潮汐每天两次", "每天") > 0.3)
    assert.truthy(math.abs(cosine("潮汐", "面包")) < 0.1)
  end)

  it("are a direction for each text", function()
    for _, text in ipairs { "!", "the", "a", "7", "\u{1F30A}", "\n\t." } do
      assert.near(1, cosine(text, text), 1e-6)
    end
  end)

  it("have as many numbers as are asked for", function()
    for _, n in ipairs { 1, 2, 100, 4096 } do assert.equal(n, #vector("the tide", n)) end
  end)

  it("are the same everywhere", function()
    local numbers = {}
    for i, number in ipairs(hashed.numbers("Tide, tides", 8)) do
      numbers[i] = ("%.4f"):format(number)
    end
    assert.equal("0.0000 1.0000 0.6630 0.6630 -0.9761 0.0000 0.0000 1.6630",
      table.concat(numbers, " "))
  end)
end)
