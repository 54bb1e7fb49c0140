/* The params of a visit: tables that can be read, but not written.
 * SPDX-License-Identifier: MIT
 *
 * Such a table is empty, so that Lua uses its metatable for every key; so a key
 * that exists cannot be set either. Each has a metatable of its own, whose
 * __index is the table that it reads from. Its __newindex, a function of this
 * file, tells it from all other tables. Lua's `next` uses no metatable and
 * would find nothing, so the global `next` is replaced.
 */
#include "params.h"

#include <lauxlib.h>
#include <stdbool.h>

#include "task/check.h"
#include "task/host.h"

static int refuse(lua_State *L) {
  const char *key = luaL_typename(L, 2);
  if (lua_isstring(L, 2))
    key = luaL_tolstring(L, 2, NULL);
  return luaL_error(L,
                    "params are read-only, so '%s' cannot be set; what must "
                    "last belongs in shared",
                    key);
}

/* next(table, key): as Lua's. For params, as for the table behind them. */
static int next_pair(lua_State *L) {
  neapL_check_type(L, 1, LUA_TTABLE);
  lua_settop(L, 2);
  lua_pushvalue(L, 1);
  neapL_params_reveal(L);
  lua_replace(L, 1);
  if (lua_next(L, 1))
    return 2;
  lua_pushnil(L);
  return 1;
}

/* pairs(params): as for the table behind them. */
static int iterate(lua_State *L) {
  lua_settop(L, 1);
  neapL_params_reveal(L);
  if (luaL_getmetafield(L, 1, "__pairs")) {
    lua_insert(L, 1);
    lua_call(L, 1, 3);
    return 3;
  }
  lua_pushcfunction(L, next_pair);
  lua_insert(L, 1);
  lua_pushnil(L);
  return 3;
}

static int length(lua_State *L) {
  lua_settop(L, 1);
  neapL_params_reveal(L);
  lua_len(L, 1);
  return 1;
}

/* True when the metatable on top is that of params. [-0, +0, -] */
static bool is_ours(lua_State *L) {
  lua_pushliteral(L, "__newindex");
  lua_rawget(L, -2);
  bool ours = lua_tocfunction(L, -1) == refuse;
  lua_pop(L, 1);
  return ours;
}

bool neapL_params_is(lua_State *L, int index) {
  if (!lua_istable(L, index) || !lua_getmetatable(L, index))
    return false;
  bool ours = is_ours(L);
  lua_pop(L, 1);
  return ours;
}

void neapL_params_reveal(lua_State *L) {
  if (!lua_istable(L, -1) || !lua_getmetatable(L, -1))
    return;
  if (is_ours(L)) {
    lua_pushliteral(L, "__index");
    lua_rawget(L, -2);
    lua_replace(L, -3);
  }
  lua_pop(L, 1);
}

void neapL_params_protect(lua_State *L) {
  if (lua_getmetatable(L, -1)) {
    bool ours = is_ours(L);
    lua_pop(L, 1);
    if (ours)
      return;
  }
  lua_createtable(L, 0, 0);
  lua_insert(L, -2);
  lua_createtable(L, 0, 4); /* params table meta */
  lua_insert(L, -2);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, refuse);
  lua_setfield(L, -2, "__newindex");
  lua_pushcfunction(L, iterate);
  lua_setfield(L, -2, "__pairs");
  lua_pushcfunction(L, length);
  lua_setfield(L, -2, "__len");
  if (neapL_host_of(L)->is_sandbox) {
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "__metatable");
  }
  lua_setmetatable(L, -2);
}

/* Copies the pairs of the table at `from` to the one on top. [-0, +0, m] */
static void copy(lua_State *L, int from) {
  lua_pushvalue(L, from);
  neapL_params_reveal(L);
  lua_pushnil(L); /* to from key */
  while (lua_next(L, -2)) {
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, -5);
  }
  lua_pop(L, 1);
}

void neapL_params_merge(lua_State *L, int under, int over) {
  lua_createtable(L, 0, 4);
  copy(L, under);
  copy(L, over);
  neapL_params_protect(L);
}

/* read_only(table) -> a table that reads from it */
static int read_only(lua_State *L) {
  neapL_check_type(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  neapL_params_protect(L);
  return 1;
}

/* revealed(value) -> the table behind read-only params; any other value itself
 */
static int revealed(lua_State *L) {
  neapL_check_any(L, 1);
  lua_settop(L, 1);
  neapL_params_reveal(L);
  return 1;
}

void neapL_params_open(lua_State *L) {
  lua_pushcfunction(L, read_only);
  lua_setfield(L, -2, "read_only");
  lua_pushcfunction(L, revealed);
  lua_setfield(L, -2, "revealed");
  lua_register(L, "next", next_pair);
}
