/* The classes whose objects CBOR can hold.
 * SPDX-License-Identifier: MIT */
#include "classes.h"

#include <string.h>

#include <lauxlib.h>

#include "json/utf8.h"
#include "task/check.h"
#include "task/error.h"
#include "task/host.h"

#define BY_META "neap.cbor.by_meta"
#define BY_NAME "neap.cbor.by_name"

void neapL_cbor_classes_push_by_meta(lua_State *L) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, BY_META);
}

void neapL_cbor_classes_push_by_name(lua_State *L) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, BY_NAME);
}

/* Registers the class whose name, metatable, save and load, functions or false,
 * are on top. [-4, +0, m] */
static void add(lua_State *L) {
  int name = lua_gettop(L) - NEAPL_CBOR_CLASS_LOAD + NEAPL_CBOR_CLASS_NAME;
  lua_createtable(L, NEAPL_CBOR_CLASS_LOAD, 0);
  for (int i = 0; i < NEAPL_CBOR_CLASS_LOAD; i++) {
    lua_pushvalue(L, name + i);
    lua_rawseti(L, -2, i + 1);
  }
  neapL_cbor_classes_push_by_meta(L); /* ... class by_meta */
  neapL_cbor_classes_push_by_name(L);
  lua_pushvalue(L, name);
  lua_pushvalue(L, -4);
  lua_rawset(L, -3); /* ... class by_meta by_name */
  lua_pushvalue(L, name + 1);
  lua_pushvalue(L, -4);
  lua_rawset(L, -4);
  lua_settop(L, name - 1);
}

/* Pushes the function `name` of the options at `arg`; false if they have none.
 * [-0, +1, v] */
static void push_option(lua_State *L, int arg, const char *name) {
  lua_pushstring(L, name);
  int type = lua_rawget(L, arg);
  if (type != LUA_TNIL && type != LUA_TFUNCTION)
    neapL_check_options_fail(L, arg, "cbor.type");
  if (type == LUA_TNIL) {
    lua_pop(L, 1);
    lua_pushboolean(L, false);
  }
}

/* Checks the options at `arg`: both functions or none. [-0, +0, v] */
static void check_options(lua_State *L, int arg) {
  int known = 0;
  for (lua_pushnil(L); lua_next(L, arg); lua_pop(L, 1)) {
    const char *name =
        lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
    if (strcmp(name, "save") != 0 && strcmp(name, "load") != 0)
      neapL_check_options_fail(L, arg, "cbor.type");
    known++;
  }
  neapL_check_that(L, known != 1, arg, "save and load belong together");
}

/* Checks that neither the name nor the class is another's. [-0, +0, v] */
static void check_free(lua_State *L) {
  neapL_cbor_classes_push_by_name(L);
  lua_pushvalue(L, 1);
  if (lua_rawget(L, -2) == LUA_TTABLE) {
    lua_rawgeti(L, -1, NEAPL_CBOR_CLASS_META);
    neapL_check_that(L, lua_rawequal(L, -1, 2), 1,
                     "another class has this name");
  }
  neapL_cbor_classes_push_by_meta(L);
  lua_pushvalue(L, 2);
  if (lua_rawget(L, -2) == LUA_TTABLE) {
    lua_rawgeti(L, -1, NEAPL_CBOR_CLASS_NAME);
    neapL_check_that(L, lua_rawequal(L, -1, 1), 2,
                     "the class has another name");
  }
  lua_settop(L, 3);
}

int neapL_cbor_type(lua_State *L) {
  size_t size;
  neapL_check_type(L, 1, LUA_TSTRING);
  const char *name = lua_tolstring(L, 1, &size);
  neapL_check_that(L, size > 0 && neapL_utf8_is(name, size), 1,
                   "a name is UTF-8 and not empty");
  neapL_check_type(L, 2, LUA_TTABLE);
  lua_settop(L, 3);
  if (lua_isnil(L, 3)) {
    lua_newtable(L);
    lua_replace(L, 3);
  }
  neapL_check_type(L, 3, LUA_TTABLE);
  check_options(L, 3);
  check_free(L);
  if (neapL_host_of(L)->is_sandbox)
    neapL_error_raise(L, "denied",
                      "cbor.type: classes are not for sandboxed scripts");
  lua_pushvalue(L, 1);
  lua_pushvalue(L, 2);
  push_option(L, 3, "save");
  push_option(L, 3, "load");
  add(L);
  return 0;
}

void neapL_cbor_classes_open(lua_State *L) {
  lua_pushliteral(L, "neap.error");
  luaL_getmetatable(L, NEAPL_ERROR_META);
  lua_pushboolean(L, false);
  lua_pushboolean(L, false);
  add(L);
}
