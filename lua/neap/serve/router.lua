--- Routes: which function answers a request, by its method and path.
-- SPDX-License-Identifier: MIT
--
-- The patterns of a router are a tree of segments. A segment that is literal wins over one
-- that is named, and that over the rest of a path, whatever their order. So a path that is a
-- pattern itself has its place at once.
local options = require "neap.base.options"
local rules = require "neap.base.schema".rules

local M = {}

---@class neap.serve.Place
---@field literal table<string, neap.serve.Place> by the next segment
---@field named? neap.serve.Place any next segment
---@field rest? neap.serve.Place all segments that follow
---@field methods table<string, neap.serve.Route> by method; "*" is any

---@class neap.serve.Route
---@field handler fun(request: neap.serve.Request): ...
---@field names string[] of the values in the path, in order

---@class neap.serve.Routes
---@field root neap.serve.Place
---@field exact table<string, neap.serve.Place> the places of patterns without names

local function new_place()
  return { literal = {}, methods = {} }
end

--- Makes an empty set of routes.
---@return neap.serve.Routes
function M.new()
  return { root = new_place(), exact = {} }
end

local METHOD = { test = function(value)
  return type(value) == "string" and (value == "*" or value:find("^[A-Z]+$") ~= nil)
end, expected = 'method in capitals, or "*" for any' }

local PATTERN = { test = function(value)
  return type(value) == "string" and value:find("^/") ~= nil and not value:find("[%c%s?#]")
end, expected = 'path that begins with "/", as in "/runs/:id"' }

-- Whether the name of a value in a path can be one.
local function check_name(name, names, pattern)
  if not name:find("^[%a_][%w_]*$") then
    options.blame(("route: '%s' in the path '%s' is no name"):format(name, pattern))
  end
  for _, other in ipairs(names) do
    if other == name then
      options.blame(("route: the path '%s' has the name '%s' twice"):format(pattern, name))
    end
  end
  names[#names + 1] = name
end

-- The place of a pattern in the tree, made where it is missing, and the names in it.
local function place_of(root, pattern)
  local place, names, has_rest = root, {}, false
  for segment in pattern:sub(2):gmatch("[^/]*") do
    if has_rest then
      options.blame(("route: in the path '%s' something follows the rest"):format(pattern))
    end
    local mark, name = segment:match("^([:*])(.*)$")
    if not mark then
      place.literal[segment] = place.literal[segment] or new_place()
      place = place.literal[segment]
    else
      check_name(name, names, pattern)
      local kind = mark == ":" and "named" or "rest"
      has_rest = mark == "*"
      place[kind] = place[kind] or new_place()
      place = place[kind]
    end
  end
  return place, names
end

--- Adds a route. Raises at the line of the script if there is one already for this method and
--- path, or one of the arguments is wrong.
---@param routes neap.serve.Routes
---@param method string
---@param pattern string
---@param handler fun(request: neap.serve.Request): ...
function M.add(routes, method, pattern, handler)
  options.argument(1, "route", method, METHOD)
  options.argument(2, "route", pattern, PATTERN)
  options.argument(3, "route", handler, rules.func)
  local place, names = place_of(routes.root, pattern)
  if place.methods[method] then
    options.blame(("route: %s %s has a route already"):format(method, pattern))
  end
  place.methods[method] = { handler = handler, names = names }
  if not names[1] and not pattern:find("%", 1, true) then routes.exact[pattern] = place end
end

-- Whether a segment from `at` on has a slash, which was encoded. Joined to a path, it would be
-- taken for two.
local function has_slash(segments, at)
  for i = at, #segments do
    if segments[i]:find("/", 1, true) then return true end
  end
  return false
end

-- Finds the place of the segments from `at` on. Adds what named segments stood for to
-- `values`.
local function walk(place, segments, at, values)
  local segment = segments[at]
  if segment == nil then return next(place.methods) and place or nil end
  local next_place = place.literal[segment]
  local found = next_place and walk(next_place, segments, at + 1, values)
  if found then return found end
  local count = #values
  if place.named and segment ~= "" then
    values[count + 1] = segment
    found = walk(place.named, segments, at + 1, values)
    if found then return found end
    for i = #values, count + 1, -1 do values[i] = nil end
  end
  if place.rest and not has_slash(segments, at) then
    values[count + 1] = table.concat(segments, "/", at)
    return place.rest
  end
end

--- Finds the place of a path by its segments.
---@param routes neap.serve.Routes
---@param segments string[] decoded
---@return neap.serve.Place|nil
---@return string[] values of the named segments
function M.find(routes, segments)
  local values = {}
  return walk(routes.root, segments, 1, values), values
end

--- The route of a method at a place. A route for GET answers HEAD as well.
---@param place neap.serve.Place
---@param method string
---@return neap.serve.Route|nil
function M.route(place, method)
  local methods = place.methods
  return methods[method] or method == "HEAD" and methods.GET or methods["*"]
end

--- The methods at a place, for the header Allow.
---@param place neap.serve.Place
---@return string
function M.allowed(place)
  local seen, list = { OPTIONS = true }, { "OPTIONS" }
  local function add(method)
    if not seen[method] and method ~= "*" then
      seen[method] = true
      list[#list + 1] = method
    end
  end
  for method in pairs(place.methods) do
    add(method)
    if method == "GET" then add("HEAD") end
  end
  table.sort(list)
  return table.concat(list, ", ")
end

return M
