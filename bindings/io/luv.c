/* luv on the engine's loop.
 * SPDX-License-Identifier: MIT
 *
 * neap does not link luv. It looks up the functions for this purpose (luv.h,
 * "Set or clear an external uv_loop_t") in the module file that will be opened.
 */
#include "luv.h"

#include <dlfcn.h>
#include <lauxlib.h>
#include <string.h>

#include "task/check.h"
#include "task/error.h"
#include "task/host.h"
#include "task/refusal.h"
#include "task/trace.h"
#include "task/wait.h"

struct uv_loop_s;

/* luv_CFpcall of luv.h. */
typedef int (*call_fn)(lua_State *L, int argument_count, int result_count,
                       int flags);

/* Adds a traceback to an error, unless that is an object, which can tell more
 * itself. */
static int add_traceback(lua_State *L) {
  if (lua_type(L, 1) == LUA_TSTRING) {
    lua_pushliteral(L, "\n");
    neapL_trace(L, L, 1);
    lua_concat(L, 3);
  }
  return 1;
}

/* Runs below lua_pcall: warns of the error (at 1) of a callback. */
static int warn_of_failure(lua_State *L) {
  lua_warning(L, "neap: a callback of luv failed: ", 1);
  lua_warning(L, neapL_error_text(L, 1), 0);
  return 0;
}

/* Calls the function below the arguments on the stack: a callback that uv calls
 * through luv. An error becomes a warning, since nothing could catch it. This
 * function must not raise, since frames of uv's lie below. Once neap has ended,
 * while the state is being closed, handles end without their callbacks. */
static int call_back(lua_State *L, int argument_count, int result_count,
                     int flags) {
  (void)flags;
  neapL_host *host = neapL_host_find(L);
  int base = lua_gettop(L) - argument_count;
  if (!host) {
    lua_settop(L, base - 1);
    return 0;
  }
  lua_pushcfunction(L, add_traceback);
  lua_insert(L, base);
  const char *before = host->outside;
  host->outside = "a callback of luv";
  int status = lua_pcall(L, argument_count, result_count, base);
  if (status != LUA_OK) {
    lua_pushcfunction(L, warn_of_failure);
    lua_insert(L, -2);
    lua_pcall(L, 1, 0, 0);
    lua_settop(L, base - 1);
  } else {
    lua_remove(L, base);
  }
  host->outside = before;
  return status != LUA_OK ? -status : lua_gettop(L) - base + 1;
}

/* Opens the module and finds a function in it. The module is never closed. */
static void find(lua_State *L, const char *path, const char *name, void *out) {
  /* It could do anything. */
  if (neap_is_restricted(neapL_engine(L))) {
    neapL_refusal_push(L, "neap.luv", "not granted");
    lua_error(L);
  }
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  void *symbol = library ? dlsym(library, name) : NULL;
  if (!symbol)
    luaL_error(L, "neap.luv: %s", dlerror());
  memcpy(out, &symbol, sizeof symbol); /* as POSIX has it for functions */
}

/* is_attached(path) -> boolean */
static int is_attached(lua_State *L) {
  struct uv_loop_s *(*get_loop)(lua_State *);
  find(L, neapL_check_string(L, 1), "luv_loop", &get_loop);
  lua_pushboolean(L, get_loop(L) == neap_uv_loop(neapL_engine(L)));
  return 1;
}

/* attach(path) */
static int attach(lua_State *L) {
  const char *path = neapL_check_string(L, 1);
  void (*set_loop)(lua_State *, struct uv_loop_s *);
  void (*set_callback)(lua_State *, call_fn);
  find(L, path, "luv_set_loop", &set_loop);
  find(L, path, "luv_set_callback", &set_callback);
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  lua_State *main = lua_tothread(L, -1);
  set_loop(main, neap_uv_loop(neapL_engine(L)));
  set_callback(main, call_back);
  return 0;
}

/* luv frees the memory of a handle when the handle is collected. While a state
 * lives, that is safe: a handle that is being closed is in the registry until
 * uv has called its callback. But when the state is closed, everything is
 * collected, and uv would be left with handles whose memory is gone. The same
 * holds for the list of a directory, in whose memory a thread may work, and for
 * a function for threads.
 *
 * So the __gc of these objects is put off by one cycle of the collector: the
 * first time, the object is only marked again. While a state is being closed,
 * there is no second time ("If any finalizer marks objects for collection
 * during that phase, these marks have no effect", Lua 5.4 manual, 2.5.3). Then
 * the host calls the __gc after the loop has ended. The table of the objects
 * that were put off has weak keys: an object that is being collected stays in
 * it until it has been freed. */
