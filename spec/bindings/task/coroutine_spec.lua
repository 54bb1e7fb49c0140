-- Coroutines of the user's own, in which one may wait as anywhere.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local neap = require "neap"
local failure, turns = helper.failure, helper.turns

-- Each spec runs in a task and in the main chunk.
local function both(name, f)
  it(name .. ", in a task", function() neap.spawn(f):await() end)
  it(name .. ", in the main chunk", f)
end

-- A generator of 1 to n that waits before each.
local function generator(n)
  return function()
    for i = 1, n do
      neap.sleep(0)
      coroutine.yield(i)
    end
  end
end

describe("a coroutine of one's own", function()
  both("may wait between its yields", function()
    local list = {}
    for i in coroutine.wrap(generator(3)) do list[#list + 1] = i end
    assert.same({ 1, 2, 3 }, list)
  end)

  both("gets and gives values past the waits", function()
    local co = coroutine.create(function(...)
      neap.sleep(0)
      local got = table.pack(coroutine.yield(...))
      neap.sleep(0)
      got = table.pack(coroutine.yield(table.unpack(got, 1, got.n)))
      neap.sleep(0)
      return table.unpack(got, 1, got.n)
    end)
    assert.same({ true, 1, nil, n = 3 }, table.pack(coroutine.resume(co, 1, nil)))
    assert.same({ true, nil, 2, n = 3 }, table.pack(coroutine.resume(co, nil, 2)))
    assert.same({ true, n = 1 }, table.pack(coroutine.resume(co)))
    assert.same({ false, "cannot resume dead coroutine" }, { coroutine.resume(co) })
  end)

  both("may wait in one inside another", function()
    local function nest(depth)
      if depth == 0 then return coroutine.wrap(generator(3)) end
      return coroutine.wrap(function()
        for i in nest(depth - 1) do
          neap.sleep(0)
          coroutine.yield(i)
        end
      end)
    end
    local sum = 0
    for i in nest(20) do sum = sum + i end
    assert.equal(6, sum)
  end)

  both("may fail after a wait, as resume and wrap tell it", function()
    local cause = {}
    local function fail() neap.sleep(0) error(cause) end
    local co = coroutine.create(fail)
    assert.same({ false, cause }, { coroutine.resume(co) })
    assert.equal("dead", coroutine.status(co))
    assert.equal(cause, failure(coroutine.wrap(fail)))
    local err = failure(coroutine.wrap(function() neap.sleep(0) error("text", 0) end))
    assert.matches("text$", err)
  end)

  both("that fails runs its <close> variables in wrap, by close in resume", function()
    local log = {}
    local function fail()
      local _ <close> = setmetatable({}, { __close = function(_, err) log[#log + 1] = err end })
      neap.sleep(0)
      error("no", 0)
    end
    failure(coroutine.wrap(fail))
    assert.same({ "no" }, log)
    local co = coroutine.create(fail)
    coroutine.resume(co)
    assert.same({ "no" }, log)
    assert.same({ false, "no" }, { coroutine.close(co) })
    assert.same({ "no", "no" }, log)
  end)

  both("may wait inside pcall inside it", function()
    local co = coroutine.wrap(function()
      local ok, err = pcall(function() neap.sleep(0) error("inner", 0) end)
      neap.sleep(0)
      coroutine.yield(ok, err)
    end)
    assert.same({ false, "inner" }, { co() })
  end)

  it("lets others run while it waits", function()
    local order = {}
    neap.gather {
      function()
        for i in coroutine.wrap(generator(2)) do order[#order + 1] = i end
      end,
      function()
        neap.sleep(0)
        order[#order + 1] = "other"
        neap.sleep(0)
        order[#order + 1] = "other"
      end,
    }
    assert.same({ 1, "other", 2, "other" }, order)
  end)

  it("may go from one task to another between its yields", function()
    local numbers = coroutine.wrap(generator(4))
    assert.same({ 1, 2, n = 2 }, neap.gather {
      function() return (numbers()) end,
      function() neap.sleep(0.001) return (numbers()) end,
    })
    assert.equal(3, neap.spawn(numbers):await())
    assert.equal(4, numbers())
  end)

  it("may spawn, await, gather and run flows", function()
    assert.equal(6, neap.spawn(coroutine.wrap(function()
      local node = neap.Node { post = function(_, shared) neap.sleep(0) shared.x = 3 end }
      local shared = {}
      node:run(shared)
      local results = neap.gather { function() neap.sleep(0) return 1 end, function() return 2 end }
      return shared.x + results[1] + results[2]
    end)):await())
  end)
end)

describe("while it waits, a coroutine", function()
  -- A task that waits in a coroutine of its own, that coroutine, and the guard
  -- whose release ends the wait.
  local function waiting()
    local semaphore = neap.semaphore(1)
    local guard = semaphore:acquire()
    local co = coroutine.create(function()
      semaphore:acquire()
      return "result"
    end)
    local task = neap.spawn(function() return select(2, coroutine.resume(co)) end)
    turns(1)
    return task, co, guard
  end

  it("counts as normal, and nobody else resumes or closes it", function()
    local task, co, guard = waiting()
    assert.equal("normal", coroutine.status(co))
    assert.same({ false, "cannot resume non-suspended coroutine" }, { coroutine.resume(co) })
    assert.matches("cannot close a normal coroutine", failure(coroutine.close, co), 1, true)
    guard:release()
    assert.equal("result", task:await())
    assert.equal("dead", coroutine.status(co))
  end)

  it("is not resumed by another task either", function()
    local task, co, guard = waiting()
    assert.same({ false, "cannot resume non-suspended coroutine" },
      { neap.spawn(coroutine.resume, co):await() })
    guard:release()
    assert.equal("result", task:await())
  end)

  it("sees a cancellation of its task as an error", function()
    local seen
    local task = neap.spawn(function()
      coroutine.wrap(function()
        local ok, err = pcall(neap.sleep, 1000)
        seen = not ok and err
        error(err, 0)
      end)()
    end)
    turns(1)
    task:cancel()
    assert.equal("cancelled", failure(task.await, task).code)
    assert.equal("cancelled", seen.code)
  end)

  it("runs its <close> variables when its task is ended there, the innermost first", function()
    local log = {}
    local function noted(name)
      return setmetatable({}, { __close = function() log[#log + 1] = name end })
    end
    local task = neap.spawn(function()
      local _ <close> = noted "task"
      coroutine.wrap(function()
        local _ <close> = noted "outer"
        coroutine.wrap(function()
          local _ <close> = noted "inner"
          while true do pcall(neap.sleep, 1000) end
        end)()
      end)()
    end)
    turns(1)
    task:cancel()
    assert.equal("cancelled", failure(task.await, task).code)
    assert.same({ "inner", "outer", "task" }, log)
  end)

  it("is dead when its task was ended there", function()
    local co = coroutine.create(function()
      pcall(neap.sleep, 60)
      neap.sleep(60)
    end)
    local task = neap.spawn(coroutine.resume, co)
    neap.sleep(0)
    task:cancel()
    pcall(task.await, task)
    assert.equal("dead", coroutine.status(co))
    assert.same({ false, "cannot resume dead coroutine" }, { coroutine.resume(co) })
    assert.is_true(coroutine.close(co))
  end)

  it("whose <close> raises when its task is ended there hands that on", function()
    local task = neap.spawn(function()
      coroutine.wrap(function()
        local _ <close> = setmetatable({}, { __close = function() error("closing", 0) end })
        while true do pcall(neap.sleep, 1000) end
      end)()
    end)
    turns(1)
    task:cancel()
    assert.matches("closing$", failure(task.await, task)) -- with a position, as by any wrap
    assert.equal("cancelled", task.status)
  end)

  it("is left to the collector when its state is closed", function()
    local result = helper.run { helper.lua, "-e", [[
      local neap = require "neap"
      neap.spawn(coroutine.wrap(function()
        coroutine.wrap(function() neap.sleep(1000) end)()
      end))
      neap.sleep(0)]] }
    assert.same({ 0, "", "" }, { result.status, result.stdout, result.stderr })
  end)
end)

describe("coroutine.close", function()
  both("ends one that has yielded after a wait, and runs its <close> variables", function()
    local closed
    local co = coroutine.create(function()
      local _ <close> = setmetatable({}, { __close = function() closed = true end })
      neap.sleep(0)
      coroutine.yield()
    end)
    coroutine.resume(co)
    assert.equal("suspended", coroutine.status(co))
    assert.is_true(coroutine.close(co))
    assert.is_true(closed)
    assert.equal("dead", coroutine.status(co))
    assert.is_true(coroutine.close(co))
  end)

  it("runs <close> variables that may not wait", function()
    local err
    neap.spawn(function()
      local co = coroutine.create(function()
        local _ <close> = setmetatable({}, { __close = function()
          err = failure(neap.sleep, 0)
        end })
        coroutine.yield()
      end)
      coroutine.resume(co)
      assert(coroutine.close(co))
      neap.sleep(0)
    end):await()
    assert.equal("sleep cannot wait here: it is called from coroutine.close, which cannot be "
      .. "suspended", err.message)
  end)

  it("gives what a <close> variable raises", function()
    local co = coroutine.create(function()
      local _ <close> = setmetatable({}, { __close = function() error("closing", 0) end })
      coroutine.yield()
    end)
    coroutine.resume(co)
    assert.same({ false, "closing" }, { coroutine.close(co) })
  end)
end)

describe("neap's functions of coroutine do as Lua's:", function()
  it("status tells suspended, running, normal and dead", function()
    local inner, outer
    local seen = {}
    outer = coroutine.create(function()
      inner = coroutine.create(function()
        seen[1], seen[2] = coroutine.status(outer), coroutine.status(inner)
      end)
      seen[3] = coroutine.status(inner)
      coroutine.resume(inner)
      seen[4] = coroutine.status(inner)
    end)
    coroutine.resume(outer)
    assert.same({ "normal", "running", "suspended", "dead" }, seen)
  end)

  it("a running or normal coroutine is not closed or resumed", function()
    local co
    co = coroutine.create(function()
      local inner = coroutine.wrap(function()
        return coroutine.resume(co)
      end)
      return failure(coroutine.close, co), inner()
    end)
    local _, closing, ok, err = coroutine.resume(co)
    assert.matches("cannot close a running coroutine", closing, 1, true)
    assert.same({ false, "cannot resume non-suspended coroutine" }, { ok, err })
  end)

  it("arguments are checked", function()
    for name, value in pairs { resume = 3, close = {}, status = "x" } do
      assert.matches("coroutine expected", failure(coroutine[name], value), 1, true)
    end
    assert.matches("function expected", failure(coroutine.wrap, 3), 1, true)
  end)

  it("wrap puts the position before a message, and closes what failed", function()
    local line = debug.getinfo(1, "l").currentline
    local wrapped = coroutine.wrap(function() error("text", 0) end)
    local err = failure(function() return (wrapped()) end)
    assert.matches((":%d: text$"):format(line + 2), err)
    assert.matches("cannot resume dead coroutine", failure(wrapped), 1, true)
  end)

  it("a great many values go through", function()
    local list = {}
    for i = 1, 5000 do list[i] = i end
    local echo = coroutine.wrap(function(...) return coroutine.yield(...) end)
    assert.equal(5000, select("#", echo(table.unpack(list))))
    assert.equal(5000, select("#", echo(table.unpack(list))))
  end)
end)

-- lua_resetthread of Lua 5.4.4 leaves the message handler of an xpcall set, and
-- calls what lies in its place for an error in a <close> variable.
describe("what ends inside of xpcall", function()
  local function raising(name, log)
    return setmetatable({}, { __close = function()
      local function wrong() log[#log + 1] = "called by mistake" end
      local _, _, _, _, _, _ = wrong, wrong, wrong, wrong, wrong, wrong
      log[#log + 1] = name
      error(name, 0)
    end })
  end

  it("by coroutine.close calls nothing by mistake", function()
    local log = {}
    local co = coroutine.create(function()
      local _ <close> = raising("outer", log)
      return xpcall(function()
        local _ <close> = raising("inner", log)
        coroutine.yield()
      end, function(err) return err end)
    end)
    coroutine.resume(co)
    assert.same({ false, "outer" }, { coroutine.close(co) })
    assert.same({ "inner", "outer" }, log)
    assert.equal("dead", coroutine.status(co))
  end)

  it("by coroutine.close calls no message handler", function()
    local log, handled = {}, {}
    local function handle(err) handled[#handled + 1] = tostring(err) end
    local co = coroutine.create(function()
      return xpcall(xpcall, handle, function()
        local _ <close> = raising("outer", log)
        local _ <close> = raising("inner", log)
        coroutine.yield()
      end, handle)
    end)
    coroutine.resume(co)
    assert.same({ false, "outer" }, { coroutine.close(co) })
    assert.same({ "inner", "outer" }, log)
    assert.same({}, handled)
  end)

  it("by coroutine.close ends well when nothing raises", function()
    local closed = false
    local co = coroutine.create(function()
      xpcall(function()
        local _ <close> = setmetatable({}, { __close = function() closed = true end })
        coroutine.yield()
      end, debug.traceback)
      error "went on"
    end)
    coroutine.resume(co)
    assert.is_true(coroutine.close(co))
    assert.is_true(closed)
  end)

  it("by coroutine.close goes on in none of its protected calls", function()
    local log = {}
    local co = coroutine.create(function()
      xpcall(function()
        pcall(function()
          local _ <close> = raising("inner", log)
          coroutine.yield()
        end)
        log[#log + 1] = "after pcall"
      end, debug.traceback)
      log[#log + 1] = "after xpcall"
    end)
    coroutine.resume(co)
    assert.is_false((coroutine.close(co)))
    assert.same({ "inner" }, log)
  end)

  it("by coroutine.close catches what its <close> variables catch", function()
    local log = {}
    local co = coroutine.create(function()
      local _ <close> = setmetatable({}, { __close = function()
        log[#log + 1] = select(2, pcall(error, "outer", 0))
      end })
      xpcall(function()
        local _ <close> = setmetatable({}, { __close = function()
          log[#log + 1] = select(2, pcall(error, "pcall", 0))
          log[#log + 1] = select(2, xpcall(error, string.upper, "xpcall", 0))
          local other = coroutine.create(error)
          log[#log + 1] = select(2, coroutine.resume(other, "resume"))
        end })
        coroutine.yield()
      end, debug.traceback)
    end)
    coroutine.resume(co)
    assert.is_true(coroutine.close(co))
    assert.same({ "pcall", "XPCALL", "resume", "outer" }, log)
  end)

  it("by the end of its task calls nothing by mistake", function()
    local log = {}
    local task = neap.spawn(function()
      local _ <close> = raising("outer", log)
      return xpcall(function()
        local _ <close> = raising("inner", log)
        pcall(neap.sleep, 60)
        neap.sleep(60)
      end, function(err) return err end)
    end)
    neap.sleep(0)
    task:cancel()
    pcall(task.await, task)
    assert.same({ "inner", "outer" }, log)
  end)
end)

describe("coroutine.yield of a task's own coroutine", function()
  it("is an error where it is called, which may be caught", function()
    local task = neap.spawn(function()
      local ok, err = pcall(coroutine.yield, 1)
      return ok, err.code
    end)
    assert.same({ false, "yield" }, { task:await() })
  end)
end)

describe("pcall and xpcall", function()
  it("do what Lua's do", function()
    assert.same({ true, 1, nil, 3, n = 4 },
      table.pack(pcall(function(...) return ... end, 1, nil, 3)))
    assert.same({ false, "no" }, { pcall(error, "no", 0) })
    assert.same({ false }, { pcall(error) })
    assert.same({ true, 1, nil, 3, n = 4 },
      table.pack(xpcall(function(...) return ... end, debug.traceback, 1, nil, 3)))
    assert.same({ false, "NO" }, { xpcall(error, string.upper, "no", 0) })
    assert.matches("bad argument #1 to 'pcall' %(value expected%)", select(2, pcall(pcall)))
    assert.matches("bad argument #2 to 'xpcall' %(function expected, got no value%)",
      select(2, pcall(xpcall, print)))
  end)

  it("catch other errors in a task that is being ended", function()
    local log = {}
    local task = neap.spawn(function()
      local _ <close> = setmetatable({}, { __close = function()
        log[#log + 1] = select(2, pcall(error, "caught", 0))
        log[#log + 1] = select(2, xpcall(error, string.upper, "caught", 0))
      end })
      while true do pcall(neap.sleep, 60) end
    end)
    neap.sleep(0)
    task:cancel()
    pcall(task.await, task)
    assert.same({ "caught", "CAUGHT" }, log)
  end)

  it("end a task also where its <close> variables raise again and again", function()
    local task = neap.spawn(function()
      while true do
        pcall(function()
          local _ <close> = setmetatable({}, { __close = function() error "and again" end })
          neap.sleep(60)
        end)
      end
    end)
    neap.sleep(0)
    task:cancel()
    assert.is_false((pcall(task.await, task)))
    assert.equal("cancelled", task.status)
  end)
end)
