--- Prompts and messages: checked, and looked at by providers.
-- SPDX-License-Identifier: MIT
local base64 = require "neap.base.base64"
local core = require "neap.core"
local new_error = require "neap.error".new
local options = require "neap.base.options"
local rules = require "neap.base.schema.rules"
local secrets = require "neap.secret"

local is_list = rules.is_list

local M = {}

---@class neap.llm.Part
---@field type "text"|"image"|"file"
---@field text? string
---@field url? string of an image
---@field data? string the bytes of an image or a file
---@field mime? string
---@field name? string of a file

---@class neap.llm.Message
---@field role "system"|"user"|"assistant"|"tool"
---@field content? string|neap.llm.Part[]
---@field calls? neap.llm.Call[] of an assistant
---@field id? string of a tool's result: the call that it answers
---@field failed? boolean of a tool's result: what it says is why it failed
---@field vendor? table<string, string> what vendors want to have back, as they sent it

---@alias neap.llm.Prompt string|neap.llm.Message[]

local ROLES = { system = true, user = true, assistant = true, tool = true }

local function is_string(value) return type(value) == "string" end

local function is_any() return true end

local PROMPT = { expected = "string or list of messages", test = function(value)
  return is_string(value) or is_list(value, is_any) and #value > 0
end, given = function(value)
  local is_message = type(value) == "table" and rawget(value, "role") ~= nil
  return is_message and "one message; write { message }" or rules.no_list(value, is_any)
end }

-- What is wrong with a part of a content, nil if nothing is.
local function part_fault(part)
  if type(part) ~= "table" then return ("a part is a table, got a %s"):format(type(part)) end
  if part.type == "text" then
    return not is_string(part.text) and "a part of text has a text" or nil
  elseif part.type == "image" then
    local is_whole = is_string(part.url) or is_string(part.data) and is_string(part.mime)
    return not is_whole and "an image has a url, or data and mime" or nil
  elseif part.type == "file" then
    local is_whole = is_string(part.data) and is_string(part.mime)
    return not is_whole and "a file has data and mime" or nil
  end
  return 'the type of a part is "text", "image" or "file"'
end

local function content_fault(message)
  local content = message.content
  local has_calls = type(message.calls) == "table" and message.calls[1] ~= nil
  if is_string(content) or content == nil and has_calls then return nil end
  if secrets.is(content) then
    return "the content is a string or a list of parts, got a secret, whose text "
      .. "secret:reveal() gives"
  elseif type(content) ~= "table" then
    return ("the content is a string or a list of parts, got %s"):format(type(content))
  elseif content[1] == nil then
    return next(content) == nil and "the content has no parts"
      or "the content is a list of parts, got a table with names; write { { type = ... } }"
  end
  for _, part in ipairs(content) do
    local fault = part_fault(part)
    if fault then return fault end
  end
end

local function calls_fault(calls)
  if calls == nil then return nil end
  if type(calls) ~= "table" then return "calls are a list" end
  for _, call in ipairs(calls) do
    if type(call) ~= "table" or not is_string(call.name) or not is_string(call.id)
      or not is_string(call.arguments) then
      return "a call has the strings id, name and arguments"
    end
  end
end

local function message_fault(message)
  if type(message) ~= "table" then return ("a table expected, got a %s"):format(type(message)) end
  if not ROLES[message.role] then
    return ('the role is "system", "user", "assistant" or "tool", got %s'):format(
      is_string(message.role) and ("%q"):format(message.role) or type(message.role))
  elseif message.role == "tool" and not is_string(message.id) then
    return "a result of a tool has the id of its call"
  end
  return calls_fault(message.calls) or content_fault(message)
end

--- Raises an error if a text is not UTF-8, which the JSON encoder would refuse
--- by a name that nobody knows it by.
---@param text string
---@param name string
function M.check_text(text, name)
  local length, place = utf8.len(text)
  if length then return end
  error(new_error { code = "json", retryable = false,
    message = ("%s is not UTF-8 (at its byte %d)"):format(name, place) }, 0)
end

local check_text = M.check_text

local function check_texts(message, name)
  local content = message.content
  if is_string(content) then
    check_text(content, name)
  else
    for _, part in ipairs(content or {}) do
      if part.text then check_text(part.text, name) end
    end
  end
  for _, call in ipairs(message.calls or {}) do check_text(call.arguments, name) end
