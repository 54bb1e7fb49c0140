--- The fake of neap.process: a test plays the programs.
-- SPDX-License-Identifier: MIT
local class = require "neap.base.class"
local core = require "neap.core"
local answers = require "neap.testing.answers"
local fake = require "neap.testing.fake"
local errno_words = require "neap.testing.errno"
local fs = require "neap.fs"
local new_error = require "neap.error".new
local options = require "neap.base.options"
local stream = require "neap.stream"
local streams = require "neap.testing.stream"

local M = {}

--- A program that was started.
---@class neap.testing.Call
---@field command string the program and its arguments, with a space between each two
---@field program string
---@field args string[] its arguments
---@field cwd? string
---@field env? table<string, string|neap.Secret> all of its environment; nil if it was ours.
--- What was given as a secret is one here
---@field input string the bytes that were written to its stdin
---@field signals integer[] the signals that were sent to it
---@field stdin neap.Stream for a function that plays the program: to read from
---@field stdout neap.Stream the same: to write to
---@field stderr neap.Stream

--- A fake of neap.process. A command is written as "git status", its words separated by one
--- space; "*" at its end stands for any text. The longest command that fits is taken. If none
--- fits, starting the program is an error.
---
--- The value of a command is an outcome (a table, or a string that is written to stdout), a
--- function that plays the program, or a list of these, one for each start, the last one
--- again and again. The function gets the call, uses its stdin, stdout and stderr, and may
--- return an outcome.
---@class neap.testing.Process
---@field close fun(self) lets programs be started again
---@field calls neap.testing.Call[] the programs that were started so far
---@field private commands table
---@field private turns table<string, integer>
---@field private real function
local Fake, FakeMeta, begin = fake("neap.testing.Process", function(self)
  core.process.spawn = self.real
end)

-- Signals that end no program unless it says otherwise.
local HARMLESS = { SIGCHLD = true, SIGCONT = true, SIGSTOP = true, SIGTSTP = true, SIGTTIN = true,
  SIGTTOU = true, SIGURG = true, SIGWINCH = true }
local FIRST_PID = 100000
local NAMES = { "stdin", "stdout", "stderr" }

-- The names of signals by their numbers.
local signal_names = {}
for name in ("HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM CHLD CONT "
  .. "STOP TSTP TTIN TTOU URG WINCH"):gmatch("%u+%d?") do
  signal_names[core.process.signal(name)] = "SIG" .. name
end

-- Checks an outcome and returns it as a table.
local function check_outcome(outcome, command)
  return (answers.check(outcome, "testing.process", "stdout", command))
end

local function check_commands(commands)
  answers.check_all(commands, "process", "commands")
  for command, given in pairs(commands) do
    if type(command) ~= "string" or command == "" then
      options.blame(('testing.process: a command is "program argument", got %s')
        :format(tostring(command)))
    end
    for _, outcome in ipairs(answers.is_list(given) and given or { given }) do
      if type(outcome) ~= "function" then check_outcome(outcome, command) end
    end
  end
end

-- The process, like one of neap.core.process.spawn. The program is a task.
local Handle, HandleMeta = class("neap.testing.ProcessHandle")

-- Waits for the end. Returns the exit code and the name of the signal, one of them nil.
function Handle:wait()
  local ok, code, signal = pcall(self.task.await, self.task)
  if ok then return code, signal end
  if self.task.status == "cancelled" and not core.is_cancelled() then
    return nil, self.signal or "SIGTERM"
  end
  error(code, 0)
end

function Handle:pid() return self.number end

