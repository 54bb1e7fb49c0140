--- Streams: bytes that come and go, through a pipe or a connection.
-- SPDX-License-Identifier: MIT
--
-- Nobody makes streams of descriptors here: processes and connections have
-- them. They are read as everything is (neap.io.reader).
local class = require "neap.base.class"
local core = require "neap.core"
local reader = require "neap.io.reader"
local writer = require "neap.io.writer"

local M = {}

---@class neap.Stream: neap.Reader
---@field private handle table the stream itself
local Stream, StreamMeta = class("neap.Stream")
reader.extend(Stream)

M.Stream = Stream

-- Waits for bytes; what neap.io.reader builds upon.
function Stream:receive()
  return self.handle:receive()
end

--- Writes strings and numbers, as file:write does, and waits until the system
--- has taken them: a peer that does not read holds up who writes to it. What
--- several tasks write comes in the order of the calls, each call in one piece.
--- Cancelled before its first byte was written nothing is written, else all
--- of it.
---
--- Raises an error object: with `errno` "EPIPE" when nobody reads any more; of
--- code "closed" after `finish` or `close`.
---@param ... string|number
function Stream:write(...)
  self.handle:write(writer.join("write", 1, ...))
end

--- Writes the end, which the peer reads after all that was written, and waits
--- until that has been done. What the peer still sends can be read.
function Stream:finish()
  self.handle:finish()
end

--- Closes the stream, at once: who waits for it gets an error of code "closed".
--- What was not yet written is dropped; `finish` waits for it. Closing again
--- does nothing. A stream that is collected, or a `<close>` variable that goes,
--- is closed.
function Stream:close()
  self.handle:close()
end

StreamMeta.__close = Stream.close

--- Makes a stream of what the binding calls one.
---@param handle userdata
---@return neap.Stream
function M.new(handle)
  return setmetatable({ handle = handle }, StreamMeta)
end

--- Makes two streams, each of which gives what is written to the other. With
--- them tasks talk to each other as with a process or a server, in tests too.
---@return neap.Stream, neap.Stream
function M.pair()
  local one, other = core.stream.pair()
  return M.new(one), M.new(other)
end

return M
