-- What is installed: foreign projects in C and C++ find it, each in its way.
-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local servers = require "spec.servers"

-- A program in C that links what was built with sanitizers needs them, too.
local sanitizers = helper.read(helper.build .. "/CMakeCache.txt")
  :match("\nNEAP_SANITIZE:%w+=([^\n]+)")
local flags = sanitizers and "-fsanitize=" .. sanitizers or ""

local function succeed(argv, opts)
  local result = helper.run(argv, opts)
  if result.status ~= 0 then
    error(("status %d\n%s%s"):format(result.status, result.stdout, result.stderr), 2)
  end
  return result.stdout
end

describe("a foreign project", function()
  local prefix, address, pipe

  setup(function()
    prefix = helper.tmpdir() .. "/opt"
    succeed { "cmake", "--install", helper.build, "--prefix", prefix }
    address, pipe = servers.fault()
  end)

  teardown(function()
    pipe:close()
  end)

  -- Runs a program that has been built, far from all that is neap's.
  local function run(program)
    local output = succeed({ helper.under, program, address .. "/hello" }, {
      cwd = prefix,
      env = { LUA_PATH = "", LUA_CPATH = "", LD_LIBRARY_PATH = "" },
    })
    assert.equal("fetch: 200 hello\n", output)
  end

  -- Compiles a program of spec/install with what pkg-config says of the packages.
  local function build(source, compiler, packages)
    local folder = helper.tmpdir()
    succeed({ "sh", "-ec", [[
      flags=$(pkg-config --cflags --libs $3)
      exec $2 -Wall -Wextra -pedantic -Werror $4 "$1" -x none -o host $flags "-Wl,-rpath,$5/lib"
    ]], "sh", helper.root .. "/spec/install/" .. source, compiler, packages, flags, prefix },
      { cwd = folder, env = { PKG_CONFIG_PATH = prefix .. "/lib/pkgconfig" } })
    return folder .. "/host"
  end

  local compilers = { ["C11"] = "cc -std=c11 -x c", ["C++17"] = "c++ -std=c++17 -x c++" }
  for language, compiler in pairs(compilers) do
    for packages, source in pairs {
      ["neap"] = "host.c", ["neap-static neap-http-static"] = "host.c",
      ["neap-lua"] = "lua_host.c", ["neap-lua-static neap-http-static"] = "lua_host.c",
    } do
      it(("in %s finds %s by pkg-config"):format(language, packages), function()
        run(build(source, compiler, packages))
      end)
    end
  end

  it("finds each target by find_package", function()
    local folder = helper.tmpdir()
    succeed { "cmake", "-G", "Ninja", "-S", helper.root .. "/spec/install", "-B", folder,
      "-DCMAKE_PREFIX_PATH=" .. prefix, "-DSOURCES=" .. helper.root .. "/spec/install",
      "-DCMAKE_C_FLAGS=" .. flags, "-DCMAKE_CXX_FLAGS=" .. flags }
    succeed { "ninja", "-C", folder }
    for _, name in ipairs { "shared", "static", "lua_shared", "lua_static" } do
      run(folder .. "/" .. name .. "_c")
      run(folder .. "/" .. name .. "_cc")
    end
  end)

  it("is told the version of the library", function()
    local version = require "neap".version
    for _, name in ipairs { "neap", "neap-static", "neap-http-static", "neap-lua",
      "neap-lua-static" } do
      assert.equal(version .. "\n", succeed({ "pkg-config", "--modversion", name },
        { env = { PKG_CONFIG_PATH = prefix .. "/lib/pkgconfig" } }))
    end
    assert.truthy(helper.read(prefix .. "/lib/cmake/neap/neap-config-version.cmake")
      :find(('set(PACKAGE_VERSION "%s")'):format(version), 1, true))
  end)

  it("needs nothing of the HTTP part, libcurl or Lua in order to link the engine", function()
    local needed = succeed { "readelf", "-d", prefix .. "/lib/libneap.so" }
    assert.truthy(needed:find("libuv", 1, true))
    assert.falsy(needed:find("curl") or needed:find("lua") or needed:find("neap_http"))
  end)
end)
