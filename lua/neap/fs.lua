--- Files. Every function waits, unless its comment says otherwise.
-- SPDX-License-Identifier: MIT
--
-- A failure raises an error object of code "fs" with `path` and, if the system refused,
-- `errno` ("ENOENT").
local class = require "neap.base.class"
local neap_core = require "neap.core"
local core = neap_core.fs
local new_error = require "neap.error".new
local options = require "neap.base.options"
local rules = require "neap.base.schema".rules
local reader = require "neap.io.reader"
local writer = require "neap.io.writer"

local files = core.file

---@class neap.fs.Entry
---@field name string
---@field type "file"|"directory"|"link"|"other"

---@class neap.fs.Stat
---@field type "file"|"directory"|"link"|"other"
---@field size integer bytes
---@field mtime number seconds since 1970
---@field mode integer permission bits

---@class neap.Fs
---@field read fun(path: string, options?: { max_size?: integer }): string at most max_size bytes
---@field list fun(path: string): neap.fs.Entry[] sorted by name
---@field stat fun(path: string): neap.fs.Stat follows links
---@field lstat fun(path: string): neap.fs.Stat of a link itself
---@field exists fun(path: string): boolean follows links; false for the errors ENOENT and
--- ENOTDIR only, others are raised
---@field rename fun(from: string, to: string) on one file system; replaces a file at `to`
---@field copy fun(from: string, to: string) copies a file and its mode; replaces a file at `to`
---@field link fun(from: string, to: string) gives a file a second name
---@field symlink fun(target: string, path: string) makes a link that leads to target,
--- which need not be there
---@field readlink fun(path: string): string where a link leads
---@field realpath fun(path: string): string the absolute path without links
---@field chmod fun(path: string, mode: integer) sets the permission bits
local fs = {}

---@class neap.fs.Change
---@field kind "change"|"rename"|"overflow" content, mode or times have changed; made, removed
--- or moved; changes were lost, because there were too many
---@field path? string the watched path, or that of an entry of a watched directory; nil for an
--- overflow

--- A watch on a path. Up to 1024 changes are kept until they are taken. A change that equals
--- the last one kept is left out.
---@class neap.fs.Watch
---@field next fun(self): neap.fs.Change|nil waits for the next change; nil once there are no more
---@field changes fun(self): fun(...): neap.fs.Change|nil iterates over changes; waits for each
---@field close fun(self) ends the watch: tasks that wait get nil. So do `<close>` and the collector

for _, name in ipairs {
  "read", "list", "stat", "lstat", "exists", "rename", "copy", "link", "symlink",
  "readlink", "realpath", "chmod",
} do
  fs[name] = core[name]
end

-- Raises an error unless argument `n` is a string without zero bytes, or a number, which
-- counts as a string in Lua.
local function check_string(value, n, where, is_path)
  if type(value) ~= "string" and type(value) ~= "number" then
    options.argument(n, where, value, rules.string)
  end
  if is_path and tostring(value):find("\0", 1, true) then
    options.blame(("bad argument #%d to '%s' (path contains a zero byte)"):format(n, where))
  end
end

--- Creates a file or replaces its content.
---
--- With `atomic`, readers find either the old content or all of the data, also after a
--- crash: the data is written to a file beside it and brought to the disk, and that file is
--- renamed. The file keeps its mode, not its owner, and has to be a regular file. A write
--- that fails or is cancelled leaves nothing behind. If the program is killed, a temporary
--- file may stay, which the next atomic write in that folder removes. Without `atomic`, a
--- cancelled write may have written a part.
---@param path string
---@param data string
---@param opts? { atomic?: boolean }
function fs.write(path, data, opts)
  check_string(path, 1, "write", true)
  check_string(data, 2, "write")
  opts = options.check(opts, "fs.write")
  local write = opts.atomic and core.replace or core.write
  write(path, data)
end

--- Creates a file or adds to its content. When it is cancelled, a part may have been added.
---@param path string
---@param ... string|number data, added in one piece
function fs.append(path, ...)
  check_string(path, 1, "append", true)
  if select("#", ...) == 0 then options.argument(2, "append", nil, rules.string) end
  core.append(path, writer.join("append", 2, ...))
end

--- Makes a directory. With `parents`, the missing directories above it are made as well, and
--- the directory may exist already.
---@param path string
---@param opts? { parents?: boolean, mode?: integer } mode: permission bits, reduced by the
--- umask; default: octal 777
function fs.mkdir(path, opts)
  check_string(path, 1, "mkdir", true)
  opts = options.check(opts, "fs.mkdir")
  core.mkdir(path, opts.parents, opts.mode)
end

