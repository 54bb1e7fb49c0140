--- Vectors as OpenAI has them, and those who speak like it.
-- SPDX-License-Identifier: MIT
local base64 = require "neap.base.base64"
local failure = require "neap.llm.failure"
local core = require "neap.core"

local json, vector_of = core.json, core.vector
local at = failure.at

---@type neap.llm.Embedder
local M = {}

local ORDER = { "model", "dimensions", "encoding_format", "input" }

--- The request for a call.
---@param call neap.llm.CallOf
---@return string path
---@return table headers
---@return table body
function M.request(call)
  return "/embeddings", {}, json.object({
    model = call.model,
    dimensions = call.options.dimensions,
    encoding_format = "float",
    input = call.texts,
  }, ORDER)
end

-- Puts items in the order of their indices. Some servers leave these out, or have 0 in
-- each; then the order is that in which they came.
local function sort(data)
  local by_index, indices, greatest = {}, {}, 0
  for i, item in ipairs(data) do
    indices[i] = math.tointeger(at(item, "index")) or 0
    greatest = math.max(greatest, indices[i])
  end
  if greatest == 0 then return data end
  for i, index in ipairs(indices) do
    if by_index[index] then return nil, ("two vectors have the index %d"):format(index) end
    by_index[index] = data[i]
  end
  table.sort(indices)
  for i, index in ipairs(indices) do indices[i] = by_index[index] end
  return indices
end

-- The numbers of a vector. Some servers send them as base64, which was not asked for.
local function numbers_of(item)
  local given = at(item, "embedding")
  local bytes = type(given) == "string" and base64.decode(given)
  local ok, vector = pcall(vector_of, bytes)
  return bytes and ok and vector or given
end

--- Finds the vectors in a reply.
---@param state neap.llm.State
---@param body any
---@return any[]|nil
---@return string|nil fault
function M.parse(state, body)
  local reply, data = state.reply, at(body, "data")
  reply.model = failure.text(at(body, "model"))
  reply.usage.input = failure.count(body, "usage", "prompt_tokens")
    or failure.count(body, "usage", "total_tokens") or 0
  if type(data) ~= "table" then return nil end
  local sorted, fault = sort(data)
  if fault then return nil, fault end
  local list = {}
  for i, item in ipairs(sorted) do list[i] = numbers_of(item) or json.null end
  return list
end

return M
