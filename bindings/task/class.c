/* Objects of the binding: userdata with a class.
 * SPDX-License-Identifier: MIT */
#include "class.h"

#include <stdbool.h>
#include <string.h>

#include "check.h"
#include "error.h"
#include "host.h"

static bool is_metamethod(const char *name) {
  return strncmp(name, "__", 2) == 0;
}

void neapL_class_define(lua_State *L, const char *name,
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

/* The registry's key of the objects that were made in finalizers: a table with
 * weak keys. */
static const char made_late_key;

/* Adds the object on top to them. [-0, +0, m] */
static void note_late(lua_State *L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &made_late_key) == LUA_TNIL) {
    lua_pop(L, 1);
    neapL_host_push_weak(L, "k");
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &made_late_key);
  }
  lua_pushvalue(L, -2);
  lua_pushboolean(L, true);
  lua_rawset(L, -3);
  lua_pop(L, 1);
}

void *neapL_class_new(lua_State *L, const char *name, size_t size, int values) {
  neapL_host_of(L); /* raises when neap has ended: nothing would finalize it */
  void *object = lua_newuserdatauv(L, size, values);
  memset(object, 0, size);
  luaL_setmetatable(L, name);
  /* When a state is closed, "if any finalizer marks objects for collection
   * during that phase, these marks have no effect" (Lua 5.4 manual, 2.5.3).
   * Lua does not tell whether a state is being closed. But lua_gc tells whether
   * a finalizer runs. */
  if (lua_gc(L, LUA_GCCOUNT) < 0)
    note_late(L);
  return object;
}

/* Runs below lua_pcall. */
static int end_late(lua_State *L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &made_late_key) == LUA_TNIL)
    return 0;
  for (lua_pushnil(L); lua_next(L, 1); lua_settop(L, 2))
    if (luaL_getmetafield(L, 2, "__gc") != LUA_TNIL) {
      lua_pushvalue(L, 2);
      lua_call(L, 1, 0);
    }
  return 0;
}

void neapL_class_end(lua_State *L) {
  lua_pushcfunction(L, end_late);
  if (lua_pcall(L, 0, 0, 0) != LUA_OK)
    lua_pop(L, 1);
}

void *neapL_class_check(lua_State *L, int arg, const char *name) {
  /* A table can have the metatable of an object: so userdata first. */
  void *object = lua_touserdata(L, arg);
  if (object && lua_getmetatable(L, arg)) {
    bool same = lua_rawequal(L, -1, lua_upvalueindex(1));
    lua_pop(L, 1);
    if (same)
      return object;
  }
  object = luaL_testudata(L, arg, name);
  if (!object)
    neapL_check_self_fail(L, name);
  return object;
}

/* Returns the noun for an object of a class: "stream" for "neap.stream". */
static const char *noun_of(const char *name) {
  return strrchr(name, '.') + 1;
}

int neapL_class_closed(lua_State *L, const char *name, const char *what) {
  return neapL_error_raise(L, "closed", "%s%sthe %s has been closed",
                           what ? what : "", what ? ": " : "", noun_of(name));
}

/* Returns an object of the class; raises unless it is open. [-0, +0, v] */
static void *need_open(lua_State *L, void *object, const char *name,
                       const char *what) {
  neapL_host_of(L); /* raises when neap has ended */
  if (!*(void **)object)
    neapL_class_closed(L, name, what);
  return object;
}

void *neapL_class_open(lua_State *L, int arg, const char *name,
                       const char *what) {
  return need_open(L, neapL_class_check(L, arg, name), name, what);
}

void *neapL_class_given(lua_State *L, int arg, const char *name,
                        const char *what) {
  void *object = luaL_testudata(L, arg, name);
  if (!object) {
    neapL_check_type_fail(L, arg, name);
    return NULL;
  }
  return need_open(L, object, name, what);
}

void *neapL_class_take(lua_State *L, int arg, const char *name) {
  void **object = neapL_class_check(L, arg, name);
  void *held = *object;
  *object = NULL;
  return held;
}

void neapL_class_mark(lua_State *L) {
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_setmetatable(L, -2);
}
