-- The architecture: which file may include what.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"

-- The layers of engine/, each of which may include its own headers and those
-- above it here. A file `x_y.c` belongs where `x` does.
local layers = {
  { "status", "alloc", "list", "buf", "units" },
  { "engine" },
  { "op" },
  { "loop" },
  { "timer", "event", "http", "fs", "stream", "net", "process" },
  { "node" },
  { "flow" },
  { "run" },
  { "poll" },
}

-- The same for those files of bindings/ that make tasks and runs: what knows of
-- tasks knows nothing of flows.
local binding_layers = {
  { "error", "host" },
  { "task" },
  { "protect", "coroutine", "dump", "deadlock" },
  { "wait", "time_limit" },
  { "task_error", "task_life" },
  { "open" },
  { "plan", "visit" },
  { "path", "report", "action" },
  { "drive", "batch", "worker" },
  { "spawn" },
}

-- Files of bindings/ that are one machine, and may include each other; no others may.
local machine = { drive = true, batch = true, worker = true }

-- Which files may include the headers of a library: "folder/stem" as above.
local libraries = {
  {
    header = "^uv%.h$",
    -- status: the system's codes are libuv's, and so are their names.
    "engine/status", "engine/engine", "engine/loop", "engine/http", "engine/fs",
    "engine/stream", "engine/net", "engine/process", "spec/engine/guest",
  },
  { header = "^curl/", "engine/http" },
  { header = "^zlib%.h$", "engine/http", "spec/engine/http" },
  { header = "^brotli/", "engine/http", "spec/engine/http" },
  { header = "^zstd[^/]*%.h$", "engine/http", "spec/engine/http" },
  { header = "^lua[^/]*%.h$", "bindings/*", "spec/bindings/*" },
  { header = "^lauxlib%.h$", "bindings/*", "spec/bindings/*" },
  { header = "^jansson%.h$", "bindings/*" },
}

-- Headers that files outside of the engine may include from it: its face, and
-- those that are inline functions without state.
local public = { ["neap.h"] = true, ["list.h"] = true, ["units.h"] = true }

local function depths_of(list)
  local depths = {}
  for number, names in ipairs(list) do
    for _, name in ipairs(names) do
      depths[name] = number
    end
  end
  return depths
end

local depth, binding_depth = depths_of(layers), depths_of(binding_layers)

-- "engine/http_load.c" is in the folder "engine" and has the stem "http".
local function place(path)
  local folder, name = path:match("^(.*)/([^/]+)%.[ch]$")
  return folder, name:match("^[^_]+")
end

local function may_use(library, path)
  local folder, stem = place(path)
  for _, allowed in ipairs(library) do
    if allowed == folder .. "/*" or allowed == folder .. "/" .. stem then
      return true
    end
  end
  return false
end

-- What each file of bindings/ includes from there; of `x.c` and `x.h` both are x's.
local function inclusions(sources)
  local graph = {}
  for path, text in pairs(sources) do
    local name = path:match("^bindings/(.*)%.[ch]$")
    if name then
      graph[name] = graph[name] or {}
      for header in text:gmatch('#%s*include%s*"([^"]+)%.h"') do
        if sources[("bindings/%s.h"):format(header)] and header ~= name then
          graph[name][header] = true
        end
      end
    end
  end
  return graph
end

local function reaches(graph, from, to, seen)
  if graph[from][to] then return true end
  for name in pairs(graph[from]) do
    if not seen[name] then
      seen[name] = true
      if reaches(graph, name, to, seen) then return true end
    end
  end
  return false
end

