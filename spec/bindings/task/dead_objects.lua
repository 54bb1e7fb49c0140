-- A program that uses what is dead: every method and metamethod of every class
-- of the binding on objects that have been closed or collected, on those of
-- other classes and on what is no object; then, in a finalizer that was made
-- before neap was loaded, every function of neap and every object that is left.
-- It says what went wrong and, when it has come to its end, how much it did.
-- SPDX-License-Identifier: MIT
local use_all -- what the finalizer does

-- Under a plain Lua it runs behind the end of neap, and last of all.
package.loaded["spec.last"] = setmetatable({}, { __gc = function() use_all() end })

local neap = require "neap"
local core = require "neap.core"
local is_plain = not package.preload["neap.core"]

local calls, folder = 0, nil
local gone = "/dev/null/x" -- a path that does no harm

local function complain(format, ...)
  print(("FAULT " .. format):format(...))
end

-- Whether an error says that something is closed, or no object at all.
local function is_clear(err)
  if type(err) == "table" then return err.code == "closed" or err.code == "released" end
  return err:find("bad argument", 1, true) or err:find("bad self", 1, true)
end

-- Ways to make an object of each class, and those that nobody is given.
local MAKERS = {
  ["neap.file"] = function() return (core.fs.file.open(folder .. "/file", "r")) end,
  ["neap.watch"] = function() return core.fs.watch(folder) end,
  ["neap.stream"] = function() return (core.stream.pair()) end,
  ["neap.listener"] = function() return (core.net.listen("net.listen x", "127.0.0.1", 0)) end,
  ["neap.process"] = function()
    return (core.process.spawn { argv = { "true" }, grace = 1, paths = {},
      stdio = { "null", "null", "null" } })
  end,
  ["neap.http.jar"] = function() return core.http.jar() end,
  ["neap.http.upload"] = function() return core.http.upload() end,
  ["neap.http.response"] = function()
    local listener <close> = neap.net.listen("127.0.0.1:0")
    local server = neap.spawn(function()
      local connection <close> = listener:accept()
      connection:read()
      connection:write("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nneap\n")
      connection:finish()
    end)
    local response = neap.http.get("http://" .. listener.address, { stream = true })
    server:await()
    return response.handle
  end,
  ["neap.plan"] = function() return require("neap.flow.graph").plan(neap.Node {}) end,
  ["neap.task"] = function() return neap.spawn(function() end) end,
  ["neap.semaphore"] = function() return neap.semaphore(1) end,
  ["neap.guard"] = function() return neap.semaphore(1):acquire() end,
  ["neap.channel"] = function() return neap.channel(1) end,
  ["neap.event"] = function() return neap.event() end,
  ["neap.store"] = function() return (core.store.open { kind = "memory" }) end,
  ["neap.vector"] = function() return core.vector { 1 } end,
}
local INTERNAL = { ["neap.fs.result"] = true, ["neap.addresses"] = true, ["neap.relay"] = true,
  ["neap.cbor.encoder"] = true, ["neap.json.document"] = true, ["neap.json.array"] = true,
  ["neap.place"] = true, ["neap.native"] = true, ["neap.call"] = true,
  ["neap.store.result"] = true }

-- What may be done again and again: it closes, or asks whether that was done.
local HARMLESS = { close = true, shut = true, stop = true, is_open = true, back = true,
  available = true,
  __gc = true, __close = true, __tostring = true, __index = true }

-- Returns the functions of a class by their names.
local function functions_of(name, meta)
  local all = {}
  local methods = meta.__index
  if type(methods) == "function" then methods = select(2, debug.getupvalue(methods, 2)) end
  for _, from in ipairs { methods, meta } do
    for key, value in pairs(from) do
      if type(value) == "function" then all[key] = value end
    end
  end
  if name == "neap.file" then
    for key, value in pairs(core.fs.file) do
      if key ~= "open" and key ~= "temp" then all[key] = value end
    end
  elseif name == "neap.plan" then
    all.run, all.start = core.run, core.start
  elseif name == "neap.task" then
    all.call, all.detach = core.call, core.detach
  elseif name == "neap.http.jar" then
    all.request = function(jar)
      return core.http.request("http.get", { cookies = jar or 0 }, "http://127.0.0.1:1/")
    end
  elseif name == "neap.http.upload" then
    all.request = function(upload)
      return core.http.request("http.post", { upload = upload or 0 }, "http://127.0.0.1:1/")
    end
  end
  return all
end

local ARGUMENTS = { {}, { "x" }, { 1, 0 }, { "set", 0 }, { {} } }

-- Calls a function on something with all kinds of arguments. Returns an error
-- that is not clear and the first result where it succeeded.
local function call_with_all(f, self)
  for _, arguments in ipairs(ARGUMENTS) do
    calls = calls + 1
    local ok, err = pcall(f, self, table.unpack(arguments))
    if ok then return nil, true end
    if not is_clear(err) then return err end
  end
end

local classes = {}
for name, meta in pairs(debug.getregistry()) do
  if type(name) == "string" and name:find("^neap%.") and type(meta) == "table"
    and meta.__name == name and name ~= "neap.error" and not INTERNAL[name] then
    if MAKERS[name] then classes[name] = meta else complain("no way to make a %s", name) end
  end
