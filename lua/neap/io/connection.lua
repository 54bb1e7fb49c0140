--- Connections: streams to a peer.
-- SPDX-License-Identifier: MIT
local class = require "neap.base.class"
local stream = require "neap.stream"

local M = {}

--- A stream to a peer.
---@class neap.net.Connection: neap.Stream
---@field address string our end: "127.0.0.1:40000", "[::1]:40000", a path, or ""
---@field peer string the other end
local _, ConnectionMeta = class("neap.net.Connection", stream.Stream)
ConnectionMeta.__close = stream.Stream.close

function ConnectionMeta:__tostring()
  return ("%s: %s to %s"):format(ConnectionMeta.__name, self.address, self.peer)
end

--- Makes a connection of the binding's stream.
---@param handle userdata|table
---@param address string
---@param peer string
---@return neap.net.Connection
function M.new(handle, address, peer)
  return setmetatable({ handle = handle, address = address, peer = peer }, ConnectionMeta)
end

return M
