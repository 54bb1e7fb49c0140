-- The architecture: which file may include what, and that files which are named are there.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"

-- The folders of each tree, from the bottom up; "" is the tree's own folder. A file may
-- include headers of its own folder and of those in lines above it here.
local layers = {
  engine = { { "base" }, { "loop" }, { "grants" }, { "io", "http", "flow", "store" }, { "sqlite" },
    { "drive" }, { "" } },
  bindings = { { "task" }, { "flow", "io", "serve", "store", "sync", "vector" }, { "http", "json" },
    { "cbor" }, { "" }, { "sandbox" }, { "embed" }, { "program" } },
}

-- Which files may include the headers of a library, as patterns of their paths.
local libraries = {
  {
    header = "^uv%.h$",
    -- status: the system's codes are libuv's, and so are their names.
    "^engine/base/status%.", "^engine/loop/", "^engine/io/", "^engine/http/", "^engine/lent%.c$",
    "^engine/sqlite/", "^spec/engine/loop/guest_test%.c$", "^spec/engine/lent_test%.c$",
  },
  { header = "^curl/", "^engine/http/" },
  { header = "^zlib%.h$", "^engine/http/", "^spec/engine/http/" },
  { header = "^brotli/", "^engine/http/", "^spec/engine/http/" },
  { header = "^zstd[^/]*%.h$", "^engine/http/", "^spec/engine/http/" },
  { header = "^lua[^/]*%.h$", "^bindings/", "^spec/bindings/" },
  { header = "^lauxlib%.h$", "^bindings/", "^spec/bindings/" },
  { header = "^jansson%.h$", "^bindings/json/" },
  { header = "^sqlite3%.h$", "^engine/sqlite/", "^spec/engine/store/" },
}

-- Headers of the engine that others may include: its face, and those that are inline
-- functions without state.
local public = { ["neap.h"] = true, ["neap_store.h"] = true, ["base/list.h"] = true,
  ["base/opts.h"] = true, ["base/units.h"] = true }

-- Files that are one machine, and may include each other; no others may.
local machine = {
  ["bindings/flow/drive"] = true, ["bindings/flow/batch"] = true, ["bindings/flow/worker"] = true,
  ["bindings/flow/native_node"] = true, ["bindings/flow/keep"] = true,
}

-- "engine/http/load.c" is of the tree "engine", in its folder "http".
local function place(path)
  local tree, rest = path:match("^(%w+)/(.*)$")
  return tree, rest:match("^(.*)/[^/]+$") or ""
end

local ranks = {}
for tree, lines in pairs(layers) do
  ranks[tree] = {}
  for number, folders in ipairs(lines) do
    for _, folder in ipairs(folders) do ranks[tree][folder] = number end
  end
end

local function matches_any(path, patterns)
  for _, pattern in ipairs(patterns) do
    if path:find(pattern) then return true end
  end
  return false
end

-- Calls `visit` with each header that a file includes, and the mark before its name.
local function each_include(text, visit)
  for mark, header in ("\n" .. text):gmatch('\n%s*#%s*include%s*([<"])([^>"]+)') do
    visit(header, mark)
  end
end

-- The path of a header of ours from the project's folder, as the compiler finds it:
-- beside the file, then from the folder of its tree, then from engine/.
local function find_header(sources, path, header)
  local beside = path:match("^(.*/)[^/]+$") .. header
  if sources[beside] then return beside end
  local tree = place(path)
  for _, root in ipairs { tree .. "/", "engine/" } do
    if sources[root .. header] then return root .. header end
  end
end

