--- Clients of models: what their calls send, and give.
-- SPDX-License-Identifier: MIT
local accounts = require "neap.llm.account"
local asks = require "neap.llm.ask"
local class = require "neap.base.class"
local core = require "neap.core"
local embedding = require "neap.llm.embedding"
local failure = require "neap.llm.failure"
local fold = require "neap.llm.fold"
local messages = require "neap.llm.message"
local object = require "neap.llm.object"
local offline = require "neap.llm.providers.offline"
local options = require "neap.base.options"
local schemas = require "neap.llm.schema"
local streams = require "neap.llm.stream"

local M = {}

---@class neap.llm.Client
---@field offline boolean true: nothing is sent
---@field model? string
---@field provider string its name
---@field usage table tokens and calls so far
local Client, ClientMeta = class("neap.llm.Client")

-- What a client was made with, kept apart from it: who prints a client prints no key.
local private = setmetatable({}, { __mode = "k" })

-- Begins the account of a call.
local function open_account(self, what)
  return accounts.open(what, self, private[self].members and self.usage)
end

-- What a call asks of the first of several clients, and then of the others.
local function ask_in_turn(self, prompt, given, account)
  local members, at = private[self].members, 0
  prompt = messages.list(prompt, nil, account.what)
  local function next_ask()
    at = at + 1
    local member = members[at]
    if not member then return nil end
    local ask = asks.of(private[member], prompt, given, account)
    ask.otherwise = next_ask
    return ask
  end
  return next_ask()
end

-- Makes the stream for a call.
local function begin(self, what, prompt, given)
  given = options.check(given, what)
  local account = open_account(self, what)
  local ask = private[self].members and ask_in_turn(self, prompt, given, account)
    or asks.of(private[self], prompt, given, account)
  return streams.new(ask, account)
end

--- Sends a prompt and waits for the whole reply, whatever its `stop` is.
---@param prompt neap.llm.Prompt
---@param opts? neap.llm.CallOptions they win over the client's
---@return neap.llm.Reply
function Client:reply(prompt, opts)
  local stream <close> = begin(self, "reply", prompt, opts)
  local reply = stream:finish()
  return reply
end

--- Sends a prompt and waits for the answer. Raises kind "tools", "length", "filter" or
--- "context" for one that is none, with what has come as `partial`.
---@param prompt neap.llm.Prompt
---@param opts? neap.llm.CallOptions they win over the client's
---@return string text
---@return neap.llm.Reply reply
function Client:chat(prompt, opts)
  local stream <close> = begin(self, "chat", prompt, opts)
  local reply = stream:finish(true)
  return reply.text, reply
end

-- Asks a client for a value that fits a schema. Raises; `over` is told then whether the
-- time of the call is over.
local function object_by(self, wanted, list, opts, account, over)
  local own = private[self]
  if own.provider == offline then
    error(failure.new("model", "the offline summariser fills no schema; name a model with "
      .. "NEAP_LLM_URL, or with the options provider and url"), 0)
  end
  own.ways = own.ways or object.ways(own.provider)
  return object.ask { schema = wanted, ways = own.ways, messages = list,
    attempts = opts.attempts or own.options.attempts or 3,
    send = function(messages_now, structure)
      local ask = asks.of(own, messages_now, opts, account, structure)
      local stream = streams.new(ask)
      local ok, result = pcall(stream.finish, stream)
      stream:close()
      if ok then return result end
      over.is_over = ask.is_over
      return nil, result, ask.refusal or type(result) == "table" and result.message
    end }
end

-- Asks clients for a value, one after the other.
local function object_in_turn(self, wanted, list, opts, account)
  local members, usage, requests = private[self].members, fold.usage(), 0
  for i, member in ipairs(members) do
    local over = {}
    local ok, value, reply = pcall(object_by, member, wanted, list, opts, account, over)
    local told = reply
    if not ok then told = value end
    if type(told) == "table" and told.usage then
      fold.add(usage, told.usage)
      requests = requests + told.attempts
      told.usage, told.attempts = usage, requests
    end
    if ok then return value, reply end
    local may_go_on = members[i + 1] and not over.is_over
    if not may_go_on or not failure.may_pass_elsewhere(value) then error(value, 0) end
    core.tell_retry("llm.first", 0, value, 0)
  end
end

--- Asks for a value that fits a schema, and asks again, with what is wrong, where one
--- does not, `attempts` times in all. Fields that are null are nil. Raises kind "schema"
--- when none has fitted, and what chat raises for an answer that is none.
---@param fields table what llm.schema takes
---@param prompt neap.llm.Prompt
---@param opts? neap.llm.ObjectOptions
---@return any value
---@return neap.llm.Reply reply the last, with the usage of all
function Client:object(fields, prompt, opts)
  local wanted = schemas.of(fields, "object")
  opts = options.check(opts, "object")
  if opts.tools or opts.tool_choice then
    options.blame("object: it has no tools; an agent has")
  end
  local list = messages.list(prompt, nil, "object")
  local account <close> = open_account(self, "object")
  local value, reply
  if private[self].members then
    value, reply = object_in_turn(self, wanted, list, opts, account)
  else
    value, reply = object_by(self, wanted, list, opts, account, {})
  end
  account:close(nil, reply)
  return value, reply
