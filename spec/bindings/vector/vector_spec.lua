-- Vectors: what they are made of and give back, and which are nearest.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local json = require "neap.json"
local llm = require "neap.llm"

describe("llm.vector", function()
  it("has the numbers of a list, as float32", function()
    local vector = llm.vector { 1, 0.5, -0.1 }
    assert.equal(3, #vector)
    assert.equal(0.5, vector[2])
    assert.equal(string.unpack("<f", string.pack("<f", -0.1)), vector[3])
    assert.same({ 1.0, 0.5, vector[3] }, vector:list())
    local seen = {}
    for i, number in ipairs(vector) do seen[i] = number end
    assert.same(vector:list(), seen)
    assert.is_nil(vector[0] or vector[4] or vector[-1] or vector[1.5] or vector.x)
    assert.equal("neap.vector: 3 numbers", tostring(vector))
    assert.equal(vector, llm.vector(vector))
  end)

  it("becomes bytes, and is made of them", function()
    local bytes = string.pack("<fff", 1, -2.5, 1e-40)
    local vector = llm.vector(bytes)
    assert.equal(-2.5, vector[2])
    assert.equal(bytes, vector:bytes())
    assert.equal(bytes, llm.vector(vector:list()):bytes())
  end)

  it("is a list in JSON, with no more digits than a float32 has", function()
    local vector = llm.vector { 1, 0.1, -3.4e38, 16777216, 1 / 3 }
    local text = json.encode { v = vector }
    assert.equal('{"v":[1.0,0.1,-3.4e+38,16777216.0,0.33333334]}', text)
    assert.equal(vector:bytes(), llm.vector(json.decode(text).v):bytes())
    for _ = 1, 500 do
      local bits = math.random(0, 0x7F7FFFFF) | math.random(0, 1) << 31
      local one = llm.vector(string.pack("<I4", bits))
      assert.equal(one:bytes(), llm.vector(json.decode(json.encode(one))):bytes())
    end
  end)

  it("cannot be changed", function()
    assert.is_false(pcall(function() llm.vector({ 1 })[1] = 2 end))
  end)

  it("is made of nothing else", function()
    for complaint, value in pairs {
      ["a list of numbers expected, got an empty one"] = {},
      ["item 2 is a string"] = { 1, "2" },
      ["item 1 is no number that a float32 can be"] = { 1e39 },
      ["four bytes for each number expected"] = "abc",
      ["NaN and infinities have no place in a vector"] = string.pack("<f", math.huge),
      ["list of numbers or bytes expected, got nil"] = false,
    } do
      assert.matches(("bad argument #1 to 'vector' (%s)"):format(complaint),
        helper.misused(llm.vector, value or nil), 1, true)
    end
    assert.matches("item 1 is no number", helper.misused(llm.vector, { 0 / 0 }), 1, true)
    assert.matches("four bytes for each number", helper.misused(llm.vector, ""), 1, true)
  end)
end)

describe("llm.nearest", function()
  local function vectors(...)
    local list = {}
    for i, each in ipairs { ... } do list[i] = llm.vector(each) end
    return list
  end

  it("gives indices and cosines, the most alike first", function()
    local list = vectors({ 0, 1 }, { 3, 3 }, { 5, 0 }, { -1, 0 })
    local indices, cosines = llm.nearest(llm.vector { 2, 0 }, list, 3)
    assert.same({ 3, 2, 1 }, indices)
    assert.same({ 1.0, 0.0 }, { cosines[1], cosines[3] })
    assert.is_true(math.abs(cosines[2] - math.sqrt(0.5)) < 1e-6)
    indices, cosines = llm.nearest({ 2, 0 }, list, 9)
    assert.same({ 3, 2, 1, 4 }, indices)
    assert.equal(-1.0, cosines[4])
    assert.same({}, (llm.nearest({ 1 }, {}, 1)))
  end)

  it("takes lists of numbers, and vectors among them", function()
    assert.same({ 2, 1 }, (llm.nearest({ 1, 0 }, { { 0, 1 }, llm.vector { 1, 1 } }, 2)))
  end)

  it("of equal ones gives the first, and to one without a direction nothing is like", function()
    local list = vectors({ 1, 1 }, { 0, 0 }, { 2, 2 }, { 4, 4 })
    local indices, cosines = llm.nearest({ 1, 1 }, list, 2)
    assert.same({ 1, 3 }, indices)
    assert.same({ 1.0, 1.0 }, cosines)
    assert.same({ 0.0 }, select(2, llm.nearest({ 0, 0 }, list, 1)))
  end)

  it("is right about very large and very small numbers", function()
    for _, scale in ipairs { 1e30, 1e-30, 1e-40 } do
      local _, cosines = llm.nearest({ scale, scale }, { { scale, 0 }, { -scale, -scale } }, 2)
      assert.is_true(math.abs(cosines[1] - math.sqrt(0.5)) < 1e-4)
      assert.is_true(math.abs(cosines[2] + 1) < 1e-6)
    end
  end)

  it("finds the same as a loop in Lua, for any number of numbers", function()
    math.randomseed(7)
    for size = 1, 40 do
      local list, query, expected = {}, {}, {}
      for j = 1, size do query[j] = math.random() - 0.5 end
      for i = 1, 30 do
        list[i] = {}
        local product, a, b = 0, 0, 0
        for j = 1, size do
          list[i][j] = math.random() - 0.5
          product, a, b = product + list[i][j] * query[j], a + list[i][j] ^ 2, b + query[j] ^ 2
        end
        expected[i] = { i, product / math.sqrt(a * b) }
      end
      table.sort(expected, function(x, y) return x[2] > y[2] end)
      local indices, cosines = llm.nearest(query, vectors(table.unpack(list)), 12)
      assert.equal(12, #indices)
      for i = 1, 12 do
        assert.is_true(math.abs(cosines[i] - expected[i][2]) < 1e-5)
        assert.is_true(size == 1 or math.abs(expected[i][2] - expected[i + 1][2]) < 1e-5
          or indices[i] == expected[i][1] or math.abs(cosines[i] - cosines[i - 1]) < 1e-5)
      end
    end
    math.randomseed()
  end)

  it("refuses what cannot be compared", function()
    for complaint, arguments in pairs {
      ["#2 to 'nearest' (vector 2: 1 numbers, and not 2)"] =
        { { 1, 2 }, { { 1, 2 }, { 1 } }, 1 },
      ["#2 to 'nearest' (vector 1: neither a vector nor a list)"] = { { 1 }, { 1 }, 1 },
      ["#2 to 'nearest' (vector 1: item 1 is a string)"] = { { 1 }, { { "x" } }, 1 },
      ["#1 to 'nearest' (vector or list of numbers expected, got nil)"] = {},
      ["#3 to 'nearest' (whole number from 1 expected)"] = { { 1 }, {}, 0 },
    } do
      assert.matches(complaint, helper.misused(llm.nearest, table.unpack(arguments)), 1, true)
    end
  end)
end)
