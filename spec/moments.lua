--- Scenarios that are disturbed at each of their moments, and must not break.
-- SPDX-License-Identifier: MIT
--
-- A moment is whatever whoever sweeps says: an event of the run, a collection.
-- At the k-th of them one of the acts is done: the task is cancelled, what it
-- waits for comes, what it uses is closed, somebody spawns, raises, or tries to
-- wait. Whatever k, the scenario ends, by itself or with an error that says
-- what became of it, and nothing is left.
local helper = require "spec.helper"
local neap = require "neap"
local core = require "neap.core"

local fs, net, process, stream = neap.fs, neap.net, neap.process, neap.stream

local M = {}

-- So long may one scenario take, however slow the machine.
local PATIENCE = 20

---@class moments.scenario
---@field run fun(): any      what the task does; its result is always the same
---@field close? fun()        closes what it uses
---@field wake? fun()         gives what it waits for
---@field other? neap.Task    another task that it needs
---@field finish? fun()       what must go when it has ended

---@type table<string, fun(folder: string, server: string): moments.scenario>
M.scenarios = {}

local S = M.scenarios

local function nap() neap.sleep(0) end

S["a sleep"] = function()
  return { run = function()
    neap.sleep(0)
    neap.sleep(0.0005)
    return "slept"
  end }
end

S["a channel"] = function()
  local line = neap.channel(1)
  local other = neap.spawn(function()
    for i = 1, 3 do line:send(i) end
    line:close()
  end)
  return { other = other, close = function() line:close() end,
    run = function()
      local sum = 0
      for value in line:values() do sum = sum + value end
      return sum
    end,
    finish = function()
      other:cancel()
      pcall(other.await, other)
    end }
end

S["a semaphore"] = function()
  local desk = neap.semaphore(1)
  local first = desk:acquire()
  local other = neap.spawn(function()
    nap()
    pcall(first.release, first)
  end)
  return { other = other, wake = function() pcall(first.release, first) end,
    run = function()
      local _ <close> = desk:acquire()
      nap()
      return "a place"
    end,
    finish = function()
      other:cancel()
      pcall(other.await, other)
      pcall(first.release, first)
      desk:acquire():release() -- the place is there
    end }
end

S["an event"] = function()
  local gate = neap.event()
  local other = neap.spawn(function()
    nap()
    gate:set()
  end)
  return { other = other, wake = function() gate:set() end,
    run = function()
      gate:wait()
      return "open"
    end,
    finish = function()
      other:cancel()
      pcall(other.await, other)
    end }
end

S["a limiter"] = function()
  local limiter = neap.limiter { rate = 2000, burst = 1 }
  return { run = function()
    for _ = 1, 3 do limiter:acquire() end
    return "through"
  end }
end

S["gather, race, map and timeout"] = function()
  return { run = function()
    neap.gather { nap, function() neap.gather { nap, nap } end }
    neap.race { nap, function() neap.sleep(60) end }
    neap.map({ 1, 2, 3 }, nap, { concurrency = 2 })
    pcall(neap.timeout, 0.0005, neap.sleep, 60)
    return (neap.timeout(60, function() nap() return "done" end))
  end }
end

S["tasks that are awaited"] = function()
  local inner
  return { run = function()
    inner = neap.spawn(function() nap() nap() return "inner" end)
    nap()
    return (inner:await())
  end, close = function() if inner then inner:cancel() end end }
end

S["a generator that waits"] = function()
  return { run = function()
    local sum = 0
    for i in coroutine.wrap(function()
      for i = 1, 3 do
        nap()
        coroutine.yield(i)
      end
    end) do sum = sum + i end
    return sum
  end }
end

S["an xpcall that waits"] = function()
  return { run = function()
    local _, err = xpcall(function()
      local _ <close> = setmetatable({}, { __close = nap })
      nap()
      error("again", 0)
    end, function(err) return err end)
    return type(err)
  end }
end

S["flows, batches and branches"] = function()
  local flaky = neap.Node { name = "flaky", max_retries = 2, timeout = 60,
    exec = function(self) nap() if self.cur_retry < 1 then error("again") end end }
  local batch = neap.BatchNode { name = "batch", concurrency = 2,
    prep = function() return { 1, 2, 3 } end, exec = nap }
  local both = neap.Parallel { name = "both", batch, neap.Flow { name = "inner", start = flaky } }
  local flow = neap.Flow { name = "outer", start = both,
    both >> neap.Node { name = "last", post = function() return "end" end } }
  return { run = function() return flow:run {} end }
