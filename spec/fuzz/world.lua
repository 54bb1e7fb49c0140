--- What a random program acts upon, and the oracle that says whether all of it
--- came out as it must.
-- SPDX-License-Identifier: MIT
--
-- Each statement of a program is a call of the method of its name, with the
-- number of the statement. The methods do what they say by neap's public calls,
-- and keep the books: which guards are open, who sent what and who has got it,
-- who holds places, who waits for what. It is long because the books are one
-- state: what any statement does is checked against all the others.
local neap = require "neap"
local core = require "neap.core"
local memory = require "lua_memory"

local testing = neap.testing

---@class fuzz.World
---@field faults string[] what was not as it must be
---@field trace string[] what happened, one statement after the other
local World = {}
World.__index = World

-- Errors that programs raise themselves.
local BOOM = setmetatable({ code = "boom" }, { __tostring = function() return "boom" end })

-- Codes of errors that programs of this kind may meet.
local CODES = { boom = true, cancelled = true, timeout = true, closed = true, deadlock = true,
  max_steps = true, atomic = true, unyieldable = true, yield = true,
  resumed = true } -- a finalizer while its task is about to wait

-- Messages of errors without a code that they may meet.
local MESSAGES = { "^text$", "cannot spawn another", "cannot resume dead coroutine",
  "cannot resume non%-suspended coroutine" }

function World:fault(text, ...)
  if #self.faults < 20 then self.faults[#self.faults + 1] = text:format(...) end
end

-- Notes a fault unless an error is one that may come.
function World:judge(err, where)
  local text = type(err) == "string" and err
  if type(err) == "table" then
    if err.code == "user" then return self:judge(err.cause, where) end
    if CODES[err.code] then return end
    text = tostring(err)
  end
  for _, pattern in ipairs(MESSAGES) do
    if text and text:find(pattern) then return end
  end
  self:fault("%s: an unexpected error: %s", where, text or tostring(err))
end

