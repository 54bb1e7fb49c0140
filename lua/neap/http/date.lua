--- The dates of HTTP, and the wait that a server asks for.
-- SPDX-License-Identifier: MIT
local core = require "neap.core"

local M = {}

local MONTHS = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep",
  "Oct", "Nov", "Dec" }
for number, name in ipairs(MONTHS) do
  MONTHS[name] = number
end

-- The three forms of a date, RFC 9110 section 5.6.7, as patterns and the order
-- of what they capture.
local DATES = {
  { "^%a%a%a, (%d%d) (%a%a%a) (%d%d%d%d) (%d%d):(%d%d):(%d%d) GMT$",
    "day", "month", "year", "hour", "min", "sec" },
  { "^%a+, (%d%d)%-(%a%a%a)%-(%d%d) (%d%d):(%d%d):(%d%d) GMT$",
    "day", "month", "year", "hour", "min", "sec" },
  { "^%a%a%a (%a%a%a) ([ %d]%d) (%d%d):(%d%d):(%d%d) (%d%d%d%d)$",
    "month", "day", "hour", "min", "sec", "year" },
}

-- The seconds of a year, on average.
local YEAR <const> = 31556952

-- Returns the seconds since 1970 of a date in GMT. Years are counted from March on, so that
-- the day that some of them have more is their last.
local function seconds_of(date)
  local year = date.month > 2 and date.year or date.year - 1
  local before = (153 * ((date.month + 9) % 12) + 2) // 5 -- days of the months before
  local days = 365 * year + year // 4 - year // 100 + year // 400 + before + date.day - 719469
  return ((days * 24 + date.hour) * 60 + date.min) * 60 + date.sec
end

-- Returns the seconds since 1970 of an HTTP date; nil for any other text.
local function parse_date(text)
  for _, form in ipairs(DATES) do
    local found = { text:match(form[1]) }
    if #found > 0 then
      local date = {}
      for i, value in ipairs(found) do
        date[form[i + 1]] = MONTHS[value] or tonumber(value)
      end
      if not date.month then return nil end
      if date.year < 100 then
        -- Section 5.6.7: not more than 50 years in the future.
        local this_year = 1970 + core.system.time() // YEAR
        date.year = date.year + this_year - this_year % 100
        if date.year > this_year + 50 then date.year = date.year - 100 end
      end
      return seconds_of(date)
    end
  end
end

-- Returns the seconds since 1970 of a time of RFC 3339; nil for any other text.
local function parse_time(text)
  local year, month, day, hour, min, sec, zone =
    text:match("^(%d%d%d%d)-(%d%d)-(%d%d)[Tt ](%d%d):(%d%d):(%d%d%.?%d*)(.*)$")
  if not year then return nil end
  local sign, hours, minutes = zone:match("^([+-])(%d%d):(%d%d)$")
  if not sign and zone ~= "Z" and zone ~= "z" then return nil end
  local whole = math.tointeger(tonumber(sec) // 1)
  local ahead = sign and (hours * 3600 + minutes * 60) * (sign == "-" and -1 or 1) or 0
  return seconds_of { year = tonumber(year), month = tonumber(month), day = tonumber(day),
    hour = tonumber(hour), min = tonumber(min), sec = whole } + tonumber(sec) % 1 - ahead
end

-- Returns the seconds since 1970 that it is: by the server's own clock if the response tells.
local function now_of(headers)
  return parse_date(headers["date"] or "") or core.system.time()
end

--- Returns the seconds until a time of RFC 3339; 0 if it has passed, nil for any other text.
--- It is compared with the server's own clock if the response tells that.
---@param text string
---@param headers table<string, string> of a response
---@return number|nil
function M.seconds_to(text, headers)
  local when = parse_time(text)
  return when and math.max(0, when - now_of(headers))
end

--- Returns the seconds that a Retry-After header (RFC 9110 section 10.2.3) asks for. A date
--- is compared with the server's own clock if the response tells it. Nil if there is no
--- valid header.
---@param headers table<string, string> of a response
---@return number|nil seconds
function M.retry_after(headers)
  local value = headers["retry-after"] or ""
  local seconds, when = value:match("^%s*(%d+)%s*$"), parse_date(value)
  if seconds then
    return tonumber(seconds)
  elseif when then
    return math.max(0, when - now_of(headers))
  end
end

return M
