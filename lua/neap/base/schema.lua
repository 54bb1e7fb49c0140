--- The options of all functions: the rule for the value of each, its purpose and its
--- default.
-- SPDX-License-Identifier: MIT
--
-- neap.base.options checks by these tables and takes the defaults from them.
-- spec/lua/base/schema_spec.lua compares them, comments included, with the manual. For
-- editors each table is the class of a function's options: a rule has the type of the
-- values that it accepts.

---@class neap.Rule
---@field test fun(value: any): boolean
---@field expected string what a value has to be, in words. If they contain quotes or
--- braces, an error shows the value that was given
---@field type? string the type of the values that pass, if they have one type
---@field default? any
---@field kinds? table<string, true> the kinds of node that have the option; nil: all

local function rule(test, expected, of)
  return { test = test, expected = expected, type = of }
end

-- A rule with a default.
---@generic T
---@type fun(base: T, default: T): T
local function with(base, default)
  return { test = base.test, expected = base.expected, type = base.type, default = default,
    kinds = base.kinds }
end

-- A rule that holds for some kinds of node.
---@generic T
---@type fun(kinds: table, base: T): T
local function for_kinds(kinds, base)
  local copy = with(base, base.default)
  copy.kinds = kinds
  return copy
end

local function of_type(name)
  return rule(function(value) return type(value) == name end, name, name)
end

local function number(expected, low, high)
  return rule(function(value)
    return type(value) == "number" and value >= low and value <= high
  end, expected, "number")
end

local function whole(low, high)
  local bound = high and high < 0x7fffffff and (" to %d"):format(high) or ""
  return rule(function(value)
    return math.type(value) == "integer" and value >= (low or value) and value <= (high or value)
  end, "whole number" .. (low and (" from %d%s"):format(low, bound) or ""), "number")
end

-- One of these words, or a table with a single one of these keys, whose value passes the
-- test of that key.
local function one_of(words, keys, expected)
  return rule(function(value)
    if type(value) ~= "table" then return words[value] ~= nil end
    local key, inner = next(value)
    return keys[key] ~= nil and keys[key](inner) and next(value, key) == nil
  end, expected)
end

local function word(...)
  local words, quoted = {}, {}
  for i, each in ipairs { ... } do words[each], quoted[i] = true, ('"%s"'):format(each) end
  local last = table.remove(quoted)
  return rule(function(value) return words[value] ~= nil end,
    table.concat(quoted, ", ") .. " or " .. last, "string")
end

local function is_text(value) return type(value) == "string" end

local function is_path(value)
  return type(value) == "string" and value ~= "" and not value:find("\0", 1, true)
end

local function are_headers(value)
  if type(value) ~= "table" then return false end
  for name, field in pairs(value) do
    if type(name) ~= "string" or type(field) ~= "string" and type(field) ~= "number" then
      return false
    end
  end
  return true
end

local TINY, LARGE = 0x1p-1074, 0x1.fffffffffffffp1023 -- the outermost but 0 and infinity

local any = rule(function() return true end, "any value") ---@type any
local boolean = of_type "boolean" ---@type boolean
local text = of_type "string" ---@type string
local func = of_type "function" ---@type function
local map = of_type "table" ---@type table
local path = rule(is_path, "path") ---@type string
local headers = rule(are_headers, "table of strings or numbers by name") ---@type table
local integer = whole() ---@type integer
local count_or_0 = whole(0) ---@type integer
local count = whole(1) ---@type integer
local attempts = whole(1, 0xffffffff) ---@type integer
local seconds_or_0 = number("number of seconds from 0", 0, math.huge) ---@type number
local seconds = number("positive number of seconds", TINY, math.huge) ---@type number
local number_or_0 = number("number from 0", 0, LARGE) ---@type number
local positive = number("number above 0", TINY, LARGE) ---@type number
local factor = number("number above 0", 0x1p-20, 0x1p20) ---@type number
local share = number("number from 0 to 1", 0, 1) ---@type number
local mode = word("stop", "collect") ---@type "stop"|"collect"

local FLOWS = { Flow = true, BatchFlow = true }
local PLAIN = { Node = true, BatchNode = true }
local MANY = { BatchNode = true, BatchFlow = true, Parallel = true }

-- Returns a table with the fields of `base` and those of `more`.
local function extend(base, more)
  for name, each in pairs(base) do more[name] = more[name] or each end
  return more
