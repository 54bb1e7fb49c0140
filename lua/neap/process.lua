--- Programs: started without a shell, talked to, waited for and ended.
-- SPDX-License-Identifier: MIT
local class = require "neap.class"
local concurrent = require "neap.concurrent"
local core = require "neap.core"
local new_error = require "neap.error".new
local options = require "neap.options"
local stream = require "neap.stream"

local M = {}

---@alias neap.process.Input "inherit"|"null"|{ file: string }
---@alias neap.process.Stdio "pipe"|"inherit"|"null"|{ file: string }|{ append: string }

---@class neap.process.SpawnOptions
---@field [integer] string|number the program, without a slash looked for in PATH,
--- and its arguments
---@field cwd? string the folder it runs in; default: ours
---@field env? table<string, string|number|false> added to our environment; false takes
--- a variable away
---@field stdin? "pipe"|neap.process.Input default: "pipe"
---@field stdout? neap.process.Stdio default: "pipe"
---@field stderr? neap.process.Stdio|"stdout" default: "inherit"
---@field grace? number seconds from SIGTERM to SIGKILL when it is made to end; default: 2

---@class neap.process.RunOptions
---@field [integer] string|number the program, without a slash looked for in PATH,
--- and its arguments
---@field cwd? string the folder it runs in; default: ours
---@field env? table<string, string|number|false> added to our environment; false takes
--- a variable away
---@field stdin? string|neap.process.Input|{ text: string } a string that it reads, but for
--- the words "inherit" (our own standard input) and "null"; a file; or in any case a text;
--- default: "null", nothing
---@field stdout? neap.process.Stdio default: "pipe", into the result
---@field stderr? neap.process.Stdio|"stdout" default: "pipe", into the result
---@field grace? number seconds from SIGTERM to SIGKILL when it is made to end; default: 2
---@field timeout? number seconds until it is made to end; default: no limit
---@field max_output? integer bytes of each output; default: 64 MiB
---@field check? boolean raise an error unless it ends with 0; default: false
---@field wait_for? "outputs"|"leader" until when run waits: until the program has ended and
--- nobody can write to its outputs any more (the default), or until the program has ended,
--- though what it has started still has them

---@class neap.process.Result
---@field ok boolean whether the exit code is 0
---@field code? integer the exit code; nil when a signal ended it
---@field signal? string the signal that ended it: "SIGTERM"

---@class neap.process.Output: neap.process.Result
---@field stdout? string what it wrote, where that was "pipe"
---@field stderr? string

local GRACE = 2
local MAX_OUTPUT = 64 * 1024 * 1024
local MAX_SIGNAL = 64 -- of Linux

local function is_text(value)
  return type(value) == "string" or type(value) == "number"
end

local function is_path(value)
  return type(value) == "string" and value ~= "" and not value:find("\0", 1, true)
end

-- A test for an option that is one of these words, or a table with one of these
-- keys alone, whose value passes a test of its own.
local function one_of(words, keys)
  return function(value)
    if type(value) ~= "table" then return words[value] ~= nil end
    local key, inner = next(value)
    return keys[key] ~= nil and keys[key](inner) and next(value, key) == nil
  end
end

local WORDS = { pipe = true, inherit = true, null = true }
local FILES = { file = is_path, append = is_path }
local INPUT = {
  one_of(WORDS, { file = is_path }), '"pipe", "inherit", "null" or { file = path }' }
local OUTPUT = {
  one_of(WORDS, FILES), '"pipe", "inherit", "null", { file = path } or { append = path }' }
local ERRORS = {
  one_of({ pipe = true, inherit = true, null = true, stdout = true }, FILES),
  '"pipe", "inherit", "null", "stdout", { file = path } or { append = path }' }

-- What a program that is run reads: a string is the text, unless it is one of
-- the words. "pipe" makes no sense, for nobody could write to it.
local RUN_WORDS = { inherit = true, null = true }
local is_source = one_of(RUN_WORDS, {
  file = is_path, text = function(value) return type(value) == "string" end })

local function is_run_input(value)
  return is_source(value) or type(value) == "string" and value ~= "pipe"
end

