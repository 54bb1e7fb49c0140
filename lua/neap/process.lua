--- Programs: starting them without a shell, talking to them, waiting for them, ending them.
-- SPDX-License-Identifier: MIT
local class = require "neap.base.class"
local concurrent = require "neap.task.concurrent"
local core = require "neap.core"
local new_error = require "neap.error".new
local options = require "neap.base.options"
local secrets = require "neap.secret"
local stream = require "neap.stream"

local M = {}

---@class neap.process.Result
---@field ok boolean whether the exit code is 0
---@field code? integer the exit code; nil when a signal ended it
---@field signal? string the signal that ended it: "SIGTERM"

---@class neap.process.Output: neap.process.Result
---@field stdout? string what the program wrote, if the option was "pipe"
---@field stderr? string

local function is_text(value)
  return type(value) == "string" or type(value) == "number"
end

local WORDS = { inherit = true, null = true }

-- Returns the text that a program is to read; nil if its input is another source.
local function text_of(input)
  if type(input) == "table" then return input.text end
  return not WORDS[input] and input or nil
end

-- Returns the program and its arguments, and the options.
local function parse(given, what)
  local function blame(format, ...)
    options.blame(("%s: %s"):format(what, format:format(...)))
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
    if secrets.is(word) then
      blame("%s is a secret, and arguments can be seen by everyone on the machine; put it into "
        .. "'env', or give what secret:reveal() gives", name)
    elseif not is_text(word) then
      blame("%s is a %s, not a string", name, type(word))
    end
    argv[i] = tostring(word)
    if argv[i]:find("\0", 1, true) then blame("%s has a zero byte", name) end
  end
  if argv[1] == "" then blame("the program is an empty string") end
  opts = options.take(opts, what)
  for name, value in pairs(opts.env or {}) do
    if type(name) ~= "string" or name == "" or name:find("[=%z]") then
      blame("the name of a variable is a string without '=', got %s",
        type(name) == "string" and ("%q"):format(name) or type(name))
    elseif value ~= false then
      value = secrets.text(value)
      if not is_text(value) or tostring(value):find("\0", 1, true) then
        blame("the variable %s is a string without a zero byte, a secret, or false", name)
      end
    end
  end
  return argv, opts
end

