/* luv on the engine's loop.
 * SPDX-License-Identifier: MIT
 *
 * luv is not linked: what it has for this purpose (luv.h, "Set or clear an
 * external uv_loop_t") is looked up in the module that will be opened.
 */
#include "luv.h"

#include <dlfcn.h>
#include <lauxlib.h>
#include <string.h>

#include "error.h"
#include "wait.h"

struct uv_loop_s;

/* luv_CFpcall of luv.h. */
typedef int (*call_fn)(lua_State *L, int argument_count, int result_count,
                       int flags);

/* Adds a traceback to what was raised, unless it is an object that has more to
 * tell. */
static int add_traceback(lua_State *L) {
  if (lua_type(L, 1) == LUA_TSTRING)
    luaL_traceback(L, L, lua_tostring(L, 1), 1);
  return 1;
}

/* Calls the function below the arguments on the stack, of a callback that luv
 * is given by uv. What it raises is a warning: nobody is there to catch it. */
static int call_back(lua_State *L, int argument_count, int result_count,
                     int flags) {
  (void)flags;
  neap__host *host = neap__host_find(L);
  int base = lua_gettop(L) - argument_count;
  lua_pushcfunction(L, add_traceback);
  lua_insert(L, base);
  const char *before = host ? host->outside : NULL;
  if (host)
    host->outside = "a callback of luv";
  int status = lua_pcall(L, argument_count, result_count, base);
  if (host)
    host->outside = before;
  if (status != LUA_OK) {
    lua_warning(L, "neap: a callback of luv failed: ", 1);
    lua_warning(L, neap__error_text(L, -1), 0);
    lua_settop(L, base - 1);
    return -status;
  }
  lua_remove(L, base);
  return lua_gettop(L) - base + 1;
}

/* Opens the module and finds a function in it. The module is never closed. */
static void find(lua_State *L, const char *path, const char *name, void *out) {
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  void *symbol = library ? dlsym(library, name) : NULL;
  if (!symbol)
    luaL_error(L, "neap.luv: %s", dlerror());
  memcpy(out, &symbol, sizeof symbol); /* the way of POSIX for functions */
}

/* is_attached(path) -> boolean */
static int is_attached(lua_State *L) {
  struct uv_loop_s *(*get_loop)(lua_State *);
  find(L, luaL_checkstring(L, 1), "luv_loop", &get_loop);
  lua_pushboolean(L, get_loop(L) == neap_uv_loop(neap__engine(L)));
  return 1;
}

/* attach(path) */
static int attach(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  void (*set_loop)(lua_State *, struct uv_loop_s *);
  void (*set_callback)(lua_State *, call_fn);
  find(L, path, "luv_set_loop", &set_loop);
  find(L, path, "luv_set_callback", &set_callback);
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  lua_State *main = lua_tothread(L, -1);
  set_loop(main, neap_uv_loop(neap__engine(L)));
  set_callback(main, call_back);
  return 0;
}

static int end_wait(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  neap__wait_end(L);
  return 0;
}

/* wait() */
static int await_guests(lua_State *L) {
  neap_op *op = neap__wait_begin(L, "the handles of luv");
  neap_uv_wait(neap__engine(L), op);
  return neap__wait(L, end_wait);
}

int neap__luv_open(lua_State *L) {
  static const luaL_Reg functions[] = {{"attach", attach},
                                       {"is_attached", is_attached},
                                       {"wait", await_guests},
                                       {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
