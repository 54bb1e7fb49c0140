--- What is asked in a call, as plain data, by which the same call is known again.
-- SPDX-License-Identifier: MIT
local base64 = require "neap.base.base64"
local json = require "neap.core".json
local secrets = require "neap.secret"
local text = require "neap.base.encoding"

local M = {}

-- Options that say how a request is made, and not what is asked; the system's text
-- is among the messages.
local BESIDE = { model = true, system = true, cache = true, headers = true,
  connect_timeout = true, first_token = true, silence = true, timeout = true,
  max_retries = true, wait = true, backoff = true, max_wait = true, jitter = true,
  max_retry_after = true, batch = true, concurrency = true }

-- The names of secrets have one of these words in them.
local SECRET = { key = true, apikey = true, token = true, secret = true, auth = true,
  authorization = true, password = true, passwd = true, cookie = true, credential = true,
  credentials = true, signature = true, sig = true }

-- What is shorter is no secret, and would only garble texts.
local SHORTEST = 4

local HIDDEN = "[redacted]"

local function is_secret(name)
  local words = name:gsub("(%l)(%u)", "%1_%2"):lower()
  if words:find("cache", 1, true) then return false end -- prompt_cache_key
  for word in words:gmatch("%a+") do
    if SECRET[word] then return true end
  end
  return false
end

-- Adds the secrets of an address: who asks, and what its query has.
local function add_of_url(list, url)
  local user = url:match("^%a+://([^/?#]*)@")
  for word in (user or ""):gmatch("[^:]+") do list[#list + 1] = word end
  for name, value in url:gmatch("[?&]([^=&#]*)=([^&#]*)") do
    list[#list + 1] = is_secret(name) and value or nil
  end
end

-- Adds what is, in a table, a secret by its name.
local function add_named(list, fields)
  for name, value in pairs(fields) do
    value = secrets.text(value)
    if type(value) == "table" then
      add_named(list, value)
    elseif type(name) == "string" and type(value) == "string" and is_secret(name) then
      list[#list + 1] = value
      list[#list + 1] = value:match("%s(%S+)%s*$") -- behind "Bearer"
    end
  end
end

--- Returns a function that takes the secrets of a call out of a text: the key, and
--- what its name says is one in headers, address and `extra`.
---@param call neap.llm.CallOf
---@param key any what is no string is none
---@param url? string
---@return fun(text: string): string
function M.hider(call, key, url)
  key = secrets.text(key)
  local list = { type(key) == "string" and key or nil }
  add_named(list, { call.options.headers, call.options.extra })
  if url then add_of_url(list, url) end
  table.sort(list, function(a, b) return #a > #b end)
  for i, secret in ipairs(list) do list[i] = secret:gsub("%p", "%%%0") end
  return function(given)
    for _, secret in ipairs(list) do
      if #secret >= SHORTEST then given = given:gsub(secret, HIDDEN) end
    end
    return given
  end
end

local function same(given) return given end

-- The same without what is no JSON, without secrets; `named` hides texts whose names
-- say that they are secrets.
local function plain(value, hide, named)
  if type(value) == "string" then return hide(text.valid(value)) end
  if type(value) == "number" then return math.tointeger(value) or value end
  if type(value) == "boolean" or value == json.null then return value end
  if type(value) ~= "table" then return nil end
  local all = {}
  for name, each in pairs(value) do
    local key = type(name) == "string" and hide(name) or name
    local is_hidden = named and type(name) == "string" and type(each) == "string"
      and is_secret(name)
    all[key] = is_hidden and HIDDEN or plain(each, hide, named)
  end
  return all
end

--- A copy that is JSON: without functions, and without secrets.
---@param value any
---@param hide? fun(text: string): string
---@return any
function M.plain(value, hide)
  return plain(value, hide or same)
end

local function parts_of(content)
  if type(content) ~= "table" then return content end
  local list = {}
  for i, part in ipairs(content) do
    list[i] = { type = part.type, text = part.text, url = part.url, mime = part.mime,
      name = part.name, data = part.data and base64.encode(part.data) }
  end
  return list
end

local function calls_of(calls)
  local list = {}
  for i, call in ipairs(calls or {}) do
    list[i] = { id = call.id, name = call.name, arguments = call.arguments }
  end
  return list[1] and list
end

--- What a call asks: model, messages or texts, and the options that say what is wanted. What
--- vendors want to have back is not among it.
---@param call neap.llm.CallOf
---@param hide fun(text: string): string
---@return table
function M.of(call, hide)
  local list, texts, options = {}, nil, {}
  for i, message in ipairs(call.messages) do
    list[i] = plain({ role = message.role, content = parts_of(message.content),
      calls = calls_of(message.calls), id = message.id, failed = message.failed or nil }, hide)
  end
  for name, value in pairs(call.options) do
    if not BESIDE[name] then options[name] = plain(value, hide, true) end
  end
  if call.texts then list, texts = nil, plain(call.texts, hide) end
  return { model = call.model and hide(call.model), messages = list, texts = texts,
    options = next(options) ~= nil and options or nil }
end

--- The text by which a request is known again: all of it but the model.
---@param request table
---@return string
function M.key(request)
  return json.encode { request.messages or request.texts, request.options }
end

return M
