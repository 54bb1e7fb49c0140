--- What went wrong with a model: its kind, and the error object.
-- SPDX-License-Identifier: MIT
local http_retry_after = require "neap.http.date".retry_after
local new_error = require "neap.error".new

local M = {}

---@class neap.llm.Error: neap.Error
---@field code "llm"
---@field kind "auth"|"quota"|"rate"|"overloaded"|"server"|"broken"|"model"|"context"|"length"
--- |"filter"|"tools"|"request"|"stalled"|"cassette"|"schema"|"turns"|"budget"
---@field status? integer of the response
---@field request_id? string
---@field url? string without query and user
---@field partial? neap.llm.Reply what had come of the reply
---@field usage? neap.llm.Usage of all attempts together
---@field attempts? integer
---@field errors? neap.llm.Misfit[] of kind "schema"
---@field text? string of kind "schema": the last answer

--- The kinds, and whether the same request may succeed after one.
---@type table<string, boolean>
M.kinds = { auth = false, quota = false, rate = true, overloaded = true, server = true,
  broken = true, stalled = true, model = false, context = false, length = false, filter = false,
  tools = false, request = false, cassette = false, schema = false,
  turns = false, budget = false }

-- The kinds that a status has where the body says no more.
local BY_STATUS = { [401] = "auth", [402] = "quota", [403] = "auth", [408] = "server",
  [409] = "server", [425] = "server", [429] = "rate", [503] = "overloaded", [529] = "overloaded" }

-- What servers of many makes say, each in its words. The first that fits counts.
local WORDS = {
  { "context", "context.length", "context.window", "maximum context", "prompt is too long",
    "too many tokens", "exceeds the maximum number of tokens", "exceeds the available context" },
  { "quota", "insufficient.balance", "insufficient.credit", "insufficient_quota" },
  { "model", "no such model", "unknown model", "model.-not found", "model.-does not exist",
    "model.-not exist" },
}

-- The same where a status of 200 gives no hint.
local WORDS_IN_200 = {
  { "overloaded", "overloaded", "unavailable", "at capacity" },
  { "rate", "rate.?limit", "too many requests" },
  { "server", "server.?error", "timed? ?out", "internal error" },
}

local function find_words(list, text)
  text = text:lower()
  for _, words in ipairs(list) do
    for i = 2, #words do
      if text:find(words[i]) then return words[1] end
    end
  end
end

--- Returns the part of a decoded value at the end of these keys, nil where there is
--- none or null.
---@param value any
---@param key string|integer
---@param ... string|integer
---@return any
function M.at(value, key, ...)
  if type(value) ~= "table" then return nil end
  value = value[key]
  if ... then return M.at(value, ...) end
  if type(value) == "userdata" then return nil end
  return value
end

local at = M.at

--- Returns the value where it is a string that is not empty.
---@param value any
---@return string|nil
function M.text(value)
  return type(value) == "string" and value ~= "" and value or nil
end

local text = M.text

--- Returns the table at the end of these keys, to be walked through; an empty one where there
--- is none.
---@param value any
---@param ... string|integer
---@return table
function M.list(value, ...)
  local list = at(value, ...)
  return type(list) == "table" and list or {}
end

--- Returns the number at the end of these keys, as tokens are counted; nil where there is
--- none, or one that counts nothing.
---@param value any
---@param ... string|integer
---@return number|nil
function M.count(value, ...)
  local count = at(value, ...)
  return type(count) == "number" and count >= 0 and count < math.huge and count or nil
end

