--- Clients of language models, whoever makes these.
-- SPDX-License-Identifier: MIT
local cassettes = require "neap.llm.cassette"
local class = require "neap.base.class"
local core = require "neap.core"
local extract = require "neap.llm.extract"
local failure = require "neap.llm.failure"
local fakes = require "neap.llm.fake"
local fold = require "neap.llm.fold"
local messages = require "neap.llm.message"
local object = require "neap.llm.object"
local options = require "neap.base.options"
local public = require "neap.http.response".public
local schema = require "neap.base.schema"
local schemas = require "neap.llm.schema"
local settings = require "neap.llm.settings"
local streams = require "neap.llm.stream"
local validate = require "neap.llm.validate"

---@class neap.Vector numbers as float32, packed; it cannot be changed
---@field list fun(self: neap.Vector): number[]
---@field bytes fun(self: neap.Vector): string four for each number, the least significant first
---@operator len: integer

local llm = {
  chunks = require "neap.llm.chunks",
  --- Makes a vector of a list of numbers, or of the bytes that one has given.
  ---@type fun(numbers: number[]|string|neap.Vector): neap.Vector
  vector = core.vector,
  --- Finds the `k` vectors whose direction is most like that of a vector. Gives their
  --- indices and the cosines, the greatest first. Lists of numbers do, but are slower.
  ---@type fun(vector: neap.Vector|number[], vectors: (neap.Vector|number[])[], k: integer):
  --- integer[], number[]
  nearest = core.nearest,
}

---@class neap.llm.CallOf what a provider makes a request of
---@field model? string
---@field messages neap.llm.Message[]
---@field options neap.llm.CallOptions
---@field url string the base
---@field vendor string the key of a message's `vendor` under which this one's stands

--- What is known of a vendor: pure functions, which do not wait.
---@class neap.llm.Provider
---@field name string
---@field base? string the address unless one is given
---@field version? string of the address: "/v1"
---@field auth? string how the key is sent: "bearer", or the name of a header
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
---@field waits? boolean `answer` may wait
---@field model? string of one that answers by itself

--- The providers by name; each is loaded when it is first used.
---@type table<string, neap.llm.Provider>
llm.providers = {}

local NAMES = { openai = true, responses = true, anthropic = true, gemini = true, ollama = true,
  offline = true }

setmetatable(llm.providers, { __index = function(self, name)
  if not NAMES[name] then return nil end
  local provider = require("neap.llm.providers." .. name)
  rawset(self, name, provider)
  return provider
end })

---@class neap.llm.Client
---@field offline boolean true: nothing is sent
---@field model? string
---@field provider string its name
---@field usage table tokens and calls so far
local Client, ClientMeta = class("neap.llm.Client")

-- What a client was made with, kept apart from it: who prints a client prints no key.
local private = setmetatable({}, { __mode = "k" })

local function copy(table)
  local all = {}
  for name, value in pairs(table) do all[name] = value end
  return all
end

-- What the attempts of a call send: the request in bytes.
local function ask_of(own, call, what, began)
  local ask = { call = call, provider = own.provider, what = what, began = began or core.now(),
    key = own.key, cassette = own.cassette }
  ask.deadline = ask.began + (call.options.timeout or math.huge)
  if own.provider.answer then return ask end
  local path, headers, body = own.provider.request(call)
  if call.options.extra then body = settings.merged(body, call.options.extra) end
  ask.url = settings.join(own.url, own.provider.version or "", path)
  ask.public_url = public(ask.url)
  ask.headers, ask.own_headers = headers, call.options.headers
  ask.body = core.json.encode(body)
  ask.http = own.http
  return ask
end

-- Makes the stream for a call. Where the answer is to have a structure, that says how
-- it is asked for; the call itself may have begun before.
local function begin(self, what, prompt, given, structure, began)
  local own = private[self]
  given = options.check(given, what)
  local opts = settings.merge(given, own.options)
  opts.headers = settings.headers(own.options.headers, given.headers)
  if structure then
    opts.tools, opts.tool_choice = structure.tools, structure.tool_choice
    opts.schema = structure.schema
  end
  local provider = own.provider
  if provider.needs_model and not opts.model then
    options.blame(("%s: the option 'model' is missing, and NEAP_LLM_MODEL is not set"):format(what))
  end
  local call = {
    model = opts.model,
    messages = messages.list(prompt, opts.system, what),
    options = opts,
    url = own.url,
    vendor = provider.vendor and provider.vendor(own.url:match("^%a+://([^/?#]*)"))
      or provider.name,
  }
  local ask = ask_of(own, call, what, began)
  return streams.new(ask, self.usage), ask
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

