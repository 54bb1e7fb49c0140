--- Classes of objects that are tables.
-- SPDX-License-Identifier: MIT

--- Makes a class. What an object is asked for by name are methods; metamethods
--- are kept apart from them, so that no object has a method `__gc` or `__close`
--- with which what still lives could be taken apart.
---@param name string how its objects are called where their type matters
---@param base? table methods that it has, too
---@return table methods to be added to
---@return table meta the metatable of its objects, to be given metamethods
return function(name, base)
  local methods = {}
  for key, method in pairs(base or {}) do methods[key] = method end
  return methods, { __name = name, __index = methods }
end
