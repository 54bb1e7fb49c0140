-- Programs that a test makes up.
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local helper = require "spec.helper"
local failure = helper.failure

local process, testing = neap.process, neap.testing

-- Calls f on the virtual clock with a fake of these commands.
local function with(commands, f)
  testing.run(function()
    local fake <close> = testing.process(commands)
    f(fake)
  end)
end

-- A program that says in capitals what it reads.
local function shout(call)
  for line in call.stdin:lines() do call.stdout:write(line:upper(), "\n") end
end

describe("a fake of programs", function()
  it("does what the commands say", function()
    with({
      ["git status"] = "clean\n",
      ["git *"] = { code = 128, stderr = "fatal: no\n", stdout = "x" },
      ["crash"] = { signal = "SIGSEGV", stdout = "half" },
      ["make"] = { delay = 30 },
    }, function(fake)
      local result = process.run { "git", "status" }
      assert.same({ ok = true, code = 0, stdout = "clean\n", stderr = "" }, result)
      result = process.run { "git", "push", "-f", cwd = "/sea", env = { TIDE = "low" } }
      assert.same({ ok = false, code = 128, stdout = "x", stderr = "fatal: no\n" }, result)
      assert.same({ ok = false, signal = "SIGSEGV", stdout = "half", stderr = "" },
        process.run { "crash" })
      assert.equal("process.run git: exit code 128: fatal: no",
        failure(process.run, { "git", "pull", check = true }).message)
      process.run { "make" }
      assert.equal(30, neap.now())
      assert.equal(5, #fake.calls)
      local call = fake.calls[2]
      assert.same({ "git push -f", "git", { "push", "-f" }, "/sea", "low" },
        { call.command, call.program, call.args, call.cwd, call.env.TIDE })
      assert.is_nil(fake.calls[1].env)
    end)
  end)

  it("does one thing after the other, or what a function says", function()
    with({
      date = { "Monday", { code = 1 }, "Tuesday" },
      shout = shout,
      ["add *"] = function(call)
        neap.sleep(1)
        return { stdout = tostring(call.args[1] + call.args[2]), code = 3 }
      end,
    }, function(fake)
      local days = {}
      for i = 1, 4 do
        local result = process.run { "date" }
        days[i] = result.code .. result.stdout
      end
      assert.same({ "0Monday", "1", "0Tuesday", "0Tuesday" }, days)
      assert.equal("EBB\nFLOW\n", process.run { "shout", stdin = "ebb\nflow" }.stdout)
      assert.equal("ebb\nflow", fake.calls[5].input)
      local result = process.run { "add", 3, 4 }
      assert.same({ "7", 3, 1.0 }, { result.stdout, result.code, neap.now() })
    end)
  end)

  it("is talked to by its streams", function()
    with({ shout = shout, yes = function(call)
      while true do call.stdout:write(("y\n"):rep(1000)) end
    end }, function(fake)
      local started <close> = process.spawn { "shout" }
      started.stdin:write("ebb\n")
      assert.equal("EBB", started.stdout:read())
      started.stdin:write("flow\n")
      assert.equal("FLOW", started.stdout:read())
      started.stdin:close()
      assert.is_nil(started.stdout:read())
      assert.same({ ok = true, code = 0 }, started:wait())
      assert.is_false(started:kill())
      assert.equal("ebb\nflow\n", fake.calls[1].input)
      assert.equal("closed", failure(started.stdin.write, started.stdin, "x").code)

      -- It does not run on without end when nobody reads.
      local endless <close> = process.spawn { "yes" }
      neap.sleep(1)
      assert.equal("y", endless.stdout:read())
      endless.stdout:close()
      assert.equal("EPIPE", failure(endless.wait, endless).errno)
    end)
  end)

  it("ends by signals, limits, and with its owner", function()
    local unwound = 0
    with({ sleep = function()
      local _ <close> = setmetatable({}, { __close = function() unwound = unwound + 1 end })
      neap.sleep(1000)
    end }, function(fake)
      local started = process.spawn { "sleep" }
      neap.sleep(1)
      assert.is_true(started:kill("SIGCONT"))
      assert.is_true(started:kill("INT"))
      assert.same({ ok = false, signal = "SIGINT" }, started:wait())
      assert.equal(2, #fake.calls[1].signals)

      local err = failure(process.run, { "sleep", timeout = 5 })
      assert.same({ "timeout", "", 6.0 }, { err.code, err.stdout, neap.now() })

      started = neap.spawn(function() return process.spawn { "sleep" } end):await()
      assert.equal("SIGTERM", started:wait().signal)
      do
        local closed <close> = process.spawn { "sleep" }
        testing.settle()
        started = closed
      end
      assert.equal("SIGTERM", started:wait().signal)
      assert.equal(6, neap.now())
      assert.equal(4, unwound)
    end)
  end)

  it("is not started where it says so", function()
    with({ gone = { error = "ENOENT" }, busy = { { error = "EMFILE" }, "fine" } }, function()
      local err = failure(process.run, { "gone" })
      assert.equal("process.run gone: no such file or directory", err.message)
      assert.same({ "process", "ENOENT", false, "gone" },
        { err.code, err.errno, err.retryable, err.program })
      err = failure(process.spawn, { "busy" })
      assert.same({ "EMFILE", nil }, { err.errno, err.retryable })
      assert.equal("fine", process.run { "busy" }.stdout)
    end)
  end)

  it("names a program that is not expected", function()
    with({ ["rm tmp"] = "" }, function(fake)
      local err = failure(process.run, { "rm", "-rf", "/" })
      assert.equal('process rm: the fake has no command that fits "rm -rf /"', err.message)
      assert.same({ "process", false, "rm" }, { err.code, err.retryable, err.program })
      assert.equal("rm -rf /", fake.calls[1].command)
    end)
  end)

  it("raises what a function raises where the program is waited for", function()
    with({ bad = function() error("the test is wrong", 0) end, odd = function() return 7 end },
      function()
        assert.equal("the test is wrong", failure(process.run, { "bad" }))
        local started = process.spawn { "bad" }
        assert.equal("the test is wrong", failure(started.wait, started))
        assert.equal("testing.process: odd: an answer is a table or a string, got a number",
          failure(process.run, { "odd" }))
      end)
  end)

  it("writes to files, and reads from them, as real ones do", function()
    with({ ls = "ebb\n", cat = function(call) return (call.stdin:read("a")) end, both = {
      stdout = "out", stderr = "err" } }, function()
      local disk <close> = testing.fs { ["/in"] = "flow\n", ["/old"] = "old" }
      assert.same({ ok = true, code = 0, stderr = "" },
        process.run { "ls", stdout = { file = "/old" } })
      process.run { "ls", stdout = { append = "/old" } }
      assert.equal("ebb\nebb\n", disk:get("/old"))
      assert.equal("flow\n", process.run { "cat", stdin = { file = "/in" } }.stdout)
      assert.equal("", process.run { "cat" }.stdout)
      assert.equal("outerr", process.run { "both", stderr = "stdout" }.stdout)
      assert.is_nil(process.run { "both", stdout = "null" }.stdout)
    end)
    local result = helper.run { helper.neap, "-e", [[
      local neap = require "neap"
      local fake <close> = neap.testing.process { both = { stdout = "out", stderr = "err" } }
      neap.process.run { "both", stdout = "inherit", stderr = "inherit" }]] }
    assert.same({ "out", "err" }, { result.stdout, result.stderr })
  end)

  it("can be cancelled at every step", function()
    testing.sweep(function(guard)
      local fake <close> = testing.process { shout = shout, slow = { delay = 5, stdout = "late" } }
      local _ <close> = guard()
      neap.gather {
        function() process.run { "shout", stdin = "ebb\n" } end,
        function() process.run { "slow" } end,
        function()
          local started <close> = process.spawn { "shout" }
          started.stdin:write("flow\n")
          started.stdout:read()
        end,
      }
      assert(#fake.calls == 3)
    end)
  end)

  it("leaves no trace when it is closed", function()
    local raw = require "neap.core".process
    local before = raw.spawn
    testing.process({}):close()
    assert.equal(before, raw.spawn)
    assert.equal("real\n", process.run { "echo", "real" }.stdout)
  end)

  it("refuses commands that make no sense", function()
    local function misused(message, commands)
      assert.equal(message, (failure(testing.process, commands):gsub("^[^:]+:%d+: ", "")))
    end
    misused("bad argument #1 to 'process' (table of commands expected, got nil)", nil)
    misused('testing.process: a command is "program argument", got 1', { "ls" })
    misused("testing.process: ls: an answer is a table or a string, got a boolean", { ls = true })
    misused("testing.process: ls: unknown option 'stdot'; did you mean 'stdout'?",
      { ls = { stdot = "" } })
    misused("testing.process: ls: bad option 'code' (whole number expected, got string)",
      { ls = { code = "1" } })
    misused("testing.process: ls: bad option 'error' (name of an errno such as \"ENOENT\" "
      .. "expected, got \"gone\")",
      { ls = { { error = "gone" } } })
    local fake <close> = testing.process {}
    misused("testing.process: there is a fake already; close it first", {})
    assert.is_table(fake.calls)
  end)
end)
