--- The arguments of a command: options, and one file.
-- SPDX-License-Identifier: MIT
local options = require "neap.base.options"

local M = {}

---@class neap.OptionSpec
---@field value? string what its value is, in words; nil: it takes no value
---@field many? boolean it may be given several times

---@class neap.Args
---@field file string or what else the command works on
---@field words string[] what stands behind it, for a command that takes more
---@field rest string[] the words behind `--`
---@field options table<string, true|string|string[]> a list for options with `many`

local function misspelt(name, known)
  local meant = options.nearest(name, known)
  return ("unknown option '--%s'%s"):format(name,
    meant and ("; did you mean '--%s'?"):format(meant) or "")
end

-- Keeps an option in `given`. Returns what is wrong with it, nil if nothing is.
local function keep(given, name, spec, value)
  if not spec.many then
    if given[name] ~= nil then return ("'--%s' is given twice"):format(name) end
    given[name] = value
  else
    given[name] = given[name] or {}
    table.insert(given[name], value)
  end
end

--- Reads the arguments of a command that works on one file. Options may stand
--- before and behind it, as `--name VALUE` or `--name=VALUE`.
---@param known table<string, neap.OptionSpec>
---@param list string[]
---@param what? string what it works on; default: "FILE"
---@param more? integer how many words may follow it; default: 0
---@return neap.Args|nil args
---@return string|nil problem
function M.parse(known, list, what, more)
  local args = { options = {}, rest = {}, words = {} }
  what = what or "FILE"
  local i = 1
  while list[i] do
    local word = list[i]
    local name, value = word:match("^%-%-([^=]+)=(.*)$")
    name = name or word:match("^%-%-(.+)$")
    local spec, problem = known[name], nil
    if word == "--" then
      table.move(list, i + 1, #list, 1, args.rest)
      break
    elseif name and not spec then
      problem = misspelt(name, known)
    elseif name and not spec.value then
      problem = value and ("'--%s' takes no value"):format(name)
        or keep(args.options, name, spec, true)
    elseif name then
      if not value then
        i = i + 1
        value = list[i]
      end
      problem = not value and ("'--%s' needs a value: %s"):format(name, spec.value)
        or keep(args.options, name, spec, value)
    elseif word:find("^%-.") then
      problem = ("unknown option '%s'"):format(word)
    elseif args.file and #args.words < (more or 0) then
      table.insert(args.words, word)
    elseif args.file and more then
      problem = ("'%s' is one word too many"):format(word)
    elseif args.file then
      problem = ("one %s expected, got '%s', too"):format(what, word)
      if what == "FILE" then problem = problem .. " (what FILE gets stands behind --)" end
    else
      args.file = word
    end
    if problem then return nil, problem end
    i = i + 1
  end
  if not args.file then return nil, ("a %s expected"):format(what) end
  return args
end

--- Whether the arguments ask for help.
---@param list string[]
---@return boolean
function M.want_help(list)
  for _, word in ipairs(list) do
    if word == "--" then return false end
    if word == "--help" or word == "-h" then return true end
  end
  return false
end

return M