local NAMELESS = { [""] = true, ["."] = true, [".."] = true }

--- Removes a file, a link or an empty directory; with `recursive`, a directory and all in
--- it. Never follows links. When it is cancelled, a part may have been removed.
---
--- A directory that could not be removed in the end is not emptied either. Refused are a
--- path that ends with "." or "..", or is "/" (`errno` "EINVAL"), a directory in a folder
--- that must not be written to ("EACCES", "EPERM"), and a mount point ("EBUSY").
---@param path string
---@param opts? { recursive?: boolean }
function fs.remove(path, opts)
  check_string(path, 1, "remove", true)
  opts = options.check(opts, "fs.remove")
  if NAMELESS[path:match("([^/]*)/*$")] and path ~= "" then
    error(new_error { code = "fs", path = path, errno = "EINVAL", retryable = false,
      message = ("fs.remove %s: the path has to end with the name of what is to be removed")
        :format(path) }, 0)
  end
  core.remove(path, opts.recursive)
end

--- Watches a file, or the entries of a directory, for changes; does not wait. A watched file
--- may be removed, replaced and made again, because its path is watched. Links on the path
--- are followed: when one is changed to lead elsewhere, that is a "rename" of the path, and
--- its new target is watched. When a directory that is not reached by links is moved or
--- removed, that is a "rename" of its path and the last change.
---
--- With `missing`, the path and the directories above it may be missing, at first and later:
--- a "rename" tells when the path is made and when it goes. Without `missing`, a missing
--- path is an error with `errno` "ENOENT".
---@param path string
---@param opts? { missing?: boolean }
---@return neap.fs.Watch
function fs.watch(path, opts)
  check_string(path, 1, "watch", true)
  opts = options.check(opts, "fs.watch")
  return (core.watch(path, opts.missing))
end

--- An open file. Operations of several tasks are served one after the other, in the order of
--- the calls. An operation that is cancelled ends its wait at once, and the file can still be
--- used: the bytes that it would have read are there for the next read.
---
--- `<close>` variables and the collector close a file without waiting.
---@class neap.fs.File: neap.Reader
---@field path string
---@field private handle userdata
local File, FileMeta = class("neap.fs.File")
reader.extend(File)

local function new_file(handle, path)
  return setmetatable({ handle = handle, path = path }, FileMeta)
end

-- Waits for up to 64 KiB from the position on, for neap.io.reader.
function File:receive()
  return files.read(self.handle)
end

-- The number of bytes that were read from the file but are still held by the reader.
local function ahead(self)
  return self.rest and #self.rest - self.at + 1 or 0
end

-- Sets the file's position to that of the reader. A pipe has no position; its bytes stay
-- with the reader.
local function step_back(self)
  if self.rest and files.back(self.handle, ahead(self)) then self.rest = nil end
end

--- Writes strings and numbers, as Lua's file:write does, in one piece: at the position, or
--- at the end of a file that was opened to append. Waits until the system has taken all of
--- it. When it is cancelled, a part may have been written, and the position is behind it.
---@param ... string|number
function File:write(...)
  local text = writer.join("write", 1, ...)
  step_back(self)
  files.write(self.handle, text)
end

local WHENCE = { test = function(value)
  return value == "set" or value == "cur" or value == "end"
end, expected = '"set", "cur" or "end"' }
local OFFSET = { test = function(value)
  return math.type(value) == "integer" and value ~= math.mininteger
end, expected = "whole number of bytes" }

--- Moves the position, as Lua's file:seek does.
---@param whence? "set"|"cur"|"end" from the start, the position or the end; default: "cur"
---@param offset? integer bytes, default: 0
---@return integer position bytes from the start
function File:seek(whence, offset)
  whence, offset = whence or "cur", offset or 0
  options.argument(1, "seek", whence, WHENCE)
  options.argument(2, "seek", offset, OFFSET)
  if whence == "cur" and offset == 0 then
    return files.seek(self.handle, "cur", 0) - ahead(self)
  end
  step_back(self)
  return (files.seek(self.handle, whence, offset))
end

--- Waits until all that was written is on the disk.
function File:sync()
  files.sync(self.handle)
end

--- The attributes of the file.
---@return neap.fs.Stat
function File:stat()
  return (files.stat(self.handle))
end

--- Sets the size of the file: cuts it, or fills it up with zeros. The position stays.
---@param size integer bytes, 0 or more
function File:truncate(size)
  options.argument(1, "truncate", size, rules.count_or_0)
  step_back(self)
  files.truncate(self.handle, size)
end

