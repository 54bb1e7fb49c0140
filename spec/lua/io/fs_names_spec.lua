-- Directories, names, links and temporary things from Lua.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local neap = require "neap"
local fs = neap.fs
local misused = helper.misused

local folder

local function at(name)
  return folder .. "/" .. name
end

-- What `f` raises, an error object of code "fs" with this errno.
local function refused(errno, f, ...)
  local err = helper.refused("fs", f, ...)
  assert.equal(errno, err.errno, err.message)
  return err
end

local function names()
  local list = {}
  for i, entry in ipairs(fs.list(folder)) do list[i] = entry.name end
  return list
end

before_each(function()
  folder = helper.tmpdir()
end)

describe("fs.mkdir", function()
  it("makes a directory, and those above it when told to", function()
    fs.mkdir(at "a")
    assert.equal("directory", fs.stat(at "a").type)
    refused("ENOENT", fs.mkdir, at "b/c/d")
    fs.mkdir(at "b/c/d", { parents = true })
    assert.equal("directory", fs.stat(at "b/c/d").type)
  end)

  it("minds what is there already only without parents", function()
    fs.mkdir(at "a")
    refused("EEXIST", fs.mkdir, at "a")
    fs.mkdir(at "a", { parents = true })
    fs.write(at "file", "")
    assert.is_false(pcall(fs.mkdir, at "file", { parents = true }))
    refused("ENOTDIR", fs.mkdir, at "file/below", { parents = true })
  end)

  it("sets permissions, and refuses what are none", function()
    fs.mkdir(at "private", { mode = 448 })
    assert.equal(448, fs.stat(at "private").mode & 511)
    for _, mode in ipairs { 0, -1, 4096, 1.5, "rw" } do
      assert.matches("fs.mkdir: bad option 'mode' %(permission bits",
        misused(fs.mkdir, at "x", { mode = mode }))
    end
    assert.matches("did you mean 'parents'", misused(fs.mkdir, at "x", { parent = true }))
    assert.matches("bad option 'parents' %(boolean expected, got 1%)",
      misused(fs.mkdir, at "x", { parents = 1 }))
  end)
end)

describe("fs.remove", function()
  it("removes a file, a link itself and an empty directory", function()
    fs.write(at "file", "x")
    fs.symlink("file", at "link")
    fs.mkdir(at "dir")
    fs.remove(at "link")
    assert.is_true(fs.exists(at "file"))
    fs.remove(at "file")
    fs.remove(at "dir")
    assert.same({}, names())
    refused("ENOENT", fs.remove, at "file")
  end)

  it("removes a tree only when told to, and never what a link leads to", function()
    fs.mkdir(at "kept")
    fs.write(at "kept/file", "x")
    fs.mkdir(at "tree/deep/deeper", { parents = true })
    fs.symlink("../kept", at "tree/link")
    for i = 1, 50 do fs.write(at("tree/deep/" .. i), "x") end
    refused("ENOTEMPTY", fs.remove, at "tree")
    fs.remove(at "tree", { recursive = true })
    assert.same({ "kept" }, names())
    assert.equal("x", fs.read(at "kept/file"))
  end)

  it("removes very deep trees", function()
    local path = at "deep"
    for _ = 1, 60 do path = path .. "/" .. ("d"):rep(50) end
    fs.mkdir(path, { parents = true })
    fs.remove(at "deep", { recursive = true })
    assert.same({}, names())
  end)

  -- No path can name what is at the bottom, nor does the walk remember each of
  -- the directories that it is in.
  it("removes trees that are deeper than a path is long", function()
    fs.mkdir(at "deep")
    local made = helper.run({ "sh", "-c", [[
      part=$(printf "d/%.0s" $(seq 100))
      for i in $(seq 21); do mkdir -p $part && cd -P ./$part && echo tide >file || exit 1; done]] },
      { cwd = at "deep" })
    assert.equal(0, made.status, made.stderr)
    fs.remove(at "deep", { recursive = true })
    assert.same({}, names())
  end)

  it("refuses a path that does not end with a name, before it removes anything", function()
    fs.mkdir(at "x/y/z", { parents = true })
    fs.write(at "x/file", "x")
    fs.write(at "x/y/file", "x")
    for _, path in ipairs { "x/y/..", "x/y/../", "x/.", "x/y/z/../..//", "x/./", ".", ".." } do
      for _, recursive in ipairs { true, false } do
        local err = refused("EINVAL", fs.remove, at(path), { recursive = recursive })
        assert.is_false(err.retryable)
        assert.equal(("fs.remove %s: the path has to end with the name of what is to be removed")
          :format(at(path)), err.message)
      end
    end
    for _, path in ipairs { "/", "//", "/.", "/..", ".", "..", "./", "../../" } do
      refused("EINVAL", fs.remove, path)
    end
    refused("ENOENT", fs.remove, "")
    assert.same({ "file", "y" }, { fs.list(at "x")[1].name, fs.list(at "x")[2].name })
    assert.equal("x", fs.read(at "x/y/file"))
    fs.remove(at "x/y/../file")
    fs.remove(at "x//", { recursive = true })
    assert.same({}, names())
  end)

  it("does not empty what it could not remove", function()
    fs.mkdir(at "kept/tree", { parents = true })
    fs.write(at "kept/tree/file", "x")
    fs.chmod(at "kept", 365) -- r-xr-xr-x
    local script = helper.write(at "remove.lua", [[
      local ok, err = pcall(require "neap".fs.remove, (...), { recursive = true })
      print(err.errno)]])
    local argv = { helper.neap, script, at "kept/tree" }
    if helper.run({ "id", "-u" }).stdout == "0\n" then -- nothing is forbidden to the root
      table.move({ "setpriv", "--inh-caps=-all", "--bounding-set=-all" }, 1, 3, 1,
        table.move(argv, 1, 3, 4))
    end
    assert.equal("EACCES\n", helper.run(argv).stdout)
    fs.chmod(at "kept", 493)
    assert.equal("x", fs.read(at "kept/tree/file"))

    local mounted = at "kept/tree/mounted"
    fs.mkdir(mounted)
    if helper.run({ "mount", "-t", "tmpfs", "none", mounted }).status ~= 0 then return end
    fs.write(mounted .. "/file", "x")
    refused("EBUSY", fs.remove, mounted, { recursive = true })
    refused("EBUSY", fs.remove, at "kept", { recursive = true })
    assert.equal("x", fs.read(mounted .. "/file"))
    assert.equal(0, helper.run({ "umount", mounted }).status)
  end)
end)

