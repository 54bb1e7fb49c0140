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
    lua_concat(L, lua_gettop(L) - 4); /* text from headers name value ... */
    lua_rawset(L, -3);
  }
}

static void set_flag(lua_State *L, const char *name, bool value) {
  if (!value)
    return;
  lua_pushboolean(L, true);
  lua_setfield(L, -2, name);
}

static void set_span(lua_State *L, const char *name, neapL_span span) {
  if (!span.text)
    return;
  push_span(L, span);
  lua_setfield(L, -2, name);
}

static void set_integer(lua_State *L, const char *name, uint64_t value) {
  lua_pushinteger(L, (lua_Integer)value);
  lua_setfield(L, -2, name);
}

/* Sets the path and the query of the target. [-0, +0, m] */
static void set_target(lua_State *L, neapL_span target) {
  const char *mark = memchr(target.text, '?', target.size);
  size_t size = mark ? (size_t)(mark - target.text) : target.size;
  set_span(L, "path", (neapL_span){target.text, size});
  neapL_span query = {"", 0};
  if (mark)
    query = (neapL_span){mark + 1, target.size - size - 1};
  set_span(L, "query_string", query);
}

enum { TEXT = 1, FROM };

/* Reads the head that the arguments are about. [-0, +0, v] */
static neapL_parsed parse(lua_State *L, neapL_head *found) {
  size_t size;
  const char *text = neapL_check_lstring(L, TEXT, &size);
  lua_Integer from = neapL_check_integer(L, FROM);
  lua_settop(L, FROM);
  if (from < 1 || (size_t)from > size + 1)
    neapL_check_fail(L, FROM, "out of range");
  size_t skipped = (size_t)from - 1;
  return neapL_head_parse(found, text + skipped, size - skipped);
}

static int head(lua_State *L) {
  neapL_head found;
  switch (parse(L, &found)) {
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
  lua_createtable(L, 0, 16);
  set_span(L, "method", found.method);
  set_target(L, found.target);
  set_span(L, "host", found.host);
  set_span(L, "origin", found.origin);
  set_span(L, "authorization", found.authorization);
  set_integer(L, "next", (uint64_t)lua_tointeger(L, FROM) + found.size);
  set_flag(L, "is_old", found.minor == 0);
  set_flag(L, "closes", !found.keeps_alive);
  set_flag(L, "continues", found.continues);
  set_flag(L, "chunked", found.is_chunked);
  if (found.length > 0)
    set_integer(L, "left", found.length);
  return 1;
}

static int fields(lua_State *L) {
  neapL_head found;
  if (parse(L, &found) != NEAPL_HEAD_WHOLE)
    return neapL_check_fail(L, TEXT, "no head");
  push_fields(L, &found);
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
  static const luaL_Reg functions[] = {{"head", head},
                                       {"fields", fields},
                                       {"chunk", chunk},
                                       {"date", date},
                                       {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