--- Asks for a value that fits a schema, and asks again, with what is wrong, where one
--- does not, `attempts` times in all. Fields that are null are nil. Raises kind "schema"
--- when none has fitted, and what chat raises for an answer that is none.
---@param fields table what llm.schema takes
---@param prompt neap.llm.Prompt
---@param opts? neap.llm.ObjectOptions
---@return any value
---@return neap.llm.Reply reply the last, with the usage of all
function Client:object(fields, prompt, opts)
  local own = private[self]
  local wanted = schemas.of(fields, "object")
  opts = options.check(opts, "object")
  if opts.tools or opts.tool_choice then
    options.blame("object: it has no tools; an agent has")
  end
  if own.provider == llm.providers.offline then
    error(failure.new("model", "the offline summariser fills no schema; name a model with "
      .. "NEAP_LLM_URL, or with the options provider and url"), 0)
  end
  own.ways = own.ways or object.ways(own.provider)
  local began = core.now()
  local value, reply = object.ask { schema = wanted, ways = own.ways,
    messages = messages.list(prompt, nil, "object"),
    attempts = opts.attempts or own.options.attempts or 3,
    send = function(list, structure)
      local stream, ask = begin(self, "object", list, opts, structure, began)
      local ok, result = pcall(stream.finish, stream)
      stream:close()
      if ok then return result end
      return nil, result, ask.refusal or type(result) == "table" and result.message
    end }
  return value, reply
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

local told_offline = false

local function tell_offline(provider)
  if told_offline then return end
  told_offline = true
  io.stderr:write("neap: NEAP_LLM_URL is not set; ",
    "using the built-in offline summariser, ", provider.model, "\n")
end

local function check_provider(provider)
  for _, name in ipairs(provider.answer and { "answer" } or { "request", "event", "failed" }) do
    if type(provider[name]) ~= "function" then
      options.blame(("llm.new: a provider has a function '%s'"):format(name))
    end
  end
  if type(provider.name) ~= "string" then options.blame("llm.new: a provider has a name") end
  return provider
end

-- The provider that was named, nil if none was.
local function named_provider(given)
  if type(given) == "table" then return check_provider(given) end
  local name = given or settings.environment("NEAP_LLM_PROVIDER")
  if not name then return nil end
  local provider = llm.providers[name]
  if provider then return provider end
  local near = options.nearest(name, NAMES)
  options.blame(("llm.new: unknown provider '%s'; %s"):format(name,
    near and ("did you mean '%s'?"):format(near)
      or "there are: " .. table.concat(validate.sorted(NAMES), ", ")))
end

-- Makes the client that asks a provider.
local function client_of(provider, opts, url, key)
  local usage = fold.usage()
  usage.calls = 0
  local client = setmetatable({ offline = provider.answer ~= nil, model = opts.model,
    provider = provider.name, usage = usage }, ClientMeta)
  private[client] = { provider = provider, url = url or "", key = key,
    http = opts.http or require "neap.http", options = opts }
  opts.key = nil
  return client
end

-- The key of a client; a vendor's own variable has it only where the vendor is named.
local function key_of(opts, named)
  return opts.key or settings.environment("NEAP_LLM_KEY")
    or named and named.key_variable and settings.environment(named.key_variable) or nil
end

-- The client that answers from a cassette.
local function replay(cassette, opts)
  return client_of(cassettes.provider(cassette, opts.key), opts)
end

-- The cassettes from which NEAP_LLM_CASSETTE has answers come, by their paths: the
-- clients of a script have one together.
local by_variable = {}

local function replay_by_variable(path, opts, named)
  by_variable[path] = by_variable[path] or cassettes.load(path)
  opts.model = named and named.model or opts.model or settings.environment("NEAP_LLM_MODEL")
  opts.key = key_of(opts, named)
  return replay(by_variable[path], opts)
end

--- Makes a client for a language model.
---
--- Without a provider and an address it is offline, and says so once on stderr: it
--- then answers with an extract of the user's last message (see `neap.summary`), from
--- which a leading instruction up to a colon ("Summarize: ...") is taken away.
---
--- What calls raise is of code "llm" and has a `kind`, see neap.llm.Error; of code
--- "timeout" when `timeout` has passed; of code "json" for a prompt that is not UTF-8;
--- or what `http.request` raises when there was no response. None of them holds the
--- key, a header's value, or words of the prompt.
---@param opts? neap.llm.Options
---@return neap.llm.Client
function llm.new(opts)
  opts = copy(options.check(opts, "llm.new"))
  local named = named_provider(opts.provider)
  local mode, path = settings.cassette()
  if mode == "replay" then return replay_by_variable(path, opts, named) end
  local url = opts.url or settings.url()
  local provider = named or llm.providers[url and "openai" or "offline"]
  if not named and not url then tell_offline(provider) end
  url = url or provider.base
  if not url and not provider.answer then options.blame("llm.new: the option 'url' is missing") end
  opts.model = provider.model or opts.model or settings.environment("NEAP_LLM_MODEL")
  local client = client_of(provider, opts, url, key_of(opts, named))
  return mode == "record" and llm.record(path, client) or client
