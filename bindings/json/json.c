/* JSON for Lua: the module, and what marks arrays and null.
 * SPDX-License-Identifier: MIT */
#include "json.h"

#include <lauxlib.h>

#include "decode.h"
#include "encode.h"
#include "task/check.h"
#include "values.h"

#define ARRAY_META "neap.json.array"
#define NULL_KEY   "neap.json.null"

/* array(t): see json.h. */
static int array(lua_State *L) {
  if (lua_isnoneornil(L, 1)) {
    lua_settop(L, 0);
    lua_newtable(L);
  }
  neapL_check_type(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  neapL_check_that(
      L, !lua_getmetatable(L, 1) || lua_rawequal(L, -1, NEAPL_JSON_ARRAY), 1,
      "it has a metatable of its own");
  lua_pushvalue(L, NEAPL_JSON_ARRAY);
  lua_setmetatable(L, 1);
  lua_settop(L, 1);
  return 1;
}

static int null_tostring(lua_State *L) {
  lua_pushliteral(L, "null");
  return 1;
}

/* Pushes json.null of this state, which the registry keeps. [-0, +1, m] */
static void push_null(lua_State *L) {
  if (lua_getfield(L, LUA_REGISTRYINDEX, NULL_KEY) == LUA_TUSERDATA)
    return;
  lua_pop(L, 1);
  lua_newuserdatauv(L, 0, 0);
  lua_newtable(L); /* null metatable */
  lua_pushcfunction(L, null_tostring);
  lua_setfield(L, -2, "__tostring");
  lua_pushliteral(L, NULL_KEY);
  lua_setfield(L, -2, "__name");
  lua_setmetatable(L, -2);
  lua_pushvalue(L, -1);
  lua_setfield(L, LUA_REGISTRYINDEX, NULL_KEY);
}

int neapL_json_open(lua_State *L) {
  static const luaL_Reg functions[] = {{"decode", neapL_json_decode},
                                       {"encode", neapL_json_encode},
                                       {"array", array},
                                       {NULL, NULL}};
  neapL_json_decode_open(L);
  luaL_newlibtable(L, functions);
  push_null(L);
  luaL_newmetatable(L, ARRAY_META); /* module null array */
  lua_pushvalue(L, -2);
  lua_setfield(L, -4, "null");
  luaL_setfuncs(L, functions, 2);
  return 1;
}
