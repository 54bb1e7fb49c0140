/* What neap's Lua modules need of the program and the process around them.
 * SPDX-License-Identifier: MIT */
#include "system.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "task/check.h"

/* source(f) -> where a function, or the one at a level of the stack, comes
 * from, as debug.getinfo gives it, and its first and last line; nil beyond the
 * last level */
static int source(lua_State *L) {
  lua_Debug ar;
  if (lua_isfunction(L, 1)) {
    lua_pushvalue(L, 1);
    lua_getinfo(L, ">S", &ar);
  } else {
    if (!lua_getstack(L, (int)neapL_check_integer(L, 1), &ar))
      return 0;
    lua_getinfo(L, "S", &ar);
  }
  lua_pushlstring(L, ar.source, ar.srclen);
  lua_pushinteger(L, ar.linedefined);
  lua_pushinteger(L, ar.lastlinedefined);
  return 3;
}

/* The arguments of `place`. */
enum { OWN = 1, TAIL_CALLED, CALLS_BACK, FUNCTION };

/* Whether a level of the stack, whose function is at FUNCTION, is neap's. */
static bool is_own(lua_State *L, const lua_Debug *ar) {
  if (*ar->what == 'C')
    return lua_rawequal(L, FUNCTION, CALLS_BACK);
  size_t size;
  const char *own = lua_tolstring(L, OWN, &size);
  return strncmp(ar->source, own, size) == 0;
}

/* place(own, tail_called, calls_back) -> "file:line", the innermost place
 * outside of the sources that begin with `own`; nil where a tail call hides it.
 * `tail_called` has the functions whose tail calls hide nothing. `calls_back`
 * is a function in C that is neap's. */
static int place(lua_State *L) {
  neapL_check_string(L, OWN);
  lua_Debug ar;
  bool hidden = false;
  for (int level = 1;; level++) {
    lua_settop(L, CALLS_BACK);
    if (!lua_getstack(L, level, &ar))
      return 0;
    lua_getinfo(L, "fSlt", &ar);
    if (!is_own(L, &ar))
      break;
    lua_rawget(L, TAIL_CALLED);
    hidden = ar.istailcall && !lua_toboolean(L, -1);
  }
  if (hidden || ar.currentline < 0)
    return 0;
  lua_pushfstring(L, "%s:%d", ar.short_src, ar.currentline);
  return 1;
}

/* time() -> whole seconds since 1970 */
static int seconds(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)time(NULL));
  return 1;
}

/* random() -> 32 hexadecimal digits that nobody can guess */
static int random_text(lua_State *L) {
  unsigned char bytes[16];
  char text[2 * sizeof bytes + 1];
  if (getentropy(bytes, sizeof bytes) < 0)
    return luaL_error(L, "the system gives no random bytes");
  for (size_t i = 0; i < sizeof bytes; i++)
    snprintf(text + 2 * i, 3, "%02x", bytes[i]);
  lua_pushstring(L, text);
  return 1;
}

static int print_to(lua_State *L, FILE *file) {
  size_t size;
  const char *text = neapL_check_lstring(L, 1, &size);
  fwrite(text, 1, size, file);
  fflush(file);
  return 0;
}

/* write(text), say(text): write to the standard output, and to that for errors,
 * as print does */
static int write_text(lua_State *L) {
  return print_to(L, stdout);
}

static int say(lua_State *L) {
  return print_to(L, stderr);
}

/* Returns nil and the reason of the system. */
static int refuse(lua_State *L, const char *path) {
  int problem = errno;
  lua_pushnil(L);
  lua_pushfstring(L, "%s: %s", path, strerror(problem));
  return 2;
}

/* Reads up to `room` bytes of a file. Returns their number; -1 with errno when
 * that fails. */
static ptrdiff_t read_some(const char *path, char *bytes, size_t room) {
  FILE *file = fopen(path, "rb");
  if (!file)
    return -1;
  size_t size = fread(bytes, 1, room, file);
  int problem = ferror(file) ? errno : 0;
  fclose(file);
  errno = problem;
  return problem ? -1 : (ptrdiff_t)size;
}

/* read_file(path) -> its bytes; or nil and why */
static int read_file(lua_State *L) {
  const char *path = neapL_check_string(L, 1);
  for (size_t room = 64 * 1024;; room *= 4) {
    lua_settop(L, 1);
    char *bytes = lua_newuserdatauv(L, room, 0);
    ptrdiff_t size = read_some(path, bytes, room);
    if (size < 0)
      return refuse(L, path);
    if ((size_t)size < room) {
      lua_pushlstring(L, bytes, (size_t)size);
      return 1;
    } /* else there may be more */
  }
}

/* write_file(path, bytes, append) -> true; or nil and why */
static int write_file(lua_State *L) {
  const char *path = neapL_check_string(L, 1);
  size_t size;
  const char *bytes = neapL_check_lstring(L, 2, &size);
  FILE *file = fopen(path, lua_toboolean(L, 3) ? "ab" : "wb");
  if (!file)
    return refuse(L, path);
  bool well = fwrite(bytes, 1, size, file) == size;
  if (fclose(file) != 0 || !well)
    return refuse(L, path);
  lua_pushboolean(L, 1);
  return 1;
}

int neapL_system_open(lua_State *L) {
  static const luaL_Reg functions[] = {{"source", source},
                                       {"place", place},
                                       {"time", seconds},
                                       {"write", write_text},
                                       {"say", say},
                                       {"read_file", read_file},
                                       {"write_file", write_file},
                                       {"random", random_text},
                                       {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
