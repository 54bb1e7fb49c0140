-- CBOR: the vectors of RFC 8949, what comes back as it was, what is refused.
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local helper = require "spec.helper"
local memory = require "lua_memory"
local values = require "spec.bindings.cbor.values"
local core = require "neap.core"
local cbor, json = neap.cbor, neap.json
local misused = helper.misused

local function refused(...)
  return helper.refused("cbor", ...)
end

local function hex(bytes)
  return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

local function unhex(digits)
  return (digits:gsub("%x%x", function(byte) return string.char(tonumber(byte, 16)) end))
end

-- All of RFC 8949, appendix A, that Lua has values for. Those in the second list are not
-- written in this way, or not in this order.
local VECTORS = {
  ["00"] = 0, ["01"] = 1, ["0a"] = 10, ["17"] = 23, ["1818"] = 24, ["1819"] = 25, ["1864"] = 100,
  ["1903e8"] = 1000, ["1a000f4240"] = 1000000, ["1b000000e8d4a51000"] = 1000000000000,
  ["20"] = -1, ["29"] = -10, ["3863"] = -100, ["3903e7"] = -1000,
  ["f90000"] = 0.0, ["f98000"] = -0.0, ["f93c00"] = 1.0, ["fb3ff199999999999a"] = 1.1,
  ["f93e00"] = 1.5, ["f97bff"] = 65504.0, ["fa47c35000"] = 100000.0,
  ["fa7f7fffff"] = 3.4028234663852886e+38, ["fb7e37e43c8800759c"] = 1.0e+300,
  ["f90001"] = 5.960464477539063e-8, ["f90400"] = 0.00006103515625, ["f9c400"] = -4.0,
  ["fbc010666666666666"] = -4.1, ["f97c00"] = math.huge, ["f9fc00"] = -math.huge,
  ["f97e00"] = -(0 / 0), ["f4"] = false, ["f5"] = true, ["f6"] = json.null,
  ["60"] = "", ["6161"] = "a", ["6449455446"] = "IETF",
  ["62225c"] = '"\\', ["62c3bc"] = "ü", ["63e6b0b4"] = "水", ["64f0908591"] = "\u{10151}",
  ["80"] = json.array {}, ["83010203"] = { 1, 2, 3 },
  ["8301820203820405"] = { 1, { 2, 3 }, { 4, 5 } },
  ["98190102030405060708090a0b0c0d0e0f101112131415161718181819"] = { 1, 2, 3, 4, 5, 6, 7, 8, 9,
    10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25 },
  ["a0"] = {}, ["a26161016162820203"] = { a = 1, b = { 2, 3 } },
  ["826161a161626163"] = { "a", { b = "c" } },
  ["a56161614161626142616361436164614461656145"] = { a = "A", b = "B", c = "C", d = "D", e = "E" },
}
local READ = {
  { "fa7f800000", math.huge }, { "fa7fc00000", -(0 / 0) }, { "faff800000", -math.huge },
  { "fb7ff0000000000000", math.huge }, { "fb7ff8000000000000", -(0 / 0) },
  { "fbfff0000000000000", -math.huge }, { "40", "" }, { "4401020304", "\1\2\3\4" },
  { "a201020304", { 2, [3] = 4 } },
  { "5f42010243030405ff", "\1\2\3\4\5" }, { "7f657374726561646d696e67ff", "streaming" },
  { "9fff", json.array {} }, { "9f018202039f0405ffff", { 1, { 2, 3 }, { 4, 5 } } },
  { "9f01820203820405ff", { 1, { 2, 3 }, { 4, 5 } } },
  { "83018202039f0405ff", { 1, { 2, 3 }, { 4, 5 } } },
  { "83019f0203ff820405", { 1, { 2, 3 }, { 4, 5 } } },
  { "9f0102030405060708090a0b0c0d0e0f101112131415161718181819ff", VECTORS[
    "98190102030405060708090a0b0c0d0e0f101112131415161718181819"] },
  { "bf61610161629f0203ffff", { a = 1, b = { 2, 3 } } },
  { "826161bf61626163ff", { "a", { b = "c" } } },
  { "bf6346756ef563416d7421ff", { Fun = true, Amt = -2 } }, { "f7", nil },
}
-- Integers and simple values that Lua has not, and tags with a meaning that it does not know.
local REFUSED = { "1bffffffffffffffff", "c249010000000000000000", "3bffffffffffffffff",
  "c349010000000000000000", "f0", "f8ff", "c074323031332d30332d32315432303a30343a30305a",
  "c11a514b67b0", "c1fb41d452d9e8000000", "d74401020304", "d818456449455446",
  "d82076687474703a2f2f7777772e6578616d706c652e636f6d" }