-- Returns one sentence for each rule that the files of bindings/ break.
local function binding_violations(sources)
  local list, graph = {}, inclusions(sources)
  for name, included in pairs(graph) do
    for other in pairs(included) do
      if (binding_depth[other] or 0) > (binding_depth[name] or math.huge) then
        list[#list + 1] = ("bindings/%s includes %s of a layer above"):format(name, other)
      elseif not (machine[name] and machine[other]) and reaches(graph, other, name, {}) then
        list[#list + 1] = ("bindings/%s includes %s, which leads back to it"):format(name, other)
      end
    end
  end
  table.sort(list)
  return list
end

-- Returns one sentence for each include that breaks a rule. `sources` has the
-- text of each file by its path from the project's folder.
local function violations(sources)
  local list = {}
  local function complain(format, ...)
    list[#list + 1] = format:format(...)
  end

  local function check_system(path, header)
    for _, library in ipairs(libraries) do
      if header:find(library.header) and not may_use(library, path) then
        complain("%s includes <%s>", path, header)
      end
    end
  end

  local function check_own(path, header)
    local folder, stem = place(path)
    local target = "engine/" .. header
    local beside = folder ~= "engine" and sources[folder .. "/" .. header]
    if public[header] or beside or not sources[target] then
      return
    end
    local _, target_stem = place(target)
    if folder == "bindings" then
      complain("%s includes the private %s", path, target)
    elseif folder == "engine" and (depth[target_stem] or 0) > (depth[stem] or 0) then
      complain("%s includes %s of a layer above", path, target)
    end
  end

  for path, text in pairs(sources) do
    local folder, stem = place(path)
    if folder == "engine" and not depth[stem] and path ~= "engine/neap.h" then
      complain("%s belongs to no layer", path)
    end
    for mark, header in ("\n" .. text):gmatch('\n%s*#%s*include%s*([<"])([^>"]+)') do
      if mark == "<" then
        check_system(path, header)
      else
        check_own(path, header:match("[^/]+$"))
      end
    end
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

-- The names that begin with "neap__" of functions and variables that a header
-- declares, or that a source defines.
local function declared(text)
  local names = {}
  each_global(text, function(head, mark)
    local name = head:match("(neap__[%w_]+)%s*%(")
      or head:match("^%s*extern .*%f[%w_](neap__[%w_]+)")
    if name and mark == ";" then
      names[name] = true
    end
  end)
  return names
end

local function defined(text)
  local names = {}
  each_global(text, function(head, mark)
    local name = head:match("(neap__[%w_]+)%s*%(") or head:match("(neap__[%w_]+)[%[%]%s]*=")
    if name and (mark == "{" or head:find("=")) then
      names[name] = true
    end
  end)
  return names
end

-- Returns one sentence for each function or variable of engine/ and bindings/
-- that is not declared in the header with the name of the source that defines it.
local function strays(sources)
  local list = {}
  for path, text in pairs(sources) do
    local folder, stem, kind = path:match("^(%w+)/([^/]+)%.([ch])$")
    local beside = ("%s/%s."):format(folder, stem)
    if kind == "h" and stem ~= "neap" then
      local own = defined(sources[beside .. "c"] or "")
      for name in pairs(declared(text)) do
        if not own[name] then
          list[#list + 1] = ("%s declares %s, which %s.c does not define"):format(path, name, stem)
        end
      end
    elseif kind == "c" then
      local own = declared(sources[beside .. "h"] or "")
      for name in pairs(defined(text)) do
        if not own[name] then
          list[#list + 1] = ("%s defines %s, which %s.h does not declare"):format(path, name, stem)
        end
      end
    end
  end
  table.sort(list)
  return list
end

-- Returns the loops of engine/: each as the names of files, a source and its
-- header taken as one, of which each includes the next.
local function loops(sources)
  local uses = {}
  for path, text in pairs(sources) do
    local stem = path:match("^engine/([^/]+)%.[ch]$")
    if stem then
      uses[stem] = uses[stem] or {}
      for header in text:gmatch('#include "([%w_]+)%.h"') do
        if header ~= "neap" and header ~= stem and sources["engine/" .. header .. ".h"] then
          table.insert(uses[stem], header)
        end
      end
    end
  end
  local list, state, way = {}, {}, {}
  local function visit(stem)
    state[stem] = "open"
    way[#way + 1] = stem
    table.sort(uses[stem])
    for _, next_stem in ipairs(uses[stem]) do
      if state[next_stem] == "open" then
        local first = #way
        while way[first] ~= next_stem do
          first = first - 1
        end
        list[#list + 1] = table.concat(way, " > ", first) .. " > " .. next_stem
      elseif not state[next_stem] then
        visit(next_stem)
      end
    end
    way[#way] = nil
    state[stem] = "done"
  end
  local stems = {}
  for stem in pairs(uses) do
    stems[#stems + 1] = stem
  end
  table.sort(stems)
  for _, stem in ipairs(stems) do
    if not state[stem] then
      visit(stem)
    end
  end
  return list
end

describe("the rule of layers", function()
  it("allows what the layer itself and those below offer", function()
    assert.same({}, violations {
      ["engine/neap.h"] = "",
      ["engine/list.h"] = "#include <stddef.h>\n",
      ["engine/alloc.h"] = '#include "neap.h"\n#include "list.h"\n',
      ["engine/http_load.c"] = '#include "http.h"\n#include "alloc.h"\n#include <uv.h>\n',
      ["engine/http.h"] = "#include <curl/curl.h>\n",
      ["bindings/json.c"] = '#include "neap.h"\n#include <lua.h>\n#include <jansson.h>\n',
    })
  end)

  it("refuses a header of a layer above", function()
    assert.same({ "engine/timer.c includes engine/flow.h of a layer above" }, violations {
      ["engine/timer.c"] = '#include "flow.h"',
      ["engine/flow.h"] = "",
    })
  end)

  it("refuses private headers of the engine in the bindings", function()
    assert.same({ "bindings/task.c includes the private engine/loop.h" }, violations {
      ["bindings/task.c"] = '# include "../engine/loop.h"',
      ["engine/loop.h"] = "",
    })
  end)

  it("refuses libraries where they do not belong", function()
    assert.same({
      "bindings/task.c includes <uv.h>",
      "engine/fs.c includes <curl/multi.h>",
      "engine/node.h includes <uv.h>",
      "engine/run.c includes <lauxlib.h>",
      "engine/run.c includes <lua.h>",
      "spec/engine/run_test.c includes <lua.h>",
    }, violations {
      ["bindings/task.c"] = "#include <uv.h>",
      ["engine/fs.c"] = "#include <uv.h>\n#include <curl/multi.h>",
      ["engine/node.h"] = "#include <uv.h>",
      ["engine/run.c"] = "#include <lua.h>\n#include <lauxlib.h>",
      ["spec/engine/run_test.c"] = "#include <lua.h>",
    })
  end)

  it("wants a layer for each file", function()
    assert.same({ "engine/misc.c belongs to no layer" }, violations { ["engine/misc.c"] = "" })
  end)
end)

describe("the rule of headers", function()
  it("allows what the source of that name defines", function()
    assert.same({}, strays {
      ["engine/op.h"] = [[
        /* neap__old(a); */
        #define NEAP__X neap__macro(1);
        typedef void (*neap__fn)(int a);
        struct neap__thing { int a; };
        static inline int neap__inline(int a) { return neap__begin(a); }
        extern const neap__kind neap__text[];
        int neap__begin(struct neap__thing *thing,
                        neap__fn fn);]],
      ["engine/op.c"] = [[
        static int neap__hidden(void) { return 0; }
        const neap__kind neap__text[] = "neap__none();";
        int neap__begin(struct neap__thing *thing,
                        neap__fn fn) { if (fn) { neap__hidden(); } return 1; }]],
    })
  end)

  it("refuses what another source defines", function()
    assert.same({
      "engine/a.h declares neap__b, which a.c does not define",
      "engine/b.c defines neap__b, which b.h does not declare",
    }, strays { ["engine/a.h"] = "int neap__b(void);", ["engine/b.c"] = "int neap__b(void) {}" })
  end)
end)

describe("the rule of loops", function()
  it("refuses files that include each other", function()
    assert.same({ "a > b > a" }, loops {
      ["engine/a.h"] = "",
      ["engine/a.c"] = '#include "a.h"\n#include "b.h"',
      ["engine/b.h"] = '#include "a.h"',
      ["engine/c.c"] = '#include "b.h"',
    })
  end)
end)

describe("the rule for files of bindings/", function()
  it("refuses what is above, and loops", function()
    assert.same({
      "bindings/a includes b, which leads back to it",
      "bindings/b includes c, which leads back to it",
      "bindings/c includes a, which leads back to it",
      "bindings/task includes drive of a layer above",
    }, binding_violations {
      ["bindings/task.h"] = "",
      ["bindings/task.c"] = '#include "task.h"\n#include "drive.h"\n',
      ["bindings/drive.h"] = "",
      ["bindings/a.h"] = '#include "b.h"',
      ["bindings/b.c"] = '#include "c.h"',
      ["bindings/b.h"] = "",
      ["bindings/c.h"] = '#include "a.h"',
    })
  end)

  it("allows files of one machine to know each other", function()
    assert.same({}, binding_violations {
      ["bindings/drive.h"] = '#include "worker.h"',
      ["bindings/worker.h"] = '#include "drive.h"\n#include "task.h"\n',
      ["bindings/task.h"] = "",
    })
  end)
end)

describe("the sources", function()
  local sources, tidy = {}, {}
  for _, folder in ipairs { "engine", "bindings", "spec/engine", "spec/bindings" } do
    for _, path in ipairs(helper.files(helper.root .. "/" .. folder, "%.[ch]$")) do
      sources[path:sub(#helper.root + 2)] = helper.read(path)
    end
  end
  for path, text in pairs(sources) do
    -- modules.c is written by the build.
    if path ~= "bindings/modules.h" then
      tidy[path] = text
    end
  end

  it("are there", function()
    assert.is_string(sources["engine/neap.h"])
    assert.is_string(sources["engine/loop.c"])
  end)

  it("keep to the layers", function()
    assert.same({}, violations(sources))
    assert.same({}, binding_violations(sources))
  end)

  it("declare in a header what its source defines", function()
    assert.same({}, strays(tidy))
  end)

  it("include each other in no loop", function()
    assert.same({}, loops(tidy))
  end)
end)
