--- Clients of language models, whoever makes these.
-- SPDX-License-Identifier: MIT
local budgets = require "neap.llm.budget"
local cassettes = require "neap.llm.cassette"
local clients = require "neap.llm.client"
local core = require "neap.core"
local extract = require "neap.llm.extract"
local fakes = require "neap.llm.fake"
local limits = require "neap.llm.limit"
local meter = require "neap.llm.meter"
local options = require "neap.base.options"
local rules = require "neap.base.schema.rules"
local schema = require "neap.base.schema"
local schemas = require "neap.llm.schema"
local settings = require "neap.llm.settings"
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

-- A copy of the options of a client, which have been checked.
local function checked(opts, where, known)
  local all = {}
  for name, value in pairs(options.check(opts, where, known)) do all[name] = value end
  meter.check(all, where)
  if all.tools then settings.check_tools(all, where) end
  return all
end

local told_offline = false

local function tell_offline(what)
  if told_offline then return end
  told_offline = true
  core.system.say(("neap: NEAP_LLM_URL is not set; %s\n"):format(what))
end

-- What answers where no model is named: the answers of the script, else the summariser.
local function stand_in(own)
  if own then
    tell_offline("the script's own answers stand in for a model's")
    return own
  end
  local provider = llm.providers.offline
  tell_offline("using the built-in offline summariser, " .. provider.model)
  return provider
end

local function check_provider(provider)
  for _, name in ipairs(provider.answer and { "answer" } or { "request", "event", "failed" }) do
    if type(provider[name]) ~= "function" then
      options.blame(("llm.new: a provider has a function '%s'"):format(name))
    end
  end
  local embed = provider.embed
  local is_embedder = embed == nil or type(embed) == "table" and (type(embed.answer) == "function"
    or type(embed.request) == "function" and type(embed.parse) == "function")
  if not is_embedder then
    options.blame("llm.new: the 'embed' of a provider has the functions 'request' and 'parse', "
      .. "or 'answer'")
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

-- The key of a client; a vendor's own variable has it only where the vendor is named.
local function key_of(opts, named)
  return opts.key or settings.environment("NEAP_LLM_KEY")
    or named and named.key_variable and settings.environment(named.key_variable) or nil
end

-- The client that answers from a cassette.
local function replay(cassette, opts)
  return clients.new(cassettes.provider(cassette, opts.key), opts)
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
--- which a leading instruction up to a colon ("Summarize: ...") is taken away; or with
--- what `offline` lays down.
---
--- What calls raise is of code "llm" and has a `kind`, see neap.llm.Error; of code
--- "timeout" when `timeout` has passed; of code "json" for a prompt that is not UTF-8;
--- or what `http.request` raises when there was no response. None of them holds the
--- key, a header's value, or words of the prompt.
---@param opts? neap.llm.Options
---@return neap.llm.Client
function llm.new(opts)
  opts = checked(opts, "llm.new")
  local own = opts.offline and fakes.provider(opts.offline, "llm.new")
  opts.offline = nil
  local named = named_provider(opts.provider)
  local mode, path = settings.cassette()
  if mode == "replay" then return replay_by_variable(path, opts, named) end
  local url = opts.url or settings.url()
  local provider = named or url and llm.providers.openai or stand_in(own)
  url = url or provider.base
  if not url and not provider.answer then options.blame("llm.new: the option 'url' is missing") end
  opts.model = provider.model or opts.model or settings.environment("NEAP_LLM_MODEL")
    or provider == own and "fake" or nil
  local client = clients.new(provider, opts, url, key_of(opts, named))
  return mode == "record" and llm.record(path, client) or client
end

local client_rule = { test = clients.is, expected = "client of a language model" }

local clients_rule = rules.list(clients.is, "list of clients", 1)

--- Makes a client that asks the first of these clients. When that has failed as often as
--- it may, with an error of its vendor or of the connection, and no piece of an answer has
--- been given, it asks the next.
---@param list neap.llm.Client[]
---@return neap.llm.Client
function llm.first(list)
  options.argument(1, "first", list, clients_rule)
  return clients.first(list)
end

--- Makes a client that gives these answers in turn, one a request, and raises kind
--- "request" when it has run out. For tests: nothing is sent, and no environment is
--- read. What streams, repeats, limits and fails does so as with any other client.
---@param answers neap.llm.FakeAnswers what a function gives is the answer, and what it raises
--- is raised; it may wait. One in the place of the list answers all requests
---@param opts? neap.llm.MeteredOptions
---@return neap.llm.Client fake with `requests`, what it has been asked
function llm.fake(answers, opts)
  options.argument(1, "fake", answers, schema.options["llm.new"].offline)
  local provider, requests = fakes.provider(answers, "llm.fake")
  opts = checked(opts, "llm.fake", schema.options["llm.metered"])
  opts.model = opts.model or "fake"
  local client = clients.new(provider, opts)
  client.requests = requests
  return client
end

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
  return clients.recorded(model, path)
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
  opts = checked(opts, "llm.replay")
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

--- Makes a budget, which clients have together: what requests may cost, and how many
--- tokens and how many there may be. Raises kind "budget" before a request that would
--- pass it. `budget.spent` has what was spent.
---@param opts neap.llm.BudgetOptions
---@return neap.llm.Budget
function llm.budget(opts)
  return (budgets.new(opts))
end

--- Makes a limit, which the clients of one key have together: how many requests and tokens
--- there may be within `per` seconds, and how many requests at once. Requests wait in line.
---@param opts neap.llm.LimitOptions
---@return neap.llm.Limit
function llm.limit(opts)
  return (limits.new(opts))
end

llm.extract = { json = extract.json, fenced = extract.fenced }

return llm
