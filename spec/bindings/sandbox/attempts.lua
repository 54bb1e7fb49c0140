-- Attempts to break out of a sandbox, or to hold it up: what each tries, the code of it, which
-- runs in a node, and how it must end.
-- SPDX-License-Identifier: MIT
-- luacheck: max line length 140
--
-- `ends` is the code of the error that ends the run; where it is missing, the code must come
-- to its end, and asserts itself that it got nothing; with several, "compute or limit", it
-- depends on the machine which comes first; false stands for any end. `grants` may have FOLDER in it: a folder
-- with the file `inside` and the link `link`, which leads out of it to the file `secret`.
local attempts = {}

local function try(name, tries, code, ends, grants)
  attempts[#attempts + 1] = { name = name, tries = tries, code = code, ends = ends,
    grants = grants or {} }
end

-- Bytecode.

try("bytecode-load", "to load bytecode, which Lua does not check",
  [[assert(load("\27Lua\x54\0") == nil)]])
try("bytecode-mode", "to ask load for the mode b",
  [[assert(load("\27Lua\x54\0", "x", "b") == nil) assert(load("return 1", "x", "b") == nil)]])
try("bytecode-pieces", "to hand bytecode over in pieces that look like text",
  [[local parts, i = { "\27", "Lua", "\x54" }, 0
  assert(load(function() i = i + 1 return parts[i] end) == nil)]])
try("bytecode-dump", "to get bytecode of a function, to change it", [[assert(string.dump == nil)]])
try("bytecode-dump-method", "the same by a method of strings", [[assert(("").dump == nil)]])
try("bytecode-require", "to have require load a module that is bytecode",
  [[neap.fs.write("evil.lua", "\27Lua\x54\0\x19\x93") require "evil"]], "user", { "files=FOLDER" })

-- What Lua's libraries reach.

try("no-io", "to open a file by io", [[assert(io == nil and _G.io == nil)]])
try("no-os", "to start a program, or to end the process",
  [[for _, name in ipairs { "execute", "exit", "remove", "rename", "tmpname", "getenv",
    "setlocale" } do assert(os[name] == nil, name) end]])
try("no-debug", "to look into the registry", [[assert(debug == nil)]])
try("no-package", "to load a C library", [[assert(package == nil)]])
try("no-dofile", "to run files", [[assert(dofile == nil and loadfile == nil)]])
try("no-clock", "to tell the time of day", [[os.time()]], "denied")
try("no-date", "to tell the time zone", [[os.date()]], "denied")
try("no-collect", "to have the collector run again and again", [[collectgarbage()]], "denied")
try("no-collect-stop", "to stop the collector", [[collectgarbage "stop"]], "denied")
try("warn-commands", "to turn warnings off for all", [[warn "@off"]])
try("random-seed", "to get an address from randomseed",
  [[local a, b = math.randomseed() local c, d = math.randomseed()
  assert(a ~= c and b ~= d)]])
try("addresses", "to see addresses, which tell where memory lies",
  [[assert(tostring({}):match "^table: 0x%x+$") local a = {}
  assert(tostring(a) == ("%s"):format(a)) assert(("%p"):format(a) == tostring(a):match "0x%x+")
  assert(tostring(neap.spawn(print)):match "^neap.task: %d+ ")
  local _, why = pcall(function() self.params[{}] = 1 end) assert(not why:find "0x")]])

-- Modules.

try("require-core", "to get the functions in C that neap's modules use",
  [[require "neap.core"]], "denied")
try("require-luv", "to get the loop itself", [[require "neap.luv"]], "denied")
try("luv-function", "the same by a function of neap", [[neap.luv()]], "user")
try("require-testing", "to replace what neap calls by fakes", [[require "neap.testing"]], "denied")
try("require-cli", "to run commands of the executable", [[require "neap.cli.run"]], "denied")
try("require-internal", "to get the classes behind the nodes",
  [[require "neap.flow.node"]], "denied")
try("require-inside", "to get the part that reports of the script",
  [[require "neap.cli.inside"]], "denied")
try("require-box", "to make a sandbox with more grants", [[require "neap.cli.box"]], "denied")
try("require-sandbox", "to get the loader of modules", [[require "neap.sandbox.own"]], "denied")
try("require-file", "to require a module without files being granted", [[require "x"]], "user")
try("require-up", "to require a module outside of the folder",
  [[require "../secret"]], "user", { "files=FOLDER" })
