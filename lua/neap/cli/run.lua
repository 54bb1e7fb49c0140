--- `neap run FILE`: runs a flow and prints the outcome.
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local core = require "neap.core"
local load = require "neap.cli.load"
local output = require "neap.io.output"
local plain = require "neap.cli.plain"
local progress = require "neap.cli.progress"
local report = require "neap.cli.report"
local slow = require "neap.cli.slow"
local tallies = require "neap.flow.tally"

local M = {}

-- Seconds between two ticks of the live line.
local TICK <const> = 0.2

-- Writes the live line itself, which must not be announced to it.
local write = io.stderr.write

--- Its options, which `neap watch run` has as well.
M.known = {
  shared = { value = "JSON, @FILE or -" },
  param = { value = "NAME=TEXT or NAME:=JSON", many = true },
  timeout = { value = "seconds" },
  ["max-steps"] = { value = "a number" },
  json = {},
  traceback = {},
  quiet = {},
  untrusted = {},
  grant = { value = "files=DIR, net=HOST, ...", many = true },
  memory = { value = "bytes, as in 64M" },
  compute = { value = "seconds, as in 1s" },
  output = { value = "bytes, as in 1M" },
}

-- The options that are for files that nobody trusts.
local of_sandbox = { "grant", "memory", "compute", "output" }

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

-- Returns the text of the shared store and its source, for messages.
local function find_shared(text, file)
  local what, path = "'--shared'", text:match("^@(.*)$") or text
  local content, problem
  if path == "-" then
    what = what .. " from standard input"
    if file == "-" then return nil, what .. ": FILE is read from there" end
    content, problem = io.stdin:read("a")
  elseif path ~= text then
    content, problem = read_file(path)
    if content then what = ("%s %s"):format(what, text) end
  else
    content = text
  end
  if not content then return nil, ("%s: %s"):format(what, problem) end
  return content, what
end

local function read_shared(text, file)
  if not text then return {} end
  local content, what = find_shared(text, file)
  if not content then return nil, what end
  local shared, problem = decode(content, what)
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

-- Reads the values of the options. Returns the shared store and the options of run.
local function read_options(given, file)
  local shared, problem = read_shared(given.shared, file)
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

local function error_fields(err, traceback, code)
  if not neap.error.is(err) then return { message = report.text_of(err), code = code } end
  local kind = type(err.kind) == "string" and err.kind or nil -- neap's own are
  return { message = err.message, code = err.code, kind = kind, node = err.node,
    phase = err.phase, attempt = err.attempt, traceback = traceback and err.traceback or nil }
end

-- The fields of an error that a sandbox has told.
local function told(fields, traceback)
  return { message = fields.message, code = fields.code, kind = fields.kind, node = fields.node,
    phase = fields.phase, attempt = fields.attempt, traceback = traceback and fields.traceback }
end

-- Rounds to microseconds: further digits of the clock are noise.
local function round(seconds)
  return math.floor(seconds * 1e6 + 0.5) / 1e6
end

-- Whether stderr is a terminal that understands the sequence for clearing a line.
local function is_live()
  return neap.isatty(2) and os.getenv("TERM") ~= "dumb"
end

-- Ticks the live line while no events come, until the guard is closed. The sleep is a quiet
-- one, which does not hide a deadlock.
local function keep_ticking(watch)
  local ticker = neap.spawn(function()
    while true do
      core.sleep(TICK, true)
      watch:tick(neap.now())
    end
  end)
  return setmetatable({}, { __close = function() ticker:cancel() end })
end

---@class neap.Outcome the outcome of `neap run`
---@field ok boolean
---@field action string|nil if ok
---@field err any if not ok
---@field text string|nil the message, if it is not the text of err
---@field trace string|nil the traceback of err
---@field code string|nil of an err that is no error object
---@field seconds number
---@field watch neap.Progress|nil nil if there was no flow to run

-- The outcome of a run that was cancelled. It names the node that started last.
local function cancelled(outcome, file)
  local node = outcome.watch and outcome.watch.node
  outcome.err = neap.error.new { message = "cancelled", code = "cancelled", node = node }
  outcome.text = ("cancelled in %s after %s"):format(node or file,
    progress.duration(outcome.seconds))
  return outcome
end

-- Runs the flow of a file and shows its progress.
local function perform(args, shared, opts)
  local live = is_live() and not args.options.quiet
  local outcome, watch = { ok = false }, nil
  local _ <close> = args.options.json and output.to_stderr() or nil
  local _ <close> = live and output.announce(function(open)
    if watch then watch:give_way(open) end
  end) or nil

  local started = neap.now()
  local loaded, flow
  loaded, flow, outcome.err, outcome.trace, outcome.code = pcall(load.flow, args.file, args.rest)
  if loaded and flow then
    started = neap.now()
    watch = progress.new(started, live, not args.options.quiet and function(text)
      write(io.stderr, text)
    end or nil)
    opts.on_event = function(event) watch:see(event) end
    local _ <close> = watch
    local _ <close> = live and keep_ticking(watch) or nil
    local value
    outcome.ok, value = pcall(flow.run, flow, shared, opts)
    outcome[outcome.ok and "action" or "err"] = value
  end
  outcome.seconds, outcome.watch = neap.now() - started, watch
  return core.is_cancelled() and not outcome.ok and cancelled(outcome, args.file) or outcome
