--- What vendors say in headers about the limits of a key: what is left, and when it is all
--- there again.
-- SPDX-License-Identifier: MIT
local seconds_to = require "neap.http.date".seconds_to

local M = {}

---@class neap.llm.Rate
---@field left integer
---@field size? integer all that there may be
---@field reset? number seconds until all of it is there again

-- The headers with size, what is left and when it is reset, by what is counted.
local NAMES = {
  requests = {
    { "x-ratelimit-limit-requests", "x-ratelimit-remaining-requests",
      "x-ratelimit-reset-requests" },
    { "anthropic-ratelimit-requests-limit", "anthropic-ratelimit-requests-remaining",
      "anthropic-ratelimit-requests-reset" },
  },
  tokens = {
    { "x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens" },
    { "anthropic-ratelimit-tokens-limit", "anthropic-ratelimit-tokens-remaining",
      "anthropic-ratelimit-tokens-reset" },
  },
}

local UNITS = { ms = 0.001, s = 1, m = 60, h = 3600, d = 86400 }

-- The seconds of a duration, "6m0s", "12ms" or "1.5"; nil for another text.
local function duration(text)
  local seconds, rest = 0, text
  if tonumber(text) then return tonumber(text) end
  while rest ~= "" do
    local number, unit, behind = rest:match("^(%d+%.?%d*)(%a+)(.*)$")
    if not number or not UNITS[unit] then return nil end
    seconds, rest = seconds + tonumber(number) * UNITS[unit], behind
  end
  return text ~= "" and seconds or nil
end

-- A count, nil for what is none: some servers send -1 where they have no limit.
local function count(text)
  local number = tonumber(text)
  return number and number >= 0 and number or nil
end

--- Reads the headers of a response.
---@param headers table<string, string>
---@return table<"requests"|"tokens", neap.llm.Rate> what is said
function M.of(headers)
  local all = {}
  for what, forms in pairs(NAMES) do
    for _, names in ipairs(forms) do
      local left, reset = count(headers[names[2]]), headers[names[3]]
      if left then
        reset = type(reset) == "string" and (duration(reset) or seconds_to(reset, headers)) or nil
        local size = count(headers[names[1]])
        all[what] = { left = left, size = size and size > 0 and size or nil,
          reset = reset and reset >= 0 and reset or nil }
      end
    end
  end
  return all
end

return M