try("require-dots", "to require by a name of dots", [[require "..secret"]], "user",
  { "files=FOLDER" })
try("require-absolute", "to require an absolute path", [[require "/etc/passwd"]], "user",
  { "files=FOLDER" })
try("require-own", "the right way: a module of its own",
  [[neap.fs.write("mine.lua", "return { 7 }") assert(require "mine"[1] == 7)
  assert(require "mine" == require "mine")]], nil, { "files=FOLDER" })
try("neap-luv-field", "to find the loop in the tables of neap",
  [[local seen = {}
  local function walk(value)
    if type(value) ~= "table" or seen[value] then return end
    seen[value] = true
    for key, inner in next, value do
      assert(key ~= "luv" or type(inner) ~= "userdata") walk(inner)
    end
  end
  walk(_G) walk(neap)]])
try("replace-require", "to have neap's modules require what the script gives",
  [[_G.require = function() return { evil = true } end assert(neap.http.get)]])
try("replace-globals", "to have neap's modules call functions of the script",
  [[local called = false
  for _, name in ipairs { "setmetatable", "getmetatable", "type", "pairs", "ipairs", "tostring",
    "pcall", "error", "select", "next", "rawget" } do
    _G[name] = function() called = true end
  end
  local a = neap.Node { name = "a" }
  neap.Flow { start = a }:run {}
  if called then error "called" end]])
try("replace-libraries", "the same with the functions of the libraries",
  [[local called
  string.format, string.find, string.match = nil, nil, function() called = true end
  table.concat, table.sort, math.floor = nil, nil, nil
  neap.Flow { start = neap.Node { name = "a" } }:run {}
  neap.json.encode { a = 1 }
  assert(not called)]])

-- Metatables.

try("string-index", "to add a method to all strings",
  [[getmetatable("").__index.steal = print]], "user")
try("string-metatable", "to see the metatable of strings", [[assert(getmetatable("") == false)]])
try("string-set", "to replace it", [[setmetatable("", {})]], "user")
try("string-library", "to change methods of strings by the library",
  [[string.upper = function() return "evil" end assert(("a"):upper() == "A")]])
try("task-metatable", "to steal await from all tasks",
  [[local task = neap.spawn(function() end)
  assert(getmetatable(task) == false) task:await()
  assert(not pcall(function() getmetatable(task).__index.await = print end))]])
try("channel-metatable", "to replace send of all channels",
  [[assert(not getmetatable(neap.channel()))]])
try("semaphore-metatable", "to replace acquire of all semaphores",
  [[assert(not getmetatable(neap.semaphore(1)) and not getmetatable(neap.event()))]])
try("node-metatable", "to change the state behind a node",
  [[assert(not getmetatable(neap.Node {}) and not getmetatable(neap.Node))]])
try("neap-metatable", "to change how neap's table finds modules", [[assert(not getmetatable(neap))]])
try("error-metatable", "to replace __tostring of neap's errors",
  [[local _, err = pcall(neap.error.new) local new = neap.error.new { message = "m", code = "c" }
  assert(not getmetatable(new)) assert(err)]])
try("error-new", "to have neap replace the metatable of a table that has a closed one",
  [[local closed = setmetatable({}, { __metatable = "closed", __index = { kept = 1 } })
  local node, secret, err = neap.Node { name = "n" }, neap.secret "key",
    neap.error.new { code = "c", message = "m" }
  for _, t in ipairs { closed, node, secret, neap, neap.json.array {}, self,
      setmetatable({}, { __index = { code = "c" } }) } do
    local ok, why = pcall(neap.error.new, t)
    assert(not ok and why:find "metatable" and not neap.error.is(t))
  end
  assert(closed.kept == 1 and tostring(secret) == "***" and neap.error.new(err) == err)]])
try("json-metatable", "to change what a list of JSON is",
  [[assert(not getmetatable(neap.json.array {})) assert(not getmetatable(neap.json.null))
  assert(not getmetatable(neap.json.object({}, {})))]])
try("secret-metatable", "to see the text behind a secret",
  [[local s = neap.secret "key" assert(not getmetatable(s) and tostring(s) == "***")
  for key in next, s do assert(s[key] ~= "key") end]])
try("file-metatable", "to see the methods of files",
  [[local file <close> = neap.fs.open("inside") assert(not getmetatable(file))]], nil,
  { "files=FOLDER" })
