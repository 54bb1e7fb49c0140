/* JSON for Lua: the module, and what marks arrays and null.
 * SPDX-License-Identifier: MIT */
#include "json.h"

#include <lauxlib.h>

#include "check.h"
#include "json_decode.h"
#include "json_encode.h"
#include "json_values.h"

#define ARRAY_META "neap.json.array"
#define NULL_KEY   "neap.json.null"

/* array(t): see json.h. */
static int array(lua_State *L) {
  if (lua_isnoneornil(L, 1)) {
    lua_settop(L, 0);
    lua_newtable(L);
  }
  neap__check_type(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  neap__check_that(
      L, !lua_getmetatable(L, 1) || lua_rawequal(L, -1, NEAP__JSON_ARRAY), 1,
      "it has a metatable of its own");
  lua_pushvalue(L, NEAP__JSON_ARRAY);
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

int neap__json_open(lua_State *L) {
  static const luaL_Reg functions[] = {{"decode", neap__json_decode},
                                       {"encode", neap__json_encode},
                                       {"array", array},
                                       {NULL, NULL}};
  neap__json_decode_open(L);
  luaL_newlibtable(L, functions);
  push_null(L);
  luaL_newmetatable(L, ARRAY_META); /* module null array */
  lua_pushvalue(L, -2);
  lua_setfield(L, -4, "null");
  luaL_setfuncs(L, functions, 2);
  return 1;
}