describe("names", function()
  it("are changed, replacing what has the new one", function()
    fs.write(at "a", "new")
    fs.write(at "b", "old")
    fs.rename(at "a", at "b")
    assert.same({ "b" }, names())
    assert.equal("new", fs.read(at "b"))
    local err = refused("ENOENT", fs.rename, at "none", at "c")
    assert.equal(at "c", err.to)
    assert.equal(("fs.rename %s to %s: no such file or directory"):format(at "none", at "c"),
      err.message)
  end)

  it("are copied with their mode", function()
    fs.write(at "a", "text")
    fs.chmod(at "a", 320)
    fs.copy(at "a", at "b")
    assert.equal("text", fs.read(at "b"))
    assert.equal(320, fs.stat(at "b").mode & 511)
    refused("ENOENT", fs.copy, at "none", at "c")
    assert.same({ "a", "b" }, names())
  end)

  it("are doubled by links, and found through them", function()
    fs.write(at "file", "text")
    fs.link(at "file", at "hard")
    fs.symlink("file", at "soft")
    assert.equal("text", fs.read(at "hard"))
    assert.equal("link", fs.lstat(at "soft").type)
    assert.equal("file", fs.stat(at "soft").type)
    assert.equal("file", fs.readlink(at "soft"))
    assert.equal(fs.realpath(at "file"), fs.realpath(at "soft"))
    refused("EINVAL", fs.readlink, at "file")
    refused("ENOENT", fs.realpath, at "none")
  end)

  it("exist or not", function()
    fs.write(at "file", "")
    fs.symlink("none", at "dangling")
    assert.is_true(fs.exists(at "file"))
    assert.is_false(fs.exists(at "none"))
    assert.is_false(fs.exists(at "file/below"))
    assert.is_false(fs.exists(at "dangling"))
    refused("ENAMETOOLONG", fs.exists, at(("x"):rep(300)))
  end)
end)

describe("fs.write with atomic", function()
  it("replaces a file as a whole and keeps its mode", function()
    fs.write(at "file", "old")
    fs.chmod(at "file", 384)
    fs.write(at "file", "new", { atomic = true })
    assert.equal("new", fs.read(at "file"))
    assert.equal(384, fs.stat(at "file").mode & 511)
    assert.same({ "file" }, names())
  end)

  it("makes one that is not there, and follows a link", function()
    fs.write(at "file", "first", { atomic = true })
    fs.symlink("file", at "link")
    fs.write(at "link", "second", { atomic = true })
    assert.equal("link", fs.lstat(at "link").type)
    assert.equal("second", fs.read(at "file"))
  end)

  it("leaves nothing behind when it is refused", function()
    fs.mkdir(at "dir")
    refused("EISDIR", fs.write, at "dir", "x", { atomic = true })
    refused("EINVAL", fs.write, "/dev/null", "x", { atomic = true })
    refused("ENOENT", fs.write, at "none/file", "x", { atomic = true })
    assert.same({ "dir" }, names())
  end)

  it("never shows a part to those who read meanwhile", function()
    local texts = { ("a"):rep(300000), ("b"):rep(300000) }
    fs.write(at "file", texts[1])
    local writer = neap.spawn(function()
      for i = 1, 20 do fs.write(at "file", texts[i % 2 + 1], { atomic = true }) end
    end)
    while writer.status == "pending" do
      local text = fs.read(at "file")
      assert.is_true(text == texts[1] or text == texts[2])
    end
    writer:await()
  end)

  it("leaves the old file and nothing else when cancelled", function()
    fs.write(at "file", "old")
    for _ = 1, 20 do
      local task = neap.spawn(fs.write, at "file", ("x"):rep(1000), { atomic = true })
      neap.sleep(0)
      task:cancel()
      pcall(task.await, task)
    end
    -- What a thread had begun ends unseen, when the disk has all of it.
    local deadline = neap.now() + 60
    while #names() > 1 and neap.now() < deadline do neap.sleep(0.001) end
    assert.same({ "file" }, names())
    local text = fs.read(at "file")
    assert.is_true(text == "old" or text == ("x"):rep(1000))
  end)
end)

