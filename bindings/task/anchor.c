/* Values that C holds by a number.
 * SPDX-License-Identifier: MIT */
#include "anchor.h"

#include <lauxlib.h>

int neapL_anchor_put(lua_State *L, const void *key) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, key) == LUA_TNIL) {
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, key);
  }
  lua_insert(L, -2);
  int number = luaL_ref(L, -2);
  lua_pop(L, 1);
  return number;
}

void neapL_anchor_push(lua_State *L, const void *key, lua_Integer number) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, key) == LUA_TTABLE)
    lua_rawgeti(L, -1, number);
  else
    lua_pushnil(L);
  lua_replace(L, -2);
}

void neapL_anchor_drop(lua_State *L, const void *key, int number) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, key) == LUA_TTABLE)
    luaL_unref(L, -1, number); /* assigns to keys that exist */
  lua_pop(L, 1);
}
