--- The two eras of MCP: up to 2025-11-25 a connection begins with a handshake, from
--- 2026-07-28 on each request says all by itself. Which one a server speaks is asked once.
-- SPDX-License-Identifier: MIT
local failure = require "neap.mcp.failure"
local json = require "neap.json"
local messages = require "neap.mcp.message"
local neap = require "neap"

local M = {}

--- The versions that neap speaks, the newest first: of the era without a handshake, and of
--- the one with it.
M.MODERN = { "2026-07-28" }
M.LEGACY = { "2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05" }

local META = "io.modelcontextprotocol/"

--- The names of what each request says of itself, in its `_meta`.
M.keys = { version = META .. "protocolVersion", capabilities = META .. "clientCapabilities",
  client = META .. "clientInfo", server = META .. "serverInfo",
  subscription = META .. "subscriptionId" }

-- Errors that only a server without a handshake gives: header mismatch, capability missing,
-- version not supported.
local MODERN_ERRORS = { [-32020] = true, [-32021] = true, [messages.codes.version] = true }

local function client_info()
  return json.object({ name = "neap", version = neap.version }, { "name", "version" })
end

--- Whether a list has one of these versions; gives the newest.
---@param versions string[]
---@param given any
---@return string|nil
function M.common(versions, given)
  if type(given) ~= "table" then return nil end
  for _, version in ipairs(versions) do
    for _, each in ipairs(given) do
      if each == version then return version end
    end
  end
end

--- What a request of a version says of itself; nil where the connection has said it.
---@param version string
---@return table|nil meta
function M.meta(version)
  if version < M.MODERN[#M.MODERN] then return nil end
  return { [M.keys.version] = version, [M.keys.capabilities] = {}, [M.keys.client] = client_info() }
end

-- What a server has said of itself.
local function about(version, result, info)
  local text = messages.text
  return { version = version, is_modern = M.meta(version) ~= nil, name = text(info, "name"),
    server_version = text(info, "version"), instructions = text(result, "instructions"),
    capabilities = messages.table(result, "capabilities") }
end

local function no_version(label, theirs)
  local list = {}
  for i, each in ipairs(type(theirs) == "table" and theirs or { theirs }) do
    list[i] = tostring(each)
  end
  return failure.new("version", ("%s: the server speaks version %s of MCP; neap speaks %s, %s")
    :format(label, failure.words(table.concat(list, ", "), "?"), table.concat(M.MODERN, ", "),
      table.concat(M.LEGACY, ", ")), { retryable = false })
end

-- What the answer to server/discover tells: what the server is, or nil where it is of the
-- era with a handshake.
local function discovered(transport, answer)
  local result, said = messages.outcome(answer)
  if not result then
    local code = math.tointeger(messages.field(said, "code"))
    if not MODERN_ERRORS[code] then return nil end
    local theirs = messages.field(messages.field(said, "data"), "supported")
    if code ~= messages.codes.version then
      error(failure.of_answer(transport, "server/discover", said), 0)
    elseif M.common(M.LEGACY, theirs) then
      return nil
    end
    error(no_version(transport.label, theirs), 0)
  end
  local theirs = messages.field(result, "supportedVersions")
  if not theirs then return nil end
  local version = M.common(M.MODERN, theirs)
  if version then
    return about(version, result, messages.field(messages.field(result, "_meta"), M.keys.server)
      or messages.field(result, "serverInfo"))
  elseif M.common(M.LEGACY, theirs) then
    return nil
  end
  error(no_version(transport.label, theirs), 0)
end

-- Begins with a handshake.
local function initialize(transport, next_id)
  local answer = transport:request(messages.request(next_id(), "initialize", json.object({
    protocolVersion = M.LEGACY[1], capabilities = {}, clientInfo = client_info(),
  }, { "protocolVersion", "capabilities", "clientInfo" })))
  local result, problem = messages.outcome(answer)
  if not result then error(failure.of_answer(transport, "initialize", problem), 0) end
  local version = messages.field(result, "protocolVersion")
  if not M.common(M.LEGACY, { version }) then error(no_version(transport.label, version), 0) end
  transport:agreed(version)
  transport:notify(messages.notification("notifications/initialized"))
  return about(version, result, messages.field(result, "serverInfo"))
end

--- Shakes hands once more, with a server that has forgotten the first time.
M.initialize = initialize

-- Asks a program, which may be of either era, or not answer what it does not know. Programs
-- take time to start, so an answer that comes late still counts.
local function open_program(transport, next_id, probe)
  if probe == 0 then return initialize(transport, next_id) end
  local version = M.MODERN[1]
  local entry = transport:begin(messages.request(next_id(), "server/discover",
    { _meta = M.meta(version) }))
  local answer, err = neap.try(neap.timeout, probe, transport.finish, transport, entry)
  if answer then
    answer = entry.answer
  elseif err.code ~= "timeout" then
    error(err, 0)
  end
  local found = answer and discovered(transport, answer)
  if found then return found end
  local ok, result = neap.try(initialize, transport, next_id)
  transport:forget(entry)
  if ok then return result end
  found = entry.answer and not answer and discovered(transport, entry.answer)
  return found or error(result, 0)
end

--- Asks a server which era it speaks, and what it is. Waits.
---@param transport table
---@param next_id fun(): integer
---@param probe number seconds after which a program that says nothing is asked for a handshake
---@return table about
function M.open(transport, next_id, probe)
  if transport.begin then return open_program(transport, next_id, probe) end
  if probe == 0 then return initialize(transport, next_id) end
  local ok, answer = neap.try(transport.request, transport, messages.request(next_id(),
    "server/discover", { _meta = M.meta(M.MODERN[1]) }))
  -- What an old server says of a question that is new may be no message at all.
  if not ok and not (answer.kind == "server" or answer.kind == "broken") then error(answer, 0) end
  return ok and discovered(transport, answer) or initialize(transport, next_id)
end

return M
