-- Foreign projects: programs that are built outside of the tree, against the neap that is
-- installed, as those who embed it do.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"

local M = {}

--- The sanitizers that neap was built with, which a program that links it needs, too;
--- nil: none.
M.sanitizers = helper.read(helper.build .. "/CMakeCache.txt")
  :match("\nNEAP_SANITIZE:%w+=([^\n]+)")

--- The flags of a compiler for them.
M.flags = M.sanitizers and "-fsanitize=" .. M.sanitizers or ""

--- The environment of a program that finds nothing of neap's but what it was linked with.
M.env = { LUA_PATH = "", LUA_CPATH = "", LD_LIBRARY_PATH = "" }

local EXAMPLES <const> = helper.root .. "/examples/embed"

--- Runs a command as helper.run does; raises what it says if it fails.
---@param argv table
---@param opts? table
---@return string stdout
function M.succeed(argv, opts)
  local result = helper.run(argv, opts)
  if result.status ~= 0 then
    error(("status %d\n%s%s"):format(result.status, result.stdout, result.stderr), 2)
  end
  return result.stdout
end

--- Installs the build under test into a new folder.
---@return string prefix of what is installed
function M.install()
  local prefix = helper.tmpdir() .. "/opt"
  M.succeed { "cmake", "--install", helper.build, "--prefix", prefix }
  return prefix
end

--- Runs a shell's script in a new folder, where pkg-config finds what is installed.
---@param prefix string
---@param script string its $1, $2, ... are the words after it
---@return string folder
function M.shell(prefix, script, ...)
  local folder = helper.tmpdir()
  M.succeed({ "sh", "-ec", script, "sh", ... },
    { cwd = folder, env = { PKG_CONFIG_PATH = prefix .. "/lib/pkgconfig" } })
  return folder
end

--- Builds an example by the line for it in their README.
---@param prefix string
---@param files string those below examples/embed, as a pattern of the shell
---@param what string what the line has between `cc` and its end, as a pattern of Lua
---@return string folder where the files and the program are
function M.example(prefix, files, what)
  local line = helper.read(EXAMPLES .. "/README.md"):match("\n(cc [^\n]*" .. what .. "[^\n]+)\n")
  return M.shell(prefix, ("cp %s/%s . && %s -Wall -Wextra -pedantic -Werror %s -Wl,-rpath,%s/lib")
    :format(EXAMPLES, files, line, M.flags, prefix))
end

return M