end

---@class neap.NodeOptions
local NODE = {
  prep = func, process_after_fail = func, post = func,
  exec = for_kinds(PLAIN, func),
  name = text, --- for messages, paths and events
  params = map, --- defaults for `self.params`, which params from outside override
  --- the number of attempts of exec, the first included. In a batch it holds for each item,
  --- in a parallel for each branch
  max_retries = with(attempts, 1),
  wait = with(seconds_or_0, 0), --- the wait before the second attempt
  backoff = with(factor, 1), --- the factor for each further wait
  max_wait = seconds, --- the longest wait
  max_retry_after = with(seconds, 120), --- an error that asks for a longer wait ends the attempts
  jitter = with(share, 0), --- the share of a wait that may be taken off at random
  --- the limit of one attempt of exec; in a batch of each item, in a parallel of each
  --- branch. It bounds waiting: code that computes is cancelled at its next wait
  timeout = seconds,
  --- waiting in its methods raises code `"atomic"`. Excludes `wait` and `timeout`
  atomic = for_kinds(PLAIN, with(boolean, false)),
  --- the first one; required
  start = for_kinds(FLOWS, rule(function(value)
    return require "neap.flow.node".is_node(value)
  end, "node", "table")),
  --- an action without a successor raises code `"action"`. So does the last action of a
  --- nested flow, if this flow is not wired for it
  strict = for_kinds(FLOWS, with(boolean, false)),
  concurrency = for_kinds(MANY, attempts), --- items or branches at once
  --- with `"stop"` the first failure cancels the other items or branches and is raised;
  --- with `"collect"` they go on
  on_error = for_kinds(MANY, with(mode, "stop")),
}

---@class neap.RunOptions
local RUN = {
  params = map, --- the params from outside
  --- the limit of the whole run. A run that takes longer is cancelled where it waits, and
  --- raises code `"timeout"`
  timeout = seconds,
  --- the visits that the run may make, including those in nested flows and branches and the
  --- items of batches. One more raises code `"max_steps"`, which is never retried or collected
  max_steps = count,
  on_event = func, --- see below
}

-- The options of attempts, for functions that have attempts as nodes do.
local ATTEMPTS = { max_retries = NODE.max_retries, wait = NODE.wait, backoff = NODE.backoff,
  max_wait = NODE.max_wait, jitter = NODE.jitter, max_retry_after = NODE.max_retry_after }

--- The options by the names of functions.
---@type table<string, table<string, neap.Rule>>
local options = {
  Node = NODE,
  run = RUN,
  spawn = RUN,
  ---@class neap.RetryOptions
  retry = extend(ATTEMPTS, { timeout = NODE.timeout }),
  gather = { on_error = NODE.on_error },
  map = { on_error = NODE.on_error, concurrency = attempts },
  limiter = { rate = positive, per = with(positive, 1), burst = positive },
  ["fs.read"] = { max_size = rule(function(value) -- 1e6, too
    return type(value) == "number" and (math.tointeger(value) or 0) > 0
  end, "whole number from 1") },
  ["fs.write"] = { atomic = boolean },
  ["fs.mkdir"] = { parents = boolean,
    mode = rule(whole(1, 4095).test, "permission bits from 1 to 4095 (octal 7777)") },
  ["fs.remove"] = { recursive = boolean },
  ["fs.watch"] = { missing = boolean },
  ---@class neap.net.ConnectOptions
  ["net.connect"] = { timeout = seconds, delay = boolean },
  ---@class neap.net.ListenOptions
  ["net.listen"] = { backlog = with(whole(1, 0x7fffffff), 511), delay = boolean },
  ---@class neap.net.ServeOptions
  serve = { max_connections = with(count, 1000) },
  ---@class neap.JsonDecodeOptions
  ["json.decode"] = { big_integers = with(word("error", "float", "string"), "error"),
    lone_surrogates = with(word("error", "replace"), "error") },
  ---@class neap.JsonEncodeOptions
  ["json.encode"] = { indent = with(whole(0, 31), 0), sort_keys = with(boolean, true) },
  ---@class neap.summary.opts
  summarize = { sentences = with(count, 2), max_chars = with(count, 400) },
}

-- The functions that add the options of a module when one of them is first needed.
local makers = {}

