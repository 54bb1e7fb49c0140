--- `neap watch FILE`: runs a script, and runs it anew when its text has changed.
-- SPDX-License-Identifier: MIT
--
-- The script runs in a process of its own, so that one that computes without an end, or
-- ends its process, is no more than one that has to be started anew.
local neap = require "neap"
local args = require "neap.cli.args"
local report = require "neap.cli.report"
local run = require "neap.cli.run"
local sources = require "neap.cli.sources"

local M = {}

-- Editors write a file in several steps: seconds without a change after which it is whole.
local QUIET <const> = 0.05
-- The most seconds that are waited for that.
local PATIENCE <const> = 2
-- Seconds that `neap check` may take.
local CHECK <const> = 30

-- Findings of `neap check` that say nothing of what the flow will do.
local HARMLESS = { unnamed = true, ["same-name"] = true }

local function say(format, ...)
  io.stderr:write("neap: watch: ", format:format(...), "\n")
end

---@class neap.Watched
---@field file string
---@field words string[] the arguments of the process that runs it
---@field rest string[] the arguments of the script
---@field is_run boolean by `neap run`
---@field changed neap.Event something may have changed
---@field process neap.Process|nil that which runs
---@field has_run boolean|nil

-- Runs `neap check` on the file. Returns what it says against the file; nil if nothing.
local function check(watched)
  local ok, result = pcall(neap.process.run, { arg[0], "check", "--json", watched.file, "--",
    timeout = CHECK, table.unpack(watched.rest) })
  if not ok then
    if result.code == "cancelled" then error(result, 0) end
    return ("neap check %s: %s"):format(watched.file, report.text_of(result))
  end
  if result.code == 2 or not result.code then
    return result.stderr ~= "" and result.stderr:gsub("^neap: ", ""):gsub("\n$", "")
      or ("neap check %s failed"):format(watched.file)
  end
  -- What the file itself prints stands before the result.
  local findings = neap.json.decode(result.stdout:match("([^\n]*)\n$"))
  local lines, harmless = {}, true
  for _, finding in ipairs(findings) do
    lines[#lines + 1] = ("%s: %s: %s: %s"):format(watched.file, finding.kind, finding.node,
      finding.message)
    harmless = harmless and HARMLESS[finding.kind] ~= nil
  end
  return not harmless and table.concat(lines, "\n") or nil
end

-- What is wrong with the new text; nil if nothing is.
local function problem_of(watched, list)
  local problem = sources.problem(list)
  if problem then return problem end
  return (watched.is_run or sources.is_for_commands(list)) and check(watched) or nil
end

-- Ends what runs, and waits for its end.
local function stop(watched)
  local process = watched.process
  if not process then return end
  watched.process = nil
  process:close()
  process:wait()
end

local function start(watched)
  local process = neap.process.spawn { arg[0], stdin = "inherit", stdout = "inherit",
    stderr = "inherit", table.unpack(watched.words) }
  watched.process = process
  neap.spawn(function()
    local result = process:wait()
    if watched.process ~= process then return end -- it was told to end
    watched.process = nil
    say("%s has ended %s; waiting for a change", watched.file, result.signal
      and "by " .. result.signal or ("with status %d"):format(result.code))
  end)
end

-- Sets `changed` when one of the files may have changed, until the guard is closed.
local function watch_files(watched, list)
  local watches, tasks = {}, {}
  for i, source in ipairs(list) do
    local watch = neap.fs.watch(source.path, { missing = true })
    watches[i] = watch
    tasks[i] = neap.spawn(function()
      for _ in watch:changes() do watched.changed:set() end
    end)
  end
  return setmetatable({}, { __close = function()
    for i, watch in ipairs(watches) do
      watch:close()
      tasks[i]:cancel()
    end
  end })
end

-- Waits for a change, and until nothing has changed for a moment.
local function await_change(watched)
  watched.changed:wait()
  local limit = neap.now() + PATIENCE
  repeat
    watched.changed:clear()
    neap.sleep(QUIET)
  until not watched.changed:is_set() or neap.now() > limit
end

-- Looks at the new texts, and has them take over if nothing is wrong with them. Returns
-- false when they have changed meanwhile.
local function take_over(watched, list)
  local problem = problem_of(watched, list)
  if watched.changed:is_set() then return false end
  if problem then
    say("%s", problem)
    say(watched.process and "the version before goes on" or "waiting for a change")
    return true
  end
  stop(watched)
  if watched.has_run then say("%s has changed; it is run anew", watched.file) end
  watched.has_run = true
  start(watched)
  return true
end

-- Runs the file until the task is cancelled.
local function supervise(watched)
  local seen
  local list = sources.read(watched.file)
  while true do
    -- The watch is older than the texts that are looked at, so that no change is missed.
    local _ <close> = watch_files(watched, list)
    local paths = list
    repeat
      list = sources.read(watched.file)
      if not sources.is_empty(list) and not (seen and sources.equal(seen, list))
        and take_over(watched, list) then
        seen = list
      end
      if not sources.have_paths(list, paths) then break end
      await_change(watched)
    until false
  end
end

-- Reads the arguments: those of the script, or of `neap run`. Returns nil and what is wrong.
local function parse(words)
  local watched = { words = words, changed = neap.event() }
  watched.is_run = words[1] == "run"
  if watched.is_run then
    local parsed, problem = args.parse(run.known, table.move(words, 2, #words, 1, {}))
    if not parsed then return nil, problem end
    watched.file, watched.rest = parsed.file, parsed.rest
  else
    watched.file, watched.rest = words[1], table.move(words, 2, #words, 1, {})
  end
  if not watched.file then return nil, "a FILE expected" end
  if watched.file == "-" then return nil, "standard input cannot be watched" end
  if watched.file:find("^%-") then
    return nil, ("unknown option '%s'"):format(watched.file)
  end
  return watched
end

---@param ... string
---@return integer status
function M.main(...)
  local words = { ... }
  if words[1] == "--help" or words[1] == "-h" then return require("neap.cli.help").main("watch") end
  local watched, problem = parse(words)
  if not watched then return report.misuse("watch: " .. problem, "watch") end
  local first = sources.read(watched.file)[1]
  if not first.text then return report.failure("watch: " .. first.problem) end
  return supervise(watched)
end

return M
