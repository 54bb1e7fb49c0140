--- `neap serve FILE`: serves the routes that a file sets, and the flow or app that it returns.
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local durable = require "neap.durable"
local load = require "neap.cli.load"
local nodes = require "neap.flow.node"
local output = require "neap.io.output"
local has_body = require "neap.serve.request".has_rest
local report = require "neap.cli.report"
local serve = require "neap.serve"
local slow = require "neap.cli.slow"

local M = {}

-- Seconds that requests may take when the server is told to end.
local GRACE <const> = 10

local known = { listen = { value = "ADDRESS:PORT" }, ["token-file"] = { value = "a file" },
  ["no-work"] = {} }

-- A handler that runs a flow: the body is `shared`, and so is the answer.
local function runner(flow)
  return function(request)
    local shared = has_body(request) and request:json() or {}
    if type(shared) ~= "table" then serve.refuse(400, "the body is no JSON object") end
    flow:run(shared)
    return 200, shared
  end
end

local function is_served(value)
  return value == nil or nodes.is_node(value) or durable.is(value)
end

-- Runs the file, whose first line on stdout is to be the address, and sets the routes of what
-- it returns. Returns the app, if that is one; or nil and what is wrong.
local function set_routes(args)
  local _ <close> = output.to_stderr()
  local value, problem = load.flow(args.file, args.rest, is_served)
  if problem then return nil, problem end
  if not durable.is(value) then
    if value then serve.route("POST", "/", runner(value)) end
    return nil
  end
  for key, handler in pairs(value:routes()) do
    local method, pattern = key:match("^(%S+) (%S+)$")
    serve.route(method, pattern, handler)
  end
  return value
end

-- The token that requests have to bring. Returns nil and what is wrong, or nil for none.
local function find_token(path)
  if not path then
    local token = os.getenv("NEAP_SERVE_TOKEN")
    return token ~= "" and token or nil
  end
  local ok, text = pcall(neap.fs.read, path)
  if not ok then return nil, report.text_of(text) end
  local token = text:match("^%s*(%S+)%s*$")
  return token, not token and ("%s has no token: one word expected"):format(path) or nil
end

-- Serves, and works the runs of an app off, until the task is cancelled; then answers what is
-- under way, and lets visits end.
local function run(server, app)
  local task = neap.spawn_detached(server.run, server)
  local work = app and neap.spawn_detached(app.work, app, { grace = GRACE / 2 })
  local _ <close> = setmetatable({}, { __close = function()
    server:close()
    if work then app:stop() end
    pcall(neap.shield, GRACE, function()
      task:await()
      if work then work:await() end
    end)
  end })
  neap.race { task, work }
end

---@param ... string
---@return integer status
function M.main(...)
  local args, status = load.args("serve", known, { ... })
  if not args then return status end
  local token, problem = find_token(args.options["token-file"])
  if problem then return report.failure("serve: " .. problem) end
  problem = slow.watch()
  if problem then return report.misuse(problem) end
  local app
  app, problem = set_routes(args)
  if problem then return report.failure(problem) end
  local ok, server = pcall(serve.listen, args.options.listen, { token = token })
  if not ok then
    return report.failure("serve: " .. report.text_of(server):gsub("^.-serve.listen: ", ""))
  end
  status = report.result(server.url, "\n")
  if status ~= 0 then return status end
  run(server, not args.options["no-work"] and app or nil)
  return 0
end

return M