describe("the vectors of RFC 8949", function()
  it("are written and read", function()
    for digits, value in pairs(VECTORS) do
      assert.equal(digits, hex(cbor.encode(value)))
      assert.is_true(values.same(value, cbor.decode(unhex(digits))), digits)
    end
  end)

  it("are read in other forms, too", function()
    for _, vector in ipairs(READ) do
      assert.is_true(values.same(vector[2], cbor.decode(unhex(vector[1]))), vector[1])
    end
  end)

  it("are refused where Lua has no such value", function()
    for _, digits in ipairs(REFUSED) do
      assert.equal(1, refused(cbor.decode, unhex(digits)).offset, digits)
    end
  end)
end)

describe("cbor.encode", function()
  it("writes floats in the shortest form that reads back as the same", function()
    for digits, value in pairs { f93800 = 0.5, ["fa33800001"] = 2.0 ^ -24 * (1 + 2.0 ^ -23),
      f903ff = 1023 * 2.0 ^ -24, fa00000001 = 2.0 ^ -149, ["fb3690000000000000"] = 2.0 ^ -150,
      ["fb0000000000000001"] = 5e-324, f9fbff = -65504.0, fa47800000 = 65536.0,
      ["fb47f0000000000000"] = 2.0 ^ 128, ["fb7ff8000000000001"] =
      string.unpack("<i8", "\1\0\0\0\0\0\xf8\x7f") and string.unpack("<d", "\1\0\0\0\0\0\xf8\x7f"),
      fa7f800001 = string.unpack("<d", "\0\0\0\x20\0\0\xf0\x7f") } do
      assert.equal(digits, hex(cbor.encode(value)))
      assert.is_true(values.same(value, cbor.decode(unhex(digits))), digits)
    end
  end)

  it("sorts keys by their bytes, so that equal values have equal bytes", function()
    local t = { aa = 1, b = 2, [10] = 3, [100] = 4, [-1] = 5, [false] = 6, ["\xff"] = 7, [0.5] = 8 }
    assert.equal("a80a0318640420054" .. "1ff0761620262616101f406f9380008", hex(cbor.encode(t)))
    local many, other = {}, {}
    for i = 1, 500 do many["key" .. i], many[i * 7] = i, i end
    for i = 500, 1, -1 do other["key" .. i], other[i * 7] = i, i end
    assert.equal(cbor.encode(many), cbor.encode(other))
  end)

  it("keeps more members than it sorts", function()
    local t = {}
    for i = 1, 200001 do t["k" .. i] = i end
    local again = cbor.decode(cbor.encode(t))
    assert.is_true(values.same(t, again))
    assert.equal(cbor.encode(t), cbor.encode(t))
  end)

  it("keeps the mark of arrays", function()
    local array = getmetatable(json.array {})
    local again = cbor.decode(cbor.encode { json.array {}, {}, json.array { 1 }, { 1 },
      json.array { n = 2 } })
    local marks = {}
    for i, t in ipairs(again) do marks[i] = getmetatable(t) == array end
    assert.same({ true, false, true, false, true }, marks)
    assert.equal('[[],{},[1],[1],[null,null]]', json.encode(again))
  end)

  it("keeps cycles, and what is met twice", function()
    local t, twice = { 1 }, { x = 1 }
    t[2], t[3], t[4], twice.y = t, twice, twice, t
    assert.equal("d81c8401d81d00d81ca261780161" .. "79d81d00d81d01", hex(cbor.encode(t)))
    assert.is_true(values.same(t, cbor.decode(cbor.encode(t))))
    local list = {}
    for i = 1, 600 do list[i] = {}; list[i + 600] = list[i] end
    assert.is_true(values.same(list, cbor.decode(cbor.encode(list))))
  end)

  it("keeps the errors of neap", function()
    local err = helper.failure(json.decode, "{")
    local again = cbor.decode(cbor.encode { err })[1]
    assert.is_true(neap.error.is(again))
    assert.equal(tostring(err), tostring(again))
  end)

  it("refuses with the path", function()
    local function path_of(reason, value)
      local err = refused(cbor.encode, value)
      assert.equal(err.path .. " " .. reason, err.message)
      assert.is_false(err.retryable)
      return err.path
    end
    assert.equal("$.llm.chat", path_of("is a function", { llm = { chat = print } }))
    assert.equal("$", path_of("is a coroutine", coroutine.create(print)))
    assert.equal("$[2]", path_of("is a FILE*", { 1, io.stdout }))
    assert.equal("$[true][1.5][-1]", path_of("is a function",
      { [true] = { [1.5] = { [-1] = print } } }))
    assert.equal('$["a b"]', path_of("has a table as a key", { ["a b"] = { [{}] = 1 } }))
    assert.equal("$[1]", path_of("is a neap.Secret, whose text secret:reveal() gives",
      { neap.secret "x" }))
    assert.equal("$", path_of("is a Boat, a class that is not registered",
      setmetatable({}, { __name = "Boat" })))
    assert.equal("$", path_of("has a metatable that is not registered", setmetatable({}, {})))
    assert.equal("$", path_of("is larger than 16 MiB", { ("x"):rep(16 * 1024 * 1024 - 5) }))
    local deep = {}
    for _ = 1, 199 do deep = { deep } end
    assert.is_true(values.same(deep, cbor.decode(cbor.encode(deep))))
    assert.matches("^%$%[1%]", path_of("is nested deeper than 200", { deep }))
  end)

  it("takes 16 MiB", function()
    local text = ("x"):rep(16 * 1024 * 1024 - 6)
    assert.equal(text, cbor.decode(cbor.encode { text })[1])
  end)

  it("wants a value", function()
    assert.equal("bad argument #1 to 'encode' (value expected)", misused(cbor.encode))
    assert.is_nil(cbor.decode(cbor.encode(nil)))
  end)
end)

