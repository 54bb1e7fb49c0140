-- The executable: scripts, commands, what they print and how they end.
-- SPDX-License-Identifier: MIT
--
-- Long, because every command is tried with the same few helpers as a user would:
-- as a process, with its output, signals and exit status.
local helper = require "spec.helper"
local json = require("neap").json
local plain = require "neap.cli.plain"
local progress = require "neap.cli.progress"
local secret = require("neap").secret

-- Runs `neap` in a new folder with these files in it.
local function neap(argv, files, stdin)
  local folder = helper.tmpdir()
  for name, text in pairs(files or {}) do helper.write(folder .. "/" .. name, text) end
  return helper.run({ helper.neap, argv }, { cwd = folder, stdin = stdin, timeout = 60 })
end

-- The same with stdout and stderr on one terminal; gives all that it was sent.
local function neap_on_terminal(argv, files)
  local words = { helper.quote(helper.neap) }
  for _, word in ipairs(argv) do words[#words + 1] = helper.quote(word) end
  local folder = helper.tmpdir()
  for name, text in pairs(files) do helper.write(folder .. "/" .. name, text) end
  local result = helper.run({ "script", "-qefc", table.concat(words, " "), "/dev/null" },
    { cwd = folder, timeout = 30, env = { TERM = "xterm" } })
  return result.stdout:gsub("\r\n", "\n"), result.status
end

-- What is left on the screen when lines that were cleared are gone.
local function on_screen(sent)
  return (sent:gsub("[^\n]*\r\27%[K", ""))
end

local GREET = [[
local neap = require "neap"
local greet = neap.Node { name = "greet" }
function greet:exec(shared) return shared.greeting .. ", " .. tostring(self.params.who) end
function greet:post(shared, _, text) shared.text = text return "greeted" end
return neap.Flow { name = "greeting", start = greet }
]]

-- A flow whose node raises.
local FAIL = [[
local neap = require "neap"
local node = neap.Node { name = "node", max_retries = 2, exec = function() error("no luck", 0) end }
return neap.Flow { name = "flow", start = node }
]]

describe("neap", function()
  describe("FILE", function()
    it("runs a script with its arguments in ... and arg", function()
      local result = neap({ "a.lua", "x", "y" }, {
        ["a.lua"] = "#!/usr/bin/env neap\nprint(arg[0], arg[1], arg[2], #arg, ...)",
      })
      assert.equal("a.lua\tx\ty\t2\tx\ty\n", result.stdout)
      assert.equal(0, result.status)
    end)

    it("lets a script wait", function()
      local result = neap({ "a.lua" }, { ["a.lua"] = [[
        local neap = require "neap"
        neap.sleep(0.001)
        print "slept"]] })
      assert.equal("slept\n", result.stdout)
    end)

    it("ends with the number that the script returns", function()
      assert.equal(7, neap({ "a.lua" }, { ["a.lua"] = "return 7" }).status)
      assert.equal(0, neap({ "a.lua" }, { ["a.lua"] = "return { 7 }" }).status)
      assert.equal(255, neap({ "a.lua" }, { ["a.lua"] = "return 256" }).status)
    end)

    it("says what a script raised, and where", function()
      local result = neap({ "a.lua" }, { ["a.lua"] = "local function f() error 'oh' end\nf()" })
      assert.equal(1, result.status)
      assert.equal("", result.stdout)
      assert.matches("^neap: a.lua:1: oh\nstack traceback:", result.stderr)
    end)

    it("survives an error whose text is an error, too", function()
      local result = neap { "-e", [[
        local bad = {}
        bad.__tostring = function() error(setmetatable({}, bad)) end
        error(setmetatable({}, bad))]] }
      assert.matches("^neap: a table\n", result.stderr)
      assert.equal(1, result.status)
    end)

    it("says why a file cannot be run", function()
      local missing = neap { "none.lua" }
      assert.equal("neap: cannot open none.lua: No such file or directory\n", missing.stderr)
      assert.equal(1, missing.status)
      local folder = neap { "/" }
      assert.equal("neap: cannot read /: Is a directory\n", folder.stderr)
      assert.equal(1, folder.status)
      local broken = neap({ "a.lua" }, { ["a.lua"] = "x = = 1" })
      assert.equal("neap: a.lua:1: unexpected symbol near '='\n", broken.stderr)
      assert.equal(1, broken.status)
    end)

    it("reads a script from standard input", function()
      local result = neap({ "-", "x" }, nil, "print(arg[0], ...) return 3")
      assert.equal("-\tx\n", result.stdout)
      assert.equal(3, result.status)
    end)

    it("runs a piece of code", function()
      local result = neap { "-e", "print(arg[1], ...) return 3", "x" }
      assert.equal("x\tx\n", result.stdout)
      assert.equal(3, result.status)
      assert.equal("neap: (command line):1: unexpected symbol near '='\n",
        neap({ "-e", "= 1" }).stderr)
      assert.equal(2, neap({ "-e" }).status)
    end)

    it("runs a file that has the name of a command by its path", function()
      assert.equal("mine\n", neap({ "./run" }, { run = "print 'mine'" }).stdout)
    end)

    it("says how to run a file that returns a flow", function()
      local result = neap({ "a.lua" }, { ["a.lua"] = GREET })
      assert.equal("neap: a.lua returns a flow; neap run a.lua runs it\n", result.stderr)
      assert.equal(1, result.status)
      result = neap { "-e", "return require 'neap'.Node()" }
      assert.equal("neap: -e: the code returns a flow, and runs none\n", result.stderr)
      assert.equal(1, result.status)
    end)

    it("ends well when it has run a flow, and returns one for commands", function()
      for _, run in ipairs { "flow:run()", "neap.Flow { start = flow }:run()",
        "neap.spawn(flow):await()" } do
        local files = { ["a.lua"] = [[
          local neap = require "neap"
          local flow = neap.Node { name = "n", exec = function() print "ran" end }
          ]] .. run .. [[ return flow]] }
        assert.same({ status = 0, stdout = "ran\n", stderr = "" }, neap({ "a.lua" }, files))
        assert.equal(0, neap({ "graph", "a.lua" }, files).status)
      end
    end)

    it("can tell that it is the main script", function()
      local files = {
        ["a.lua"] = [[
          local neap = require "neap"
          local function inside() return neap.is_main() end
          print(neap.is_main(), (inside()))
          package.path = "./?.lua;" .. package.path
          require "b"
          return neap.Node { name = "n" }]],
        ["b.lua"] = "print(require 'neap'.is_main())",
        ["c.lua"] = "dofile 'b.lua'",
      }
      assert.equal("true\ttrue\nfalse\n", neap({ "a.lua" }, files).stdout)
      assert.equal("true\ttrue\nfalse\n", neap({ "./a.lua" }, files).stdout)
      assert.equal("true\ttrue\nfalse\n", neap({ "-", "a.lua" }, files, files["a.lua"]).stdout)
      assert.equal("true\n", neap({ "-e", files["b.lua"] }).stdout)
      assert.equal("false\n", neap({ "c.lua" }, files).stdout)
      assert.equal("false\tfalse\nfalse\n", neap({ "run", "a.lua", "--quiet" }, files).stdout)
      assert.matches("^false\tfalse\n", neap({ "graph", "a.lua" }, files).stdout)
      assert.matches("^false\tfalse\n", neap({ "check", "a.lua" }, files).stdout)
    end)

    it("can tell so under a Lua that is not ours", function()
      local main = helper.write(helper.tmpdir() .. "/a.lua", [[
        print(require "neap".is_main())
        if ... then dofile(...) end]])
      assert.equal("true\n", helper.run({ helper.lua, main }, { cwd = helper.root }).stdout)
      local other = helper.write(helper.tmpdir() .. "/b.lua", helper.read(main))
      assert.equal("true\nfalse\n",
        helper.run({ helper.lua, other, main }, { cwd = helper.root }).stdout)
    end)
  end)

  describe("help and version", function()
    it("are printed on stdout when asked for", function()
      for _, argv in ipairs { { "help" }, { "--help" }, { "-h" } } do
        local result = neap(argv)
        assert.matches("^usage: neap FILE", result.stdout)
        assert.equal(0, result.status)
      end
      for _, argv in ipairs { { "help", "run" }, { "run", "--help" }, { "run", "x", "-h" } } do
        assert.matches("^usage: neap run FILE", neap(argv).stdout)
      end
      assert.matches("it runs FILE", neap({ "help", "check" }).stdout, 1, true)
      for _, argv in ipairs { { "version" }, { "--version" } } do
        assert.matches("^neap %d+%.%d+%.%d+ %(Lua 5%.4%)\n$", neap(argv).stdout)
      end
    end)

    it("go to stderr when there are no arguments", function()
      local result = neap {}
      assert.equal("", result.stdout)
      assert.matches("^usage: neap FILE", result.stderr)
      assert.equal(2, result.status)
    end)

    it("suggest the command or option most like an unknown one", function()
      for word, meant in pairs { rnu = "run", grpah = "graph", ["--hlep"] = "--help",
        ["-V"] = "-v", ["-E"] = "-e", ["-H"] = "-h", ["--VERSION"] = "--version" } do
        local result = neap { word }
        assert.matches(("'%s'; did you mean '%s'?"):format(word, meant), result.stderr, 1, true)
        assert.equal(2, result.status)
      end
      assert.matches("did you mean 'check'?", neap({ "help", "chek" }).stderr, 1, true)
      assert.equal("neap: unknown option '-x'\nTry: neap help\n", neap({ "-x" }).stderr)
    end)
  end)

  describe("run", function()
    it("runs the flow that a file returns, and sums up on stderr", function()
      local result = neap({ "run", "a.lua", "--shared", '{"greeting":"Hello"}' },
        { ["a.lua"] = GREET })
      assert.equal("", result.stdout)
      assert.matches("^done: action 'greeted' in [%d.]+ s\n$", result.stderr)
      assert.equal(0, result.status)
    end)

    it("prints one JSON document with --json", function()
      local result = neap({ "run", "--json", "a.lua", "--shared=@shared.json", "--param",
        "who=all=of you" }, { ["a.lua"] = GREET, ["shared.json"] = '{"greeting":"Hello"}' })
      local document = json.decode(result.stdout)
      assert.is_true(document.seconds >= 0)
      document.seconds = nil
      assert.same({ action = "greeted", steps = 2,
        shared = { greeting = "Hello", text = "Hello, all=of you" } }, document)
      assert.equal("", result.stderr)
    end)

    it("takes params as text and as JSON", function()
      local result = neap({ "run", "-", "--json", "--param", "a=1", "--param", "b:=1", "--param",
        "c:=[true]", "--param", "d=" }, nil, [[
        return require("neap").Node { post = function(self, shared)
          for name, value in pairs(self.params) do shared[name] = value end
        end }]])
      assert.same({ a = "1", b = 1, c = { true }, d = "" }, json.decode(result.stdout).shared)
    end)

    it("reads the shared store from standard input", function()
      for _, from in ipairs { "-", "@-" } do
        local function run(stdin, file)
          return neap({ "run", file or "a.lua", "--json", "--quiet", "--shared", from },
            { ["a.lua"] = GREET }, stdin)
        end
        assert.equal("Hi, nil", json.decode(run('{"greeting":"Hi"}\n').stdout).shared.text)
        for _, case in ipairs {
          { "'--shared' from standard input: invalid JSON", '{"greeting"' },
          { "'--shared' from standard input: invalid JSON", "" },
          { "'--shared' from standard input is a JSON object, got a number", "5" },
          { "'--shared' from standard input: FILE is read from there", GREET, "-" },
        } do
          local result = run(case[2], case[3])
          assert.matches(case[1], result.stderr, 1, true)
          assert.equal(2, result.status)
        end
      end
    end)

    it("reads a shared store of 5 MB in one line", function()
      local text = ("x"):rep(5 * 1024 * 1024)
      local result = neap({ "run", "a.lua", "--shared", "@big.json", "--json" }, {
        ["big.json"] = json.encode { greeting = text },
        ["a.lua"] = GREET,
      })
      assert.equal(#text, #json.decode(result.stdout).shared.greeting)
    end)

    it("hands what follows -- to the file", function()
      local result = neap({ "run", "-", "--quiet", "--", "x", "--json" }, nil,
        "print(arg[2], ...) return require('neap').Node {}")
      assert.equal("--json\tx\t--json\n", result.stdout)
      assert.equal("", result.stderr)
    end)

    it("fails with the path of the node and, if asked for, the traceback", function()
      local result = neap({ "run", "a.lua" }, { ["a.lua"] = FAIL })
      assert.equal("neap: flow > node (exec, attempt 2): no luck\n", result.stderr)
      assert.equal(1, result.status)
      assert.matches("attempt 2%): no luck\nstack traceback:",
        neap({ "run", "a.lua", "--traceback" }, { ["a.lua"] = FAIL }).stderr)
    end)

    it("has the error in its JSON document", function()
      local result = neap({ "run", "a.lua", "--json", "--quiet" }, { ["a.lua"] = FAIL })
      assert.same({ message = "no luck", code = "user", node = "flow > node", phase = "exec",
        attempt = 2 }, json.decode(result.stdout).error)
      result = neap({ "run", "-", "--json" }, nil, [[
        local neap = require "neap"
        local model = neap.llm.fake { { error = "auth", message = "not you" } }
        return neap.Node { name = "ask", exec = function() model:chat "When?" end }
      ]])
      assert.same({ message = "not you", code = "llm", kind = "auth", node = "ask",
        phase = "exec", attempt = 1 }, json.decode(result.stdout).error)
      assert.equal(1, result.status)
    end)

    it("tells what models have taken, and at which nodes", function()
      local ask = [[
        local neap = require "neap"
        local usage = { input = 1000, cached = 10, output = 20 }
        local model = neap.llm.fake(function() return { text = "Noon.", usage = usage } end,
          { prices = { input = 3, output = 15 } })
        local all = neap.BatchNode { name = "all", concurrency = 2 }
        function all:prep() return { 1, 2, 3 } end
        function all:exec() return (model:chat("When?")) end
        local last = neap.Node { name = "last", exec = function() model:chat("And then?") end }
        return neap.Flow { name = "tides", start = all, all >> last }
      ]]
      local result = neap({ "run", "a.lua" }, { ["a.lua"] = ask })
      assert.matches("\ndone: action 'default' in [^\n]*, 4080 tokens, cost 0.0132\n$",
        result.stderr)
      result = neap({ "run", "a.lua", "--json", "--quiet" }, { ["a.lua"] = ask })
      local function taken(calls, cost)
        return { calls = calls, attempts = calls, input = 1000 * calls, cached = 10 * calls,
          cache_write = 0, output = 20 * calls, reasoning = 0, cost = cost }
      end
      local expected = taken(4, 0.0132)
      expected.nodes = { ["tides > all"] = taken(3, 0.0099), ["tides > last"] = taken(1, 0.0033) }
      assert.same(expected, json.decode(result.stdout).llm)
      result = neap({ "run", "a.lua", "--json" }, { ["a.lua"] = FAIL })
      assert.is_nil(json.decode(result.stdout).llm)
    end)

    it("limits time and steps", function()
      local endless = [[
        local neap = require "neap"
        local a = neap.Node { name = "a", exec = function() neap.sleep(0.001) end }
        a:to(a)
        return neap.Flow { name = "endless", start = a }]]
      for code, option in pairs { timeout = "--timeout=0.02", max_steps = "--max-steps=9" } do
        local result = neap({ "run", "a.lua", "--json", option }, { ["a.lua"] = endless })
        assert.equal(code, json.decode(result.stdout).error.code)
        assert.equal(1, result.status)
      end
    end)

    it("says so when the file has no flow", function()
      for text, problem in pairs {
        ["return 5"] = "returns a number; a flow or node expected",
        ["local x"] = "returns nothing; a flow expected, as in: return flow",
        ["return require('neap').Flow"] =
          "returns the class Flow; make a node of it: return Flow { ... }",
      } do
        local result = neap({ "run", "a.lua" }, { ["a.lua"] = text })
        assert.equal(("neap: a.lua %s\n"):format(problem), result.stderr)
        assert.equal(1, result.status)
      end
      assert.equal("neap: a.lua:1: oh\n", neap({ "run", "a.lua" },
        { ["a.lua"] = "error 'oh'" }).stderr)
    end)

    it("says in which file an error arose that has no place of its own", function()
      for text, problem in pairs {
        ["return require('neap').Flow { strct = true }"] =
          "a.lua: Flow: unknown option 'strct'; did you mean 'strict'?",
        ["error('oh', 0)"] = "a.lua: oh",
        ["error('at localhost:80: oh', 0)"] = "a.lua: at localhost:80: oh",
        ["error('neap.cli.script:32: oh', 0)"] = "a.lua: oh",
        ["error({})"] = "a.lua: a table\n",
        ["\nload('error [[oh]]', '=b.lua')()"] = "b.lua:1: oh",
        ["\nerror 'oh'"] = "a.lua:2: oh",
      } do
        local result = neap({ "run", "a.lua" }, { ["a.lua"] = text })
        assert.equal("neap: " .. problem, result.stderr:sub(1, #problem + 6))
        assert.equal(1, result.status)
      end
      assert.equal("neap: stdin:1: oh\n", neap({ "run", "-" }, nil, "error 'oh'").stderr)
    end)

    it("keeps stdout for the JSON document alone", function()
      local result = neap({ "run", "a.lua", "--json" }, { ["a.lua"] = [[
        print("loads", nil)
        return require("neap").Node { name = "a", exec = function()
          print(1, true)
          io.write("written", 2, "\n")
          io.stdout:write("by its method\n")
        end }]] })
      assert.equal("loads\tnil\n1\ttrue\nwritten2\nby its method\n", result.stderr)
      assert.same({}, json.decode(result.stdout).shared)
    end)

    it("sorts the keys of its JSON document, and rounds the time to microseconds", function()
      local result = neap({ "run", "-", "--json", "--shared", '{"b":1,"c":2,"a":3,"aa":4}' }, nil,
        "return require('neap').Node {}")
      assert.matches('^{"action":"default","seconds":%d[%d.e-]*,'
        .. '"shared":{"a":3,"aa":4,"b":1,"c":2},"steps":1}\n$', result.stdout)
      local micros = json.decode(result.stdout).seconds * 1e6
      assert.is_true(math.abs(micros - math.floor(micros + 0.5)) < 1e-6)
    end)

    it("shows one live line on a terminal, which moves while a node waits", function()
      local sent, status = neap_on_terminal({ "run", "a.lua" }, { ["a.lua"] = [[
        local neap = require "neap"
        return neap.Flow { name = "tea", start = neap.Node { name = "sugar",
          exec = function() neap.sleep(0.7) end } }]] })
      local first, second = sent:match("^\r\27%[Ktea > sugar: step 2, (%d%.%d+) s\r"
        .. "\r\27%[Ktea > sugar: step 2, (%d%.%d+) s\r")
      assert.is_true(tonumber(first) >= 0.2 and tonumber(first) < tonumber(second), sent)
      assert.matches("^done: action 'default' in 0%.%d+ s\n$", on_screen(sent))
      assert.equal(0, status)
    end)

    it("takes the live line away from what the flow prints", function()
      local sent = neap_on_terminal({ "run", "a.lua" }, { ["a.lua"] = [[
        local neap = require "neap"
        local print = print
        local function wait() neap.sleep(0.5) end
        return neap.Node { name = "a", exec = function()
          wait() print("printed", 1)
          wait() io.write("written\n")
          wait() io.stdout:write("by its ", "method\n")
          wait() warn "warned"
          wait() io.stdout:write("na") io.stdout:flush() wait() io.write("me\n")
          wait() print(select(2, pcall(function() io.write("x", nil) end)))
        end }]] })
      local _, lines = sent:gsub("a: step 1", "")
      assert.is_true(lines >= 6, sent)
      assert.matches("^printed\t1\nwritten\nby its method\nwarning: warned\nname\n"
        .. "a.lua:10: bad argument #2 to 'write' %(string expected, got nil%)\n"
        .. "done: action 'default' in %d%.%d+ s\n$", on_screen(sent))
    end)

    it("lets a deadlock clean up", function()
      local result = neap({ "-e", [[
        local neap = require "neap"
        local _ <close> = setmetatable({}, { __close = function() print("closed") end })
        neap.event():wait()]] })
      assert.matches("deadlock", result.stderr)
      assert.equal("closed\n", result.stdout)
      assert.equal(1, result.status)
    end)

    it("finds a deadlock behind a live line", function()
      local sent, status = neap_on_terminal({ "run", "a.lua" }, { ["a.lua"] = [[
        local neap = require "neap"
        local full = neap.semaphore(1)
        return neap.Node { name = "stuck", exec = function()
          local _ <close> = full:acquire()
          full:acquire()
        end }]] })
      assert.matches("deadlock", sent)
      assert.equal(1, status)
    end)

    it("refuses arguments that make no sense", function()
      for problem, argv in pairs {
        ["a FILE expected"] = {},
        ["unknown option '--jsn'; did you mean '--json'?"] = { "a.lua", "--jsn" },
        ["unknown option '-x'"] = { "a.lua", "-x" },
        ["'--timeout' needs a value: seconds"] = { "a.lua", "--timeout" },
        ["'--json' takes no value"] = { "a.lua", "--json=1" },
        ["'--json' is given twice"] = { "a.lua", "--json", "--json" },
        ["one FILE expected, got 'b', too"] = { "a.lua", "b" },
        ["'--timeout' is in seconds, more than 0, got '-1'"] = { "a.lua", "--timeout", "-1" },
        ["'--max-steps' is an integer of 1 or more, got '1.5'"] = { "a.lua", "--max-steps=1.5" },
        ["'--param' is NAME=TEXT or NAME:=JSON, got 'x'"] = { "a.lua", "--param", "x" },
        ["'--param x': "] = { "a.lua", "--param", "x:=" },
        ["'--shared': "] = { "a.lua", "--shared", "{" },
        ["'--shared' is a JSON object, got null"] = { "a.lua", "--shared", "null" },
        ["'--shared' is a JSON object, got a number"] = { "a.lua", "--shared", "5" },
        ["'--shared': none: No such file or directory"] = { "a.lua", "--shared", "@none" },
        ["'--shared': /: Is a directory"] = { "a.lua", "--shared", "@/" },
        ["'--shared' @latin1: "] = { "a.lua", "--shared", "@latin1" },
      } do
        table.insert(argv, 1, "run")
        local result = neap(argv, { ["a.lua"] = GREET, latin1 = '{"a":"\xe9"}' })
        assert.matches("neap: run: " .. problem, result.stderr, 1, true)
        assert.equal("", result.stdout)
        assert.equal(2, result.status)
      end
    end)

    it("says what is left when nobody can be woken any more", function()
      local result = neap({ "run", "a.lua" }, { ["a.lua"] = [[
        local neap = require "neap"
        local full = neap.semaphore(1)
        return neap.Node { name = "stuck", exec = function()
          local _ <close> = full:acquire()
          full:acquire()
        end }]] })
      assert.matches("deadlock", result.stderr)
      assert.equal(1, result.status)
    end)
  end)

  describe("graph", function()
    it("prints Mermaid, or dot when asked to", function()
      local mermaid = neap({ "graph", "a.lua" }, { ["a.lua"] = GREET })
      assert.equal('flowchart TD\n  s1([start])\n  n2["greet"]\n  s1 --> n2\n', mermaid.stdout)
      assert.equal(0, mermaid.status)
      local dot = neap({ "graph", "a.lua", "--format", "dot" }, { ["a.lua"] = GREET })
      assert.matches('^digraph "greeting" {\n', dot.stdout)
    end)

    it("refuses other formats and files without a flow", function()
      local result = neap({ "graph", "a.lua", "--format=dott" }, { ["a.lua"] = GREET })
      assert.matches("did you mean 'dot'?", result.stderr, 1, true)
      assert.equal(2, result.status)
      assert.equal(1, neap({ "graph", "a.lua" }, { ["a.lua"] = "return 5" }).status)
    end)
  end)

  describe("check", function()
    local MISTAKE = [[
      local neap = require "neap"
      local a, b = neap.Node { name = "a" }, neap.Node { name = "b" }
      return neap.Flow { name = "flow", start = a, b >> a }]]

    it("prints what it finds", function()
      local result = neap({ "check", "a.lua" }, { ["a.lua"] = MISTAKE })
      assert.equal("a.lua: unreachable: flow > b: nothing leads to it from the start\n",
        result.stdout)
      assert.equal(1, result.status)
      result = neap({ "check", "a.lua", "--json" }, { ["a.lua"] = MISTAKE })
      assert.same({ { kind = "unreachable", node = "flow > b",
        message = "nothing leads to it from the start" } }, json.decode(result.stdout))
      assert.equal(1, result.status)
    end)

    it("prints nothing when all is well", function()
      local result = neap({ "check", "a.lua" }, { ["a.lua"] = GREET })
      assert.equal("", result.stdout .. result.stderr)
      assert.equal(0, result.status)
      assert.equal("[]\n", neap({ "check", "a.lua", "--json" }, { ["a.lua"] = GREET }).stdout)
    end)

    it("finds a class where a flow should be", function()
      local result = neap({ "check", "-" }, nil, "return require('neap').Flow")
      assert.matches("^%-: class: Flow: ", result.stdout)
      assert.equal(1, result.status)
    end)

    it("ends with 2 when there is no flow to check", function()
      assert.equal(2, neap({ "check", "a.lua" }, { ["a.lua"] = "return 5" }).status)
      assert.equal(2, neap({ "check", "none.lua" }).status)
      assert.equal(2, neap({ "check" }).status)
    end)
  end)

  describe("when stdout takes nothing", function()
    -- Runs it with stdout to this; gives the status and stderr.
    local function to(redirection, ...)
      local folder = helper.tmpdir()
      helper.write(folder .. "/a.lua", GREET .. "--" .. ("x"):rep(10000))
      local result = helper.run({ "sh", "-c", '"$@" ' .. redirection, "sh", helper.neap, ... },
        { cwd = folder, timeout = 30 })
      return result.status, result.stderr
    end

    it("fails with the reason", function()
      for _, argv in ipairs { { "run", "a.lua", "--json", "--shared", '{"greeting":"x"}' },
        { "graph", "a.lua" }, { "check", "a.lua", "--json" }, { "help" }, { "version" } } do
        local status, problem = to(">/dev/full", table.unpack(argv))
        assert.equal("neap: standard output: No space left on device\n", problem)
        assert.equal(1, status)
        status, problem = to("1</dev/null", table.unpack(argv))
        assert.equal("neap: standard output: Bad file descriptor\n", problem)
        assert.equal(1, status)
      end
    end)

    it("fails with a document larger than any buffer", function()
      local status, problem = to(">/dev/full", "run", "a.lua", "--json", "--shared",
        ('{"greeting":"%s"}'):format(("x"):rep(100000)))
      assert.equal("neap: standard output: No space left on device\n", problem)
      assert.equal(1, status)
    end)

    it("fails a script that only prints", function()
      for _, where in ipairs { ">/dev/full", ">&-" } do
        local status, problem = to(where, "-e", "print(1)")
        assert.matches("^neap: standard output: ", problem)
        assert.equal(1, status)
      end
    end)

    it("does not matter to what prints nothing", function()
      assert.equal(0, (to(">/dev/full", "check", "a.lua")))
    end)
  end)

  describe("when a signal arrives", function()
    local it = helper.is_preempted and pending or it

    -- `signal` sends one to the process, and returns when it has been sent.
    local PRELUDE = [[
      local neap = require "neap"
      local function signal(name) io.popen("kill -" .. name .. " $PPID"):close() end
      local function guard(name)
        return setmetatable({}, { __close = function() print(name .. " closed") end })
      end
    ]]

    -- Expects these lines on stdout, in any order.
    local function expect(status, lines, argv, code)
      local result = neap(argv, { ["a.lua"] = PRELUDE .. code })
      local printed = {}
      for line in result.stdout:gmatch("[^\n]+") do printed[#printed + 1] = line end
      table.sort(printed)
      assert.same(lines, printed)
      assert.equal(status, result.status)
      assert.is_nil(result.stderr:find("traceback", 1, true))
    end

    it("ends a flow that waits, after it has unwound", function()
      local flow = [[
        local how = ...
        return neap.BatchNode { name = "batch", concurrency = 2,
          prep = function() return { 1, 2 } end,
          exec = function(_, _, item)
            local _ <close> = guard("item " .. item)
            neap.sleep(0)
            if item == 2 then signal(how) end
            neap.sleep(3600)
          end }]]
      local closed = { "item 1 closed", "item 2 closed" }
      expect(130, closed, { "run", "a.lua", "--", "INT" }, flow)
      expect(143, closed, { "run", "a.lua", "--", "TERM" }, flow)
      expect(129, closed, { "run", "a.lua", "--", "HUP" }, flow)
    end)

    -- The second node of a flow sends itself the signal and waits.
    local TEA = PRELUDE .. [[
      local how = ...
      local water = neap.Node { name = "water", exec = function(_, shared) shared.water = 1 end }
      local sugar = neap.Node { name = "sugar", exec = function(_, shared)
        shared.sugar = "some"
        signal(how)
        neap.sleep(3600)
      end }
      return neap.Flow { name = "tea", start = water, water >> sugar }]]

    it("says where the flow was, and for how long it has run", function()
      for how, status in pairs { INT = 130, TERM = 143 } do
        local result = neap({ "run", "a.lua", "--", how }, { ["a.lua"] = TEA })
        assert.matches("^neap: cancelled in tea > sugar after %d+%.%d+ s\n$", result.stderr)
        assert.equal(status, result.status)
      end
    end)

    it("prints the JSON document with what was reached", function()
      local result = neap({ "run", "a.lua", "--json", "--", "INT" }, { ["a.lua"] = TEA })
      local document = json.decode(result.stdout)
      assert.same({ message = "cancelled", code = "cancelled", node = "tea > sugar" },
        document.error)
      assert.same({ water = 1, sugar = "some" }, document.shared)
      assert.equal(3, document.steps)
      assert.equal(130, result.status)
    end)

    it("ends a file that has not returned its flow yet", function()
      local result = neap({ "run", "a.lua" }, { ["a.lua"] = PRELUDE .. [[
        signal "INT"
        neap.sleep(3600)]] })
      assert.matches("^neap: cancelled in a.lua after ", result.stderr)
      assert.equal(130, result.status)
    end)

    it("ends a flow that computes, whose error nobody retries", function()
      expect(130, { "exec closed" }, { "run", "a.lua", "--quiet" }, [[
        return neap.Node { name = "spin", max_retries = 3, exec = function()
          local _ <close> = guard "exec"
          signal "INT"
          while true do end
        end }]])
    end)

    it("ends what waits for a file that never opens", function()
      local pipe = helper.tmpdir() .. "/pipe"
      assert.is_true(os.execute("mkfifo " .. helper.quote(pipe)))
      expect(130, { "script closed" }, { "a.lua", pipe }, [[
        local _ <close> = guard "script"
        neap.spawn(function() signal "INT" end)
        neap.fs.read((...))]])
    end)

    it("ends what computes in a coroutine of the user's own", function()
      expect(130, { "exec closed" }, { "run", "a.lua", "--quiet" }, [[
        return neap.Node { name = "spin", exec = function()
          local _ <close> = guard "exec"
          local spin = coroutine.wrap(function()
            signal "INT"
            while true do end
          end)
          spin()
        end }]])
    end)

    it("ends all items of a batch that compute", function()
      expect(130, { "item 1 closed", "item 2 closed" }, { "run", "a.lua", "--quiet" }, [[
        return neap.BatchNode { name = "batch", concurrency = 2, on_error = "collect",
          prep = function() return { 1, 2 } end,
          exec = function(_, _, item)
            local _ <close> = guard("item " .. item)
            neap.sleep(0)
            if item == 1 then signal "INT" end
            while true do end
          end }]])
    end)

    -- A program sends the signal, for such a loop calls nothing that could.
    it("ends a loop of nodes that have no methods and never wait", function()
      for _, loop in ipairs {
        "neap.Flow { name = 'f', start = a, a >> a }",
        "neap.Flow { name = 'f', start = a, a >> neap.Flow { start = b } >> a }",
        "neap.Flow { name = 'f', start = a, a >> neap.Parallel { b, neap.Node() } >> a }",
        "neap.BatchFlow { name = 'f', start = a, a >> a, prep = function() return { {} } end }",
      } do
        expect(130, { "script closed" }, { "a.lua" }, ([[
          local a, b = neap.Node { name = "a" }, neap.Node { name = "b" }
          local _ <close> = guard "script"
          neap.process.spawn { "sh", "-c", "sleep 0.1; kill -INT $PPID" }
          local loop = %s
          loop:run()]]):format(loop))
      end
    end)

    it("ends tasks that own each other, as many as there are, in order", function()
      local deep = helper.write(helper.tmpdir() .. "/deep.lua", PRELUDE .. [[
        local function go(depth)
          if depth == 0 then
            signal "INT"
            neap.sleep(3600)
          end
          neap.spawn(go, depth - 1):await()
        end
        local _ <close> = guard "script"
        go(50000)]])
      local result = helper.run { "sh", "-c", 'ulimit -s 1024 && exec "$0" "$1"', helper.neap,
        deep }
      assert.same({ 130, "script closed\n" }, { result.status, result.stdout })
    end)

    it("ends a script, waiting or computing", function()
      expect(130, { "script closed" }, { "a.lua" }, [[
        local _ <close> = guard "script"
        signal "INT"
        while true do end]])
      expect(143, { "script closed" }, { "a.lua" }, [[
        local _ <close> = guard "script"
        signal "TERM"
        neap.sleep(3600)]])
    end)

    it("ends a read from standard input that blocks", function()
      local result = helper.run({ "sh", "-c",
        "mkfifo fifo && exec 3<>fifo && exec timeout --preserve-status -s INT 1 \"$0\" -e '"
          .. "io.read() while true do end' <&3", helper.neap },
        { cwd = helper.tmpdir(), timeout = 30 })
      assert.equal(130, result.status)
    end)

    it("is let be when it is SIGHUP and nohup is in use", function()
      local script = helper.write(helper.tmpdir() .. "/a.lua", PRELUDE .. [[
        signal "HUP"
        neap.sleep(0.05)
        print "went on"]])
      local result = helper.run { "sh", "-c", [[trap '' HUP; exec "$0" "$1"]], helper.neap,
        script }
      assert.same({ status = 0, stdout = "went on\n", stderr = "" }, result)
    end)

    it("may be a SIGHUP that comes twice, as from a terminal and its shell", function()
      expect(129, { "script closed" }, { "a.lua" }, [[
        local _ <close> = setmetatable({}, { __close = function()
          signal "HUP"
          print "script closed"
        end })
        signal "HUP"
        neap.sleep(3600)]])
    end)

    it("ends what a script has started", function()
      for how, status in pairs { INT = 130, TERM = 143, HUP = 129 } do
        local notes = helper.tmpdir() .. "/pid"
        expect(status, { "script closed" }, { "a.lua", how, notes }, [[
          local _ <close> = guard "script"
          local how, notes = ...
          local child = neap.process.spawn { "sh", "-c", "trap '' TERM; echo; sleep 3600",
            grace = 0.1 }
          child.stdout:read()
          neap.fs.write(notes, tostring(child.pid))
          signal(how)
          child:wait()]])
        local there, stat = pcall(helper.read, "/proc/" .. helper.read(notes) .. "/stat")
        assert.is_false(there and not stat:find(") Z ", 1, true))
      end
    end)

    it("ends at once with the second when code will not be stopped", function()
      expect(130, {}, { "a.lua" }, [[
        local _ <close> = guard "script"
        pcall(function() signal "INT" while true do end end)
        signal "INT"]])
    end)
  end)
end)

describe("a script that nobody listens to any more", function()
  -- Runs the executable with these words, quoted, its stdout going to `reader`, or
  -- what `redirection` says. Returns what that prints, the exit status, and what is in
  -- the file `notes`.
  local function piped(reader, words, redirection)
    local folder = helper.tmpdir()
    helper.write(folder .. "/stderr", "")
    local command = ("{ %s %s %s; echo $? >status; } | %s"):format(
      helper.quote(helper.neap), words, redirection or "2>stderr", reader)
    local result = helper.run({ "sh", "-c", command }, { cwd = folder, timeout = 30 })
    assert.equal("", helper.read(folder .. "/stderr"):sub(1, 1000))
    local ok, notes = pcall(helper.read, folder .. "/notes")
    return result.stdout, tonumber(helper.read(folder .. "/status")), ok and notes or nil
  end

  local function code(text)
    return "-e " .. helper.quote(text)
  end

  local ENDLESS = {
    ["print"] = "while true do print 'y' end",
    ["io.write"] = "while true do io.write('y', '\\n') end",
    ["an open file"] = "local out = io.stdout while true do out:write 'y\\n' end",
    ["a coroutine"] = "while true do coroutine.wrap(function() print 'y' end)() end",
    ["pcall"] = "while true do assert(pcall(print, 'y')) end",
    ["a node"] = [[local neap = require 'neap'
      local a = neap.Node { name = 'a', exec = function() print 'y' end }
      neap.Flow { name = 'f', start = a, a >> a }:run()]],
    ["a task"] = [[local neap = require 'neap'
      neap.spawn_detached(function() while true do print 'y' neap.sleep(0) end end)
      neap.sleep(3600)]],
  }

  it("ends without a word, whatever it prints with", function()
    for what, endless in pairs(ENDLESS) do
      local stdout, status = piped("head -n 1", code(endless))
      assert.same({ what, "y\n", 141 }, { what, stdout, status })
    end
  end)

  it("ends so when it is stderr that went there", function()
    local stdout, status = piped("head -n 1",
      code "while true do io.stderr:write 'y\\n' end", "2>&1 >/dev/null")
    assert.same({ "y\n", 141 }, { stdout, status })
  end)

  it("unwinds before", function()
    local _, status, notes = piped("head -n 1", code [[
      local _ <close> = setmetatable({}, { __close = function()
        io.open("notes", "w"):write("closed"):close()
      end })
      while true do print 'y' end]])
    assert.same({ 141, "closed" }, { status, notes })
  end)

  it("ends so, too, when what it printed is only written at its end", function()
    local _, status = piped("true", code "require 'neap'.sleep(0.1) io.write 'x'")
    assert.equal(141, status)
    _, status = piped("true", code "require 'neap'.sleep(0.1) io.write 'x' return 3")
    assert.equal(3, status)
  end)

  it("ends the commands in that way", function()
    local file = helper.write(helper.tmpdir() .. "/a.lua", [[
      return require "neap".Node { name = "n", exec = function()
        for i = 1, 100000 do print(i) end
      end }]])
    for _, more in ipairs { "", " --quiet" } do
      local stdout, status = piped("head -n 1", "run " .. helper.quote(file) .. more)
      assert.same({ "1\n", 141 }, { stdout, status })
    end
  end)

  it("goes on when it is a connection or a program that has gone", function()
    local stdout, status = piped("cat", code [[
      local neap = require "neap"
      local file = io.popen("true", "w")
      neap.sleep(0.1)
      file:write("x")
      print((file:flush()))
      local child = neap.process.spawn { "true" }
      child:wait()
      print(neap.try(child.stdin.write, child.stdin, "x"))]])
    assert.matches("^nil\nnil\t", stdout)
    assert.equal(0, status)
  end)

  it("goes on where SIGPIPE is ignored, and says so at its end", function()
    local result = helper.run { "sh", "-c", "trap '' PIPE; \"$0\" -e \"$1\" | true", helper.neap,
      "require 'neap'.sleep(0.1) print 'x'" }
    assert.equal("neap: standard output: Broken pipe\n", result.stderr)
  end)
end)

describe("neap.cli.progress", function()
  -- An event, with a visit for each path unless it has one.
  local visits = {}
  local function visited(event)
    if not visits[event.node] then
      visits[#visits + 1] = event.node
      visits[event.node] = #visits
    end
    event.visit = event.visit or visits[event.node]
    return event
  end

  -- Follows the events of a run and returns all that was written.
  local function follow(live, events)
    local written = {}
    local watch = progress.new(0, live, function(text) written[#written + 1] = text end)
    for _, event in ipairs(events) do watch:see(visited(event)) end
    watch:finish()
    return written, watch
  end

  -- The events of a batch with `total` items, each of which takes a second.
  local function batch(node, total)
    local events = { { kind = "node_start", node = node, time = 0 },
      { kind = "batch_start", node = node, total = total, time = 0 } }
    for i = 1, total do
      events[#events + 1] = { kind = "item_start", node = node, index = i, time = i - 1 }
      events[#events + 1] = { kind = "item_end", node = node, index = i, time = i, ok = i % 4 > 0 }
    end
    return events
  end

  it("adds a line for each tenth and one at the end", function()
    local written = follow(false, batch("all", 60))
    assert.equal(10, #written)
    assert.equal("all: 6/60, 1.0/s, 0 in flight, 1 failed, ETA 54 s\n", written[1])
    assert.equal("all: 60/60, 1.0/s, 0 in flight, 15 failed\n", written[10])
  end)

  it("adds no line for each item of a fast batch", function()
    local events = batch("all", 60)
    for _, event in ipairs(events) do event.time = event.time / 100 end
    assert.same({ "all: 60/60, 100/s, 0 in flight, 15 failed\n" }, (follow(false, events)))
  end)

  it("adds a line every half minute when there is no total", function()
    local events = batch("all", 60)
    events[2].total = nil
    assert.same({ "all: 30 done, 1.0/s, 0 in flight, 7 failed\n",
      "all: 60 done, 1.0/s, 0 in flight, 15 failed\n" }, (follow(false, events)))
  end)

  it("redraws one line at most ten times a second, and clears it", function()
    local events = batch("all", 1000)
    for _, event in ipairs(events) do event.time = event.time / 1000 end
    local written = follow(true, events)
    assert.is_true(#written >= 9 and #written <= 11)
    assert.equal("\r\27[Kall: 100/1000, 1000/s, 0 in flight, 25 failed, ETA 0.90 s\r",
      written[1])
    assert.equal("\r\27[K", written[#written])
  end)

  it("shows the tokens that models have taken, and what they cost", function()
    local events = batch("all", 60)
    local function call(input, output, cost)
      table.insert(events, 3, { kind = "llm", node = "all[1] > ask", time = 0, cost = cost,
        usage = { input = input, output = output }, attempts = 1 })
    end
    call(9000, 999)
    local written = follow(false, events)
    assert.equal("all: 60/60, 1.0/s, 0 in flight, 15 failed, 9999 tokens\n", written[#written])
    call(90000, 1, 0.0412)
    written = follow(false, events)
    assert.equal("all: 6/60, 1.0/s, 1 failed, 100.0k tokens, cost 0.0412, ETA 54 s\n", written[1])
    call(5000000, 1, 1.2)
    local watch
    written, watch = follow(true, { { kind = "node_start", node = "a", time = 0 }, events[3],
      { kind = "llm", node = "a", time = 2 }, { kind = "wait", node = "a", time = 3 } })
    assert.equal("\r\27[Ka: step 1, 5.0M tokens, cost 1.20, 3.00 s\r", written[#written - 1])
    assert.same({ 2, 1, 1 }, { watch.models.calls, watch.models_by_node["all > ask"].calls,
      watch.models_by_node.a.calls })
  end)

  it("counts events of others as well, whatever they have in them", function()
    local odd = { { usage = 1 }, { usage = { input = "x", output = -1 }, cost = {} },
      { usage = { input = 0 / 0, output = 1 / 0 }, attempts = "2" }, { usage = { output = 7 } } }
    for _, event in ipairs(odd) do event.kind, event.node, event.time = "llm", "a", 1 end
    local _, watch = follow(false, odd)
    assert.same({ calls = 4, attempts = 0, input = 0, cached = 0, cache_write = 0, output = 7,
      reasoning = 0 }, watch.models)
  end)

  it("redraws its line when time has passed", function()
    local written = {}
    local watch = progress.new(0, true, function(text) written[#written + 1] = text end)
    watch:tick(1)
    assert.same({}, written) -- no node has started
    watch:see { kind = "node_start", node = "a", time = 1 }
    watch:tick(1.05)
    watch:tick(1.2)
    assert.same({ "\r\27[Ka: step 1, 1.00 s\r", "\r\27[Ka: step 1, 1.20 s\r" }, written)
  end)

  it("gives way to others until their line has an end", function()
    local written = {}
    local watch = progress.new(0, true, function(text) written[#written + 1] = text end)
    watch:see { kind = "node_start", node = "a", time = 1 }
    watch:give_way(true)
    assert.equal("\r\27[K", written[2])
    watch:tick(2)
    watch:give_way(false)
    assert.equal(2, #written) -- there was nothing to clear
    watch:tick(3)
    assert.equal("\r\27[Ka: step 1, 3.00 s\r", written[3])
    watch:finish()
    watch:give_way(false)
    assert.equal(4, #written)
  end)

  it("follows the outermost batch, and counts every visit and retry", function()
    local events = { { kind = "batch_start", node = "outer", total = 2, time = 0 },
      { kind = "item_start", node = "outer", index = 1, time = 0 } }
    table.move(batch("outer[1] > inner", 9), 1, 20, #events + 1, events)
    events[#events + 1] = { kind = "retry", node = "outer[1] > inner", time = 9 }
    events[#events + 1] = { kind = "item_end", node = "outer", index = 1, time = 10, ok = true }
    local written, watch = follow(false, events)
    assert.equal("outer: 1/2, 6.0/min, 0 in flight, 1 retry, ETA 10 s\n", written[#written])
    assert.equal(11, watch.steps)
  end)

  it("of batches side by side shows the last that began, and then one that goes on", function()
    local function item(kind, node, index, time)
      return { kind = "item_" .. kind, node = node, index = index, time = time, ok = true }
    end
    -- Two batches begin, and each ends an item.
    local function play(total)
      local watch = progress.new(0, true, function() end)
      local function see(event) watch:see(visited(event)) end
      see { kind = "node_start", node = "fork", time = 0 }
      see { kind = "batch_start", node = "fork > a", total = total, time = 0 }
      see { kind = "batch_start", node = "fork > b", total = total, time = 0 }
      see(item("start", "fork > a", 1, 1))
      see { kind = "batch_start", node = "fork > a[1] > inner", total = 9, time = 1 }
      see(item("start", "fork > b", 1, 1))
      see(item("end", "fork > a", 1, 1))
      assert.equal("fork > b", watch.batch.node)
      see(item("start", "fork > a", 2, 1))
      see(item("end", "fork > b", 1, 1))
      return watch, see
    end
    for _, total in ipairs { 2, false } do
      local watch, see = play(total or nil)
      see(item("start", "fork > b", 2, 1))
      see(item("end", "fork > b", 2, 2))
      assert.equal("fork > b", watch.batch.node)
      see { kind = "node_end", node = "fork > b", time = 2 }
      assert.equal("fork > b", watch.batch.node)
      see(item("end", "fork > a", 2, 2))
      assert.equal("fork > a", watch.batch.node)
      assert.same({ 2, 2 }, { watch.batch.started, watch.batch.done })
    end
  end)

  it("keeps apart batches of one path", function()
    local watch = progress.new(0, true, function() end)
    for _, kind in ipairs { "batch_start", "item_start", "item_end", "node_end" } do
      for visit = 2, 3 do
        watch:see { kind = kind, node = "fork > act", visit = visit, index = 1, total = 1,
          time = 1, ok = true }
        assert.is_true(watch.batch.done <= watch.batch.started)
        assert.is_true(watch.batch.done <= 1)
      end
    end
    assert.same({ 1, 1 }, { watch.batch.started, watch.batch.done })
  end)

  it("keeps a line within the terminal, its end rather than its front", function()
    local node = ("flow > "):rep(20) .. "ünd\27[2J"
    local written = follow(true, { { kind = "node_start", node = node, time = 1 } })
    local line = written[1]:match("^\r\27%[K(.*)\r$")
    assert.equal(79, utf8.len(line))
    assert.matches("^%.%.%..* > ünd %[2J: step 1, 1.00 s$", line)
  end)

  it("keeps it there as well where there is much to count", function()
    local events = batch("a long name of a batch", 60)
    events[2].total = 123456789
    for _ = 1, 1000 do
      table.insert(events, 3, { kind = "retry", node = "all", time = 0 })
    end
    table.insert(events, 3, { kind = "llm", node = "all", time = 0, cost = 123456.78,
      usage = { input = 99e9 } })
    local written = follow(false, events)
    assert.is_true(#written > 0)
    for _, line in ipairs(written) do
      assert.is_true(#line <= 80) -- with the newline
      assert.matches("^%.%.%..*ETA", line)
    end
  end)

  it("has words for times", function()
    assert.equal("0.12 s", progress.duration(0.123))
    assert.equal("12 s", progress.duration(12.3))
    assert.equal("2 min 3 s", progress.duration(123))
    assert.equal("3 h 25 min", progress.duration(12345))
  end)
end)

describe("neap.cli.plain", function()
  it("keeps what JSON can hold", function()
    local value = { list = { 1, "a", { x = true } }, empty = json.array {}, null = json.null }
    assert.same(value, plain.of(value))
    assert.equal('{"empty":[]}', json.encode(plain.of { empty = json.array {} }))
  end)

  it("describes what JSON cannot hold", function()
    local loop = {}
    loop.loop = loop
    assert.same({ f = "<function>", inf = "<inf>", file = "<userdata>", loop = { loop = "<cycle>" },
      bytes = "a\u{FFFD}b", class = "<neap class: Node>", ["1"] = "one", ["true"] = "yes" },
      plain.of { "one", f = print, inf = math.huge, file = io.stdout, loop = loop, bytes = "a\xffb",
        class = require("neap").Node, [true] = "yes" })
  end)

  it("leaves vectors to JSON", function()
    local vector = require("neap").llm.vector { 1, 2.5 }
    assert.equal('{"v":[1.0,2.5]}', json.encode(plain.of { v = vector }))
  end)

  it("shows of a secret that there is one", function()
    assert.same({ key = "***", list = { "***" } },
      plain.of { key = secret "tide-1234", list = { secret "" } })
  end)

  it("ends for a table that is nested without end", function()
    local value = {}
    for _ = 1, 100000 do value = { value } end
    assert.matches("<nested too deep>", json.encode(plain.of(value)), 1, true)
  end)
end)
