/* Checks of arguments, as lauxlib does them, but with stable names.
 * SPDX-License-Identifier: MIT */
#include "check.h"

#include <string.h>

#include <lauxlib.h>

/* Looks for the value at `value` in the table on top, and in tables nested in
 * it down to `depth`. Pushes its key. [-0, +(0|1), m] */
static bool find(lua_State *L, int value, int depth) {
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
    if (lua_type(L, -2) != LUA_TSTRING)
      continue;
    if (lua_rawequal(L, -1, value)) {
      lua_pop(L, 1);
      return true;
    }
    if (depth > 0 && lua_istable(L, -1) && find(L, value, depth - 1)) {
      lua_replace(L, -3);
      lua_pop(L, 1);
      return true;
    }
  }
  return false;
}

/* Pushes the methods of the class to which the function at `function` belongs,
 * if it is a method. [-0, +(0|1), -] */
static bool push_methods(lua_State *L, int function) {
  if (!lua_getupvalue(L, function, 1))
    return false;
  int top = lua_gettop(L);
  if (lua_istable(L, top)) {
    lua_pushliteral(L,
                    "__index"); /* the methods, or a function that has them */
    int type = lua_rawget(L, top);
    if (type == LUA_TTABLE ||
        (type == LUA_TFUNCTION && lua_getupvalue(L, -1, 2) &&
         lua_istable(L, -1))) {
      lua_replace(L, top);
      lua_settop(L, top);
      return true;
    }
  }
  lua_settop(L, top - 1);
  return false;
}

/* Pushes the name of the function that runs. Returns whether it is a method.
 * [-0, +1, m] */
static bool push_name(lua_State *L) {
  lua_Debug ar;
  lua_getstack(L, 0, &ar);
  lua_getinfo(L, "nf", &ar);
  int function = lua_gettop(L);
  if (push_methods(L, function) && find(L, function, 0)) {
    lua_replace(L, function);
    lua_settop(L, function);
    return true;
  }
  static const char *const modules[] = {"neap.core", "neap", LUA_GNAME};
  lua_settop(L, function);
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  bool found = false;
  for (size_t i = 0; !found && i < sizeof modules / sizeof *modules; i++)
    found = lua_getfield(L, function + 1, modules[i]) == LUA_TTABLE &&
            find(L, function, 1);
  if (!found)
    lua_pushstring(L, ar.name ? ar.name : "?");
  lua_replace(L, function);
  lua_settop(L, function);
  return false;
}

int neapL_check_fail(lua_State *L, int arg, const char *reason) {
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  bool is_method = push_name(L);
  return luaL_error(L, "bad argument #%d to '%s' (%s)",
                    is_method && arg > 1 ? arg - 1 : arg, lua_tostring(L, -1),
                    reason);
}

/* Pushes a number as text, or the type of another value as lauxlib names it.
 * [-0, +1, m] */
static const char *push_type(lua_State *L, int arg) {
  if (lua_type(L, arg) == LUA_TNUMBER)
    return luaL_tolstring(L, arg, NULL);
  if (luaL_getmetafield(L, arg, "__name") == LUA_TSTRING)
    return lua_tostring(L, -1);
  return lua_pushstring(L, lua_type(L, arg) == LUA_TLIGHTUSERDATA
                               ? "light userdata"
                               : luaL_typename(L, arg));
}

int neapL_check_type_fail(lua_State *L, int arg, const char *expected) {
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  const char *type = push_type(L, arg);
  return neapL_check_fail(
      L, arg, lua_pushfstring(L, "%s expected, got %s", expected, type));
}

int neapL_check_self_fail(lua_State *L, const char *class) {
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  const char *type = push_type(L, 1);
  push_name(L);
  const char *name = lua_tostring(L, -1);
  return neapL_check_fail(
      L, 1,
      lua_pushfstring(L, "%s expected, got %s; call it as %s:%s(...)", class,
                      type, strrchr(class, '.') + 1, name));
}

int neapL_check_options_fail(lua_State *L, int arg, const char *function) {
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  lua_getfield(L, LUA_REGISTRYINDEX, NEAPL_CHECK_COMPLAINT);
  lua_pushvalue(L, arg);
  lua_pushstring(L, function);
  lua_call(L, 2, 1);
  return luaL_error(L, "%s", lua_tostring(L, -1));
}

void neapL_check_that(lua_State *L, bool holds, int arg, const char *reason) {
  if (!holds)
    neapL_check_fail(L, arg, reason);
}

void neapL_check_any(lua_State *L, int arg) {
  if (lua_isnone(L, arg))
    neapL_check_fail(L, arg, "value expected");
}

void neapL_check_type(lua_State *L, int arg, int type) {
  if (lua_type(L, arg) != type)
    neapL_check_type_fail(L, arg, lua_typename(L, type));
}

lua_Integer neapL_check_integer(lua_State *L, int arg) {
  int is_integer;
  lua_Integer value = lua_tointegerx(L, arg, &is_integer);
  if (is_integer)
    return value;
  if (lua_isnumber(L, arg))
    neapL_check_type_fail(L, arg, "whole number");
  return neapL_check_type_fail(L, arg, lua_typename(L, LUA_TNUMBER));
}

lua_Number neapL_check_number(lua_State *L, int arg) {
  int is_number;
  lua_Number value = lua_tonumberx(L, arg, &is_number);
  if (!is_number)
    neapL_check_type_fail(L, arg, lua_typename(L, LUA_TNUMBER));
  return value;
}

const char *neapL_check_lstring(lua_State *L, int arg, size_t *size) {
  const char *text = lua_tolstring(L, arg, size);
  if (!text)
    neapL_check_type_fail(L, arg, lua_typename(L, LUA_TSTRING));
  return text;
}

const char *neapL_check_string(lua_State *L, int arg) {
  return neapL_check_lstring(L, arg, NULL);
}

int neapL_check_option(lua_State *L, int arg, const char *fallback,
                       const char *const *names) {
  const char *name = neapL_opt_string(L, arg, fallback);
  if (!name)
    name = neapL_check_string(L, arg);
  for (int i = 0; names[i]; i++)
    if (strcmp(names[i], name) == 0)
      return i;
  return neapL_check_fail(L, arg,
                          lua_pushfstring(L, "invalid option '%s'", name));
}

lua_Integer neapL_opt_integer(lua_State *L, int arg, lua_Integer fallback) {
  return lua_isnoneornil(L, arg) ? fallback : neapL_check_integer(L, arg);
}

lua_Number neapL_opt_number(lua_State *L, int arg, lua_Number fallback) {
  return lua_isnoneornil(L, arg) ? fallback : neapL_check_number(L, arg);
}

const char *neapL_opt_string(lua_State *L, int arg, const char *fallback) {
  return lua_isnoneornil(L, arg) ? fallback : neapL_check_string(L, arg);
}
