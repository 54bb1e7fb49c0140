/* Objects of the binding: userdata, told apart by their metatables.
 * SPDX-License-Identifier: MIT */
#include "object.h"

#include <stdbool.h>
#include <string.h>

#include "error.h"
#include "host.h"

static bool is_metamethod(const char *name) {
  return strncmp(name, "__", 2) == 0;
}

void neap__object_class(lua_State *L, const char *name,
                        const luaL_Reg *functions, int count) {
  int values = lua_gettop(L) - count; /* below them */
  int meta = values + count + 1, methods = meta + 1;
  luaL_newmetatable(L, name);
  lua_newtable(L);
  lua_pushvalue(L, methods);
  lua_setfield(L, meta, "__index");
  for (; functions->name; functions++) {
    lua_pushvalue(L, meta);
    if (is_metamethod(functions->name)) {
      lua_pushvalue(L, methods);
      lua_pushcclosure(L, functions->func, 2);
      lua_setfield(L, meta, functions->name);
      continue;
    }
    for (int i = 1; i <= count; i++)
      lua_pushvalue(L, values + i);
    lua_pushcclosure(L, functions->func, 1 + count);
    lua_setfield(L, methods, functions->name);
  }
  lua_settop(L, meta);
  lua_insert(L, values + 1);
  lua_settop(L, values + 1);
}

void *neap__object_check(lua_State *L, int arg, const char *name) {
  /* A table may have the metatable of an object. */
  void *object = lua_touserdata(L, arg);
  if (object && lua_getmetatable(L, arg)) {
    bool same = lua_rawequal(L, -1, lua_upvalueindex(1));
    lua_pop(L, 1);
    if (same)
      return object;
  }
  return luaL_checkudata(L, arg, name);
}

/* What an object of the class is in words: "stream" of "neap.stream". */
static const char *noun_of(const char *name) {
  return strrchr(name, '.') + 1;
}

int neap__object_closed(lua_State *L, const char *name, const char *what) {
  return neap__error_raise(L, "closed", "%s%sthe %s has been closed",
                           what ? what : "", what ? ": " : "", noun_of(name));
}

/* Raises unless an object of the class holds something. [-0, +0, v] */
static void *need_open(lua_State *L, void *object, const char *name,
                       const char *what) {
  neap__host_of(L); /* raises when neap has ended */
  if (!*(void **)object)
    neap__object_closed(L, name, what);
  return object;
}

void *neap__object_open(lua_State *L, int arg, const char *name,
                        const char *what) {
  return need_open(L, neap__object_check(L, arg, name), name, what);
}

void *neap__object_given(lua_State *L, int arg, const char *name,
                         const char *what) {
  return need_open(L, luaL_checkudata(L, arg, name), name, what);
}

void *neap__object_take(lua_State *L, int arg, const char *name) {
  void **object = neap__object_check(L, arg, name);
  void *held = *object;
  *object = NULL;
  return neap__host_find(L) ? held : NULL;
}

void neap__object_mark(lua_State *L) {
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_setmetatable(L, -2);
}
