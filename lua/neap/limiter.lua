--- Rate limiters: token buckets.
-- SPDX-License-Identifier: MIT
--
-- A bucket holds at most `burst` tokens and gets `rate` new ones every `per`
-- seconds; each action costs tokens. (J. Turner, "New Directions in
-- Communications (or Which Way to the Information Age?)", IEEE Communications
-- Magazine 24(10), 1986, as the leaky bucket.)
local class = require "neap.base.class"
local core = require "neap.core"
local options = require "neap.base.options"
local rules = require "neap.base.schema".rules

local M = {}

---@class neap.Limiter
local Limiter, LimiterMeta = class("neap.limiter")

--- Makes a limiter with a full bucket: `rate` tokens every `per` seconds (default: 1), at
--- most `burst` (default: `rate`) at once.
---@param opts { rate: number, per?: number, burst?: number }
---@return neap.Limiter
function M.new(opts)
  opts = options.take(opts, "limiter")
  if not opts.rate then options.blame("limiter: the option 'rate' is missing") end
  local burst = opts.burst or opts.rate
  return setmetatable({
    rate = opts.rate / opts.per,
    burst = burst,
    tokens = burst,
    since = core.now(), -- the time at which there were `tokens`
    closed_until = 0,
    line = core.semaphore(1), -- first come, first served
  }, LimiterMeta)
end

-- Adds the tokens that are due since the last time. Returns the current time.
local function refill(self)
  local now = core.now()
  self.tokens = math.min(self.burst, self.tokens + (now - self.since) * self.rate)
  self.since = now
  return now
end

--- Waits until the bucket has `cost` tokens, and takes them. If the cost is above `burst`,
--- it waits until the bucket is full, and the calls after it wait for the rest.
---@param cost? number 1 unless given
function Limiter:acquire(cost)
  cost = cost == nil and 1 or cost
  options.argument(1, "acquire", cost, rules.number_or_0)
  local _ <close> = self.line:acquire()
  while true do
    local now = refill(self)
    local missing = math.min(cost, self.burst) - self.tokens
    local wait = math.max(missing / self.rate, self.closed_until - now)
    if wait <= 0 then break end
    core.sleep(wait)
  end
  self.tokens = self.tokens - cost
end

--- Lets nothing through for some time from now, as a server asks for with Retry-After. An
--- earlier penalty that ends later stays.
---@param seconds number 0 or more
function Limiter:penalize(seconds)
  options.argument(1, "penalize", seconds, rules.seconds_or_0)
  self.closed_until = math.max(self.closed_until, core.now() + seconds)
end

return M
