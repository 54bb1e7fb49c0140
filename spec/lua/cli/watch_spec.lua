-- `neap watch`: what runs, and what takes over when the text changes.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local neap = require "neap"
local sources = require "neap.cli.sources"

-- A script that says its number, waits, and says how it ended. From when it has said the
-- first, it may be ended.
local WAIT = [[
local neap = require "neap"
local version = %s
local _ <close> = setmetatable({}, { __close = function() print("cleans", version) end })
print("begins", version)
io.stdout:flush()
neap.sleep(1000)
]]

local FLOW = [[
local neap = require "neap"
local node = neap.Node { name = "node", exec = function()
  print("walks", "%s") io.stdout:flush()
  neap.sleep(1000)
end, post = function() return "%s" end }
return neap.Flow { name = "flow", start = node, node - "on" >> neap.END }
]]

local function wait_script(number) return WAIT:format(number) end

-- Writes a file as most editors do.
local function save(path, text)
  helper.write(path .. "~", text)
  assert(os.rename(path .. "~", path))
end

describe("neap watch", function()
  local folder

  before_each(function() folder = helper.tmpdir() end)
  after_each(helper.cleanup)

  -- Starts `neap watch`, with all that it prints on one stream.
  local function watch(...)
    local given = { helper.neap, "watch", ... }
    given.cwd, given.stdin, given.stderr = folder, "null", "stdout"
    return neap.process.spawn(given)
  end

  -- Expects these lines next, in this order.
  local function expect(process, ...)
    for _, line in ipairs { ... } do
      local got = neap.timeout(30, function() return process.stdout:read() end)
      if got ~= line then assert.matches(line, tostring(got)) end
    end
  end

  it("runs the script anew when its file is replaced or written to", function()
    save(folder .. "/a.lua", wait_script "...")
    local process <close> = watch("a.lua", "x")
    expect(process, "begins\tx")
    save(folder .. "/a.lua", wait_script "2")
    expect(process, "cleans\tx", "neap: watch: a.lua has changed; it is run anew", "begins\t2")
    helper.write(folder .. "/a.lua", wait_script "3")
    expect(process, "cleans\t2", "neap: watch: a.lua has changed; it is run anew", "begins\t3")
    process:kill "INT"
    expect(process, "cleans\t3")
    assert.same({ ok = false, code = 130 }, process:wait())
  end)

  it("leaves what runs alone when the new text does not compile", function()
    save(folder .. "/a.lua", wait_script "1")
    local process <close> = watch "a.lua"
    expect(process, "begins\t1")
    save(folder .. "/a.lua", "x = = 1")
    expect(process, "neap: watch: a.lua:1: unexpected symbol near '='",
      "neap: watch: the version before goes on")
    save(folder .. "/a.lua", wait_script "2")
    expect(process, "cleans\t1", "neap: watch: a.lua has changed; it is run anew", "begins\t2")
  end)

  it("watches the modules of the script, also those that come later", function()
    save(folder .. "/sub/a.lua", 'local m = require "deep.m"\n' .. wait_script "m")
    save(folder .. "/deep/m.lua", "return 1")
    local process <close> = watch "sub/a.lua"
    expect(process, "begins\t1")
    save(folder .. "/deep/m.lua", "return =")
    expect(process, "neap: watch: deep/m.lua:1: unexpected symbol near '='",
      "neap: watch: the version before goes on")
    save(folder .. "/deep/m.lua", "return require 'deep.n'")
    expect(process, "cleans\t1", "neap: watch: sub/a.lua has changed; it is run anew",
      "neap: .*module 'deep.n' not found:")
    repeat
      local line = neap.timeout(30, function() return process.stdout:read() end)
    until line == "neap: watch: sub/a.lua has ended with status 1; waiting for a change"
    save(folder .. "/deep/n.lua", "return 'late'")
    expect(process, "neap: watch: sub/a.lua has changed; it is run anew", "begins\tlate")
  end)

  it("runs a flow, and looks at the next version as neap check does", function()
    save(folder .. "/f.lua", FLOW:format("one", "on"))
    local process <close> = watch("run", "f.lua", "--quiet")
    expect(process, "walks\tone")
    save(folder .. "/f.lua", FLOW:format("two", "off"))
    expect(process, "neap: watch: f.lua: dead%-end: flow > node: no successor for 'off' ",
      "f.lua: never%-taken: ", "neap: watch: the version before goes on")
    save(folder .. "/f.lua", "error 'set-up'")
    expect(process, "neap: watch: f.lua:1: set%-up", "neap: watch: the version before goes on")
    save(folder .. "/f.lua", FLOW:format("three", "on"))
    expect(process, "neap: cancelled in flow > node", "neap: watch: f.lua has changed; it is run",
      "walks\tthree")
  end)

  it("checks a script that works only as the main one", function()
    local script = [[
      local neap = require "neap"
      local node = neap.Node { name = "node", exec = function() neap.sleep(1000) end }
      local flow = neap.Flow { name = "flow", start = %s }
      if neap.is_main() then print "begins" io.stdout:flush() flow:run() end
      return flow]]
    save(folder .. "/a.lua", script:format "node")
    local process <close> = watch "a.lua"
    expect(process, "begins")
    save(folder .. "/a.lua", script:format "nil")
    expect(process, "neap: watch: a.lua: no%-start: flow: the flow has no start",
      "neap: watch: the version before goes on")
  end)

  it("ends a script that computes without an end", function()
    save(folder .. "/a.lua", "print 'begins' io.stdout:flush() while true do end")
    local process <close> = watch "a.lua"
    expect(process, "begins")
    save(folder .. "/a.lua", "print 'short'")
    expect(process, "neap: watch: a.lua has changed; it is run anew", "short",
      "neap: watch: a.lua has ended with status 0; waiting for a change")
  end)

  it("waits while the file is empty or only its time has changed", function()
    save(folder .. "/a.lua", wait_script "1")
    local process <close> = watch "a.lua"
    expect(process, "begins\t1")
    helper.write(folder .. "/a.lua", "")
    neap.sleep(0.2)
    helper.write(folder .. "/a.lua", wait_script "1")
    neap.sleep(0.2)
    save(folder .. "/a.lua", wait_script "2")
    expect(process, "cleans\t1", "neap: watch: a.lua has changed; it is run anew", "begins\t2")
  end)

  it("refuses what cannot be watched", function()
    local function refused(...)
      local result = helper.run({ helper.neap, "watch", ... }, { timeout = 20 })
      return result.stderr:match "^neap: watch: ([^\n]*)", result.status
    end
    assert.same({ "a FILE expected", 2 }, { refused() })
    assert.same({ "standard input cannot be watched", 2 }, { refused "-" })
    assert.same({ "unknown option '--json'", 2 }, { refused("--json", "a.lua") })
    assert.same({ "unknown option '--jsn'; did you mean '--json'?", 2 },
      { refused("run", "a.lua", "--jsn") })
    assert.same({ "cannot read none.lua: no such file or directory", 1 }, { refused "none.lua" })
  end)
end)

describe("the sources of a script", function()
  it("that is checked return something, and do their work as the main script", function()
    local function is_checked(text) return sources.is_for_commands { { text = text } } end
    local main = "if neap.is_main() then flow:run() end "
    assert.is_true(is_checked(main .. "return flow"))
    assert.is_true(is_checked("#!/usr/bin/env neap\n" .. main .. "return flow -- the flow"))
    assert.is_false(is_checked(main))
    assert.is_false(is_checked "return flow")
    assert.is_false(is_checked(main .. "local function f() return flow end"))
  end)
end)
