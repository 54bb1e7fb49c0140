-- Errors: untouched inside Lua, an object where they leave a run.
-- SPDX-License-Identifier: MIT
local neap = require "neap"
local core = require "neap.core"
local helper = require "spec.helper"
local Node, Flow = neap.Node, neap.Flow
local failure = helper.failure

-- A deadlock ends the script in the executable, where this is a task.
local it_in_script = require("neap.core").in_task() and pending or it

-- A node called Charge whose exec raises that.
local function raising(err, options)
  options = options or {}
  options.name = "Charge"
  options.exec = function() error(err, 0) end
  return Node(options)
end

-- What leaves a run of a node.
local function left(node, ...)
  return failure(node.run, node, ...)
end

local kinds = { string = "text", table = { odd = true }, number = 42, boolean = true,
  ["function"] = print, thread = coroutine.create(print) }

describe("inside Lua an error is what was raised, untouched:", function()
  for kind, value in pairs(kinds) do
    it(("a %s, in pcall, process_after_fail, await and gather"):format(kind), function()
      local node = Node {
        exec = function()
          assert(rawequal(value, failure(error, value, 0)))
          error(value, 0)
        end,
        process_after_fail = function(_, _, _, err) assert(rawequal(value, err)) end,
      }
      node:run {}
      local task = neap.spawn(error, value, 0)
      assert.is_true(rawequal(value, failure(task.await, task)))
      assert.is_true(rawequal(value, failure(neap.gather, { function() error(value, 0) end })))
    end)
  end

  it("nil, too", function()
    local got = "something"
    Node { exec = function() error() end,
      process_after_fail = function(_, _, _, err) got = err end }:run {}
    assert.is_nil(got)
    local task = neap.spawn(error)
    assert.is_nil(failure(task.await, task))
  end)

  it("nil out of gather as out of anything", function()
    assert.is_nil(failure(neap.gather, { function() error() end, function() neap.sleep(10) end }))
  end)
end)

