--- Limits of a key: how many requests and tokens a vendor takes in some time, and how many
--- requests at once.
-- SPDX-License-Identifier: MIT
--
-- Requests and tokens are buckets, as those of neap.limiter, that are filled again within
-- `per` seconds. A request takes what it may need, and puts back what it has not used. What a
-- vendor says about its own buckets makes another one of each kind, which holds as well.
local class = require "neap.base.class"
local concurrent = require "neap.task.concurrent"
local core = require "neap.core"
local options = require "neap.base.options"
local rates = require "neap.llm.rate"

local M = {}

---@class neap.llm.Limit
local _, LimitMeta = class("neap.llm.Limit")

---@class neap.llm.Hold what a request has of a limit
---@field tokens integer what it may need
---@field place? table the guard of a semaphore
---@field is_taken? boolean it has what it needs

-- What limits know, by the limit.
local private = setmetatable({}, { __mode = "k" })

-- The shortest wait, in seconds: what is missing may be an error of rounding.
local SHORTEST = 0.001

local function bucket(size, per)
  return size and { size = size, rate = size / per, level = size, since = core.now() } or nil
end

--- Makes a limit.
---@param opts neap.llm.LimitOptions
---@return neap.llm.Limit
function M.new(opts)
  opts = options.take(opts, "llm.limit")
  if not (opts.requests or opts.tokens or opts.concurrency) then
    options.blame(
      "llm.limit: one of the options 'requests', 'tokens' and 'concurrency' is needed")
  end
  local limit = setmetatable({}, LimitMeta)
  private[limit] = {
    requests = bucket(opts.requests, opts.per), tokens = bucket(opts.tokens, opts.per),
    told = {}, -- the buckets of the vendor, as it says
    places = opts.concurrency and core.semaphore(opts.concurrency),
    line = core.semaphore(1), -- first come, first served
    changed = core.event(), -- something was put back
    closed_until = core.now(),
  }
  return limit
end

--- Whether a value is a limit.
---@param value any
---@return boolean
function M.is(value)
  return private[value] ~= nil
end

-- The seconds until a bucket has so much, or is full.
local function seconds_until(self, amount)
  if not self then return 0 end
  local now = core.now()
  self.level = math.min(self.size, self.level + (now - self.since) * self.rate)
  self.since = now
  local missing = math.min(amount, self.size) - self.level
  return missing > 0 and missing / self.rate or 0
end

-- The seconds until there is so much of what was asked for, also by what the vendor has said.
-- That counts for some time only.
local function seconds_for(own, what, amount)
  local told = own.told[what]
  local left = told and told.expires - core.now() or 0
  if left <= 0 then own.told[what], told = nil, nil end
  return math.max(seconds_until(own[what], amount), math.min(seconds_until(told, amount), left))
end

-- Waits for some time, or until something was put back.
local function wait(own, seconds)
  own.changed:clear()
  local ok, err = pcall(concurrent.timeout, math.max(seconds, SHORTEST), own.changed.wait,
    own.changed)
  local has_passed = ok or type(err) == "table" and err.code == "timeout"
  if not has_passed or core.is_cancelled() then error(err, 0) end
end

-- Puts an amount into the buckets; a negative one is taken.
local function put(own, what, amount)
  for _, each in pairs { own[what], own.told[what] } do each.level = each.level + amount end
end

--- Waits, in line, until a request may be sent, and takes what it may need. What it has got
--- is in the hold, also where this raises.
---@param limit neap.llm.Limit
---@param hold neap.llm.Hold
function M.acquire(limit, hold)
  local own = private[limit]
  hold.place = own.places and own.places:acquire()
  local _ <close> = own.line:acquire()
  while true do
    local seconds = math.max(seconds_for(own, "requests", 1),
      seconds_for(own, "tokens", hold.tokens), own.closed_until - core.now())
    if seconds <= 0 then break end
    wait(own, seconds)
  end
  put(own, "requests", -1)
  put(own, "tokens", -hold.tokens)
  hold.is_taken = true
end

--- Puts back what a request has not used, at its end.
---@param limit neap.llm.Limit
---@param hold neap.llm.Hold
---@param used? integer its tokens; nil: it was not sent
function M.release(limit, hold, used)
  local own, place, is_taken = private[limit], hold.place, hold.is_taken
  hold.place, hold.is_taken = nil, nil -- first, for a finalizer may release it, too
  if is_taken then
    put(own, "tokens", hold.tokens - (used or 0))
    put(own, "requests", used and 0 or 1)
    own.changed:set()
  end
  if place then place:release() end
end

--- Lets nothing be sent for so many seconds, as a server has asked for.
---@param limit neap.llm.Limit
---@param seconds number
function M.close(limit, seconds)
  local own = private[limit]
  own.closed_until = math.max(own.closed_until, core.now() + seconds)
end

-- The bucket of a vendor, by what it says and what was known of it before. It is filled as
-- fast as it will be full by its reset; where its size is not known, at the reset.
local function told_of(rate, before, mine, longest)
  local now = core.now()
  local told = { size = rate.size or mine.size, rate = mine.rate, since = now,
    level = rate.left, expires = now + longest }
  if before then
    seconds_until(before, 0)
    told.level = math.min(before.level, rate.left)
  end
  local reset = rate.reset
  local missing = rate.size and rate.size - rate.left or 0
  if reset and reset > 0 and missing > 0 then
    told.rate = missing / reset
  elseif reset and not rate.size then
    told.rate, told.expires = 0, now + math.min(reset, longest)
  end
  return told
end

--- Takes over what a vendor says is left, and when it is reset.
---@param limit neap.llm.Limit
---@param headers table<string, string> of a response
---@param longest number the seconds that may be waited for it at most
function M.obey(limit, headers, longest)
  local own = private[limit]
  for what, rate in pairs(rates.of(headers)) do
    local mine = own[what]
    if mine then own.told[what] = told_of(rate, own.told[what], mine, longest) end
  end
end

return M
