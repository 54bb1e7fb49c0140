--- What can be asked of an MCP server.
-- SPDX-License-Identifier: MIT
local class = require "neap.base.class"
local content = require "neap.mcp.content"
local core = require "neap.core"
local era = require "neap.mcp.era"
local failure = require "neap.mcp.failure"
local list = require "neap.mcp.list"
local messages = require "neap.mcp.message"
local names = require "neap.mcp.names"
local neap = require "neap"
local options = require "neap.base.options"
local parameters = require "neap.mcp.parameters"
local rules = require "neap.base.schema".rules
local tools = require "neap.llm.tool"

local M = {}

local field = messages.field

-- A server may ask for another round, but not for ever.
local MOST_ROUNDS = 10

---@class neap.mcp.Server
---@field name? string as the server calls itself
---@field server_version? string of the server
---@field version string of MCP, "2025-11-25"
---@field instructions? string what the server says to models
---@field capabilities table as the server gives them
---@field private transport table
---@field private timeout number
---@field private last_id integer
---@field private headers table<string, table> of tools, for HTTP
local Server, ServerMeta = class("neap.mcp.Server")

function ServerMeta:__tostring()
  return ("%s: %s"):format(ServerMeta.__name, self.transport.label)
end

--- The id for the next request.
---@private
---@return integer
function Server:next_id()
  self.last_id = self.last_id + 1
  return self.last_id
end

-- The error of a call that took too long.
local function overdue(self, what)
  local words, stderr = "", nil
  if self.transport.last_words then words, stderr = self.transport:last_words() end
  return require "neap.error".new { code = "timeout", stderr = stderr,
    message = ("%s: %s timed out after %g s%s"):format(self.transport.label, what, self.timeout,
      words) }
end

--- Calls f within the limit of a call, or of connecting.
---@private
---@param what string for the error
---@param f function
---@param ... any
---@return any ... the results of f
function Server:in_time(what, f, ...)
  local results = table.pack(neap.try(neap.timeout, self.timeout, f, ...))
  if results[1] then return table.unpack(results, 2, results.n) end
  local err = results[2]
  local is_overdue = type(err) == "table" and err.code == "timeout" and not err.url
  if is_overdue then err = overdue(self, what) end
  error(err, 0)
end

-- Sends a request and waits for its answer, as often as a server of the new era wants it to
-- be sent.
local function exchange(self, method, params)
  for _ = 1, MOST_ROUNDS do
    params._meta = self.is_modern and era.meta(self.version) or nil
    local headers = self.is_modern and params.name and self.headers[params.name]
    local answer = self.transport:request(messages.request(self:next_id(), method, params),
      headers and parameters.values(headers, params.arguments))
    local result, problem = messages.outcome(answer)
    if not result then return nil, problem end
    local kind = field(result, "resultType") or "complete"
    if kind == "complete" then return result end
    if kind ~= "input_required" then
      error(failure.broken(self.transport.label, "%s: a result of the type %s is not known",
        method, failure.said(self.transport, kind)), 0)
    end
    local asked = field(result, "inputRequests")
    if type(asked) == "table" and next(asked) ~= nil then
      local _, first = next(asked)
      error(failure.new("input", ("%s: %s: the server asks for %s, which neap does not answer")
        :format(self.transport.label, method, failure.said(self.transport, field(first, "method"))),
        { result = failure.shown(self.transport, result), retryable = false }), 0)
    end
    params.requestState = field(result, "requestState")
  end
  error(failure.broken(self.transport.label, "%s: the server has it sent again for ever",
    method), 0)
end

--- Asks a server. Waits, at most `timeout` seconds.
---@private
---@param method string
---@param params? table
---@return table|nil result
---@return table|nil problem the error of JSON-RPC
function Server:try(method, params)
  if self.is_closed then self.transport:request(messages.request(0, method)) end -- raises
  return self:in_time(method, exchange, self, method, params or {})
end

--- Asks a server, and raises its error if it answers with one.
---@private
function Server:ask(method, params)
  local result, problem = self:try(method, params)
  if not result then error(failure.of_answer(self.transport, method, problem), 0) end
  return result
end

-- The list of what a server has; none if it knows no such lists.
local function list_of(self, what, name, key)
  local ok, found = neap.try(list.all, self, self.transport.label, what .. "/list", name, key)
  if ok then return found end
  local is_unknown = type(found) == "table" and found.rpc_code == messages.codes.method
  if not is_unknown or self.capabilities[what] then error(found, 0) end
  return {}
