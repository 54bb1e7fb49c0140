-- Files in memory: they do what real ones do.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local neap = require "neap"
local failure = helper.failure

local fs, testing = neap.fs, neap.testing

-- What is done to the folder `at` that holds "text", "ebb\nflow\n", and "sub/",
-- by name. Each gives what is to be the same.
local deeds = {
  ["reads"] = function(at) return fs.read(at .. "/text") end,
  ["reads up to a size"] = function(at) return fs.read(at .. "/text", { max_size = 9 }) end,
  ["reads too much"] = function(at) fs.read(at .. "/text", { max_size = 3 }) end,
  ["reads what is missing"] = function(at) fs.read(at .. "/none") end,
  ["reads below a file"] = function(at) fs.read(at .. "/text/x") end,
  ["reads a directory"] = function(at) fs.read(at .. "/sub") end,
  ["reads ''"] = function() fs.read("") end,
  ["reads by a way that is not straight"] = function(at)
    return fs.read(at .. "/./sub/..//text")
  end,
  ["writes"] = function(at)
    fs.write(at .. "/new", "1")
    fs.write(at .. "/text", "2", { atomic = true })
    fs.append(at .. "/text", "3")
    fs.append(at .. "/other", "4")
    return fs.read(at .. "/new") .. fs.read(at .. "/text") .. fs.read(at .. "/other")
  end,
  ["writes where nothing is"] = function(at) fs.write(at .. "/none/x", "") end,
  ["writes a directory"] = function(at) fs.write(at .. "/sub", "") end,
  ["lists"] = function(at)
    local names = {}
    for _, entry in ipairs(fs.list(at)) do names[#names + 1] = entry.name .. entry.type end
    return table.concat(names, " ")
  end,
  ["lists a file"] = function(at) fs.list(at .. "/text") end,
  ["looks"] = function(at)
    local file, folder = fs.stat(at .. "/text"), fs.lstat(at .. "/sub/")
    return file.type .. file.size .. folder.type .. tostring(fs.exists(at .. "/text"))
      .. tostring(fs.exists(at .. "/none")) .. tostring(fs.exists(at .. "/text/x"))
  end,
  ["looks for what is missing"] = function(at) fs.stat(at .. "/none") end,
  ["looks at a file as a directory"] = function(at) fs.stat(at .. "/text/") end,
  ["changes the mode"] = function(at)
    fs.chmod(at .. "/text", 384)
    return fs.stat(at .. "/text").mode
  end,
  ["makes directories"] = function(at)
    fs.mkdir(at .. "/a")
    fs.mkdir(at .. "/b/c/d", { parents = true })
    fs.mkdir(at .. "/b/c", { parents = true })
    return fs.stat(at .. "/b/c/d").type
  end,
  ["makes what is there"] = function(at) fs.mkdir(at .. "/sub") end,
  ["makes what is a file"] = function(at) fs.mkdir(at .. "/text", { parents = true }) end,
  ["makes below a file"] = function(at) fs.mkdir(at .. "/text/x", { parents = true }) end,
  ["makes below nothing"] = function(at) fs.mkdir(at .. "/none/x") end,
  ["removes"] = function(at)
    fs.remove(at .. "/text")
    fs.remove(at .. "/sub")
    fs.mkdir(at .. "/a/b", { parents = true })
    fs.remove(at .. "/a", { recursive = true })
    return #fs.list(at)
  end,
  ["removes what is full"] = function(at)
    fs.write(at .. "/sub/x", "")
    fs.remove(at .. "/sub")
  end,
  ["removes what is missing"] = function(at) fs.remove(at .. "/none") end,
  ["renames"] = function(at)
    fs.rename(at .. "/text", at .. "/sub/moved")
    fs.rename(at .. "/sub", at .. "/other")
    return fs.read(at .. "/other/moved") .. #fs.list(at)
  end,
  ["renames over a file"] = function(at)
    fs.write(at .. "/new", "new")
    fs.rename(at .. "/new", at .. "/text")
    return fs.read(at .. "/text") .. #fs.list(at)
  end,
  ["renames what is missing"] = function(at) fs.rename(at .. "/none", at .. "/x") end,
  ["renames into nothing"] = function(at) fs.rename(at .. "/text", at .. "/none/x") end,
  ["renames a file to a directory"] = function(at) fs.rename(at .. "/text", at .. "/sub") end,
  ["renames a directory to a file"] = function(at) fs.rename(at .. "/sub", at .. "/text") end,
  ["renames a directory into itself"] = function(at) fs.rename(at .. "/sub", at .. "/sub/x") end,
  ["renames to what is full"] = function(at)
    fs.write(at .. "/sub/x", "")
    fs.mkdir(at .. "/a")
    fs.rename(at .. "/a", at .. "/sub")
  end,
  ["copies"] = function(at)
    fs.copy(at .. "/text", at .. "/copy")
    fs.write(at .. "/text", "changed")
    return fs.read(at .. "/copy")
  end,
  ["copies what is missing"] = function(at) fs.copy(at .. "/none", at .. "/x") end,
  ["finds the real path"] = function(at)
    return fs.realpath(at .. "/sub/../text"):match("[^/]*$")
  end,
  ["opens"] = function(at)
    local log = {}
    local file <close> = fs.open(at .. "/text", "r+")
    log[1] = file:read()
    file:write("FL")
    file:seek("set", 1)
    log[2] = file:read("a")
    log[3] = file:seek("end")
    file:write("end")
    file:truncate(20)
    file:sync()
    log[4] = file:stat().size
    file:close()
    return table.concat(log, "|") .. fs.read(at .. "/text")
  end,
  ["opens to append"] = function(at)
    local file <close> = fs.open(at .. "/text", "a+")
    file:write("x")
    file:seek("set")
    local line = file:read()
    file:write("y")
    file:close()
    return line .. fs.read(at .. "/text")
  end,
  ["opens anew"] = function(at)
    local file <close> = fs.open(at .. "/text", "w")
    file:seek("set", 2)
    file:write("x")
    file:close()
    return fs.read(at .. "/text")
  end,
  ["opens only what is new"] = function(at) fs.open(at .. "/text", "wx") end,
  ["opens what is missing"] = function(at) fs.open(at .. "/none") end,
  ["opens a directory to write"] = function(at) fs.open(at .. "/sub", "w") end,
  ["reads what is open to be written"] = function(at)
    local file <close> = fs.open(at .. "/text", "w")
    file:read()
  end,
  ["writes what is open to be read"] = function(at)
    local file <close> = fs.open(at .. "/text")
    file:write("x")
  end,
  ["seeks before the beginning"] = function(at)
    local file <close> = fs.open(at .. "/text")
    file:seek("set", -1)
  end,
  ["uses what is closed"] = function(at)
    local file = fs.open(at .. "/text")
    file:close()
    file:close()
    file:read()
  end,
  ["iterates"] = function(at)
    local list = {}
    for line in fs.lines(at .. "/text") do list[#list + 1] = line end
    return table.concat(list, "|")
  end,
  ["has temporary files and directories"] = function()
    local file <close> = fs.tempfile("tide-")
    file:write("text")
    file:seek("set")
    local dir <close> = fs.tempdir()
    fs.write(dir.path .. "/x", "y")
    return file:read("a") .. fs.read(dir.path .. "/x")
  end,
  ["takes no path that is none"] = function() fs.read {} end,
  ["takes no unknown option"] = function(at) fs.read(at .. "/text", { max = 1 }) end,
}

-- What a deed gives, or its error as far as it does not depend on the folder.
local function outcome(deed, at)
  local ok, result = pcall(deed, at)
  if ok then return { result } end
  if type(result) == "string" then return { (result:gsub("^[^:]+:%d+: ", "")) } end
  local function cut(path) return path and path:gsub("^" .. at:gsub("%p", "%%%0"), "") end
  return { code = result.code, errno = result.errno, path = cut(result.path), to = cut(result.to),
    retryable = result.retryable, message = (result.message:gsub(at:gsub("%p", "%%%0"), "")) }
end

describe("a fake of files does what files do when it", function()
  for name, deed in pairs(deeds) do
    it(name, function()
      local folder = helper.tmpdir()
      helper.write(folder .. "/text", "ebb\nflow\n")
      fs.mkdir(folder .. "/sub")
      local expected = outcome(deed, folder)
      local found = testing.run(function()
        local fake <close> = testing.fs { ["/at/text"] = "ebb\nflow\n", ["/at/sub"] = true }
        assert.is_nil(fake:get("/at/none"))
        return outcome(deed, "/at")
      end)
      assert.same(expected, found)
    end)
  end
end)

describe("a fake of files", function()
  it("lets no function through to the system", function()
    local raw, before = require "neap.core".fs, {}
    for _, functions in ipairs { raw, raw.file, fs } do
      before[functions] = {}
      for name, f in pairs(functions) do before[functions][name] = f end
    end
    local fake <close> = testing.fs {}
    assert.equal(fake, fake)
    local through = {}
    for _, functions in ipairs { raw, raw.file } do
      for name, f in pairs(before[functions]) do
        if type(f) == "function" and functions[name] == f then through[#through + 1] = name end
      end
    end
    for name, f in pairs(before[fs]) do
      if f == before[raw][name] and fs[name] == f then through[#through + 1] = "fs." .. name end
    end
    assert.same({}, through)
  end)

  it("fails when told to", function()
    local fake <close> = testing.fs { ["/full/text"] = "x" }
    fake:fail("/full/new", "ENOSPC")
    local err = failure(fs.write, "/full/new", "x")
    assert.equal("fs.write /full/new: no space left on device", err.message)
    assert.is_nil(err.retryable)
    fake:fail("/full/new", nil)
    fs.write("/full/new", "y")
    assert.equal("y", fake:get("/full/new"))
    local file <close> = fs.open("/full/text")
    fake:fail("/full/text", "EIO")
    assert.equal("EIO", failure(file.read, file).errno)
    assert.truthy(failure(fake.fail, fake, "/x", "EWHAT"):find('expected, got "EWHAT"', 1, true))
  end)

  it("takes its time", function()
    testing.run(function()
      local fake <close> = testing.fs { ["/text"] = "x" }
      fake.delay = 3
      fs.read("/text")
      fs.exists("/none")
      assert.equal(6, neap.now())
    end)
  end)

  it("leaves files alone that were open before", function()
    local path = helper.write(helper.tmpdir() .. "/text", "real")
    local file <close> = fs.open(path)
    do
      local fake <close> = testing.fs()
      assert.equal("real", file:read("a"))
      assert.equal("ENOENT", failure(fs.read, path).errno)
      assert.is_table(fake)
    end
    assert.equal("real", fs.read(path))
    assert.is_not_nil(fs.stat(path))
  end)

  it("says what it has not", function()
    local fake <close> = testing.fs { ["/text"] = "x" }
    assert.truthy(failure(fs.watch, "/text"):find("fs.watch is not part of the fake", 1, true))
    assert.truthy(failure(testing.fs):find("there is a fake already", 1, true))
    fake:close()
    fake:close()
    local err = failure(testing.fs, { ["/x"] = 1 })
    assert.truthy(err:find("files are texts by their paths", 1, true))
  end)
end)
