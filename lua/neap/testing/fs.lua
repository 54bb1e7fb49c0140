--- The fake of neap.fs: a test keeps files in memory.
-- SPDX-License-Identifier: MIT
local answers = require "neap.testing.answers"
local fake = require "neap.testing.fake"
local core = require "neap.core"
local fs = require "neap.fs"
local new_error = require "neap.error".new
local options = require "neap.base.options"
local schema = require "neap.base.schema"
local WORDS = require "neap.testing.errno"

local M = {}

local raw, raw_files = core.fs, core.fs.file

--- A fake of neap.fs: all paths are looked up in memory, relative paths from "/". It has
--- files and directories, but no links; watch, link, symlink and readlink raise an error.
--- Every operation waits for `delay` seconds.
---@class neap.testing.Fs
---@field close fun(self) lets paths lead to the disk again
---@field delay number seconds for each operation; default: 0
---@field private root table
---@field private faults table<string, string>
---@field private real table
local Fake, FakeMeta, begin = fake("neap.testing.Fs", function(self)
  for t, functions in pairs(self.real) do
    for name, f in pairs(functions) do t[name] = f end
  end
end)

-- Errors after which the same may succeed later.
local PASSING = { EIO = true, EMFILE = true, ENOSPC = true }

local function fail(what, path, errno, to)
  local err = new_error {
    code = "fs", path = path, to = to, errno = errno,
    message = ("%s %s%s: %s"):format(what, path == "" and '""' or path, to and " to " .. to or "",
      WORDS[errno]),
  }
  if not PASSING[errno] then err.retryable = false end
  error(err, 0)
end

local function new_directory()
  return { type = "directory", entries = {}, mode = 493, mtime = 0 } -- rwxr-xr-x
end

local function new_file(data)
  return { type = "file", data = data, mode = 420, mtime = 0 } -- rw-r--r--
end

