/* The Lua state of the executable.
 * SPDX-License-Identifier: MIT */
#include "interpreter.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

/* An error outside of every protected call, after which Lua aborts. */
static int panic(lua_State *L) {
  const char *message = lua_tostring(L, -1);
  fprintf(stderr, "neap: panic: %s\n",
          message ? message : "the error is no string");
  return 0;
}

static void keep_silent(void *ud, const char *message, int to_continue);

/* True for a message that controls warnings: "@off" or "@on", in one piece. */
static int is_control(const char *message, int to_continue) {
  return !to_continue && message[0] == '@';
}

static void say_rest(void *ud, const char *message, int to_continue);

static void say(void *ud, const char *message, int to_continue) {
  if (is_control(message, to_continue)) {
    if (strcmp(message, "@off") == 0)
      lua_setwarnf(ud, keep_silent, ud);
    return;
  }
  fputs("warning: ", stderr);
  say_rest(ud, message, to_continue);
}

/* The same in the middle of a message. */
static void say_rest(void *ud, const char *message, int to_continue) {
  fputs(message, stderr);
  if (!to_continue)
    fputs("\n", stderr);
  lua_setwarnf(ud, to_continue ? say_rest : say, ud);
}

static void keep_silent(void *ud, const char *message, int to_continue) {
  if (is_control(message, to_continue) && strcmp(message, "@on") == 0)
    lua_setwarnf(ud, say, ud);
}

lua_State *neapL_state_new(neapL_pool *pool) {
/* A memory checker finds more when malloc makes every object. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  (void)pool;
  lua_State *L = luaL_newstate();
#else
  lua_State *L = lua_newstate(neapL_pool_alloc, pool);
#endif
  if (L) {
    lua_atpanic(L, panic);
    lua_setwarnf(L, say, L);
  }
  return L;
}
