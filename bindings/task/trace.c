/* Tracebacks without neap's own functions.
 * SPDX-License-Identifier: MIT
 *
 * Lua writes the lines, since only Lua finds the names of functions. Each line
 * is about one level of the stack, from the innermost on. Two kinds of lines
 * are not: one says how many levels were skipped, the other that there was a
 * tail call.
 */
#include "trace.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

/* The registry's key of the prefix of neap's own sources, by address. */
static const char own_key;

/* Whose function a level of the stack is. */
typedef enum owner {
  SCRIPT,
  NEAP,
  NOBODY, /* a C function, which the script or neap may have called */
} owner;

static owner owner_of(lua_State *of, int level, const char *own) {
  lua_Debug ar;
  if (!lua_getstack(of, level, &ar) || !lua_getinfo(of, "S", &ar))
    return SCRIPT;
  if (*ar.what == 'C')
    return NOBODY;
  return own && strncmp(ar.source, own, strlen(own)) == 0 ? NEAP : SCRIPT;
}

/* True of a line of `size` bytes that begins, or ends, with a text. */
static bool begins(const char *line, size_t size, const char *with) {
  size_t length = strlen(with);
  return size >= length && memcmp(line, with, length) == 0;
}

static bool ends(const char *line, size_t size, const char *with) {
  size_t length = strlen(with);
  return size >= length && memcmp(line + size - length, with, length) == 0;
}

/* Adds the lines of a traceback that are kept to the buffer. Returns their
 * number without the title; *hides says whether lines of neap's own functions
 * were left out. */
static int add_lines(luaL_Buffer *buffer, const char *text, lua_State *of,
                     int level, const char *own, bool *hides) {
  bool kept = true;
  int count = -1;
  *hides = false;
  while (*text) {
    size_t size = 1 + strcspn(text + 1, "\n"); /* with the newline before it */
    if (begins(text, size, "\n\t...\t(skipping ")) {
      level += atoi(text + strlen("\n\t...\t(skipping "));
      kept = true;
    } else if (begins(text, size, "\n\t") && !begins(text, size, "\n\t(...")) {
      owner whose = owner_of(of, level, own);
      /* A C function that neap calls, to raise an error, is left out too. */
      kept =
          whose == SCRIPT || (whose == NOBODY && !ends(text, size, " in ?") &&
                              owner_of(of, level + 1, own) != NEAP);
      *hides = *hides || whose == NEAP;
      level++;
    }
    if (kept) {
      luaL_addlstring(buffer, text, size);
      count++;
    }
    text += size;
  }
  return count;
}

bool neapL_trace(lua_State *L, lua_State *of, int level) {
  luaL_checkstack(L, LUA_MINSTACK, "no room for a traceback");
  int top = lua_gettop(L);
  luaL_traceback(L, of, NULL, level);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &own_key);
  luaL_Buffer buffer;
  luaL_buffinit(L, &buffer);
  bool hides;
  int count = add_lines(&buffer, lua_tostring(L, top + 1), of, level,
                        lua_tostring(L, top + 2), &hides);
  luaL_pushresult(&buffer);
  if (count > 0) /* else there is no line of the script's: all are kept */
    lua_replace(L, top + 1);
  lua_settop(L, top + 1);
  return count > 0 || hides;
}

bool neapL_trace_place(lua_State *L, lua_State *of) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &own_key);
  const char *own = lua_tostring(L, -1);
  lua_Debug ar;
  int level = 0;
  bool found = false;
  while (!found && lua_getstack(of, level, &ar))
    found = owner_of(of, level++, own) == SCRIPT;
  if (found) {
    lua_getinfo(of, "Sl", &ar);
    lua_pushfstring(L, "%s:%d", ar.short_src, ar.currentline);
    lua_replace(L, -2);
  } else {
    lua_pop(L, 1);
  }
  return found;
}

/* own_source(prefix) */
static int own_source(lua_State *L) {
  neapL_check_string(L, 1);
  lua_settop(L, 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &own_key);
  return 0;
}

/* traceback(level) -> text; levels count as for debug.traceback */
static int traceback(lua_State *L) {
  neapL_trace(L, L, (int)neapL_check_integer(L, 1));
  return 1;
}

void neapL_trace_open(lua_State *L) {
  lua_pushcfunction(L, own_source);
  lua_setfield(L, -2, "own_source");
  lua_pushcfunction(L, traceback);
  lua_setfield(L, -2, "traceback");
}