-- Returns our environment with changes, as a list; nil if there are none. Then the changes
-- that are secrets, by their names.
local function environment(changes)
  if not changes then return nil, nil end
  local all, list, hidden = core.process.environment(), {}, {}
  for name, value in pairs(changes) do
    all[name] = secrets.text(value) or nil
    hidden[name] = secrets.is(value) and value or nil
  end
  for name, value in pairs(all) do list[#list + 1] = name .. "=" .. tostring(value) end
  return list, hidden
end

local STREAMS = { "stdin", "stdout", "stderr" }

-- Errors after which the same may succeed later.
local TRANSIENT = { EMFILE = true, ENFILE = true, EAGAIN = true, ENOMEM = true, ETXTBSY = true }

-- Raises the error for a program that was not started.
local function refuse(what, argv, opts, part, why, errno, code)
  local path, about
  if part == "cwd" then
    path, about = opts.cwd, ("cannot run in %s: "):format(opts.cwd)
  elseif type(opts[part]) == "table" then
    path = opts[part].file or opts[part].append
    about = ("%s, %s: "):format(part, path)
  end
  local final -- false where trying again is of no use
  if code or (errno and not TRANSIENT[errno]) then final = false end
  error(new_error {
    code = code or "process",
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
---@field stdin? neap.Stream to write to, if the option is "pipe"
---@field stdout? neap.Stream to read from, if the option is "pipe"
---@field stderr? neap.Stream the same
---@field private handle table the binding's process
local Process, ProcessMeta = class("neap.Process")

-- Makes the stream of a pipe to a program. The stream keeps the process alive: processes
-- that the program has started may be at the other end, and they end when the process is
-- collected.
local function stream_of(handle, process)
  if not handle then return nil end
  local made = stream.new(handle)
  made.process = process
  return made
end

-- Starts a program that belongs to the current task.
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
  local env, hidden = environment(opts.env)
  local handle, stdin, stdout, stderr, code = core.process.spawn {
    argv = argv, env = env, hidden = hidden, cwd = opts.cwd, stdio = stdio, paths = paths,
    -- In a group of its own, the program could not read from the terminal.
    same_group = opts.stdin == "inherit" and core.isatty(0),
    grace = opts.grace,
  }
  if not handle then refuse(what, argv, opts, stdin, stdout, stderr, code) end
  local started = setmetatable({ handle = handle, pid = handle:pid(), program = argv[1],
    stdin = stream_of(stdin, handle), stdout = stream_of(stdout, handle),
    stderr = stream_of(stderr, handle) }, ProcessMeta)
  local ok, err = pcall(core.sleep, 0) -- lets other tasks run
  if not ok then
    started:close()
    error(err, 0)
  end
  return started
end

--- Starts a program and returns its process, with streams to write to and to read from.
--- Waits for one turn of the loop, so that other tasks run.
---
--- The program gets its arguments as they are; no shell looks at them. It leads a process
--- group of its own, unless its stdin is our terminal, which only our group may read. It
--- belongs to the current task: when the task ends, or the attempt that it is in fails, the
--- program is ended as by `close`. A stream that nobody reads from holds up the program
--- once 64 KiB are in it.
---
--- If the program cannot be started, raises an error object of code "process" with
--- `program` and `errno`, and with `path` if a folder or file was missing.
---@param opts neap.process.SpawnOptions
---@return neap.Process
function M.spawn(opts)
  local argv, given = parse(opts, "process.spawn")
  local started = start("process.spawn", argv, given)
  return started
end

--- Waits for the end of the program. Any number of tasks may wait. The streams can still be
--- read afterwards.
---@return neap.process.Result
function Process:wait()
  local code, signal, why = self.handle:wait()
  if why then
    error(new_error { code = "process", program = self.program,
      message = ("wait for %s: %s"):format(self.program, why) }, 0)
  end
  return { ok = code == 0, code = code, signal = signal }
end

local MAX_SIGNAL = 64 -- on Linux
local SIGNAL = { test = function(value)
  if type(value) == "string" then return core.process.signal(value) ~= nil end
  return math.type(value) == "integer" and value >= 1 and value <= MAX_SIGNAL
end, expected = 'name of a signal, such as "SIGTERM", or its number' }

--- Sends a signal to the process group of the program.
---@param signal? string|integer "SIGTERM" (the default), "TERM", 15, ...
---@return boolean sent false when the program has ended
function Process:kill(signal)
  if signal == nil then signal = "SIGTERM" end
  options.argument(1, "kill", signal, SIGNAL)
  local number = type(signal) == "string" and core.process.signal(signal) or signal
  local sent, why = self.handle:kill(number)
  if sent == nil then
    error(new_error { code = "process", program = self.program,
      message = ("kill %s: %s"):format(self.program, why) }, 0)
  end
  return sent
end

--- Closes the streams and ends the program: it gets SIGTERM, and SIGKILL after `grace`
--- seconds. When the program has ended, the rest of its process group gets SIGKILL as well.
--- Does not wait for that; `wait` does. A `<close>` variable does the same.
function Process:close()
  for _, name in ipairs(STREAMS) do
    if self[name] then self[name]:close() end
  end
  self.handle:stop()
end

ProcessMeta.__close = Process.close

-- Writes the input of a program. It is no error if the program does not read all of it.
local function feed(into, bytes)
  local ok, err = pcall(into.write, into, bytes)
  if not ok and (type(err) ~= "table" or err.errno ~= "EPIPE") then error(err, 0) end
  into:close()
end

-- Makes the record of what has been read from one output.
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

-- Reads what an output has at this moment, although others may go on writing to it.
local function drain_available(sink)
  local left = sink.from.handle:available()
  while left > 0 do
    local piece = sink.from:read_some()
    if not piece then return end
    add(sink, piece)
    left = left - #piece
  end
end

-- Feeds a program and reads its outputs until the program has ended, and also the outputs
-- unless `leader_only`.
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

-- Adds what was read to a result or an error.
local function add_outputs(to, outputs)
  for name, sink in pairs(outputs) do to[name] = table.concat(sink) end
  return to
end

-- The last line that is not empty, for the message of a failure.
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

--- Runs a program to its end and returns what it wrote. The program is ended, as by `close`
--- of a process, when the time is over, when an output is too large, and when the task that
--- waits is cancelled. The rest of its process group is ended when run returns; a program
--- that is to live on has to leave the group (`setsid`).
---
--- Raises an error object of code "process" as `spawn` does, and when an output is larger
--- than `max_output`. With `check`, it also does when the program does not end with 0; that
--- error has `status`, `signal`, `stdout` and `stderr`. After `timeout`, raises an error
--- object of code "timeout" with what was written, once the program has ended.
---@param opts neap.process.RunOptions
---@return neap.process.Output
function M.run(opts)
  local argv, given = parse(opts, "process.run")
  local what, input = "process.run " .. argv[1], text_of(given.stdin)
  if input then given.stdin = "pipe" end
  local limit = given.timeout
  local started <close> = start("process.run", argv, given)
  local outputs = {}
  for _, name in ipairs { "stdout", "stderr" } do
    if started[name] then outputs[name] = new_sink(started[name], given.max_output, what) end
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
