-- What a script of the sandbox reaches, and why none of it works without an end.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local json = require "neap.json"

-- For each function that a script finds, by name or by a pattern of names: what bounds it.
local STACK <const> = "its arguments and results are on the stack, a million at most"
local STEPS <const> = "counts steps; text.c, search.c, tables.c"
local SIZE <const> = "takes strings of 16 MiB at most; text.c"
local ONE <const> = "does one thing"
local LUA <const> = "calls what Lua's hook sees"
local reached = {
  ["^assert$"] = ONE, ["^error$"] = ONE, ["^type$"] = ONE, ["^rawequal$"] = ONE,
  ["^rawget$"] = ONE, ["^rawset$"] = ONE, ["^rawlen$"] = ONE, ["^getmetatable$"] = ONE,
  ["^setmetatable$"] = ONE, ["^next$"] = "one pass of a table at most", ["^ipairs$"] = LUA,
  ["^pairs$"] = LUA, ["^pcall$"] = LUA, ["^xpcall$"] = LUA, ["^select$"] = STACK,
  ["^tostring$"] = LUA, ["^tonumber$"] = SIZE, ["^collectgarbage$"] = "counts only",
  ["^load$"] = "1 MiB, and counts steps; chunk.c", ["^require$"] = "as load",
  ["^print$"] = "the limit of output", ["^warn$"] = "the limit of output",
  ["^math%."] = "one thing for each argument", ["^os%.clock$"] = ONE, ["^os%.time$"] = ONE,
  ["^os%.difftime$"] = ONE, ["^os%.date$"] = "a format of 16 KiB at most; text.c",
  ["^coroutine%."] = "one thing, or what Lua's hook sees; coroutines.c",
  ["^string%.byte$"] = STACK, ["^string%.char$"] = STACK, ["^string%.len$"] = ONE,
  ["^string%.sub$"] = SIZE, ["^string%.find$"] = STEPS, ["^string%.match$"] = STEPS,
  ["^string%.gmatch$"] = STEPS, ["^string%.gsub$"] = STEPS, ["^string%.rep$"] = STEPS,
  ["^string%.format$"] = SIZE, ["^string%.lower$"] = SIZE, ["^string%.upper$"] = SIZE,
  ["^string%.reverse$"] = SIZE, ["^string%.pack$"] = SIZE, ["^string%.packsize$"] = SIZE,
  ["^string%.unpack$"] = SIZE, ["^table%.pack$"] = STACK, ["^table%.concat$"] = STEPS,
  ["^table%.insert$"] = STEPS, ["^table%.move$"] = STEPS, ["^table%.remove$"] = STEPS,
  ["^table%.sort$"] = STEPS, ["^table%.unpack$"] = STEPS, ["^utf8%.char$"] = STACK,
  ["^utf8%.codepoint$"] = SIZE, ["^utf8%.codes$"] = SIZE, ["^utf8%.len$"] = SIZE,
  ["^utf8%.offset$"] = SIZE,
  ["^neap%.json%.decode$"] = "4 MiB", ["^neap%.json%.encode$"] = "looks at the time",
  ["^neap%.json%.array$"] = ONE, ["^neap%.json%.object$"] = "one pass of a list",
  ["^neap%.llm%.nearest$"] = "looks at the time", ["^neap%.llm%.vector$"] = "one pass of a list",
  ["^neap%.[^.]+$"] = "Lua, or one thing", ["^neap%.error%."] = LUA,
  ["^neap%.llm%."] = "Lua", ["^neap%.mcp%."] = "Lua", ["^neap%.summary%."] = "Lua",
  ["^neap%.http%."] = "waits", ["^neap%.fs%."] = "waits", ["^neap%.net%."] = "waits",
  ["^neap%.process%."] = "waits", ["^neap%.stream%."] = "waits",
}

-- Gives the names of all functions that the globals and neap's modules have in them.
local WALK <const> = [[
  local seen, list = {}, {}
  local function walk(value, path)
    if seen[value] or type(value) ~= "function" and type(value) ~= "table" then return end
    seen[value] = true
    if type(value) == "function" then list[#list + 1] = path return end
    for key, inner in next, value do
      if type(key) == "string" then walk(inner, path and path .. "." .. key or key) end
    end
  end
  for _, name in ipairs { "error", "fs", "http", "json", "llm", "mcp", "net", "process",
    "stream", "summary" } do
    assert(neap[name])
  end
  walk(_G) walk(neap, "neap")
  for name, f in next, string do assert(("")[name] == f, name) end
  shared.list = list
]]

describe("the functions that a sandboxed script reaches", function()
  local function run(body)
    local file = helper.write(helper.tmpdir() .. "/plan.lua", "local neap = require 'neap' return "
      .. "neap.Flow { start = neap.Node { exec = function(self, shared) " .. body .. " end } }")
    local result = helper.run({ helper.neap, "run", "--untrusted", "--json", "--quiet", "--grant",
      "clock", "--compute", "5s", "--memory", "256M", file }, { timeout = 60 })
    return json.decode(result.stdout)
  end

  it("are known, each with what bounds its work", function()
    local list, used = run(WALK).shared.list, {}
    assert.is_true(#list > 100)
    for _, name in ipairs(list) do
      local is_known = false
      for pattern in pairs(reached) do
        if name:find(pattern) then is_known, used[pattern] = true, true end
      end
      assert.is_true(is_known, name)
    end
    for pattern in pairs(reached) do assert.is_true(used[pattern], pattern) end
  end)

  it("take no string of more than 16 MiB", function()
    for _, call in ipairs { "s:sub(2)", "s:byte(5)", "utf8.codes(s)", "utf8.offset(s, 1)",
      "utf8.codepoint(s)", "tonumber(s)", "tonumber(s, 10)", "os.date(s)",
      "os.date(('%c'):rep(2^13 + 1))", "string.unpack('b', s)", "s:lower()" } do
      local outcome = run("local s = ('1'):rep(2^23) s = s .. s .. '1' " .. call)
      assert.equal("limit", outcome.error and outcome.error.code, call)
    end
    local outcome = run [[
      assert(tonumber "12" == 12 and tonumber("z", 36) == 35 and not tonumber {})
      assert(os.date("!%Y", 0) == "1970" and ("abc"):sub(2) == "bc" and ("abc"):byte(-1) == 99)
      local n = 0 for _, c in utf8.codes "aé" do n = n + c end assert(n == 97 + 233)
      assert(not pcall(tonumber))]]
    assert.is_nil(outcome.error)
  end)
end)
