--- Files. Every function waits while the file system works, and lets others
--- run meanwhile, unless it says otherwise.
-- SPDX-License-Identifier: MIT
--
-- A failure raises an error object of code "fs" with `path` and, where the
-- system refused, `errno` ("ENOENT").
local class = require "neap.base.class"
local core = require "neap.core".fs
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
---@field stat fun(path: string): neap.fs.Stat of what the path leads to, links followed
---@field lstat fun(path: string): neap.fs.Stat of a link itself
---@field exists fun(path: string): boolean whether it leads to something; false for
--- the errors ENOENT and ENOTDIR only, others are raised
---@field rename fun(from: string, to: string) on the same file system; replaces what has that name
---@field copy fun(from: string, to: string) a file with its mode; replaces what has that name
---@field link fun(from: string, to: string) gives a file a second name
---@field symlink fun(target: string, path: string) makes a link that leads to target,
--- which need not be there
---@field readlink fun(path: string): string where a link leads
---@field realpath fun(path: string): string the absolute path without links
---@field chmod fun(path: string, mode: integer) sets the permission bits
local fs = {}

---@class neap.fs.Change
---@field kind "change"|"rename"|"overflow" content, mode or times; made, removed or moved;
--- more than could be kept, so that some have been lost
---@field path? string that was watched, in a directory that of the entry; none of an overflow

--- What tells of changes. They are kept, up to 1024, until they are taken; one
--- that is like the one before it, which was not taken yet, is not told again.
---@class neap.fs.Watch
---@field next fun(self): neap.fs.Change|nil waits for the next change; nil once there are no more
---@field changes fun(self): fun(...): neap.fs.Change|nil iterates over them; waits for each
---@field close fun(self) ends it: whoever waits gets nil. So do `<close>` and the collector

for _, name in ipairs {
  "read", "list", "stat", "lstat", "exists", "rename", "copy", "link", "symlink",
  "readlink", "realpath", "chmod",
} do
  fs[name] = core[name]
end

-- Raises an error unless argument `n` is a string, or a number, which Lua takes for
-- one; a path has no zero byte besides.
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
--- With `atomic`, whoever reads the file, also after a crash, finds either what
--- was there or all of the data: they are written to a file beside it, brought
--- to the disk, and that is renamed. It keeps its mode, not its owner, and has
--- to be a regular file. Nothing else is left when that fails or is cancelled;
--- what one leaves whose program is killed, the next in that folder removes.
--- Without it, a cancelled write may have written a part.
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

--- Creates a file or adds to its content. Cancelled, it may have added a part.
---@param path string
---@param ... string|number data, added in one piece
function fs.append(path, ...)
  check_string(path, 1, "append", true)
  if select("#", ...) == 0 then options.argument(2, "append", nil, rules.string) end
  core.append(path, writer.join("append", 2, ...))
end

--- Makes a directory. With `parents` also those above it that are missing, and
--- it is fine if it is there.
---@param path string
---@param opts? { parents?: boolean, mode?: integer } mode: permission bits,
--- from which the umask is taken; default: octal 777
function fs.mkdir(path, opts)
  check_string(path, 1, "mkdir", true)
  opts = options.check(opts, "fs.mkdir")
  core.mkdir(path, opts.parents, opts.mode)
end

local NAMELESS = { [""] = true, ["."] = true, [".."] = true }

--- Removes a file, a link or an empty directory; with `recursive` a directory
--- and all that is in it. Never follows links. Cancelled, it stops amid that.
---
--- What could not be removed once it is empty is not emptied either: a path that
--- ends with "." or "..", or is "/", is refused (`errno` "EINVAL"), as is a
--- directory in a folder that must not be written to ("EACCES", "EPERM"), or on
--- which something is mounted ("EBUSY").
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

--- Watches a file, or a directory but not those within it, for changes; does not
--- wait. Of a file the path is watched: it may be removed, replaced, made again.
--- Where links lead to it, and one is made to point elsewhere, that is a "rename"
--- of the path, and from then on what it leads to now is watched. A directory to
--- which no links lead, and which is moved or removed, is told of as a "rename" of
--- its path, and that is the last.
---
--- With `missing` the path may lead nowhere, and the directories above it may be
--- missing, at first and later: a "rename" tells when something is made there, and
--- when it goes. Without, that is an error with `errno` "ENOENT".
---@param path string
---@param opts? { missing?: boolean }
---@return neap.fs.Watch
function fs.watch(path, opts)
  check_string(path, 1, "watch", true)
  opts = options.check(opts, "fs.watch")
  return (core.watch(path, opts.missing))