describe("cbor.decode", function()
  it("tells where bytes are wrong", function()
    for digits, message in pairs {
      [""] = "1: the end comes too early", ["1818ff"] = "3: more bytes after the value",
      ["18"] = "2: the end comes too early", ["6261"] = "3: the end comes too early",
      ["8201"] = "3: the end comes too early", ["9f01"] = "3: the end comes too early",
      ["9bffffffffffffffff"] = "10: the end comes too early",
      ["bb8000000000000000"] = "10: the end comes too early",
      ["7bffffffffffffffff61"] = "11: the end comes too early",
      ["1c"] = "1: no item begins with 0x1c", ["1f"] = "1: no item begins with 0x1f",
      ["df"] = "1: no item begins with 0xdf", ["ff"] = "1: a break with nothing to end",
      ["8201ff"] = "3: a break with nothing to end", ["bf01ff"] = "3: a break with nothing to end",
      ["f818"] = "1: the simple value 24, which means nothing",
      ["61ff"] = "1: a text that is not UTF-8", ["7f61c361bcff"] = "2: a text that is not UTF-8",
      ["7f4161ff"] = "2: a piece of a string that is none",
      ["7f7f6161ffff"] = "2: a piece of a string that is none",
      ["a201010102"] = "4: a key that the map has already",
      ["a2616101416101"] = "5: a key that the map has already",
      ["a30102616101f93c0001"] = "7: a key that the map has already",
      ["bf61620161610261620" .. "3ff"] = "8: a key that the map has already",
      ["a1f97e0001"] = "2: a key that is NaN",
      ["a18001"] = "2: a key that is no string, number or boolean",
      ["a1f601"] = "2: a key that is no string, number or boolean",
      ["81f7"] = "2: undefined has no place in a table",
      ["a101f7"] = "3: undefined has no place in a table",
      ["d81d00"] = "3: a reference to what has not been there before",
      ["d81dd81d00"] = "3: a reference that is no number",
      ["d81cd81c80"] = "3: an item that is shared twice",
      ["d81b8061"] = "3: an object that is no array of two items",
      ["d81b820001"] = "4: an object whose class has no name",
      ["d81b82614100"] = "4: an object of the class A, which is not registered",
      ["d81b826a737065632e506c61696e00"] = "15: an object that is no array or map",
      ["d81b8269737065632e5061697200"] = "14: load of the class spec.Pair has given nil",
      ["d9967101"] = "4: a marked item that is no array or map",
      ["d9d9f700"] = "1: the tag 55799, which is not known",
    } do
      local err = refused(cbor.decode, unhex(digits))
      assert.equal("invalid CBOR at byte " .. message, err.message, digits)
      assert.equal(tonumber(message:match("^%d+")), err.offset)
    end
    local deep = ("\x81"):rep(201) .. "\0"
    assert.equal(201, refused(cbor.decode, deep).offset)
    assert.equal(1, cbor.decode(("\x81"):rep(200) .. "\0")[1] and 1)
    refused(cbor.decode, ("\xd9\x96\x71\x81"):rep(100000))
    assert.equal("bad argument #1 to 'decode' (string expected, got 1)",
      misused(cbor.decode, 1))
  end)

  it("allocates nothing for a length that the bytes cannot fill", function()
    local wrong = ("\x9a\x00\x00\xff\xff"):rep(199) .. ("\0"):rep(65536)
    collectgarbage()
    local before = collectgarbage("count")
    collectgarbage("stop")
    refused(cbor.decode, wrong)
    local used = collectgarbage("count") - before
    collectgarbage("restart")
    assert.is_true(used < 4096, used)
  end)
end)