end

--- What is wrong with a prompt, nil if nothing is.
---@param prompt any
---@return string|nil
function M.fault(prompt)
  if not PROMPT.test(prompt) then return options.refusal(prompt, PROMPT) end
  if is_string(prompt) then return nil end
  for i, message in ipairs(prompt) do
    local fault = message_fault(message)
    if fault then return ("message %d: %s"):format(i, fault) end
  end
end

--- Returns the list of messages that a prompt stands for, with the system's before
--- it. The prompt itself is left as it is.
---@param prompt neap.llm.Prompt
---@param system? string
---@param where string the function's name, for messages
---@return neap.llm.Message[]
function M.list(prompt, system, where)
  local list = {}
  if system then
    check_text(system, "the system's message")
    list[1] = { role = "system", content = system }
  end
  if is_string(prompt) then
    check_text(prompt, "the prompt")
    list[#list + 1] = { role = "user", content = prompt }
    return list
  end
  local fault = M.fault(prompt)
  if fault then options.blame(("bad argument #1 to '%s' (%s)"):format(where, fault)) end
  for i, message in ipairs(prompt) do
    check_texts(message, ("message %d of the prompt"):format(i))
    list[#list + 1] = message
  end
  return list
end

--- The text of a content, that of its parts joined.
---@param content string|neap.llm.Part[]|nil
---@return string
function M.text(content)
  if type(content) ~= "table" then return content or "" end
  local texts = {}
  for _, part in ipairs(content) do texts[#texts + 1] = part.text end
  return table.concat(texts, "\n\n")
end

--- The parts of a content.
---@param content string|neap.llm.Part[]|nil
---@return neap.llm.Part[]
function M.parts(content)
  if type(content) == "table" then return content end
  return content and content ~= "" and { { type = "text", text = content } } or {}
end

--- Parts a list of messages: the text of the system's, nil if there are none, and
--- the others.
---@param messages neap.llm.Message[]
---@return string|nil
---@return neap.llm.Message[]
function M.without_system(messages)
  local texts, others = {}, {}
  for _, message in ipairs(messages) do
    if message.role == "system" then
      texts[#texts + 1] = M.text(message.content)
    else
      others[#others + 1] = message
    end
  end
  return texts[1] and table.concat(texts, "\n\n"), others
end

--- What a vendor wants to have back with a message, decoded; nil if nothing.
---@param message neap.llm.Message
---@param key string
---@return any
function M.vendor(message, key)
  local text = type(message.vendor) == "table" and message.vendor[key]
  if not is_string(text) then return nil end
  local ok, value = pcall(core.json.decode, text)
  return ok and value or nil
end

--- The name of the tool whose call a message answers: of the last call before it
--- that has this id.
---@param messages neap.llm.Message[]
---@param at integer the place of the result
---@return string
function M.tool_name(messages, at)
  for i = at - 1, 1, -1 do
    for _, call in ipairs(messages[i].calls or {}) do
      if call.id == messages[at].id then return call.name end
    end
  end
  return messages[at].id
end

--- The arguments of a call as an object; an empty one where they are none.
---@param call neap.llm.Call
---@return table
function M.arguments(call)
  local ok, value = pcall(core.json.decode, call.arguments,
    { big_integers = "float", lone_surrogates = "replace" })
  if not ok or type(value) ~= "table" or value[1] ~= nil or getmetatable(value) then return {} end
  return value
end

-- So much is kept of an address, and of the bytes of a picture or a file: what quotes them
-- begins at their begin, and is cut off soon.
local BEGIN = 1536

local function add_part(texts, part)
  texts[#texts + 1] = part.text
  texts[#texts + 1] = part.name
  texts[#texts + 1] = part.url and part.url:sub(1, BEGIN)
  texts[#texts + 1] = part.data and base64.encode(part.data:sub(1, BEGIN))
end

--- The texts in messages that are nobody else's business.
---@param messages neap.llm.Message[]
---@return string[]
function M.texts(messages)
  local texts = {}
  for _, message in ipairs(messages) do
    for _, part in ipairs(M.parts(message.content)) do add_part(texts, part) end
    for _, call in ipairs(message.calls or {}) do texts[#texts + 1] = call.arguments end
  end
  return texts
end

return M
