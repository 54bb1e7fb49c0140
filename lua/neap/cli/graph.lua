--- `neap graph FILE`: draws a flow.
-- SPDX-License-Identifier: MIT
local draw = require "neap.draw"
local load = require "neap.cli.load"
local options = require "neap.base.options"
local report = require "neap.cli.report"

local M = {}

local known = { format = { value = "mermaid or dot" } }
local formats = { mermaid = draw.mermaid, dot = draw.dot }

---@param ... string
---@return integer status
function M.main(...)
  local args, status = load.args("graph", known, { ... })
  if not args then return status end
  local format = args.options.format or "mermaid"
  if not formats[format] then
    local meant = options.nearest(format, formats)
    return report.misuse(("graph: '--format' is mermaid or dot, not '%s'%s"):format(format,
      meant and ("; did you mean '%s'?"):format(meant) or ""), "graph")
  end
  local flow, problem = load.flow(args.file, args.rest)
  if not flow then return report.failure(problem) end
  return report.result(formats[format](flow))
end

return M
