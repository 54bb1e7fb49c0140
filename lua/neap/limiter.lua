--- Limits of rates: token buckets.
-- SPDX-License-Identifier: MIT
--
-- A bucket holds `burst` tokens at most and gets `rate` of them every `per`
-- seconds; what is done costs tokens. (J. Turner, "New Directions in
-- Communications (or Which Way to the Information Age?)", IEEE Communications
-- Magazine 24(10), 1986, as the leaky bucket.)
local class = require "neap.class"
local core = require "neap.core"
local options = require "neap.options"

local M = {}

---@class neap.Limiter
local Limiter, LimiterMeta = class("neap.limiter")

local positive = { function(value)
  return type(value) == "number" and value > 0 and value < math.huge
end, "number above 0" }
local known = { rate = positive, per = positive, burst = positive }

--- Makes a limiter, whose bucket is full.
--- `rate` tokens every `per` seconds (1), at most `burst` (`rate`) at once.
---@param opts { rate: number, per?: number, burst?: number }
---@return neap.Limiter
function M.new(opts)
  opts = options.check(opts, known, "limiter")
  options.expect("limiter", "rate", opts.rate, positive)
  local rate = opts.rate
  local burst = opts.burst or rate
  return setmetatable({
    rate = rate / (opts.per or 1),
    burst = burst,
    tokens = burst,
    since = core.now(), -- when there were so many
    closed_until = 0,
    line = core.semaphore(1), -- first come, first served
  }, LimiterMeta)
end

-- Adds the tokens that have come since. Returns the time.
local function refill(self)
  local now = core.now()
  self.tokens = math.min(self.burst, self.tokens + (now - self.since) * self.rate)
  self.since = now
  return now
end

--- Waits until the bucket has as many tokens as this costs, and takes them. What
--- costs more than a full bucket waits until it is full, and those after it pay
--- the rest in time.
---@param cost? number 1 unless given
function Limiter:acquire(cost)
  cost = cost == nil and 1 or cost
  if math.type(cost) == nil or not (cost >= 0 and cost < math.huge) then
    error("acquire: a cost is a number of 0 or more", 2)
  end
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

--- Lets nobody through for some time from now, as a server asks for with
--- Retry-After. A penalty that ends later stays.
---@param seconds number 0 or more
function Limiter:penalize(seconds)
  if math.type(seconds) == nil or not (seconds >= 0) then -- luacheck: ignore 581
    error("penalize: seconds, 0 or more", 2)
  end
  self.closed_until = math.max(self.closed_until, core.now() + seconds)
end

return M