end

-- Reads the options of a file that nobody trusts. Returns nil where it is not one, and what
-- is wrong with them.
local function read_sandbox(given, shared, opts)
  if not given.untrusted then
    for _, name in ipairs(of_sandbox) do
      if given[name] then
        return nil, ("'--%s' is for files that nobody trusts: add --untrusted"):format(name)
      end
    end
    return nil
  end
  local untrusted = require "neap.cli.untrusted"
  local function read(name, default, reader, expected)
    local value = reader(given[name] or default)
    if value then return value end
    return nil, ("'--%s' is %s, got '%s'"):format(name, expected, given[name])
  end
  local sandbox = { grants = given.grant or {}, timeout = opts.timeout,
    options = { shared = shared, params = opts.params, max_steps = opts.max_steps,
      quiet = given.quiet } }
  local problem
  sandbox.memory, problem = read("memory", "64M", untrusted.bytes, "bytes, as in 64M")
  if problem then return nil, problem end
  sandbox.compute, problem = read("compute", "1s", untrusted.seconds, "seconds, as in 1s")
  if problem then return nil, problem end
  sandbox.output, problem = read("output", "1M", untrusted.bytes, "bytes, as in 1M")
  if problem then return nil, problem end
  return sandbox
end

-- Runs the flow of a file that nobody trusts. Returns its outcome as that of perform, or nil
-- and what is wrong with the options.
local function perform_untrusted(args, sandbox)
  local inside, problem = require("neap.cli.untrusted").run(args.file, args.rest, sandbox,
    args.options.json ~= nil)
  if not inside then return nil, problem end
  local err = inside.error
  return { ok = err == nil, action = inside.action, err = err, text = err and
    (err.text or err.message), trace = err and err.traceback, seconds = inside.seconds or 0,
    fields = err, shared = inside.shared,
    watch = inside.steps and { steps = inside.steps, retries = inside.retries,
      models = inside.models, models_by_node = inside.models_by_node } or nil }
end

local function summary(outcome)
  local text = ("done: action '%s' in %s"):format(outcome.action,
    progress.duration(outcome.seconds))
  local watch = outcome.watch
  if watch.retries > 0 then text = ("%s, %s"):format(text, progress.retries(watch.retries)) end
  return watch.models and ("%s, %s"):format(text, tallies.text(watch.models)) or text
end

-- A tally for JSON. Sums of prices are not exact.
local function plain_tally(tally)
  local copy = tallies.copy(tally)
  copy.cost = copy.cost and tonumber(("%.12g"):format(copy.cost))
  return copy
end

-- What models have taken, in all and by node; nil where none was asked.
local function models_of(watch)
  if not (watch and watch.models) then return nil end
  local all, nodes = plain_tally(watch.models), {}
  for node, tally in pairs(watch.models_by_node) do nodes[node] = plain_tally(tally) end
  all.nodes = nodes
  return all
end

---@param ... string
---@return integer status
function M.main(...)
  local args, status = load.args("run", M.known, { ... })
  if not args then return status end
  local given = args.options
  local shared, opts = read_options(given, args.file)
  if not shared then return report.misuse("run: " .. opts, "run") end
  local problem = slow.watch()
  if problem then return report.misuse("run: " .. problem, "run") end

  local sandbox, wrong = read_sandbox(given, shared, opts)
  if wrong then return report.misuse("run: " .. wrong, "run") end
  local outcome
  if sandbox then
    outcome, wrong = perform_untrusted(args, sandbox)
    if not outcome then
      if given.json then
        report.result(neap.json.encode { error = { code = "grant", message = wrong } }, "\n")
      end
      return report.misuse("run: " .. wrong, "run")
    end
  else
    outcome = perform(args, shared, opts)
  end
  if require "neap.cli.has_lost_reader"() then return 1 end -- a filter ends silently
  local ok, err, trace = outcome.ok, outcome.err, outcome.trace
  if not ok then
    report.failure(outcome.text or report.text_of(err))
    if neap.error.is(err) then trace = err.traceback or trace end
    if given.traceback and trace then io.stderr:write(trace, "\n") end
  elseif not (given.quiet or given.json) then
    io.stderr:write(summary(outcome), "\n")
  end
  if given.json then
    status = report.result(neap.json.encode(plain.of {
      action = outcome.action, shared = outcome.shared or shared, seconds = round(outcome.seconds),
      steps = outcome.watch and outcome.watch.steps, llm = models_of(outcome.watch),
      error = not ok and (outcome.fields and told(outcome.fields, given.traceback)
        or error_fields(err, given.traceback, outcome.code)) or nil,
    }), "\n")
  end
  return ok and (status or 0) or 1
end

return M