end

-- What a server has of tools, without those that cannot be called over HTTP.
local function definitions(self)
  local usable = {}
  for _, definition in ipairs(list_of(self, "tools", "tools", "name")) do
    local headers, why
    if self.is_modern and self.transport.url then headers, why = parameters.find(definition) end
    if why then
      warn(("neap: %s: the tool '%s' is left out: %s"):format(self.transport.label,
        definition.name, why))
    else
      self.headers[definition.name] = headers
      usable[#usable + 1] = definition
    end
  end
  return usable
end

--- Lists the tools of the server, for an agent or for `llm.tool`'s places. Waits. Their names
--- are such that vendors take them; `definition` is what the server says of each.
---@param opts? { prefix?: string } of all names, for servers that have the same ones
---@return neap.mcp.Tool[]
function Server:tools(opts)
  opts = options.take(opts, "tools")
  local all, given = definitions(self), {}
  for i, definition in ipairs(all) do given[i] = definition.name end
  local made = {}
  for i, name in ipairs(names.map(given, opts.prefix)) do
    local definition = all[i]
    local tool = tools.foreign {
      name = name,
      description = messages.text(definition, "description")
        or messages.text(definition, "title"),
      parameters = field(definition, "inputSchema"),
      run = function(arguments) return (self:call(definition.name, arguments)) end,
    }
    tool.definition = definition
    made[i] = tool
  end
  return made
end

-- Calls a tool. A server that misses headers has changed its tools.
local function call(self, name, arguments)
  local params = { name = name, arguments = arguments }
  local result, problem = self:try("tools/call", params)
  if not result and self.transport.url and field(problem, "code") == -32020 then
    definitions(self)
    result, problem = self:try("tools/call", params)
  end
  if not result then error(failure.of_answer(self.transport, "tools/call", problem), 0) end
  return result
end

--- Calls a tool by the name that the server has for it. Waits.
---
--- Raises code "mcp", of kind "tool" if the tool says that it has failed; "server" if the
--- server answers with an error.
---@param name string
---@param arguments? table
---@return string text
---@return table result as it came, with what is not text
function Server:call(name, arguments)
  options.argument(1, "call", name, rules.string)
  if arguments ~= nil then options.argument(2, "call", arguments, rules.table) end
  local result = call(self, name, arguments or {})
  local text = content.text(result)
  if result.isError == true then
    local said = failure.said(self.transport, text, "the tool has failed without words")
    error(failure.new("tool", said,
      { tool = name, result = failure.shown(self.transport, result) }), 0)
  end
  return text, result
end

--- Lists the resources: tables with `uri`, `name` and more. Waits.
---@return table[]
function Server:resources()
  return list_of(self, "resources", "resources", "uri")
end

--- Reads a resource. Waits.
---@param uri string
---@return string content its texts, or its bytes
---@return { uri: string, mime?: string, text?: string, data?: string }[] parts
function Server:read(uri)
  options.argument(1, "read", uri, rules.string)
  return content.resource(self:ask("resources/read", { uri = uri }))
end

--- Lists the prompts: tables with `name`, `description` and `arguments`. Waits.
---@return table[]
function Server:prompts()
  return list_of(self, "prompts", "prompts", "name")
end

--- Gives the messages of a prompt, for a model. Waits.
---@param name string
---@param arguments? table<string, string>
---@return neap.llm.Message[]
---@return table result as it came
function Server:prompt(name, arguments)
  options.argument(1, "prompt", name, rules.string)
  if arguments ~= nil then options.argument(2, "prompt", arguments, rules.table) end
  local result = self:ask("prompts/get", { name = name, arguments = arguments or {} })
  return content.prompt(result), result
end

--- Ends the connection, and the program with all that it has started. Calls under way
--- raise code "closed". Waits until the program has ended: it may do so by itself for two
--- seconds. A task that has been cancelled gives it no time. Closing again does nothing.
function Server:close()
  if self.is_closed then return end
  self.is_closed = true
  self.transport:close(not core.is_cancelled())
end

ServerMeta.__close = Server.close

-- Nobody waits in the collector.
function ServerMeta:__gc()
  if not self.is_closed then self.transport:abandon() end
end

--- Makes the server of a transport that has been opened.
---@param transport table
---@param timeout number
---@return neap.mcp.Server
function M.new(transport, timeout)
  return setmetatable({ transport = transport, timeout = timeout, last_id = 0, headers = {},
    is_closed = false }, ServerMeta)
end

return M