static const char put_off_key;

/* __gc of luv's objects. Upvalues: luv's own, its is_closing or nil. */
static int put_off(lua_State *L) {
  lua_settop(L, 1);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &put_off_key); /* object table */
  lua_pushvalue(L, 1);
  bool again = lua_rawget(L, 2) != LUA_TNIL;
  bool in_use = !again;
  if (in_use && !lua_isnil(L, lua_upvalueindex(2))) {
    lua_pushvalue(L, lua_upvalueindex(2));
    lua_pushvalue(L, 1);
    /* It raises for a handle that has been freed. */
    in_use = lua_pcall(L, 1, 1, 0) == LUA_OK && lua_toboolean(L, -1);
  }
  lua_settop(L, 2);
  lua_pushvalue(L, 1);
  if (in_use) {
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_rawset(L, 2);
    lua_getmetatable(L, 1);
    lua_setmetatable(L, 1);
    return 0;
  }
  lua_pushnil(L);
  lua_rawset(L, 2);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_pushvalue(L, 1);
  lua_call(L, 1, 0);
  return 0;
}

/* Puts off the __gc of the objects with the metatable on top. [-0, +0, m] */
static void put_off_those_of(lua_State *L) {
  int meta = lua_gettop(L);
  lua_getfield(L, meta, "__gc");
  if (!lua_isnil(L, -1) && lua_tocfunction(L, -1) != put_off) {
    if (lua_getfield(L, meta, "__index") == LUA_TTABLE)
      lua_getfield(L, -1, "is_closing"); /* gc index is_closing */
    else
      lua_pushnil(L);
    lua_replace(L, -2);
    lua_pushcclosure(L, put_off, 2);
    lua_setfield(L, meta, "__gc");
  }
  lua_settop(L, meta);
}

/* luv's key in the registry of the set of the metatables of handles; and the
 * names of other metatables. */
#define HANDLES "uv_handle"
static const char *const others[] = {"uv_fs", "luv_work_ctx"};

/* adopt() */
static int adopt(lua_State *L) {
  lua_settop(L, 0);
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &put_off_key) == LUA_TNIL) {
    neapL_host_push_weak(L, "k");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &put_off_key);
  }
  luaL_getsubtable(L, LUA_REGISTRYINDEX, HANDLES);
  for (lua_pushnil(L); lua_next(L, -2);) {
    lua_pop(L, 1); /* the set, a metatable */
    if (lua_istable(L, -1))
      put_off_those_of(L);
  }
  for (size_t i = 0; i < sizeof others / sizeof *others; i++)
    if (luaL_getmetatable(L, others[i]) == LUA_TTABLE)
      put_off_those_of(L);
  return 0;
}

/* Runs below lua_pcall: calls the __gc of all objects that were put off. */
static int end_all(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &put_off_key);
  for (lua_pushnil(L); lua_next(L, 1);) { /* table object gc */
    lua_pushvalue(L, 2);
    lua_call(L, 1, 0);
  }
  return 0;
}

void neapL_luv_end(lua_State *L) {
  bool used = lua_rawgetp(L, LUA_REGISTRYINDEX, &put_off_key) == LUA_TTABLE;
  lua_pop(L, 1);
  if (!used)
    return;
  lua_pushcfunction(L, end_all);
  if (lua_pcall(L, 0, 0, 0) != LUA_OK)
    lua_pop(L, 1);
}

/* handles() -> list */
static int handles(lua_State *L) {
  lua_settop(L, 0);
  lua_newtable(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, HANDLES);
  lua_Integer count = 0;
  lua_pushnil(L);
  while (lua_next(L, LUA_REGISTRYINDEX)) { /* list set key value */
    if (lua_isuserdata(L, -1) && lua_getmetatable(L, -1)) {
      if (lua_rawget(L, 2) != LUA_TNIL) {
        lua_pushvalue(L, -2);
        lua_rawseti(L, 1, ++count);
      }
      lua_pop(L, 1);
    }
    lua_pop(L, 1);
  }
  lua_settop(L, 1);
  return 1;
}

/* wait() */
static int await_guests(lua_State *L) {
  neap_op *op = neapL_wait_begin(L, "the handles of luv");
  neap_uv_wait(neapL_engine(L), op);
  return neapL_wait(L, op, 0, NULL);
}

int neapL_luv_open(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"attach", attach},   {"is_attached", is_attached}, {"adopt", adopt},
      {"handles", handles}, {"wait", await_guests},       {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
