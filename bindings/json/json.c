/* JSON for Lua: the module, and the marks of arrays and null.
 * SPDX-License-Identifier: MIT */
#include "json.h"

#include <limits.h>

#include <lauxlib.h>

#include "decode.h"
#include "encode.h"
#include "task/check.h"
#include "task/host.h"
#include "values.h"

#define OBJECT_META "neap.json.object"

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

/* Pushes the ranks of the keys in the list at index 2. [-0, +1, v] */
static void push_ranks(lua_State *L) {
  lua_Integer count = (lua_Integer)lua_rawlen(L, 2);
  lua_createtable(L, 0, (int)(count < INT_MAX ? count : 0));
  for (lua_Integer i = 1; i <= count; i++) {
    neapL_check_that(L, lua_rawgeti(L, 2, i) == LUA_TSTRING, 2,
                     "the keys are a list of strings");
    lua_pushinteger(L, i); /* ranks key rank */
    lua_rawset(L, -3);
  }
}

/* Whether the table at `arg` has no metatable but one that object has given it.
 * [-0, +0, -] */
static bool is_free(lua_State *L, int arg) {
  if (!lua_getmetatable(L, arg))
    return true;
  lua_pushvalue(L, NEAPL_JSON_RANKS);
  bool ours = lua_rawget(L, -2) == LUA_TTABLE;
  lua_pop(L, 2);
  return ours;
}

/* object(t, keys): see json.h. */
static int object(lua_State *L) {
  lua_settop(L, 2);
  if (lua_isnil(L, 1)) {
    lua_newtable(L);
    lua_replace(L, 1);
  }
  neapL_check_type(L, 1, LUA_TTABLE);
  neapL_check_type(L, 2, LUA_TTABLE);
  neapL_check_that(L, is_free(L, 1), 1, "it has a metatable of its own");
  lua_createtable(L, 0, 2); /* t keys metatable */
  lua_pushliteral(L, OBJECT_META);
  lua_setfield(L, -2, "__name");
  lua_pushvalue(L, NEAPL_JSON_RANKS);
  push_ranks(L);
  lua_rawset(L, -3);
  if (neapL_host_of(L)->is_sandbox) {
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "__metatable");
  }
  lua_setmetatable(L, 1);
  lua_settop(L, 1);
  return 1;
}

static int null_tostring(lua_State *L) {
  lua_pushliteral(L, "null");
  return 1;
}

/* Pushes json.null, which the registry of the state keeps. [-0, +1, m] */
static void push_null(lua_State *L) {
  if (lua_getfield(L, LUA_REGISTRYINDEX, NEAPL_JSON_NULL_KEY) == LUA_TUSERDATA)
    return;
  lua_pop(L, 1);
  lua_newuserdatauv(L, 0, 0);
  lua_newtable(L); /* null metatable */
  lua_pushcfunction(L, null_tostring);
  lua_setfield(L, -2, "__tostring");
  lua_pushliteral(L, NEAPL_JSON_NULL_KEY);
  lua_setfield(L, -2, "__name");
  lua_setmetatable(L, -2);
  lua_pushvalue(L, -1);
  lua_setfield(L, LUA_REGISTRYINDEX, NEAPL_JSON_NULL_KEY);
}

int neapL_json_open(lua_State *L) {
  static const luaL_Reg functions[] = {{"decode", neapL_json_decode},
                                       {"encode", neapL_json_encode},
                                       {"array", array},
                                       {"object", object},
                                       {NULL, NULL}};
  neapL_json_decode_open(L);
  luaL_newlibtable(L, functions);
  push_null(L);
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "null");
  luaL_newmetatable(L, NEAPL_JSON_ARRAY_META);
  lua_pushliteral(L, "neap.json.ranks"); /* module null array ranks */
  luaL_setfuncs(L, functions, 3);
  return 1;
}
