-- The library functions of a sandbox do what Lua's do: both run the same random calls, and
-- print the same.
-- SPDX-License-Identifier: MIT
-- luacheck: max line length 140
local helper = require "spec.helper"

-- A generator of its own, so that both play the same: math.random of a sandbox is seeded by
-- chance.
local PRELUDE = [==[
local state = %d
local function random(n)
  state = (state * 6364136223846793005 + 1442695040888963407)
  return (state >> 33) %% n + 1
end
local function any(list) return list[random(#list)] end
local function show(...)
  local list = table.pack(...)
  for i = 1, list.n do
    list[i] = type(list[i]) == "table" and "a table" or type(list[i]) == "string" and ("%%q"):format(list[i]) or tostring(list[i])
  end
  return table.concat(list, " ")
end
-- The first line of a message, without its place.
local function outcome(ok, ...)
  if ok then return show(...) end
  return "error: " .. tostring((...)):gsub("^[^ ]*:%%d+: ", "")
end
local lines = {}
local function call(f, ...) lines[#lines + 1] = outcome(pcall(f, ...)) end
]==]

local PATTERNS = [==[
local items = { "a", "b", ".", "%%a", "%%d", "%%w", "%%s", "%%u", "%%p", "%%x", "%%g", "%%c", "%%l",
  "%%A", "%%D", "%%z", "%%.", "[ab]", "[^ab]", "[a-c]", "[%%a-z]", "[]]", "[^]]", "[a-]", "[%%]]",
  "[%%d%%s]", "%%b()", "%%bxx", "%%f[%%w]", "%%f[^a]", "%%1", "%%2", "()", "(a)", "(.-)", "(.*)", "(",
  ")", "[", "%%", "%%b", "%%f", "$", "^", "\0", "[\0-a]", "-", "*", "?", "(a*(.)%%w(%%s*))" }
local suffixes = { "", "", "", "", "*", "+", "-", "?" }
local letters = { "a", "b", "c", "x", "(", ")", " ", "1", "]", "-", "A", "\0", "\n", "." }
local replacements = { "", "-", "%%0", "%%1", "%%2%%1", "%%%%", "%%", "%%x", "<%%0>", 7 }
for _ = 1, 1000 do
  local subject, pattern = {}, {}
  for i = 1, random(12) - 1 do subject[i] = any(letters) end
  for i = 1, random(5) do pattern[i] = any(items) .. any(suffixes) end
  subject = table.concat(subject)
  pattern = (random(4) == 1 and "^" or "") .. table.concat(pattern) .. (random(4) == 1 and "$" or "")
  local init = random(9) - 5
  lines[#lines + 1] = show(subject, pattern, init)
  call(string.find, subject, pattern, init)
  call(string.find, subject, pattern, init, true)
  call(string.match, subject, pattern, init)
  call(string.gsub, subject, pattern, any(replacements), random(4) == 1 and random(3) or nil)
  call(string.gsub, subject, pattern, function(...) return random(3) == 1 and "f" or nil end)
  call(string.gsub, subject, pattern, { a = "T", [""] = "E", b = false })
  call(function()
    local all = {}
    for a, b in string.gmatch(subject, pattern, init) do all[#all + 1] = show(a, b) end
    return table.concat(all, ";")
  end)
end
]==]

local TABLES = [==[
local function list()
  local t = {}
  for i = 1, random(9) - 1 do t[i] = random(3) == 1 and "s" .. random(5) or random(9) end
  return t
end
local function proxy(t)
  return setmetatable({}, { __index = t, __len = function() return #t end,
    __newindex = function(_, k, v) t[k] = v end })
end
for _ = 1, 500 do
  local t, u = list(), list()
  local given = random(4) == 1 and proxy(t) or t
  lines[#lines + 1] = show(table.unpack(t))
  call(table.concat, given, any { "", ", " }, random(4) - 1, random(6) - 1)
  call(table.concat, given, ",")
  call(table.insert, given, random(9) - 2, "new")
  call(table.insert, given, "last")
  call(table.remove, given)
  call(table.remove, given, random(9) - 2)
  call(table.move, given, random(5) - 1, random(7) - 1, random(7) - 2)
  call(table.move, given, random(5) - 1, random(7) - 1, random(7) - 2, u)
  call(table.unpack, given, random(4) - 1, random(6) - 1)
  call(table.unpack, given)
  local numbers = {}
  for i = 1, random(40) do numbers[i] = random(20) end
  table.sort(numbers)
  table.sort(numbers, function(a, b) return a > b end)
  lines[#lines + 1] = show(table.unpack(numbers))
  local ok, u2 = pcall(table.unpack, u, 1, 12)
  lines[#lines + 1] = show(ok, u2, table.unpack(t, 1, 12))
end
call(table.sort, { 1, "a" }) call(table.sort, 7) call(table.sort, {}, 7) call(table.concat, 7)
call(table.insert, {}) call(table.insert, {}, 1, 2, 3) call(table.remove, {}, 5)
call(table.concat, { {} }) call(table.concat, { 1, nil, 3 }, "-", 1, 3)
]==]

local TEXTS = [==[
for _ = 1, 200 do
  local s = any { "", "a", "ab", "7" }
  call(string.rep, s, random(5) - 2, any { "", ",", "--" })
  call(string.format, any { "%%5s|", "%%-5s|", "%%.1s", "%%d", "%%5.2f", "%%q", "%%x", "%%c", "%%i",
    "%%%%", "%%s %%s", "%%", "%%y", "%%5", "%%a" }, any { "abc", 7, 1.5, true, "9" }, any { nil, 2 })
  call(string.pack, any { "i4", "s2", "z", "c3", "<i8", ">d", "!4i4", "c", "i17" },
    any { "ab", 7 })
  call(utf8.len, any { "aé", "\xff", "" }, random(3))
  call(utf8.codepoint, "aé", 1, -1) call(utf8.offset, "aé", random(4) - 2)
end
call(tostring) call(string.rep) call(string.format) call(string.find, "a") call(string.gsub, "a", "a")
call(string.gsub, "a", "a", true) call(setmetatable, 1, {}) call(setmetatable, {}, 1)
call(load, "x =") call(load, "return 1", "n", "b") call(function() load() end)
call(load, function() return {} end)
call(function() return math.random(0, -1) end)
]==]

local function both(body, seed)
  local text = PRELUDE:format(seed) .. body:format()
  local folder = helper.tmpdir()
  helper.write(folder .. "/trusted.lua", text .. 'print(table.concat(lines, "\\n"))')
  helper.write(folder .. "/untrusted.lua", ("local neap = require 'neap'\nreturn neap.Flow { "
    .. "start = neap.Node { exec = function()\n%s\nprint(table.concat(lines, '\\n')) end } }"):format(text))
  local trusted = helper.run { helper.neap, folder .. "/trusted.lua" }
  local untrusted = helper.run { helper.neap, "run", "--untrusted", "--quiet", "--compute", "60s",
    "--output", "100M", folder .. "/untrusted.lua" }
  assert.equal("", untrusted.stderr)
  local theirs = untrusted.stdout:gmatch("[^\n]*")
  local last
  for line in trusted.stdout:gmatch("[^\n]*") do
    local other = theirs()
    if line ~= other then assert.equal(line, other, "behind " .. tostring(last)) end
    last = line
  end
  assert.is_true(#trusted.stdout > 1000)
end

describe("in a sandbox", function()
  it("patterns match as Lua's do", function()
    both(PATTERNS, 1)
  end)

  it("tables are worked on as Lua does", function() both(TABLES, 1) end)

  it("texts are made as Lua makes them", function() both(TEXTS, 1) end)
end)