end

local function check_foreign(name, functions, objects)
  objects.table, objects.stdout = {}, io.stdout
  objects.impostor = setmetatable({}, classes[name])
  for key, f in pairs(functions) do
    for other, object in pairs(objects) do
      -- The __index of a task looks its key up first.
      if other ~= name and key ~= "__index" then
        local err, worked = call_with_all(f, object)
        if err or worked then complain("%s of %s on %s: %s", key, name, other, err or "worked") end
      end
    end
    local err, worked = call_with_all(f, nil)
    if err or worked and key ~= "__index" then
      complain("%s of %s on nil: %s", key, name, err or "worked")
    end
  end
  setmetatable(objects.impostor, nil) -- before it is collected
end

-- A dead object does nothing but be closed again.
local function check_dead(name, functions, kill, how)
  local object = MAKERS[name]()
  kill(object)
  for key, f in pairs(functions) do
    local err, worked = call_with_all(f, object)
    if err then complain("%s of a %s that was %s: %s", key, name, how, tostring(err)) end
    -- The changes of a watch come to an end when it is closed.
    if worked and not HARMLESS[key] and not (name == "neap.watch" and how == "closed") then
      complain("%s of a %s that was %s works", key, name, how)
    end
  end
end

local kept = {}

local function main()
  local dir <close> = neap.fs.tempdir()
  folder = dir.path
  neap.fs.write(folder .. "/file", "text\n")
  for name in pairs(classes) do kept[name] = MAKERS[name]() end
  for name, meta in pairs(classes) do
    local functions = functions_of(name, meta)
    local others = {}
    for other, object in pairs(kept) do others[other] = object end
    check_foreign(name, functions, others)
    if meta.__gc then check_dead(name, functions, meta.__gc, "collected") end
    local close = functions.shut or functions.close
    if close and name ~= "neap.channel" then
      check_dead(name, functions, close, "closed")
      check_dead(name, functions, function(object) close(object) meta.__gc(object) end, "both")
    end
  end
end

-- These print what they are given.
local PRINTERS = { ["core.system.write"] = true, ["core.system.say"] = true }

-- Calls all functions that can be reached from a table.
local function use_table(name, t, seen)
  if seen[t] then return end
  seen[t] = true
  for key, value in pairs(t) do
    local path = ("%s.%s"):format(name, tostring(key))
    if type(value) == "table" then
      use_table(path, value, seen)
    elseif type(value) == "function" and not PRINTERS[path] then
      for _, arguments in ipairs { {}, { gone }, { gone, gone }, { function() end }, { 1 },
        { { "true" } }, { { url = "http://127.0.0.1:1/" } }, { kept["neap.task"] },
        { { kept["neap.task"] } }, { "127.0.0.1:0" }, { { rate = 1 } }, { 1, function() end } } do
        calls = calls + 1
        pcall(value, table.unpack(arguments))
      end
    end
  end
end

-- What has to raise "closed" behind the end of neap: what needs its engine.
local ENGINE = {
  now = function() neap.now() end,
  sleep = function() neap.sleep(0) end,
  spawn = function() neap.spawn(print) end,
  gather = function() neap.gather { print } end,
  timeout = function() neap.timeout(1, print) end,
  dump = function() neap.dump() end,
  tasks = function() neap.tasks() end,
  cancel = function() kept["neap.task"]:cancel() end,
  node = function() neap.Node { exec = print }:run() end,
  read = function() neap.fs.read(gone) end,
  open = function() neap.fs.open(gone) end,
  watch = function() neap.fs.watch "/" end,
  get = function() neap.http.get "http://127.0.0.1:1/" end,
  jar = function() neap.http.jar() end,
  listen = function() neap.net.listen "127.0.0.1:0" end,
  connect = function() neap.net.connect "127.0.0.1:1" end,
  run = function() neap.process.run { "true" } end,
  pair = function() neap.stream.pair() end,
  wait = function() neap.event():wait() end,
  receive = function() neap.channel():receive() end,
  limiter = function() neap.limiter { rate = 1 } end,
  testing = function() neap.testing.run(print) end,
  core = function() package.loaded["neap.core"] = nil require "neap.core" end,
}

function use_all()
  for name, object in pairs(kept) do
    for key, f in pairs(functions_of(name, classes[name])) do
      local err = call_with_all(f, object)
      if err and is_plain then complain("%s of a %s at the end: %s", key, name, tostring(err)) end
    end
  end
  use_table("neap", neap, {})
  use_table("core", core, {})
  if is_plain then
    for name, f in pairs(ENGINE) do
      local ok, err = pcall(f)
      if ok or type(err) ~= "table" or err.code ~= "closed" then
        complain("%s behind the end: %s", name, ok and "works" or tostring(err))
      end
    end
    -- What is Lua's goes on as it did before neap was loaded.
    local co = coroutine.wrap(function() coroutine.yield(1) end)
    if co() ~= 1 or not coroutine.running() then complain("coroutines do not go on") end
    coroutine.close(coroutine.create(print))
  end
  print(("%d calls"):format(calls))
end

main()
os.exit(true, true)
