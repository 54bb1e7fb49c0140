--- The executable `neap`: choosing the command by the arguments.
-- SPDX-License-Identifier: MIT
--
-- Each command is a module with `main(...)`, which returns an exit status: 0 for success,
-- 1 for a failure, 2 for wrong arguments. Only the module of the command that runs is
-- loaded.
local M = {}

local commands = {
  run = "neap.cli.run",
  graph = "neap.cli.graph",
  check = "neap.cli.check",
  watch = "neap.cli.watch",
  runs = "neap.cli.runs",
  work = "neap.cli.work",
  store = "neap.cli.store",
  serve = "neap.cli.serve",
  new = "neap.cli.new",
  help = "neap.cli.help",
  version = "neap.cli.version",
}

local aliases = { ["--help"] = "help", ["-h"] = "help", ["--version"] = "version",
  ["-v"] = "version" }

local function exists(file)
  local handle = io.open(file, "rb")
  if handle then handle:close() end
  return handle ~= nil
end

-- Refuses a word that is neither a command nor a file, most likely a misspelt command.
local function refuse(word)
  local known = { ["-e"] = true }
  for name in pairs(word:find("^%-") and aliases or commands) do known[name] = true end
  local meant = require("neap.base.options").nearest(word, known)
  -- One-letter options have nothing in common but their length.
  if word:find("^%-.$") and meant and meant:lower() ~= word:lower() then meant = nil end
  return require("neap.cli.report").misuse(("unknown %s '%s'%s"):format(
    word:find("^%-") and "option" or "command", word,
    meant and ("; did you mean '%s'?"):format(meant) or ""))
end

--- Runs the command that the arguments of the process name. Called inside a task.
---@param first? string a command, or the file of a script
---@param ... string
---@return integer|nil status of the process; nil stands for 0
function M.main(first, ...)
  if first == nil then return require("neap.cli.help").missing() end
  local command = commands[aliases[first] or first]
  if command then return require(command).main(...) end
  if first == "-e" then return require("neap.cli.script").main_code(...) end
  if first ~= "-" and (first:find("^%-") or not (first:find("[./]") or exists(first))) then
    return refuse(first)
  end
  return require("neap.cli.script").main(first, ...)
end

return M
