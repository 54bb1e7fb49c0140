/* The rest of `string`, `utf8` and tostring of a sandbox.
 * SPDX-License-Identifier: MIT
 *
 * Functions whose work grows with the size of their strings alone are Lua's
 * own, behind a check of these sizes. */
#include "text.h"

#include <ctype.h>
#include <lauxlib.h>
#include <stdint.h>
#include <string.h>

#include "search.h"
#include "task/error.h"
#include "work.h"

/* The registry's key of a random number, by address. */
static const char mask_key;

/* Returns a number for an object: always the same, and another for each, from
 * which its address cannot be told without the mask. Each step can be undone,
 * so no two addresses have one number. */
static uint64_t number_of(lua_State *L, const void *object) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &mask_key) != LUA_TNUMBER)
    luaL_error(L, "the sandbox has no mask");
  uint64_t mask = (uint64_t)lua_tointeger(L, -1);
  lua_pop(L, 1);
  uint64_t x = (uint64_t)(uintptr_t)object ^ mask;
  for (int round = 0; round < 3; round++) {
    x ^= x >> 29;
    x *= 0x9e3779b97f4a7c15u; /* odd: can be undone */
    x += (mask << 17) | (mask >> 47);
    x ^= x >> 32;
  }
  return x;
}

/* Pushes "0x" and that number of an object in 16 digits. [-0, +1, v] */
static void push_number(lua_State *L, const void *object) {
  char text[19] = "0x";
  uint64_t number = number_of(L, object);
  for (int i = 0; i < 16; i++)
    text[2 + i] = "0123456789abcdef"[(number >> (60 - 4 * i)) & 15];
  lua_pushstring(L, text);
}

const char *neapL_text_push(lua_State *L, int index, size_t *size) {
  index = lua_absindex(L, index);
  luaL_checkstack(L, 4, NULL);
  if (luaL_callmeta(L, index, "__tostring")) {
    if (!lua_isstring(L, -1))
      luaL_error(L, "'__tostring' must return a string");
    return lua_tolstring(L, -1, size);
  }
  int type = lua_type(L, index);
  if (type == LUA_TSTRING || type == LUA_TNUMBER || type == LUA_TBOOLEAN ||
      type == LUA_TNIL)
    return luaL_tolstring(L, index, size);
  int named = luaL_getmetafield(L, index, "__name");
  if (named != LUA_TSTRING) {
    lua_settop(L, named == LUA_TNIL ? lua_gettop(L) : lua_gettop(L) - 1);
    lua_pushstring(L, lua_typename(L, type));
  }
  push_number(L, lua_topointer(L, index));
  lua_pushfstring(L, "%s: %s", lua_tostring(L, -2), lua_tostring(L, -1));
  lua_replace(L, -3);
  lua_pop(L, 1);
  return lua_tolstring(L, -1, size);
}

int neapL_text_tostring(lua_State *L) {
  luaL_checkany(L, 1);
  neapL_text_push(L, 1, NULL);
  return 1;
}

/* Calls Lua's own function, upvalue 1, if all strings given to it together are
 * small enough. Upvalue 2 is its name. */