-- Returns the text that a program is to read, nil where it has another source.
local function text_of(input)
  if type(input) == "table" then return input.text end
  return not RUN_WORDS[input] and input or nil
end

-- What each option must be, and how that is called.
local SPAWN = {
  cwd = { is_path, "path" },
  env = options.table,
  stdin = INPUT,
  stdout = OUTPUT,
  stderr = ERRORS,
  grace = { function(v) return type(v) == "number" and v >= 0 end, "number of seconds from 0" },
}
local RUN = {
  cwd = SPAWN.cwd,
  env = SPAWN.env,
  stdin = {
    is_run_input,
    'string that it reads, "inherit", "null", { file = path } or { text = string }' },
  stdout = OUTPUT,
  stderr = ERRORS,
  grace = SPAWN.grace,
  timeout = options.seconds,
  max_output = options.count(1),
  check = options.boolean,
  wait_for = { one_of({ leader = true, outputs = true }, {}), '"leader" or "outputs"' },
}

-- Returns the program and its arguments, and the options.
local function parse(given, known, what)
  local function blame(format, ...)
    error(("%s: %s"):format(what, format:format(...)), 4)
  end
  if type(given) ~= "table" then
    blame("a table with a program and its arguments expected, got a %s", type(given))
  end
  local argv, opts = {}, {}
  for key, value in pairs(given) do
    if math.type(key) == "integer" then argv[key] = value else opts[key] = value end
  end
  if argv[1] == nil then blame("no program") end
  local count = 0
  for _ in pairs(argv) do count = count + 1 end
  if count ~= #argv then blame("the arguments have a gap") end
  for i, word in ipairs(argv) do
    local name = i == 1 and "the program" or ("argument %d"):format(i - 1)
    if not is_text(word) then blame("%s is a %s, not a string", name, type(word)) end
    argv[i] = tostring(word)
    if argv[i]:find("\0", 1, true) then blame("%s has a zero byte", name) end
  end
  if argv[1] == "" then blame("the program is an empty string") end
  options.check(opts, known, what)
  for name, value in pairs(opts.env or {}) do
    if type(name) ~= "string" or name == "" or name:find("[=%z]") then
      blame("the name of a variable is a string without '=', got %s",
        type(name) == "string" and ("%q"):format(name) or type(name))
    elseif value ~= false and (not is_text(value) or tostring(value):find("\0", 1, true)) then
      blame("the variable %s is a string without a zero byte, or false", name)
    end
  end
  return argv, opts
end

