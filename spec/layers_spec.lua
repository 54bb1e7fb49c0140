-- The architecture: which file may include what.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"

-- The layers of engine/, each of which may include its own headers and those
-- above it here. A file `x_y.c` belongs where `x` does.
local layers = {
  { "status", "alloc", "list", "buf" },
  { "loop" },
  { "timer", "http", "fs", "stream", "net", "process" },
  { "node" },
  { "flow" },
  { "run" },
  { "engine" },
}

-- Which files may include the headers of a library: "folder/stem" as above.
local libraries = {
  {
    header = "^uv%.h$",
    -- status: the system's codes are libuv's, and so are their names.
    "engine/status", "engine/loop", "engine/http", "engine/fs", "engine/stream",
    "engine/net",
    "engine/process", "spec/engine/guest",
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
-- the lists, which are a header without code or state behind it.
local public = { ["neap.h"] = true, ["list.h"] = true }

local depth = {}
for number, names in ipairs(layers) do
  for _, name in ipairs(names) do
    depth[name] = number
  end
end

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

describe("the sources", function()
  local sources = {}
  for _, folder in ipairs { "engine", "bindings", "spec/engine", "spec/bindings" } do
    for _, path in ipairs(helper.files(helper.root .. "/" .. folder, "%.[ch]$")) do
      sources[path:sub(#helper.root + 2)] = helper.read(path)
    end
  end

  it("are there", function()
    assert.is_string(sources["engine/neap.h"])
    assert.is_string(sources["engine/loop.c"])
  end)

  it("keep to the layers", function()
    assert.same({}, violations(sources))
  end)
end)
