--- `neap run FILE`: runs a flow and tells what came of it.
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local load = require "neap.cli.load"
local plain = require "neap.cli.plain"
local progress = require "neap.cli.progress"
local report = require "neap.cli.report"

local M = {}

local known = {
  shared = { value = "JSON or @FILE" },
  param = { value = "NAME=TEXT or NAME:=JSON", many = true },
  timeout = { value = "seconds" },
  ["max-steps"] = { value = "a number" },
  json = {},
  traceback = {},
  quiet = {},
}

local function decode(text, what)
  local ok, value = pcall(neap.json.decode, text)
  if not ok then return nil, ("%s: %s"):format(what, report.text_of(value)) end
  return value
end

local function read_file(path)
  local file, problem = io.open(path, "rb")
  if not file then return nil, problem end
  local text
  text, problem = file:read("a")
  file:close()
  return text, problem and ("%s: %s"):format(path, problem)
end

local function read_shared(text)
  if not text then return {} end
  local what = "'--shared'"
  if text:find("^@") then
    local content, problem = read_file(text:sub(2))
    if not content then return nil, ("%s: %s"):format(what, problem) end
    what, text = ("%s %s"):format(what, text), content
  end
  local shared, problem = decode(text, what)
  if problem then return nil, problem end
  if type(shared) ~= "table" then
    return nil, ("%s is a JSON object, got %s"):format(what, plain.of(shared) == neap.json.null
      and "null" or "a " .. type(shared))
  end
  return shared
end

local function read_params(list)
  if not list then return nil end
  local params = {}
  for _, text in ipairs(list) do
    local name, colon, value = text:match("^([^=]-)(:?)=(.*)$")
    if not name or name == "" then
      return nil, ("'--param' is NAME=TEXT or NAME:=JSON, got '%s'"):format(text)
    end
    local problem
    if colon == ":" then value, problem = decode(value, ("'--param %s'"):format(name)) end
    if problem then return nil, problem end
    params[name] = value
  end
  return params
end

-- Reads the values; gives the shared store and the options of run.
local function read_options(given)
  local shared, problem = read_shared(given.shared)
  if not shared then return nil, problem end
  local opts = {}
  opts.params, problem = read_params(given.param)
  if problem then return nil, problem end
  if given.timeout then
    opts.timeout = tonumber(given.timeout)
    if not (opts.timeout and opts.timeout > 0) then
      return nil, ("'--timeout' is in seconds, more than 0, got '%s'"):format(given.timeout)
    end
  end
  if given["max-steps"] then
    opts.max_steps = math.tointeger(tonumber(given["max-steps"]))
    if not (opts.max_steps and opts.max_steps > 0) then
      return nil, ("'--max-steps' is an integer of 1 or more, got '%s'"):format(given["max-steps"])
    end
  end
  return shared, opts
end

local function print_json(fields)
  print(neap.json.encode(plain.of(fields)))
end

local function error_fields(err, traceback)
  local fields = { message = report.text_of(err) }
  if neap.error.is(err) then
    fields = { message = err.message, code = err.code, node = err.node, phase = err.phase,
      attempt = err.attempt }
    fields.traceback = traceback and err.traceback or nil
  end
  return fields
end

local function summary(action, seconds, watch)
  local text = ("done: action '%s' in %s"):format(action, progress.duration(seconds))
  if watch.retries > 0 then text = ("%s, %s"):format(text, progress.retries(watch.retries)) end
  return text .. "\n"
end

-- Runs the flow while its progress is shown. Raises only when it is cancelled.
local function run_flow(flow, shared, opts, watch)
  local _ <close> = watch
  opts.on_event = function(event) watch:see(event) end
  return neap.try(flow.run, flow, shared, opts)
end

-- A terminal that understands the sequence that clears a line.
local function is_live()
  return neap.isatty(2) and os.getenv("TERM") ~= "dumb"
end

---@param ... string
---@return integer status
function M.main(...)
  local args, status = load.args("run", known, { ... })
  if not args then return status end
  local given = args.options
  local shared, opts = read_options(given)
  if not shared then return report.misuse("run: " .. opts, "run") end

  local started = neap.now()
  local flow, err, trace = load.flow(args.file, args.rest)
  local watch, ok, action = nil, false, nil
  if flow then
    started = neap.now()
    watch = progress.new(started, is_live(), not given.quiet and function(text)
      io.stderr:write(text)
    end or nil)
    ok, action = run_flow(flow, shared, opts, watch)
    if not ok then err, trace = action, neap.error.is(action) and action.traceback end
  end

  local seconds = neap.now() - started
  if not ok then
    report.failure(report.text_of(err))
    if given.traceback and trace then io.stderr:write(trace, "\n") end
  elseif not (given.quiet or given.json) then
    io.stderr:write(summary(action, seconds, watch))
  end
  if given.json then
    print_json { action = ok and action or nil, shared = shared, seconds = seconds,
      steps = watch and watch.steps, error = not ok and error_fields(err, given.traceback) or nil }
  end
  return ok and 0 or 1
end

return M
