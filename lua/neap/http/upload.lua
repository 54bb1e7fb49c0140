--- Uploads: request bodies that are produced while they are sent.
-- SPDX-License-Identifier: MIT
local concurrent = require "neap.task.concurrent"
local core = require "neap.core"
local fs = require "neap.fs"

local M = {}

-- Writes the strings that `body` returns until it returns nil or the request has ended.
local function write_all(upload, body, what)
  for bytes in body do
    if type(bytes) ~= "string" then
      error(("%s: the function 'body' gives strings, and nil at the end; got a %s")
        :format(what, type(bytes)), 0)
    end
    local ok, err = pcall(upload.write, upload, bytes)
    if not ok then
      if type(err) == "table" and err.code == "closed" then return end
      error(err, 0)
    end
  end
  local ok, err = pcall(upload.finish, upload)
  if not ok and err.code ~= "closed" then error(err, 0) end
end

-- Sends a request with a body of this size, nil if unknown. `body` is called in a task
-- beside it.
local function exchange(what, opts, send, size, body)
  local upload <close> = core.http.upload(size)
  local written = core.event()
  local response = concurrent.race {
    function()
      local response = send(upload)
      -- A server may begin to answer before it has the whole body, and still want the rest.
      if opts.stream and response.status < 300 then written:wait() end
      return response
    end,
    function()
      write_all(upload, body, what)
      written:set()
      core.event():wait() -- for ever: the response ends the race
    end,
  }
  return response
end

-- The number of bytes that are read before the size of a file is trusted. For generated
-- files the system tells 0 (/proc) or the size of a page (/sys).
local AHEAD = 64 * 1024

-- Returns the number of bytes left in a file, nil if unknown, and an iterator over its
-- pieces.
local function contents(file)
  local stat = file:stat()
  local pieces = file:chunks()
  if stat.type ~= "file" then return nil, pieces end
  local first = file:read(AHEAD) or ""
  local size = #first
  if size == AHEAD then size = stat.size >= size and stat.size or nil end
  return size, function()
    local piece = first
    first = nil
    if piece == "" then return nil end
    return piece or pieces()
  end
end

local function send_file(what, opts, send)
  local file <close> = fs.open(opts.file)
  local size, pieces = contents(file)
  local response = exchange(what, opts, send, size, pieces)
  return response
end

--- Sends a request whose body is a function or a file, and waits for the response. A file
--- is read again where the request met a dead connection and may be sent again.
---@param what string for messages
---@param opts table the options of the request
---@param send fun(upload: userdata, is_fresh: boolean): table makes one attempt, on a fresh
--- connection or any
---@return table response
function M.perform(what, opts, send)
  if not opts.file then
    local response = exchange(what, opts, function(upload) return send(upload, false) end,
      opts.body_size, opts.body)
    return response
  end
  local ok, response = pcall(send_file, what, opts, function(upload) return send(upload, false) end)
  if ok then return response end
  local is_stale = type(response) == "table" and response.code == "http" and response.stale
  if not is_stale or core.is_cancelled() then error(response, 0) end
  response = send_file(what, opts, function(upload) return send(upload, true) end)
  return response
end

return M
