-- What specs need that others have made and npm has fetched: `./dev test` keeps it in
-- build/npm. Where it is not there, the specs are pending.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local lfs = require "lfs"

local M = {}

--- The folder with node_modules.
M.folder = helper.root .. "/build/npm"

--- Why the packages cannot be used; nil if they can.
---@type string|nil
M.missing = not lfs.attributes(M.folder .. "/fetched")
  and "npm has fetched no packages into build/npm"
  or not os.execute("command -v node >/dev/null") and "there is no Node" or nil

-- The words that start Node, and then these.
local function node(...)
  return { "node", "-r", helper.root .. "/spec/npm/webcrypto.cjs", ... }
end

--- Returns an `it` for what needs the packages.
---@param it function
---@param pending function
---@return fun(what: string, f: function)
function M.it(it, pending)
  if not M.missing then return it end
  return function(what, f) pending(("%s (%s)"):format(what, M.missing), f) end
end

--- Returns the words that run a script of ours, which gets the folder first.
---@param script string  below spec/
---@param ... string
---@return string[]
function M.script(script, ...)
  return node(helper.root .. "/spec/" .. script, M.folder, ...)
end

--- Returns the words that run a program of a package.
---@param program string  below node_modules/
---@param ... string
---@return string[]
function M.program(program, ...)
  return node(M.folder .. "/node_modules/" .. program, ...)
end

return M