end

--- Makes a client that gives these answers in turn, one a request, and raises kind
--- "request" when it has run out. For tests: nothing is sent, and no environment is
--- read. What streams, repeats, limits and fails does so as with any other client.
---@param answers (string|neap.llm.FakeAnswer|fun(messages: neap.llm.Message[],
--- opts: neap.llm.CallOptions): string|neap.llm.FakeAnswer)[] what a function gives is the
--- answer, and what it raises is raised; it may wait
---@param opts? neap.llm.CallOptions
---@return neap.llm.Client fake with `requests`, what it has been asked
function llm.fake(answers, opts)
  local provider, requests = fakes.provider(answers)
  opts = copy(options.check(opts, "llm.fake", schema.options.chat))
  opts.model = opts.model or "fake"
  local client = client_of(provider, opts)
  client.requests = requests
  return client
end

local client_rule = { test = function(value) return private[value] ~= nil end,
  expected = "client of a language model" }

--- Makes a client that asks as another does, and writes each request with its answer
--- to a cassette. The first time in a process a cassette is begun anew. No key and no
--- header is in it. Raises kind "cassette" where it cannot be written.
---@param path string
---@param model neap.llm.Client
---@return neap.llm.Client
function llm.record(path, model)
  options.argument(1, "record", path, schema.rules.path)
  options.argument(2, "record", model, client_rule)
  cassettes.begin(path)
  local client = setmetatable(copy(model), ClientMeta)
  private[client] = copy(private[model])
  private[client].cassette = path
  return client
end

--- Makes a client that answers from a cassette: each request by its content, in any
--- order, with each answer once. Raises kind "cassette" for one that cannot be read;
--- its calls raise that for a request that is not there, and say in what the nearest
--- one differs.
---@param path string
---@param opts? neap.llm.Options those of the client that was recorded: what they ask for is
--- part of a request
---@return neap.llm.Client
function llm.replay(path, opts)
  options.argument(1, "replay", path, schema.rules.path)
  opts = copy(options.check(opts, "llm.replay"))
  return replay(cassettes.load(path), opts)
end

--- Makes a JSON Schema of a list of fields, whose order stays:
--- `{ "name: string", "age: integer?", "level: low|high", { "jobs[]", { "title: string" } } }`.
--- A JSON Schema of one's own is looked at, and given back. What could not be checked by
--- it raises here.
---@param fields table
---@return table
function llm.schema(fields)
  return (schemas.of(fields, "llm.schema"))
end

--- Whether a value fits a schema. A field that is missing counts as null.
---@param fields table what llm.schema takes
---@param value any
---@return true|nil
---@return neap.llm.Misfit[]|nil misfits `{ { path = "$.jobs[2].title", message = } }`
function llm.validate(fields, value)
  local misfits = validate.misfits(schemas.of(fields, "llm.validate"), value)
  if misfits[1] then return nil, misfits end
  return true
end

--- Makes a tool, which a model may call: `name`, `description`, `parameters` (what
--- llm.schema takes) and `run(arguments, call)`, which may wait and gives a string, or
--- anything that is JSON.
---@param opts neap.llm.ToolOptions
---@return neap.llm.Tool
function llm.tool(opts)
  return (require("neap.llm.tool").new(opts, "llm.tool"))
end

--- Makes an agent: a flow that asks a model, and runs the tools that it calls, until it
--- answers. It takes `shared.prompt` and sets `shared.answer`; `agent:ask(prompt)` runs
--- it by itself, and gives the text and `shared`.
---@param opts neap.llm.AgentOptions
---@return table flow
function llm.agent(opts)
  return (require("neap.llm.agent").new(opts))
end

--- Makes a conversation, which remembers what was said: `say(text)` gives the answer,
--- `stream(text)` its pieces, and `messages` is plain data.
---@param opts neap.llm.ConversationOptions
---@return neap.llm.Conversation
function llm.conversation(opts)
  return (require("neap.llm.conversation").new(opts))
end

llm.extract = { json = extract.json, fenced = extract.fenced }

return llm
