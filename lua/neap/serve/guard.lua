--- Who may send requests: the token, and the names of the host and origin.
-- SPDX-License-Identifier: MIT
--
-- A page in a browser can send requests to a server on the same machine. Such a page is of
-- another origin; or its name has come to resolve to this machine (DNS rebinding), and then
-- the header Host has that name.
local secret = require "neap.secret"

local M = {}

local LOOPBACK = { ["localhost"] = true, ["127.0.0.1"] = true, ["[::1]"] = true }

-- The host of a Host header or an origin, without the port.
local function host_of(authority)
  return (authority:lower():gsub(":%d*$", ""))
end

-- Whether two texts are the same, in a time that says nothing about where they differ.
local function same(a, b)
  if #a ~= #b then return false end
  local difference = 0
  for i = 1, #a do difference = difference | (a:byte(i) ~ b:byte(i)) end
  return difference == 0
end

--- Whether an address is of this machine alone.
---@param address string "127.0.0.1:8080", "[::1]:8080", or a path
---@return boolean
function M.is_local(address)
  return address:find("^127%.") ~= nil or address:find("^%[::1%]") ~= nil
    or address:find("/", 1, true) ~= nil
end

local function set_of(list)
  local set = {}
  for _, name in ipairs(list or {}) do set[name:lower()] = true end
  return set
end

---@class neap.serve.Guard
---@field token string|nil
---@field hosts table<string, true>|nil nil: any
---@field origins table<string, true>
---@field known string|nil the last Host that was right

--- Makes a guard.
---@param opts table those of listen
---@param address string where the server listens
---@return neap.serve.Guard
function M.new(opts, address)
  local hosts = opts.hosts and set_of(opts.hosts)
  if not hosts and M.is_local(address) then hosts = LOOPBACK end
  return { token = opts.token and secret.new(opts.token):reveal(), hosts = hosts,
    origins = set_of(opts.origins) }
end

-- Whether a request with an origin comes from a page of the server itself, or of one that it
-- knows.
local function is_own(guard, request)
  local origin = request.origin:lower()
  if guard.origins[origin] then return true end
  local authority = origin:match("^https?://(.+)$")
  return authority ~= nil and authority == (request.host or ""):lower()
end

-- Looks at the Host of a request. Most clients send the same one again and again.
local function is_host(guard, host)
  if not host or host == guard.known then return true end
  if guard.hosts and not guard.hosts[host_of(host)] then return false end
  guard.known = host
  return true
end

--- Looks at a request. Returns nil, or the status and what is wrong.
---@param guard neap.serve.Guard
---@param request neap.serve.Request
---@return integer|nil status
---@return string|nil problem
function M.problem(guard, request)
  if not is_host(guard, request.host) then
    return 421, "this server does not answer to the name in the Host header"
  end
  if request.origin and not is_own(guard, request) then
    return 403, "pages of other origins may not send requests to this server"
  end
  if guard.token then
    local scheme, given = (request.authorization or ""):match("^(%S+) +(%S+)$")
    if not given or scheme:lower() ~= "bearer" then
      return 401, "the request has no token: Authorization: Bearer TOKEN"
    end
    if not same(given, guard.token) then return 401, "the token is wrong" end
  end
end

--- Whether a browser asks if a page of an origin that the server knows may send a request. It
--- sends no token with that.
---@param guard neap.serve.Guard
---@param request neap.serve.Request
---@return boolean
function M.is_preflight(guard, request)
  return request.method == "OPTIONS" and request.origin ~= nil
    and guard.origins[request.origin:lower()] ~= nil
    and request.headers["access-control-request-method"] ~= nil
end

--- Whether a page of another origin is to see the answer to a request.
---@param guard neap.serve.Guard
---@param request neap.serve.Request
---@return boolean
function M.is_shared(guard, request)
  return request.origin ~= nil and guard.origins[request.origin:lower()] ~= nil
end

return M