describe("what a killed atomic write leaves behind", function()
  -- Has a program die amid an atomic write: of the signal that a file gets it
  -- that is larger than allowed.
  local function die_writing(name)
    local script = helper.write(helper.tmpdir() .. "/dies.lua",
      'require("neap").fs.write((...), ("x"):rep(1 << 20), { atomic = true })')
    helper.run { "sh", "-c", 'ulimit -c 0; ulimit -f 64; exec "$@"', "sh", helper.neap, script,
      at(name) }
  end

  it("is removed by the next one beside it", function()
    fs.write(at "file", "old")
    for _ = 1, 3 do die_writing "file" end
    assert.equal("old", fs.read(at "file"))
    assert.equal(2, #names()) -- the second and the third have removed those before
    fs.write(at "other", "new", { atomic = true })
    assert.same({ "file", "other" }, names())
  end)

  it("is told from what somebody is writing, and from what others have put there", function()
    local left = {}
    for i, n in ipairs { 0, 1, 5, 15, 16, 17 } do left[i] = at(".neap-write-" .. n) end
    helper.write(left[1], "dead")
    fs.symlink("file", left[2])
    local live <close> = neap.process.spawn { "flock", left[3], "sh", "-c", "echo; exec sleep 60" }
    live.stdout:read()
    helper.write(left[4], "dead")
    helper.write(left[5], "dead, too")
    fs.mkdir(left[6])
    fs.write(at "file", "text", { atomic = true })
    assert.same({ ".neap-write-1", ".neap-write-17", ".neap-write-5", "file" }, names())
    local tasks = {}
    for i = 1, 50 do
      tasks[i] = function() fs.write(at "file", tostring(i), { atomic = true }) end
    end
    neap.gather(tasks)
    assert.same({ ".neap-write-1", ".neap-write-17", ".neap-write-5", "file" }, names())
  end)
end)

describe("a temporary directory", function()
  it("is private, and gone with all in it when its block is left", function()
    local path
    do
      local dir <close> = fs.tempdir("tide-")
      path = dir.path
      assert.matches("/tide%-%w%w%w%w%w%w$", path)
      assert.equal(448, fs.stat(path).mode & 511)
      fs.mkdir(path .. "/a/b", { parents = true })
      fs.write(path .. "/a/b/c", "x")
    end
    assert.is_false(fs.exists(path))
  end)

  it("is removed by an error, by the collector, and by hand", function()
    local path
    pcall(function()
      local dir <close> = fs.tempdir()
      path = dir.path
      error("out")
    end)
    assert.is_false(fs.exists(path))

    path = fs.tempdir().path
    collectgarbage()
    collectgarbage()
    assert.is_false(fs.exists(path))

    local dir = fs.tempdir()
    dir:remove()
    dir:remove()
    assert.is_false(fs.exists(dir.path))
  end)

  it("has a name that may be chosen in part", function()
    assert.matches("prefix of a name contains a slash", misused(fs.tempdir, "a/b"))
    assert.matches("string expected, got table", misused(fs.tempdir, {}))
  end)
end)

describe("a temporary file", function()
  it("can be written and read, and is gone when closed", function()
    local file = fs.tempfile()
    file:write("tide")
    file:seek("set")
    assert.equal("tide", file:read("a"))
    assert.equal(384, fs.stat(file.path).mode & 511)
    file:close()
    assert.is_false(fs.exists(file.path))
  end)

  it("is gone when its block is left", function()
    local path
    do
      local file <close> = fs.tempfile("tide-")
      path = file.path
      assert.matches("/tide%-", path)
    end
    local deadline = neap.now() + 10
    while fs.exists(path) and neap.now() < deadline do neap.sleep(0.001) end
    assert.is_false(fs.exists(path))
  end)
end)
