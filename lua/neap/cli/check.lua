--- `neap check FILE`: finds mistakes in a flow.
-- SPDX-License-Identifier: MIT
local check = require "neap.check"
local json = require("neap.core").json
local load = require "neap.cli.load"
local nodes = require "neap.flow.node"
local report = require "neap.cli.report"
local encoding = require "neap.base.encoding"

local M = {}

local known = { json = {} }

-- A class is accepted as well, because check reports it.
local function accept(value) return nodes.state(value) ~= nil end

---@param ... string
---@return integer status
function M.main(...)
  local args, status = load.args("check", known, { ... })
  if not args then return status end
  check.watch()
  local flow, problem = load.flow(args.file, args.rest, accept)
  if not flow then
    report.failure(problem)
    return 2
  end
  local findings = check.check(flow)
  if args.options.json then
    for _, finding in ipairs(findings) do
      finding.node, finding.message = encoding.valid(finding.node), encoding.valid(finding.message)
    end
    status = report.result(json.encode(json.array(findings)), "\n")
  else
    local lines = {}
    for i, finding in ipairs(findings) do
      lines[i] = ("%s: %s: %s: %s\n"):format(args.file, finding.kind, finding.node, finding.message)
    end
    status = report.result(table.concat(lines))
  end
  return findings[1] and 1 or status
end

return M
