/* Tracebacks, without the functions of neap's own.
 * SPDX-License-Identifier: MIT
 *
 * Lua writes the lines, for only it finds the names of functions. Each line is
 * about one level of the stack, from the innermost on, but for two that say how
 * many were left out or that a tail call has taken the place of some.
 */
#include "trace.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

/* The beginning of the sources, in the registry by address. */
static const char own_key;

/* Whose level it is that a line is about. */
typedef enum owner {
  SCRIPT,
  NEAP,
  NOBODY, /* a function in C, which may have been called by either */
} owner;

static owner owner_of(lua_State *of, int level, const char *own) {
  lua_Debug ar;
  if (!lua_getstack(of, level, &ar) || !lua_getinfo(of, "S", &ar))
    return SCRIPT;
  if (*ar.what == 'C')
    return NOBODY;
  return own && strncmp(ar.source, own, strlen(own)) == 0 ? NEAP : SCRIPT;
}

/* True of a line of `size` bytes that begins so, or ends so. */
static bool begins(const char *line, size_t size, const char *with) {
  size_t length = strlen(with);
  return size >= length && memcmp(line, with, length) == 0;
}

static bool ends(const char *line, size_t size, const char *with) {
  size_t length = strlen(with);
  return size >= length && memcmp(line + size - length, with, length) == 0;
}

/* Adds to the buffer the lines of a traceback that are kept. Returns how many
 * these are besides the first, which is its title; *hides says whether lines of
 * neap's own functions are left out. */
static int add_lines(luaL_Buffer *buffer, const char *text, lua_State *of,
                     int level, const char *own, bool *hides) {
  bool kept = true;
  int count = -1;
  *hides = false;
  while (*text) {
    size_t size = 1 + strcspn(text + 1, "\n"); /* with the one before it */
    if (begins(text, size, "\n\t...\t(skipping ")) {
      level += atoi(text + strlen("\n\t...\t(skipping "));
      kept = true;
    } else if (begins(text, size, "\n\t") && !begins(text, size, "\n\t(...")) {
      owner whose = owner_of(of, level, own);
      /* What neap calls in C, to raise something, is no news either. */
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
  if (count > 0) /* else nothing is the script's: then all is to be seen */
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
