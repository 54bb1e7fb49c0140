--- The vectors of texts: in which requests they are asked for, and what answers them.
-- SPDX-License-Identifier: MIT
local concurrent = require "neap.task.concurrent"
local core = require "neap.core"
local failure = require "neap.llm.failure"
local messages = require "neap.llm.message"
local options = require "neap.base.options"
local secrets = require "neap.secret"
local settings = require "neap.llm.settings"
local tokens = require "neap.llm.tokens"

local M = {}

--- How a vendor makes vectors. What is found is a list for each text, in their order.
---@class neap.llm.Embedder
---@field request? fun(call: neap.llm.CallOf): string, table, table path, headers, body
---@field parse? fun(state: neap.llm.State, body: any): any[]|nil, string|nil the vectors, or
--- nil and what is wrong
---@field answer? fun(call: neap.llm.CallOf): neap.llm.Answer in the place of both
---@field model? string of one that makes them by itself
---@field takes_extra? boolean `request` has put the option `extra` into the body

-- How many tokens, as estimated, a request has at most: vendors refuse too many texts that
-- are long, however few they are.
local MOST = 100000

local function refuse(expected, ...)
  options.blame(("bad argument #1 to 'embed' (%s)"):format(expected:format(...)))
end

--- Returns a list of the texts that are given, and whether it is one outside of a list.
---@param given string|string[]
---@return string[]
---@return boolean is_one
function M.texts(given)
  local is_one = type(given) == "string"
  local texts = {}
  if type(given) ~= "table" and not is_one or secrets.is(given) then
    refuse("string or list of strings expected, got %s", secrets.is(given)
      and "a secret, whose text secret:reveal() gives" or type(given))
  end
  for i, text in ipairs(is_one and { given } or given) do
    local name = is_one and "the text" or ("text %d"):format(i)
    if type(text) ~= "string" then refuse("%s is a %s", name, type(text)) end
    if not text:find("%S") then refuse("%s is empty", name) end
    messages.check_text(text, name)
    texts[i] = text
  end
  for key in pairs(is_one and {} or given) do
    if key ~= "n" and not texts[key] then
      refuse("list of strings without holes expected, got the key %s", core.text(key))
    end
  end
  return texts, is_one
end

-- Parts texts into the requests for them.
local function batches_of(texts, most)
  local batches, last, sum = {}, nil, 0
  for _, text in ipairs(texts) do
    local count = #text / tokens.BYTES
    if not last or #last == most or sum + count > MOST then
      last, sum = {}, 0
      batches[#batches + 1] = last
    end
    last[#last + 1] = text
    sum = sum + count
  end
  return batches
end

-- What is wrong with the sizes of vectors, nil if nothing is.
local function size_fault(vectors, first, wanted)
  for i, vector in ipairs(vectors) do
    if #vector ~= #first then
      return ("vector %d has %d numbers, and the first has %d"):format(i, #vector, #first)
    end
  end
  if wanted and #first ~= wanted then
    return ("the vectors have %d numbers, and %d were asked for"):format(#first, wanted)
  end
end

-- Makes vectors of what has come for the texts of a call; or says what is wrong with it.
local function vectors_of(given, call)
  local vectors = {}
  if type(given) ~= "table" then return nil, "the reply has no vectors in it" end
  if #given ~= #call.texts then
    return nil, ("the reply has %d vectors for %d texts"):format(#given, #call.texts)
  end
  for i, numbers in ipairs(given) do
    local ok, vector = pcall(core.vector, type(numbers) ~= "string" and numbers or nil)
    if not ok then
      return nil, ("vector %d of the reply makes no sense%s"):format(i,
        type(numbers) == "table" and ": " .. vector:match("%((.*)%)$") or "")
    end
    vectors[i] = vector
  end
  local fault = size_fault(vectors, vectors[1], call.options.dimensions)
  return not fault and vectors or nil, fault
end

-- Lets an answer that no server sends be a failure where it has no vectors for the call.
local function checked(answer, call)
  if answer.failure then return answer end
  local vectors, fault = vectors_of(answer.vectors, call)
  local err = fault and failure.new("broken", fault, { retryable = false })
  return setmetatable({ vectors = vectors, failure = err }, { __index = answer })
end

-- Raises that a provider has no vectors.
local function lack(name)
  error(failure.new("request", ("%s makes no vectors; ask a client of another provider for them: "
    .. "openai, responses, gemini, ollama or offline"):format(name)), 0)
end

--- Makes the call for the vectors of texts.
---@param own table what is known of the client
---@param opts neap.llm.EmbedOptions
---@param texts string[]
---@return neap.llm.CallOf
function M.call(own, opts, texts)
  local list = {}
  for i, text in ipairs(texts) do list[i] = { role = "user", content = text } end
  local provider = own.provider
  return { model = provider.embed.model or opts.model, texts = texts, messages = list,
    options = opts, url = settings.without_path(own.url, provider.path), vendor = provider.name }
end

--- Raises unless a provider can make vectors.
---@param provider neap.llm.Provider
function M.check(provider)
  if not provider.embed then lack(provider.name) end
end

--- The clients that can be asked for vectors in the place of several. Vectors of different
--- models cannot be compared: once one has answered, only those of its model are asked.
---@param own table what is known of the client that has several
---@param known table<neap.llm.Client, table> what is known of each
---@param model? string that the call names: all are asked for it
---@return neap.llm.Client[] at least one
function M.members(own, known, model)
  local list, chosen = {}, own.embedder
  for _, member in ipairs(own.members) do
    local is_alike = not chosen or member == chosen or model
      or chosen.model ~= nil and member.model == chosen.model
    if known[member].provider.embed and is_alike then list[#list + 1] = member end
  end
  if not list[1] then lack(own.members[1].provider) end
  return list
end

--- Makes the provider that is asked for the vectors of a call, of one that can give them.
---@param provider neap.llm.Provider
---@param call neap.llm.CallOf
---@return neap.llm.Provider
function M.provider(provider, call)
  local embed = provider.embed
  local function parse(state, body)
    if failure.at(body, "error") or failure.at(body, 1, "error") then
      state.failure = body
      return {}
    end
    local given, fault = embed.parse(state, body)
    if not fault then state.reply.vectors, fault = vectors_of(given, call) end
    state.fault, state.reply.stop = fault, "stop"
    return {}, true
  end
  return setmetatable({ request = embed.request, takes_extra = embed.takes_extra,
    parse = parse, event = parse, finish = false,
    answer = embed.answer and function() return checked(embed.answer(call), call) end or false,
  }, { __index = provider })
end

--- Asks for the vectors of texts, in as many requests as it takes.
---@param texts string[]
---@param opts neap.llm.EmbedOptions all of them
---@param send fun(batch: string[]): neap.llm.Reply
---@return neap.Vector[] in the order of the texts
function M.ask(texts, opts, send)
  local batches, vectors = batches_of(texts, opts.batch), {}
  local replies = #batches == 1 and { send(batches[1]) }
    or concurrent.map(batches, send, { concurrency = opts.concurrency })
  for _, reply in ipairs(replies) do
    table.move(reply.vectors, 1, #reply.vectors, #vectors + 1, vectors)
  end
  local fault = size_fault(vectors, vectors[1])
  if fault then error(failure.new("broken", fault, { retryable = false }), 0) end
  return vectors
end

return M
