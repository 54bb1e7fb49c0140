--- `neap new NAME`: a folder with a script to start from, and its spec.
-- SPDX-License-Identifier: MIT
local encoding = require "neap.base.encoding"
local fs = require "neap.fs"
local load = require "neap.cli.load"
local report = require "neap.cli.report"
local shield = require "neap.task.concurrent".shield
local try = require "neap.task.concurrent".try

local M = {}

local known = { agent = {}, chat = {}, flow = {}, rag = {} }

-- How long it may take to remove what a failure has left, in seconds.
local CLEANUP = 10

-- Returns what is wrong with the name at the end of a path, nil if nothing is.
local function name_fault(name)
  if #name <= 64 and name:find("^%a[%w_-]*$") then return nil end
  return ("'%s' is no name; one has letters, digits, - and _, 64 at most, and begins with a letter")
    :format(encoding.line(name))
end

-- Returns why nothing can be written at a path, nil if it can.
local function place_fault(path)
  local parent = path:match("^(.+)/")
  if parent and not fs.exists(parent) then return ("there is no folder %s"):format(parent) end
  if not fs.exists(path) then return nil end
  if fs.stat(path).type ~= "directory" then return path .. " is there already, and no folder" end
  return fs.list(path)[1] and ("the folder %s is not empty"):format(path) or nil
end

-- The files of a kind, by their paths, with the name in its places.
local function files_of(kind, name)
  local template = require("neap.cli.templates." .. kind)
  local files = {}
  for path, text in pairs(require("neap.cli.templates.common")(template)) do
    files[path] = text:gsub("@NAME@", name)
  end
  return files
end

-- Removes a folder when it goes out of scope, unless it was moved away.
local function scrap(path)
  return setmetatable({}, { __close = function(self)
    if not self.is_kept then shield(CLEANUP, fs.remove, path, { recursive = true }) end
  end })
end

-- Writes the files below a path: all of them or, when that fails, none.
local function write(path, files)
  if fs.exists(path) then path = fs.realpath(path) end -- an empty folder, or a link to one
  local folder, name = path:match("^(.-)([^/]*)$")
  local draft = ("%s.%s.%08x"):format(folder, name, math.random(0, 0xffffffff))
  fs.mkdir(draft)
  local guard <close> = scrap(draft)
  for file, text in pairs(files) do
    local inside = file:match("^(.*)/")
    if inside then fs.mkdir(("%s/%s"):format(draft, inside), { parents = true }) end
    fs.write(("%s/%s"):format(draft, file), text)
  end
  fs.rename(draft, path)
  guard.is_kept = true
end

-- What to do with what was written.
local function words_of(path, files)
  local names, lines = {}, {}
  for name in pairs(files) do names[#names + 1] = name end
  table.sort(names)
  for i, name in ipairs(names) do lines[i] = ("  %s/%s\n"):format(path, name) end
  local folder = path:find("[^%w_./-]") and "'" .. path:gsub("'", "'\\''") .. "'" or path
  return ("made:\n%s\nrun it:   cd %s && neap main.lua\ntest it:  cd %s && neap $(which busted)\n")
    :format(table.concat(lines), folder, folder)
end

-- The kind that the options name. Returns nil and what is wrong, if they name two.
local function kind_of(given)
  local kind
  for _, name in ipairs { "agent", "chat", "flow", "rag" } do
    if given[name] and kind then
      return nil, ("one kind expected, got --%s and --%s"):format(kind, name)
    end
    kind = given[name] and name or kind
  end
  return kind or "flow"
end

---@param ... string
---@return integer status
function M.main(...)
  local args, status = load.args("new", known, { ... }, "NAME")
  if not args then return status end
  local path = args.file:gsub("(.)/+$", "%1")
  local name = path:match("[^/]*$")
  local kind, fault = kind_of(args.options)
  if args.rest[1] then fault = ("nothing expected behind --, got '%s'"):format(args.rest[1]) end
  fault = fault or name_fault(name)
  if fault then return report.misuse("new: " .. fault, "new") end

  local _, problem = try(place_fault, path)
  local files = files_of(kind, name)
  if not problem then _, problem = try(write, path, files) end
  if not problem then return report.result(words_of(path, files)) end
  return report.failure(("new: cannot make %s: %s"):format(encoding.line(path),
    report.text_of(problem)))
end

return M
