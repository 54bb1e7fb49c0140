--- Connecting to an MCP server: its transport, its era, and what it says by itself.
-- SPDX-License-Identifier: MIT
local core = require "neap.core"
local era = require "neap.mcp.era"
local failure = require "neap.mcp.failure"
local messages = require "neap.mcp.message"
local neap = require "neap"
local options = require "neap.base.options"
local servers = require "neap.mcp.server"

local M = {}

local field = messages.field

-- Answers what a server asks: whether we are there. All else is not known here.
local function answer_to(request)
  if request.method == "ping" then return messages.result(request.id, {}) end
  return messages.failure(request.id, messages.codes.method,
    ("Method not found: %s"):format(failure.words(request.method, "?")))
end

-- Of streams of notifications, for this module alone.
local OF_STREAMS = "^notifications/subscriptions/"

-- Returns what is called with each message of a server that is no answer. The server is
-- not held by it, so that it can be collected.
local function listener(on_notification)
  return function(transport, message)
    if messages.kind(message) == "request" then
      transport:notify(answer_to(message))
    elseif on_notification and not message.method:find(OF_STREAMS) then
      neap.spawn_detached(function()
        local ok, err = neap.try(on_notification, message.method, messages.params(message))
        if not ok then warn("neap: on_notification: " .. core.text(err)) end
      end)
    end
  end
end

-- The lists of whose changes a server of the new era tells those who ask.
local LISTS = { tools = "toolsListChanged", prompts = "promptsListChanged",
  resources = "resourcesListChanged" }

-- Asks for the notifications that belong to no call.
local function subscribe(self)
  if not self.is_modern then return self.transport:listen() end
  local wanted = {}
  for what, name in pairs(LISTS) do
    if field(self.capabilities[what], "listChanged") == true then wanted[name] = true end
  end
  if next(wanted) == nil then return end
  self.transport:listen(messages.request(self:next_id(), "subscriptions/listen",
    { notifications = wanted, _meta = era.meta(self.version) }))
end

local unopened = { __close = function(held, err)
  if err ~= nil then held.server:close() end
end }

-- Connects by a transport that has been opened.
local function begin(transport, opts, probe)
  local self = servers.new(transport, opts.timeout)
  local _ <close> = setmetatable({ server = self }, unopened)
  local function id() return self:next_id() end
  local about = self:in_time("connecting", era.open, transport, id, probe)
  for name, value in pairs(about) do self[name] = value end
  if opts.on_notification then subscribe(self) end
  if self.name then transport.label = "mcp " .. failure.words(self.name, "?"):gsub("%c", " ") end
  return self
end

-- Starts a program and connects to it. Some of the old era end when they are asked a
-- question that is new; those are started once more.
local function start(opts, on_message)
  local stdio = require "neap.mcp.stdio"
  local function attempt(probe)
    return (begin(stdio.open(opts.command, opts.env, on_message), opts, probe))
  end
  local ok, result = neap.try(attempt, opts.probe)
  if ok then return result end
  -- An argument or a variable that no program can have is a mistake of the script.
  local mistake = type(result) == "string" and result:match("^process%.spawn: (.*)$")
  if mistake then options.blame("mcp.connect: " .. mistake) end
  if opts.probe > 0 and type(result) == "table" and result.kind == "dead" then
    local is_old, server = neap.try(attempt, 0)
    if is_old then return server end
  end
  error(result, 0)
end

--- Connects to a server. Waits.
---@param opts neap.mcp.ConnectOptions
---@return neap.mcp.Server
function M.new(opts)
  opts = options.take(opts, "mcp.connect")
  if (opts.command == nil) == (opts.url == nil) then
    options.blame("mcp.connect: one of the options 'command' and 'url' is needed"
      .. (opts.url and ", not both" or ""))
  end
  core.may_wait("mcp.connect")
  local on_message = listener(opts.on_notification)
  if opts.command then return (start(opts, on_message)) end
  local transport = require "neap.mcp.http".open(opts.url, opts.headers, on_message)
  return (begin(transport, opts, opts.probe))
end

return M
