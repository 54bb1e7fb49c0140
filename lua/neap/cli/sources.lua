--- The files that a script is made of: its own, and those of the modules it requires.
-- SPDX-License-Identifier: MIT
local fs = require "neap.fs"

local M = {}

---@class neap.Source
---@field path string
---@field text string|nil nil: it cannot be read
---@field problem string|nil why it cannot
---@field is_absent boolean|nil a module that is nowhere here, and may come

-- Paths below a folder, of which "." is left out as Lua does in messages.
local function below(folder, path)
  return folder == "." and path or folder .. "/" .. path
end

local function folder_of(path)
  return path:match("^(.*)/[^/]*$") or "."
end

local function read(path)
  local ok, text = pcall(fs.read, path)
  if ok then return { path = path, text = text } end
  if require("neap.core").is_cancelled() then error(text, 0) end
  return { path = path, problem = (tostring(text):gsub("^fs%.", "cannot ")) }
end

-- Adds the source of the module `name`: beside the script or in our own folder, where Lua
-- looks. One that is in neither is installed elsewhere, or still to be written. neap's own
-- modules have none.
local function add_module(list, name, folder)
  if package.preload[name] then return end
  local path = name:gsub("%.", "/")
  local bases, absent = folder == "." and { "." } or { folder, "." }, {}
  for _, base in ipairs(bases) do
    for _, ending in ipairs { ".lua", "/init.lua" } do
      local source = read(below(base, path .. ending))
      if source.text then
        list[#list + 1] = source
        return
      end
    end
    absent[#absent + 1] = { path = below(base, path .. ".lua"), is_absent = true }
  end
  table.move(absent, 1, #absent, #list + 1, list)
end

--- Reads a script and the modules that it and they require with their names spelt out, as
--- far as they are in the folder of the script or in ours. Names that are made when the
--- script runs are not known here.
---@param file string
---@return neap.Source[] sources the script first
function M.read(file)
  local list, known = { read(file) }, {}
  local folder = folder_of(file)
  for _, source in ipairs(list) do -- the list grows meanwhile
    for _, name in (source.text or ""):gmatch("require%s*%(?%s*([\"'])([%w_%-.]+)%1") do
      if not known[name] then add_module(list, name, folder) end
      known[name] = true
    end
  end
  return list
end

--- Whether two lists have the same files with the same texts.
---@param a neap.Source[]
---@param b neap.Source[]
---@return boolean
function M.equal(a, b)
  if #a ~= #b then return false end
  for i, source in ipairs(a) do
    if source.path ~= b[i].path or source.text ~= b[i].text then return false end
  end
  return true
end

-- The text of a chunk, of which the first line may be for the shell.
local function chunk_of(text)
  return (text:gsub("^\xEF\xBB\xBF", ""):gsub("^#[^\n]*", ""))
end

--- Whether a list has these paths.
---@param a neap.Source[]
---@param b neap.Source[]
---@return boolean
function M.have_paths(a, b)
  for i = 1, math.max(#a, #b) do
    if not (a[i] and b[i] and a[i].path == b[i].path) then return false end
  end
  return true
end

--- What is wrong with the texts, without running them; nil if nothing is.
---@param list neap.Source[]
---@return string|nil problem
function M.problem(list)
  for _, source in ipairs(list) do
    local _, problem
    if source.is_absent then
      problem = nil
    elseif source.text then
      _, problem = load(chunk_of(source.text), "@" .. source.path, "t")
    else
      problem = source.problem
    end
    if problem then return problem end
  end
  return nil
end

--- Whether nothing is in the script: an editor may be about to write it.
---@param list neap.Source[]
---@return boolean
function M.is_empty(list)
  return list[1].text ~= nil and not list[1].text:find("%S")
end

--- Whether the script returns something but does its work only as the main script. Then
--- running it as `neap check` does has no other effect. A statement may not follow `return`.
---@param list neap.Source[]
---@return boolean
function M.is_for_commands(list)
  local text = chunk_of(list[1].text)
  return text:find("is_main", 1, true) ~= nil and load(text .. "\n;", "=", "t") ~= nil
    and load(text .. "\nlocal _", "=", "t") == nil
end

return M