-- Returns our environment with changes, as a list; nil without.
local function environment(changes)
  if not changes then return nil end
  local all, list = core.process.environment(), {}
  for name, value in pairs(changes) do all[name] = value or nil end
  for name, value in pairs(all) do list[#list + 1] = name .. "=" .. tostring(value) end
  return list
end

local STREAMS = { "stdin", "stdout", "stderr" }

-- The failures after which the same may well succeed later.
local TRANSIENT = { EMFILE = true, ENFILE = true, EAGAIN = true, ENOMEM = true, ETXTBSY = true }

-- Raises the error for a program that was not started.
local function refuse(what, argv, opts, part, why, errno)
  local path, about
  if part == "cwd" then
    path, about = opts.cwd, ("cannot run in %s: "):format(opts.cwd)
  elseif type(opts[part]) == "table" then
    path = opts[part].file or opts[part].append
    about = ("%s, %s: "):format(part, path)
  end
  local final -- false where trying again is of no use
  if errno and not TRANSIENT[errno] then final = false end
  error(new_error {
    code = "process",
    message = ("%s %s: %s%s"):format(what, argv[1], about or "", why),
    program = argv[1],
    path = path,
    errno = errno,
    retryable = final,
  }, 0)
end

---@class neap.Process
---@field pid integer
---@field program string as it was given
---@field stdin? neap.Stream to write to, where it is "pipe"
---@field stdout? neap.Stream to read from, where it is "pipe"
---@field stderr? neap.Stream the same
---@field private handle table the process itself
local Process, ProcessMeta = class("neap.Process")

-- Makes a stream of one of a program's. What the program has started may be at
-- its other end, and ends when nobody has the process any more; whoever has the
-- stream has it.
local function stream_of(handle, process)
  if not handle then return nil end
  local made = stream.new(handle)
  made.process = process
  return made
end

-- Starts a program that belongs to the task that runs.
local function start(what, argv, opts)
  core.may_wait(what)
  local stdio, paths = {}, {}
  for i, name in ipairs(STREAMS) do
    local kind = opts[name]
    if type(kind) == "table" then
      stdio[i], paths[i] = next(kind)
    else
      stdio[i] = kind
    end
  end
  local handle, stdin, stdout, stderr = core.process.spawn {
    argv = argv, env = environment(opts.env), cwd = opts.cwd, stdio = stdio, paths = paths,
    -- In a group of its own it could not read from the terminal.
    same_group = opts.stdin == "inherit" and core.isatty(0),
    grace = opts.grace or GRACE,
  }
  if not handle then refuse(what, argv, opts, stdin, stdout, stderr) end
  local started = setmetatable({ handle = handle, pid = handle:pid(), program = argv[1],
    stdin = stream_of(stdin, handle), stdout = stream_of(stdout, handle),
    stderr = stream_of(stderr, handle) }, ProcessMeta)
  local ok, err = pcall(core.sleep, 0) -- others run
  if not ok then
    started:close()
    error(err, 0)
  end
  return started
end

--- Starts a program and gives its process, with streams to write to and to read
--- from. Waits for a turn of the loop, so that others run.
---
--- The program gets its arguments as they are; no shell looks at them. It leads
--- a group of processes of its own, unless its stdin is our terminal, which only
--- our group may read. It belongs to the task that runs: when that ends, or the
--- attempt that it is in fails, the program is ended as by `close`. Streams that
--- nobody reads from hold it up once 64 KiB are in them.
---
--- Raises an error object of code "process" with `program` and `errno` when it
--- cannot be started, with `path` where a folder or file was missing.
---@param opts neap.process.SpawnOptions
---@return neap.Process
function M.spawn(opts)
  local argv, given = parse(opts, SPAWN, "process.spawn")
  given.stdin = given.stdin or "pipe"
  given.stdout = given.stdout or "pipe"
  given.stderr = given.stderr or "inherit"
  local started = start("process.spawn", argv, given)
  return started
end

--- Waits for the end of the program. Any number of tasks may. What is left in
--- its streams can be read all the same.
---@return neap.process.Result
function Process:wait()
  local code, signal, why = self.handle:wait()
  if why then
    error(new_error { code = "process", program = self.program,
      message = ("wait for %s: %s"):format(self.program, why) }, 0)
  end
  return { ok = code == 0, code = code, signal = signal }
end

--- Sends a signal to the program and what it has started in its group.
---@param signal? string|integer "SIGTERM" (the default), "TERM", 15, ...
---@return boolean sent false when the program has ended
function Process:kill(signal)
  if signal == nil then signal = "SIGTERM" end
  local number = signal
  if type(signal) == "string" then number = core.process.signal(signal) end
  if math.type(number) ~= "integer" or number < 1 or number > MAX_SIGNAL then
    error(("kill: the name or the number of a signal expected, got %s")
      :format(type(signal) == "string" and ("%q"):format(signal) or tostring(signal)), 2)
  end
  local sent, why = self.handle:kill(number)
  if sent == nil then
    error(new_error { code = "process", program = self.program,
      message = ("kill %s: %s"):format(self.program, why) }, 0)
  end
  return sent
end

--- Closes the streams and has the program end if it has not: it gets SIGTERM,
--- and after its `grace` SIGKILL; what it has left behind in its group then gets
--- SIGKILL, too, or at once if the program had ended before. Does not wait for
--- that, `wait` does. A `<close>` variable does the same.
function Process:close()
  for _, name in ipairs(STREAMS) do
    if self[name] then self[name]:close() end
  end
  self.handle:stop()
end

ProcessMeta.__close = Process.close

-- Writes what a program is to read. That it does not want all of it is its own
-- affair.
local function feed(into, bytes)
  local ok, err = pcall(into.write, into, bytes)
  if not ok and (type(err) ~= "table" or err.errno ~= "EPIPE") then error(err, 0) end
  into:close()
end

-- What one output has given so far.
local function new_sink(from, max, what)
  return { from = from, max = max, what = what, size = 0 }
end

local function add(sink, piece)
  sink.size = sink.size + #piece
  if sink.size > sink.max then
    error(new_error { code = "process", retryable = false,
      message = ("%s: more than %d bytes of output"):format(sink.what, sink.max) }, 0)
  end
  sink[#sink + 1] = piece
end

-- Reads all of an output.
local function drain(sink)
  for piece in sink.from:chunks() do add(sink, piece) end
end

-- Reads what an output has at this moment, however long others may go on to
-- write to it.
local function drain_available(sink)
  local left = sink.from.handle:available()
  while left > 0 do
    local piece = sink.from:read_some()
    if not piece then return end
    add(sink, piece)
    left = left - #piece
  end
end

-- Feeds a program and reads its outputs until it has ended, and with them when
-- they have, unless only the program is to be waited for.
local function collect(started, input, outputs, leader_only)
  local jobs = {}
  if input then
    jobs[#jobs + 1] = function() feed(started.stdin, input) end
  end
  for _, sink in pairs(outputs) do
    jobs[#jobs + 1] = function() drain(sink) end
  end
  local function ended() return started:wait() end
  if not leader_only then
    concurrent.gather(jobs)
    return ended()
  end
  local result = concurrent.race { ended, function()
    concurrent.gather(jobs)
    return ended()
  end }
  for _, sink in pairs(outputs) do drain_available(sink) end
  return result
end

-- Adds what has come to a result or an error.
local function add_outputs(to, outputs)
  for name, sink in pairs(outputs) do to[name] = table.concat(sink) end
  return to
end

-- The last line that is not empty, to be told with a failure.
local function last_line(text)
  local line = text and text:match("([^\n]*%S[^\n]*)%s*$")
  return line and ": " .. line:sub(1, 200) or ""
end

-- Raises the error for a program that did not end with 0.
local function complain(what, program, result)
  local how = result.signal and ("ended by %s"):format(result.signal)
    or ("exit code %d"):format(result.code)
  error(new_error {
    code = "process",
    message = ("%s: %s%s"):format(what, how, last_line(result.stderr)),
    program = program,
    status = result.code,
    signal = result.signal,
    stdout = result.stdout,
    stderr = result.stderr,
  }, 0)
end

--- Runs a program to its end and gives what it wrote. It is ended as by `close`
--- of a process when the time is over, the output too large, or whoever waits is
--- cancelled. What it has started in its group and left behind is ended when run
--- returns; what is to live on has to leave the group (`setsid`).
---
--- Raises an error object of code "process" as `spawn` does, when an output is
--- larger than `max_output`, and with `check` when it does not end with 0: then
--- with `status`, `signal`, `stdout` and `stderr`. Or of code "timeout" with what
--- it had written, after the program has ended.
---@param opts neap.process.RunOptions
---@return neap.process.Output
function M.run(opts)
  local argv, given = parse(opts, RUN, "process.run")
  local what, input = "process.run " .. argv[1], text_of(given.stdin)
  given.stdin = input and "pipe" or given.stdin or "null"
  given.stdout = given.stdout or "pipe"
  given.stderr = given.stderr or "pipe"
  local max, limit = given.max_output or MAX_OUTPUT, given.timeout
  local started <close> = start("process.run", argv, given)
  local outputs = {}
  for _, name in ipairs { "stdout", "stderr" } do
    if started[name] then outputs[name] = new_sink(started[name], max, what) end
  end
  local function work()
    return collect(started, input, outputs, given.wait_for == "leader")
  end
  local ok, result
  if limit then
    ok, result = pcall(concurrent.timeout, limit, work)
  else
    ok, result = pcall(work)
  end
  if not ok then
    if core.is_cancelled() then error(result, 0) end
    started:close()
    started:wait() -- nobody sees the error while the program still runs
    if limit and type(result) == "table" and result.code == "timeout" then
      result = add_outputs(new_error { code = "timeout", program = argv[1],
        message = ("%s: timed out after %s s"):format(what, limit) }, outputs)
    end
    error(result, 0)
  end
  add_outputs(result, outputs)
  if given.check and not result.ok then complain(what, argv[1], result) end
  return result
end

return M