--- Closes the file after the operations that were called before. Raises errors of earlier
--- writes that the system reports only now. Closing again does nothing.
function File:close()
  self.rest = nil
  if files.is_open(self.handle) then files.close(self.handle) end
end

function FileMeta:__close()
  self.rest = nil
  files.shut(self.handle)
end

function FileMeta:__tostring()
  return ("%s: %s%s"):format(FileMeta.__name, self.path,
    files.is_open(self.handle) and "" or " (closed)")
end

local function is_mode(mode)
  if type(mode) ~= "string" then return false end
  local kind, rest = mode:match("^([rwa])([+bx]*)$")
  if not kind or (kind ~= "w" and rest:find("x", 1, true)) then return false end
  for _, letter in ipairs { "%+", "b", "x" } do
    if select(2, rest:gsub(letter, "")) > 1 then return false end
  end
  return true
end

local MODE = { test = is_mode,
  expected = '"r", "w", "a", "r+", "w+" or "a+", with w an x for a new file, and a b if you like' }

--- Opens a file, as Lua's io.open does. Reading from a pipe or a terminal occupies one of
--- the few threads for files until there are bytes.
---@param path string
---@param mode? string "r" (the default), "w", "a", each also with "+"; with "b",
--- which changes nothing; "wx": the file must not be there
---@return neap.fs.File
function fs.open(path, mode)
  check_string(path, 1, "open", true)
  mode = mode or "r"
  options.argument(2, "open", mode, MODE)
  return new_file(files.open(path, mode))
end

--- Iterates over the lines of a file, without their ends. Closes the file at the end, or
--- when the loop is left. Waits for each line.
---@param path string
---@param max? integer bytes of the longest line; default: 16 MiB
---@return fun(): string|nil
---@return nil
---@return nil
---@return neap.fs.File
function fs.lines(path, max)
  check_string(path, 1, "lines", true)
  if max ~= nil then options.argument(2, "lines", max, rules.count) end
  local file = new_file(files.open(path, "r"))
  local function next_line()
    local line = file:read("l", max)
    if not line then file:close() end
    return line
  end
  return next_line, nil, nil, file
end

-- The folder of temporary files with the beginning of their names.
local function temporary_prefix(prefix, where)
  prefix = prefix == nil and "neap-" or prefix
  check_string(prefix, 1, where, true)
  if tostring(prefix):find("/", 1, true) then
    options.blame(("bad argument #1 to '%s' (the prefix of a name contains a slash)"):format(where))
  end
  -- In a restricted engine it lies in what was granted, or nowhere.
  local folder = neap_core.first_folder() or neap_core.getenv("TMPDIR")
  if not folder or folder == "" then folder = "/tmp" end
  return ("%s/%s"):format(folder:gsub("(.)/+$", "%1"), prefix)
end

--- Makes a temporary file of mode 0600 in TMPDIR or /tmp, open for reading and writing. It
--- is removed when it is closed, also by the collector or at the end of the program.
---@param prefix? string the beginning of its name; default: "neap-"
---@return neap.fs.File
function fs.tempfile(prefix)
  prefix = temporary_prefix(prefix, "tempfile")
  return new_file(files.temp(prefix))
end

--- A temporary directory. A `<close>` variable removes it with all in it, without waiting.
--- So does the collector, and the end of the program unless a signal kills it. If it has
--- very many files, call `dir:remove()` first, which does not hold up other tasks.
---@class neap.fs.TempDir
---@field path string
---@field private removed? boolean
local TempDir, TempDirMeta = class("neap.fs.TempDir")

--- Removes the directory and all in it. Removing it again does nothing.
function TempDir:remove()
  if self.removed then return end
  local ok, err = pcall(core.remove, self.path, true)
  if not ok and not (type(err) == "table" and err.errno == "ENOENT") then error(err, 0) end
  self.removed = true
end

function TempDirMeta:__close()
  if self.removed then return end
  self.removed = true
  local why = core.remove_now(self.path)
  if why then warn("neap: cannot remove ", self.path, ": ", why) end
end

TempDirMeta.__gc = TempDirMeta.__close
if neap_core.calm then
  TempDirMeta[neap_core.calm] = true -- a sandbox lets it be collected: it calls C alone
end

function TempDirMeta:__tostring()
  return ("%s: %s"):format(TempDirMeta.__name, self.path)
end

--- Makes a temporary directory of mode 0700 in TMPDIR or /tmp.
---@param prefix? string the beginning of its name; default: "neap-"
---@return neap.fs.TempDir
function fs.tempdir(prefix)
  prefix = temporary_prefix(prefix, "tempdir")
  local path = core.tempdir(prefix)
  return setmetatable({ path = path }, TempDirMeta)
end

return fs
