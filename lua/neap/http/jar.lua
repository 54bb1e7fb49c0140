--- Cookie jars, which keep cookies between requests.
-- SPDX-License-Identifier: MIT
local class = require "neap.base.class"
local core = require "neap.core"
local options = require "neap.base.options"
local rules = require "neap.base.schema".rules

local M = {}

---@class neap.http.Cookie
---@field name string
---@field value string
---@field domain string
---@field path string
---@field subdomains boolean whether it is sent to hosts below the domain, too
---@field secure boolean whether it is sent over https only
---@field http_only boolean
---@field expires? integer seconds since 1970; nil: it lasts as long as the jar

---@class neap.http.Jar
local Jar, JarMeta = class("neap.http.Jar")

--- Makes a jar for the option `cookies` of requests. A request sends the cookies of its jar
--- that apply, and keeps in it the cookies that it receives (RFC 6265).
---@param text? string the result of a jar's `save`
---@return neap.http.Jar
function M.new(text)
  if text ~= nil then options.argument(1, "jar", text, rules.string) end
  local jar = setmetatable({ held = core.http.jar() }, JarMeta)
  -- The text has secrets, so the message quotes nothing of it.
  if text and (text:find("\0", 1, true) or not jar.held:add(text)) then
    options.blame("bad argument #1 to 'jar' (a line of it is no cookie)")
  end
  return jar
end

--- Whether a value is a jar.
---@param value any
---@return boolean
function M.is(value)
  return getmetatable(value) == JarMeta
end

--- Returns the cookies that have not expired, with their values.
---@return neap.http.Cookie[]
function Jar:list()
  local list = {}
  for line in self.held:text():gmatch("[^\n]+") do
    local domain, below, path, secure, expires, name, value =
      line:match("^([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)\t(.*)$")
    local bare = domain:gsub("^#HttpOnly_", "")
    list[#list + 1] = {
      name = name, value = value, domain = bare:gsub("^%.", ""), path = path,
      subdomains = below == "TRUE", secure = secure == "TRUE", http_only = bare ~= domain,
      expires = expires ~= "0" and math.tointeger(tonumber(expires)) or nil,
    }
  end
  return list
end

--- Forgets all cookies.
function Jar:clear()
  self.held:clear()
end

--- Returns the cookies as text in the format of Netscape's cookie file, which curl and
--- others read. It has secrets, like a password.
---@return string
function Jar:save()
  return self.held:text()
end

--- Tells only the number of cookies.
function JarMeta:__tostring()
  return ("neap.http.Jar: %d cookies"):format(#self:list())
end

return M
