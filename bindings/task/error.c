/* Error objects: the tables that neap raises when something outside fails.
 * SPDX-License-Identifier: MIT */
#include "error.h"

#include <lauxlib.h>
#include <stdarg.h>
#include <stdbool.h>

#include "neap.h"

static void push(lua_State *L, const char *code, const char *format,
                 va_list args) {
  luaL_checkstack(L, 4, "no room for an error");
  lua_createtable(L, 0, 4);
  lua_pushvfstring(L, format, args);
  lua_setfield(L, -2, "message");
  lua_pushstring(L, code);
  lua_setfield(L, -2, "code");
  luaL_setmetatable(L, NEAPL_ERROR_META);
}

void neapL_error_push(lua_State *L, const char *code, const char *format, ...) {
  va_list args;
  va_start(args, format);
  push(L, code, format, args);
  va_end(args);
}

void neapL_error_push_status(lua_State *L, const char *code, const char *what,
                             int status, int detail) {
  char name[32], text[128];
  bool refused = status == NEAP_ESYS && detail != 0;
  if (refused)
    neap_sys_describe(detail, name, sizeof name, text, sizeof text);
  neapL_error_push(L, code, "%s: %s", what,
                   refused ? text : neap_status_text(status));
  if (refused) {
    lua_pushstring(L, name);
    lua_setfield(L, -2, "errno");
  }
}

int neapL_error_raise(lua_State *L, const char *code, const char *format, ...) {
  va_list args;
  va_start(args, format);
  push(L, code, format, args);
  va_end(args);
  return lua_error(L);
}

/* Runs below lua_pcall: the text of a value that describes itself; nothing for
 * another, of which luaL_tolstring would show the address. */
static int to_text(lua_State *L) {
  if (luaL_getmetafield(L, 1, "__tostring") == LUA_TNIL)
    return 0;
  luaL_tolstring(L, 1, NULL);
  return 1;
}

/* The registry's key, by address, of whether errors are read as they are. */
static const char raw_key;

void neapL_error_read_raw(lua_State *L) {
  lua_pushboolean(L, true);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &raw_key);
}

/* Pushes the text of an error without calling a metamethod of it. [-0, +1, m]
 */
static const char *push_raw_text(lua_State *L, int index) {
  int type = lua_type(L, index);
  if (type == LUA_TNIL || type == LUA_TBOOLEAN || type == LUA_TNUMBER ||
      type == LUA_TSTRING)
    return luaL_tolstring(L, index, NULL);
  if (type == LUA_TTABLE) {
    lua_pushliteral(L, "message");
    if (lua_rawget(L, index) == LUA_TSTRING)
      return lua_tostring(L, -1);
    lua_pop(L, 1);
  }
  return lua_pushfstring(L, "a %s", lua_typename(L, type));
}

const char *neapL_error_text(lua_State *L, int index) {
  index = lua_absindex(L, index);
  bool is_raw = lua_rawgetp(L, LUA_REGISTRYINDEX, &raw_key) != LUA_TNIL;
  lua_pop(L, 1);
  if (is_raw)
    return push_raw_text(L, index);
  lua_pushcfunction(L, to_text);
  lua_pushvalue(L, index);
  if (lua_pcall(L, 1, 1, 0) == LUA_OK && !lua_isnil(L, -1))
    return lua_tostring(L, -1);
  lua_pop(L, 1);
  return push_raw_text(L, index);
}

bool neapL_error_is(lua_State *L, int index) {
  if (!lua_getmetatable(L, index))
    return false;
  luaL_getmetatable(L, NEAPL_ERROR_META);
  bool same = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  return same;
}

void neapL_error_no_memory(lua_State *L) {
  luaL_error(L, "not enough memory");
  __builtin_unreachable(); /* luaL_error does not say that it never returns */
}

void neapL_error_open(lua_State *L) {
  luaL_newmetatable(L, NEAPL_ERROR_META);
  lua_pop(L, 1);
}