function makers.http(all)
  ---@class neap.http.Options
  local GET = extend(ATTEMPTS, {
    headers = headers, --- they replace what neap would send by itself
    --- strings, numbers, booleans, or lists of these, by name. They are added to the address,
    --- sorted; a list repeats its name
    query = map,
    stream = with(boolean, false), --- return with the head; the body is read later
    timeout = seconds, --- the limit of one attempt, redirects and body included
    connect_timeout = with(seconds, 30), --- the limit until there is a connection
    --- the limit of a time without a byte in either direction. Time in which the server waits
    --- for us does not count
    idle_timeout = seconds,
    max_redirects = with(count_or_0, 10), --- the number of redirects that are followed
    max_body = count, --- the most bytes of the decoded body
    ca_file = text, --- path of a PEM file with the certificates to trust instead of the system's
    cert_file = text, --- path of a PEM file with a certificate for servers that ask for one
    key_file = text, --- path of a PEM file with its key
    key_password = text, --- the password of the key
    --- the proxy for all hosts; false for none
    proxy = rule(function(value) return value == false or is_text(value) and value ~= "" end,
      "URL or false"),
    --- path of a local socket to connect to, whatever the host is; not with `proxy`
    unix_socket = text,
    --- use a new connection, not one that was kept
    fresh_connection = with(boolean, false),
    --- use no connection that has been idle for longer; rounded down to whole seconds
    max_idle = with(seconds, 118),
    --- the jar that keeps cookies
    cookies = rule(function(value) return require "neap.http.jar".is(value) end,
      "jar of http.jar"),
    check = with(boolean, false), --- a status from 400 raises
    idempotent = boolean, --- sending the request twice does no harm
  })

  ---@class neap.http.PostOptions: neap.http.Options
  local POST = extend(GET, {
    --- a function returns strings, and nil at the end
    body = rule(function(value) return is_text(value) or type(value) == "function" end,
      "string or function"),
    body_size = count_or_0, --- bytes that the function returns; without it they are sent in chunks
    file = text, --- path of a file to send; excludes `body`
    json = any, --- sent as JSON; excludes `body` and `file`
  })

  ---@class neap.http.RequestOptions: neap.http.PostOptions
  local REQUEST = extend(POST, {
    url = text, --- the address, http or https
    method = text, --- any method, in upper or lower case
  })

  ---@class neap.http.EventOptions
  all.events = extend(ATTEMPTS, {
    reconnect = with(boolean, false), --- connect again when the stream ends or breaks
    max_retries = attempts, --- the attempts in a row
    -- Where the standard leaves the choice: a few seconds, more after each failure.
    wait = with(seconds, 3), --- the wait before an attempt, unless the server names one
    backoff = with(factor, 2), --- the factor after each failure
    max_wait = with(seconds, 60), --- the longest wait, unless the server names a longer one
  })

  all["http.get"], all["http.head"], all["http.request"] = GET, GET, REQUEST
  for _, method in ipairs { "post", "put", "patch", "delete" } do all["http." .. method] = POST end
end
makers.events = makers.http