-- The names on the way to a path, "." and ".." resolved.
local function names_of(path)
  local names = {}
  for name in path:gmatch("[^/]+") do
    if name == ".." then
      names[#names] = nil
    elseif name ~= "." then
      names[#names + 1] = name
    end
  end
  return names
end

local function clean(path)
  return "/" .. table.concat(names_of(path), "/")
end

-- Looks up a path. Returns its node or nil, the directory above it or nil, its name there,
-- and why it is not there.
function Fake:find(path)
  if path == "" then return nil, nil, "", "ENOENT" end
  local names = names_of(path)
  local node, above, name = self.root, nil, "/"
  for i = 1, #names do
    if not node then return nil, nil, names[i], "ENOENT" end
    if node.type ~= "directory" then return nil, nil, names[i], "ENOTDIR" end
    above, name = node, names[i]
    node = node.entries[name]
  end
  if node and node.type == "file" and path:find("/$") then return nil, nil, name, "ENOTDIR" end
  return node, above, name, not node and "ENOENT" or nil
end

-- Begins an operation: waits, and raises the error that was set with `fail`.
function Fake:begin(what, path, to)
  core.may_wait(what)
  core.sleep(self.delay)
  for _, p in ipairs { path, to } do
    local errno = self.faults[clean(p)]
    if errno then fail(what, path, errno, to) end
  end
end

-- The node at a path. Raises an error if there is none, or none of this type.
function Fake:need(what, path, kind)
  local node, _, _, errno = self:find(path)
  if not node then fail(what, path, errno) end
  if kind and node.type ~= kind then
    fail(what, path, kind == "file" and "EISDIR" or "ENOTDIR")
  end
  return node
end

-- The directory of a path's last name, and the node that it has there, if any.
function Fake:place(what, path, to)
  local node, above, name, errno = self:find(to or path)
  if not above then fail(what, path, node and "EEXIST" or errno, to) end
  return above, name, node
end

function Fake:put(what, path, data)
  local above, name, node = self:place(what, path)
  if node and node.type == "directory" then fail(what, path, "EISDIR") end
  if not node then
    node = new_file("")
    above.entries[name] = node
  end
  node.data, node.mtime = data, core.now()
  return node
end

local function stat_of(node)
  return { type = node.type, size = node.data and #node.data or 4096, mtime = node.mtime,
    mode = node.mode }
end

-- The functions that stand in for those of neap.core.fs. Each gets the fake, its name for
-- messages and the arguments.
local calls = {}

function calls.read(self, what, path, opts)
  opts = options.check(opts, "fs.read")
  local data = self:need(what, path, "file").data
  if opts.max_size and #data > opts.max_size then
    error(new_error { code = "fs", path = path, retryable = false,
      message = ("%s %s: larger than allowed"):format(what, path) }, 0)
  end
  return data
end

function calls.write(self, what, path, data) self:put(what, path, data) end

calls.replace = calls.write

function calls.append(self, what, path, data)
  local node = self:find(path)
  self:put(what, path, (node and node.data or "") .. data)
end

function calls.list(self, what, path)
  local list = {}
  for name, node in pairs(self:need(what, path, "directory").entries) do
    list[#list + 1] = { name = name, type = node.type }
  end
  table.sort(list, function(a, b) return a.name < b.name end)
  return list
end

function calls.stat(self, what, path) return stat_of(self:need(what, path)) end

calls.lstat = calls.stat

function calls.exists(self, _, path) return self:find(path) ~= nil end

function calls.realpath(self, what, path)
  self:need(what, path)
  return clean(path)
end

function calls.chmod(self, what, path, mode) self:need(what, path).mode = mode end

function calls.rename(self, what, path, to)
  local node, above, name, errno = self:find(path)
  if not above then fail(what, path, errno or "EINVAL", to) end
  if not node then fail(what, path, errno, to) end
  if node.type == "directory" and (clean(to) .. "/"):sub(1, #clean(path) + 1) == clean(path) .. "/"
    and clean(to) ~= clean(path) then
    fail(what, path, "EINVAL", to)
  end
  local above_to, name_to, there = self:place(what, path, to)
  if there and there ~= node then
    if there.type == "directory" and node.type == "file" then fail(what, path, "EISDIR", to) end
    if there.type == "file" and node.type == "directory" then fail(what, path, "ENOTDIR", to) end
    if there.entries and next(there.entries) then fail(what, path, "ENOTEMPTY", to) end
  end
  above.entries[name] = nil
  above_to.entries[name_to] = node
end

function calls.copy(self, what, path, to)
  local node, _, _, errno = self:find(path)
  if not node then fail(what, path, errno, to) end
  if node.type == "directory" then fail(what, path, "EISDIR", to) end
  local above, name, there = self:place(what, path, to)
  if there and there.type == "directory" then fail(what, path, "EISDIR", to) end
  local copy = new_file(node.data)
  copy.mode, copy.mtime = node.mode, core.now()
  above.entries[name] = copy
end

function calls.mkdir(self, what, path, parents)
  local node, above, name, errno = self:find(path)
  if node then
    if not (parents and node.type == "directory") then fail(what, path, "EEXIST") end
  elseif above then
    above.entries[name] = new_directory()
  elseif parents and errno == "ENOENT" and path ~= "" then
    calls.mkdir(self, what, clean(path):match("^(.*)/"), true)
    calls.mkdir(self, what, path, true)
  else
    fail(what, path, errno)
  end
end

function calls.remove(self, what, path, recursive)
  local node, above, name, errno = self:find(path)
  if not node then fail(what, path, errno) end
  if not above then fail(what, path, "EINVAL") end
  if node.entries and next(node.entries) and not recursive then fail(what, path, "ENOTEMPTY") end
  above.entries[name] = nil
end

function calls.tempdir(self, what, prefix)
  self.serial = self.serial + 1
  local path = ("%s%06d"):format(prefix, self.serial)
  calls.mkdir(self, what, path, true)
  return path
end

for _, name in ipairs { "watch", "link", "symlink", "readlink" } do
  calls[name] = function()
    error(("testing.fs: fs.%s is not part of the fake"):format(name), 4)
  end
end

-- The functions that stand in for those of neap.core.fs.file. A handle is a table.
local file_calls = {}

function file_calls.open(self, what, path, mode)
  local node, above, name, errno = self:find(path)
  local kind = mode:sub(1, 1)
  local writes = kind ~= "r" or mode:find("+", 1, true) ~= nil
  if node and mode:find("x", 1, true) then fail(what, path, "EEXIST") end
  if node and writes and node.type == "directory" then fail(what, path, "EISDIR") end
  if not node and (kind == "r" or not above) then fail(what, path, errno) end
  if not node then
    node = new_file("")
    above.entries[name] = node
  elseif kind == "w" then
    node.data = ""
  end
  return { path = path, node = node, position = 0, appends = kind == "a", is_open = true,
    reads = kind == "r" or mode:find("+", 1, true) ~= nil, writes = writes }
end

function file_calls.temp(self, what, prefix)
  self.serial = self.serial + 1
  local path = ("%s%06d"):format(prefix, self.serial)
  calls.mkdir(self, what, clean(path):match("^(.*)/") or "/", true)
  local handle = file_calls.open(self, what, path, "w+")
  local _, above, name = self:find(path)
  handle.at_end = function() above.entries[name] = nil end
  return handle
end

local function check_open(what, handle)
  if not handle.is_open then
    error(new_error { code = "closed",
      message = ("%s %s: the file has been closed"):format(what, handle.path) }, 0)
  end
end

local PIECE = 64 * 1024

function file_calls.read(_, what, handle)
  if not handle.reads then fail(what, handle.path, "EBADF") end
  if handle.node.type == "directory" then fail(what, handle.path, "EISDIR") end
  local piece = handle.node.data:sub(handle.position + 1, handle.position + PIECE)
  handle.position = handle.position + #piece
  return piece ~= "" and piece or nil
end

function file_calls.write(_, what, handle, data)
  if not handle.writes then fail(what, handle.path, "EBADF") end
  local node = handle.node
  if handle.appends then handle.position = #node.data end
  data = tostring(data)
  local before = node.data:sub(1, handle.position)
  before = before .. ("\0"):rep(handle.position - #before)
  node.data = before .. data .. node.data:sub(handle.position + #data + 1)
  node.mtime = core.now()
  handle.position = handle.position + #data
end

function file_calls.seek(_, what, handle, whence, offset)
  local from = whence == "cur" and handle.position or whence == "end" and #handle.node.data or 0
  if from + offset < 0 then fail(what, handle.path, "EINVAL") end
  handle.position = from + offset
  return handle.position
end

function file_calls.truncate(_, what, handle, size)
  if not handle.writes then fail(what, handle.path, "EINVAL") end
  local data = handle.node.data:sub(1, size)
  handle.node.data = data .. ("\0"):rep(size - #data)
end

function file_calls.stat(_, _, handle) return stat_of(handle.node) end

function file_calls.sync() end

local function shut(handle)
  handle.is_open = false
  if handle.at_end then handle.at_end() end
  handle.at_end = nil
end

function file_calls.close(_, _, handle) shut(handle) end

-- The functions on handles that do not wait.
local at_once = {
  back = function(handle, count)
    handle.position = handle.position - count
    return true
  end,
  shut = shut,
  is_open = function(handle) return handle.is_open end,
}

local TWO_PATHS = { rename = true, copy = true }

-- Makes a function of neap.core.fs.
local function path_function(self, name, call)
  return function(path, second, third)
    options.argument(1, name, path, schema.rules.string)
    local to = TWO_PATHS[name] and second or nil
    if TWO_PATHS[name] then options.argument(2, name, second, schema.rules.string) end
    local what = "fs." .. (name == "replace" and "write" or name)
    self:begin(what, path, to)
    return (call(self, what, path, second, third))
  end
end

-- Makes a function of neap.core.fs.file. `real` serves handles that are not tables: those of
-- files that were opened before the fake.
local function file_function(self, name, call, real)
  return function(handle, ...)
    if name == "open" or name == "temp" then
      local what = name == "open" and "fs.open" or "fs.tempfile"
      self:begin(what, handle)
      return (call(self, what, handle, ...))
    elseif type(handle) ~= "table" then
      return real(handle, ...)
    end
    local what = "file:" .. name
    check_open(what, handle)
    self:begin(what, handle.path)
    return (call(self, what, handle, ...))
  end
end

-- Replaces functions by those of the fake, and keeps the replaced ones in `real`.
local function replace(real, t, functions)
  real[t] = {}
  for name, f in pairs(functions) do
    real[t][name] = t[name]
    t[name] = f
  end
end

local function install(self)
  local functions, file_functions = {}, {}
  for name, call in pairs(calls) do functions[name] = path_function(self, name, call) end
  functions.remove_now = function(path)
    local ok, err = pcall(calls.remove, self, "fs.remove", path, true)
    return not ok and err.message or nil
  end
  for name, call in pairs(file_calls) do
    file_functions[name] = file_function(self, name, call, raw_files[name])
  end
  for name, call in pairs(at_once) do
    local real = raw_files[name]
    file_functions[name] = function(handle, ...)
      return (type(handle) == "table" and call or real)(handle, ...)
    end
  end
  local copies = {}
  for name in pairs(fs) do
    if fs[name] == raw[name] then copies[name] = functions[name] end
  end
  replace(self.real, fs, copies)
  replace(self.real, raw, functions)
  replace(self.real, raw_files, file_functions)
end

--- Lets operations on a path fail with an error of the system; nil ends that.
---@param path string
---@param errno string|nil for example "ENOSPC"
function Fake:fail(path, errno)
  if errno ~= nil then
    options.argument(2, "fail", errno, schema.options["testing.net"].error)
  end
  self.faults[clean(path)] = errno
end

--- The content of a file; nil if there is no such file. Does not wait.
---@param path string
---@return string|nil
function Fake:get(path)
  local node = self:find(path)
  return node and node.data
end

--- Opens the fake.
---@param files? table<string, string|boolean> the content by path; true: a directory
---@return neap.testing.Fs
function M.new(files)
  files = files == nil and {} or files
  answers.check_all(files, "fs", "files")
  local self = setmetatable({ delay = 0, root = new_directory(), faults = {}, real = {},
    serial = 0 }, FakeMeta)
  for path, data in pairs(files) do
    if type(path) ~= "string" or (type(data) ~= "string" and data ~= true) then
      options.blame("testing.fs: files are texts by their paths, or true for a directory")
    end
    calls.mkdir(self, "testing.fs", data == true and path or clean(path):match("^(.*)/[^/]*$")
      .. "/", true)
    if data ~= true then self:put("testing.fs", path, data) end
  end
  begin(self)
  install(self)
  return self
end

return M