describe("cbor.type", function()
  it("keeps objects by their fields, with cycles", function()
    local a = setmetatable({}, values.Plain)
    a.me, a.list = a, { a }
    assert.is_true(values.same({ a, a }, cbor.decode(cbor.encode { a, a })))
  end)

  it("keeps what save gives, and makes it again by load", function()
    local list = {}
    for i = 1, 100 do
      list[i] = setmetatable({ left = i, right = list[i - 1] or false }, values.Pair)
      list[i + 100] = list[i]
    end
    assert.is_true(values.same(list, cbor.decode(cbor.encode(list))))
    assert.equal("d81b8269737065632e50616972a165666972737401",
      hex(cbor.encode(setmetatable({ left = 1 }, values.Pair))))
  end)

  it("refuses objects inside of themselves, too deep, and saved as nil", function()
    local a = setmetatable({}, values.Pair)
    a.left = { a }
    assert.equal("$.x.first[1] is an object inside of what is saved of it",
      refused(cbor.encode, { x = a }).message)
    local list = {}
    local Growing = {}
    cbor.type("spec.Growing", Growing, { load = print, save = function()
      list[#list + 1] = setmetatable({}, Growing)
      return 1
    end })
    list[1] = setmetatable({}, Growing)
    assert.equal("$ has more objects each time that some are saved",
      refused(cbor.encode, list).message)
    local Endless, Nothing = {}, {}
    cbor.type("spec.Endless", Endless, {
      save = function() return setmetatable({}, Endless) end, load = print })
    assert.matches("nested deeper", refused(cbor.encode, setmetatable({}, Endless)).message)
    cbor.type("spec.Nothing", Nothing, { save = function() end, load = function() end })
    assert.equal("save of the class spec.Nothing has given nil",
      refused(cbor.encode, setmetatable({}, Nothing)).message)
  end)

  it("lets save and load raise and encode, but not wait", function()
    local Class, act = {}, nil
    cbor.type("spec.Class", Class, {
      save = function() return act() or 1 end,
      load = function() return act() or setmetatable({}, Class) end })
    local object, bytes = setmetatable({}, Class), "\xd8\x1b\x82\x6aspec.Class\x01"
    act = function() error("no", 0) end
    assert.equal("no", misused(cbor.encode, object))
    assert.equal("no", misused(cbor.decode, bytes))
    act = function() return cbor.encode { 1, 2 } end
    assert.equal("\xd8\x1b\x82\x6aspec.Class\x43\x82\x01\x02", cbor.encode(object))
    assert.equal("\x82\x01\x02", cbor.decode(bytes))
    act = function() neap.sleep(0) end
    neap.spawn(function()
      helper.refused("unyieldable", cbor.encode, object)
      helper.refused("unyieldable", cbor.decode, bytes)
    end):await()
  end)

  it("finds keys that a map has twice, whatever load does to it", function()
    local Thief = {}
    cbor.type("spec.Thief", Thief, { save = function() return 1 end, load = function(saved)
      for key in pairs(saved[1]) do saved[1][key] = nil end
      collectgarbage()
      return 1
    end })
    local long = "\x78\x64" .. ("k"):rep(100)
    local thief = "\xd8\x1b\x82\x6aspec.Thief\x81\xd8\x1d\x00"
    local again = cbor.decode("\xd8\x1c\xa3" .. long .. "\1" .. "\x61t" .. thief .. long .. "\2")
    assert.equal(2, again[("k"):rep(100)])
    assert.equal("a key that the map has already", refused(cbor.decode,
      "\xd8\x1c\xa3" .. "\x61t" .. thief .. long .. "\1" .. long .. "\2").message:match(": (.*)"))
  end)

  it("checks its arguments", function()
    local type = cbor.type
    assert.equal("bad argument #1 to 'type' (string expected, got no value)", misused(type))
    assert.equal("bad argument #2 to 'type' (table expected, got no value)", misused(type, "x"))
    assert.equal("bad argument #3 to 'type' (table expected, got 1)",
      misused(type, "x", {}, 1))
    assert.equal("bad argument #3 to 'type' (save and load belong together)",
      misused(type, "x", {}, { save = print }))
    assert.matches("did you mean 'save'", misused(type, "x", {}, { saave = print }))
    assert.matches("save", misused(type, "x", {}, { save = 1, load = print }))
    assert.equal("bad argument #1 to 'type' (another class has this name)",
      misused(type, "spec.Plain", {}))
    assert.equal("bad argument #2 to 'type' (the class has another name)",
      misused(type, "spec.Other", values.Plain))
    assert.equal("bad argument #1 to 'type' (a name is UTF-8 and not empty)",
      misused(type, "\xff", {}))
    type("spec.Plain", values.Plain)
  end)
end)

describe("the variables of a table", function()
  local variables = core.cbor.variables

  it("are encoded each for itself", function()
    local cycle = {}
    cycle[1] = cycle
    local got = variables({ a = 1, b = { 1, 2 }, c = cycle, llm = print }, { llm = true })
    for name, bytes in pairs(got) do got[name] = hex(bytes) end
    assert.same({ a = "01", b = "820102", c = "d81c81d81d00" }, got)
    local inside = { {} }
    inside[2] = inside[1]
    got = variables { x = inside, y = { 1, { 2 } }, z = json.array { inside = 1 } }
    assert.is_true(values.same(inside, cbor.decode(got.x)))
    assert.is_true(values.same({ 1, { 2 } }, cbor.decode(got.y)))
  end)

  it("hold no table together", function()
    local t = { 1 }
    local message = helper.refused("durable", variables, { a = t, b = t }).message
    assert.is_true(message == "shared.a and shared.b hold the same table" or
      message == "shared.b and shared.a hold the same table", message)
    message = helper.refused("durable", variables, { a = { x = { t } }, b = { t } }).message
    assert.is_true(message == "shared.a.x[1] and shared.b hold the same table" or
      message == "shared.b[1] and shared.a hold the same table", message)
  end)

  it("are refused with their path, and have names", function()
    assert.equal("shared.llm.chat is a function",
      helper.refused("durable", variables, { llm = { chat = print } }).message)
    assert.equal("shared has a number as the name of a variable",
      helper.refused("durable", variables, { 1 }).message)
    assert.equal("shared.text is larger than 16 MiB",
      helper.refused("durable", variables, { text = ("x"):rep(17 * 1024 * 1024) }).message)
    assert.matches("table expected", misused(variables, 1))
    assert.matches("table expected", misused(variables, {}, 1))
  end)
end)

describe("CBOR of random values", function()
  it("comes back, and mutated it is a value or an error", function()
    for seed = 1, 300 do
      local ok, err = pcall(values.try, values.random(seed))
      assert(ok, ("seed %d: %s"):format(seed, tostring(err)))
    end
  end)

  it("is the same when each allocation fails once", function()
    local value
    for seed = 1, 100 do
      value = values.table(values.random(seed), 4, {})
      if #cbor.encode(value) > 1500 then break end
    end
    local bytes = cbor.encode(value)
    local n, failures = 0, 1
    while failures > 0 do
      n = n + 1
      collectgarbage("stop") -- Lua drops a finalizer for whose call there is no memory
      memory.fail_at(n)
      local ok, result = pcall(cbor.encode, value)
      local well, again = pcall(cbor.decode, bytes)
      failures = memory.failures()
      memory.fail_at(0)
      collectgarbage("restart")
      assert(ok and result == bytes or not ok and tostring(result):find("memory"), n)
      assert(well and values.same(value, again) or not well and tostring(again):find("memory"), n)
    end
    assert.is_true(n > 10)
  end)

  it("is of one moment, when finalizers change the tables", function()
    local is_over, value, other = false, {}, nil
    for i = 1, 6 do value[i] = { name = "n" .. i, list = { i } } end
    local turns = 0
    local function haunt()
      setmetatable({}, { __gc = function()
        if is_over then return end
        turns = turns + 1
        local i = turns % 6 + 1
        value[i] = { name = turns, [turns] = { turns },
          plain = setmetatable({ left = turns }, values.Plain) }
        value[i].me = value[i]
        other = cbor.encode(value[i])
        haunt()
      end })
    end
    haunt()
    memory.collect_every(1)
    for _ = 1, 10 do
      local again = cbor.decode(cbor.encode(value))
      if #again ~= 6 then is_over = true end
    end
    memory.collect_every(0)
    assert.is_false(is_over)
    is_over = true
    collectgarbage()
    assert.is_true(turns > 10)
    assert.is_true(values.same(value, cbor.decode(cbor.encode(value))))
    assert.is_string(other)
  end)
end)