function makers.process(all)
  local STDIO = '"pipe", "inherit", "null"'
  local FILES = { file = is_path, append = is_path }
  local WORDS = { pipe = true, inherit = true, null = true }
  local output = one_of(WORDS, FILES, STDIO .. ", { file = path } or { append = path }")
  local errors = one_of({ pipe = true, inherit = true, null = true, stdout = true }, FILES,
    STDIO .. ', "stdout", { file = path } or { append = path }')

  ---@class neap.process.SpawnOptions
  ---@field [integer] string|number the program, without a slash looked for in PATH, and its
  --- arguments
  local SPAWN = {
    cwd = path, --- the folder it runs in
    env = map, --- variables added to ours; `false` removes one
    --- its input
    stdin = with(one_of(WORDS, { file = is_path }, STDIO .. " or { file = path }"), "pipe"),
    stdout = with(output, "pipe"), --- its output
    stderr = with(errors, "inherit"), --- its error output
    grace = with(seconds_or_0, 2), --- the time from SIGTERM to SIGKILL when the program is ended
  }

  -- The input of `run`: a string is the text, unless it is one of the words. "pipe" is not
  -- among them, because nobody could write to it.
  local source = one_of({ inherit = true, null = true }, { file = is_path, text = is_text }).test

  ---@class neap.process.RunOptions: neap.process.SpawnOptions
  local EXEC = extend(SPAWN, {
    --- its input: a text, our own standard input, nothing, a file, or a text that may equal
    --- one of these words
    stdin = with(rule(function(value)
      return source(value) or is_text(value) and value ~= "pipe"
    end, 'string to read, "inherit", "null", { file = path } or { text = string }'), "null"),
    stdout = with(output, "pipe"), --- its output; with `"pipe"` it is in the result
    stderr = with(errors, "pipe"), --- its error output; with `"pipe"` it is in the result
    --- the time limit. When it has passed, the program is ended, and code `"timeout"` is raised
    --- with the output so far
    timeout = seconds,
    max_output = with(count, 64 * 1024 * 1024), --- the most bytes of each output; more is an error
    --- any exit code but 0, and any signal, raises an error with `status`, `signal`, `stdout`
    --- and `stderr`
    check = with(boolean, false),
    --- with `"outputs"` run returns when the program has ended and nobody can write to its
    --- outputs any more; with `"leader"` when the program has ended, even if programs that it
    --- has started still hold them
    wait_for = with(word("outputs", "leader"), "outputs"),
  })

  all["process.spawn"], all["process.run"] = SPAWN, EXEC
end

-- Whether a value is a list of what passes a test.
local function is_list(value, test)
  if type(value) ~= "table" then return false end
  for _, item in ipairs(value) do
    if not test(item) then return false end
  end
  return next(value) == nil or #value > 0
end

-- Whether a table has nothing but counts, by names that usage has.
local function are_counts(value)
  local names = { input = true, cached = true, cache_write = true, output = true,
    reasoning = true }
  for name, each in pairs(value) do
    if not names[name] or math.type(each) ~= "integer" or each < 0 then return false end
  end
  return true
end

-- Whether a table has the prices of tokens, by names that usage has.
local function are_prices(value)
  local names = { input = true, cached = true, cache_write = true, output = true }
  for name, each in pairs(value) do
    if not names[name] or not number_or_0.test(each) then return false end
  end
  return value.input ~= nil and value.output ~= nil
end

local function is_tool(value)
  return type(value) == "table" and type(value.name) == "string"
end

local function are_tools(value)
  if not is_list(value, is_tool) then return false end
  local names = {}
  for _, tool in ipairs(value) do
    if names[tool.name] then return false end
    names[tool.name] = true
  end
  return true
end

function makers.llm(all)
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
    tools = rule(are_tools, "list of tables with names that differ"),
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
    prices = rule(function(value) return type(value) == "table" and are_prices(value) end,
      "table of numbers from 0 with input and output"),
    --- what requests may cost altogether, from `llm.budget`
    budget = rule(function(value) return require "neap.llm.budget".is(value) end, "budget"),
    --- what requests wait for, from `llm.limit`
    limit = rule(function(value) return require "neap.llm.limit".is(value) end, "limit"),
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
    key = rule(function(value) return is_text(value) or type(value) == "function" end,
      "string or function"),
    --- it sends the requests, as that of `neap.http` does
    http = rule(function(value)
      return type(value) == "table" and type(value.request) == "function"
    end, "table with a function request"),
  })

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
    calls = rule(function(value) return is_list(value, is_tool) end,
      "list of tables with a name"),
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
  }

  ---@class neap.llm.ToolOptions
  local TOOL = {
    --- by it the model calls the tool
    name = rule(function(value)
      return is_text(value) and #value <= 64 and value:find("^[%w_-]+$") ~= nil
    end, "string of up to 64 letters, digits, _ and -"),
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
  }

  ---@class neap.llm.AgentOptions
  local AGENT = {
    name = with(text, "agent"), --- of the flow, and of what it keeps in shared
    model = client, --- it is asked
    --- it may call
    tools = rule(function(value) return is_list(value, is_tool) end, "list of tools"),
    system = text, --- a message of the system; else the client's
    max_turns = with(count, 10), --- how many requests it may take
    concurrency = with(attempts, 8), --- how many tools run at once
    --- gets a call, shared and the arguments, and gives true, or false and a reason
    approve = func,
    prompt = func, --- gets shared, and gives the prompt
    answer = func, --- gets shared, the text and the reply
  }

  all["llm.tool"], all["llm.agent"], all["llm.conversation"] = TOOL, AGENT, CONVERSATION
  all["llm.new"], all.chat, all.reply, all.stream = CLIENT, CHAT, CHAT, CHAT
  all["llm.replay"], all["llm.fake"] = CLIENT, ANSWER
  all["llm.metered"], all["llm.budget"], all["llm.limit"] = METERED, BUDGET, LIMIT
  all["llm.chunks"] = { tokens = with(count, 500), overlap = with(count_or_0, 50) }
  all.object = OBJECT
