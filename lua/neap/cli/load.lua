--- Loading the flow that a file returns, and the arguments of the commands that use it.
-- SPDX-License-Identifier: MIT
local args = require "neap.cli.args"
local core = require "neap.core"
local is_error = require "neap.error".is
local loaded = require "neap.flow.loaded"
local nodes = require "neap.flow.node"
local report = require "neap.cli.report"
local script = require "neap.cli.script"

local M = {}

-- Returns an error message of a file with its place, or at least with the name of the file.
-- A place in one of neap's own modules is left out: it appears after a tail call, where the
-- line of the file is no longer known.
local function locate(text, file)
  local module, rest = text:match("^(neap[%w_.]*):%d+: (.*)$")
  if module and module ~= file and package.preload[module] then text = rest end
  local chunk = file == "-" and "stdin" or file
  local place = text:match("^(.-):%d+: ")
  -- Lua shortens a long path to "...its/end", and names code by its source.
  local known = place and (place == chunk or place:find("%.lua$") or place:find("^%.%.%.")
    or place:find("^%[string "))
  return known and text or ("%s: %s"):format(file, text)
end

--- Runs a file and returns the flow or node that it returns. Raises only cancellations.
---@param file string
---@param rest string[] the arguments of the file
---@param accept? fun(value: any): boolean default: nodes and flows
---@return table|nil flow
---@return string|nil problem
---@return string|nil traceback of an error of the file
---@return string|nil code "file", "syntax", "flow"; of an error of the file, its own or "user"
function M.flow(file, rest, accept)
  local chunk, problem = script.load(file, table.unpack(rest))
  if not chunk then
    return nil, problem, nil, problem:find "^cannot %l+ " and "file" or "syntax"
  end
  local trace
  local ok, value = xpcall(chunk, function(err)
    trace = core.traceback(2)
    return err
  end, table.unpack(rest))
  if not ok then
    if core.is_cancelled() then error(value, 0) end
    return nil, locate(report.text_of(value), file), trace, is_error(value) and value.code or "user"
  end
  if not (accept or nodes.is_node)(value) then
    return nil, ("%s %s"):format(file, loaded.misfit(value)), nil, "flow"
  end
  return value
end

--- Runs a file and returns the durable app that it returns. Raises only cancellations.
---@param file string
---@param rest string[] the arguments of the file
---@return neap.durable.App|nil app
---@return string|nil problem
function M.app(file, rest)
  local app, problem, _, code = M.flow(file, rest, require("neap.durable").is)
  if app or code ~= "flow" then return app, problem end
  return nil, ("%s returns no app; one expected, as in: return neap.durable { ... }"):format(file)
end

--- Reads the arguments of a command. If they are wrong or ask for help, prints that and
--- returns the exit status.
---@param command string
---@param known table<string, neap.OptionSpec>
---@param list string[]
---@param what? string what the command works on; default: "FILE"
---@param more? integer how many words may follow it; default: 0
---@return neap.Args|nil args
---@return integer|nil status
function M.args(command, known, list, what, more)
  if args.want_help(list) then return nil, require("neap.cli.help").main(command) end
  local parsed, problem = args.parse(known, list, what, more)
  if not parsed then return nil, report.misuse(("%s: %s"):format(command, problem), command) end
  return parsed
end

return M
