--- Runs over HTTP: the routes with which `neap serve` shows and steers those of an app.
-- SPDX-License-Identifier: MIT
local core = require "neap.core"
local is_error = require "neap.error".is
local json = require "neap.json"
local serve = require "neap.serve"

local M = {}

-- The statuses of HTTP for the codes of errors.
local STATUSES = { exists = 409, ended = 409, run = 404, value = 404, full = 503, store = 503,
  read_only = 403, newer = 403, durable = 422, fenced = 409 }

-- Seconds between two looks at a run whose events somebody reads.
local SOON <const>, LATER <const> = 0.1, 1

local ENDED = { done = true, failed = true, cancelled = true, poisoned = true }

-- Calls f, and answers errors that a client can do something about.
local function answered(f, ...)
  local results = table.pack(pcall(f, ...))
  if results[1] then return table.unpack(results, 2, results.n) end
  local err = results[2]
  if is_error(err) and STATUSES[err.code] then serve.refuse(STATUSES[err.code], err.message) end
  error(err, 0)
end

-- The body of a request as a table; an empty one where there is none.
local function body_of(request)
  local text = request:body()
  if text == "" then return {} end
  local ok, value = pcall(json.decode, text)
  if not ok then serve.refuse(400, ("the body is no JSON: %s"):format(value.message or value)) end
  if type(value) ~= "table" then serve.refuse(400, "the body is no object") end
  return value
end

-- Wrong options are the client's fault: an error that is a text names them.
local function checked(f, ...)
  local results = table.pack(pcall(f, ...))
  if results[1] then return table.unpack(results, 2, results.n) end
  local err = results[2]
  if type(err) == "string" then serve.refuse(400, (err:gsub("^[^:]*:%d+: ", ""))) end
  error(err, 0)
end

local function run_of(app, request)
  local run = answered(app.run, app, request.params.id)
  if not run then serve.refuse(404, ("there is no run '%s'"):format(request.params.id)) end
  return run
end

-- What is told of a run.
local function describe(run)
  local info = answered(run.info, run)
  info.parent, info.parent_seq = run.parent, run.parent_seq
  if info.status == "failed" or info.status == "stuck" or info.status == "poisoned" then
    info.error = answered(run.error, run)
  end
  return info
end

-- A value as JSON; what JSON cannot say is told as a text.
local function shown(value)
  local ok, text = pcall(json.encode, value)
  return ok and json.decode(text) or { unseen = tostring(text.message or text) }
end

local NUMBERS = { after = true, limit = true, since = true }

local function list(app, request)
  local opts, tags = {}, nil
  for name, value in pairs(request.query) do
    local tag = name:match("^tag%.(.+)$")
    if tag then
      tags = tags or {}
      tags[tag] = value
    else
      opts[name] = NUMBERS[name] and tonumber(value) or value
    end
  end
  opts.tags = tags
  local page = answered(checked, app.runs, app, opts)
  return { runs = json.array(table.move(page, 1, #page, 1, {})), next = page.next }
end

local function start(app, request)
  local given = body_of(request)
  local flow = given.flow
  given.flow = nil
  given.id = given.id or request.headers["idempotency-key"]
  local run = answered(checked, app.start, app, flow, given)
  return 201, describe(run), { Location = "/runs/" .. run.id }
end

local function show(app, request)
  local run = run_of(app, request)
  local info = describe(run)
  if request.query.shared then info.shared = shown(answered(run.shared, run)) end
  return info
end

local function history(app, request)
  local run = run_of(app, request)
  local steps = json.array {}
  for step in run:history(tonumber(request.query.after)) do
    steps[#steps + 1] = step
    step.changed = json.array(step.changed)
  end
  return { steps = steps }
end

local function past(app, request)
  local seq = math.tointeger(tonumber(request.params.seq))
  if not seq then serve.refuse(400, "the number of a step expected") end
  local run = run_of(app, request)
  return { shared = shown(answered(checked, run.at, run, seq)) }
end

-- Iterates over the steps of a run as they come, and then over its end.
local function follow(run, after)
  local steps, pause, ended = run:history(after), SOON, false
  return function()
    while not ended do
      local step = steps()
      if step then
        after, pause = step.seq, SOON
        step.changed = json.array(step.changed)
        return { id = step.seq, event = "step", data = step }
      end
      local info = run:info()
      if ENDED[info.status] and info.seq <= after then
        ended = true
        return { event = "ended", data = describe(run) }
      end
      core.sleep(pause)
      pause = math.min(pause * 1.5, LATER)
      steps = run:history(after)
    end
  end
end

local function events(app, request)
  local run = run_of(app, request)
  local after = request.headers["last-event-id"] or request.query.after
  return serve.events(follow(run, math.tointeger(tonumber(after)) or 0))
end

local function signal(app, request)
  local run, text = run_of(app, request), request:body()
  local value = true
  if text ~= "" then
    local ok
    ok, value = pcall(json.decode, text)
    if not ok then serve.refuse(400, ("the body is no JSON: %s"):format(value.message)) end
  end
  answered(checked, run.signal, run, request.params.name, value,
    { id = request.headers["idempotency-key"] })
  return 202, describe(run)
end

-- A route that asks something of a run.
local function wish(name)
  return function(app, request)
    local run = run_of(app, request)
    answered(checked, run[name], run, name == "cancel" and body_of(request).reason or nil)
    return 202, describe(run)
  end
end

local function fork(app, request)
  local run, given = run_of(app, request), body_of(request)
  local shared = given.shared
  local made = answered(checked, run.fork, run, { at = given.at, id = given.id
    or request.headers["idempotency-key"], shared = shared and function(before)
      for key, value in pairs(shared) do before[key] = value end
    end })
  return 201, describe(made), { Location = "/runs/" .. made.id }
end

local function flows(app)
  local names = json.array {}
  for name in pairs(app.flows) do names[#names + 1] = name end
  table.sort(names)
  return { flows = names }
end

-- Counts, in the text format of Prometheus.
local function metrics(app)
  local counts = answered(app.count, app)
  local lines = { "# TYPE neap_runs gauge" }
  for _, status in ipairs { "queued", "running", "waiting", "paused", "stuck", "done", "failed",
    "cancelled", "poisoned" } do
    lines[#lines + 1] = ('neap_runs{status="%s"} %d'):format(status, counts[status] or 0)
  end
  return 200, table.concat(lines, "\n") .. "\n",
    { ["Content-Type"] = "text/plain; version=0.0.4; charset=utf-8" }
end

local ROUTES = {
  ["GET /runs"] = list, ["POST /runs"] = start, ["GET /runs/:id"] = show,
  ["GET /runs/:id/history"] = history, ["GET /runs/:id/at/:seq"] = past,
  ["GET /runs/:id/events"] = events, ["POST /runs/:id/signals/:name"] = signal,
  ["POST /runs/:id/cancel"] = wish "cancel", ["POST /runs/:id/pause"] = wish "pause",
  ["POST /runs/:id/resume"] = wish "resume", ["POST /runs/:id/retry"] = wish "retry",
  ["POST /runs/:id/fork"] = fork, ["GET /flows"] = flows, ["GET /metrics"] = metrics,
}

--- The routes for an app, for `serve.listen`.
---@param app neap.durable.App
---@return table<string, fun(request: neap.serve.Request): ...>
function M.of(app)
  local routes = {}
  for key, handler in pairs(ROUTES) do
    routes[key] = function(request) return handler(app, request) end
  end
  return routes
end

return M
