--- Streams: bytes in both directions, through a pipe or a connection.
-- SPDX-License-Identifier: MIT
--
-- Scripts get streams from processes and connections; they cannot make them of
-- descriptors. The methods for reading are those of neap.io.reader.
local class = require "neap.base.class"
local core = require "neap.core"
local reader = require "neap.io.reader"
local writer = require "neap.io.writer"

local M = {}

---@class neap.Stream: neap.Reader
---@field private handle table the binding's stream
local Stream, StreamMeta = class("neap.Stream")
reader.extend(Stream)

M.Stream = Stream

-- Waits for bytes, for neap.io.reader.
function Stream:receive()
  return self.handle:receive()
end

--- Writes strings and numbers, as file:write does, and waits until the system has taken
--- them. So a peer that does not read holds up the writer. Calls of several tasks are
--- served in order, each in one piece. A call that is cancelled before its first byte was
--- written writes nothing; one that is cancelled later writes all.
---
--- Raises an error object with `errno` "EPIPE" when nobody reads any more, and one of code
--- "closed" after `finish` or `close`.
---@param ... string|number
function Stream:write(...)
  self.handle:write(writer.join("write", 1, ...))
end

--- Writes the end behind all that was written, and waits until the system has taken it.
--- Reading goes on.
function Stream:finish()
  self.handle:finish()
end

--- Closes the stream at once. Tasks that wait for it get an error of code "closed". Bytes
--- that were not yet written are dropped; `finish` waits for them. Closing again does
--- nothing. `<close>` variables and the collector close a stream as well.
function Stream:close()
  self.handle:close()
end

StreamMeta.__close = Stream.close

--- Makes a stream of the binding's stream.
---@param handle userdata
---@return neap.Stream
function M.new(handle)
  return setmetatable({ handle = handle }, StreamMeta)
end

--- Makes two connected streams: bytes written to one are read from the other. With them,
--- tasks talk to each other as to a process or a server.
---@return neap.Stream, neap.Stream
function M.pair()
  local one, other = core.stream.pair()
  return M.new(one), M.new(other)
end

return M