static int sized(lua_State *L) {
  uint64_t size = 0;
  for (int i = lua_gettop(L); i > 0; i--)
    if (lua_type(L, i) == LUA_TSTRING)
      size += lua_rawlen(L, i);
  const char *what = lua_tostring(L, lua_upvalueindex(2));
  neapL_work_check_size(L, what, size);
  neapL_work work;
  neapL_work_begin(&work, L, what);
  neapL_work_add(&work, size / 8);
  /* It has no upvalues, so it may be called as a part of this function. Then
   * messages have its name, not "?". */
  return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

/* The same for a function whose work is that of copying, or less: it may be
 * called once for each byte of a large string. */
static int small(lua_State *L) {
  const char *what = lua_tostring(L, lua_upvalueindex(2));
  if (lua_type(L, 1) == LUA_TSTRING)
    neapL_work_check_size(L, what, lua_rawlen(L, 1));
  return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

/* The longest format of os.date, in bytes: each conversion takes as long as a
 * thousand steps. */
enum { LONGEST_DATE = 16384 };

/* date([format [, time]]) */
static int date(lua_State *L) {
  if (lua_type(L, 1) == LUA_TSTRING && lua_rawlen(L, 1) > LONGEST_DATE)
    return neapL_error_raise(L, "limit",
                             "os.date: a format of more than 16 KiB");
  return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

/* rep(text, n [, separator]) */
static int repeat(lua_State *L) {
  size_t size, separator_size;
  const char *text = luaL_checklstring(L, 1, &size);
  lua_Integer n = luaL_checkinteger(L, 2);
  const char *separator = luaL_optlstring(L, 3, "", &separator_size);
  uint64_t each = size + separator_size;
  if (n <= 0 || each == 0) {
    lua_pushliteral(L, "");
    return 1;
  }
  if (each > NEAPL_WORK_LARGEST || (uint64_t)n > NEAPL_WORK_LARGEST / each + 1)
    neapL_work_check_size(L, "string.rep", UINT64_MAX);
  uint64_t total = (uint64_t)n * each - separator_size;
  neapL_work_check_size(L, "string.rep", total);
  neapL_work work;
  neapL_work_begin(&work, L, "string.rep");
  /* The largest result of the shortest piece stays below the most steps. */
  neapL_work_add(&work, (uint64_t)n / 2 + total / 16);
  luaL_Buffer buffer;
  char *at = luaL_buffinitsize(L, &buffer, total);
  for (lua_Integer i = 0; i < n; i++) {
    memcpy(at, text, size);
    at += size;
    if (i + 1 < n)
      memcpy(at, separator, separator_size);
    at += separator_size;
  }
  luaL_pushresultsize(&buffer, total);
  return 1;
}

/* Makes a text of the argument of %s or %p. [-0, +0, v] */
static void make_text(lua_State *L, int arg, char conversion) {
  int type = lua_type(L, arg);
  if (conversion == 's') {
    if (type == LUA_TSTRING || type == LUA_TNUMBER)
      return;
    neapL_text_push(L, arg, NULL);
  } else if (lua_topointer(L, arg)) {
    push_number(L, lua_topointer(L, arg));
  } else {
    lua_pushliteral(L, "(null)");
  }
  lua_replace(L, arg);
}

/* format(text, ...): as Lua's, behind a change of what would show addresses. */
static int format(lua_State *L) {
  size_t size;
  const char *text = luaL_checklstring(L, 1, &size);
  neapL_work_check_size(L, "string.format", size);
  int count = lua_gettop(L), arg = 1;
  char *changed = lua_newuserdatauv(L, size + 1, 0);
  memcpy(changed, text, size + 1);
  for (size_t i = 0; i < size; i++) {
    if (text[i] != '%' || text[++i] == '%')
      continue;
    arg++;
    i += strspn(text + i, "-+ #0.123456789");
    if (arg > count || (text[i] != 's' && text[i] != 'p'))
      continue;
    make_text(L, arg, text[i]);
    changed[i] = 's';
  }
  lua_pushlstring(L, changed, size);
  lua_replace(L, 1);
  lua_settop(L, count);
  return sized(L);
}

/* Adds up what the options of a format for string.pack ask for: "c100". Returns
 * more than any string may have when they are too large. */
static uint64_t asked_for(const char *format, const char *end) {
  uint64_t total = 0;
  while (format < end) {
    char option = *format++;
    uint64_t size = 0;
    while (format < end && isdigit((unsigned char)*format)) {
      size = size * 10 + (uint64_t)(*format++ - '0');
      if (size > NEAPL_WORK_LARGEST)
        size = NEAPL_WORK_LARGEST + 1;
    }
    total += option == 'c' ? size : 16;
  }
  return total;
}

/* pack(format, ...) */
static int pack(lua_State *L) {
  size_t size;
  const char *format = luaL_checklstring(L, 1, &size);
  neapL_work_check_size(L, "string.pack", size);
  neapL_work_check_size(L, "string.pack", asked_for(format, format + size));
  return sized(L);
}

/* Replaces the function of a name in the table on top by `wrapper`, which has
 * it as upvalue 1, and its full name as upvalue 2. [-0, +0, v] */
static void wrap(lua_State *L, const char *library, const char *name,
                 lua_CFunction wrapper) {
  lua_getfield(L, -1, name);
  lua_pushfstring(L, "%s.%s", library, name);
  lua_pushcclosure(L, wrapper, 2);
  lua_setfield(L, -2, name);
}

void neapL_text_bound_string(lua_State *L) {
  static const luaL_Reg own[] = {{"find", neapL_search_find},
                                 {"match", neapL_search_match},
                                 {"gmatch", neapL_search_gmatch},
                                 {"gsub", neapL_search_gsub},
                                 {"rep", repeat},
                                 {"dump", NULL},
                                 {NULL, NULL}};
  static const char *const plain[] = {"lower",  "upper",    "reverse",
                                      "unpack", "packsize", NULL};
  for (const luaL_Reg *f = own; f->name; f++) {
    if (f->func)
      lua_pushcfunction(L, f->func);
    else
      lua_pushnil(L);
    lua_setfield(L, -2, f->name);
  }
  for (int i = 0; plain[i]; i++)
    wrap(L, "string", plain[i], sized);
  wrap(L, "string", "sub", small);
  wrap(L, "string", "byte", small);
  wrap(L, "string", "format", format);
  wrap(L, "string", "pack", pack);
}

void neapL_text_bound_utf8(lua_State *L) {
  static const char *const names[] = {"len",  "codepoint", "offset",
                                      "char", "codes",     NULL};
  for (int i = 0; names[i]; i++)
    wrap(L, "utf8", names[i], sized);
}

void neapL_text_bound_date(lua_State *L) {
  wrap(L, "os", "date", date);
}

void neapL_text_bound_tonumber(lua_State *L) {
  lua_getfield(L, -1, "tonumber");
  lua_pushliteral(L, "tonumber");
  lua_pushcclosure(L, sized, 2);
  lua_setfield(L, -2, "tonumber");
}

void neapL_text_open(lua_State *L, uint64_t mask) {
  lua_pushinteger(L, (lua_Integer)mask);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &mask_key);
}
