-- What is installed: foreign projects in C and C++ find it, each in its way.
-- SPDX-License-Identifier: MIT
local foreign = require "spec.foreign"
local helper = require "spec.helper"
local servers = require "spec.servers"

local succeed = foreign.succeed

describe("a foreign project", function()
  local prefix, address, pipe

  setup(function()
    prefix = foreign.install()
    address, pipe = servers.fault()
  end)

  teardown(function()
    pipe:close()
  end)

  -- Runs a program that has been built, far from all that is neap's.
  local function run(program)
    local output = succeed({ helper.under, program, address .. "/hello" },
      { cwd = prefix, env = foreign.env })
    assert.equal("fetch: 200 hello\n", output)
  end

  -- Compiles a program of spec/install with what pkg-config says of the packages.
  local function build(source, compiler, packages)
    local folder = foreign.shell(prefix, [[
      flags=$(pkg-config --cflags --libs $3)
      exec $2 -Wall -Wextra -pedantic -Werror $4 "$1" -x none -o host $flags "-Wl,-rpath,$5/lib"
    ]], helper.root .. "/spec/install/" .. source, compiler, packages, foreign.flags, prefix)
    return folder .. "/host"
  end

  local compilers = { ["C11"] = "cc -std=c11 -x c", ["C++17"] = "c++ -std=c++17 -x c++",
    ["C++20"] = "c++ -std=c++20 -x c++" }
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

  -- What sanitizers of another compiler need is not at hand, so nothing is linked.
  local has_clang = os.execute("command -v clang++ >/dev/null")
  local it_by_clang = has_clang and it or pending
  it_by_clang("has headers without a warning of clang's", function()
    for _, language in ipairs { "c -std=c11", "c++ -std=c++17", "c++ -std=c++20" } do
      foreign.shell(prefix, [[
        flags=$(pkg-config --cflags neap-lua)
        for source in "$1"/*.c; do
          clang -fsyntax-only -Wall -Wextra -pedantic -Werror $flags -x $2 "$source"
        done
      ]], helper.root .. "/spec/install", language)
    end
  end)

  it("finds each target by find_package", function()
    local folder = helper.tmpdir()
    succeed { "cmake", "-G", "Ninja", "-S", helper.root .. "/spec/install", "-B", folder,
      "-DCMAKE_PREFIX_PATH=" .. prefix, "-DSOURCES=" .. helper.root .. "/spec/install",
      "-DCMAKE_C_FLAGS=" .. foreign.flags,
      "-DCMAKE_CXX_FLAGS=" .. foreign.flags }
    succeed { "ninja", "-C", folder }
    for _, name in ipairs { "shared", "static", "lua_shared", "lua_static" } do
      run(folder .. "/" .. name .. "_c")
      run(folder .. "/" .. name .. "_cc")
    end
  end)

  it("is told the version of the library", function()
    local version = require "neap".version
    for _, name in ipairs { "neap", "neap-static", "neap-http-static", "neap-sqlite-static",
      "neap-lua", "neap-lua-static" } do
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
