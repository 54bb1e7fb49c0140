-- JSON for Lua: what decode reads, what encode writes, what both refuse.
-- SPDX-License-Identifier: MIT
--
-- Long, because decode and encode are tried on the same values and texts, each
-- against what the other makes of them.
local neap = require "neap"
local helper = require "spec.helper"
local memory = require "lua_memory"
local json = neap.json
local misused = helper.misused

--- What `f` raises, which must be an error object of code "json".
local function refused(...)
  return helper.refused("json", ...)
end

--- Equal in value, in the subtype of numbers and in being an array.
local function same(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then
    return a == b and math.type(a) == math.type(b)
  end
  if getmetatable(a) ~= getmetatable(b) then
    return false
  end
  for key, value in pairs(a) do
    if not same(value, b[key]) then
      return false
    end
  end
  for key in pairs(b) do
    if a[key] == nil then
      return false
    end
  end
  return true
end

describe("json.null", function()
  it("is one value that says what it is", function()
    assert.equal("null", tostring(json.null))
    assert.is_true(json.null == json.decode("null"))
    assert.is_true(json.null == json.decode("[null]")[1])
    assert.equal("null", json.encode(json.null))
  end)

  it("keeps its place in arrays and objects", function()
    local t = json.decode('[1, null, {"a": null}]')
    assert.equal(3, #t)
    assert.is_true(t[3].a == json.null)
    assert.equal('[1,null,{"a":null}]', json.encode(t))
  end)
end)

describe("json.decode", function()
  it("reads any value at the top", function()
    assert.equal(true, json.decode("true"))
    assert.equal(false, json.decode(" false\n"))
    assert.equal("x", json.decode('"x"'))
    assert.equal(7, json.decode("7"))
    assert.same({ a = { b = "c" } }, json.decode('{"a":{"b":"c"}}'))
  end)

  it("tells integers from reals", function()
    for text, kind in pairs({
      ["1"] = "integer",
      ["-0"] = "integer",
      ["1.0"] = "float",
      ["1e2"] = "float",
      ["-0.0"] = "float",
      ["9223372036854775807"] = "integer",
      ["-9223372036854775808"] = "integer",
    }) do
      assert.equal(kind, math.type(json.decode(text)), text)
    end
    assert.equal(math.maxinteger, json.decode("9223372036854775807"))
    assert.equal(math.mininteger, json.decode("-9223372036854775808"))
    assert.equal(0.1, json.decode("0.1"))
    assert.equal(-math.huge, 1 / json.decode("-0.0"))
  end)

  it("refuses numbers that Lua cannot hold, which are JSON", function()
    local integer = "the integer does not fit 64 bits"
    local real = "the number does not fit a double"
    for text, reason in pairs({
      ["12345678901234567890"] = integer,
      ["9223372036854775808"] = integer,
      ["-9223372036854775809"] = integer,
      ["1e999"] = real,
      ["-1.5E400"] = real,
      [("9"):rep(400) .. ".5"] = real,
    }) do
      local err = refused(json.decode, text)
      assert.equal("JSON at line 1, column 1 (byte 1): " .. reason, err.message)
      err = refused(json.decode, "[1.5,\n  " .. text .. ", 1e2]")
      assert.equal("JSON at line 2, column 3 (byte 9): " .. reason, err.message)
      assert.same({ 2, 3, 9 }, { err.line, err.column, err.offset })
    end
  end)

  it("reads escapes, NUL and surrogate pairs in strings", function()
    assert.equal('a"\\/\b\f\n\r\t', json.decode([["a\"\\\/\b\f\n\r\t"]]))
    assert.equal("a\0b", json.decode([["a\u0000b"]]))
    assert.equal("é€😀", json.decode([["\u00e9\u20AC\ud83d\ude00"]]))
    assert.equal("é€😀", json.decode('"é€😀"'))
  end)

  it("lets the last of equal keys win", function()
    assert.same({ a = 2 }, json.decode('{"a": 1, "a": 2}'))
  end)

  it("reads integers beyond 64 bits as asked", function()
    local text = "[12345678901234567890, -9223372036854775809, 1, 9223372036854775807]"
    local floats = json.decode(text, { big_integers = "float" })
    assert.same({ 12345678901234567890.0, -9223372036854775809.0, 1, math.maxinteger }, floats)
    assert.same({ "float", "float", "integer", "integer" },
      { math.type(floats[1]), math.type(floats[2]), math.type(floats[3]), math.type(floats[4]) })
    local strings = json.decode(text, { big_integers = "string" })
    assert.same({ "12345678901234567890", "-9223372036854775809", 1, math.maxinteger }, strings)
    assert.equal(4, refused(json.decode, "[1,12345678901234567890]", { big_integers = "error" })
      .offset)
    assert.equal("12345678901234567890", json.decode("12345678901234567890",
      { big_integers = "string" }))
    assert.equal(2.0 ^ 64, json.decode(' {"a": 18446744073709551616}',
      { big_integers = "float" }).a)
    -- What is text stays text, and what is no integer stays what it is.
    for _, big_integers in ipairs({ "float", "string" }) do
      local t = json.decode([=[["12345678901234567890", 12345678901234567890.5, "\"",
        {"12345678901234567890": 123456789012345678e2}]]=], { big_integers = big_integers })
      assert.same({ "12345678901234567890", 12345678901234567890.5, '"',
        { ["12345678901234567890"] = 123456789012345678e2 } }, t)
      for _, wrong in ipairs({ "[012345678901234567890]", "[-]", "[12345678901234567890",
        "[12345678901234567890 12345678901234567890]", "[12345678901234567890x]",
        '["12345678901234567890]' }) do
        assert.matches("^invalid JSON", refused(json.decode, wrong,
          { big_integers = big_integers }).message)
      end
    end
    assert.matches("does not fit a double",
      refused(json.decode, ("9"):rep(400), { big_integers = "float" }).message)
  end)

  it("puts U+FFFD for lone surrogates when asked to", function()
    local function replaced(text)
      return json.decode(text, { lone_surrogates = "replace" })
    end
    local r = "\u{FFFD}"
    for text, value in pairs({
      [ [["\ud800"]] ] = r,
      [ [["a\udc00b"]] ] = "a" .. r .. "b",
      [ [["\ud83d\ude00"]] ] = "😀",
      [ [["\ud83d\ud83d\ude00"]] ] = r .. "😀",
      [ [["\ude00\ud83d"]] ] = r .. r,
      [ [["\uD800x\uDFFF"]] ] = r .. "x" .. r,
      [ [["\\ud800"]] ] = "\\ud800",
      [ [["\\\ud800"]] ] = "\\" .. r,
      [ [["\ud800\n"]] ] = r .. "\n",
      [ [["\ud800\u0041"]] ] = r .. "A",
      [ [["é"]] ] = "é",
    }) do
      assert.equal(value, replaced(text), text)
    end
    assert.same({ [r] = 1 }, replaced([[{"\ud800": 1}]]))
    assert.equal(8, refused(json.decode, [=[["ab", "\ud800"]]=], { lone_surrogates = "error" })
      .offset)
    for _, wrong in ipairs({
      [["\ud8]], [["\ud80"]], [["\ud800]], [["\ud800\]], [["\ud800\u12"]],
    }) do
      refused(replaced, wrong)
    end
  end)

  it("tells the place in the text that it was given, whatever it replaces", function()
    local options = { big_integers = "string", lone_surrogates = "replace" }
    local big = "12345678901234567890"
    for text, offset in pairs({
      ["[" .. big .. ", x]"] = 24,
      ["[" .. big .. "," .. big .. "]]"] = 44,
      ["[" .. big] = 22,
      ["[" .. big .. ' "a"]'] = 23,
      ["[" .. big .. ',\n"a\\q"]'] = 26,
      ['["\\ud800", ' .. big .. ', "ab\xFF"]'] = 37,
      ["{" .. big .. ": 1}"] = 2,
      ["[" .. big .. ", 1e999]"] = 24,
    }) do
      assert.equal(offset, refused(json.decode, text, options).offset, text)
      assert.equal(offset, refused(json.decode, text, { big_integers = "string",
        lone_surrogates = text:find "ud800" and "replace" or "error" }).offset, text)
    end
  end)

  it("refuses options it does not know or cannot use", function()
    assert.matches("unknown option 'big_integer'; did you mean 'big_integers'?",
      misused(json.decode, "1", { big_integer = "float" }), 1, true)
    assert.matches("unknown option 'surrogates'", misused(json.decode, "1", { surrogates = 1 }))
    for _, value in ipairs({ "number", 1, true, "" }) do
      assert.matches("bad option 'big_integers' (\"error\", \"float\" or \"string\" expected, got ",
        misused(json.decode, "1", { big_integers = value }), 1, true)
      assert.matches("bad option 'lone_surrogates' (\"error\" or \"replace\" expected, got ",
        misused(json.decode, "1", { lone_surrogates = value }), 1, true)
    end
    assert.matches("json.decode: options expected as a table, got number",
      misused(json.decode, "1", 2), 1, true)
  end)

  it("says where the text stops being JSON", function()
    for _, case in ipairs({
      -- text, line, column, byte, what the message holds
      { "", 1, 1, 1, "end of file" },
      { "  ", 1, 3, 3, "end of file" },
      { "[1,", 1, 4, 4, "end of file" },
      { '["abc', 1, 6, 6, "premature end" },
      { "[1, x]", 1, 5, 5, "'x'" },
      { "[1, 2, nul]", 1, 8, 8, "'nul'" },
      { '{"a": 1 "bcd": 2}', 1, 9, 9, '"bcd"' },
      { '{"a": 1,\n "b": tru\n}', 2, 7, 16, "'tru'" },
      { '["é", é]', 1, 7, 8, "'é'" },
      { '["\\\\", "\\"]", ]', 1, 15, 15, "']'" },
      { "[1,]", 1, 4, 4, "']'" },
      { "[1-2]", 1, 3, 3, "'-2'" },
      { "[1.5e3 2.5E+7]", 1, 8, 8, "'2.5E+7'" },
      { "[1.]", 1, 2, 2, "'1.'" },
      { "[01]", 1, 3, 3, "'0'" },
      { "[1]]", 1, 4, 4, "end of file expected" },
      { "1 2", 1, 3, 3, "end of file expected" },
      { "[NaN]", 1, 2, 2, "'NaN'" },
      { "\xEF\xBB\xBF{}", 1, 1, 1, "invalid token" },
      { '["ab\ncd"]', 1, 5, 5, "newline" },
      { '["ab\1cd"]', 1, 5, 5, "control character" },
      { '["ab\\qcd"]', 1, 5, 5, "invalid escape" },
      { '["ab\\u12g4"]', 1, 5, 5, "invalid escape" },
      { '["ab", "\\ud800"]', 1, 8, 8, "\\uD800" },
      { '["ab\xFF"]', 1, 5, 5, "0xff" },
      { "[1\xFF]", 1, 3, 3, "0xff" },
      { '["ab", \xC3(]', 1, 8, 8, "0xc3" },
      { '"\xED\xA0\x80"', 1, 2, 2, "0xed" },
      { '{"a\\u0000b": 1}', 1, 2, 2, "NUL byte in object key" },
      { "[1\0]", 1, 3, 3, "NUL byte" },
      { "[1]\0", 1, 4, 4, "NUL byte" },
    }) do
      local text, line, column, offset, part = table.unpack(case)
      local err = refused(json.decode, text)
      local name = ("%q"):format(text)
      assert.equal(line, err.line, name)
      assert.equal(column, err.column, name)
      assert.equal(offset, err.offset, name)
      local at = ("invalid JSON at line %d, column %d (byte %d): "):format(
        line, column, offset)
      assert.equal(at, err.message:sub(1, #at))
      assert.truthy(err.message:find(part, #at + 1, true), err.message)
    end
  end)

  it("goes 2048 deep and says so beyond", function()
    local deep = ("["):rep(2048) .. ("]"):rep(2048)
    assert.equal(deep, json.encode(json.decode(deep)))
    local objects = ('{"a":'):rep(2047) .. "{}" .. ("}"):rep(2047)
    assert.equal(objects, json.encode(json.decode(objects)))

    local err = refused(json.decode, "[" .. deep .. "]")
    assert.equal(2049, err.offset)
    assert.equal("JSON at line 1, column 2049 (byte 2049): nested beyond the depth of 2048",
      err.message)
    refused(json.decode, ("["):rep(1000000))
  end)

  it("goes as deep inside a coroutine", function()
    local deep = ("["):rep(2048) .. ("]"):rep(2048)
    local back = coroutine.wrap(function()
      return json.encode(json.decode(deep))
    end)()
    assert.equal(deep, back)
  end)

  it("wants a string", function()
    assert.matches("bad argument #1 to '.*' %(string expected, got no value%)",
      misused(json.decode))
    assert.matches("string expected, got 12", misused(json.decode, 12))
    assert.matches("string expected, got table", misused(json.decode, {}))
  end)
end)

describe("json.encode", function()
  it("writes numbers exactly, reals as reals", function()
    assert.equal("[1,1.0,-0.0,0.1,1e+100]",
      json.encode({ 1, 1.0, -0.0, 0.1, 1e100 }))
    assert.equal("9223372036854775807", json.encode(math.maxinteger))
    assert.equal("-9223372036854775808", json.encode(math.mininteger))
    assert.equal("0.30000000000000004", json.encode(0.1 + 0.2))
    assert.equal("9007199254740992.0", json.encode(2.0 ^ 53))
    for _, x in ipairs({ 2.0 ^ 63, 5e-324, 1.7976931348623157e308, 1 / 3 }) do
      local back = json.decode(json.encode(x))
      assert.equal("float", math.type(back))
      assert.equal(x, back)
    end
  end)

  it("escapes what has to be and nothing else", function()
    assert.equal([["\"\\\b\f\n\r\t\u0000\u001f/]] .. "\x7Fé€😀\"",
      json.encode('"\\\b\f\n\r\t\0\31/\x7Fé€😀'))
    assert.equal([[{"a\"b":1}]], json.encode({ ['a"b'] = 1 }))
  end)

  it("takes 1 to n for an array, strings for an object", function()
    assert.equal('["a",["b"],{"c":[true,false]}]',
      json.encode({ "a", { "b" }, { c = { true, false } } }))
    assert.equal("{}", json.encode({}))
    assert.equal("[]", json.encode(json.array()))
    local backwards = {}
    for i = 5, 1, -1 do
      backwards[i] = i
    end
    assert.equal("[1,2,3,4,5]", json.encode(backwards))
  end)

  it("writes an empty array and an empty object as they were read", function()
    local text = '[[],{},{"a":[]},{"a":{}}]'
    assert.equal(text, json.encode(json.decode(text)))
    local t = json.decode('{"list":[1]}')
    table.remove(t.list)
    assert.equal('{"list":[]}', json.encode(t))
  end)

  it("indents when asked to", function()
    local value = {
      b = { 1, { c = 2 } },
      a = json.array(),
      ["a\1"] = {},
      A = 1,
    }
    assert.equal([[{"A":1,"a":[],"a\u0001":{},"b":[1,{"c":2}]}]], json.encode(value))
    assert.equal([[
{
  "A": 1,
  "a": [],
  "a\u0001": {},
  "b": [
    1,
    {
      "c": 2
    }
  ]
}]], json.encode(value, { indent = 2 }))
    assert.equal("1", json.encode(1, { indent = 31 }))
    assert.equal("[1]", json.encode({ 1 }, { indent = 0, sort_keys = false }))
  end)

  it("sorts by bytes, however many keys there are", function()
    local value = { ["ab"] = 1, ["a"] = 2, ["B"] = 3, ["é"] = 4, [""] = 5 }
    assert.equal('{"":5,"B":3,"a":2,"ab":1,"é":4}', json.encode(value))
    assert.equal('{"":5,"B":3,"a":2,"ab":1,"é":4}',
      json.encode(value, { sort_keys = true }))
    for _, count in ipairs({ 1, 2, 11, 12, 13, 100, 5000 }) do
      local members, many = {}, {}
      for i = 1, count do
        many[("k%04d"):format(i)] = { [("m%04d"):format(count - i)] = i }
        members[i] = ('"k%04d":{"m%04d":%d}'):format(i, count - i, i)
      end
      assert.equal("{" .. table.concat(members, ",") .. "}", json.encode(many))
    end
  end)

  it("writes one text for one value in every process", function()
    -- Lua seeds its hashes anew in each, so that its tables have other orders.
    local program = [[
      local t = {}
      for word in ("model messages temperature max_tokens stream tools user seed stop")
        :gmatch("%S+") do
        t[word] = { role = word, content = { x = 1, y = 2, z = 3 }, name = true }
      end
      io.write(require "neap".json.encode(t))]]
    local first = helper.run({ helper.neap, "-e", program })
    assert.equal(0, first.status, first.stderr)
    for _ = 1, 5 do
      assert.equal(first.stdout, helper.run({ helper.neap, "-e", program }).stdout)
    end
  end)

  it("leaves keys as they come when asked to", function()
    local value = { x = 1, y = { z = 2 } }
    local text = json.encode(value, { sort_keys = false })
    assert.equal(json.encode(value), json.encode(json.decode(text)))
  end)

  it("takes what has a field n for a list of that length, nil for null", function()
    for _, case in ipairs({
      { table.pack(1, 2), "[1,2]" },
      { table.pack(nil, 2, nil), "[null,2,null]" },
      { { 1, n = 3 }, "[1,null,null]" },
      { { [3] = "c", n = 3 }, '[null,null,"c"]' },
      { { a = table.pack("x", nil), b = { table.pack(false) } },
        '{"a":["x",null],"b":[[false]]}' },
      { { table.pack({ n = 1 }) }, '[[{"n":1}]]' },
      { json.array(table.pack()), "[]" },
      { json.array(table.pack(nil, nil)), "[null,null]" },
      { json.array { 1, nil, 3, n = 3 }, "[1,null,3]" },
    }) do
      assert.equal(case[2], json.encode(case[1]))
    end
  end)

  it("takes n for an object's member where there is no item", function()
    assert.equal('{"n":2}', json.encode({ n = 2 }))
    assert.equal('{"a":1,"n":0}', json.encode({ n = 0, a = 1 }))
    assert.equal('{"n":{"n":1}}', json.encode({ n = { n = 1 } }))
    assert.equal('{"n":2}', json.encode(json.decode('{"n": 2}')))
  end)

  it("writes what gather, map, batches and parallels give as lists", function()
    local function id(_, _, x)
      return x
    end
    local post = {}
    local function keep(name)
      return function(_, _, _, results)
        post[name] = results
      end
    end
    neap.BatchNode {
      prep = function() return { 1, 2 } end, exec = id, post = keep "batch",
    }:run()
    local act = neap.Node { post = function() return "went" end }
    neap.parallel { act, act, post = keep "parallel" }:run()
    assert.equal("[1,2]", json.encode(post.batch))
    assert.equal('["went","went"]', json.encode(post.parallel))
    assert.equal("[1,null,3]", json.encode(neap.gather {
      function() return 1 end, function() end, function() return 3 end,
    }))
    assert.equal("[2,4]", json.encode(neap.map({ 1, 2 }, function(x) return 2 * x end)))
  end)

  it("refuses to leave the errors of results out without a word", function()
    local results
    neap.BatchNode {
      on_error = "collect",
      prep = function() return { 1, 2 } end,
      exec = function(_, _, x) return x > 1 and error "no" or x end,
      post = function(_, _, _, given) results = given end,
    }:run()
    local err = refused(json.encode, { results = results })
    assert.equal("$.results", err.path)
    assert.matches("string keys too, such as 'errors'", err.message, 1, true)
    results.errors = nil
    assert.equal("[1,null]", json.encode(results))
  end)

  it("refuses keys with a NUL byte, which decode could not read", function()
    for key, byte in pairs({ ["\0"] = 1, ["\0b"] = 1, ["a\0b"] = 2, ["b\0"] = 2 }) do
      local err = refused(json.encode, { a = { { [key] = 1 } } })
      assert.equal('$.a[1]', err.path)
      assert.matches(("NUL byte (at its byte %d)"):format(byte), err.message, 1, true)
    end
    assert.equal([["a\u0000b"]], json.encode("a\0b"))
  end)

  it("looks at tables as they are, without their metamethods", function()
    local function never()
      error("a metamethod was called")
    end
    local meta = {
      __index = never, __pairs = never, __len = never, __newindex = never, __tostring = never,
      __eq = never, __lt = never, __name = "x",
    }
    assert.equal('{"a":1}', json.encode(setmetatable({ a = 1 }, meta)))
    assert.equal("[1,2]", json.encode(setmetatable({ 1, 2 }, meta)))
    assert.equal("{}", json.encode(setmetatable({}, meta)))
    assert.matches("got the key table", misused(json.encode, 1, { [setmetatable({}, meta)] = 1 }))
  end)

  it("names the path of what JSON cannot say", function()
    local nan <const> = 0 / 0
    for _, case in ipairs({
      { nil, "$", "nil" },
      { print, "$", "a function" },
      { { a = { print } }, "$.a[1]", "a function" },
      { { coroutine.create(print) }, "$[1]", "a thread" },
      { { io.stdout }, "$[1]", "a userdata" },
      { { items = { 1, 2, { name = nan } } }, "$.items[3].name", "NaN" },
      { { x = math.huge }, "$.x", "infinity" },
      { { x = -math.huge }, "$.x", "infinity" },
      { { x = "ab\xFFcd" }, "$.x", "not UTF-8 (at its byte 3)" },
      { { x = "ab\xE2\x82" }, "$.x", "not UTF-8 (at its byte 3)" },
      { { x = { ["\xFF"] = 1 } }, "$.x", "a key is not UTF-8" },
      { { x = { 1, 2, a = 2 } }, "$.x", "string keys too, such as 'a'" },
      { { x = { 1, 2, n = 2, a = 2 } }, "$.x", "string keys too, such as 'a'" },
      { { x = { 1, 2, n = 2.5 } }, "$.x", "string keys too, such as 'n'" },
      { { x = { 1, 2, n = "2" } }, "$.x", "string keys too, such as 'n'" },
      { { x = { 1, 2, n = 1 } }, "$.x", "field n is 1 although it has an item 2" },
      { { x = json.array { n = -1 } }, "$.x", "field n is -1" },
      { { x = { [1] = 1, [3] = 3 } }, "$.x", "without a hole" },
      { { x = { 1, nil, 3 } }, "$.x", "without a hole" },
      { { x = { 1, nil, 3, [10] = 10 } }, "$.x", "without a hole" },
      { { x = { [0] = 1 } }, "$.x", "without a hole" },
      { { x = { [2] = 1, a = 1 } }, "$.x", "without a hole" },
      { { x = { [1.5] = 1 } }, "$.x", "a number as a key" },
      { { x = { [true] = 1 } }, "$.x", "a boolean as a key" },
      { { x = json.array({ a = 0 }) }, "$.x", "string keys too" },
      { { ["a b"] = { ["1"] = print } }, '$["a b"]["1"]', "a function" },
      { { ["a\nb"] = print }, '$["a?b"]', "a function" },
      { { [("é"):rep(100)] = print }, '$["' .. ("é"):rep(20) .. '..."]', "" },
    }) do
      for _, sort_keys in ipairs({ false, true }) do
        local value, path, part = case[1], case[2], case[3]
        local err = refused(json.encode, value, { sort_keys = sort_keys })
        assert.equal(path, err.path)
        assert.is_false(err.retryable)
        local start = ("cannot encode %s: "):format(path)
        assert.equal(start, err.message:sub(1, #start))
        assert.truthy(err.message:find(part, #start + 1, true), err.message)
      end
    end
  end)

  it("refuses every string that is not well-formed UTF-8", function()
    for _, bytes in ipairs({
      "\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xC2", "\xC2 ", "\xE0\x9F\xBF",
      "\xE2\x82", "\xED\xA0\x80", "\xED\xBF\xBF", "\xF0\x8F\xBF\xBF",
      "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xF0\x9F\x98", "\xFE", "\xFF",
    }) do
      local err = refused(json.encode, bytes)
      assert.matches("not UTF-8 (at its byte 1)", err.message, 1, true)
      refused(json.decode, '"' .. bytes .. '"')
    end
    for _, code in ipairs({
      0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFFFF, 0x10000, 0x10FFFF,
    }) do
      local text = utf8.char(code)
      assert.equal('"' .. text .. '"', json.encode(text))
      assert.equal(text, json.decode(json.encode(text)))
    end
  end)

  it("refuses cycles, not what merely occurs twice", function()
    local twice = { 1 }
    assert.equal("[[1],[1]]", json.encode({ twice, twice }))

    local node = { child = { { name = "x" } } }
    node.child[1].parent = node.child
    local err = refused(json.encode, { root = node })
    assert.equal("$.root.child[1].parent", err.path)
    assert.matches("a cycle, it is $.root.child again", err.message, 1, true)
  end)

  it("goes as deep as decode, and keeps the path short", function()
    local deep = {}
    for _ = 1, 2048 do
      deep = { deep }
    end
    local err = refused(json.encode, deep)
    assert.matches("nested deeper than 2048", err.message, 1, true)
    assert.equal("$" .. ("[1]"):rep(10) .. "..." .. ("[1]"):rep(10), err.path)
    assert.equal(4096, #json.encode(deep[1]))
  end)

  it("refuses options it does not know or cannot use", function()
    assert.matches("unknown option 'sortkeys'; did you mean 'sort_keys'?",
      misused(json.encode, 1, { sortkeys = true }), 1, true)
    assert.matches("unknown option 'idnent'; did you mean 'indent'?",
      misused(json.encode, 1, { idnent = 2 }), 1, true)
    assert.matches("options are named; got the key 1", misused(json.encode, 1, { true }))
    for _, indent in ipairs({ -1, 32, 2.5, "2", true }) do
      assert.matches("bad option 'indent' (whole number from 0 to 31 expected, got ",
        misused(json.encode, 1, { indent = indent }), 1, true)
    end
    assert.matches("bad option 'sort_keys' (boolean expected, got 1)",
      misused(json.encode, 1, { sort_keys = 1 }), 1, true)
    assert.matches("json.encode: options expected as a table, got number",
      misused(json.encode, 1, 2), 1, true)
    assert.matches("bad argument #1", misused(json.encode))
  end)
end)

describe("json.array", function()
  it("marks a table and returns it", function()
    local t = {}
    assert.equal(t, json.array(t))
    assert.equal(t, json.array(t))
    assert.equal("[]", json.encode(t))
    assert.equal("[]", json.encode(json.array(nil)))
  end)

  it("makes a new table each time", function()
    assert.is_false(rawequal(json.array(), json.array()))
  end)

  it("leaves tables alone that have a metatable", function()
    assert.matches("metatable", misused(json.array, setmetatable({}, {})))
    assert.matches("table expected, got string", misused(json.array, "x"))
  end)
end)

describe("json.object", function()
  local keys = { "model", "tools", "messages" }

  it("has the keys of a table written in an order, and returns it", function()
    local t = { messages = 1, tools = 2, model = 3 }
    assert.equal(t, json.object(t, keys))
    assert.equal('{"model":3,"tools":2,"messages":1}', json.encode(t))
    assert.equal('{"model":3,"tools":2,"messages":1}', json.encode(t, { sort_keys = false }))
    assert.equal("{\n \"model\": 3,\n \"tools\": 2,\n \"messages\": 1\n}",
      json.encode(t, { indent = 1 }))
  end)

  it("sorts keys that the order does not name behind those that it names", function()
    local t = json.object({ z = 1, a = 2, messages = 3, model = 4 }, keys)
    assert.equal('{"model":4,"messages":3,"a":2,"z":1}', json.encode(t))
    assert.equal('{"a":1,"b":2}', json.encode(json.object({ b = 2, a = 1 }, {})))
  end)

  it("orders many keys, and tables in one another each by its own", function()
    local t, order, text = {}, {}, {}
    for i = 1, 40 do
      order[i] = "k" .. 41 - i
      t[order[i]] = i
      text[i] = ('"k%d":%d'):format(41 - i, i)
    end
    assert.equal("{" .. table.concat(text, ",") .. "}", json.encode(json.object(t, order)))
    local inner = json.object({ a = 1, b = 2 }, { "b", "a" })
    assert.equal('{"z":{"b":2,"a":1},"y":{"a":1,"b":2}}',
      json.encode(json.object({ y = { b = 2, a = 1 }, z = inner }, { "z", "y" })))
  end)

  it("makes a new table, and another order of an old one", function()
    local t = json.object(nil, { "b", "a" })
    t.a, t.b = 1, 2
    assert.equal('{"b":2,"a":1}', json.encode(t))
    assert.equal('{"a":1,"b":2}', json.encode(json.object(t, { "a", "b" })))
    assert.equal("{}", json.encode(json.object(nil, { "a" })))
  end)

  it("refuses what is no list of names, and tables that have a metatable", function()
    assert.matches("table expected, got nil", misused(json.object, {}))
    assert.matches("list of strings", misused(json.object, {}, { 1 }))
    assert.matches("metatable", misused(json.object, setmetatable({}, {}), {}))
    assert.matches("metatable", misused(json.object, json.array {}, {}))
    assert.matches("table expected, got string", misused(json.object, "x", {}))
  end)
end)

describe("json under a locale with another decimal point", function()
  local before
  before_each(function()
    before = os.setlocale(nil, "numeric")
  end)
  after_each(function()
    os.setlocale(before, "numeric")
  end)

  for _, locale in ipairs({ "de_DE.UTF-8", "ps_AF.UTF-8" }) do
    it("writes and reads a point: " .. locale, function()
      if not os.setlocale(locale, "numeric") then
        pending("the locale " .. locale .. " is not installed")
        return
      end
      assert.not_equal("0.5", ("%.1f"):format(0.5))
      assert.equal("[0.5,1.0,1e+30]", json.encode({ 0.5, 1.0, 1e30 }))
      assert.equal(0.1 + 0.2, json.decode("0.30000000000000004"))
      refused(json.decode, "[0,5 ")
    end)
  end
end)

describe("json", function()
  local random

  before_each(function()
    -- A generator of its own, so that the cases are the same everywhere.
    local state = 20240229
    function random(n)
      state = (state * 6364136223846793005 + 1442695040888963407)
      return (state >> 33) % n + 1
    end
  end)

  local function random_string()
    local codes = {}
    for i = 1, random(12) - 1 do
      local top = ({ 0x20, 0x80, 0x800, 0xD800, 0x10FFFF - 0xE000 })[random(5)]
      codes[i] = random(top) - 1 + (top > 0xD800 and 0xE000 or 0)
    end
    return utf8.char(table.unpack(codes))
  end

  local function random_float()
    local x
    repeat
      local bits = random(1 << 31) << 33 | random(1 << 31) << 2 | random(4) - 1
      x = string.unpack("d", string.pack("i8", bits))
    until x == x and x ~= math.huge and x ~= -math.huge
    return x
  end

  local function random_value(depth)
    local kind = random(depth > 0 and 8 or 6)
    if kind == 1 then
      return json.null
    elseif kind == 2 then
      return random(2) == 1
    elseif kind == 3 then
      return (random(1 << 31) << 33 | random(1 << 31)) >> random(64) - 1
    elseif kind == 4 then
      return random_float()
    elseif kind <= 6 then
      return random_string()
    end
    local t = kind == 7 and json.array() or {}
    for i = 1, random(7) - 1 do
      t[kind == 7 and i or random_string():gsub("\0", "")] =
        random_value(depth - 1)
    end
    return t
  end

  it("reads back what it wrote", function()
    for _ = 1, 2000 do
      local value = random_value(5)
      local text = json.encode(value, {
        indent = random(4) - 1,
        sort_keys = random(2) == 1,
      })
      assert.is_true(same(value, json.decode(text)), text)
    end
  end)

  it("writes one text for one value", function()
    for _ = 1, 500 do
      local text = json.encode(random_value(4))
      assert.equal(text, json.encode(json.decode(text)))
    end
  end)

  -- A text that is JSON, as others write it: with spaces, escapes, keys twice, numbers
  -- of any form.
  local function random_text(depth)
    local function space()
      return ({ "", "", " ", "\n\t" })[random(4)]
    end
    local function text_of_string()
      local parts = {}
      for i = 1, random(6) - 1 do
        parts[i] = ({
          "a", "é", "\\n", "\\/", "\\u0041", "\\ud83d\\ude00", "\\u00e9", '\\"', "\\\\", "n", "1",
          "\\ud800", "\\udfff", "\\uFFFF",
        })[random(14)]
      end
      return '"' .. table.concat(parts) .. '"'
    end
    local kind = random(depth > 0 and 8 or 5)
    if kind == 1 then
      return ({ "null", "true", "false" })[random(3)]
    elseif kind <= 3 then
      return ({ "", "-" })[random(2)] .. ({ "0", "1", "12", tostring(random(1 << 30)),
        "9223372036854775807", "9223372036854775808", "123456789012345678901234" })[random(7)]
        .. ({ "", "", ".0", ".125", "e3", "E-7", ".5e+2" })[random(7)]
    elseif kind <= 5 then
      return text_of_string()
    end
    local items = {}
    for i = 1, random(6) - 1 do
      items[i] = space() .. (kind == 6 and "" or ({ text_of_string(), '"n"', '"1"' })[random(3)]
        .. space() .. ":" .. space()) .. random_text(depth - 1) .. space()
    end
    local text = table.concat(items, ",")
    return kind == 6 and "[" .. text .. "]" or "{" .. text .. "}"
  end

  it("writes what it reads so that nothing changes when it is read again", function()
    for _ = 1, 3000 do
      local text = random_text(5)
      for _, big_integers in ipairs({ "float", "string" }) do
        local options = { big_integers = big_integers, lone_surrogates = "replace" }
        local value = json.decode(text, options)
        local once = json.encode(value)
        local back = json.decode(once)
        assert.is_true(same(value, back), text)
        assert.equal(once, json.encode(back))
      end
    end
  end)

  it("survives damaged text, with a place inside it", function()
    local failures = 0
    for _ = 1, 5000 do
      local text = json.encode(random_value(4), { indent = random(2) - 1 })
      local at = random(#text)
      local damaged = text:sub(1, at - 1) .. string.char(random(256) - 1)
        .. text:sub(at + random(3) - 1)
      local ok, err = pcall(json.decode, damaged)
      if not ok then
        failures = failures + 1
        assert.equal("json", err.code, damaged)
        assert.is_true(err.offset >= 1 and err.offset <= #damaged + 1, damaged)
        local before = damaged:sub(1, err.offset - 1)
        local _, newlines = before:gsub("\n", "")
        assert.equal(newlines + 1, err.line)
        local line = before:match("[^\n]*$")
        assert.equal(select(2, line:gsub("[^\x80-\xBF]", "")) + 1, err.column)
      end
    end
    assert.is_true(failures > 1000, "hardly any damage was noticed")
  end)

  it("carries 5 MB in one string", function()
    local text = ("naïve \"line\"\n"):rep(400000)
    assert.is_true(text == json.decode(json.encode({ text }))[1])
  end)

  describe("stands finalizers", function()
    -- Each finalizer makes the next, so that one runs in every collection, and there is
    -- a collection at each allocation of encode.
    local meta, act = {}, nil
    function meta.__gc()
      if act then
        setmetatable({}, meta)
        act()
      end
    end

    -- Calls f while finalizers call `change`; gives what pcall would.
    local function disturb(change, f, ...)
      local acts = 0
      act = function()
        acts = acts + 1
        change()
      end
      setmetatable({}, meta)
      memory.collect_every(1)
      local ok, result = pcall(f, ...)
      memory.collect_every(0)
      act = nil
      assert.is_true(acts > 0, "no finalizer ran")
      return ok, result
    end

    -- Has `change` called at each allocation while encode works on what `make` gives;
    -- each text that comes is JSON.
    local function encode_while(make, change)
      for _ = 1, 10 do
        local value = make()
        local ok, result = disturb(function() change(value) end, json.encode, value)
        if ok then
          json.decode(result)
        else
          assert.equal("json", result.code, tostring(result))
        end
      end
    end

    local function object()
      local value = {}
      for i = 1, 40 do
        value["key" .. i] = { [("x"):rep(100) .. i] = { a = i, b = { "y", z = nil } } }
      end
      return value
    end

    it("that empty an object", function()
      encode_while(object, function(value)
        for key, inner in pairs(value) do
          for name in pairs(inner) do inner[name] = nil end
          value[key] = nil
        end
      end)
    end)

    it("that add to an object", function()
      local count = 0
      encode_while(object, function(value)
        for _ = 1, 20 do
          count = count + 1
          value["more" .. count] = { count }
        end
      end)
    end)

    it("that make a list an object, and an object a list", function()
      encode_while(object, function(value)
        for key, inner in pairs(value) do
          value[key] = { { key }, inner }
          inner[1] = 1
        end
      end)
    end)

    it("that shorten and lengthen a list", function()
      local function list()
        local value = table.pack()
        for i = 1, 100 do value[i] = { ("x"):rep(100) .. i } end
        value.n = 100
        return value
      end
      local flip = false
      encode_while(list, function(value)
        flip = not flip
        for i = 1, 50 do
          value[i] = nil
          if flip then value[100 + i] = i end
        end
      end)
    end)

    it("that encode and decode themselves", function()
      encode_while(object, function()
        json.decode(json.encode({ a = { b = { 1, 2, 3 } } }))
      end)
    end)

    it("that run while decode makes tables", function()
      local text = json.encode { object(), { 1, 2 }, "x" }
      local ok, value = disturb(function() json.decode("[1,2]") end, json.decode, text)
      assert.is_true(ok, value)
      assert.equal(text, json.encode(value))
    end)
  end)
end)
