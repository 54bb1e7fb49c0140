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

-- Runs a script that does the typing itself, into the file `typed`, when it likes.
local function sh_typing(code)
  local pipe = helper.tmpdir() .. "/pipe"
  return sh("mkfifo " .. pipe .. "; " .. script([[
    local typed = assert(io.open(arg[1], "w"))
    typed:setvbuf("no")
  ]] .. code) .. " " .. pipe .. " <>" .. pipe)
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
    local out = sh_typing [[
      local turns = 0
      neap.spawn_detached(function()
        while turns < 20 do neap.sleep(0.001) turns = turns + 1 end
        typed:write("tide\n")
      end)
      local line = neap.input("what? ")
      print(line, turns)
    ]]
    assert.equal("what? tide\t20\n", out)
  end)

  it("gives each who asks a line, in turn, and loses none of who is cancelled", function()
    local out = sh_typing [[
      local tasks = {}
      for i = 1, 4 do tasks[i] = neap.spawn(neap.input) end
      neap.sleep(0.01)
      tasks[1]:cancel()
      pcall(tasks[1].await, tasks[1])
      typed:write("one\ntwo\nthree\n")
      print(tasks[2]:await(), tasks[3]:await(), tasks[4]:await())
    ]]
    assert.equal("one\ttwo\tthree\n", out)
  end)

  -- Lines come, whole or in pieces, and who waits for them is cancelled in the same turn,
  -- or one, two and more steps later.
  it("loses no line of who is cancelled at any step, by itself or through a task", function()
    local out = sh_typing [[
      local testing = neap.testing

      local ways = {
        alone = function() return neap.input() end,
        timeout = function() return neap.timeout(3600, neap.input) end,
        race = function()
          return (neap.race { neap.input, function() neap.sleep(3600) end })
        end,
        gather = function() return neap.gather({ neap.input })[1] end,
        await = function() return neap.spawn(neap.input):await() end,
      }

      -- Types pieces, has others go so many steps after each, and cancels who asks after
      -- `steps` in all. Gives the lines, and what had been got by then.
      local function try(way, steps)
        local got = {}
        local function ask()
          while #got < 3 do got[#got + 1] = way() end
        end
        local first = neap.spawn(ask)
        local before
        for _, piece in ipairs { "one\ntw", "o\n", "thr", "ee\n" } do
          typed:write(piece)
          for _ = 1, 10 do
            if steps == 0 then
              first:cancel()
              before = #got
            end
            testing.step()
            steps = steps - 1
          end
        end
        pcall(first.await, first)
        ask()
        return table.concat(got, " "), before
      end

      local function sweep(name, way)
        local reached = {}
        for steps = 0, 39 do
          testing.run(function()
            local got, before = try(way, steps)
            assert(got == "one two three",
              ("%s, cancelled after %d steps: %s"):format(name, steps, got))
            reached[before] = true
          end)
        end
        print(name, reached[0], reached[1], reached[2], reached[3])
      end

      for _, name in ipairs { "alone", "timeout", "race", "gather", "await" } do
        sweep(name, ways[name])
      end
    ]]
    for _, name in ipairs { "alone", "timeout", "race", "gather", "await" } do
      assert.matches(name .. ("\ttrue"):rep(4) .. "\n", out, 1, true)
    end
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
