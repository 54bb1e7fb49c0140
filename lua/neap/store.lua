--- Stores: what durable runs are kept in.
-- SPDX-License-Identifier: MIT
local class = require "neap.base.class"
local core = require "neap.core"
local event = require "neap.core".event
local options = require "neap.base.options"
local rules = require "neap.base.schema".rules

local M = {}

--- A store, which is opened when it is first used.
---@class neap.Store
---@field name string for messages: "runs.db"
---@field private opts table for core.store.open
---@field private handle userdata|nil
---@field private opening neap.Event|nil set when it has been opened, or could not be
---@field private closed boolean
local Store, StoreMeta = class("neap.Store")

local function closed_error(store)
  return require("neap.error").new { code = "closed", retryable = false,
    message = ("the store %s has been closed"):format(store.name) }
end

-- Opens the store, for one task; others wait for it. One that cannot be opened is tried
-- again by the next call.
local function open(store)
  local opening = event()
  store.opening = opening
  local _ <close> = setmetatable({}, { __close = function()
    store.opening = nil
    opening:set()
  end })
  local handle = core.store.open(store.opts)
  if store.closed then
    handle:close()
    error(closed_error(store), 0)
  end
  store.handle = handle
end

--- The open store of the binding, for neap's own modules. Waits when it has to be opened.
---@param store neap.Store
---@return userdata
function M.handle_of(store)
  while not store.handle do
    if store.closed then error(closed_error(store), 0) end
    if store.opening then store.opening:wait() else open(store) end
  end
  return store.handle
end

--- What survives once it has been saved: "none" (what is in memory), "process" (the end of
--- the process, but not a power cut), "disk" (a power cut as well) or more. Waits when the
--- store has to be opened.
---@return string
function Store:durability()
  return M.handle_of(self):durability()
end

--- Checks all that is stored, and waits. What is damaged raises code "damaged", with where.
function Store:check()
  M.handle_of(self):check()
end

--- Writes a copy of all that is saved to a file, which must not be there yet, and waits. Runs
--- go on meanwhile. Raises code "store" for a store in memory.
---@param path string
function Store:backup(path)
  options.argument(1, "backup", path, rules.path)
  M.handle_of(self):backup(path)
end

--- Closes the store. Calls that wait for it get an error of code "store". Closing again does
--- nothing.
function Store:close()
  self.closed = true
  if self.handle then self.handle:close() end
  self.handle = nil
end

StoreMeta.__close = Store.close

function StoreMeta:__tostring()
  return ("%s: %s"):format(StoreMeta.__name, self.name)
end

local function new(name, opts)
  return setmetatable({ name = name, opts = opts, closed = false }, StoreMeta)
end

--- Makes a store in a file of SQLite, which is made when it is not there. Processes of one
--- machine may share it. It is opened when it is first used.
---@param path string
---@param opts? neap.store.SqliteOptions
---@return neap.Store
function M.sqlite(path, opts)
  options.argument(1, "sqlite", path, rules.path)
  opts = options.take(opts, "durable.sqlite")
  return new(path, { kind = "sqlite", path = path, sync = opts.sync, read_only = opts.read_only })
end

--- Makes a store in memory, for tests: its runs last as long as the store.
---@return neap.Store
function M.memory()
  return new("memory", { kind = "memory" })
end

--- Whether a value is a store.
---@param value any
---@return boolean
function M.is(value)
  return getmetatable(value) == StoreMeta
end

return M
