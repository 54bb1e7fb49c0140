--- What tools, resources and prompts give, for Lua and for models.
-- SPDX-License-Identifier: MIT
local base64 = require "neap.base.base64"
local json = require "neap.json"
local messages = require "neap.mcp.message"

local M = {}

local field, text_of, table_of = messages.field, messages.text, messages.table

-- How many bytes a text in Base64 stands for.
local function size_of(data)
  if type(data) ~= "string" then return 0 end
  local _, padding = data:gsub("=", "")
  return #data // 4 * 3 - padding
end

local function described(kind, mime, data)
  return ("[%s %s, %d bytes]"):format(kind, mime or "of no type", size_of(data))
end

-- The text of a resource, or a word for its bytes.
local function of_resource(resource)
  local uri = text_of(resource, "uri") or "without an address"
  return text_of(resource, "text") or described(("resource %s,"):format(uri),
    text_of(resource, "mimeType"), field(resource, "blob"))
end

-- One block of content as text.
local function of_block(block)
  local kind = text_of(block, "type")
  if kind == "text" then return text_of(block, "text") or "" end
  if kind == "image" or kind == "audio" then
    return described(kind, text_of(block, "mimeType"), field(block, "data"))
  elseif kind == "resource" then
    return of_resource(field(block, "resource"))
  elseif kind == "resource_link" then
    return ("[resource %s]"):format(text_of(block, "uri") or "without an address")
  end
  return kind and ("[content of the type %s]"):format(kind) or "[content of no type]"
end

--- The text of a tool's result: its texts, with a word for each picture and the like. A
--- result that has only a value is that value as JSON.
---@param result table
---@return string
function M.text(result)
  local lines = {}
  for i, block in ipairs(table_of(result, "content")) do lines[i] = of_block(block) end
  local value = field(result, "structuredContent")
  if not lines[1] and value ~= nil then return json.encode(value) end
  return table.concat(lines, "\n")
end

-- The bytes for a text in Base64, in which some break lines. What is none stays as it is.
local function bytes_of(data)
  return base64.decode((data:gsub("%s", ""))) or data
end

--- The contents of a resource: its text, and the list of what it has.
---@param result table
---@return string
---@return { uri: string, mime?: string, text?: string, data?: string }[]
function M.resource(result)
  local texts, list = {}, {}
  for i, each in ipairs(table_of(result, "contents")) do
    local text, blob = text_of(each, "text"), text_of(each, "blob")
    list[i] = { uri = text_of(each, "uri"), mime = text_of(each, "mimeType"), text = text,
      data = blob and bytes_of(blob) }
    texts[i] = text or list[i].data or ""
  end
  return table.concat(texts), list
end

-- A block as a part of a message to a model.
local function part_of(block)
  local data, mime = text_of(block, "data"), text_of(block, "mimeType")
  if field(block, "type") == "image" and data and mime then
    return { type = "image", data = bytes_of(data), mime = mime }
  end
  return { type = "text", text = of_block(block) }
end

--- The messages of a prompt, as a model takes them.
---@param result table
---@return neap.llm.Message[]
function M.prompt(result)
  local list = {}
  for i, each in ipairs(table_of(result, "messages")) do
    local content = field(each, "content")
    local blocks = type(content) == "table" and content[1] ~= nil and content or { content }
    local parts = {}
    for j, block in ipairs(blocks) do parts[j] = part_of(block) end
    local is_text = #parts == 1 and parts[1].type == "text"
    list[i] = { role = field(each, "role") == "assistant" and "assistant" or "user",
      content = is_text and parts[1].text or parts }
  end
  return list
end

return M
