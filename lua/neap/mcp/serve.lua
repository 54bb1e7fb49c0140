--- A server of MCP, for the program that has started the script.
-- SPDX-License-Identifier: MIT
local core = require "neap.core"
local era = require "neap.mcp.era"
local failure = require "neap.mcp.failure"
local messages = require "neap.mcp.message"
local neap = require "neap"
local json = require "neap.json"
local options = require "neap.base.options"
local output = require "neap.io.output"
local tools = require "neap.llm.tool"

local M = {}

local codes, field = messages.codes, messages.field

-- How long a client may take it for granted what there is, in milliseconds: nothing changes
-- while the server runs.
local LASTS = 3600000

---@class neap.mcp.Serving
---@field info table name and version
---@field instructions? string
---@field list neap.llm.Tool[]
---@field by_name table<string, neap.llm.Tool>
---@field tasks table<any, neap.Task> by the ids of the requests that may be cancelled
---@field all table<neap.Task, true> those that go on, and some that have ended
---@field ended neap.Event the input has ended
---@field write fun(line: string) writes a line, and may wait

-- What a handler raises to answer with an error of JSON-RPC.
local Refusal = {}

local function refuse(code, format, ...)
  error(setmetatable({ code = code, text = format:format(...) }, Refusal), 0)
end

-- Whoever does not read any more is gone, and the input ends soon.
local function say(serving, message)
  neap.try(serving.write, messages.encode(message) .. "\n")
end

-- The result of a list, which a client may keep.
local function lasting(result)
  result.ttlMs, result.cacheScope = LASTS, "public"
  return result
end

local function definition_of(tool)
  return json.object({ name = tool.name, description = tool.description,
    inputSchema = tool.parameters }, { "name", "description", "inputSchema" })
end

-- The methods: each gets the params and the id of the request, and gives the result.
local methods = {}

function methods.ping() return {} end

function methods.initialize(serving, params)
  local version = era.common(era.LEGACY, { params.protocolVersion }) or era.LEGACY[1]
  return json.object({ protocolVersion = version, capabilities = { tools = {} },
    serverInfo = serving.info, instructions = serving.instructions },
    { "protocolVersion", "capabilities", "serverInfo", "instructions" })
end

