--- Values that fit a schema, from a model: by the vendor's own mechanism, else as the
--- arguments of a tool, else by what the prompt says.
-- SPDX-License-Identifier: MIT
local core = require "neap.core"
local extract = require "neap.llm.extract"
local failure = require "neap.llm.failure"
local fold = require "neap.llm.fold"
local schemas = require "neap.llm.schema"
local validate = require "neap.llm.validate"

local M = {}

---@class neap.llm.Structure what a request asks for the structure of its answer
---@field schema? { name: string, schema: table, strict: boolean } by the vendor's mechanism
---@field tools? table[] by a tool
---@field tool_choice? string

---@class neap.llm.Ways what a client knows of the ways to ask
---@field list ("schema"|"tool"|"prompt")[]
---@field first integer the one that was not refused so far

local NAME = "answer"

-- What the refusal of a way names.
local NAMED = { "response_format", "json_schema", "format", "schema", "tool" }

-- The statuses of servers that do not know a field.
local STATUSES = { [400] = true, [404] = true, [422] = true }

--- The ways in which a provider can be asked.
---@param provider neap.llm.Provider
---@return neap.llm.Ways
function M.ways(provider)
  local features, list = provider.features or {}, {}
  if features.schema then list[#list + 1] = "schema" end
  if features.tools then list[#list + 1] = "tool" end
  list[#list + 1] = "prompt"
  return { list = list, first = 1 }
end

-- The messages with a demand behind the last of the user's. Those given are left as
-- they are.
local function with_demand(list, schema)
  local demand = "Answer with JSON alone, without any words around it. It has to fit this "
    .. "JSON Schema:\n" .. core.json.encode(schema)
  local all = table.move(list, 1, #list, 1, {})
  local last = all[#all]
  if last.role ~= "user" then
    all[#all + 1] = { role = "user", content = demand }
    return all
  end
  local changed = {}
  for name, value in pairs(last) do changed[name] = value end
  if type(last.content) == "table" then
    changed.content = table.move(last.content, 1, #last.content, 1, {})
    table.insert(changed.content, { type = "text", text = demand })
  else
    changed.content = ("%s\n\n%s"):format(last.content, demand)
  end
  all[#all] = changed
  return all
end

-- What a way makes of messages, and what it asks for besides.
local makers = {}

function makers.schema(list, schema)
  return list, { schema = { name = NAME, schema = schema, strict = schemas.is_strict(schema) } }
end

function makers.tool(list, schema)
  return list, { tool_choice = NAME, tools = { { name = NAME, parameters = schema,
    description = "Takes the answer. Call it once, with the whole answer." } } }
end

function makers.prompt(list, schema)
  return with_demand(list, schema), {}
end

local function is_refused(err, said)
  if type(err) ~= "table" or err.code ~= "llm" or err.kind ~= "request"
    or not STATUSES[err.status] or not said then
    return false
  end
  said = said:lower()
  for _, name in ipairs(NAMED) do
    if said:find(name, 1, true) then return true end
  end
  return false
end

-- Sends messages, the next way if the server refuses one.
local function send_some_way(ask, list)
  local ways = ask.ways
  local at = ask.at
  while true do
    local reply, err, said = ask.send(makers[ways.list[at]](list, ask.schema))
    if reply then
      ask.at = at
      if not ask.is_own_way then ways.first = at end
      return reply
    elseif ways.list[at + 1] and is_refused(err, said) then
      at = at + 1
    else
      if type(err) == "table" and err.usage then
        fold.add(err.usage, ask.usage)
        err.attempts = err.attempts + ask.requests
      end
      error(err, 0)
    end
  end
end

-- Whether the answer is in a call.
local function calls_answer(reply)
  return reply.calls[1] ~= nil and reply.calls[1].name == NAME
end

-- The text in which the value is.
local function text_of(reply)
  return calls_answer(reply) and reply.calls[1].arguments or reply.text
end

-- The value in a reply that fits, or nil and what does not.
local function value_of(text, schema)
  local found, value = extract.find(text, function(candidate)
    return validate.misfits(schema, candidate)[1] == nil
  end)
  if found then return validate.without_nulls(value) end
  found, value = extract.find(text, function() return true end)
  return nil, found and validate.misfits(schema, value)
    or { { path = "$", message = "there is no JSON" } }
end

-- The messages with a reply behind them, and what is wrong with it.
local function with_complaint(list, reply, misfits)
  local lines = { "This does not fit:" }
  for _, misfit in ipairs(misfits) do
    lines[#lines + 1] = ("%s: %s"):format(misfit.path, misfit.message)
  end
  lines[#lines + 1] = "Answer once more, with the whole of it."
  local all, complaint = table.move(list, 1, #list, 1, {}), table.concat(lines, "\n")
  all[#all + 1] = reply.message
  for _, call in ipairs(reply.calls) do
    all[#all + 1] = { role = "tool", id = call.id, content = complaint, failed = true }
  end
  if not reply.calls[1] then all[#all + 1] = { role = "user", content = complaint } end
  return all
end

---@class neap.llm.ObjectAsk
---@field schema table
---@field messages neap.llm.Message[]
---@field attempts integer how often a value is asked for
---@field ways neap.llm.Ways
---@field send fun(messages: neap.llm.Message[], structure: neap.llm.Structure): ... the reply; or
--- nil, what was raised, and what the server has said

--- Asks until a value fits. Raises kind "schema" when none did.
---@param ask neap.llm.ObjectAsk
---@return any value
---@return neap.llm.Reply reply its usage is that of all
function M.ask(ask)
  ask.usage, ask.requests, ask.at = fold.usage(), 0, ask.ways.first
  if ask.schema.type ~= "object" then -- vendors take no others
    ask.at, ask.is_own_way = #ask.ways.list, true
  end
  local list, reply, misfits = ask.messages, nil, nil
  for _ = 1, ask.attempts do
    reply = send_some_way(ask, list)
    fold.add(ask.usage, reply.usage)
    ask.requests = ask.requests + reply.attempts
    reply.usage, reply.attempts = ask.usage, ask.requests
    local is_answer = reply.stop == "stop" or reply.stop == "tools" and calls_answer(reply)
    if not is_answer then error(failure.no_answer(reply), 0) end
    local value
    value, misfits = value_of(text_of(reply), ask.schema)
    if not misfits then return value, reply end
    list = with_complaint(list, reply, misfits)
  end
  error(failure.new("schema", ("no answer has fitted the schema; the last does not at %s"):format(
    misfits[1].path), { errors = misfits, text = text_of(reply), partial = reply,
    usage = reply.usage, attempts = reply.attempts, request_id = reply.request_id }), 0)
end

return M
