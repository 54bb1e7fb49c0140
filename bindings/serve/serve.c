/* What neap.serve needs in C: heads of requests, chunks, dates.
 * SPDX-License-Identifier: MIT */
#include "serve.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "head.h"
#include "task/check.h"

static void push_span(lua_State *L, neapL_span span) {
  lua_pushlstring(L, span.text, span.size);
}

/* Pushes the name of a field in lower case. [-0, +1, m] */
static void push_name(lua_State *L, neapL_span name) {
  luaL_Buffer buffer;
  char *lower = luaL_buffinitsize(L, &buffer, name.size);
  for (size_t i = 0; i < name.size; i++) {
    char c = name.text[i];
    lower[i] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
  }
  luaL_pushresultsize(&buffer, name.size);
}

/* Pushes the fields as a table. A field that was sent several times is one list
 * (RFC 9110, section 5.3), but for cookies (RFC 6265, section 5.4). [-0, +1, m]
 */
static void push_fields(lua_State *L, const neapL_head *head) {
  lua_createtable(L, 0, (int)head->count);
  for (size_t i = 0; i < head->count; i++) {
    push_name(L, head->fields[i].name);
    lua_pushvalue(L, -1);
    if (lua_rawget(L, -3) == LUA_TNIL) { /* headers name nil */
      lua_pop(L, 1);
    } else {
      bool is_cookie = strcmp(lua_tostring(L, -2), "cookie") == 0;
      lua_pushstring(L, is_cookie ? "; " : ", ");
    }
    push_span(L, head->fields[i].value);
    lua_concat(L, lua_gettop(L) - 3); /* text headers name value ... */
    lua_rawset(L, -3);
  }
}

static void set_flag(lua_State *L, const char *name, bool value) {
  lua_pushboolean(L, value);
  lua_setfield(L, -2, name);
}

static void set_integer(lua_State *L, const char *name, uint64_t value) {
  lua_pushinteger(L, (lua_Integer)value);
  lua_setfield(L, -2, name);
}

static int head(lua_State *L) {
  size_t size;
  const char *text = neapL_check_lstring(L, 1, &size);
  lua_settop(L, 1);
  neapL_head found;
  switch (neapL_head_parse(&found, text, size)) {
  case NEAPL_HEAD_PARTIAL:
    return 0;
  case NEAPL_HEAD_REFUSED:
    lua_pushboolean(L, false);
    lua_pushinteger(L, found.status);
    lua_pushstring(L, found.why);
    return 3;
  case NEAPL_HEAD_WHOLE:
    break;
  }
  push_fields(L, &found);
  lua_createtable(L, 0, 12);
  lua_insert(L, -2);
  lua_setfield(L, -2, "headers");
  push_span(L, found.method);
  lua_setfield(L, -2, "method");
  push_span(L, found.target);
  lua_setfield(L, -2, "target");
  set_integer(L, "size", found.size);
  set_integer(L, "minor", (uint64_t)found.minor);
  set_flag(L, "keeps_alive", found.keeps_alive);
  set_flag(L, "continues", found.continues);
  if (found.is_chunked)
    set_flag(L, "chunked", true);
  else
    set_integer(L, "length", found.length);
  return 1;
}

static int chunk(lua_State *L) {
  size_t size;
  const char *line = neapL_check_lstring(L, 1, &size);
  uint64_t length;
  if (!neapL_head_chunk(line, size, &length))
    return 0;
  lua_pushinteger(L, (lua_Integer)length);
  return 1;
}

/* RFC 9110, section 5.6.7. */
static int date(lua_State *L) {
  static const char days[] = "SunMonTueWedThuFriSat";
  static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
  time_t seconds = (time_t)neapL_check_integer(L, 1);
  struct tm tm;
  if (!gmtime_r(&seconds, &tm))
    return neapL_check_fail(L, 1, "no time");
  char text[64];
  snprintf(text, sizeof text, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT",
           days + 3 * tm.tm_wday, tm.tm_mday, months + 3 * tm.tm_mon,
           tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
  lua_pushstring(L, text);
  return 1;
}

int neapL_serve_open(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"head", head}, {"chunk", chunk}, {"date", date}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
