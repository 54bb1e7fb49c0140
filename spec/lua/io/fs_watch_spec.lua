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

  it("ends when the directory of a file goes", function()
    fs.mkdir(at "dir")
    fs.write(at "dir/file", "x")
    local watch <close> = fs.watch(at "dir/file")
    fs.rename(at "dir", at "moved")
    assert.same({ kind = "rename", path = at "dir/file" }, neap.timeout(10, watch.next, watch))
    assert.is_nil(neap.timeout(10, watch.next, watch))
  end)

  it("goes on where a file goes and comes back", function()
    fs.write(at "file", "x")
    local watch <close> = fs.watch(at "file")
    for _ = 1, 3 do
      fs.remove(at "file")
      await(watch, function(c) return c.kind == "rename" end)
      fs.write(at "file", "x")
      await(watch, function(c) return c.kind == "change" end)
    end
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

-- Makes a link point elsewhere, at once.
local function point(name, target)
  fs.symlink(target, at ".new")
  fs.rename(at ".new", at(name))
end

-- Asserts that there is something new for who watches, and takes all of it.
local function assert_told(watch, kind, path)
  local seen
  await(watch, function(c)
    seen = c
    return c.kind == kind
  end)
  if path then assert.equal(path, seen.path) end
  neap.sleep(0.01)
  while pcall(neap.timeout, 0.01, watch.next, watch) do end
end

local function assert_quiet(watch)
  local ok, change = pcall(neap.timeout, 0.03, watch.next, watch)
  assert.is_false(ok, ok and change and change.kind)
end

describe("a watch through links", function()
  -- As Kubernetes does it: conf -> ..data/conf, ..data -> ..1, and ..data is
  -- replaced by a link to ..2.
  it("follows one that is made to point elsewhere", function()
    for i = 1, 4 do
      fs.mkdir(at("..%d"):format(i))
      fs.write(at(("..%d/conf"):format(i)), tostring(i))
    end
    fs.symlink("..1", at "..data")
    fs.symlink("..data/conf", at "conf")
    local watch <close> = fs.watch(at "conf")
    for i = 2, 4 do
      point("..data", ".." .. i)
      assert_told(watch, "rename", at "conf")
      fs.remove(at("..%d"):format(i - 1), { recursive = true })
      assert_quiet(watch)
      fs.write(at(("..%d/conf"):format(i)), "written")
      assert_told(watch, "change", at "conf")
      assert.equal("written", fs.read(at "conf"))
    end
    fs.write(at "..4/other", "x")
    fs.write(at "other", "x")
    assert_quiet(watch)
    -- Not at once: for a while it leads nowhere.
    fs.remove(at "..data")
    assert_told(watch, "rename", at "conf")
    fs.symlink("..4", at "..data")
    assert_told(watch, "rename", at "conf")
    fs.write(at "..4/conf", "again")
    assert_told(watch, "change", at "conf")
    -- The last link becomes a file, and a link again.
    fs.write(at ".new", "x")
    fs.rename(at ".new", at "conf")
    assert_told(watch, "rename")
    fs.write(at "conf", "y")
    assert_told(watch, "change")
    fs.write(at "..4/conf", "no longer watched")
    assert_quiet(watch)
    point("conf", "..4/conf")
    assert_told(watch, "rename")
  end)

  it("says nothing where another link leads to the same", function()
    fs.write(at "file", "x")
    fs.symlink("file", at "link")
    local watch <close> = fs.watch(at "link")
    point("link", "./file")
    assert_quiet(watch)
    point("link", "link")
    assert_told(watch, "rename") -- nowhere, round and round
    point("link", "file")
    assert_told(watch, "rename")
    fs.write(at "file", "y")
    assert_told(watch, "change")
  end)

  it("follows those on the way to a directory", function()
    fs.mkdir(at "one")
    fs.mkdir(at "two")
    fs.symlink("one", at "current")
    local watch <close> = fs.watch(at "current")
    fs.write(at "one/file", "x")
    assert_told(watch, "rename", at "current/file")
    point("current", "two")
    assert_told(watch, "rename", at "current")
    fs.write(at "one/other", "x")
    assert_quiet(watch)
    fs.write(at "two/file", "x")
    assert_told(watch, "rename", at "current/file")
    fs.remove(at "two", { recursive = true })
    await(watch, function(c) return c.kind == "rename" and c.path == at "current" end)
    point("current", "one")
    assert_told(watch, "rename", at "current")
    fs.remove(at "one/file")
    assert_told(watch, "rename", at "current/file")
  end)

  it("leaves nothing behind, however often they are switched", function()
    fs.write(at "a", "a")
    fs.write(at "b", "b")
    fs.symlink("a", at "link")
    local before = helper.open_files()
    local watch <close> = fs.watch(at "link")
    local switcher = neap.spawn(function()
      for i = 1, 200 do point("link", i % 2 == 0 and "a" or "b") end
      fs.write(at "a", "the last")
    end)
    await(watch, function(c) return c.kind == "change" end)
    switcher:await()
    assert.equal(before, helper.open_files())
  end)
end)

describe("a watch of what may be missing", function()
  it("waits for the path, and for the directories above it", function()
    local watch <close> = fs.watch(at "a/b/file", { missing = true })
    fs.write(at "b", "x")
    assert_quiet(watch)
    fs.mkdir(at "a")
    assert_quiet(watch)
    fs.mkdir(at "a/b")
    fs.write(at "a/b/file", "x")
    assert_told(watch, "rename", at "a/b/file")
    fs.write(at "a/b/file", "y")
    assert_told(watch, "change", at "a/b/file")
    fs.remove(at "a", { recursive = true })
    assert_told(watch, "rename", at "a/b/file")
    for _ = 1, 10 do
      fs.mkdir(at "a/b", { parents = true })
      fs.write(at "a/b/file", "x")
      assert_told(watch, "rename", at "a/b/file")
      fs.remove(at "a", { recursive = true })
      assert_told(watch, "rename", at "a/b/file")
    end
  end)

  it("waits for a directory, and for where a link will lead", function()
    fs.symlink("later", at "link")
    assert.is_false(pcall(fs.watch, at "link"))
    local watch <close> = fs.watch(at "link", { missing = true })
    fs.mkdir(at "later")
    assert_told(watch, "rename", at "link")
    fs.write(at "later/file", "x")
    assert_told(watch, "rename", at "link/file")
    fs.rename(at "later", at "elsewhere")
    assert_told(watch, "rename", at "link")
    fs.write(at "later", "a file this time")
    assert_told(watch, "rename", at "link")
  end)

  it("is refused what it will never see", function()
    local function misused(...)
      local ok, err = pcall(fs.watch, ...)
      assert.is_false(ok)
      return err
    end
    assert.matches("did you mean 'missing'", misused(at "x", { mising = true }))
    assert.matches("fs.watch: bad option 'missing' %(boolean expected, got 1%)",
      misused(at "x", { missing = 1 }))
    assert.equal("ENOENT", misused("", { missing = true }).errno)
    fs.write(at "file", "x")
    assert.equal("ENOTDIR", misused(at "file/below", { missing = true }).errno)
  end)
end)