describe("an error that leaves a run", function()
  for kind, value in pairs(kinds) do
    it(("is an object whose cause is the %s that was raised, itself"):format(kind), function()
      local err = left(raising(value))
      assert.is_true(rawequal(value, err.cause))
      assert.same({ "user", "Charge", "exec", 1 }, { err.code, err.node, err.phase, err.attempt })
      assert.is_string(err.message)
      assert.is_string(err.traceback)
    end)
  end

  it("is one where nil was raised, too", function()
    local err = left(Node { exec = function() error() end })
    assert.is_nil(err.cause)
    assert.equal("nil", err.message)
  end)

  it("has the path of the node in its flows", function()
    local payment = Flow { name = "payment", start = raising "declined" }
    local err = left(Flow { name = "order", start = payment })
    assert.equal("order > payment > Charge", err.node)
  end)

  it("has the phase: prep, exec, fallback, post", function()
    local function broken() error("x", 0) end
    assert.equal("prep", left(Node { prep = broken }).phase)
    assert.equal("exec", left(Node { exec = broken }).phase)
    assert.equal("fallback", left(Node { exec = broken, process_after_fail = broken }).phase)
    assert.equal("post", left(Node { post = broken }).phase)
  end)

  it("has the attempt, from 1", function()
    assert.equal(1, left(raising "x").attempt)
    assert.equal(3, left(raising("x", { max_retries = 3 })).attempt)
    assert.equal(1, left(raising({ retryable = false }, { max_retries = 3 })).attempt)
  end)

  it("has the traceback of where it was raised", function()
    local function deep_inside() error "x" end
    local err = left(Node { exec = function() local _ = deep_inside() return _ end })
    assert.matches("in upvalue 'deep_inside'", err.traceback, 1, true)
    assert.matches("error_spec.lua", err.traceback, 1, true)
  end)

  it("has a traceback without neap's own functions where one of these raised it", function()
    local line = debug.getinfo(1, "l").currentline + 1
    local function in_script() local _ = neap.limiter { rat = 3 } end
    for tries = 1, 2 do
      local node, lines = Node { exec = in_script, max_retries = tries }, {}
      for each in left(node).traceback:gmatch "[^\n]+" do lines[#lines + 1] = each end
      assert.matches(("^\tspec/lua/base/error_spec.lua:%d: in "):format(line), lines[2])
      assert.is_nil(table.concat(lines, "\n"):find("lua/neap/", 1, true))
    end
  end)

  it("has a traceback with what the script has called in C", function()
    local node = Node { exec = function() table.sort({ 1, 2 }, function() error "x" end) end }
    local trace = left(node).traceback
    assert.matches("in function 'error'", trace, 1, true)
    assert.matches("in function 'table.sort'", trace, 1, true)
  end)

  it("has the traceback also where somebody might have caught it", function()
    local function deep_inside() error "x" end
    local node = Node { exec = function() local _ = deep_inside() return _ end,
      process_after_fail = function(_, _, _, err) error(err, 0) end }
    local flow = Flow { max_retries = 2, start = node }
    assert.matches("error_spec.lua", left(flow).traceback, 1, true)
  end)

  it("is an object out of a flow's task as well", function()
    local task = neap.spawn(raising "x")
    local err = failure(task.await, task)
    assert.same({ "user", "Charge", "x" }, { err.code, err.node, err.cause })
  end)

  it("keeps the code and the fields of an error of neap's", function()
    local own = require("neap.error").new { code = "http", message = "GET gave 503", status = 503,
      retry_after = 0.001 }
    local err = left(raising(own, { max_retries = 2 }))
    assert.same({ "http", "GET gave 503", 503, 2, "Charge" },
      { err.code, err.message, err.status, err.attempt, err.node })
    assert.equal(own, err.cause)
    assert.is_nil(own.node)
  end)

  it("takes its message from the table that was raised, where that has one", function()
    assert.equal("declined", left(raising { message = "declined" }).message)
  end)

  it("takes its message from __tostring else", function()
    local odd = setmetatable({}, { __tostring = function() return "as text" end })
    assert.equal("as text", left(raising(odd)).message)
  end)

  it("lists the fields of a table that says nothing about itself", function()
    assert.equal('{ card = "expired", tries = 2 }',
      left(raising { card = "expired", tries = 2 }).message)
  end)

  it("is made of no table that has a metatable", function()
    for name, value in pairs { ["a neap.Secret"] = neap.secret "key",
      ["a neap.node"] = Node { name = "n" }, ["has a metatable"] = setmetatable({}, {}),
      ["a table that has"] = setmetatable({}, { __metatable = false }) } do
      local before = debug.getmetatable(value)
      local err = failure(neap.error.new, value)
      assert.matches(name, err, 1, true)
      assert.equal(before, debug.getmetatable(value))
    end
    local err = neap.error.new { code = "c", message = "m" }
    assert.equal(err, neap.error.new(err))
  end)

  it("shows no address of what says nothing about itself, wherever it is told", function()
    local odd = { {}, print, coroutine.create(print), { {}, [print] = {} },
      setmetatable({}, { __name = "odd" }), { message = {} } }
    for _, cause in ipairs(odd) do
      local texts = { left(raising(cause)).message, tostring(left(raising(cause))),
        tostring(neap.error.new { code = "c", message = cause }), core.text(cause),
        require("neap.cli.report").text_of(cause),
        tostring(failure(neap.gather, { [cause] = 1 })),
        tostring(failure(neap.sleep, cause)),
        tostring(left(Node { name = "n", post = function() return cause end })) }
      for _, text in ipairs(texts) do assert.is_nil(text:find "0x%x%x%x%x", text) end
    end
  end)

  it("shows none in warnings and at the end of a script", function()
    local file = helper.write(helper.tmpdir() .. "/script.lua", [[
      local neap = require "neap"
      neap.Node { name = "n" }:run({}, { on_event = function() error({}, 0) end })
      neap.spawn_detached(error, {})
      neap.spawn(error, print)
      pcall(neap.sleep, 0)
      local _ <close> = setmetatable({}, { __close = function() error(setmetatable({}, {})) end })
      error {}
    ]])
    local result = helper.run { helper.neap, file }
    assert.matches("on_event raised: a table", result.stderr, 1, true)
    assert.is_nil(result.stderr:find "0x%x%x%x%x", result.stderr)
  end)

  it("survives a __tostring that raises, returns no string, or waits", function()
    for _, meta in ipairs {
      { __tostring = function() error "no text" end },
      { __tostring = function() return 3 end },
      { __tostring = function() neap.sleep(0) return "waited" end },
      { __name = 3, __index = function() error "no field" end },
    } do
      local odd = setmetatable({}, meta)
      for _, cause in ipairs { odd, { field = odd } } do
        local err = left(raising(cause))
        assert.is_true(rawequal(cause, err.cause))
        assert.is_string(err.message)
      end
    end
  end)

  it("that was wrapped by a run inside the node keeps that run's place and cause", function()
    local cause = {}
    local inner = Flow { name = "inner", start = raising(cause, { max_retries = 2 }) }
    local outer = Node { name = "outer", exec = function() inner:run {} end }
    local err = left(outer)
    assert.same({ "outer > inner > Charge", "exec", 2 }, { err.node, err.phase, err.attempt })
    assert.equal(cause, err.cause)
  end)

  it("may be as long as 5 MB and of invalid UTF-8", function()
    local text = ("\xff\0"):rep(5 << 19)
    local err = left(raising(text))
    assert.is_true(err.message == text)
    assert.is_true(tostring(err) == "Charge (exec): " .. text)
  end)
end)

describe("where memory was too short to note where an error arose", function()
  local leave = debug.getregistry()["neap.error.wrap"]

  it("it leaves the run as Lua's error for that", function()
    for _, origin in ipairs { false, {}, { traceback = "stack traceback:" } } do
      assert.equal("not enough memory", failure(leave, "declined", origin or nil))
    end
  end)
end)

describe("tostring of an error", function()
  it("is one readable paragraph", function()
    local payment = Flow { name = "payment", start = raising "declined" }
    assert.equal("order > payment > Charge (exec): declined",
      tostring(left(Flow { name = "order", start = payment })))
    assert.equal("Charge (exec, attempt 2): declined",
      tostring(left(raising("declined", { max_retries = 2 }))))
  end)

  it("leaves out the middle of a very long path", function()
    local flow = neap.Flow { name = "turtle" }
    flow.start = flow
    local _, err = pcall(flow.run, flow, {}, { max_steps = 1000 })
    assert.is_true(#err.node > 5000)
    assert.is_true(#tostring(err) < 600)
    assert.matches("^turtle > .* %.%.%. .*turtle %(prep%): ", tostring(err))
  end)

  it("is the message alone where there is no place", function()
    assert.equal("no", tostring(require("neap.error").new { code = "x", message = "no" }))
  end)
end)

describe("an error inside an error handler:", function()
  it("process_after_fail that raises fails the node with that", function()
    local err = left(raising("first", { process_after_fail = function() error("second", 0) end }))
    assert.same({ "second", "fallback" }, { err.cause, err.phase })
  end)

  it("process_after_fail that raises can be forgiven by the flow around it", function()
    local node = raising("first", { process_after_fail = function() error("second", 0) end })
    local flow = Flow { start = node, process_after_fail = function(_, _, _, err) return err end }
    assert.equal("second", flow:run {})
  end)

  it("__close that raises takes the place of the error in pcall, as in Lua, but not where a node "
    .. "or task ends with it", function()
    local function closing()
      local _ <close> = setmetatable({}, { __close = function() error("while closing", 0) end })
      error("first", 0)
    end
    assert.equal("while closing", failure(closing))
    for _, attempts in ipairs { 1, 2 } do
      assert.equal("first", left(Node { exec = closing, max_retries = attempts }).cause)
    end
    local task = neap.spawn(closing)
    assert.equal("first", failure(task.await, task))
  end)

  it("what __close raised is a warning, and in the field suppressed of an object", function()
    local result = helper.run { helper.neap, "-e", [[
      local neap = require "neap"
      local function closing()
        local _ <close> = setmetatable({}, { __close = function() error("while closing", 0) end })
        error("first", 0)
      end
      local ok, err = pcall(neap.Node.run, neap.Node { name = "n", exec = closing })
      print(err, err.suppressed[1])]] }
    assert.equal("n (exec): first\twhile closing\n", result.stdout)
    assert.equal("warning: neap: an error was suppressed by another one: while closing\n",
      result.stderr)
  end)

  it("__close that raises while a task is cancelled ends it all the same", function()
    local task = neap.spawn(function()
      local _ <close> = setmetatable({}, { __close = function() error("while closing", 0) end })
      neap.sleep(10)
    end)
    neap.sleep(0)
    task:cancel()
    local err = failure(task.await, task)
    assert.equal("cancelled", err.code)
    assert.same({ "while closing" }, err.suppressed)
    assert.equal("cancelled", task.status)
  end)

  it("__close may wait while its task fails", function()
    local closed
    local task = neap.spawn(function()
      local _ <close> = setmetatable({}, { __close = function()
        neap.sleep(0.001)
        closed = true
      end })
      error("first", 0)
    end)
    assert.equal("first", failure(task.await, task))
    assert.is_true(closed)
  end)

  -- Setting a hook takes Lua the longer the more functions have been called.
  local it_is_deep = helper.is_preempted and pending or it
  it_is_deep("an error without end is still an error", function()
    local function forever() return 1 + forever() end
    for _, options in ipairs { {}, { max_retries = 2 } } do
      options.exec = forever
      assert.matches("stack overflow", left(Node(options)).message, 1, true)
    end
  end)
end)

describe("neap.try", function()
  it("gives true and the results", function()
    assert.same({ true, 1, nil, 3, n = 4 },
      table.pack(neap.try(function(...) return ... end, 1, nil, 3)))
  end)

  it("gives nil and the error, untouched", function()
    local cause = {}
    assert.same({ nil, cause, n = 2 }, table.pack(neap.try(error, cause)))
    assert.equal(cause, select(2, neap.try(error, cause)))
  end)

  it("never swallows a cancellation", function()
    local went_on
    local task = neap.spawn(function()
      neap.try(neap.sleep, 10)
      went_on = true
    end)
    neap.sleep(0)
    task:cancel()
    assert.equal("cancelled", failure(task.await, task).code)
    assert.is_nil(went_on)
  end)
end)

describe("the deadlock of a run", function()
  it_in_script("is an error that lists each waiter, what it waits for, and where", function()
    local semaphore = neap.semaphore(1)
    local _ = semaphore:acquire()
    local flow = Flow { start = Node { name = "Waits", exec = function() semaphore:acquire() end } }
    local err = left(flow)
    assert.equal("deadlock", err.code)
    assert.matches("nothing is left that could wake a task", err.message, 1, true)
    assert.matches("waits for a semaphore", err.message, 1, true)
    assert.matches("error_spec.lua", err.message, 1, true)
    assert.matches("the main chunk, waits for a flow", err.message, 1, true)
  end)
end)
