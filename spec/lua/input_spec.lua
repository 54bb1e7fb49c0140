-- Asking: the standard input as a file, a pipe and a terminal.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"

-- The words that run a script in a neap of its own.
local function script(code)
  return helper.quote(helper.neap) .. " "
    .. helper.write(helper.tmpdir() .. "/script.lua", 'local neap = require "neap"\n' .. code)
end

local function sh(command)
  local result = helper.run { "sh", "-c", command }
  assert.equal("", result.stderr)
  assert.equal(0, result.status)
  return result.stdout
end

describe("neap.input", function()
  local READ_ALL = [[
    for line in neap.input do io.write("[", line, "]") end
    print(neap.input())
  ]]

  it("gives the lines of a file, then nil", function()
    local file = helper.write(helper.tmpdir() .. "/lines", "one\ntwo\n\nlast")
    assert.equal("[one][two][][last]nil\n", sh(script(READ_ALL) .. " <" .. file))
    assert.equal("nil\n", sh(script(READ_ALL) .. " </dev/null"))
  end)

  it("gives the lines of a pipe, then nil", function()
    assert.equal("[one][two]nil\n", sh("printf 'one\\ntwo\\n' | " .. script(READ_ALL)))
  end)

  it("writes the prompt, and lets others run while it waits", function()
    local out = sh("(sleep 0.3; echo tide) | " .. script [[
      local turns = 0
      neap.spawn_detached(function()
        while true do neap.sleep(0.001) turns = turns + 1 end
      end)
      local line = neap.input("what? ")
      print(line, turns > 20)
    ]])
    assert.equal("what? tide\ttrue\n", out)
  end)

  it("gives each who asks a line, in turn, and loses none of who is cancelled", function()
    local out = sh("(sleep 0.2; printf 'one\\ntwo\\nthree\\n') | " .. script [[
      local tasks = {}
      for i = 1, 4 do tasks[i] = neap.spawn(neap.input) end
      neap.sleep(0.01)
      tasks[1]:cancel()
      pcall(tasks[1].await, tasks[1])
      print(tasks[2]:await(), tasks[3]:await(), tasks[4]:await())
    ]])
    assert.equal("one\ttwo\tthree\n", out)
  end)

  it("leaves the standard input as it was for those who share it", function()
    local out = sh("{ sleep 0.1; echo x; } | { " .. script [[
      local line = neap.input()
      local info = assert(io.open("/proc/self/fdinfo/0")):read("a")
      local flags = tonumber(info:match("flags:%s*(%d+)"), 8)
      print(line, flags & 2048) -- O_NONBLOCK
    ]] .. "; }")
    assert.equal("x\t0\n", out)
  end)

  it("reads what is typed at a terminal", function()
    local command = script [[
      print(neap.isatty(0), neap.input("name? "))
    ]]
    local out = sh("(sleep 0.3; echo moon; sleep 0.3) | script -qec "
      .. helper.quote(command) .. " /dev/null")
    assert.matches("name%? ", out)
    assert.matches("true\tmoon\r?\n", out)
  end)

  it("says so where there is none", function()
    local out = sh(script [[
      print(pcall(neap.input, {}))
    ]])
    assert.matches("bad argument #1 to 'input' %(string expected, got table%)", out)
  end)
end)
