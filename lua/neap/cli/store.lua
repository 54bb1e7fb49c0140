--- `neap store WHAT PATH`: checks a file that keeps durable runs, and copies it.
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local core = require "neap.core"
local load = require "neap.cli.load"
local report = require "neap.cli.report"

local M = {}

local actions = {}

function actions.check(store, path)
  store:check()
  return ("%s: nothing is damaged\n"):format(path)
end

function actions.backup(store, path, to)
  store:backup(to)
  return ("%s: copied to %s\n"):format(path, to)
end

-- Opens the file, which has to be there: a misspelt name must not make one.
local function perform(what, path, to)
  if not neap.fs.exists(path) then error(("%s: there is no such file"):format(path), 0) end
  local store <close> = neap.store.sqlite(path, { read_only = true })
  return actions[what](store, path, to)
end

---@param what? string
---@param ... string
---@return integer status
function M.main(what, ...)
  if what == "--help" or what == "-h" then return require("neap.cli.help").main("store") end
  if not actions[what] then
    return report.misuse(what and ("store: check or backup expected, got '%s'"):format(what)
      or "store: check or backup expected", "store")
  end
  local count = what == "backup" and 1 or 0
  local args, status = load.args("store", {}, { ... }, "PATH", count)
  if not args then return status end
  if #args.words < count then return report.misuse("store: backup takes PATH TO", "store") end
  local ok, result = pcall(perform, what, args.file, args.words[1])
  if ok then return report.result(result) end
  if core.is_cancelled() then error(result, 0) end
  return report.failure("store: " .. report.text_of(result))
end

return M