end

-- Asks a client for the vectors of texts. Raises; `over` is told then whether the time of
-- the call is over.
local function embed_by(self, texts, given, account, over)
  local own = private[self]
  embedding.check(own.provider)
  local opts = asks.options(own, "embed", given)
  return embedding.ask(texts, opts, function(batch)
    local call = embedding.call(own, opts, batch)
    local ask = asks.new(own, embedding.provider(own.provider, call), call, account)
    local stream <close> = streams.new(ask)
    local ok, reply = pcall(stream.finish, stream)
    over.is_over = over.is_over or ask.is_over
    if not ok then error(reply, 0) end
    return reply
  end)
end

-- Asks clients for vectors, one after the other: all of a call are of one model.
local function embed_in_turn(self, texts, opts, account, over)
  local own = private[self]
  local members = embedding.members(own, private, opts.model)
  for i, member in ipairs(members) do
    local ok, vectors = pcall(embed_by, member, texts, opts, account, over)
    if ok then
      own.embedder = own.embedder or member
      return vectors
    end
    local may_go_on = members[i + 1] and not over.is_over
    if not may_go_on or not failure.may_pass_elsewhere(vectors) then error(vectors, 0) end
    core.tell_retry("llm.first", 0, vectors, 0)
  end
end

--- Asks for the vectors of texts, in several requests where they are many. Texts that are
--- near to each other in what they mean have vectors that are, too: see llm.nearest.
---@param given string|string[]
---@param opts? neap.llm.EmbedOptions they win over the client's
---@return neap.Vector|neap.Vector[] vectors one for a text; for a list one each, in its order
---@return neap.llm.Usage usage of all requests; `calls` counts them
function Client:embed(given, opts)
  local texts, is_one = embedding.texts(given)
  opts = options.check(opts, "embed")
  local account <close> = open_account(self, "embed")
  local spent = account.usage
  local by = private[self].members and embed_in_turn or embed_by
  local ok, vectors = pcall(by, self, texts, opts, account, {})
  account:close(not ok and vectors or nil)
  if ok then return is_one and vectors[1] or vectors, spent end
  if type(vectors) == "table" and vectors.usage then
    vectors.usage, vectors.attempts = spent, spent.calls
  end
  error(vectors, 0)
end

--- Begins to send a prompt: `for piece in client:stream(prompt)` gives the pieces of
--- the text as they come, and leaving the loop drops the connection. Or keep what it
--- returns, `local s <close> = client:stream(prompt)`: `for piece in s`, then `s.reply`;
--- `s:deltas()`, `s:close()`.
---@param prompt neap.llm.Prompt
---@param opts? neap.llm.CallOptions they win over the client's
---@return neap.llm.Stream
function Client:stream(prompt, opts)
  local stream = begin(self, "stream", prompt, opts)
  return stream, nil, nil, stream
end

--- Makes the client that asks a provider.
---@param provider neap.llm.Provider
---@param opts neap.llm.Options belongs to the client from now on
---@param url? string
---@param key? string|neap.Secret|fun(): string|neap.Secret|nil
---@return neap.llm.Client
function M.new(provider, opts, url, key)
  local usage = fold.usage(opts.prices and 0)
  usage.calls = 0
  local client = setmetatable({ offline = provider.answer ~= nil, model = opts.model,
    provider = provider.name, usage = usage }, ClientMeta)
  private[client] = { provider = provider, url = url or "", key = key,
    http = opts.http or require "neap.http", options = opts, usage = usage }
  opts.key = nil
  return client
end

--- Whether a value is a client.
---@param value any
---@return boolean
function M.is(value)
  return private[value] ~= nil
end

local function copy(table)
  local all = {}
  for name, value in pairs(table) do all[name] = value end
  return all
end

--- Makes a client that asks the first of these, and goes on to the next when it has
--- failed.
---@param list neap.llm.Client[] at least one
---@return neap.llm.Client
function M.first(list)
  local members, is_offline, cost = {}, true, nil
  for _, client in ipairs(list) do
    for _, member in ipairs(private[client].members or { client }) do
      members[#members + 1] = member
      is_offline = is_offline and member.offline
      cost = cost or member.usage.cost and 0
    end
  end
  local usage = fold.usage(cost)
  usage.calls = 0
  local first = setmetatable({ offline = is_offline, model = members[1].model,
    provider = members[1].provider, usage = usage }, ClientMeta)
  private[first] = { members = members }
  return first
end

--- Makes a client that asks as another does, and records that.
---@param model neap.llm.Client
---@param path string of a cassette that has begun
---@return neap.llm.Client
function M.recorded(model, path)
  local client = setmetatable(copy(model), ClientMeta)
  local own = copy(private[model])
  own.cassette = path
  if own.members then
    own.members = {}
    for i, member in ipairs(private[model].members) do
      own.members[i] = M.recorded(member, path)
      if own.embedder == member then own.embedder = own.members[i] end
    end
  end
  private[client] = own
  return client
end

return M
