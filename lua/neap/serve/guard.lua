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

-- Whether a request comes from a page of the server itself, or of an origin that it knows.
local function is_own(guard, headers)
  local origin = headers.origin
  if not origin then return true end
  if guard.origins[origin:lower()] then return true end
  local authority = origin:match("^https?://(.+)$")
  return authority ~= nil and authority:lower() == (headers.host or ""):lower()
end

--- Looks at a request. Returns nil, or the status and what is wrong.
---@param guard neap.serve.Guard
---@param headers table<string, string>
---@return integer|nil status
---@return string|nil problem
function M.problem(guard, headers)
  if guard.hosts and headers.host and not guard.hosts[host_of(headers.host)] then
    return 421, "this server does not answer to the name in the Host header"
  end
  if not is_own(guard, headers) then
    return 403, "pages of other origins may not send requests to this server"
  end
  if guard.token then
    local given = (headers.authorization or ""):match("^[Bb]earer +(%S+)$")
    if not given then return 401, "the request has no token: Authorization: Bearer TOKEN" end
    if not same(given, guard.token) then return 401, "the token is wrong" end
  end
end

--- The headers for a page of an origin that the server knows.
---@param guard neap.serve.Guard
---@param headers table<string, string> of the request
---@return table<string, string>|nil
function M.shared_with(guard, headers)
  if not headers.origin or not guard.origins[headers.origin:lower()] then return nil end
  return { ["Access-Control-Allow-Origin"] = headers.origin, Vary = "Origin" }
end

return M