-- Returns one sentence for each include that breaks a rule. `sources` has the
-- text of each file by its path from the project's folder.
local function violations(sources)
  local list = {}
  local function complain(format, ...)
    list[#list + 1] = format:format(...)
  end

  local function check_own(path, header)
    local target = find_header(sources, path, header)
    if not target then return end
    local tree, folder = place(path)
    local target_tree, target_folder = place(target)
    if tree ~= target_tree then
      if tree == "bindings" and not public[header] then
        complain("%s includes the private %s", path, target)
      end
    elseif ranks[tree] and folder ~= target_folder and not header:find("^neap[^/]*%.h$")
        and (ranks[tree][target_folder] or 0) >= (ranks[tree][folder] or 0) then
      complain("%s includes %s, which is not below it", path, target)
    end
  end

  for path, text in pairs(sources) do
    local tree, folder = place(path)
    if ranks[tree] and not ranks[tree][folder] then complain("%s is in no layer", path) end
    each_include(text, function(header, mark)
      if mark == '"' then return check_own(path, header) end
      for _, library in ipairs(libraries) do
        if header:find(library.header) and not matches_any(path, library) then
          complain("%s includes <%s>", path, header)
        end
      end
    end)
  end
  table.sort(list)
  return list
end

-- The text of a C file without comments, strings and what the preprocessor
-- reads.
local function bare(text)
  text = text:gsub('"[^"\n]*"', '""'):gsub("/%*.-%*/", " "):gsub("\\\n", " ")
  return ("\n" .. text):gsub("\n[ \t]*#[^\n]*", "\n")
end

-- Calls `visit` with each declaration and definition of a C file that other
-- files can see: its text up to the body or the semicolon, and which it is.
local function each_global(text, visit)
  text = bare(text):gsub('extern ""', ""):gsub("%b{}", "{}")
  for head, mark in text:gmatch("([^;{}]+)([;{])") do
    if not (head:find("^%s*static") or head:find("^%s*typedef")) then
      visit(head, mark)
    end
  end
end

-- The names that begin with "neap__" or "neapL_" of functions and variables that a header
-- declares, or that a source defines.
local function declared(text)
  local names = {}
  each_global(text, function(head, mark)
    local name = head:match("(neap[_L]_[%w_]+)%s*%(")
      or head:match("^%s*extern .*%f[%w_](neap[_L]_[%w_]+)")
    if name and mark == ";" then
      names[name] = true
    end
  end)
  return names
end

local function defined(text)
  local names = {}
  each_global(text, function(head, mark)
    local name = head:match("(neap[_L]_[%w_]+)%s*%(") or head:match("(neap[_L]_[%w_]+)[%[%]%s]*=")
    if name and (mark == "{" or head:find("=")) then
      names[name] = true
    end
  end)
  return names
end

-- Returns one sentence for each function or variable that is not declared in the header
-- with the name of the source that defines it.
local function strays(sources)
  local list = {}
  for path, text in pairs(sources) do
    local base, kind = path:match("^(.*)%.([ch])$")
    if kind == "h" and not path:find("/neap[^/]*%.h$") then
      local own = defined(sources[base .. ".c"] or "")
      for name in pairs(declared(text)) do
        if not own[name] then
          list[#list + 1] = ("%s declares %s, which %s.c does not define"):format(path, name,
            base:match("[^/]+$"))
        end
      end
    elseif kind == "c" then
      local own = declared(sources[base .. ".h"] or "")
      for name in pairs(defined(text)) do
        if not own[name] then
          list[#list + 1] = ("%s defines %s, which %s.h does not declare"):format(path, name,
            base:match("[^/]+$"))
        end
      end
    end
  end
  table.sort(list)
  return list
end

-- What each file includes, a source and its header taken as one: a sorted list of names
-- such as "engine/http/load" by such a name.
local function inclusions(sources)
  local uses = {}
  for path, text in pairs(sources) do
    local name = path:match("^(.*)%.[ch]$")
    uses[name] = uses[name] or {}
    each_include(text, function(header, mark)
      local target = mark == '"' and find_header(sources, path, header)
      local other = target and target:match("^(.*)%.h$")
      if other and other ~= name and not (machine[name] and machine[other]) then
        table.insert(uses[name], other)
      end
    end)
  end
  for _, list in pairs(uses) do table.sort(list) end
  return uses
end

-- Returns the loops: each as the names of files of which each includes the next.
local function loops(sources)
  local uses = inclusions(sources)
  local list, state, way = {}, {}, {}
  local function visit(name)
    state[name] = "open"
    way[#way + 1] = name
    for _, other in ipairs(uses[name] or {}) do
      if state[other] == "open" then
        local first = #way
        while way[first] ~= other do first = first - 1 end
        list[#list + 1] = table.concat(way, " > ", first) .. " > " .. other
      elseif not state[other] then
        visit(other)
      end
    end
    way[#way] = nil
    state[name] = "done"
  end
  local names = {}
  for name in pairs(uses) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    if not state[name] then visit(name) end
  end
  return list
end

-- What comments may name that is not ours: headers of libraries, and files of an example.
local FOREIGN = { ["curl.h"] = true, ["jansson.h"] = true, ["linux/fs.h"] = true,
  ["lua.h"] = true, ["luv.h"] = true, ["uv.h"] = true, ["order.lua"] = true, ["x_test.c"] = true }

-- The comments of a source, or what a document has in backquotes.
local function prose(path, text)
  local pattern = path:find("%.[ch]$") and "/%*.-%*/" or path:find("%.lua$") and "%-%-[^\n]*"
    or "`[^`\n]*`"
  local parts = {}
  for part in text:gmatch(pattern) do parts[#parts + 1] = part end
  return table.concat(parts, "\n")
end

-- Returns one sentence for each file that is named by these texts, but is not among the
-- paths. A name may leave out the first folders.
local function missing_files(texts, paths)
  local known, list = {}, {}
  for _, path in ipairs(paths) do
    known[path] = true
    for at in path:gmatch("()/") do
      known[path:sub(at + 1)] = true
      known[path:sub(1, at)] = true
    end
  end
  for path, text in pairs(texts) do
    for name in prose(path, text):gmatch("%f[%w_./*-][%w_./*-]+") do
      local is_file = name:find("%w%.[ch]$") or name:find("%w%.lua$")
        or name:find("^%l+/[%l_/]*/$") and known[name:match("^%l+/")]
      if is_file and not name:find("*", 1, true) and not known[name] and not FOREIGN[name] then
        list[#list + 1] = ("%s names %s"):format(path, name)
      end
    end
  end
  table.sort(list)
  return list
end

describe("the rule of layers", function()
  it("allows what the folder itself and those below offer", function()
    assert.same({}, violations {
      ["engine/neap.h"] = "",
      ["engine/base/list.h"] = "#include <stddef.h>\n",
      ["engine/loop/op.h"] = '#include "base/list.h"\n#include "neap.h"\n',
      ["engine/loop/loop.c"] = '#include "op.h"\n#include <uv.h>\n',
      ["engine/http/http.h"] = "#include <curl/curl.h>\n",
      ["engine/http/load.c"] = '#include "http.h"\n#include "loop/op.h"\n',
      ["bindings/task/wait.h"] = '#include "base/list.h"\n#include "neap.h"\n',
      ["bindings/json/json.c"] = '#include "task/wait.h"\n#include <lua.h>\n#include <jansson.h>\n',
    })
  end)

  it("refuses a header that is not below", function()
    assert.same({
      "bindings/task/wait.c includes bindings/flow/drive.h, which is not below it",
      "engine/io/fs.c includes engine/http/http.h, which is not below it",
      "engine/loop/timer.c includes engine/flow/flow.h, which is not below it",
    }, violations {
      ["engine/loop/timer.c"] = '#include "flow/flow.h"',
      ["engine/flow/flow.h"] = "",
      ["engine/io/fs.c"] = '#include "http/http.h"',
      ["engine/http/http.h"] = "",
      ["bindings/task/wait.c"] = '#include "flow/drive.h"',
      ["bindings/flow/drive.h"] = "",
    })
  end)

  it("refuses private headers of the engine in the bindings", function()
    assert.same({ "bindings/task/task.c includes the private engine/loop/loop.h" }, violations {
      ["bindings/task/task.c"] = '# include "loop/loop.h"',
      ["engine/loop/loop.h"] = "",
    })
  end)

  it("refuses libraries where they do not belong", function()
    assert.same({
      "bindings/io/fs.c includes <jansson.h>",
      "bindings/task/task.c includes <uv.h>",
      "engine/flow/node.h includes <uv.h>",
      "engine/flow/run.c includes <lauxlib.h>",
      "engine/flow/run.c includes <lua.h>",
      "engine/io/fs.c includes <curl/multi.h>",
      "spec/engine/flow/run_test.c includes <lua.h>",
    }, violations {
      ["bindings/io/fs.c"] = "#include <jansson.h>",
      ["bindings/task/task.c"] = "#include <uv.h>",
      ["engine/io/fs.c"] = "#include <uv.h>\n#include <curl/multi.h>",
      ["engine/flow/node.h"] = "#include <uv.h>",
      ["engine/flow/run.c"] = "#include <lua.h>\n#include <lauxlib.h>",
      ["spec/engine/flow/run_test.c"] = "#include <lua.h>",
    })
  end)

  it("wants a layer for each folder", function()
    assert.same({ "engine/misc/misc.c is in no layer" }, violations { ["engine/misc/misc.c"] = "" })
  end)
end)

describe("the rule of headers", function()
  it("allows what the source of that name defines", function()
    assert.same({}, strays {
      ["engine/loop/op.h"] = [[
        /* neap__old(a); */
        #define NEAP__X neap__macro(1);
        typedef void (*neap__fn)(int a);
        struct neap__thing { int a; };
        static inline int neap__inline(int a) { return neap__begin(a); }
        extern const neap__kind neap__text[];
        int neap__begin(struct neap__thing *thing,
                        neap__fn fn);]],
      ["engine/loop/op.c"] = [[
        static int neap__hidden(void) { return 0; }
        const neap__kind neap__text[] = "neap__none();";
        int neap__begin(struct neap__thing *thing,
                        neap__fn fn) { if (fn) { neap__hidden(); } return 1; }]],
    })
  end)

  it("refuses what another source defines", function()
    assert.same({
      "bindings/task/a.h declares neapL_b, which a.c does not define",
      "bindings/task/b.c defines neapL_b, which b.h does not declare",
    }, strays {
      ["bindings/task/a.h"] = "int neapL_b(void);",
      ["bindings/task/b.c"] = "int neapL_b(void) {}",
    })
  end)
end)

describe("the rule of loops", function()
  it("refuses files that include each other", function()
    assert.same({ "engine/loop/a > engine/loop/b > engine/loop/a" }, loops {
      ["engine/loop/a.h"] = "",
      ["engine/loop/a.c"] = '#include "a.h"\n#include "b.h"',
      ["engine/loop/b.h"] = '#include "loop/a.h"',
      ["engine/loop/c.c"] = '#include "loop/b.h"',
    })
  end)

  it("allows files of one machine to know each other", function()
    assert.same({}, loops {
      ["bindings/flow/drive.h"] = '#include "worker.h"',
      ["bindings/flow/worker.h"] = '#include "drive.h"',
    })
  end)
end)

describe("the rule of names", function()
  local PATHS = { "engine/loop/op.h", "lua/neap/fs.lua", "lua/neap/http/init.lua" }

  it("allows files by their path, or the end of it", function()
    assert.same({}, missing_files({
      ["engine/loop/op.c"] = "/* op.h, loop/op.h: see lua/neap/fs.lua. */ gone.h",
      ["lua/neap/fs.lua"] = "-- neap/fs.lua and http/init.lua, as in lua/neap/\ngone.lua",
      ["docs/page.md"] = "gone.h `engine/loop/op.h` `lua/neap/http/`, `fs*.c`",
    }, PATHS))
  end)

  it("refuses files and folders that are not there", function()
    assert.same({ "docs/page.md names lua/neap/flow/", "engine/loop/op.c names loop_op.h",
      "lua/neap/fs.lua names http.lua" }, missing_files({
      ["engine/loop/op.c"] = "/* loop_op.h */",
      ["lua/neap/fs.lua"] = "-- http.lua",
      ["docs/page.md"] = "`lua/neap/flow/`",
    }, PATHS))
  end)
end)

local ALLOCATORS = { malloc = true, calloc = true, realloc = true, reallocarray = true, free = true,
  strdup = true, strndup = true, asprintf = true, vasprintf = true, getline = true,
  aligned_alloc = true, posix_memalign = true }

-- Returns the functions of the C library that allocate or free, as often as a source calls
-- them. Comments and strings do not count, nor members of those names.
local function allocators(text)
  text = text:gsub("/%*.-%*/", ""):gsub("//[^\n]*", ""):gsub('"[^"\n]*"', '""')
  local found = {}
  for _, value in text:gmatch "([%w_.]+) = (free)[;,]" do found[#found + 1] = value end
  for before, name, after in (" " .. text):gmatch "([%->%.]?)%f[%w_]([%a_][%w_]*)%f[^%w_]()" do
    if ALLOCATORS[name] and before ~= ">" and before ~= "." then
      local rest = text:sub(after - 1)
      if rest:find "^%s*%(" then found[#found + 1] = name end
    end
  end
  return found
end

describe("the sources", function()
  local sources, ours = {}, {}
  for _, folder in ipairs { "engine", "bindings", "spec/engine", "spec/bindings" } do
    for _, path in ipairs(helper.files(helper.root .. "/" .. folder, "%.[ch]$")) do
      local name = path:sub(#helper.root + 2)
      sources[name] = helper.read(path)
      -- What modules.h declares is written by the build.
      if not name:find("^spec/") and name ~= "bindings/modules.h" then
        ours[name] = sources[name]
      end
    end
  end

  it("are there", function()
    assert.is_string(sources["engine/neap.h"])
    assert.is_string(sources["engine/loop/loop.c"])
    assert.is_string(sources["bindings/task/wait.c"])
  end)

  it("keep to the layers", function()
    assert.same({}, violations(sources))
  end)

  it("declare in a header what its source defines", function()
    assert.same({}, strays(ours))
  end)

  it("include each other in no loop", function()
    assert.same({}, loops(sources))
  end)

  -- Files that call the C library's allocator, and why.
  local OF_THE_C_LIBRARY = {
    ["engine/base/alloc.c"] = "the engine's default",
    ["bindings/task/memory.c"] = "the default of a state that neap makes",
    ["bindings/program/size_classes.c"] = "the allocator of the executable",
    ["engine/http/coding.c"] = "as the libraries whose state it keeps, which give no choice",
    ["engine/http/guard.c"] = "what libcurl copies at once, as large as a file may be",
  }

  it("take memory from the allocator that they are given", function()
    assert.same({ "free", "malloc" },
      allocators 'x = malloc(1); /* free(x) */ puts("calloc("); ops.drop = free;')
    assert.same({}, allocators "api->free(x); neap_free(x); neap_realloc(x); // free(x)\n")
    local callers = {}
    for name, text in pairs(ours) do
      if #allocators(text) > 0 then callers[name] = true end
    end
    for name in pairs(OF_THE_C_LIBRARY) do
      assert.is_true(callers[name], name .. " needs no exception")
      callers[name] = nil
    end
    assert.same({}, callers)
  end)

  it("of Lua use the commands in no other folder", function()
    local users = {}
    for _, path in ipairs(helper.files(helper.root .. "/lua", "%.lua$")) do
      local name = path:sub(#helper.root + 2)
      if not name:find("^lua/neap/cli/") and helper.read(path):find('"neap.cli', 1, true) then
        users[#users + 1] = name
      end
    end
    assert.same({}, users)
  end)

  it("and the pages about them name files that are there", function()
    local texts, paths = {}, {}
    for _, folder in ipairs { "engine", "bindings", "lua", "spec", "docs", "bench", "examples" } do
      for _, path in ipairs(helper.files(helper.root .. "/" .. folder, "")) do
        local name = path:sub(#helper.root + 2)
        paths[#paths + 1] = name
        if name:find("%.[ch]$") and not name:find("^spec/") or name:find("^lua/.*%.lua$") then
          texts[name] = helper.read(path)
        end
      end
    end
    for _, page in ipairs { "CONTRIBUTING.md", "docs/architecture.md", "docs/internals.md" } do
      texts[page] = helper.read(helper.root .. "/" .. page)
    end
    assert.same({}, missing_files(texts, paths))
  end)
end)