end

S["an open file"] = function(folder)
  local file
  return { close = function() if file then file:close() end end,
    run = function()
      file = fs.open(folder .. "/file", "w+")
      file:write("one\ntwo\n", ("x"):rep(70000))
      file:seek("set")
      local first = file:read()
      local count = 0
      for _ in file:chunks() do count = count + 1 end
      file:close()
      return first
    end,
    finish = function() if file then file:close() end end }
end

S["whole files"] = function(folder)
  return { run = function()
    fs.write(folder .. "/whole", "text", { atomic = true })
    fs.append(folder .. "/whole", " and more")
    fs.list(folder)
    fs.stat(folder .. "/whole")
    return fs.read(folder .. "/whole")
  end }
end

S["a pair of streams"] = function()
  local a, b = stream.pair()
  return { close = function() b:close() end, wake = function() pcall(a.write, a, "") end,
    run = function()
      a:write("first\n", "second")
      local first = b:read()
      neap.gather { function() a:write(("x"):rep(300000)) a:finish() end,
        function() return #b:read("a") end }
      return first
    end,
    finish = function() a:close() b:close() end }
end

S["a connection"] = function()
  local listener = net.listen("127.0.0.1:0")
  return { close = function() listener:close() end,
    run = function()
      local results = neap.gather {
        function()
          local connection <close> = listener:accept()
          return connection:read("a")
        end,
        function()
          local connection <close> = net.connect(listener.address)
          connection:write("hello")
          connection:finish()
          connection:read("a")
        end,
      }
      return results[1]
    end,
    finish = function() listener:close() end }
end

S["a program"] = function()
  local cat
  return { close = function() if cat then cat:close() end end,
    run = function()
      cat = process.spawn { "cat", grace = 0.1 }
      cat.stdin:write("line\n")
      local line = cat.stdout:read()
      cat.stdin:finish()
      cat:wait()
      return line
    end,
    finish = function() if cat then cat:close() end end }
end

S["a program that is run"] = function()
  return { run = function()
    return process.run({ "cat", stdin = "text", grace = 0.1 }).stdout
  end }
end

S["JSON"] = function()
  return { run = function()
    return neap.json.encode(neap.json.decode('{"a":[1,2.5,"x",null,true]}'), { sort_keys = true })
  end }
end

S["CBOR"] = function()
  return { run = function()
    local t = { a = { 1, 2.5, "x", neap.json.null, true }, [2] = neap.json.array {} }
    t.me, t.twice = t, t.a
    return neap.cbor.encode(neap.cbor.decode(neap.cbor.encode(t)))
  end }
end

S["a watch"] = function(folder)
  local watch
  return { close = function() if watch then watch:close() end end,
    run = function()
      watch = fs.watch(folder)
      fs.write(folder .. "/watched", "x")
      local change = watch:next()
      watch:close()
      return type(change)
    end,
    finish = function() if watch then watch:close() end end }
end

S["a request"] = function(_, server)
  return { run = function()
    return neap.http.post(server .. "/echo", { body = "text" }).status
  end }
end

S["a response that is read as it comes"] = function(_, server)
  local response
  return { close = function() if response then response:close() end end,
    run = function()
      response = neap.http.get(server .. "/bytes/100000", { stream = true })
      local count = 0
      for chunk in response:chunks() do count = count + #chunk end
      return count
    end,
    finish = function() if response then response:close() end end }
end

S["a response that must not be silent"] = function(_, server)
  local response
  return { close = function() if response then response:close() end end,
    run = function()
      response = neap.http.get(server .. "/bytes/100000", { stream = true })
      local count = 0
      for chunk in response:chunks() do
        response:limit_idle(count % 2 == 0 and PATIENCE or nil)
        count = count + #chunk
      end
      return count
    end,
    finish = function() if response then response:close() end end }
end

S["events of the script's own"] = function()
  local node = neap.Node { name = "tell", max_retries = 2 }
  function node:exec()
    for i = 1, 3 do neap.emit("step", { i = i, text = ("a"):rep(i) }) end
    neap.emit("llm", { attempts = 1, usage = { input = 1, output = 2 }, cost = 0.5 })
    neap.sleep(0)
    if self.cur_retry == 0 then error("once", 0) end
  end
  local flow = neap.Flow { name = "events", start = node }
  return { run = function()
    return (flow:run({}, { on_event = function(event)
      if event.kind == "step" and event.i == 1 then neap.emit("again", { by = event.visit }) end
      if event.kind == "wait" then neap.tasks() end
    end }))
  end }
end

S["a server of MCP"] = function()
  local ours, theirs = stream.pair()
  local tool = neap.mcp.tool(function()
    neap.sleep(0)
    return "low"
  end, { name = "tide" })
  local function line(id, method, params)
    return neap.json.encode { jsonrpc = "2.0", id = id, method = method, params = params } .. "\n"
  end
  local other = neap.spawn(function()
    theirs:write(line(1, "tools/call", { name = "tide" }), line(2, "tools/call", { name = "tide" }),
      line(nil, "notifications/cancelled", { requestId = 2 }), line(3, "ping"))
    theirs:finish()
    return theirs:read("a")
  end)
  return { other = other, close = function() ours:close() end,
    run = function()
      neap.mcp.serve { tools = { tool }, input = ours, output = ours }
      return "served"
    end,
    finish = function()
      ours:close()
      theirs:close()
      other:cancel()
      pcall(other.await, other)
    end }
end

-- What is done at a moment. `made` is the scenario, `task` the one that runs it.
M.acts = {
  cancel = function(_, task) task:cancel("at that moment") end,
  ["cancel another"] = function(made) if made.other then made.other:cancel() end end,
  wake = function(made) if made.wake then made.wake() end end,
  close = function(made) if made.close then made.close() end end,
  spawn = function() neap.spawn(nap) end,
  ["spawn one that fails"] = function() neap.spawn_detached(error, "of a moment") end,
  raise = function() error("at that moment", 0) end,
  wait = function() assert(not pcall(neap.sleep, 0.0001), "it has waited") end,
}

-- What disturbs nobody.
local HARMLESS = { spawn = true, ["spawn one that fails"] = true, raise = true, wait = true }

-- Codes of errors that an act may bring about; the last of a stream whose peer
-- is closed.
local CODES = { cancelled = true, closed = true, stream = true }

-- Runs a scenario, with one act at moment k; `begin` as in M.sweep. Returns
-- whether k was reached, and what the scenario gave.
local function run_once(make, act, k, folder, server, begin)
  local made = make(folder, server)
  local count, is_over, opened, closed = 0, false, 0, 0
  local task, finish, result
  local function at_moment()
    if is_over or not task then return end
    count = count + 1
    if count == k then M.acts[act](made, task) end
  end
  local function body()
    opened = opened + 1
    local _ <close> = setmetatable({}, { __close = function() closed = closed + 1 end })
    result = made.run()
  end
  task, finish = begin(body, at_moment)
  -- Nobody gives what is waited for when the one who would is cancelled.
  local may_be_late = act == "cancel another" and made.other
  local ok, err = pcall(neap.timeout, may_be_late and 0.02 or PATIENCE, task.await, task)
  is_over = true
  if finish then finish() end
  local is_late = task.status == "pending"
  if is_late then
    task:cancel()
    pcall(task.await, task)
  end
  if made.finish then made.finish() end
  nap() -- what was spawned beside it ends
  nap()
  local where = ("%s at moment %d: "):format(act, k)
  assert(may_be_late or not is_late, where .. "it waits for ever")
  assert(opened == closed, where .. "not all is closed")
  if HARMLESS[act] then
    assert(ok, where .. tostring(err))
  elseif not is_late then
    assert(ok or (type(err) == "table" and CODES[err.code]), where .. tostring(err))
  end
  if core.live().operations ~= 0 then collectgarbage() end
  local left = core.live().operations
  assert(left == 0, where .. left .. " operations are left")
  return count >= k, result
end

--- Disturbs a scenario at each of its moments by an act.
---@param name string of M.scenarios
---@param act string of M.acts
---@param server string the address of spec/fault_server.c
---@param begin fun(body: function, at_moment: function): neap.Task, function?
---  begins a task that runs body and calls at_moment at each moment; returns the
---  task, and what is called when it has ended
---@param next_k? fun(k: integer): integer the moment to try after k; default: k + 1
---@return integer tries the last of which was not disturbed
function M.sweep(name, act, server, begin, next_k)
  local folder = helper.tmpdir()
  local results, tries, k = {}, 0, 1
  while true do
    local reached, result = run_once(M.scenarios[name], act, k, folder, server, begin)
    tries = tries + 1
    results[tries] = result
    if not reached then break end
    k = next_k and next_k(k) or k + 1
  end
  if HARMLESS[act] then
    for i = 1, tries do
      assert(results[i] == results[tries], ("%s: try %d gave %s"):format(act, i, results[i]))
    end
  end
  return tries
end

return M