-- Sends a signal; false when the program has ended.
function Handle:kill(number)
  if self.task.status ~= "pending" or self.signal then return false end
  local signals = self.call.signals
  signals[#signals + 1] = number
  local name = signal_names[number] or ("signal %d"):format(number)
  if not HARMLESS[name] then
    self.signal = name
    for _, own in ipairs(self.own) do own:close() end
    self.task:cancel()
  end
  return true
end

function Handle:stop() self:kill(core.process.signal("TERM")) end

-- What handles of outputs that are not pipes do with written bytes.
local outputs = {
  null = function() end,
  inherit = function(own, bytes) own.ours(bytes) end,
  file = function(own, bytes) fs.append(own.path, bytes) end,
  append = function(own, bytes) fs.append(own.path, bytes) end,
}

-- Makes the program's end of one of its three streams, and our end if it is a pipe.
local function open(call, i, kind, path)
  local label = ("%s of %s"):format(NAMES[i], call.program)
  if kind == "pipe" then
    local function record(bytes) call.input = call.input .. bytes end
    local ours, own = streams.pair("process", label, label, i == 1 and record or nil)
    return own, ours
  elseif i == 1 then
    return streams.of(kind == "file" and fs.read(path) or "", label)
  end
  if kind == "file" then fs.write(path, "") end
  return { write = outputs[kind], close = function() end, finish = function() end, path = path,
    ours = i == 2 and core.system.write or core.system.say }
end

-- Performs an outcome. Returns the exit code and the signal that ends the program.
local function perform(call, outcome)
  core.sleep(outcome.delay or 0)
  for _, name in ipairs { "stdout", "stderr" } do
    if outcome[name] then
      local ok, err = pcall(call[name].write, call[name], outcome[name])
      -- A program whose output nobody reads does not fail the test.
      local nobody = type(err) == "table" and err.errno == "EPIPE"
      if not ok and (core.is_cancelled() or not nobody) then error(err, 0) end
    end
  end
  if outcome.signal then return nil, outcome.signal end
  return outcome.code or 0
end

-- The task that is the program.
local function play(handle, outcome)
  local call <const>, own <const> = handle.call, handle.own
  local _ <close> = setmetatable({}, { __close = function()
    for i = 1, 3 do own[i]:close() end
  end })
  if type(outcome) == "function" then
    outcome = check_outcome(outcome(call) or {}, call.command)
    if outcome.error then
      error(("testing.process: %s: 'error' is for what was not started, not for what a function "
        .. "gives"):format(call.command), 0)
    end
  end
  return perform(call, outcome)
end

local function variables(list, hidden)
  if not list then return nil end
  local env = {}
  for _, entry in ipairs(list) do
    local name, value = entry:match("^([^=]*)=(.*)$")
    env[name] = hidden[name] or value
  end
  return env
end

-- Stands in for the spawn of neap.core.process.
function Fake:spawn(opts)
  local argv = opts.argv
  local call = { command = table.concat(argv, " "), program = argv[1], cwd = opts.cwd,
    args = table.move(argv, 2, #argv, 1, {}), env = variables(opts.env, opts.hidden), input = "",
    signals = {} }
  self.calls[#self.calls + 1] = call
  local command = answers.longest(self.commands, call.command)
  if not command then
    error(new_error { code = "process", program = call.program, retryable = false,
      message = ("process %s: the fake has no command that fits %q"):format(call.program,
        call.command) }, 0)
  end
  local outcome = answers.take(self.turns, command, self.commands[command])
  if type(outcome) ~= "function" then outcome = check_outcome(outcome, command) end
  if type(outcome) == "table" and outcome.error then
    return nil, "program", errno_words[outcome.error], outcome.error
  end
  local handle = setmetatable({ call = call, own = {}, number = FIRST_PID + #self.calls },
    HandleMeta)
  local ours = {}
  for i, name in ipairs(NAMES) do
    local kind = opts.stdio[i]
    if kind == "stdout" then
      handle.own[i] = handle.own[2]
    else
      handle.own[i], ours[i] = open(call, i, kind, opts.paths[i])
    end
    call[name] = stream.new(handle.own[i])
  end
  handle.task = core.spawn(play, handle, outcome)
  return handle, ours[1] or false, ours[2] or false, ours[3] or false
end

--- Opens the fake.
---@param commands table<string, any>
---@return neap.testing.Process
function M.new(commands)
  check_commands(commands)
  local self = setmetatable({ commands = commands, calls = {}, turns = {},
    real = core.process.spawn }, FakeMeta)
  begin(self)
  core.process.spawn = function(opts) return self:spawn(opts) end
  return self
end

return M
