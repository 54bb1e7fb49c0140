--- The options of neap.llm.
-- SPDX-License-Identifier: MIT
local rules = require "neap.base.schema.rules"

local rule, with, word, extend = rules.rule, rules.with, rules.word, rules.extend
local list = rules.list
local is_text, is_list, is_text_or_secret = rules.is_text, rules.is_list, rules.is_text_or_secret
local boolean, text, func, map = rules.boolean, rules.text, rules.func, rules.map
local headers, integer, count_or_0 = rules.request_headers, rules.integer, rules.count_or_0
local count, attempts, seconds_or_0 = rules.count, rules.attempts, rules.seconds_or_0
local seconds, number_or_0, positive = rules.seconds, rules.number_or_0, rules.positive
local factor, share = rules.factor, rules.share

-- Whether a table has nothing but counts, by names that usage has.
local function are_counts(value)
  local names = { input = true, cached = true, cache_write = true, output = true,
    reasoning = true }
  for name, each in pairs(value) do
    if not names[name] or math.type(each) ~= "integer" or each < 0 then return false end
  end
  return true
end

local PRICED = { input = true, cached = true, cache_write = true, output = true }

-- What a table is, in words, that has not the prices of tokens, by names that usage has;
-- nil if it has them.
local function no_prices(value)
  for name, each in pairs(value) do
    if not PRICED[name] then
      return ("a table that has '%s' as well"):format(tostring(name))
    elseif not number_or_0.test(each) then
      return ("%s %s"):format(name, type(each) == "number" and each or "as a " .. type(each))
    end
  end
  local missing = value.input == nil and "input" or value.output == nil and "output"
  return missing and ("a table without '%s'"):format(missing) or nil
end

local function is_tool(value)
  return type(value) == "table" and type(value.name) == "string"
end

---@class neap.llm.CallOptions
local CHAT = {
  model = text, --- the model to ask
  system = text, --- a message of the system, before all others
  temperature = number_or_0, --- how freely the model chooses its words
  max_tokens = count, --- the most that the answer may have
  --- where the answer ends
  stop = rule(function(value) return is_text(value) or is_list(value, is_text) end,
    "string or list of strings"),
  seed = integer, --- what makes answers repeatable, where the vendor can
  reasoning = word("none", "low", "medium", "high"), --- how much the model thinks
  --- what it may call: name, description and parameters, a JSON Schema, of each
  tools = list(is_tool, "list of tables with a name"),
  --- `"auto"`, `"none"`, `"required"` or the name of a tool
  tool_choice = text,
  cache = with(boolean, false), --- mark what stays the same for the cache of the vendor
  headers = headers, --- further ones of the request
  extra = map, --- merged into the body of the request
  connect_timeout = with(seconds, 10), --- the limit until there is a connection
  first_token = with(seconds, 300), --- the limit until the first event of an answer
  silence = with(seconds, 60), --- the limit between two events
  timeout = seconds, --- the limit of the whole call, all attempts together
  max_retries = with(attempts, 3), --- how often a request is made, the first included
  wait = with(seconds_or_0, 0.5), --- the wait before the second
  backoff = with(factor, 2), --- the factor for each further wait
  max_wait = with(seconds, 8), --- the longest wait
  jitter = with(share, 1), --- the share of a wait that may be taken off at random
  --- a server that asks for a longer wait ends the attempts
  max_retry_after = with(seconds, 120),
}

---@class neap.llm.ObjectOptions: neap.llm.CallOptions
local OBJECT = extend(CHAT, {
  attempts = with(count, 3), --- how often `object` asks for a value that fits
})

---@class neap.llm.MeteredOptions: neap.llm.ObjectOptions
local METERED = extend(OBJECT, {
  --- what a million tokens cost: `input`, `output`, and where they differ from input
  --- `cached` and `cache_write`
  prices = rule(function(value) return type(value) == "table" and not no_prices(value) end,
    "table of numbers from 0 with input and output", nil,
    function(value) return type(value) == "table" and no_prices(value) or nil end),
  --- what requests may cost altogether
  budget = rule(function(value) return require "neap.llm.budget".is(value) end,
    "budget of llm.budget"),
  --- what requests wait for
  limit = rule(function(value) return require "neap.llm.limit".is(value) end,
    "limit of llm.limit"),
})

---@class neap.llm.Options: neap.llm.MeteredOptions
local CLIENT = extend(METERED, {
  --- whose language is spoken
  provider = rule(function(value)
    return type(value) == "string" or type(value) == "table"
  end, "name or table of a provider"),
  --- the base of the address, `"http://127.0.0.1:8080/v1"`
  url = rule(function(value) return is_text(value) and value:find("^https?://[^/?#]") ~= nil end,
    "URL that begins with http:// or https://"),
  --- the key, or what gives it for each request
  key = rule(function(value) return is_text_or_secret(value) or type(value) == "function" end,
    "string, secret or function"),
  --- what answers where no provider and no address is named, as in `llm.fake`
  offline = rule(function(value) return type(value) == "table" or type(value) == "function" end,
    "list of answers or function"),
  --- it sends the requests, as that of `neap.http` does
  http = rule(function(value)
    return type(value) == "table" and type(value.request) == "function"
  end, "table with a function request"),
})

