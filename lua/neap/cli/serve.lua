--- `neap serve FILE`: serves the routes that a file sets, or the flow that it returns.
-- SPDX-License-Identifier: MIT
local neap = require "neap"
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

local known = { listen = { value = "ADDRESS:PORT" }, ["token-file"] = { value = "a file" } }

-- A handler that runs a flow: the body is `shared`, and so is the answer.
local function runner(flow)
  return function(request)
    local shared = has_body(request) and request:json() or {}
    if type(shared) ~= "table" then serve.refuse(400, "the body is no JSON object") end
    flow:run(shared)
    return 200, shared
  end
end

-- Runs the file, whose first line on stdout is to be the address. Returns what is wrong.
local function set_routes(args)
  local _ <close> = output.to_stderr()
  local flow, problem = load.flow(args.file, args.rest, function(value)
    return value == nil or nodes.is_node(value)
  end)
  if problem then return problem end
  if flow then serve.route("POST", "/", runner(flow)) end
  return nil
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

-- Serves until the task is cancelled; then answers what is under way.
local function run(server)
  local task = neap.spawn_detached(server.run, server)
  local _ <close> = setmetatable({}, { __close = function()
    server:close()
    pcall(neap.shield, GRACE, task.await, task)
  end })
  task:await()
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
  problem = set_routes(args)
  if problem then return report.failure(problem) end
  local ok, server = pcall(serve.listen, args.options.listen, { token = token })
  if not ok then
    return report.failure("serve: " .. report.text_of(server):gsub("^.-serve.listen: ", ""))
  end
  status = report.result(server.url, "\n")
  if status ~= 0 then return status end
  run(server)
  return 0
end

return M
