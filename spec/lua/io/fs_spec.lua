-- Files from Lua: what the functions return, raise, and how they wait.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local neap = require "neap"
local fs = neap.fs
local misused, open_files = helper.misused, helper.open_files

local folder

--- The path of `name` in a folder that each spec has for itself.
local function at(name)
  return folder .. "/" .. name
end

--- What `f` raises, which must be an error object of code "fs".
local function refused(...)
  return helper.refused("fs", ...)
end

before_each(function()
  folder = helper.tmpdir()
end)

describe("fs.read", function()
  it("returns the bytes of a file as they are", function()
    local every = {}
    for byte = 0, 255 do
      every[#every + 1] = string.char(byte)
    end
    for _, text in ipairs { "", "one\ntwo\n", table.concat(every), ("x"):rep(1000000) } do
      assert.is_true(fs.read(helper.write(at "file", text)) == text)
    end
  end)

  it("reads files that do not tell their size", function()
    assert.equal(helper.read("/proc/self/cmdline"), fs.read("/proc/self/cmdline"))
  end)

  it("reads no more than max_size bytes", function()
    local path = helper.write(at "file", "12345678")
    assert.equal("12345678", fs.read(path, { max_size = 8 }))
    assert.equal("12345678", fs.read(path, { max_size = 8.0 }))
    assert.equal("12345678", fs.read(path, {}))
    local err = refused(fs.read, path, { max_size = 7 })
    assert.equal(("fs.read %s: larger than allowed"):format(path), err.message)
    assert.equal(path, err.path)
    assert.is_nil(err.errno)
    refused(fs.read, "/dev/zero", { max_size = 1000 })
  end)

  it("raises what the system said", function()
    local err = refused(fs.read, "/no/such")
    assert.equal("fs.read /no/such: no such file or directory", err.message)
    assert.equal("/no/such", err.path)
    assert.equal("ENOENT", err.errno)
    assert.equal("EISDIR", refused(fs.read, folder).errno)
  end)

  it("shows a path that is empty", function()
    local err = refused(fs.read, "")
    assert.equal('fs.read "": no such file or directory', err.message)
    assert.equal("", err.path)
  end)

  it("reads more files at once than may be open", function()
    -- A Lua of its own, whose system allows it 100 files.
    local script = helper.write(at "script.lua", [[
      local neap = require "neap"
      local path, reads = arg[1], {}
      for i = 1, 500 do
        reads[i] = function() return #neap.fs.read(path) end
      end
      local sum = 0
      for _, size in ipairs(neap.gather(reads)) do sum = sum + size end
      print(sum)]])
    local result = helper.run { "sh", "-c", 'ulimit -n 100; exec "$@"', "sh",
      helper.lua, script, helper.write(at "file", "12345") }
    assert.equal("2500\n", result.stdout, result.stderr)
  end)
end)

describe("fs.write", function()
  it("creates a file, and replaces what is in it", function()
    local text = ("\0\255"):rep(500000)
    assert.equal(0, select("#", fs.write(at "file", text)))
    assert.is_true(helper.read(at "file") == text)
    fs.write(at "file", "short")
    assert.equal("short", helper.read(at "file"))
    fs.write(at "file", "")
    assert.equal("", helper.read(at "file"))
  end)

  it("raises what the system said", function()
    local path = at "no/such"
    local err = refused(fs.write, path, "x")
    assert.equal(("fs.write %s: no such file or directory"):format(path), err.message)
    assert.equal(path, err.path)
    assert.equal("ENOENT", err.errno)
    assert.equal("ENOSPC", refused(fs.write, "/dev/full", "x").errno)
  end)
end)

describe("fs.append", function()
  it("creates a file, and adds to what is in it", function()
    assert.equal(0, select("#", fs.append(at "log", "one\n")))
    fs.append(at "log", "two\n")
    assert.equal("one\ntwo\n", helper.read(at "log"))
  end)

  it("adds all that it is given", function()
    fs.append(at "log", "high water ", 4.5, " m\n")
    assert.equal("high water 4.5 m\n", helper.read(at "log"))
    assert.matches("bad argument #3 to 'append'", misused(fs.append, at "log", "x", false))
    assert.matches("bad argument #2 to 'append'", misused(fs.append, at "log"))
  end)

  it("goes by its own name when it fails", function()
    local err = refused(fs.append, folder, "x")
    assert.equal(("fs.append %s: is a directory"):format(folder), err.message)
    assert.equal("EISDIR", err.errno)
  end)
end)

describe("fs.list", function()
  it("tells name and type of each entry, sorted by name bytewise", function()
    for _, name in ipairs { "b", "a.txt", "a", "Z", "\u{e4}", ".hidden", "folder/inside" } do
      helper.write(at(name), "")
    end
    helper.run { "ln", "-s", "folder", at "link" }
    helper.run { "mkfifo", at "pipe" }
    assert.same({
      { name = ".hidden", type = "file" },
      { name = "Z", type = "file" },
      { name = "a", type = "file" },
      { name = "a.txt", type = "file" },
      { name = "b", type = "file" },
      { name = "folder", type = "directory" },
      { name = "link", type = "link" },
      { name = "pipe", type = "other" },
      { name = "\u{e4}", type = "file" },
    }, fs.list(folder))
  end)

  it("finds nothing in an empty directory", function()
    assert.same({}, fs.list(folder))
  end)

  it("raises what the system said", function()
    local path = helper.write(at "file", "")
    local err = refused(fs.list, path)
    assert.equal(("fs.list %s: not a directory"):format(path), err.message)
    assert.equal("ENOTDIR", err.errno)
  end)
end)

describe("fs.stat", function()
  it("tells type, size, time and mode", function()
    local path = helper.write(at "file", "12345")
    helper.run { "chmod", "640", path }
    helper.run { "touch", "-d", "@1500000000.25", path }
    local found = fs.stat(path)
    assert.same({ type = "file", size = 5, mtime = 1500000000.25, mode = 416 }, found)
    assert.equal("integer", math.type(found.size))
    assert.equal("integer", math.type(found.mode))
    assert.equal("float", math.type(found.mtime))
  end)

  it("follows links, and knows what is no file", function()
    helper.write(at "file", "12345")
    helper.run { "ln", "-s", "file", at "link" }
    assert.equal("file", fs.stat(at "link").type)
    assert.equal("directory", fs.stat(folder).type)
    assert.equal("other", fs.stat("/dev/null").type)
  end)

  it("raises what the system said", function()
    local err = refused(fs.stat, at "missing")
    assert.equal(("fs.stat %s: no such file or directory"):format(at "missing"), err.message)
    assert.equal("ENOENT", err.errno)
  end)
end)

describe("all of them", function()
  it("refuse a path that is none", function()
    for name, f in pairs(fs) do
      if name == "tempdir" or name == "tempfile" then goto continue end -- a prefix, or none
      assert.matches("bad argument #1 .*string expected, got nil", misused(f, nil, "x"))
      assert.matches("bad argument #1 .*string expected, got table", misused(f, {}, "x"))
      assert.matches("bad argument #1 .*path contains a zero byte", misused(f, "a\0b", "x"))
      ::continue::
    end
  end)

  it("refuse data and options that are none", function()
    local path = at "file"
    assert.matches("bad argument #2 .*string expected, got nil", misused(fs.write, path))
    assert.matches("bad argument #2 .*string expected, got table", misused(fs.append, path, {}))
    assert.matches("options expected as a table, got number", misused(fs.read, path, 5))
    assert.matches("unknown option 'max_sise'; did you mean 'max_size'%?",
      misused(fs.read, path, { max_sise = 5 }))
    assert.matches("options are named; got the key 1", misused(fs.read, path, { 5 }))
    for _, size in ipairs { 0, -1, 1.5, "many", {} } do
      assert.matches("bad option 'max_size' %(whole number from 1 expected, got ",
        misused(fs.read, path, { max_size = size }))
    end
    assert.same({}, fs.list(folder))
  end)

  it("tell what no retry can cure", function()
    local file = helper.write(at "file", "text")
    helper.run { "ln", "-s", "loop", at "loop" }
    for name, case in pairs {
      ENOENT = { fs.read, at "missing" },
      EISDIR = { fs.write, folder, "x" },
      ENOTDIR = { fs.stat, file .. "/inside" },
      ELOOP = { fs.append, at "loop", "x" },
      ENAMETOOLONG = { fs.list, at(("x"):rep(300)) },
    } do
      local err = refused(table.unpack(case))
      assert.equal(name, err.errno)
      assert.is_false(err.retryable)
    end
    assert.is_false(refused(fs.read, file, { max_size = 1 }).retryable)
    -- A disk that is full may have room later.
    assert.is_nil(refused(fs.write, "/dev/full", "x").retryable)
  end)

  it("are not retried then", function()
    local attempts = 0
    local node = neap.Node { name = "load", max_retries = 5, wait = 60,
      exec = function()
        attempts = attempts + 1
        return fs.read(at "missing")
      end }
    assert.is_false((pcall(node.run, node, {})))
    assert.equal(1, attempts)
  end)

  it("wait in tasks, side by side", function()
    local tasks = {}
    for i = 1, 300 do
      tasks[i] = neap.spawn(function()
        fs.write(at(i), "number ")
        fs.append(at(i), tostring(i))
        return fs.read(at(i)), fs.stat(at(i)).size
      end)
    end
    for i, task in ipairs(tasks) do
      local text = "number " .. i
      assert.same({ text, #text }, { task:await() })
    end
    assert.equal(300, #fs.list(folder))
  end)

  it("raise inside the task that waits", function()
    local task = neap.spawn(function()
      local ok, err = pcall(fs.read, at "missing")
      assert(not ok)
      return err.errno, fs.read(helper.write(at "other", "text"))
    end)
    assert.same({ "ENOENT", "text" }, { task:await() })
  end)

  it("end at once when they are cancelled, and close their file", function()
    local pipe = at "pipe"
    helper.run { "mkfifo", pipe }
    local before = open_files()
    local started
    local task = neap.spawn(function()
      started = true
      fs.read(pipe) -- for ever: nobody writes
    end)
    while not started do
      neap.sleep(0)
    end
    task:cancel()
    local ok, err = pcall(task.await, task)
    assert.is_false(ok)
    assert.equal("cancelled", err.code)

    -- The thread that opens the pipe is let go, and its file closed unseen.
    assert(io.open(pipe, "r+")):close()
    local deadline = neap.now() + 10
    while open_files() > before and neap.now() < deadline do
      neap.sleep(0.001)
    end
    assert.equal(before, open_files())
  end)
end)
