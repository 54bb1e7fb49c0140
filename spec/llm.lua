-- What the specs of language models share: a transport that answers as laid down,
-- and streams of events.
-- SPDX-License-Identifier: MIT
local json = require "neap.json"

local M = {}

--- Writes server-sent events: each is a value, encoded as its data, a text as it is, or
--- { event = name, data = value }.
---@param list any[]
---@return string
function M.sse(list)
  local lines = {}
  for _, item in ipairs(list) do
    local name = type(item) == "table" and item.event
    local data = name and item.data or item
    if name then lines[#lines + 1] = ("event: %s\n"):format(name) end
    data = type(data) == "string" and data or json.encode(data)
    lines[#lines + 1] = ("data: %s\n\n"):format(data)
  end
  return table.concat(lines)
end

--- Writes events that are named as their type is.
---@param list table[]
---@return string
function M.named_sse(list)
  local named = {}
  for i, data in ipairs(list) do named[i] = { event = data.type, data = data } end
  return M.sse(named)
end

--- Writes a line of JSON for each value.
---@param list any[]
---@return string
function M.lines(list)
  local lines = {}
  for i, data in ipairs(list) do lines[i] = json.encode(data) .. "\n" end
  return table.concat(lines)
end

---@class spec.llm.answer
---@field status? integer  default: 200
---@field headers? table<string, string>
---@field body? string     as server-sent events unless `headers` or `kind` say other
---@field kind? string     the content type
---@field size? integer    of the pieces in which the body comes; default: all at once
---@field breaks? string   behind the body: why the connection is lost

local function response(answer)
  local headers = { ["content-type"] = answer.kind or "text/event-stream" }
  for name, value in pairs(answer.headers or {}) do headers[name] = value end
  local body, at = answer.body or "", 1
  return {
    status = answer.status or 200,
    headers = headers,
    read_some = function()
      if at > #body then
        if not answer.breaks then return nil end
        error(require("neap.error").new { code = "http", message = answer.breaks,
          retryable = true }, 0)
      end
      local piece = body:sub(at, answer.size and at + answer.size - 1)
      at = at + #piece
      return piece
    end,
    close = function() end,
  }
end

--- Returns a transport that gives these answers in turn, the last one again and again;
--- one that is an error object is raised. It keeps what it was asked in `requests`, the
--- bodies decoded as well as `bytes`.
---@param ... spec.llm.answer
---@return table
function M.transport(...)
  local answers, http = { ... }, { requests = {} }
  function http.request(opts)
    local request = { url = opts.url, headers = opts.headers, bytes = opts.body, options = opts,
      body = json.decode(opts.body) }
    http.requests[#http.requests + 1] = request
    local answer = answers[math.min(#http.requests, #answers)]
    if answer.code then error(answer, 0) end
    return response(answer)
  end
  return http
end

--- Returns a client that speaks to a transport, and waits for nothing.
---@param http table
---@param opts? table
---@return neap.llm.Client
function M.client(http, opts)
  local all = { provider = "openai", model = "tide-1", url = "http://m", http = http, wait = 0 }
  for name, value in pairs(opts or {}) do all[name] = value end
  return require("neap.llm").new(all)
end

--- Has each beginning of a stream answer a call, and returns the replies by their
--- lengths: what does not make a reply has to be of kind "broken".
---@param body string
---@param opts table of the client
---@param kind? string the content type
---@return table<integer, neap.llm.Reply>
function M.cut(body, opts, kind)
  local replies = {}
  for length = 0, #body do
    local client = M.client(M.transport { body = body:sub(1, length), kind = kind }, opts)
    local ok, reply = pcall(client.reply, client, "When?", { max_retries = 1 })
    if ok then
      replies[length] = reply
    elseif reply.kind ~= "broken" or not reply.retryable then
      error(reply)
    end
  end
  return replies
end

return M