--- Finds what a body, or an event, that is an error says, in the forms that servers
--- use: its sentence, and the codes and types in it.
---@param body any decoded
---@return string|nil sentence
---@return any[] codes strings and numbers
function M.words(body)
  if at(body, 1, "error") then body = body[1] end
  local failure = at(body, "error") or at(body, "response", "error")
    or at(body, "response", "incomplete_details") or body
  if type(failure) == "string" then return failure, {} end
  local codes = {}
  for _, name in ipairs { "code", "type", "status", "reason" } do
    local code = at(failure, name)
    if type(code) == "string" or type(code) == "number" then codes[#codes + 1] = code end
  end
  codes[#codes + 1] = text(at(failure, "details", "error_code"))
  local sentence = text(at(failure, "message")) or text(at(body, "message"))
    or text(at(body, "detail")) or text(at(body, "detail", 1, "msg"))
  return sentence, codes
end

--- The kind of a failure: by what the body says, else by the status.
---@param kinds table<string, string> by the codes that this vendor has
---@param status integer
---@param body any decoded, nil where it is no JSON
---@return string|nil kind nil: nothing says
---@return string|nil sentence the server's own
function M.classify(kinds, status, body)
  local sentence, codes = M.words(body)
  for _, code in ipairs(codes) do
    if kinds[code] then return kinds[code], sentence end
    local number = math.tointeger(code)
    if number and number >= 400 and number <= 599 and status < 300 then status = number end
  end
  local kind = sentence and find_words(WORDS, sentence)
  if kind and status ~= 429 and status < 500 then return kind, sentence end
  if status < 300 then return sentence and find_words(WORDS_IN_200, sentence), sentence end
  kind = BY_STATUS[status] or status >= 500 and "server" or "request"
  return kind, sentence
end

--- The seconds that a server asks to wait, nil if it does not.
---@param headers table<string, string>
---@return number|nil
function M.retry_after(headers)
  local ms = tonumber(headers["retry-after-ms"])
  if ms and ms >= 0 then return ms / 1000 end
  local value = headers["retry-after"]
  local seconds = type(value) == "string" and value:match("^%s*(%d+%.?%d*)%s*$")
  return seconds and tonumber(seconds) or http_retry_after(headers)
end

--- Says that a text is no JSON, where and why, without a word of it.
---@param err table what decode has raised
---@return string
function M.json_fault(err)
  local why = err.message:match("%): (.*)$") or "invalid"
  why = why:gsub(" near .*$", "")
  -- Quoted may be a sign of JSON's, as '}', and nothing else.
  if why:gsub("'%p'", ""):find("[\"'`]") then why = why:gsub("%s*[\"'`].*$", "") end
  return ("it is no JSON at line %d, column %d: %s"):format(err.line, err.column, why)
end

--- Makes an error object.
---@param kind string
---@param message string
---@param fields? table
---@return neap.llm.Error
function M.new(kind, message, fields)
  fields = fields or {}
  fields.code, fields.kind, fields.message = "llm", kind, message
  if fields.retryable == nil then fields.retryable = M.kinds[kind] or false end
  return new_error(fields)
end

--- Whether a value is an error of a model.
---@param value any
---@return boolean
function M.is(value)
  return type(value) == "table" and value.code == "llm"
end

-- The kinds after which another model may answer.
local ELSEWHERE = { overloaded = true, rate = true, server = true, broken = true, stalled = true,
  quota = true, auth = true }

--- Whether another model may answer after this error: one of the vendor or of its server,
--- not of the request.
---@param err any
---@return boolean
function M.may_pass_elsewhere(err)
  if type(err) ~= "table" then return false end
  if err.code == "llm" then return ELSEWHERE[err.kind] or false end
  return err.code == "http" or err.code == "timeout"
end

-- What a reply is that is no answer, by its stop: the kind, and why.
local NO_ANSWER = {
  tools = { "tools", "the model called tools" },
  pause = { "tools", "the model has paused for a tool of the vendor's" },
  length = { "length", "max_tokens were spent before the answer had an end" },
  filter = { "filter", "the model refused, or a filter took the answer" },
  context = { "context", "the context of the model was full before the answer had an end" },
  other = { "broken", "the answer ended for a reason that is not known" },
}

--- Makes the error for a reply that is no answer.
---@param reply neap.llm.Reply whose stop is not "stop"
---@return neap.llm.Error
function M.no_answer(reply)
  local kind, why = table.unpack(NO_ANSWER[reply.stop])
  return M.new(kind, why, { retryable = false, partial = reply, usage = reply.usage,
    request_id = reply.request_id, attempts = reply.attempts })
end

return M