end

--- A file that is open. Operations of several tasks on it are served one after
--- the other, in the order in which they were asked for. One that is cancelled
--- gives up its wait at once, and the file can be used on: bytes that it would
--- have read are read by the next.
---
--- `local f <close> = fs.open(path)` closes it without waiting; so does the
--- collector.
---@class neap.fs.File: neap.Reader
---@field path string
---@field private handle userdata
local File, FileMeta = class("neap.fs.File")
reader.extend(File)

local function new_file(handle, path)
  return setmetatable({ handle = handle, path = path }, FileMeta)
end

-- Reader's source: up to 64 KiB from the position on.
function File:receive()
  return files.read(self.handle)
end

-- The number of bytes that have been read from the file, but not from us.
local function ahead(self)
  return self.rest and #self.rest - self.at + 1 or 0
end

-- Sets the file's position to where the reader is. Pipes and such have none:
-- what has come from them stays to be read.
local function step_back(self)
  if self.rest and files.back(self.handle, ahead(self)) then self.rest = nil end
end

--- Writes strings and numbers, as Lua's file:write does, in one piece: at the
--- position, or if the file was opened to append at its end. Waits until the
--- system has taken all of it. Cancelled, it may have written a part, behind
--- which the position is then.
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

--- Waits until all that has been written is on the disk.
function File:sync()
  files.sync(self.handle)
end

--- What is known about the file.
---@return neap.fs.Stat
function File:stat()
  return (files.stat(self.handle))
end

--- Cuts the file, or lengthens it with zeros. The position stays.
---@param size integer bytes, 0 or more
function File:truncate(size)
  options.argument(1, "truncate", size, rules.count_or_0)
  step_back(self)
  files.truncate(self.handle, size)
end

--- Closes the file when what was asked of it before has been done. Raises what
--- the system says only then of what was written before. Closing it again does
--- nothing.
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

--- Opens a file, as Lua's io.open does. What has no end, or none yet (pipes,
--- terminals), keeps one of the few threads for files while it is read.
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

--- Iterates over the lines of a file, without their ends, and closes it at the
--- end, or when the loop is left. Waits for each line.
---@param path string
---@param max? integer bytes of the longest line, 16 MiB unless given
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

-- Where temporary files go, with the beginning of their names.
local function temporary_prefix(prefix, where)
  prefix = prefix == nil and "neap-" or prefix
  check_string(prefix, 1, where, true)
  if tostring(prefix):find("/", 1, true) then
    options.blame(("bad argument #1 to '%s' (the prefix of a name contains a slash)"):format(where))
  end
  local folder = os.getenv("TMPDIR")
  if not folder or folder == "" then folder = "/tmp" end
  return ("%s/%s"):format(folder:gsub("(.)/+$", "%1"), prefix)
end

--- Makes a temporary file in TMPDIR or /tmp, open to be read and written, which
--- nobody else may (mode 0600). It is removed when it is closed, also by the
--- collector or at the end of the program.
---@param prefix? string the beginning of its name; default: "neap-"
---@return neap.fs.File
function fs.tempfile(prefix)
  prefix = temporary_prefix(prefix, "tempfile")
  return new_file(files.temp(prefix))
end

--- A temporary directory. `local dir <close> = fs.tempdir()` removes it with all
--- that is in it when the block is left, at once and without waiting; so does the
--- collector, and the end of the program unless a signal ends it. With very many
--- files in it, `dir:remove()` before keeps others from being held up.
---@class neap.fs.TempDir
---@field path string
---@field private removed? boolean
local TempDir, TempDirMeta = class("neap.fs.TempDir")

--- Removes the directory and all that is in it. Again does nothing.
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

function TempDirMeta:__tostring()
  return ("%s: %s"):format(TempDirMeta.__name, self.path)
end

--- Makes a temporary directory in TMPDIR or /tmp, which nobody else may use
--- (mode 0700).
---@param prefix? string the beginning of its name; default: "neap-"
---@return neap.fs.TempDir
function fs.tempdir(prefix)
  prefix = temporary_prefix(prefix, "tempdir")
  local path = core.tempdir(prefix)
  return setmetatable({ path = path }, TempDirMeta)
end

return fs