---@class neap.llm.EmbedOptions: neap.llm.CallOptions
local EMBED = {
  batch = with(count, 100), --- how many texts a request has at most
  concurrency = with(attempts, 4), --- how many requests there are at once
  dimensions = count, --- how many numbers a vector has, for models that can choose
}
for _, name in ipairs { "model", "headers", "extra", "connect_timeout", "first_token", "silence",
  "timeout", "max_retries", "wait", "backoff", "max_wait", "jitter", "max_retry_after" } do
  EMBED[name] = CHAT[name]
end

---@class neap.llm.BudgetOptions
local BUDGET = {
  cost = positive, --- the most that all requests may cost, in the money of the prices
  tokens = count, --- the most tokens that are sent and answered
  calls = count, --- the most requests
}

---@class neap.llm.LimitOptions
local LIMIT = {
  requests = count, --- the most requests in that time
  tokens = count, --- the most tokens in that time, sent and answered
  per = with(seconds, 60), --- that time
  concurrency = attempts, --- the most requests at once
}

---@class neap.llm.FakeAnswer
local ANSWER = {
  text = with(text, ""), --- the text, given word by word
  reasoning = text, --- the reasoning, given before the text
  --- the tools that are called: name, arguments as a table or JSON text, and id of each
  calls = list(is_tool, "list of tables with a name"),
  --- why it ends
  stop = word("stop", "tools", "length", "filter", "context", "pause", "other"),
  --- tokens by the names in a reply
  usage = rule(function(value) return type(value) == "table" and are_counts(value) end,
    "table of whole numbers by name"),
  --- what goes wrong; behind `text`, where it breaks off
  error = rule(function(value) return require "neap.llm.failure".kinds[value] ~= nil end,
    'kind of an error such as "rate"'),
  message = text, --- the sentence of that error
  retry_after = seconds_or_0, --- how long that error asks to wait
  after = with(seconds_or_0, 0), --- the time until the first piece
  between = with(seconds_or_0, 0), --- the time before each further piece
  --- answers a request of `embed`: with these vectors, with what a function gives for the
  --- texts, or with those of the offline client
  vectors = rule(function(value)
    return value == true or type(value) == "table" or type(value) == "function"
  end, "list of vectors, function or true"),
}

---@class neap.llm.ToolOptions
local TOOL = {
  --- by it the model calls the tool
  name = rule(function(value)
    return is_text(value) and #value <= 64 and value:find("^[%w_-]+$") ~= nil
  end, "string of up to 64 letters, digits, _ and -", nil, function(value)
    return is_text(value) and ("%q"):format(value:sub(1, 80)) or nil
  end),
  description = text, --- tells the model what it is for
  parameters = map, --- a schema, or the fields of one
  --- gets the arguments and the call; gives a string or what is JSON, or nil and a reason
  run = func,
}

local client = rule(function(value)
  return type(value) == "table" and type(value.reply) == "function"
end, "client of a model")

---@class neap.llm.ConversationOptions
local CONVERSATION = {
  model = client, --- it answers
  system = text, --- a message of the system; else the client's
  window = count, --- how many tokens, as estimated, are sent at most
  --- what falls out of the window is summarised, by the model or by a function, which gets
  --- the messages and gives a text
  summarise = rule(function(value)
    return type(value) == "boolean" or type(value) == "function"
  end, "boolean or function"),
  --- an answer whose stream fails, or is left, is remembered as far as it came
  partial = with(boolean, false),
}

---@class neap.llm.AgentOptions
local AGENT = {
  name = with(text, "agent"), --- of the flow, and of what it keeps in shared
  model = client, --- it is asked
  --- it may call
  tools = list(is_tool, "list of tools"),
  system = text, --- a message of the system; else the client's
  max_turns = with(count, 10), --- how many requests it may take
  concurrency = with(attempts, 8), --- how many tools run at once
  --- gets a call, shared and the arguments, and gives true, or false and a reason
  approve = func,
  prompt = func, --- gets shared, and gives the prompt
  answer = func, --- gets shared, the text and the reply
}

return {
  ["llm.new"] = CLIENT, ["llm.replay"] = CLIENT, ["llm.metered"] = METERED,
  chat = CHAT, reply = CHAT, stream = CHAT, object = OBJECT, embed = EMBED,
  ["llm.tool"] = TOOL, ["llm.agent"] = AGENT, ["llm.conversation"] = CONVERSATION,
  ["llm.fake"] = ANSWER, ["llm.budget"] = BUDGET, ["llm.limit"] = LIMIT,
  ["llm.chunks"] = { tokens = with(count, 500), overlap = with(count_or_0, 50) },
}
