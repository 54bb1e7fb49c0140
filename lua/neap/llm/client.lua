--- Clients of models: what their calls send, and give.
-- SPDX-License-Identifier: MIT
local class = require "neap.base.class"
local core = require "neap.core"
local embedding = require "neap.llm.embedding"
local failure = require "neap.llm.failure"
local fold = require "neap.llm.fold"
local messages = require "neap.llm.message"
local object = require "neap.llm.object"
local offline = require "neap.llm.providers.offline"
local options = require "neap.base.options"
local public = require "neap.http.response".public
local schemas = require "neap.llm.schema"
local settings = require "neap.llm.settings"
local streams = require "neap.llm.stream"

local M = {}

---@class neap.llm.CallOf what a provider makes a request of
---@field model? string
---@field messages neap.llm.Message[]
---@field options neap.llm.CallOptions
---@field url string the base
---@field vendor string the key of a message's `vendor` under which this one's stands
---@field texts? string[] of which vectors are wanted, in the place of an answer; then
--- `messages` has the same, for what looks at what is sent

--- What is known of a vendor: pure functions, which do not wait.
---@class neap.llm.Provider
---@field name string
---@field base? string the address unless one is given
---@field version? string of the address: "/v1"
---@field auth? string how the key is sent: "bearer", or the name of a header
---@field path? string of its requests, with which an address may end
---@field key_variable? string the vendor's own variable of the environment
---@field needs_model? boolean
---@field features? { schema?: boolean, tools?: boolean } what `request` heeds
---@field vendor? fun(host: string): string
---@field request? fun(call: neap.llm.CallOf): string, table, table path, headers, body
---@field event? fun(state: neap.llm.State, data: any, name?: string): neap.llm.Delta[], boolean|nil
---@field parse? fun(state: neap.llm.State, body: table): neap.llm.Delta[] default: `event`
---@field finish? fun(state: neap.llm.State)
---@field failed? fun(status: integer, headers: table, body: any, text?: string): ... the kind, the
--- server's sentence, the seconds to wait
---@field answer? fun(call: neap.llm.CallOf): string|neap.llm.Answer answers without a request
---@field embed? neap.llm.Embedder
---@field waits? boolean `answer` may wait
---@field model? string of one that answers by itself

---@class neap.llm.Client
---@field offline boolean true: nothing is sent
---@field model? string
---@field provider string its name
---@field usage table tokens and calls so far
local Client, ClientMeta = class("neap.llm.Client")

-- What a client was made with, kept apart from it: who prints a client prints no key.
local private = setmetatable({}, { __mode = "k" })

-- What the attempts of a call send: the request in bytes.
local function ask_of(own, provider, call, what, began)
  local ask = { call = call, provider = provider, what = what, began = began or core.now(),
    key = own.key, cassette = own.cassette, prices = own.options.prices,
    budget = own.options.budget, limit = own.options.limit }
  ask.deadline = ask.began + (call.options.timeout or math.huge)
  if provider.answer then return ask end
  local path, headers, body = provider.request(call)
  local extra = call.options.extra
  if extra and not provider.takes_extra then body = settings.merged(body, extra) end
  ask.url = settings.join(call.url, provider.version or "", path)
  ask.public_url = public(ask.url)
  ask.headers, ask.own_headers = headers, call.options.headers
  ask.body = core.json.encode(body)
  ask.http = own.http
  return ask
end

-- The options of a call of a client.
local function options_of(own, what, given)
  local opts = settings.merge(given, own.options, what == "embed" and what or nil)
  opts.headers = settings.headers(own.options.headers, given.headers)
  if own.provider.needs_model and not opts.model then
    options.blame(("%s: the option 'model' is missing, and NEAP_LLM_MODEL is not set"):format(what))
  end
  return opts
end

-- What a call asks of a client. Where the answer is to have a structure, that says how
-- it is asked for; the call itself may have begun before.
local function ask_by(self, what, prompt, given, totals, began, structure)
  local own = private[self]
  local opts, provider = options_of(own, what, given), own.provider
  if structure then
    opts.tools, opts.tool_choice = structure.tools, structure.tool_choice
    opts.schema = structure.schema
  end
  settings.check_tools(opts, what)
  local call = {
    model = opts.model,
    messages = messages.list(prompt, opts.system, what),
    options = opts,
    url = own.url,
    vendor = provider.vendor and provider.vendor(own.url:match("^%a+://([^/?#]*)"))
      or provider.name,
  }
  local ask = ask_of(own, provider, call, what, began)
  ask.totals = totals
  return ask
