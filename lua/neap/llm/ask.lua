--- What calls ask of a client: options, messages, and the request in bytes.
-- SPDX-License-Identifier: MIT
local core = require "neap.core"
local messages = require "neap.llm.message"
local options = require "neap.base.options"
local public = require "neap.http.response".public
local settings = require "neap.llm.settings"

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

--- What the attempts of a call send: the request in bytes.
---@param own table what is known of the client
---@param provider neap.llm.Provider
---@param call neap.llm.CallOf
---@param account neap.llm.Account of the whole call
---@return neap.llm.Ask
function M.new(own, provider, call, account)
  local ask = { call = call, provider = provider, what = account.what, began = account.began,
    account = account, totals = { own.usage, account.usage, account.total },
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

--- The options of a call: its own, else the client's, else the defaults.
---@param own table what is known of the client
---@param what string the function's name
---@param given table
---@return table
function M.options(own, what, given)
  local opts = settings.merge(given, own.options, what == "embed" and what or nil)
  opts.headers = settings.headers(own.options.headers, given.headers)
  if own.provider.needs_model and not opts.model then
    options.blame(("%s: the option 'model' is missing, and NEAP_LLM_MODEL is not set"):format(what))
  end
  return opts
end

--- What a call asks of a client. Where the answer is to have a structure, that says how
--- it is asked for.
---@param own table what is known of the client
---@param prompt neap.llm.Prompt
---@param given neap.llm.CallOptions
---@param account neap.llm.Account of the whole call
---@param structure? neap.llm.Structure
---@return neap.llm.Ask
function M.of(own, prompt, given, account, structure)
  local what, provider = account.what, own.provider
  local opts = M.options(own, what, given)
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
  return M.new(own, provider, call, account)
end

return M
