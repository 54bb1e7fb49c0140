/* What keeps a coroutine from being suspended, by name.
 * SPDX-License-Identifier: MIT */
#include "obstacle.h"

#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

#include "frame.h"
#include "host.h"

/* Pushes the name under which the module on top has the function at `index`,
 * and returns true. Otherwise pushes nothing. [-0, +(0|1), m] */
static bool find_key(lua_State *L, int index) {
  int module = lua_gettop(L);
  if (!lua_istable(L, module))
    return false;
  lua_pushnil(L);
  while (lua_next(L, module)) { /* key value */
    if (lua_type(L, -2) == LUA_TSTRING && lua_rawequal(L, -1, index)) {
      lua_pop(L, 1);
      return true;
    }
    lua_pop(L, 1);
  }
  return false;
}

/* Replaces the function on top by its name ("table.sort"), or by nil when it is
 * not of Lua's libraries. [-1, +1, m] */
static void name_function(lua_State *L) {
  static const char *const libraries[] = {
      LUA_GNAME,       LUA_TABLIBNAME, LUA_STRLIBNAME,
      LUA_COLIBNAME,   LUA_IOLIBNAME,  LUA_OSLIBNAME,
      LUA_UTF8LIBNAME, LUA_DBLIBNAME,  LUA_LOADLIBNAME};
  int function = lua_gettop(L);
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++) {
    lua_getfield(L, function + 1, libraries[i]);
    if (find_key(L, function)) {
      if (i > 0)
        lua_pushfstring(L, "%s.%s", libraries[i], lua_tostring(L, -1));
      lua_replace(L, function);
      lua_settop(L, function);
      return;
    }
    lua_pop(L, 1);
  }
  lua_pushnil(L);
  lua_replace(L, function);
  lua_settop(L, function);
}

/* True for Lua's functions that can be suspended, because they call with
 * continuations. */
static bool is_transparent(const char *name) {
  static const char *const names[] = {"pcall", "xpcall", "dofile",
                                      "coroutine.resume", "coroutine.wrap"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (strcmp(name, names[i]) == 0)
      return true;
  return false;
}

/* The number of levels to search. */
enum { LEVELS = 1000 };

void neapL_obstacle_push(lua_State *L, lua_State *blocked, int first) {
  const neapL_host *host = neapL_host_find(L);
  neapL_frame frame;
  for (bool is = neapL_frame_first(blocked, &frame); is && frame.level < LEVELS;
       is = neapL_frame_next(&frame)) {
    if (frame.level < first)
      continue;
    lua_Debug ar = frame.ar;
    lua_getinfo(blocked, "Snf", &ar);
    lua_xmove(blocked, L, 1);
    if (*ar.what != 'C' || (host && lua_tocfunction(L, -1) == host->wrapped)) {
      lua_pop(L, 1);
      continue;
    }
    name_function(L);
    const char *name = lua_tostring(L, -1);
    if (!name)
      name = ar.name ? ar.name : "a function in C";
    if (!is_transparent(name)) {
      lua_pushstring(L, name);
      lua_replace(L, -2);
      return;
    }
    lua_pop(L, 1);
  }
  lua_pushliteral(L, "a metamethod or a function in C");
}
