/* A foreign program, in C11 and in C++17, with a Lua state of its own that
 * finds no file of neap's: a flow whose node makes an HTTP request. Prints what
 * came of it; the argument is the URL. SPDX-License-Identifier: MIT */
#include <neap_lua.h>

#ifdef __cplusplus
#include <lua.hpp>
#else
#include <lauxlib.h>
#include <lualib.h>
#endif
#include <stdio.h>

static const char script[] =
    "package.path, package.cpath = '', ''\n"
    "local neap = require 'neap'\n"
    "local Fetch = neap.Node:extend { name = 'fetch' }\n"
    "function Fetch:exec(shared)\n"
    "  local response = neap.http.get(shared.url)\n"
    "  print(self.name .. ': ' .. response.status .. ' ' .. response.body)\n"
    "end\n"
    "neap.Flow { start = Fetch() }:run { url = ... }\n";

int main(int argc, char **argv) {
  lua_State *L = luaL_newstate();
  neap_engine_opts engine = NEAP_ENGINE_OPTS_INIT;
  neap_lua_opts opts = NEAP_LUA_OPTS_INIT;
  opts.engine = &engine;
  if (argc != 2 || !L)
    return 2;
  luaL_openlibs(L);
  if (neap_lua_engine(L) || neap_lua_open(L, &opts) != 0 ||
      !neap_lua_engine(L) || neap_lua_open(L, NULL) != NEAP_EBUSY)
    return 3;
  int status = luaL_loadstring(L, script);
  if (status == LUA_OK) {
    lua_pushstring(L, argv[1]);
    status = lua_pcall(L, 1, 0, 0);
  }
  if (status != LUA_OK)
    fprintf(stderr, "%s\n", luaL_tolstring(L, -1, NULL));
  lua_close(L);
  return status;
}
