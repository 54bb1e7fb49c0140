--- The Model Context Protocol: tools, resources and prompts of other programs, and
--- functions and flows as tools for them.
-- SPDX-License-Identifier: MIT
local M = {}

--- Connects to a server of MCP: to a program that is started (`command`), or over HTTP
--- (`url`). Waits until it is known what the server is.
---
--- The connection may be used by any task, by several at once. It lasts until it is closed
--- or collected, or the script ends, and a program ends with it.
---
--- Raises code "process" for a program that cannot be started, "http" for a server that
--- cannot be reached, "timeout" for one that says nothing, and "mcp" with a `kind`, see
--- neap.mcp.Error.
---@param opts neap.mcp.ConnectOptions
---@return neap.mcp.Server
function M.connect(opts)
  return (require("neap.mcp.connect").new(opts))
end

--- Makes a tool of a flow, or of a function. A flow runs with the arguments as `shared`, and
--- `shared.answer` is the result; without it all of `shared` is, as JSON.
---@param what table|fun(arguments: table, call: neap.llm.Call): any
---@param opts? neap.mcp.ToolOptions
---@return neap.llm.Tool
function M.tool(what, opts)
  return (require("neap.mcp.tool").new(what, opts))
end

--- Serves tools to the program that has started the script, by its standard input and
--- output, or to whoever is at the other end of a stream (`input`, `output`). Waits until the
--- input has ended and all answers are out. Meanwhile what the script prints goes to stderr,
--- unless there is a stream.
---@param opts neap.mcp.ServeOptions
function M.serve(opts)
  require("neap.mcp.serve").serve(opts)
end

return M
