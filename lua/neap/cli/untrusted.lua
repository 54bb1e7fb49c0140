--- `neap run --untrusted FILE`: runs the flow of a file that nobody trusts, in a Lua state of
--- its own that has no more rights than it is granted.
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local core = require "neap.core"
local new_box = require "neap.cli.box"
local report = require "neap.cli.report"

local M = {}

-- Seconds of a slice: so soon the command sees that it is cancelled, also while the script
-- computes.
local SLICE <const> = 0.01
-- Seconds that a script has to clean up when it is cancelled.
local PATIENCE <const> = 1

local units = { [""] = 1, K = 1024, M = 1024 ^ 2, G = 1024 ^ 3 }

--- Reads a number of bytes: "64M".
---@param text string
---@return integer|nil
function M.bytes(text)
  local number, unit = text:match("^(%d+)([KMG]?)$")
  local bytes = number and math.tointeger(tonumber(number) * units[unit])
  return bytes and bytes > 0 and bytes or nil
end

--- Reads a duration: "50ms", "1s", "0.5".
---@param text string
---@return number|nil seconds
function M.seconds(text)
  local number, unit = text:match("^(%d*%.?%d+)(m?s?)$")
  if unit == "m" then return nil end
  local seconds = tonumber(number)
  return seconds and seconds > 0 and seconds / (unit == "ms" and 1000 or 1) or nil
end

-- Runs slices until the script has ended, or until `deadline`. Returns whether it has ended.
local function drive(box, deadline)
  while true do
    if box:slice(SLICE) then return true end
    local left = deadline and deadline - neap.now()
    if left and left <= 0 then return false end
    core.sleep(0) -- lets others run while the script computes
    local ok, err = true, nil
    if left then
      ok, err = pcall(neap.timeout, left, box.wait, box)
    else
      box:wait()
    end
    if not ok and (core.is_cancelled() or err.code ~= "timeout") then error(err, 0) end
  end
end

-- Cancels the script, and gives it some time to clean up.
local function cancel(box)
  box:cancel()
  neap.shield(PATIENCE + 1, function() drive(box, neap.now() + PATIENCE) end)
end

-- Control characters other than newline and tab, which could command a terminal.
local CONTROL <const> = "[\0-\8\11-\31\127]"

local function printer(to_stderr)
  local files = { to_stderr and io.stderr or io.stdout, io.stderr }
  local guarded = { core.isatty(to_stderr and 2 or 1), core.isatty(2) }
  return function(fd, text)
    if guarded[fd] then text = text:gsub(CONTROL, "?"):gsub("\xC2[\x80-\x9F]", "?") end
    files[fd]:write(text)
    files[fd]:flush()
  end
end

-- The outcome of a script that did not come to its end by itself.
local function failed(code, message)
  return { error = { code = code, message = message } }
end

-- Runs the script in the box and returns its outcome.
local function perform(box, file, text, given, rest)
  box:start(text, file, neap.json.encode(given.options), table.unpack(rest))
  local guard = setmetatable({}, { __close = function(_, err)
    if err ~= nil and core.is_cancelled() then pcall(cancel, box) end
  end })
  local _ <close> = guard
  local deadline = given.timeout and neap.now() + given.timeout
  local ok, ended = pcall(drive, box, deadline)
  if not ok then
    if core.is_cancelled() then error(ended, 0) end
    return failed(ended.code, report.text_of(ended))
  end
  if not ended then
    cancel(box)
    return failed("timeout", ("%s: timed out after %g s"):format(file, given.timeout))
  end
  local outcome, message, code = box:result()
  if outcome then return neap.json.decode(outcome) end
  return failed(code or "user", message or "the script has failed")
end

---@class neap.Untrusted
---@field grants string[]
---@field memory integer bytes
---@field compute number seconds
---@field output integer bytes
---@field timeout number|nil seconds
---@field options table for neap.cli.inside

--- Runs a file. Raises only cancellations.
---@param file string "-" for standard input
---@param rest string[] its arguments
---@param given neap.Untrusted
---@param to_stderr boolean what it prints goes there
---@return table|nil outcome
---@return string|nil problem with the grants
function M.run(file, rest, given, to_stderr)
  local text, problem
  if file == "-" then
    text, problem = io.stdin:read("a")
  else
    text, problem = core.system.read_file(file)
  end
  if not text then return failed("file", problem) end
  local made, box, why = pcall(new_box, { grants = given.grants, memory = given.memory,
    output = given.output, compute = math.floor(given.compute * 1e9) }, printer(to_stderr))
  if not made then return failed("sandbox", report.text_of(box)) end
  if not box then return nil, why end
  local _ <close> = box
  -- A first line for the shell, and the mark of UTF-8, are no Lua.
  text = text:gsub("^\xEF\xBB\xBF", ""):gsub("^#[^\n]*", "")
  local done, outcome = pcall(perform, box, file, text, given, rest)
  if done then return outcome end
  if core.is_cancelled() then
    return failed("cancelled", ("cancelled in %s"):format(file))
  end
  return failed("sandbox", report.text_of(outcome))
end

return M
