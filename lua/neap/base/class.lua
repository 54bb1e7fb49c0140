--- Classes of objects that are tables.
-- SPDX-License-Identifier: MIT
local options = require "neap.base.options"

local getmetatable = getmetatable -- methods are called often

-- A method as objects have it: a call with a dot in place of the colon is refused.
local function for_objects(name, meta, method)
  local class_name = meta.__name
  local noun = class_name:match("[^.]*$"):lower()
  options.tail_called[method] = true
  return function(self, ...)
    if getmetatable(self) ~= meta then
      options.blame(("bad argument #1 to '%s' (%s expected, got %s; call it as %s:%s(...))"):format(
        name, class_name, type(self), noun, name))
    end
    return method(self, ...)
  end
end

--- Makes a class. Its objects have methods only. Metamethods are kept apart, so that no
--- script can call `__gc` or `__close` on an object that is still in use.
---@param name string the name of the type, for messages
---@param base? table methods that it inherits
---@return table methods to be added to
---@return table meta the metatable of its objects, to be given metamethods
return function(name, base)
  local methods, of_objects = {}, {}
  local meta = { __name = name, __index = of_objects }
  local class = setmetatable({}, {
    __index = methods,
    __newindex = function(_, key, method)
      methods[key] = method
      of_objects[key] = for_objects(key, meta, method)
    end,
    __pairs = function() return next, methods end,
  })
  for key, method in pairs(base or {}) do class[key] = method end
  return class, meta
end