end

-- What a call asks of the first of several clients, and then of the others.
local function ask_in_turn(self, what, prompt, given)
  local members, began, at = private[self].members, core.now(), 0
  prompt = messages.list(prompt, nil, what)
  local function next_ask()
    at = at + 1
    local member = members[at]
    if not member then return nil end
    local ask = ask_by(member, what, prompt, given, { member.usage, self.usage }, began)
    ask.otherwise = next_ask
    return ask
  end
  return next_ask()
end

-- Makes the stream for a call.
local function begin(self, what, prompt, given)
  given = options.check(given, what)
  local ask = private[self].members and ask_in_turn(self, what, prompt, given)
    or ask_by(self, what, prompt, given, { self.usage })
  return streams.new(ask)
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
  local reply = stream:finish()
  if reply.stop == "stop" then return reply.text, reply end
  error(failure.no_answer(reply), 0)
end

-- Asks a client for a value that fits a schema. Its usage is added to the totals. Raises;
-- `over` is told then whether the time of the call is over.
local function object_by(self, wanted, list, opts, totals, began, over)
  local own = private[self]
  if own.provider == offline then
    error(failure.new("model", "the offline summariser fills no schema; name a model with "
      .. "NEAP_LLM_URL, or with the options provider and url"), 0)
  end
  own.ways = own.ways or object.ways(own.provider)
  return object.ask { schema = wanted, ways = own.ways, messages = list,
    attempts = opts.attempts or own.options.attempts or 3,
    send = function(messages_now, structure)
      local ask = ask_by(self, "object", messages_now, opts, totals, began, structure)
      local stream = streams.new(ask)
      local ok, result = pcall(stream.finish, stream)
      stream:close()
      if ok then return result end
      over.is_over = ask.is_over
      return nil, result, ask.refusal or type(result) == "table" and result.message
    end }
end

-- Asks clients for a value, one after the other.
local function object_in_turn(self, wanted, list, opts, began)
  local members, usage, requests = private[self].members, fold.usage(), 0
  for i, member in ipairs(members) do
    local over = {}
    local ok, value, reply = pcall(object_by, member, wanted, list, opts,
      { member.usage, self.usage }, began, over)
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
  local list, began = messages.list(prompt, nil, "object"), core.now()
  local value, reply
  if private[self].members then
    value, reply = object_in_turn(self, wanted, list, opts, began)
  else
    value, reply = object_by(self, wanted, list, opts, { self.usage }, began, {})
  end
  return value, reply
end

-- Asks a client for the vectors of texts. What that takes is added to `spent`.
local function embed_by(self, texts, given, spent, run)
  local own = private[self]
  embedding.check(own.provider)
  local opts = options_of(own, "embed", given)
  local totals = { spent, self.usage, run.total }
  return embedding.ask(texts, opts, function(batch)
    local call = embedding.call(own, opts, batch)
    local ask = ask_of(own, embedding.provider(own.provider, call), call, "embed", run.began)
    ask.totals = totals
    local stream <close> = streams.new(ask)
    local ok, reply = pcall(stream.finish, stream)
    run.is_over = run.is_over or ask.is_over
    if not ok then error(reply, 0) end
    return reply
  end)
end

-- Asks clients for vectors, one after the other: all of a call are of one model.
local function embed_in_turn(self, texts, opts, spent, run)
  local own = private[self]
  local members = embedding.members(own, private, opts.model)
  for i, member in ipairs(members) do
    local ok, vectors = pcall(embed_by, member, texts, opts, spent, run)
    if ok then
      own.embedder = own.embedder or member
      return vectors
    end
    local may_go_on = members[i + 1] and not run.is_over
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
  local spent, run = fold.usage(self.usage.cost and 0), { began = core.now() }
  spent.calls = 0
  local by = embed_by
  if private[self].members then by, run.total = embed_in_turn, self.usage end
  local ok, vectors = pcall(by, self, texts, opts, spent, run)
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
    http = opts.http or require "neap.http", options = opts }
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
    for i, member in ipairs(private[model].members) do own.members[i] = M.recorded(member, path) end
  end
  private[client] = own
  return client
end

return M