end
for _, method in ipairs { "chat", "reply", "stream", "object" } do makers[method] = makers.llm end

function makers.testing(all)
  local errno = rule(function(value) return require "neap.testing.errno"[value] ~= nil end,
    'name of an errno such as "ENOENT"')

  all["testing.run"] = { seed = with(count, 1) }
  all["testing.sweep"] = { seed = count, max_steps = with(count, 10000) }
  ---@class neap.testing.Answer
  all["testing.http"] = {
    status = with(integer, 200), --- the status
    headers = headers, --- the headers
    body = with(text, ""), --- the body
    json = any, --- instead of `body`: a value to encode
    chunks = map, --- instead of `body`: the pieces in which it comes
    delay = with(seconds_or_0, 0), --- the time before the head
    chunk_delay = with(seconds_or_0, 0), --- the time before each piece
    error = text, --- instead of a response: an error message; with `chunks`, it comes after them
    code = with(text, "http"), --- the `code` of that error
    retryable = with(boolean, true), --- the `retryable` of that error
  }
  ---@class neap.testing.Outcome
  all["testing.process"] = {
    stdout = with(text, ""), --- its output
    stderr = with(text, ""), --- its error output
    code = with(integer, 0), --- its exit code
    signal = text, --- instead of a code: the signal that ends it, `"SIGSEGV"`
    delay = with(seconds_or_0, 0), --- the time that it takes
    error = errno, --- instead of all others: the reason why it cannot be started
  }
  ---@class neap.testing.Peer
  all["testing.net"] = {
    text = with(text, ""), --- the bytes that it sends before it closes the connection
    delay = with(seconds_or_0, 0), --- the time until the connection is made
    error = errno, --- instead of a connection: the reason why there is none
  }
end

setmetatable(options, { __index = function(all, where)
  local add = makers[where:match("^%a+")]
  if add then add(all) end
  return rawget(all, where)
end })

--- The names that other libraries use for some of these options, in lower case and without
--- underscores. Names such as delay and parallel are not here, because scripts give them to
--- fields of their own.
---@type table<string, string>
local meant = {
  prepare = "prep", preprocess = "prep", prepasync = "prep",
  execute = "exec", execasync = "exec", call = "exec", runasync = "run",
  execfallback = "process_after_fail", execfallbackasync = "process_after_fail",
  fallback = "process_after_fail", onfail = "process_after_fail",
  onfailure = "process_after_fail", afterfail = "process_after_fail",
  processafterfailure = "process_after_fail", processafterfailasync = "process_after_fail",
  postasync = "post", postprocess = "post", finish = "post",
  maxretry = "max_retries", maxretrys = "max_retries", retries = "max_retries",
  maxattempts = "max_retries", retry = "max_retries",
  maxtries = "max_retries", tries = "max_retries",
  retrywait = "wait", waittime = "wait", retrydelay = "wait", waitms = "wait",
  timeoutms = "timeout", timeouts = "timeout",
  startnode = "start", maxconcurrency = "concurrency", parallelism = "concurrency",
  parameters = "params",
  apikey = "key", token = "key", apibase = "url", baseurl = "url", endpoint = "url",
  apitoken = "key", maxcompletiontokens = "max_tokens", maxoutputtokens = "max_tokens",
  numpredict = "max_tokens", stopsequences = "stop", reasoningeffort = "reasoning",
  thinking = "reasoning", think = "reasoning", systemprompt = "system",
  instructions = "system", extrabody = "extra", vendor = "provider", functions = "tools",
}

return {
  options = options,
  makers = makers,
  meant = meant,
  --- Rules for arguments.
  rules = { seconds = seconds, seconds_or_0 = seconds_or_0, number_or_0 = number_or_0,
    count = count, count_or_0 = count_or_0, func = func, string = text, table = map,
    path = path },
}