methods["server/discover"] = function(serving)
  return lasting { supportedVersions = json.array(table.move(era.LEGACY, 1, #era.LEGACY,
    #era.MODERN + 1, table.move(era.MODERN, 1, #era.MODERN, 1, {}))),
    capabilities = { tools = {} }, instructions = serving.instructions }
end

methods["tools/list"] = function(serving)
  local list = json.array()
  for i, tool in ipairs(serving.list) do list[i] = definition_of(tool) end
  return lasting { tools = list }
end

methods["tools/call"] = function(serving, params, id)
  local tool = serving.by_name[params.name]
  if not tool then refuse(codes.params, "Unknown tool: %s", failure.words(params.name, "?")) end
  local arguments = field(params, "arguments")
  if arguments == nil then arguments = {} end
  local call = { id = tostring(id), name = tool.name, arguments = messages.encode(arguments) }
  local text
  local fitting, why = tools.arguments(tool, call)
  if fitting then text, why = tools.attempt(tool, fitting, call) end
  return { content = { json.object({ type = "text", text = text or why }, { "type", "text" }) },
    isError = text == nil or nil }
end

-- Nothing changes while the server runs, so there is nothing to tell: the stream is open
-- until the end.
methods["subscriptions/listen"] = function(serving, _, id)
  local meta = { [era.keys.subscription] = id }
  say(serving, messages.notification("notifications/subscriptions/acknowledged",
    { _meta = meta, notifications = {} }))
  serving.ended:wait()
  return { _meta = meta }
end

-- Answers a request of the era without a handshake.
local function modern(serving, request, params, version)
  if not era.common(era.MODERN, { version }) then
    return messages.failure(request.id, codes.version, "Unsupported protocol version",
      { supported = json.array(table.move(era.MODERN, 1, #era.MODERN, 1, {})),
        requested = version })
  end
  local result = methods[request.method](serving, params, request.id)
  result.resultType = "complete"
  result._meta = result._meta or {}
  result._meta[era.keys.server] = serving.info
  return messages.result(request.id, result)
end

-- Answers a request.
local function answer(serving, request)
  local params = messages.params(request)
  if not methods[request.method] then
    refuse(codes.method, "Method not found: %s", request.method)
  end
  local version = field(field(params, "_meta"), era.keys.version)
  if version ~= nil then return modern(serving, request, params, version) end
  local result = methods[request.method](serving, params, request.id)
  result.ttlMs, result.cacheScope = nil, nil
  return messages.result(request.id, result)
end

-- The task of a request.
local function work(serving, request)
  local ok, message = neap.try(answer, serving, request)
  if not ok then
    local is_refusal = getmetatable(message) == Refusal
    message = messages.failure(request.id, is_refusal and message.code or codes.internal,
      is_refusal and message.text or tools.text_of(message))
  end
  -- A tool may return although it was cancelled; nobody wants to know what.
  if core.is_cancelled() then return end
  serving.tasks[request.id] = nil
  say(serving, message)
end

-- Does what a notification says. All but one are for information.
local function notice(serving, notification)
  if notification.method ~= "notifications/cancelled" then return end
  local id = field(messages.params(notification), "requestId")
  local task = id ~= nil and serving.tasks[id]
  if not task then return end
  serving.tasks[id] = nil
  task:cancel("the client has cancelled the request")
end

local function receive(serving, line)
  local message = messages.decode(line)
  local kind = messages.kind(message)
  if message == nil then
    say(serving, messages.failure(nil, codes.parse, "Parse error: a line is one message in JSON"))
  elseif kind == "request" then
    if serving.tasks[message.id] then
      return say(serving, messages.failure(message.id, codes.request,
        "Invalid request: the id is that of a request under way"))
    end
    local task = neap.spawn(work, serving, message)
    serving.tasks[message.id], serving.all[task] = task, true
  elseif kind == "notification" then
    notice(serving, message)
  elseif kind ~= "answer" then
    say(serving, messages.failure(nil, codes.request, "Invalid request"))
  end
end

-- When the input cannot be read to its end, nobody waits for answers any more.
local broken = { __close = function(held, err)
  if err == nil then return end
  for task in pairs(held.serving.all) do task:cancel("the input of the server has failed") end
end }

-- Answers all lines, and waits until the answers are out.
local function answer_all(serving, lines)
  local _ <close> = setmetatable({ serving = serving }, broken)
  for line in lines do
    if line:find("%S") then receive(serving, line) end
  end
  serving.ended:set()
  for task in pairs(serving.all) do neap.try(task.await, task) end
end

-- The tools in a list and by name.
local function tools_of(given)
  local list, by_name = {}, {}
  for i, each in ipairs(given) do
    local tool = tools.new(each, ("mcp.serve: tool %d"):format(i))
    if by_name[tool.name] then
      options.blame(("mcp.serve: there are two tools with the name '%s'"):format(tool.name))
    end
    list[i], by_name[tool.name] = tool, tool
  end
  return list, by_name
end

--- Serves tools to whoever has started the script, by its standard input and output, or to
--- whoever is at the other end of a stream. Waits until the input has ended and all answers
--- are out.
---@param opts neap.mcp.ServeOptions
function M.serve(opts)
  opts = options.take(opts, "mcp.serve")
  if not opts.tools then options.blame("mcp.serve: the option 'tools' is missing") end
  if (opts.input == nil) ~= (opts.output == nil) then
    options.blame("mcp.serve: the options 'input' and 'output' belong together")
  end
  local serving = { instructions = opts.instructions, tasks = {}, ended = neap.event(),
    all = setmetatable({}, { __mode = "k" }),
    info = json.object({ name = opts.name, version = opts.version }, { "name", "version" }) }
  serving.list, serving.by_name = tools_of(opts.tools)
  if opts.input then
    function serving.write(line) opts.output:write(line) end
    return answer_all(serving, opts.input:lines())
  end
  local write = core.system.write
  local _ <close> = output.to_stderr() -- what tools print is no message
  function serving.write(line)
    write(line)
  end
  answer_all(serving, neap.input)
end

return M