try("params-metatable", "to write to params that are shared",
  [[assert(not getmetatable(self.params)) self.params.x = 1]], "user")
try("metatable-of-userdata", "to give a table the metatable of a userdata",
  [[local meta = getmetatable(neap.channel()) assert(type(meta) ~= "table")
  setmetatable({}, meta)]], "user")
try("all-metatables", "to find one metatable that is open, anywhere",
  [[local seen, left = {}, { neap, _G, self, neap.channel(), neap.semaphore(1), neap.event(),
    neap.spawn(print), neap.json.array {}, neap.limiter { rate = 1 }, neap.error, neap.http,
    neap.fs, neap.llm, neap.mcp, neap.net, neap.process, neap.stream, neap.summary, neap.input,
    neap.http.jar and neap.http.jar(), neap.stream.pair() }
  while #left > 0 do
    local value = table.remove(left)
    if (type(value) == "table" or type(value) == "userdata") and not seen[value] then
      seen[value] = true
      assert(not getmetatable(value), value)
      if type(value) == "table" then
        for key, inner in next, value do left[#left + 1] = key left[#left + 1] = inner end
      end
    end
  end]])

-- Finalizers.

try("nearest-same", "to have a list with one large vector many times be compared",
  [[local v = neap.llm.vector(("\0\0\128\63"):rep(1e6)) local list = {}
  for i = 1, 2e5 do list[i] = v end
  neap.llm.nearest(v, list, 1)]], "compute")
try("encode-same", "to have JSON made of few tables that have each other in them",
  [[local t = {} for i = 1, 60 do t = { t, t, t, t } end
  neap.json.encode(t)]], "compute or memory or user")
try("decode-huge", "to have JSON be read that is as large as the memory allows",
  [[neap.json.decode("[" .. ("0,"):rep(2.2e6) .. "0]")]], "limit")

try("gc", "to have a finalizer run amid other code",
  [[setmetatable({}, { __gc = function() while true do end end })]], "denied")
try("gc-later", "to add __gc when the metatable is set",
  [[local called, meta = false, {}
  do local t = setmetatable({}, meta) meta.__gc = function() called = true end t = nil end
  for i = 1, 2000 do local _ = { ("x"):rep(1000 + i) } end
  assert(not called)]])
try("gc-inherited", "to have __gc found by the metatable's __index",
  [[local called = false
  local meta = setmetatable({}, { __index = { __gc = function() called = true end } })
  for i = 1, 100 do setmetatable({}, meta) end
  for i = 1, 2000 do local _ = { ("x"):rep(1000 + i) } end
  assert(not called)]])
try("gc-false", "to set __gc to false, and then to a function",
  [[setmetatable({}, { __gc = false })]], "denied")
try("gc-rawset", "to set __gc by rawset", [[local meta = {} rawset(meta, "__gc", print)
  setmetatable({}, meta)]], "denied")

try("gc-copied", "to have neap's modules copy a metatable that got its __gc late",
  [[local client, meta = neap.llm.fake { "a" }, {}
  local message = setmetatable({ role = "user", content = "x" }, meta)
  meta.__gc = function() while true do end end
  client:chat { message }
  client, message = nil, nil
  for i = 1, 4000 do
    local _ = { ("x"):rep(1000 + i % 100) }
    if i % 100 == 0 then neap.sleep(0) end
  end]])
try("gc-tempdir", "the right way: a temporary directory that nobody has closed",
  [[local path = neap.fs.tempdir().path
  for i = 1, 4000 do
    local _ = { ("x"):rep(1000 + i % 100) }
    if i % 100 == 0 then neap.sleep(0) end
  end
  assert(not neap.fs.exists(path))]], nil, { "files=FOLDER" })

-- Functions that compute for long without a hook.

try("find-backtrack", "to have a pattern go back for ever",
  [[("a"):rep(1e5):find((".-"):rep(100) .. "b")]],
  "compute or limit")
try("match-backtrack", "the same by match", [[("a"):rep(1e5):match(("a*"):rep(50) .. "b")]],
  "compute or limit")
try("gmatch-backtrack", "the same by gmatch",
  [[for _ in ("a"):rep(1e5):gmatch(("a*"):rep(50) .. "b") do end]],
  "compute or limit")
try("gsub-backtrack", "the same by gsub", [[("a"):rep(1e5):gsub(("a*"):rep(50) .. "b", "")]],
  "compute or limit")
try("balanced", "to have %b look for its end from each byte",
  [[("("):rep(1e6):find("%b()x")]],
  "compute or limit")
try("frontier", "to have a large set be read for each byte",
  [[("a"):rep(1e6):find("%f[" .. ("b"):rep(1e4) .. "]")]],
  "compute or limit")
try("plain-find", "to have a plain search compare each byte with all",
  [[("a"):rep(4e6):find(("a"):rep(2e6) .. "b", 1, true)]])
try("pattern-depth", "to overflow the C stack by captures",
  [[("a"):rep(1e5):find(("(a)"):rep(1e4))]], "user")
try("pattern-nesting", "the same by items that may be missing",
  [[("a"):rep(1e5):find(("a?"):rep(1e5) .. ("a"):rep(1e5))]], "user")
try("pattern-limit-caught", "to catch the error of too much work again and again",
  [[while true do pcall(string.find, ("a"):rep(1e5), ("a*"):rep(50) .. "b") end]], "compute")
try("rep-huge", "to make a string of a petabyte", [[("x"):rep(1e15)]], "limit")
try("rep-method", "the same by a method of a method", [[(("x").rep)("xx", 1e12)]], "limit")
try("rep-empty", "to repeat nothing for ever", [[assert((""):rep(math.maxinteger) == "")]])
try("rep-separator", "to repeat an empty string with a separator",
  [[(""):rep(1e12, "xx")]], "limit")
try("rep-overflow", "to overflow the size of the result",
  [[("x"):rep(math.maxinteger, "y")]], "limit")
try("gsub-grow", "to have gsub make each byte a megabyte",
  [[("x"):rep(1e6):gsub(".", ("y"):rep(1e6))]],
  "limit or user or memory or compute")
try("gsub-captures", "the same by captures in the replacement",
  [[("x"):rep(1e6):gsub("(.*)", ("%1"):rep(1000))]],
  "limit or user or memory or compute")
try("format-grow", "to have format repeat a large string",
  [[local s = ("x"):rep(1e6) string.format(("%s"):rep(200), table.unpack(setmetatable({},
    { __index = function() return s end }), 1, 200))]], "limit")
try("format-width", "to have format fill up to a huge width", [[("%1000000d"):format(1)]], "user")
try("pack-grow", "to have pack fill up to a huge size", [[string.pack("c1000000000", "x")]],
  "limit")
try("pack-overflow", "to overflow that size",
  [[string.pack(("c9"):rep(1) .. ("9"):rep(30), "x")]], "limit")
try("unpack-many", "to have unpack return more than the stack holds",
  [[string.unpack(("b"):rep(2e6), ("x"):rep(2e6))]],
  "user or memory")
try("concat-index", "to have concat read for ever through __index",
  [[table.concat(setmetatable({}, { __index = function() return "" end }), "", 1, 1e15)]],
  "compute or limit")
try("concat-c-index", "the same through a function in C, which no hook sees",
  [[local base = setmetatable({}, { __index = string.format })
  pcall(table.concat, setmetatable({}, { __index = rawlen, __len = function() return 2^53 end }))
  local t = setmetatable({}, { __index = function() return "x" end, __len = function()
    return 1 << 60 end }) table.concat(t)]],
  "compute or limit")
try("concat-len", "to have concat believe a length", [[table.concat(setmetatable({},
  { __len = function() return 1e15 // 1 | 0 end, __index = { "" } }), "")]], "user")
try("concat-grow", "to have concat make a string of gigabytes",
  [[local s = ("x"):rep(1e6) table.concat(setmetatable({}, { __index = { s, s } }), s, 1, 2)
  table.concat(setmetatable({}, { __index = function() return s end }), s, 1, 1e6)]],
  "limit or user or memory or compute")
try("concat-last", "to have concat pass the largest integer",
  [[local t = { [math.maxinteger] = "x" }
  assert(table.concat(t, "", math.maxinteger, math.maxinteger) == "x")]])
try("move-far", "to have move copy for ever", [[table.move({}, 1, 1e15, 2)]],
  "compute or limit")
try("move-wrap", "to have move pass the largest integer",
  [[table.move({}, 1, math.maxinteger, 2)]], "user")
try("insert-len", "to have insert shift what is not there",
  [[table.insert(setmetatable({}, { __len = function() return 1 << 50 end }), 1, 1)]],
  "compute or limit")
try("remove-len", "the same by remove",
  [[table.remove(setmetatable({}, { __len = function() return 1 << 50 end }), 1)]],
  "compute or limit")
try("unpack-len", "to have unpack fill the stack",
  [[table.unpack(setmetatable({}, { __len = function() return 1 << 30 end }))]],
  "user or memory")
try("unpack-range", "the same with a range that overflows",
  [[table.unpack({}, math.mininteger, math.maxinteger)]], "user")
try("sort-len", "to have sort believe a length",
  [[table.sort(setmetatable({}, { __len = function() return (1 << 31) - 2 end,
    __index = function(_, i) return i end }))]],
  "compute or limit or memory")
try("sort-order", "to confuse sort by an order that makes no sense",
  [[local t = {} for i = 1, 5000 do t[i] = i end table.sort(t, function() return true end)
  assert(#t == 5000)]])
try("sort-strings", "to have sort compare large strings, which no hook sees",
  [[local a, b = ("x"):rep(8e6) .. "a", ("x"):rep(8e6) .. "b"
  local t = {} for i = 1, 1e5 do t[i] = i % 2 == 0 and a or b end table.sort(t)]],
  "compute or limit")
try("sort-endless", "to have sort call a comparison that does not end",
  [[table.sort({ 2, 1 }, function() while true do end end)]], "compute")
try("utf8-huge", "to have utf8 work on more than it may",
  [[local s = ("x"):rep(9e6) utf8.len(s .. s)]], "limit")
try("upper-huge", "to have upper work on more than it may",
  [[local s = ("x"):rep(9e6); (s .. s):upper()]], "limit")
try("load-huge", "to have the compiler work on megabytes",
  [[assert(load("return " .. ("1+"):rep(4e6) .. "1"))]], "limit")
try("load-endless", "to hand over source text without an end",
  [[load(function() return "x = 1 " end)]], "limit")
try("load-nested", "to overflow the C stack of the compiler",
  [[local f, err = load("return " .. ("("):rep(1e5) .. "1" .. (")"):rep(1e5)) assert(not f and err)]])
try("load-nested-functions", "the same by functions",
  [[assert(not load(("return function() "):rep(1e4) .. ("end "):rep(1e4)))]])
try("load-env", "to load with globals of the sandbox's maker",
  [[local env = {} load("x = _G", "x", "t", env)() assert(env.x == nil)
  assert(load("return _ENV")() == _G)]])
try("load-env-upvalue", "to have a loaded chunk reach other globals",
  [[assert(load("return require")() == require and load("return io")() == nil)]])
try("env-const", "to confuse the compiler by a constant _ENV",
  [[load("local _ENV <const> = 1; return x") pcall(load("local _ENV <const> = {} return x.y"))]])

-- Computing, errors and closing.

try("endless", "to compute for ever", [[while true do end]], "compute")
try("endless-pcall", "to catch the error that ends it",
  [[while true do pcall(function() while true do end end) end]], "compute")
try("endless-xpcall", "to have the handler of the error compute for ever",
  [[xpcall(function() while true do end end, function() while true do end end)]], "compute")
try("endless-handler", "to have the handler raise again and again",
  [[local function handler() return xpcall(error, handler) end
  xpcall(error, handler) while true do xpcall(error, handler) end]], "compute")
try("endless-close", "to compute for ever in __close",
  [[local function loop() while true do end end
  local a <close> = setmetatable({}, { __close = loop })
  local b <close> = setmetatable({}, { __close = loop })
  while true do end]], "compute")
try("close-restart", "to go on in __close, over and over",
  [[local function again() local _ <close> = setmetatable({}, { __close = again })
    while true do end end again()]], "compute")
try("endless-index", "to compute for ever in __index", [[local t = setmetatable({}, { __index =
  function() while true do end end }) return t.x]], "compute")
try("endless-tostring", "to compute for ever in __tostring",
  [[print(setmetatable({}, { __tostring = function() while true do end end }))]], "compute")
try("endless-gsub", "to compute for ever in a callback of gsub",
  [[("x"):gsub(".", function() while true do end end)]], "compute")
try("endless-goto", "to compute for ever by goto", [[::again:: goto again]], "compute")
try("endless-retry", "to retry for ever without a wait",
  [[neap.Node { max_retries = 1e9 // 1 | 0, wait = 0, exec = function() error "again" end }:run {}]],
  "compute")
try("recursion", "to overflow Lua's stack", [[local function f() return 1 + f() end f()]],
  "user or compute")
try("recursion-gsub", "to overflow the C stack by gsub",
  [[local function f() return (("x"):gsub(".", f)) end f()]],
  "user or compute")
try("recursion-sort", "the same by sort",
  [[local function f() table.sort({ 1, 2 }, f) end f()]], "user")
try("recursion-tostring", "the same by __tostring",
  [[local t = setmetatable({}, { __tostring = function(self) return tostring(self) end })
  tostring(t)]], "user")
try("recursion-load", "the same by load",
  [[local function f() return load(f) and "" end load(f)]], nil)
try("recursion-index", "to have __index lead in a ring",
  [[local t = {} setmetatable(t, { __index = t }) return t.x]], "user")
try("recursion-concat", "to overflow the stack by __concat",
  [[local t = setmetatable({}, {}) getmetatable(t).__concat = function(a, b) return a .. b end
  return t .. t]],
  "user or compute")
try("error-tostring", "to have the report of an error call code",
  [[error(setmetatable({}, { __tostring = function() while true do end end }))]], "user")
try("error-index", "to have it read fields by a metamethod",
  [[error(setmetatable({}, { __index = function() while true do end end }))]], "user")
try("error-fields", "to raise an error of neap with odd fields",
  [[error(neap.error.new { message = {}, code = setmetatable({}, { __tostring = print }) })]],
  false)
try("error-nil", "to raise nothing", [[error(nil)]], "user")
try("error-huge", "to raise a message of megabytes", [[error(("x"):rep(8e6), 0)]],
  false)
try("error-neap", "to pass for an end by the host", [[error(neap.error.new { message = "m",
  code = "compute" })]], "compute")

-- Coroutines.

try("coroutine-endless", "to compute for ever in a coroutine",
  [[coroutine.wrap(function() while true do end end)()]], "compute")
try("coroutine-nested", "to compute for ever in the innermost of many",
  [[local function nest(n) if n == 0 then while true do end end
    coroutine.wrap(nest)(n - 1) end nest(100)]], "compute")
try("coroutine-depth", "to overflow the C stack by nesting",
  [[local function nest() coroutine.wrap(nest)() end nest()]], "user")
try("coroutine-many", "to make coroutines without an end",
  [[local all = {} for i = 1, 1e6 do all[i] = coroutine.create(print) end]], "limit")
try("coroutine-caught", "to catch the end in a coroutine, and to go on outside",
  [[while true do coroutine.resume(coroutine.create(function() while true do end end)) end]],
  "compute")
try("coroutine-close", "to compute for ever while a coroutine is closed",
  [[local co = coroutine.create(function()
    local _ <close> = setmetatable({}, { __close = function() while true do end end })
    coroutine.yield() end)
  coroutine.resume(co) coroutine.close(co)]],
  false)
try("coroutine-task", "to resume the coroutine of its own task",
  [[assert(not coroutine.resume(coroutine.running()))]])
try("coroutine-other", "to resume the coroutine of another task",
  [[local co local task = neap.spawn(function() co = coroutine.running() neap.sleep(0.01) end)
  neap.sleep(0) assert(not coroutine.resume(co)) task:await()]])
try("coroutine-other-close", "to close the coroutine of another task",
  [[local co local task = neap.spawn(function() co = coroutine.running() neap.sleep(0.01) end)
  neap.sleep(0) assert(not pcall(coroutine.close, co)) task:await()]])
try("coroutine-yield", "to yield to the engine", [[coroutine.yield(1)]], "yield")
try("coroutine-wrap-dead", "to resume one that is dead",
  [[local f = coroutine.wrap(function() end) f() assert(not pcall(f))]])

-- Memory, output and tasks.

try("memory-table", "to fill the memory with a table",
  [[local t = {} for i = 1, 1e9 do t[i] = { i } end]],
  "memory or compute")
try("memory-string", "to fill it by doubling a string",
  [[local s = ("x"):rep(1e6) local all = {} while true do all[#all + 1] = s .. #all end]],
  "memory or compute")
try("memory-caught", "to catch that", [[local all = {} while true do pcall(function()
  while true do all[#all + 1] = { ("x"):rep(1000 + #all) } end end) end]],
  "memory or compute")
try("memory-vector", "to fill it with a vector", [[local all = {}
  while true do all[#all + 1] = ("x"):rep(1e5 + #all) end]],
  "memory or compute")
try("memory-once", "to ask for more at once than there may be",
  [[local s = ("0123456789abcdef"):rep(1000000)
  assert(not pcall(function() return s .. s .. s .. s .. s end))]])
try("print-endless", "to fill the terminal", [[while true do print(("x"):rep(10000)) end]], "limit")
try("warn-endless", "the same by warn", [[while true do warn(("x"):rep(10000)) end]], "limit")
try("tasks-many", "to spawn without an end",
  [[while true do neap.spawn(function() neap.sleep(100) end) end]], "limit")
try("tasks-others", "to see tasks of others",
  [[for _, task in ipairs(neap.tasks()) do assert(task.id) end]])
try("sleep-forever", "to wait for what does not come", [[neap.channel():receive()]], "deadlock")

-- Outside.

try("read-file", "to read a file that was not granted", [[neap.fs.read "/etc/passwd"]],
  "denied")
try("read-relative", "to read a file of the folder it was started in", [[neap.fs.read "secret"]],
  "denied")
try("read-up", "to leave the folder by dots", [[neap.fs.read "../secret"]],
  "denied",
  { "files=FOLDER" })
try("read-link", "to leave it by a link", [[neap.fs.read "link"]],
  "denied", { "files=FOLDER" })
try("read-new-link", "to make a link that leads out",
  [[neap.fs.symlink("../secret", "new") neap.fs.read "new"]], false, { "files=FOLDER" })
try("read-proc", "to leave it by /proc", [[neap.fs.read "/proc/self/environ"]],
  "denied",
  { "files=FOLDER" })
try("read-proc-fd", "to read a descriptor of the process", [[neap.fs.read "/proc/self/fd/0"]],
  "denied", { "files=FOLDER" })
try("read-dev", "to read a device", [[neap.fs.read "/dev/stdin"]],
  "denied", { "files=FOLDER" })
try("write-ro", "to write where it may only read", [[neap.fs.write("inside", "x")]],
  "denied",
  { "files=FOLDER:ro" })
try("remove-root", "to remove the folder itself", [[neap.fs.remove "."]], false, { "files=FOLDER" })
try("tempfile", "to make a file in /tmp", [[neap.fs.tempfile()]],
  "denied")
try("process", "to start a program", [[neap.process.run { "id" }]], false)
try("connect-loopback", "to connect to a service of the machine",
  [[neap.net.connect "127.0.0.1:22"]],
  "denied")
try("connect-zero", "the same, spelled 0", [[neap.net.connect "0:22"]],
  "denied")
try("connect-decimal", "the same as one number", [[neap.net.connect "2130706433:22"]],
  "denied")
try("connect-hex", "the same in hexadecimal", [[neap.net.connect "0x7f000001:22"]],
  "denied")
try("connect-mapped", "the same as IPv6", [[neap.net.connect "[::ffff:127.0.0.1]:22"]],
  "denied")
try("connect-name", "the same by name", [[neap.net.connect "localhost:22"]],
  "denied")
try("connect-granted-name", "to have a granted name lead to loopback",
  [[neap.net.connect "localhost:22"]],
  "denied", { "net=localhost" })
try("http-metadata", "to ask the metadata service of a cloud",
  [[neap.http.get "http://169.254.169.254/latest/"]],
  "denied")
try("http-loopback", "to ask a server of the machine", [[neap.http.get "http://[::1]:80/"]],
  "denied")
try("http-socket", "to ask a local socket",
  [[neap.http.get("http://x/", { unix_socket = "/run/docker.sock" })]],
  "denied")
try("http-ca", "to have a file read as a certificate",
  [[neap.http.get("https://x/", { ca_file = "/etc/passwd" })]],
  "denied")
try("listen", "to listen", [[neap.net.listen "127.0.0.1:0"]],
  "denied")
try("environment", "to see keys in the environment",
  [[assert(os.getenv == nil) neap.llm.new { provider = "openai" }:chat "x"]], "denied or llm")
try("input", "to read what the user types", [[neap.input()]], false)
try("main", "to pass for the script that the user has started",
  [[assert(neap.is_main() == false)]])
try("interrupt", "to answer Ctrl-C itself", [[neap.on_interrupt(function() end)]], "user")
try("arguments", "to see the arguments of the command",
  [[assert(arg[-1] == nil and arg[1] == nil)]])

return attempts
