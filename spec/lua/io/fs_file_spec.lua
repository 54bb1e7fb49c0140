-- Files that are open, from Lua.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local neap = require "neap"
local fs = neap.fs
local failure, open_files = helper.failure, helper.open_files

local folder

local function at(name)
  return folder .. "/" .. name
end

-- Waits until no more descriptors are open than there were.
local function wait_until_closed(before)
  local deadline = neap.now() + 10
  while open_files() > before and neap.now() < deadline do neap.sleep(0.001) end
  assert.equal(before, open_files())
end

before_each(function()
  folder = helper.tmpdir()
end)

describe("fs.open", function()
  it("reads lines, counts, pieces and the rest", function()
    helper.write(at "file", "one\ntwo\nthree\nfour")
    local file <close> = fs.open(at "file")
    assert.equal("one", file:read())
    assert.equal("two\n", file:read("L"))
    assert.equal("thr", file:read(3))
    assert.equal("ee\nfour", file:read("a"))
    assert.equal("", file:read("a"))
    assert.is_nil(file:read())
    assert.is_nil(file:read_some())
  end)

  it("reads what is larger than any buffer", function()
    local text = ("ebb and flow\n"):rep(50000)
    helper.write(at "file", text)
    local file <close> = fs.open(at "file")
    local size = 0
    for chunk in file:chunks() do size = size + #chunk end
    assert.equal(#text, size)
    file:seek("set")
    assert.equal(text, file:read("a"))
  end)

  it("writes at the position, appends at the end", function()
    do
      local file <close> = fs.open(at "file", "w")
      file:write("0123456789")
      file:seek("set", 3)
      file:write("abc")
      file:write(4)
    end
    assert.equal("012abc4789", fs.read(at "file"))
    local file = fs.open(at "file", "a")
    file:seek("set")
    file:write("!")
    file:close()
    assert.equal("012abc4789!", fs.read(at "file"))
  end)

  it("knows the modes of io.open, and x for a new file", function()
    local modes = {
      ["r+"] = "Xne", ["rb"] = "one", ["w+"] = "X", ["a+"] = "oneX",
    }
    for mode, text in pairs(modes) do
      fs.write(at "file", "one")
      local file = fs.open(at "file", mode)
      if mode ~= "rb" then file:write("X") end
      file:close()
      assert.equal(text, fs.read(at "file"), mode)
    end
    assert.equal("EEXIST", failure(fs.open, at "file", "wx").errno)
    fs.open(at "new", "wx"):close()
    assert.equal("", fs.read(at "new"))
    for _, mode in ipairs { "", "rw", "x", "rx", "w++", "q", 5 } do
      assert.matches("bad argument #2 to 'open' %(\"r\", \"w\", .* if you like expected, got ",
        failure(fs.open, at "file", mode))
    end
  end)

  it("says what the system said", function()
    local err = failure(fs.open, at "none")
    assert.equal(("fs.open %s: no such file or directory"):format(at "none"), err.message)
    assert.equal("ENOENT", err.errno)
    assert.is_false(err.retryable)
    local file <close> = fs.open(at "file", "w")
    assert.equal("EBADF", failure(file.read, file).errno)
  end)

  it("moves between reading and writing where the reader is", function()
    fs.write(at "file", "one\ntwo\nthree\n")
    local file <close> = fs.open(at "file", "r+")
    assert.equal("one", file:read())
    assert.equal(4, file:seek())
    file:write("TWO")
    assert.equal("", file:read())
    assert.equal("three", file:read())
    assert.equal("one\nTWO\nthree\n", fs.read(at "file"))
  end)

  it("writes all that it is given, or nothing", function()
    local file <close> = fs.open(at "file", "w+")
    file:write("a", "b", 3, "\n", 1.5, "")
    file:write()
    local ok, err = pcall(file.write, file, "c", {})
    assert.is_false(ok)
    assert.matches("bad argument #2 to 'write' %(string expected, got table%)", err)
    assert.is_false(pcall(file.write, file, "c", nil, "d"))
    assert.equal("ab3\n1.5", fs.read(at "file"))
  end)

  it("seeks from all sides", function()
    fs.write(at "file", "0123456789")
    local file <close> = fs.open(at "file")
    assert.equal(7, file:seek("end", -3))
    assert.equal("789", file:read("a"))
    assert.equal(2, file:seek("set", 2))
    assert.equal("2", file:read(1))
    assert.equal(5, file:seek("cur", 2))
    assert.equal("5", file:read(1))
    assert.equal("EINVAL", failure(file.seek, file, "set", -1).errno)
    assert.equal(6, file:seek())
    assert.matches("#1 to 'seek' %(\"set\", \"cur\" or \"end\" expected, got \"top\"%)",
      failure(file.seek, file, "top"))
    assert.matches("whole number of bytes", failure(file.seek, file, "set", 0.5))
  end)

  it("tells about, cuts and lengthens the file", function()
    local file <close> = fs.open(at "file", "w+")
    file:write("0123456789")
    file:truncate(4)
    assert.equal(4, file:stat().size)
    file:truncate(6)
    file:sync()
    assert.equal("0123\0\0", fs.read(at "file"))
    assert.matches("whole number from 0", failure(file.truncate, file, -1))
  end)

  it("serves tasks in the order in which they ask", function()
    local file <close> = fs.open(at "file", "w")
    local writers = {}
    for i = 1, 50 do writers[i] = function() file:write(i .. "\n") end end
    neap.gather(writers)
    local count = 0
    for line in fs.lines(at "file") do
      count = count + 1
      assert.equal(tostring(count), line)
    end
    assert.equal(50, count)
  end)

  it("does not hold up whole files, however many there are", function()
    local handles = {}
    for i = 1, 100 do handles[i] = fs.open(at(i), "w") end
    fs.write(at "whole", "text")
    assert.equal("text", fs.read(at "whole"))
    for _, file in ipairs(handles) do file:close() end
  end)
end)

describe("a file that is closed", function()
  it("says so, and closing again does nothing", function()
    local file = fs.open(at "file", "w")
    file:close()
    file:close()
    local err = failure(file.write, file, "x")
    assert.equal("closed", err.code)
    assert.equal(("file:write %s: the file has been closed"):format(at "file"), err.message)
    assert.matches("%(closed%)$", tostring(file))
  end)

  it("gives its descriptor back, also at the end of a block and when collected", function()
    local before = open_files()
    do
      local file <close> = fs.open(at "file", "w")
      file:write("x")
    end
    wait_until_closed(before)
    fs.open(at "file")
    collectgarbage()
    collectgarbage()
    wait_until_closed(before)
  end)

  it("has been written to the end of what was asked for before", function()
    local file = fs.open(at "file", "w")
    local writer = neap.spawn(file.write, file, ("x"):rep(1 << 20))
    neap.sleep(0)
    file:close()
    writer:await()
    assert.equal(1 << 20, fs.stat(at "file").size)
  end)
end)

describe("a cancelled operation", function()
  it("loses no bytes of a pipe", function()
    local pipe = at "pipe"
    helper.run { "mkfifo", pipe }
    local writer = assert(io.open(pipe, "r+"))
    local file <close> = fs.open(pipe)
    for i = 1, 20 do
      local task = neap.spawn(file.read, file)
      neap.sleep(0)
      writer:write("line ", i, "\n"):flush()
      task:cancel()
      local ok, line = pcall(task.await, task)
      assert.equal("line " .. i, ok and line or file:read())
    end
    writer:close()
  end)

  it("leaves the position of a file where it was", function()
    helper.write(at "file", ("line\n"):rep(1000))
    local file <close> = fs.open(at "file")
    local count = 0
    while true do
      local task = neap.spawn(file.read, file)
      neap.sleep(0)
      if count % 3 == 0 then task:cancel() end
      local ok, line = pcall(task.await, task)
      if not ok then line = file:read() end
      if not line then break end
      assert.equal("line", line)
      count = count + 1
    end
    assert.equal(1000, count)
  end)

  it("of opening leaves nothing open", function()
    local before = open_files()
    fs.write(at "file", "")
    for _ = 1, 20 do
      local task = neap.spawn(fs.open, at "file")
      neap.sleep(0)
      task:cancel()
      local ok, file = pcall(task.await, task)
      if ok then file:close() end
    end
    wait_until_closed(before)
  end)
end)

describe("fs.lines", function()
  it("goes through a file and closes it, at its end or before", function()
    helper.write(at "file", "a\nb\nc\n")
    local before = open_files()
    local list = {}
    for line in fs.lines(at "file") do list[#list + 1] = line end
    assert.same({ "a", "b", "c" }, list)
    for line in fs.lines(at "file") do
      if line == "b" then break end
    end
    wait_until_closed(before)
  end)

  it("refuses lines that are too long", function()
    helper.write(at "file", ("x"):rep(100))
    assert.equal("line", failure(function() for _ in fs.lines(at "file", 10) do end end).code)
    assert.equal("ENOENT", failure(fs.lines, at "none").errno)
  end)
end)

describe("when there are no descriptors left", function()
  it("opening is an error that may be tried again, and the engine goes on", function()
    local script = helper.write(at "script.lua", [[
      local neap = require "neap"
      local fs = neap.fs
      local held, err = {}
      for i = 1, 200 do
        local ok, file = pcall(fs.open, "/dev/null")
        if not ok then err = file break end
        held[i] = file
      end
      print(err.code, err.errno, err.retryable)
      print(select(2, pcall(fs.read, "/etc/hostname")).errno)
      for _, file in ipairs(held) do file:close() end
      neap.sleep(0.001)
      print(#fs.read("/proc/self/stat") > 0)
    ]])
    local result = helper.run({ "sh", "-c", "ulimit -n 40; exec " .. helper.neap .. " " .. script })
    assert.same({ status = 0, stderr = "", stdout = "fs\tEMFILE\tnil\nEMFILE\ntrue\n" }, result)
  end)
end)
