-- Errors about arguments: one name for a function, however it was called.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local neap = require "neap"

-- What a function that is called by a name of its own says to these arguments.
local function complaints(f, ...)
  local other_name = f
  local _, by_pcall = pcall(f, ...)
  local _, by_name = pcall(function(...) other_name(...) end, ...)
  return tostring(by_pcall), (tostring(by_name):gsub("^[^:]+:%d+: ", ""))
end

describe("an error about an argument", function()
  it("has the name of the function that the manual has", function()
    for name, case in pairs {
      sleep = { neap.sleep, "#1", -1 },
      semaphore = { neap.semaphore, "#1", 0 },
      channel = { neap.channel, "#1", "x" },
      isatty = { neap.isatty, "#1" },
      encode = { neap.json.encode, "#1" },
      decode = { neap.json.decode, "#1", {} },
      array = { neap.json.array, "#1", 1 },
      read = { neap.fs.read, "#1", {} },
      pcall = { pcall, "#1" },
      resume = { coroutine.resume, "#1", 1 },
      wrap = { coroutine.wrap, "#1", 1 },
    } do
      local expected = ("bad argument %s to '%s' ("):format(case[2], name)
      for _, message in ipairs { complaints(case[1], table.unpack(case, 3)) } do
        assert.equal(expected, message:sub(1, #expected))
      end
    end
  end)

  it("says what is expected and what was given, a number itself", function()
    for message, call in pairs {
      ["'sleep' (number of seconds from 0 expected, got -1)"] = { neap.sleep, -1 },
      ["'sleep' (number expected, got string)"] = { neap.sleep, "soon" },
      ["'semaphore' (whole number from 1 expected, got 0)"] = { neap.semaphore, 0 },
      ["'semaphore' (whole number expected, got 1.5)"] = { neap.semaphore, 1.5 },
      ["'channel' (whole number from 0 expected, got -2)"] = { neap.channel, -2 },
      ["'decode' (string expected, got 12)"] = { neap.json.decode, 12 },
    } do
      assert.equal("bad argument #1 to " .. message, select(2, pcall(table.unpack(call))))
    end
  end)

  it("counts the arguments of a method without the object", function()
    local channel = neap.channel(1)
    for _, message in ipairs { complaints(channel.send, channel, nil) } do
      assert.equal("bad argument #1 to 'send' (nil cannot be sent)", message)
    end
    local _, message = pcall(function() channel:send(nil) end)
    assert.matches("bad argument #1 to 'send' %(nil cannot be sent%)$", message)
  end)

  it("says how a method is called that was called without its object", function()
    local task = neap.spawn(function() end)
    task:await()
    for words, method in pairs {
      ["send' (neap.channel expected, got string; call it as channel:send(...))"] =
        neap.channel().send,
      ["set' (neap.event expected, got string; call it as event:set(...))"] = neap.event().set,
      ["await' (neap.task expected, got string; call it as task:await(...))"] = task.await,
      ["acquire' (neap.semaphore expected, got string; call it as semaphore:acquire(...))"] =
        neap.semaphore(1).acquire,
    } do
      for _, message in ipairs { complaints(method, "x") } do
        assert.equal("bad argument #1 to '" .. words, message)
      end
    end
  end)

  it("is the same in every process", function()
    local program = [[
      local neap = require "neap"
      for _, f in ipairs { neap.sleep, neap.semaphore, neap.isatty, neap.fs.read } do
        io.write(select(2, pcall(f, {})), "\n")
      end]]
    local first = helper.run { helper.neap, "-e", program }
    assert.equal(0, first.status, first.stderr)
    for _ = 1, 4 do
      assert.equal(first.stdout, helper.run({ helper.neap, "-e", program }).stdout)
    end
  end)

  it("is raised by no function that takes another name for it", function()
    -- Functions of the sandbox take the place of Lua's, and raise what these raise.
    local found = {}
    for _, path in ipairs(helper.files(helper.root .. "/bindings", "%.c$")) do
      local text = path:find("/sandbox/", 1, true) and "" or helper.read(path)
      for call in text:gmatch("luaL_%l+") do
        if call:find("^luaL_arg") or call:find("^luaL_opt") or call == "luaL_typeerror"
          or call:find("^luaL_check") and call ~= "luaL_checkstack"
          and call ~= "luaL_checkversion" then
          found[#found + 1] = path:match("[^/]+$") .. ": " .. call
        end
      end
    end
    assert.same({}, found)
  end)
end)