-- A statement begins.
function World:at(id, what)
  self.waiting[coroutine.running()] = nil
  if self.is_over then return end
  self.trace[#self.trace + 1] = self.is_virtual and ("%d %s %.6f"):format(id, what, neap.now())
    or id
end

-- What the caller waits for from now on, until its next statement.
function World:waits(kind, target)
  self.waiting[coroutine.running()] = { kind = kind, target = target }
end

function World:goes_on(id)
  self:at(id, "goes on")
end

-- Makes of a block what is called as a task.
function World:body(block)
  return function()
    local result = block()
    self.waiting[coroutine.running()] = nil
    return result
  end
end

-- ------------------------------------------------------------------- plain

function World:sleep(id, seconds)
  self:at(id, "sleep")
  self:waits("sleep")
  neap.sleep(seconds)
  self:goes_on(id)
end

function World:loop(id, times, block)
  for _ = 1, times do
    self:at(id, "loop")
    block()
  end
end

function World:raise(id, kind)
  self:at(id, "raise")
  if kind == "text" then error("text", 0) end
  if kind == "table" then error(BOOM) end
  error(neap.error.new { code = "boom", message = "boom", retryable = id % 2 == 0 }, 0)
end

function World:leave(id)
  self:at(id, "leave")
end

function World:collect(id)
  self:at(id, "collect")
  collectgarbage("step", 10)
end

function World:guard(id, block)
  self:at(id, "open")
  local co = coroutine.running()
  self.opened = self.opened + 1
  self.open[co] = (self.open[co] or 0) + 1
  local closed = false
  return setmetatable({}, { __close = function()
    if closed then self:fault("the guard of %d was closed twice", id) end
    closed = true
    self.closed = self.closed + 1
    self.open[co] = self.open[co] - 1
    self:at(id, "close")
    block()
  end })
end

function World:caught(id, ok, err)
  self:at(id, ok and "well" or "caught")
  if not ok then self:judge(err, id) end
end

function World:pcall(id, block)
  self:at(id, "pcall")
  self:caught(id, pcall(block))
end

function World:try(id, block)
  self:at(id, "try")
  local ok, err = neap.try(block)
  self:caught(id, ok, err)
end

-- What the handler raises it catches: Lua would call it again and again for
-- that, until its stack is full.
function World:xpcall(id, block, handler)
  self:at(id, "xpcall")
  self:caught(id, xpcall(block, function(err)
    self:caught(id, pcall(handler))
    return err
  end))
end

function World:shield(id, seconds, block)
  self:at(id, "shield")
  neap.shield(seconds, block)
  self:goes_on(id)
end

-- Makes of a block what is called as a coroutine of the program's own.
function World:generator(block)
  return function()
    local co = coroutine.running()
    self.generators[#self.generators + 1] = co
    self.is_generator[co] = true
    block()
    self.waiting[co] = nil
  end
end

-- A generator whose block yields and waits, read so many times.
function World:wrap(id, times, block)
  self:at(id, "wrap")
  local next_one = coroutine.wrap(self:generator(block))
  for _ = 1, times do
    local ok, err = pcall(next_one)
    self:at(id, ok and "read" or "ended")
    if not ok then
      self:judge(err, id)
      break
    end
  end
end

function World:yield(id)
  self:at(id, "yield")
  if self.is_generator[coroutine.running()] and coroutine.isyieldable() then
    coroutine.yield(id)
    self:goes_on(id)
  end
end

function World:coroutine(id, number, block)
  self:at(id, "coroutine")
  self.coroutines[number] = coroutine.create(self:generator(block))
end

-- Nobody but this task can have resumed it meanwhile: it is "normal" where it
-- waits.
function World:resume(id, number)
  self:at(id, "resume")
  local co = self.coroutines[number]
  if not co then return end
  local before = coroutine.status(co)
  local ok, err = coroutine.resume(co)
  local after = coroutine.status(co)
  self:at(id, ok and "read" or "ended")
  if not ok then self:judge(err, id) end
  if #self.ghosts > 0 then return end -- they may have resumed it, or closed it
  local may_be = before ~= "suspended" and { [before] = not ok } or
    { suspended = ok, dead = true }
  if not may_be[after] then
    self:fault("%d: a coroutine was %s, resumed: %s, and is %s", id, before, ok, after)
  end
end

-- Closes a coroutine, wherever it is. What it has opened is closed then.
function World:close_coroutine(id, co)
  local before = coroutine.status(co)
  local called, ok, err = pcall(coroutine.close, co)
  local can_be = before == "suspended" or before == "dead"
  if not called then
    if can_be then self:fault("%s: cannot close a %s coroutine: %s", id, before, ok) end
    return
  end
  if not can_be then self:fault("%s: closed a %s coroutine", id, before) end
  if not ok then self:judge(err, id) end
  if coroutine.status(co) ~= "dead" then
    self:fault("%s: what was closed is %s", id, coroutine.status(co))
  end
  if self.open[co] and self.open[co] ~= 0 then
    self:fault("%s: a coroutine was closed, but not %d of its guards", id, self.open[co])
  end
end

function World:shut(id, number)
  self:at(id, "shut")
  local co = self.coroutines[number]
  if co then self:close_coroutine(id, co) end
end

-- Where nobody can wait.
function World:sort(id, block)
  self:at(id, "sort")
  local ok, err = pcall(table.sort, { 2, 1 }, function(a, b)
    block()
    return a < b
  end)
  self:caught(id, ok, err)
end

-- ------------------------------------------------------------------ ghosts

-- So often one ghost comes at most.
local HAUNTS = 100

-- Calls a block like pcall in the middle of what the coroutine does, for which
-- it may be about to wait: the books are left as they were.
function World:interrupt(block)
  local co = coroutine.running()
  local wait = self.waiting[co]
  local ok, err = pcall(block, self)
  self.waiting[co] = wait
  return ok, err
end

-- Makes an object that nobody has, whose finalizer runs a block and makes the
-- next. It runs wherever an allocation is.
function World:haunt(ghost, times)
  setmetatable({}, { __gc = function()
    if not self.is_haunted then return end
    local ok, err = self:interrupt(ghost)
    if not ok then self:judge(err, "a finalizer") end
    if times > 1 then self:haunt(ghost, times - 1) end
  end })
end

function World:begin_haunting(every)
  if every == 0 then return end
  self.is_haunted = true
  for _, ghost in ipairs(self.ghosts) do self:haunt(ghost, HAUNTS) end
  memory.collect_every(every)
end

function World:end_haunting()
  self.is_haunted = false
  memory.collect_every(0)
  collectgarbage()
end

-- ------------------------------------------------------------------- tasks

-- Notes a task in a slot.
function World:keep(slot, task)
  self.tasks[slot] = task
  self.all[task] = true
  return task
end

function World:spawn(id, slot, block)
  self:at(id, "spawn")
  self:keep(slot, neap.spawn(self:body(block)))
end

function World:detach(id, slot, block)
  self:at(id, "detach")
  local task = self:keep(slot, neap.spawn_detached(self:body(block)))
  self.detached[#self.detached + 1] = task
end

function World:await(id, slot)
  self:at(id, "await")
  local task = self.tasks[slot]
  if not task then return end
  self:waits("await", task)
  task:await()
  if task.status ~= "done" then self:fault("%d: awaited a task that is %s", id, task.status) end
  self:goes_on(id)
end

function World:cancel(id, slot)
  self:at(id, "cancel")
  local task = self.tasks[slot]
  if task then task:cancel("of the program") end
end

function World:items(slot, ...)
  local items = { ... }
  for i, block in ipairs(items) do items[i] = self:body(block) end
  items.named = self.tasks[slot]
  return items
end

-- Judges what those have raised that failed, if such errors are collected.
function World:judge_all(id, errors)
  for _, err in pairs(errors or {}) do self:judge(err, id) end
end

function World:gather(id, slot, on_error, ...)
  self:at(id, "gather")
  self:waits("tasks")
  self:judge_all(id, neap.gather(self:items(slot, ...), { on_error = on_error }).errors)
  self:goes_on(id)
end

function World:race(id, slot, ...)
  self:at(id, "race")
  self:waits("tasks")
  neap.race(self:items(slot, ...))
  self:goes_on(id)
end

function World:map(id, n, concurrency, on_error, block)
  self:at(id, "map")
  self:waits("tasks")
  local results = neap.map({ n = n }, function(_, i)
    block()
    self.waiting[coroutine.running()] = nil
    return i
  end, { concurrency = concurrency, on_error = on_error })
  local errors = results.errors or {}
  for i = 1, n do
    if errors[i] == nil and results[i] ~= i then
      self:fault("%d: item %d gave %s", id, i, results[i])
    end
  end
  self:judge_all(id, errors)
  self:goes_on(id)
end

function World:timeout(id, seconds, block)
  self:at(id, "timeout")
  self:waits("timeout")
  neap.timeout(seconds, self:body(block))
  self:goes_on(id)
end

-- Calls f in one of the ways in which a task's result gets to its owner.
local BY = {}

function BY.timeout(f) return neap.timeout(0.02, f) end
function BY.race(f) return (neap.race { f, function() neap.sleep(0.02) end }) end
function BY.gather(f) return neap.gather({ f })[1] end
function BY.map(f) return neap.map({ 1 }, f)[1] end
-- Where nobody can wait, the task would go on and keep what it gets.
function BY.await(f)
  local task = neap.spawn(f)
  local ok, result = pcall(task.await, task)
  if ok then return result end
  task:cancel()
  error(result, 0)
end

-- ------------------------------------------------------------------ values

function World:send(id, number)
  self:at(id, "send")
  self.values_sent = self.values_sent + 1
  local value = self.values_sent
  local channel = self.channels[number]
  self.sent[value] = "under way"
  self:waits("send", number)
  if value % 2 == 0 then
    channel:send(value)
  else
    local ok, err = pcall(channel.send, channel, value)
    if not ok then
      if type(err) == "table" and err.code == "closed" then self.sent[value] = "refused" end
      error(err, 0)
    end
  end
  self.sent[value] = "sent"
  self:goes_on(id)
end

function World:note_value(id, value)
  if not self.sent[value] then
    self:fault("%d received %s, which nobody sent", id, value)
  elseif self.got[value] then
    self:fault("%d received %d, as %d did before", id, value, self.got[value])
  end
  self.got[value] = id
end

function World:has_got(id, value)
  self:goes_on(id)
  if value ~= nil then self:note_value(id, value) end
end

function World:receive(id, number)
  self:at(id, "receive")
  self:waits("receive", number)
  self:has_got(id, self.channels[number]:receive())
end

function World:receive_by(id, number, way)
  self:at(id, "receive by")
  self:waits("tasks")
  local channel = self.channels[number]
  self:has_got(id, BY[way](function() return channel:receive() end))
end

-- Reads so many values at most: the block may send another for each.
local MOST_VALUES = 10

function World:values(id, number, block)
  self:at(id, "values")
  self:waits("receive", number)
  local count = 0
  for value in self.channels[number]:values() do
    self:has_got(id, value)
    block()
    count = count + 1
    if count == MOST_VALUES then break end
    self:at(id, "values")
    self:waits("receive", number)
  end
  self:goes_on(id)
end

function World:close(id, number)
  self:at(id, "close channel")
  self.is_closed[number] = true
  self.channels[number]:close()
end

-- `senders` send and `receivers` receive `count` values in all; those who
-- receive wait in between if they are slow.
function World:pipe(id, number, count, senders, receivers, slow)
  self:at(id, "pipe")
  local items, to_send, to_get = {}, count, count
  for i = 1, senders do
    items[i] = self:body(function()
      while to_send > 0 do
        to_send = to_send - 1
        self:send(id, number)
      end
    end)
  end
  for i = 1, receivers do
    items[senders + i] = self:body(function()
      while to_get > 0 do
        to_get = to_get - 1
        self:receive(id, number)
        if slow then self:sleep(id, 0) end
      end
    end)
  end
  self:waits("tasks")
  neap.gather(items)
  self:goes_on(id)
end

-- ------------------------------------------------------------------ places

-- Notes that somebody has a place, and gives what closes it.
function World:has_place(id, number, guard)
  self:goes_on(id)
  self.held[number] = self.held[number] + 1
  if self.held[number] > self.places[number] then
    self:fault("%d: %d hold a semaphore of %d", id, self.held[number], self.places[number])
  end
  return setmetatable({}, { __close = function()
    self:at(id, "release")
    self.held[number] = self.held[number] - 1
    guard:release()
  end })
end

function World:acquire(id, number)
  self:at(id, "acquire")
  self:waits("acquire", number)
  return self:has_place(id, number, self.semaphores[number]:acquire())
end

function World:acquire_by(id, number, way)
  self:at(id, "acquire by")
  self:waits("tasks")
  local semaphore = self.semaphores[number]
  local guard = BY[way](function() return semaphore:acquire() end)
  if not guard then error(BOOM) end -- the clock won the race
  return self:has_place(id, number, guard)
end

-- As people do who have no `<close>`: released by hand, whatever happened.
function World:visit(id, number, block)
  self:at(id, "visit")
  self:waits("acquire", number)
  local guard = self.semaphores[number]:acquire()
  local _ <close> = guard
  self:goes_on(id)
  self.held[number] = self.held[number] + 1
  local _ <close> = setmetatable({}, { __close = function()
    self.held[number] = self.held[number] - 1
  end })
  block()
  self.held[number] = self.held[number] - 1
  guard:release()
  self.held[number] = self.held[number] + 1 -- for what closes
end

-- ----------------------------------------------------------------- signals

function World:set(id, number)
  self:at(id, "set")
  self.events[number]:set()
end

function World:clear(id, number)
  self:at(id, "clear")
  self.events[number]:clear()
end

function World:wait_for(id, number)
  self:at(id, "wait for")
  self:waits("event", number)
  self.events[number]:wait()
  self:goes_on(id)
end

function World:limit(id, number, cost)
  self:at(id, "limit")
  self:waits("limiter", number)
  self.limiters[number]:acquire(cost)
  self:goes_on(id)
end

function World:penalize(id, number, seconds)
  self:at(id, "penalize")
  self.limiters[number]:penalize(seconds)
end

-- ------------------------------------------------------------------- flows

-- Closed when a method ends. The coroutine in which one has failed may be kept
-- for another, and waits for nothing meanwhile. What a deadlock cancels is
-- examined first.
local method = { __close = function(of, err)
  if err ~= nil and not core.is_cancelled() then of.waiting[of.co] = nil end
end }

function World:method()
  return setmetatable({ waiting = self.waiting, co = coroutine.running() }, method)
end

-- What nodes, batches and flows have in common; `own` are those options that
-- are for us.
function World:methods(id, own, prep, exec, post, fallback)
  local fields = { name = "n" .. id }
  for key, value in pairs(own) do fields[key] = value end
  fields.items, fields.iterator, fields.falls_back, fields.action = nil, nil, nil, nil
  if prep then
    fields.prep = function(_)
      local _ <close> = self:method()
      self:at(id, "prep")
      prep()
    end
  end
  if exec then
    fields.exec = function()
      local _ <close> = self:method()
      self:at(id, "exec")
      exec()
    end
  end
  if own.falls_back then
    fields.process_after_fail = function(_, _, _, err)
      local _ <close> = self:method()
      self:at(id, "fallback")
      self:judge(err, id)
      fallback()
    end
  end
  if post then
    fields.post = function()
      local _ <close> = self:method()
      self:at(id, "post")
      post()
      return own.action
    end
  end
  return fields
end

-- The next part of the flow that is being made.
function World:part(node)
  self.parts[#self.parts + 1] = node
end

function World:node(id, own, ...)
  self:part(neap.Node(self:methods(id, own, ...)))
end

-- What prep of a batch gives: a list, or an iterator that waits.
function World:input(id, own, item)
  if not own.iterator then
    local list = { n = own.items }
    for i = 1, own.items do list[i] = item and item(i) or i end
    return list
  end
  local i = 0
  return function()
    self:sleep(id, 0)
    i = i + 1
    if i <= own.items then return i end
  end
end

function World:batch(id, own, _, ...)
  local fields = self:methods(id, own, nil, ...)
  function fields.prep()
    self:at(id, "prep")
    return self:input(id, own)
  end
  self:part(neap.BatchNode(fields))
end

-- Makes the parts of a block.
function World:parts_of(block)
  local outer = self.parts
  local parts = {}
  self.parts = parts
  block()
  self.parts = outer
  if #parts == 0 then parts[1] = neap.Node { name = "nothing" } end
  return parts
end

-- Each part is followed by the next, and on "skip" by the one after that.
function World:chain(block)
  local parts = self:parts_of(block)
  for i, part in ipairs(parts) do
    part:to(parts[i + 1] or neap.END, "default")
    part:to(parts[i + 2] or neap.END, "skip")
  end
  return parts[1]
end

function World:subflow(id, own, block)
  local fields = self:methods(id, own)
  fields.start = self:chain(block)
  self:part(neap.Flow(fields))
end

function World:batch_flow(id, own, block)
  local fields = self:methods(id, own)
  fields.start = self:chain(block)
  function fields.prep()
    self:at(id, "prep")
    return self:input(id, own, function(i) return { i = i } end)
  end
  self:part(neap.BatchFlow(fields))
end

function World:parallel(id, own, block)
  local fields = self:methods(id, own)
  table.move(self:parts_of(block), 1, 100, 1, fields)
  self:part(neap.Parallel(fields))
end

function World:flow(id, is_spawned, acts, opts, block, act)
  self:at(id, "flow")
  local flow = neap.Flow { name = "f" .. id, start = self:chain(block) }
  if acts > 0 then
    local count = 0
    function opts.on_event(event)
      self.trace[#self.trace + 1] = event.kind
      count = count + 1
      if count ~= acts then return end
      local ok, err = self:interrupt(act)
      if not ok then error(err, 0) end
    end
  end
  self:waits("tasks")
  if is_spawned then
    neap.spawn(flow, {}, opts):await()
  else
    flow:run({}, opts)
  end
  self:goes_on(id)
end

-- ------------------------------------------------------------------ oracle

local CAN_GO_ON = {}

function CAN_GO_ON.sleep() return true end
function CAN_GO_ON.timeout() return true end
function CAN_GO_ON.limiter() return true end
function CAN_GO_ON.await(_, task) return task.status ~= "pending" end
function CAN_GO_ON.event(self, number) return self.events[number]:is_set() end

function CAN_GO_ON.receive(self, number)
  return #self.channels[number] > 0 or self.is_closed[number]
end

function CAN_GO_ON.send(self, number)
  if self.is_closed[number] or #self.channels[number] < self.capacities[number] then return true end
  for _, wait in pairs(self.waiting) do
    if wait.kind == "receive" and wait.target == number then return true end
  end
  return false
end

function CAN_GO_ON.acquire(self, number) return self.held[number] < self.places[number] end

-- Nothing is left that could wake a task, as neap says: notes as a fault if
-- somebody waits for what is there. A finalizer may have brought it since.
function World:examine_deadlock()
  if self.is_deadlock then return end
  self.is_deadlock = true
  if #self.ghosts > 0 then return end
  for co, wait in pairs(self.waiting) do
    local can_go_on = CAN_GO_ON[wait.kind]
    if coroutine.status(co) ~= "dead" and can_go_on and can_go_on(self, wait.target) then
      self:fault("a deadlock, but someone waits (%s %s) for what is there", wait.kind, wait.target)
    end
  end
end

-- Tells whether an error is the deadlock of the program.
local function is_deadlock(err)
  return type(err) == "table" and err.code == "deadlock"
end

-- Runs the program in a task of its own and waits until all of it has ended.
function World:run(program)
  for i, limiter in ipairs(program.limiters) do self.limiters[i] = neap.limiter(limiter) end
  self:begin_haunting(program.collect)
  local body = neap.spawn(self:body(function() program.body(self) end))
  local tide = program.tide and neap.spawn(function()
    neap.sleep(program.tide)
    for _, event in ipairs(self.events) do event:set() end
    for number, channel in ipairs(self.channels) do
      self.is_closed[number] = true
      channel:close()
    end
  end)
  local ok, err = pcall(body.await, body)
  if body.status == "pending" then
    self:examine_deadlock()
    error(err, 0)
  end
  if not ok then self:judge(err, "the program") end
  self.trace[#self.trace + 1] = body.status
  if tide then tide:cancel() end
  for _, task in ipairs(self.detached) do task:cancel() end
  for _, task in ipairs(self.detached) do
    ok, err = pcall(task.await, task)
    if not ok then self:judge(err, "a detached task") end
  end
end

-- Ends what a deadlock, or a finalizer between two tasks, has left, and closes
-- the coroutines that were not read to their end.
function World:end_all()
  self.is_over = true
  local read = 0
  repeat
    local pending = {}
    for task in pairs(self.all) do
      if task.status == "pending" then pending[#pending + 1] = task end
    end
    for _, task in ipairs(pending) do task:cancel() end
    for _, task in ipairs(pending) do pcall(task.await, task) end
    neap.sleep(0) -- what finalizers began in the main chunk unwinds
    local left = table.move(self.generators, read + 1, #self.generators, 1, {})
    for _, co in ipairs(left) do self:close_coroutine("at the end", co) end
    read = read + #left
  until #pending + #left == 0
end

-- Notes how the whole of it ended.
function World:has_ended(ok, err)
  if ok then return end
  if not is_deadlock(err) then return self:judge(err, "all of it") end
  self:examine_deadlock()
end

function World:play_real(program)
  local task = neap.spawn(self.run, self, program)
  self:has_ended(pcall(task.await, task))
  if task.status ~= "pending" then return end
  task:cancel()
  pcall(task.await, task)
end

function World:play_virtual(program)
  self:has_ended(pcall(testing.run, function() self:run(program) end, { seed = 1 }))
end

-- What must be so when all has ended.
function World:check()
  if self.opened ~= self.closed then
    self:fault("%d guards were opened, %d closed", self.opened, self.closed)
  end
  local live = core.live()
  if live.tasks ~= 0 or live.operations ~= 0 then
    self:fault("%d tasks and %d operations are left", live.tasks, live.operations)
  end
  for slot, task in pairs(self.tasks) do
    if task.status == "pending" then self:fault("the task of slot %d is pending", slot) end
  end
  for number, channel in ipairs(self.channels) do
    local length = #channel
    for _ = 1, length do self:note_value(0, channel:receive()) end
    if #channel ~= 0 then self:fault("channel %d has no end", number) end
  end
  for value, state in pairs(self.sent) do
    if state == "sent" and not self.got[value] then
      self:fault("value %d was sent and is lost", value)
    elseif state == "refused" and self.got[value] then
      self:fault("value %d was refused, but %d received it", value, self.got[value])
    end
  end
  collectgarbage() -- a guard that nobody got gives its place back
  for number, semaphore in ipairs(self.semaphores) do
    local guards = {}
    for i = 1, self.places[number] do
      local ok, guard = pcall(semaphore.acquire, semaphore)
      if not ok then
        self:fault("semaphore %d has %d of %d places back", number, i - 1, self.places[number])
        break
      end
      guards[i] = guard
    end
    for _, guard in ipairs(guards) do guard:release() end
  end
end

local M = {}

--- Plays a program once.
---@param program table what the text of spec/fuzz/write.lua gives
---@return fuzz.World
function M.play(program)
  local world = setmetatable({ faults = {}, trace = {}, is_virtual = program.clock == "virtual",
    is_over = false, waiting = setmetatable({}, { __mode = "k" }), ghosts = program.ghosts,
    coroutines = {}, generators = {}, is_generator = {}, values_sent = 0,
    all = setmetatable({}, { __mode = "k" }), tasks = {}, detached = {}, opened = 0, closed = 0,
    open = setmetatable({}, { __mode = "k" }), sent = {}, got = {}, is_closed = {},
    channels = {}, capacities = program.channels, semaphores = {}, places = program.semaphores,
    held = {}, events = {}, limiters = {} }, World)
  for i, capacity in ipairs(program.channels) do world.channels[i] = neap.channel(capacity) end
  for i, places in ipairs(program.semaphores) do
    world.semaphores[i] = neap.semaphore(places)
    world.held[i] = 0
  end
  for i = 1, program.events do world.events[i] = neap.event() end
  local play = world.is_virtual and world.play_virtual or world.play_real
  play(world, program)
  world:end_haunting()
  world:end_all()
  world:check()
  return world
end

return M
