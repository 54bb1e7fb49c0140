-- Programs that are run and spoken with, from Lua.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local neap = require "neap"
local process = neap.process
local failure = helper.failure

-- Whether a process with this number exists and has not merely not been waited
-- for.
local function lives(pid)
  local file = io.open(("/proc/%d/stat"):format(pid))
  if not file then return false end
  local text = file:read("a") -- nil when it ends just now
  file:close()
  return text ~= nil and text:match("^.*%) (%a)") ~= "Z"
end

-- Waits, at most ten seconds, until a process is gone.
local function wait_until_gone(pid)
  local deadline = neap.now() + 10
  while lives(pid) and neap.now() < deadline do neap.sleep(0.002) end
  assert.is_false(lives(pid))
end

describe("process.run", function()
  it("gives code and outputs", function()
    local result = process.run { "sh", "-c", "echo out; echo err >&2; exit 3" }
    assert.same({ ok = false, code = 3, stdout = "out\n", stderr = "err\n" }, result)
    assert.same({ ok = true, code = 0, stdout = "", stderr = "" }, process.run { "true" })
  end)

  it("hands arguments over as they are", function()
    local words = { "a b", "$HOME", "'\"", "*", ";ls", "" }
    local argv = { "printf", "[%s]" }
    for _, word in ipairs(words) do argv[#argv + 1] = word end
    argv[#argv + 1] = 5
    assert.equal("[a b][$HOME]['\"][*][;ls][][5]", process.run(argv).stdout)
  end)

  it("feeds it, and reads what it writes meanwhile", function()
    local text = ("ebb and flow\n"):rep(100000)
    local result = process.run { "cat", stdin = text }
    assert.equal(text, result.stdout)
    -- A program that does not want to read is no error.
    assert.is_true(process.run { "true", stdin = text }.ok)
    assert.equal("", process.run { "cat" }.stdout)
  end)

  it("has it read a file, our own standard input, or nothing", function()
    local path = helper.write(helper.tmpdir() .. "/tides", "high\nlow\n")
    assert.equal("high\nlow\n", process.run { "cat", stdin = { file = path } }.stdout)
    assert.equal("", process.run { "cat", stdin = "null" }.stdout)
    local ours = helper.run({ helper.neap, "-e", [[
      io.write(require "neap".process.run { "cat", stdin = "inherit" }.stdout)]] },
      { stdin = "typed by hand" })
    assert.equal("typed by hand", ours.stdout)
    -- What somebody typed may be one of these words.
    assert.equal("inherit", process.run { "cat", stdin = { text = "inherit" } }.stdout)
  end)

  it("sets folder and environment", function()
    local folder = neap.fs.realpath(helper.tmpdir())
    assert.equal(folder .. "\n", process.run { "pwd", cwd = folder }.stdout)
    local result = process.run { "sh", "-c", "echo $TIDE; echo ${HOME-none}; echo $PATH",
      env = { TIDE = "high", HOME = false } }
    assert.equal(("high\nnone\n%s\n"):format(os.getenv("PATH")), result.stdout)
  end)

  it("sends outputs elsewhere", function()
    local path = helper.tmpdir() .. "/log"
    local result = process.run { "echo", "one", stdout = { file = path } }
    assert.is_nil(result.stdout)
    process.run { "echo", "two", stdout = { append = path } }
    assert.equal("one\ntwo\n", helper.read(path))
    result = process.run { "sh", "-c", "echo a; echo b >&2; echo c", stderr = "stdout" }
    assert.equal("a\nb\nc\n", result.stdout)
    assert.is_nil(process.run { "echo", "x", stdout = "null" }.stdout)
  end)

  it("names the signal that ended it", function()
    local result = process.run { "sh", "-c", "kill -KILL $$" }
    assert.same({ ok = false, signal = "SIGKILL", stdout = "", stderr = "" }, result)
  end)

  it("checks when told to", function()
    local err = failure(process.run, { "sh", "-c", "echo broken >&2; exit 4", check = true })
    assert.equal("process", err.code)
    assert.equal(4, err.status)
    assert.equal("broken\n", err.stderr)
    assert.equal("process.run sh: exit code 4: broken", err.message)
    assert.is_true(process.run { "true", check = true }.ok)
  end)

  it("ends it and all that it has started when the time is over", function()
    local path = helper.tmpdir() .. "/pid"
    local err = failure(process.run, { "sh", "-c", "sleep 60 & echo $! >" .. path
      .. "; echo begun; wait", timeout = 0.3 })
    assert.equal("timeout", err.code)
    assert.equal("begun\n", err.stdout)
    assert.equal("process.run sh: timed out after 0.3 s", err.message)
    wait_until_gone(tonumber(helper.read(path)))
  end)

  -- Its group is known by the number of the program that leads it, which ends
  -- first here.
  it("ends what a program left behind that has ended itself", function()
    local path = helper.tmpdir() .. "/pid"
    local leaves = ("sleep 60 & echo $! > %s"):format(path)
    local left = "sleep 60 & echo $!"
    local function pid_in(text) return tonumber(text:match("%d+")) end
    -- The outputs are open still when the time is over, or who waits is told.
    local err = failure(process.run, { "sh", "-c", left, timeout = 0.1 })
    assert.equal("timeout", err.code)
    wait_until_gone(pid_in(err.stdout))
    failure(neap.timeout, 0.1, process.run, { "sh", "-c", leaves })
    wait_until_gone(pid_in(helper.read(path)))
    -- And when they have been closed, run has come to its end.
    local result = process.run { "sh", "-c", "sleep 60 >/dev/null 2>&1 & echo $!" }
    wait_until_gone(pid_in(result.stdout))
    err = failure(process.run, { "sh", "-c", left .. "; yes", max_output = 100000 })
    assert.matches("more than 100000 bytes", err.message)
  end)

  it("waits for what a program leaves behind to close the outputs, or not", function()
    local script = "sleep 0.2 && echo late & echo early; echo warning >&2"
    local result = process.run { "sh", "-c", script }
    assert.equal("early\nlate\n", result.stdout)
    result = process.run { "sh", "-c", script, wait_for = "leader" }
    assert.same({ ok = true, code = 0, stdout = "early\n", stderr = "warning\n" }, result)
    -- All that the program itself has written is there, however it came.
    local text = ("ebb\n"):rep(100000)
    result = process.run { "sh", "-c", "cat; sleep 60 & exit 3", stdin = text, wait_for = "leader" }
    assert.equal(text, result.stdout)
    assert.equal(3, result.code)
    -- Who has left the group goes on, and may write for as long as it likes.
    local dir <close> = neap.fs.tempdir()
    result = process.run { "sh", "-c", "setsid sh -c 'echo y; echo >begun; exec yes' & "
      .. "until [ -e begun ]; do sleep 0.01; done", wait_for = "leader", cwd = dir.path }
    assert.equal("y\n", result.stdout:sub(1, 2))
    result = process.run { "sh", "-c", "setsid sleep 60 & echo $!; sleep 0.05",
      wait_for = "leader" }
    assert.is_true(lives(tonumber(result.stdout)))
    process.run { "kill", result.stdout:match("%d+") }
    assert.matches('bad option \'wait_for\' %("outputs" or "leader" expected, got "all"%)',
      failure(process.run, { "true", wait_for = "all" }))
  end)

  it("kills who does not want to end", function()
    local started = neap.now()
    local err = failure(process.run,
      { "sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 0.01; done",
        timeout = 0.2, grace = 0.1 })
    assert.equal("timeout", err.code)
    assert.is_true(neap.now() - started < 5)
  end)

  it("refuses more output than allowed", function()
    local err = failure(process.run, { "yes", max_output = 10000 })
    assert.equal("process", err.code)
    assert.equal("process.run yes: more than 10000 bytes of output", err.message)
  end)

  it("is ended when whoever waits is cancelled", function()
    local path = helper.tmpdir() .. "/pid"
    local task = neap.spawn(process.run, { "sh", "-c", "echo $$ >" .. path .. "; exec sleep 60" })
    local deadline = neap.now() + 10
    while (neap.fs.exists(path) and helper.read(path) or "") == "" and neap.now() < deadline do
      neap.sleep(0.002)
    end
    local pid = tonumber(helper.read(path))
    assert.is_true(lives(pid))
    task:cancel()
    assert.equal("cancelled", failure(task.await, task).code)
    wait_until_gone(pid)
  end)

  it("leaves nothing behind, whenever it is cancelled", function()
    for turns = 0, 2000, 50 do
      local task = neap.spawn(process.run, { "cat", stdin = "text" })
      neap.spawn(function()
        for _ = 1, turns do neap.spawn(function() end):await() end
        task:cancel()
      end):await()
      local ok, err = pcall(task.await, task)
      assert.is_true(ok or err.code == "cancelled", tostring(err))
    end
  end)

  it("takes real time where the clock is virtual", function()
    neap.testing.run(function()
      local sleeper = neap.spawn(neap.sleep, 3600)
      process.run { "sleep", "0.1" }
      assert.equal(0, neap.now())
      sleeper:cancel()
    end)
  end)

  it("runs a hundred at once", function()
    local list = {}
    for i = 1, 100 do list[i] = i end
    local results = neap.map(list, function(i)
      return process.run({ "echo", i }).stdout
    end)
    for i = 1, 100 do assert.equal(i .. "\n", results[i]) end
  end)
end)

describe("a program that cannot be started", function()
  it("is an error that names it", function()
    local err = failure(process.run, { "no-such-program", "x" })
    assert.equal("process", err.code)
    assert.equal("ENOENT", err.errno)
    assert.equal("no-such-program", err.program)
    assert.is_false(err.retryable)
    assert.equal("process.run no-such-program: no such file or directory", err.message)
    assert.equal("EACCES", failure(process.spawn, { "/etc/passwd" }).errno)
  end)

  it("is told from a folder or a file that is missing", function()
    local err = failure(process.run, { "true", cwd = "/no/such/folder" })
    assert.equal("/no/such/folder", err.path)
    assert.equal("process.run true: cannot run in /no/such/folder: no such file or directory",
      err.message)
    err = failure(process.run, { "true", stdout = { file = "/no/such/file" } })
    assert.equal("/no/such/file", err.path)
    assert.matches("stdout, /no/such/file: ", err.message, 1, true)
  end)

  it("is refused where the options make no sense", function()
    assert.matches("no program", failure(process.run, {}))
    assert.matches("a table with a program and its arguments expected, got a string",
      failure(process.run, "ls"))
    assert.matches("argument 1 is a table, not a string", failure(process.run, { "ls", {} }))
    assert.matches("argument 1 has a zero byte", failure(process.run, { "ls", "a\0b" }))
    assert.matches("the program is an empty string", failure(process.run, { "" }))
    assert.matches("the arguments have a gap", failure(process.run, { "ls", nil, "x" }))
    assert.matches("did you mean 'timeout'", failure(process.run, { "ls", time_out = 1 }))
    assert.matches("bad option 'timeout'", failure(process.run, { "ls", timeout = -1 }))
    assert.matches("bad option 'stdout'", failure(process.run, { "ls", stdout = "file" }))
    for got, stdin in pairs {
      ['"pipe"'] = "pipe", ["5"] = 5, ["boolean"] = true, ["an empty table"] = {},
      ['{ append = "x" }'] = { append = "x" }, ['{ file = "" }'] = { file = "" },
      ['{ file = "x", text = "y" }'] = { file = "x", text = "y" },
      ["{ text = boolean }"] = { text = true },
    } do
      assert.matches(("bad option 'stdin' (string to read, \"inherit\", \"null\", { file = "
        .. "path } or { text = string } expected, got %s)"):format(got),
        failure(process.run, { "cat", stdin = stdin }), 1, true)
    end
    assert.matches("bad option 'stdin'", failure(process.spawn, { "cat", stdin = "typed" }))
    assert.matches("bad option 'stdin'",
      failure(process.spawn, { "cat", stdin = { append = "x" } }))
    assert.matches("the name of a variable",
      failure(process.run, { "ls", env = { ["A=B"] = "x" } }))
  end)
end)

describe("process.spawn", function()
  it("gives streams to talk with it", function()
    local cat <close> = process.spawn { "cat" }
    for i = 1, 3 do
      cat.stdin:write("line ", i, "\n")
      assert.equal("line " .. i, cat.stdout:read())
    end
    cat.stdin:finish()
    assert.is_nil(cat.stdout:read())
    assert.same({ ok = true, code = 0 }, cat:wait())
    assert.same({ ok = true, code = 0 }, cat:wait())
  end)

  it("tells when nobody reads any more, and the engine goes on", function()
    local gone <close> = process.spawn { "true" }
    gone:wait()
    local err = failure(function()
      for _ = 1, 100 do gone.stdin:write(("x"):rep(1000)) end
    end)
    assert.equal("process", err.code)
    assert.equal("EPIPE", err.errno)
    assert.equal("write to stdin of true: broken pipe", err.message)
    neap.sleep(0.001)
  end)

  it("sends signals", function()
    local sleeper <close> = process.spawn { "sleep", "60" }
    assert.is_true(sleeper:kill("TERM"))
    assert.same({ ok = false, signal = "SIGTERM" }, sleeper:wait())
    assert.is_false(sleeper:kill())
    assert.matches("name of a signal, such as \"SIGTERM\", or its number expected, got \"SIGNONE\"",
      failure(sleeper.kill, sleeper, "SIGNONE"))
    for _, signal in ipairs { 0, -9, 65, (1 << 32) + 9, math.mininteger, 9.0, 0/0, true } do
      assert.matches("or its number expected, got ",
        failure(sleeper.kill, sleeper, signal))
    end
  end)

  it("ends with the task that spawned it, and with its variable", function()
    local pid
    neap.spawn(function()
      pid = process.spawn({ "sleep", "60" }).pid
    end):await()
    wait_until_gone(pid)
    local sleeper = process.spawn { "sleep", "60" }
    do
      local _ <close> = sleeper
    end
    assert.same({ ok = false, signal = "SIGTERM" }, sleeper:wait())
  end)

  it("ends with what it has started, however it has ended itself", function()
    local function leave() return process.spawn { "sh", "-c", "sleep 60 & echo $!; exit 4" } end
    local left, pid
    do
      local p <close> = leave()
      pid = tonumber(p.stdout:read())
      assert.equal(4, p:wait().code)
      neap.sleep(0.01)
      assert.is_true(lives(pid)) -- it is to go on until the process is closed
      p:close()
      wait_until_gone(pid)
      p:close()
      assert.equal(4, p:wait().code)
    end
    neap.spawn(function()
      left = leave()
      pid = tonumber(left.stdout:read())
      left:wait()
    end):await()
    wait_until_gone(pid)
    -- An attempt that failed, and an item of a batch, are owners, too.
    local pids = {}
    local node = neap.Node { max_retries = 2, exec = function(self)
      left = leave()
      pids[#pids + 1] = tonumber(left.stdout:read())
      left:wait()
      if self.cur_retry == 0 then error("again") end
      wait_until_gone(pids[1])
      assert.is_true(lives(pids[2]))
    end }
    neap.Flow({ start = node }):run()
    wait_until_gone(pids[2])
    local timed = neap.Node { timeout = 5, exec = function()
      left = leave()
      pid = tonumber(left.stdout:read())
      left:wait()
    end, post = function() assert.is_true(lives(pid)) end }
    neap.Flow({ start = timed }):run()
    wait_until_gone(pid)
    neap.BatchNode { prep = function() return { 1, 2 } end, exec = function(_, _, i)
      left = leave()
      pids[i] = tonumber(left.stdout:read())
      left:wait()
      if i == 2 then wait_until_gone(pids[1]) end
    end }:run()
    wait_until_gone(pids[2])
  end)

  it("is let go, with what it has started, when nobody has it any more", function()
    local pid
    do
      local shell = process.spawn { "sh", "-c", "sleep 60 & echo $!" }
      local out, its_pid = shell.stdout, shell.pid
      shell = nil -- luacheck: ignore 311
      pid = tonumber(out:read())
      wait_until_gone(its_pid)
      helper.turns() -- neap hears of that
      collectgarbage()
      collectgarbage()
      assert.is_true(lives(pid)) -- whoever reads may wait for what it writes
      out:close()
    end
    collectgarbage()
    collectgarbage()
    wait_until_gone(pid)
    -- A program that runs is not let go.
    local path = helper.tmpdir() .. "/done"
    process.spawn { "sh", "-c", "sleep 0.1; echo ebb > " .. path, stdin = "null", stdout = "null" }
    collectgarbage()
    collectgarbage()
    local deadline = neap.now() + 10
    while not neap.fs.exists(path) and neap.now() < deadline do neap.sleep(0.002) end
    assert.is_true(neap.fs.exists(path))
    neap.sleep(0.05)
  end)

  it("ends with the script", function()
    local script = helper.write(helper.tmpdir() .. "/script.lua", [[
      local neap = require "neap"
      print(neap.process.spawn({ "sleep", "60" }).pid)
    ]])
    local result = helper.run { helper.neap, script }
    assert.equal(0, result.status)
    wait_until_gone(tonumber(result.stdout))
  end)

  it("lets many wait, and who waits be cancelled", function()
    local cat <close> = process.spawn { "cat" }
    local tasks = {}
    for i = 1, 5 do tasks[i] = neap.spawn(cat.wait, cat) end
    neap.sleep(0)
    tasks[1]:cancel()
    cat.stdin:finish()
    for i = 2, 5 do assert.is_true(tasks[i]:await().ok) end
    assert.equal("cancelled", failure(tasks[1].await, tasks[1]).code)
  end)

  it("holds up a program whose output nobody reads", function()
    local yes <close> = process.spawn { "yes" }
    neap.sleep(0.05)
    local size = 0
    for piece in yes.stdout:chunks() do
      size = size + #piece
      if size > 1 << 20 then break end
    end
    assert.is_true(yes:kill("KILL"))
    assert.equal("SIGKILL", yes:wait().signal)
  end)
end)
