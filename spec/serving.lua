-- What specs of neap.serve share: a server that runs while a function is called, and raw
-- requests to it.
-- SPDX-License-Identifier: MIT
local neap = require "neap"

local M = {}

--- Calls `f` with a server that runs meanwhile, and its URL.
---@param routes table
---@param opts table|nil
---@param f fun(server: neap.serve.Server, url: string)
function M.with(routes, opts, f)
  opts = opts or {}
  opts.routes = routes
  local server <close> = neap.serve.listen("127.0.0.1:0", opts)
  local task = neap.spawn(server.run, server)
  local _ <close> = setmetatable({}, { __close = function() task:cancel() end })
  f(server, server.url)
  server:close()
  task:await()
end

--- Sends bytes to a server, and returns all that it answers until it ends the connection.
---@param server neap.serve.Server
---@param ... string pieces, with a pause behind each
---@return string
function M.say(server, ...)
  local connection <close> = neap.net.connect(server.address)
  local pieces = { ... }
  for i, piece in ipairs(pieces) do
    if not pcall(connection.write, connection, piece) then break end
    if i < #pieces then neap.sleep(0.01) end
  end
  local parts = {}
  local ok = pcall(function()
    for piece in connection:chunks() do parts[#parts + 1] = piece end
  end)
  return table.concat(parts) .. (ok and "" or "(reset)")
end

--- Takes the first answer off a text.
---@param text string
---@return { status: integer, headers: table<string, string>, body: string }|nil
---@return string rest, or what is wrong
function M.answer(text)
  local status, rest = text:match("^HTTP/1%.1 (%d%d%d) [%w -]*\r\n(.*)$")
  if not status then return nil, "no status line" end
  local headers = {}
  while true do
    local line, after = rest:match("^([^\r\n]*)\r\n(.*)$")
    if not line then return nil, "the head has no end" end
    rest = after
    if line == "" then break end
    local name, value = line:match("^([%w-]+): ([^\r\n]*)$")
    if not name then return nil, "no field: " .. line end
    headers[name:lower()] = value
  end
  local answer = { status = tonumber(status), headers = headers, body = "" }
  if headers["transfer-encoding"] then
    local parts = {}
    while true do
      local size, after = rest:match("^(%x+)\r\n(.*)$")
      if not size then return nil, "no chunk" end
      size = tonumber(size, 16)
      if after:sub(size + 1, size + 2) ~= "\r\n" then return nil, "a chunk is cut" end
      parts[#parts + 1], rest = after:sub(1, size), after:sub(size + 3)
      if size == 0 then break end
    end
    answer.body = table.concat(parts)
  elseif headers["content-length"] then
    local size = tonumber(headers["content-length"])
    if #rest < size then return nil, "the body is cut" end
    answer.body, rest = rest:sub(1, size), rest:sub(size + 1)
  end
  return answer, rest
end

--- All answers in a text.
---@param text string
---@return table[] answers
function M.answers(text)
  local list = {}
  while text ~= "" do
    local answer, rest = M.answer(text)
    assert(answer, ("%s in %q"):format(rest, text))
    list[#list + 1], text = answer, rest
  end
  return list
end

--- The statuses of all answers in a text: "200 404".
---@param text string
---@return string
function M.statuses(text)
  local list = {}
  for i, answer in ipairs(M.answers(text)) do list[i] = answer.status end
  return table.concat(list, " ")
end

return M
