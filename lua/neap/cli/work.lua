--- `neap work FILE`: works off the runs of a durable app until a signal comes.
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local core = require "neap.core"
local load = require "neap.cli.load"
local report = require "neap.cli.report"
local slow = require "neap.cli.slow"

local M = {}

local known = {
  queue = { value = "NAME or NAME=N", many = true },
  grace = { value = "seconds" },
  quiet = {},
}

-- Longer than anybody works.
local FOREVER <const> = 1e9

local function read_queues(list)
  if not list then return nil end
  local queues = {}
  for _, text in ipairs(list) do
    local name, number = text:match("^(.+)=(%d+)$")
    local concurrency = math.tointeger(tonumber(number))
    if number and not (concurrency and concurrency > 0) or text == "" then
      return nil, ("'--queue' is NAME or NAME=N, got '%s'"):format(text)
    end
    queues[name or text] = { concurrency = concurrency }
  end
  return queues
end

local function read_options(given)
  local queues, problem = read_queues(given.queue)
  if problem then return nil, problem end
  local opts = { queues = queues }
  if given.grace then
    opts.grace = tonumber(given.grace)
    if not (opts.grace and opts.grace >= 0 and opts.grace < FOREVER) then
      return nil, ("'--grace' is in seconds, 0 or more, got '%s'"):format(given.grace)
    end
  end
  return opts
end

-- Says what has ended, beside what the app itself does with its events.
local function tell_ends(app)
  local before = app.on_event
  app.on_event = function(event)
    if event.kind == "ended" or event.kind == "stuck" then
      io.stderr:write(("neap: %s: %s\n"):format(event.id:gsub("%c", "?"), event.status))
    end
    if before then before(event) end
  end
end

-- Works until the task is cancelled, and then as long as it takes to stop. The task that
-- works is shielded, so that the visits under way may end; another one is there to be cancelled.
local function work(app, opts)
  local stopper = neap.spawn(function()
    local _ <close> = setmetatable({}, { __close = function() app:stop() end })
    core.sleep(FOREVER, true)
  end)
  local _ <close> = setmetatable({}, { __close = function() stopper:cancel() end })
  neap.shield(FOREVER, app.work, app, opts)
end

---@param ... string
---@return integer status
function M.main(...)
  local args, status = load.args("work", known, { ... })
  if not args then return status end
  local opts, problem = read_options(args.options)
  problem = problem or slow.watch()
  if problem then return report.misuse("work: " .. problem, "work") end
  local app
  app, problem = load.app(args.file, args.rest)
  if not app then return report.failure("work: " .. problem) end
  if not args.options.quiet then tell_ends(app) end
  local ok, err = pcall(work, app, opts)
  if ok then return 0 end
  if core.is_cancelled() then error(err, 0) end
  return report.failure("work: " .. report.text_of(err))
end

return M
