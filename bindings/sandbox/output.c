/* What scripts of a sandbox print: bounded, and given to the host.
 * SPDX-License-Identifier: MIT */
#include "output.h"

#include <lauxlib.h>
#include <stdio.h>

#include "task/check.h"
#include "task/error.h"
#include "text.h"
#include "work.h"

typedef struct output {
  void (*print)(void *ud, int fd, const char *text, size_t size);
  void *ud;
  uint64_t most, printed;
} output;

/* The registry's key of the output, by address. */
static const char output_key;

static void print_as_lua(void *ud, int fd, const char *text, size_t size) {
  (void)ud;
  FILE *file = fd == 2 ? stderr : stdout;
  fwrite(text, 1, size, file);
  fflush(file);
}

void neapL_output_open(lua_State *L, const neap_lua_opts *opts) {
  output *out = lua_newuserdatauv(L, sizeof *out, 0);
  *out = (output){.print = opts->print ? opts->print : print_as_lua,
                  .ud = opts->print_ud,
                  .most = opts->max_output ? opts->max_output : 1 << 20};
  lua_rawsetp(L, LUA_REGISTRYINDEX, &output_key);
}

/* Takes `size` bytes of what may be printed. [-0, +0, v] */
static output *take(lua_State *L, size_t size) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &output_key);
  output *out = lua_touserdata(L, -1);
  lua_pop(L, 1);
  if (size > out->most - out->printed) {
    char most[24];
    snprintf(most, sizeof most, "%llu", (unsigned long long)out->most);
    neapL_error_raise(L, "limit", "print: more than %s bytes have been printed",
                      most);
  }
  out->printed += size;
  return out;
}

/* Prints the string on top. [-0, +0, v] */
static void print(lua_State *L, int fd) {
  size_t size;
  const char *text = lua_tolstring(L, -1, &size);
  const output *out = take(L, size);
  out->print(out->ud, fd, text, size);
}

int neapL_output_print(lua_State *L) {
  int count = lua_gettop(L);
  uint64_t size = (uint64_t)count;
  luaL_checkstack(L, 4, NULL);
  for (int i = 1; i <= count; i++) {
    neapL_text_push(L, i, NULL);
    lua_replace(L, i);
    size += lua_rawlen(L, i);
    neapL_work_check_size(L, "print", size);
  }
  luaL_Buffer buffer;
  luaL_buffinit(L, &buffer);
  for (int i = 1; i <= count; i++) {
    lua_pushvalue(L, i);
    luaL_addvalue(&buffer);
    luaL_addchar(&buffer, i < count ? '\t' : '\n');
  }
  if (count == 0)
    luaL_addchar(&buffer, '\n');
  luaL_pushresult(&buffer);
  print(L, 1);
  return 0;
}

/* warn(text, ...): as Lua's, but nothing in it is a command, and it counts as
 * printed. */
int neapL_output_warn(lua_State *L) {
  int count = lua_gettop(L);
  uint64_t size = 1;
  neapL_check_string(L, 1);
  for (int i = 1; i <= count; i++) {
    neapL_check_string(L, i);
    size += lua_rawlen(L, i);
  }
  neapL_work_check_size(L, "warn", size);
  take(L, size);
  lua_warning(L, "", 1); /* what follows is the middle of a message */
  for (int i = 1; i <= count; i++)
    lua_warning(L, lua_tostring(L, i), i < count);
  return 0;
}

int neapL_output_write(lua_State *L) {
  neapL_check_string(L, 1);
  lua_settop(L, 1);
  print(L, 1);
  return 0;
}

int neapL_output_say(lua_State *L) {
  neapL_check_string(L, 1);
  lua_settop(L, 1);
  print(L, 2);
  return 0;
}
