-- A script that is edited while a program in C runs it.
-- SPDX-License-Identifier: MIT
local foreign = require "spec.foreign"
local helper = require "spec.helper"
local neap = require "neap"

-- Saves a file as most editors do.
local function save(path, text)
  helper.write(path .. "~", text)
  assert(os.rename(path .. "~", path))
end

describe("the program whose script is edited", function()
  it("goes on with what is whole, and is built by the one line in its README", function()
    local folder = foreign.example(foreign.install(), "reload.*", "reload")
    local script = folder .. "/reload.lua"
    local text = helper.read(script):gsub("sleep%(0%.5%)", "sleep(0.01)")
    save(script, text)

    local process <close> = neap.process.spawn { folder .. "/reload", "reload.lua", cwd = folder,
      stdin = "null", stderr = "stdout" }
    -- Reads on to a line that matches; gives it, and the guests before it.
    local function read_to(pattern)
      local guests = 0
      while true do
        local got = neap.timeout(30, function() return process.stdout:read() end)
        if not got then error("the program has ended before " .. pattern) end
        if got:find(pattern) then return got, guests end
        if got:find "guest" then guests = guests + 1 end
      end
    end

    assert.equal("loaded reload.lua", (read_to "loaded"))
    assert.equal("hello, guest 1", (read_to "guest"))
    save(script, "return = 1")
    assert.equal("not taken over: reload.lua:1: unexpected symbol near '='",
      (read_to "not taken over"))
    assert.matches("^hello, guest %d+$", (read_to "guest"))
    save(script, "error 'half a thought'")
    assert.equal("not taken over: reload.lua:1: half a thought", (read_to "not taken over"))
    assert.matches("^hello, guest %d+$", (read_to "guest"))
    save(script, (text:gsub("hello", "welcome")))
    assert.equal("loaded reload.lua", (read_to "loaded"))
    local got, before = read_to "^welcome, guest %d+$"
    assert.is_true(before <= 1, got) -- the one who was there
    save(script, (text:gsub("say%b()", "error('no voice', 0)")))
    assert.equal("welcome > greet: no voice", (read_to "no voice"))
  end)
end)
