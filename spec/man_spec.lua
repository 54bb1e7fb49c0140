-- What is installed: the manual page, and a neap that works where it was put.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"

local function ask(...)
  return helper.run({ helper.neap, "help", ... }).stdout
end

describe("the manual page", function()
  local page

  setup(function()
    local path = helper.tmpdir() .. "/neap.1"
    local result = helper.run { helper.neap, "lua/man.lua", helper.neap, path }
    assert.equal(0, result.status, result.stderr)
    page = helper.read(path)
  end)

  it("has each command, and all words of its help", function()
    local commands = 0
    local text = page:gsub("\\%-", "-"):gsub("%s+", " ")
    for command in ask():gmatch("\n  (%l+)") do
      commands = commands + 1
      assert.truthy(page:find("\n.SS neap " .. command .. "\n", 1, true), command)
      for line in ask(command):gsub("usage: ", ""):gmatch("[^\n]+") do
        for words in (line .. "  "):gmatch("(%S.-)  +") do
          assert.truthy(text:lower():find(words:lower(), 1, true), words)
        end
      end
    end
    assert.equal(11, commands)
  end)

  it("has each option that a command has, in bold", function()
    for _, command in ipairs { "run", "graph", "check", "runs", "work", "serve", "new" } do
      for option in ask(command):gmatch("\n  (%-%-%l[%l-]*)") do
        assert.truthy(page:find("\n.B " .. option:gsub("%-", "\\-"), 1, true), option)
      end
    end
  end)
end)

describe("cmake --install", function()
  it("gives a neap that finds all it needs", function()
    local prefix = helper.tmpdir()
    local result = helper.run { "cmake", "--install", helper.build, "--prefix", prefix }
    assert.equal(0, result.status, result.stderr)
    assert.truthy(helper.read(prefix .. "/share/man/man1/neap.1"):find("^%.TH NEAP 1"))
    result = helper.run({ prefix .. "/bin/neap", "-e", [[
      local neap = require "neap"
      print(neap.try(neap.http.get, "http://127.0.0.1:1/"))]] },
      { cwd = prefix, env = { LUA_PATH = "", LUA_CPATH = "" } })
    assert.matches("^nil\thttp.get http://127.0.0.1:1/: ", result.stdout, nil, result.stderr)
  end)
end)
