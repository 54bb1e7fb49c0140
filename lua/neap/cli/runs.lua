--- `neap runs WHAT FILE [ID]`: looks at the runs of a durable app, and changes them.
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local columns = require "neap.cli.columns"
local core = require "neap.core"
local load = require "neap.cli.load"
local options = require "neap.base.options"
local output = require "neap.io.output"
local plain = require "neap.cli.plain"
local report = require "neap.cli.report"

local M = {}

local VALUES <const> = { flow = "a name", status = "a status", tag = "NAME=TEXT",
  limit = "a number", after = "a number", value = "JSON", key = "a text", reason = "a text",
  at = "a number", id = "a text", ["ended-before"] = "seconds since 1970" }

-- What the options are named in Lua, where that is not the same.
local NAMES <const> = { key = "id", ["ended-before"] = "ended_before", tag = "tags" }

local function json(value)
  return neap.json.encode(plain.of(value)) .. "\n"
end

local function no_run(id)
  error(("there is no run '%s'"):format(id), 0)
end

local function show_run(run)
  local info = run:info()
  info.shared, info.error = run:shared(), run:error()
  return info
end

-- A run in lines of names and values.
local function text_of_run(info)
  local rows = {}
  local function add(name, value) if value ~= nil then rows[#rows + 1] = { name, value } end end
  for _, name in ipairs { "id", "flow", "version", "status", "waits", "queue", "priority",
    "seq" } do add(name, info[name]) end
  for _, name in ipairs { "created", "updated" } do add(name, columns.time(info[name])) end
  local tags = {}
  for name, value in pairs(info.tags or {}) do tags[#tags + 1] = ("%s=%s"):format(name, value) end
  table.sort(tags)
  for _, tag in ipairs(tags) do add("tag", tag) end
  if info.error then
    local place = info.error.node and info.error.node .. ": " or ""
    add("error", place .. tostring(info.error.message))
  end
  add("shared", neap.json.encode(plain.of(info.shared)))
  return columns.text(rows, 2)
end

-- What each action does: `call` gives a value for JSON, and `text` makes lines of that.
-- `words` are the arguments behind FILE.
local actions = {}

local function of_run(info)
  return columns.text({ { info.id, info.status } }, 2)
end

actions.list = { words = {}, takes = { "flow", "status", "tag", "limit", "after" },
  call = function(app, _, given)
    local page = app:runs(given)
    return { runs = neap.json.array(table.move(page, 1, #page, 1, {})), next = page.next }
  end,
  text = function(page)
    local rows = { { "ID", "FLOW", "STATUS", "WAITS", "SEQ", "UPDATED" } }
    for _, run in ipairs(page.runs) do
      rows[#rows + 1] = { run.id, run.flow, run.status, run.waits, run.seq,
        columns.time(run.updated) }
    end
    local more = page.next and ("more: --after %d\n"):format(page.next) or ""
    return columns.text(rows, 6) .. more
  end }

actions.show = { words = { "ID" }, takes = {}, call = show_run, text = text_of_run }

actions.history = { words = { "ID" }, takes = {},
  call = function(run)
    local steps = neap.json.array {}
    for step in run:history() do steps[#steps + 1] = step end
    return steps
  end,
  text = function(steps)
    local rows = { { "SEQ", "NODE", "ATTEMPT", "ACTION", "TOOK", "SAVED" } }
    for _, step in ipairs(steps) do
      rows[#rows + 1] = { step.seq, step.node, step.attempt, step.action,
        ("%.3f s"):format(step.took), columns.time(step.time) }
    end
    return columns.text(rows, 6)
  end }

actions.signal = { words = { "ID", "NAME" }, takes = { "value", "key" },
  call = function(run, words, given)
    local value = given.value
    given.value = nil
    run:signal(words[2], value, given)
    return run:info()
  end, text = of_run }

actions.cancel = { words = { "ID" }, takes = { "reason" },
  call = function(run, _, given)
    run:cancel(given.reason)
    return run:info()
  end, text = of_run }

for _, name in ipairs { "pause", "resume", "retry" } do
  actions[name] = { words = { "ID" }, takes = {}, call = function(run)
    run[name](run)
    return run:info()
  end, text = of_run }
end

actions.fork = { words = { "ID" }, takes = { "at", "id" },
  call = function(run, _, given) return run:fork(given):info() end, text = of_run }

actions.prune = { words = {}, takes = { "ended-before", "limit" },
  call = function(app, _, given) return { removed = app:prune(given) } end,
  text = function(result) return ("%d removed\n"):format(result.removed) end }

local read = {}

function read.number(text)
  local number = tonumber(text)
  if number then return math.tointeger(number) or number end
  return nil, "is a number"
end

read.limit, read.after, read.at, read["ended-before"] = read.number, read.number, read.number,
  read.number

function read.value(text)
  local ok, value = pcall(neap.json.decode, text)
  if not ok then return nil, "is JSON: " .. report.text_of(value) end
  if value == neap.json.null then return nil end
  return value
end

function read.tag(list)
  local tags = {}
  for _, text in ipairs(list) do
    local name, value = text:match("^([^=]+)=(.*)$")
    if not name then return nil, "is NAME=TEXT" end
    tags[name] = value
  end
  return tags
end

-- The options of an action as its function takes them; nil and what is wrong.
local function read_options(action, given)
  local opts = {}
  for _, name in ipairs(action.takes) do
    local value, problem = given[name], nil
    if value ~= nil and read[name] then value, problem = read[name](value) end
    if problem then
      local text = given[name]
      return nil, ("'--%s' %s, got '%s'"):format(name, problem,
        type(text) == "table" and text[#text] or text)
    end
    opts[NAMES[name] or name] = value
  end
  return opts
end

local function known_of(action)
  local known = { json = {} }
  for _, name in ipairs(action.takes) do
    known[name] = { value = VALUES[name], many = name == "tag" }
  end
  return known
end

-- Does what is asked of the app of a file. Raises what the store raises.
local function perform(action, args, opts)
  local _ <close> = args.options.json and output.to_stderr() or nil
  local app, problem = load.app(args.file, args.rest)
  if not app then error(problem, 0) end
  local subject = app
  if action.words[1] then subject = app:run(args.words[1]) or no_run(args.words[1]) end
  return action.call(subject, args.words, opts)
end

local function misuse(format, ...)
  return report.misuse("runs: " .. format:format(...), "runs")
end

---@param what? string the action
---@param ... string
---@return integer status
function M.main(what, ...)
  if what == "--help" or what == "-h" then return require("neap.cli.help").main("runs") end
  local action = actions[what]
  if not action then
    local meant = what and options.nearest(what, actions)
    return misuse("%s%s", what and ("unknown action '%s'"):format(what) or "an action expected",
      meant and ("; did you mean '%s'?"):format(meant) or "")
  end
  local args, status = load.args("runs", known_of(action), { ... }, "FILE", #action.words)
  if not args then return status end
  if #args.words < #action.words then
    return misuse("%s takes FILE %s", what, table.concat(action.words, " "))
  end
  local opts, problem = read_options(action, args.options)
  if not opts then return misuse("%s", problem) end
  local ok, result = pcall(perform, action, args, opts)
  if not ok then
    if core.is_cancelled() then error(result, 0) end
    return report.failure("runs: " .. report.text_of(result))
  end
  return report.result(args.options.json and json(result) or action.text(result))
end

return M
