-- Watching files and directories from Lua.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local neap = require "neap"
local fs = neap.fs

local folder

local function at(name)
  return folder .. "/" .. name
end

-- The next change for which `wanted` holds, within ten seconds.
local function await(watch, wanted)
  return neap.timeout(10, function()
    for change in watch:changes() do
      if wanted(change) then return change end
    end
  end)
end

before_each(function()
  folder = helper.tmpdir()
end)

describe("fs.watch", function()
  it("tells what happens in a directory", function()
    local watch <close> = fs.watch(folder)
    fs.write(at "file", "text")
    local made = await(watch, function(c) return c.kind == "rename" end)
    assert.equal(at "file", made.path)
    local changed = await(watch, function(c) return c.kind == "change" end)
    assert.equal(at "file", changed.path)
    fs.remove(at "file")
    assert.equal(at "file", await(watch, function(c) return c.kind == "rename" end).path)
  end)

  it("watches the path of a file, also when it is replaced", function()
    fs.write(at "file", "old")
    local watch <close> = fs.watch(at "file")
    fs.write(at "other", "not watched")
    for i = 1, 3 do
      fs.write(at "file", "new " .. i, { atomic = true })
      local change = await(watch, function(c) return c.kind == "rename" end)
      assert.equal(at "file", change.path)
    end
  end)

  it("keeps what nobody takes, and says when that is too much", function()
    local watch <close> = fs.watch(folder)
    for i = 1, 700 do
      fs.write(at(i), "x")
      if i % 50 == 0 then neap.sleep(0.001) end
    end
    local count, overflow = 0, false
    neap.timeout(10, function()
      for change in watch:changes() do
        count = count + 1
        if change.kind == "overflow" then overflow = true break end
      end
    end)
    assert.is_true(overflow)
    assert.equal(1025, count)
  end)

  it("ends when the directory goes", function()
    fs.mkdir(at "dir")
    local watch <close> = fs.watch(at "dir")
    fs.remove(at "dir")
    local last
    neap.timeout(10, function()
      for change in watch:changes() do last = change end
    end)
    assert.same({ kind = "rename", path = at "dir" }, last)
    assert.is_nil(watch:next())
  end)

  it("refuses a path that is missing", function()
    local ok, err = pcall(fs.watch, at "none")
    assert.is_false(ok)
    assert.equal("fs", err.code)
    assert.equal("ENOENT", err.errno)
    assert.equal(("fs.watch %s: no such file or directory"):format(at "none"), err.message)
  end)

  it("lets those who wait go when it is closed", function()
    local watch = fs.watch(folder)
    local tasks = {}
    for i = 1, 3 do tasks[i] = neap.spawn(watch.next, watch) end
    neap.sleep(0)
    watch:close()
    watch:close()
    for i = 1, 3 do assert.is_nil((tasks[i]:await())) end
    assert.is_nil(watch:next())
  end)

  it("can be cancelled while it waits", function()
    local watch <close> = fs.watch(folder)
    local task = neap.spawn(watch.next, watch)
    neap.sleep(0)
    task:cancel()
    assert.is_false(pcall(task.await, task))
    fs.write(at "file", "x")
    assert.is_not_nil(neap.timeout(10, watch.next, watch))
  end)
end)
