--- The options of durable runs.
-- SPDX-License-Identifier: MIT
local rules = require "neap.base.schema.rules"

local rule, with, whole, word = rules.rule, rules.with, rules.whole, rules.word
local map, func, text, count = rules.map, rules.func, rules.text, rules.count
local seconds, seconds_or_0, boolean = rules.seconds, rules.seconds_or_0, rules.boolean

local id = rule(function(value)
  return type(value) == "string" and value ~= "" and #value <= 1000
    and not value:find("%z")
end, "string of 1 to 1000 bytes without a zero byte")
local status = word("queued", "running", "waiting", "paused", "stuck", "done", "failed",
  "cancelled", "poisoned")
local tags = rule(function(value)
  if type(value) ~= "table" then return false end
  for key, each in pairs(value) do
    if type(key) ~= "string" or type(each) ~= "string" then return false end
  end
  return true
end, "table of strings by name")

local DAY <const> = 86400

---@class neap.durable.Options
local DURABLE = {
  store = rule(function(value) return require "neap.store".is(value) end, "store"), --- required
  flows = map, --- the flows by their names; required
  --- sets what `shared` needs and cannot be saved, as clients: called when a run begins and
  --- when it goes on. What it sets is not saved
  attach = func,
  tags = func, --- gives the tags of a run, strings by name, from its `shared`
  lease = with(seconds, 3), --- after so long without news, others take over a worker's runs
  keep = with(seconds_or_0, 7 * DAY), --- how long runs are kept that are done or cancelled
  keep_failed = with(seconds_or_0, 30 * DAY), --- and those that failed
  max_queued = with(rules.count_or_0, 0), --- more queued runs are refused with `"full"`; 0: none
  store_timeout = seconds, --- how long a save is tried while the store cannot do it; default: on
  on_event = func, --- told of `saved`, `claimed`, `fenced`, `ended`, `stuck`, `store`
}

---@class neap.durable.StartOptions
local START = {
  id = id, --- names the run: starting it twice is starting it once; default: a random one
  shared = map, --- the shared store
  params = map, --- the params from outside
  queue = id, --- default: `"default"`
  priority = with(whole(0, 9), 0), --- 9 goes first
  delay = seconds_or_0, --- how long it is not to begin
  at = seconds_or_0, --- when it is to begin, in seconds since 1970
  tags = tags, --- strings by name
  keep = seconds_or_0, --- how long it is kept at least when it has ended
}

---@class neap.durable.WorkOptions
local WORK = {
  queues = map, --- options by the names of queues; default: `default` alone
  grace = with(seconds_or_0, 10), --- how long visits may go on when the app is stopped
}

---@class neap.durable.QueueOptions
local QUEUE = {
  concurrency = with(count, 200), --- runs at once
  rate = rules.positive, --- runs that this worker begins or goes on with in a second; default: any
}

---@class neap.durable.ListOptions
local LIST = {
  flow = text, --- the name of the flow
  status = status, --- one status
  statuses = map, --- or a list of them
  tags = tags, --- runs that have all of these
  since = seconds_or_0, --- made then or later, in seconds since 1970
  after = count, --- `next` of the page before
  limit = with(whole(1, 1000), 100), --- runs of a page
}

return {
  durable = DURABLE, ["durable.start"] = START, ["durable.work"] = WORK,
  ["durable.queue"] = QUEUE, ["durable.runs"] = LIST,
  ---@class neap.durable.PruneOptions
  ["durable.prune"] = {
    ended_before = seconds_or_0, --- all that ended before, in seconds since 1970
    limit = count, --- runs at most; default: 1000
  },
  ---@class neap.durable.ForkOptions
  ["durable.fork"] = {
    at = rules.count_or_0, --- the `seq` of a save; default: the last
    shared = func, --- changes the shared store of the new run, or returns another
    id = id, --- of the new run; default: a random one
  },
  ---@class neap.durable.WaitOptions
  ["durable.wait_for"] = { timeout = seconds }, --- the limit of the wait
  ---@class neap.store.SqliteOptions
  ["durable.sqlite"] = {
    --- `"full"`: what is saved survives power cuts; `"normal"`: they may take back the last
    --- steps, but tear none
    sync = with(word("full", "normal"), "full"),
    read_only = with(boolean, false), --- nothing can be written
  },
  ["durable.signal"] = { id = id },
}
