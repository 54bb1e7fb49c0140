--- The options of all functions: the rule for the value of each, its purpose and its
--- default.
-- SPDX-License-Identifier: MIT
--
-- neap.base.options checks by these tables and takes the defaults from them. The options of
-- nodes, runs and small functions are here; those of a module have a file of their own beside
-- this one, which is read when one of them is first needed.
-- spec/lua/base/schema_spec.lua compares them, comments included, with the manual. For
-- editors each table is the class of a function's options: a rule has the type of the
-- values that it accepts.
local rules = require "neap.base.schema.rules"

local rule, with, for_kinds, whole = rules.rule, rules.with, rules.for_kinds, rules.whole
local word, extend, boolean, text = rules.word, rules.extend, rules.boolean, rules.text
local func, map, count, attempts = rules.func, rules.map, rules.count, rules.attempts
local seconds, positive, mode = rules.seconds, rules.positive, rules.mode
local ATTEMPTS = rules.ATTEMPTS

local FLOWS = { Flow = true, BatchFlow = true }
local PLAIN = { Node = true, BatchNode = true }
local MANY = { BatchNode = true, BatchFlow = true, Parallel = true }

---@class neap.NodeOptions
local NODE = {
  prep = func, process_after_fail = func, post = func,
  exec = for_kinds(PLAIN, func),
  name = text, --- for messages, paths and events
  params = map, --- defaults for `self.params`, which params from outside override
  --- the number of attempts of exec, the first included. In a batch it holds for each item,
  --- in a parallel for each branch
  max_retries = ATTEMPTS.max_retries,
  wait = ATTEMPTS.wait, --- the wait before the second attempt
  backoff = ATTEMPTS.backoff, --- the factor for each further wait
  max_wait = ATTEMPTS.max_wait, --- the longest wait
  --- an error that asks for a longer wait ends the attempts
  max_retry_after = ATTEMPTS.max_retry_after,
  jitter = ATTEMPTS.jitter, --- the share of a wait that may be taken off at random
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
  --- of a durable flow: the version of what it is about; a run goes on with the one it has
  version = for_kinds(FLOWS, count),
  --- of a durable flow: what is kept of past steps, `"none"`, `"steps"` (default) or `"values"`
  history = for_kinds(FLOWS, word("none", "steps", "values")),
  --- of a durable flow: how often a run may be begun anew without getting on; default: 3
  max_takeovers = for_kinds(FLOWS, rules.count_or_0),
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

--- The options by the names of functions.
---@type table<string, table<string, neap.Rule>>
local options = {
  Node = NODE,
  run = RUN,
  spawn = RUN,
  ---@class neap.RetryOptions
  retry = extend(ATTEMPTS, { timeout = seconds }),
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
  ---@class neap.CborTypeOptions
  ["cbor.type"] = { save = func, load = func },
  ---@class neap.summary.opts
  summarize = { sentences = with(count, 2), max_chars = with(count, 400) },
}

--- The files with further options, by the first word of the names of their functions.
---@type table<string, string>
local files = { http = "http", events = "http", process = "process", testing = "testing",
  llm = "llm", chat = "llm", reply = "llm", stream = "llm", object = "llm", embed = "llm",
  mcp = "mcp", tools = "mcp", durable = "durable", serve = "serve" }

setmetatable(options, { __index = function(all, where)
  local file = files[where:match("^%a+")]
  if not file then return nil end
  for name, rules_of in pairs(require("neap.base.schema." .. file)) do all[name] = rules_of end
  return rawget(all, where)
end })

-- For functions that are given a client, or are its methods: where the options of the client
-- are given.
local homes = { ["llm.agent"] = "llm.new", ["llm.conversation"] = "llm.new", say = "llm.new",
  chat = "llm.new", reply = "llm.new", stream = "llm.new", object = "llm.new" }

return {
  options = options,
  files = files,
  homes = homes,
  --- Rules for arguments.
  rules = { seconds = seconds, seconds_or_0 = rules.seconds_or_0, number_or_0 = rules.number_or_0,
    count = count, count_or_0 = rules.count_or_0, func = func, string = text, table = map,
    path = rules.path },
}
