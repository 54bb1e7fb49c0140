--- The side of `neap run --untrusted` that is in the sandbox: it runs the flow of the script
--- and makes a text of the outcome.
-- SPDX-License-Identifier: MIT
--
-- The script could reach all that is here, so it has no more rights than the script. The
-- errors of the script are read without their metamethods.
local neap = require "neap"
local core = require "neap.core"
local loaded = require "neap.flow.loaded"
local nodes = require "neap.flow.node"
local plain = require "neap.cli.plain"
local progress = require "neap.cli.progress"

-- What a script could replace in the tables of neap.
local decode, encode, is_error, now = core.json.decode, core.json.encode, neap.error.is, neap.now

-- The longest text of an error that is told.
local LONGEST <const> = 64 * 1024

-- A string field of a table, read without a metamethod.
local function field(err, name)
  local value = rawget(err, name)
  return type(value) == "string" and value:sub(1, LONGEST) or nil
end

-- The text of any error.
local function text_of(err)
  if type(err) == "string" then return err:sub(1, LONGEST) end
  local text = type(err) == "table" and field(err, "message")
  return text or ("an error that is a %s"):format(type(err))
end

-- The fields of an error for the outcome.
local function error_fields(err, trace)
  local fields = { message = text_of(err), traceback = trace }
  if not is_error(err) then return fields end
  for _, name in ipairs { "code", "kind", "node", "phase", "traceback" } do
    fields[name] = field(err, name) or fields[name]
  end
  fields.attempt = math.tointeger(rawget(err, "attempt"))
  local place = fields.phase and ((fields.attempt or 1) > 1
    and ("%s (%s, attempt %d)"):format(fields.node, fields.phase, fields.attempt)
    or ("%s (%s)"):format(fields.node, fields.phase)) or fields.node
  fields.text = place and ("%s: %s"):format(place, fields.message) or nil
  return fields
end

-- Runs the chunk of the script. Returns its flow; or nil and the fields of an error.
local function load_flow(chunk, file, ...)
  if type(chunk) ~= "function" then
    local problem = error_fields(chunk)
    problem.code = problem.code or "syntax"
    return nil, problem
  end
  local trace
  local ok, value = xpcall(chunk, function(err)
    trace = core.traceback(2)
    return err
  end, ...)
  if not ok then
    local fields = error_fields(value, trace)
    fields.code = fields.code or "user"
    return nil, fields
  end
  if nodes.is_node(value) then return value end
  return nil, { message = ("%s %s"):format(file, loaded.misfit(value)), code = "flow" }
end

local function run(flow, opts)
  local watch = progress.new(now(), false, not opts.quiet and core.system.say or nil)
  local started = now()
  local ok, value
  do
    local _ <close> = watch
    ok, value = pcall(flow.run, flow, opts.shared, {
      params = opts.params, max_steps = opts.max_steps,
      on_event = function(event) watch:see(event) end,
    })
  end
  return { action = ok and value or nil, error = not ok and error_fields(value) or nil,
    shared = plain.of(opts.shared), seconds = now() - started, steps = watch.steps,
    retries = watch.retries, models = watch.models, models_by_node = watch.models_by_node }
end

--- Runs a script.
---@param chunk any a function; or what is wrong with its text, a message or an error object
---@param file string
---@param options string JSON: shared, params, max_steps, quiet
---@param ... string the arguments of the script
---@return string outcome JSON
return function(chunk, file, options, ...)
  local opts = decode(options)
  local flow, problem = load_flow(chunk, file, ...)
  local outcome = flow and run(flow, opts) or { error = problem, shared = plain.of(opts.shared) }
  return encode(plain.of(outcome))
end
