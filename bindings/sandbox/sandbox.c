/* Lua states in which code that nobody trusts runs.
 * SPDX-License-Identifier: MIT */
#include "sandbox.h"

#include <lauxlib.h>
#include <sys/random.h>

#include "globals.h"
#include "output.h"
#include "script.h"
#include "task/error.h"
#include "task/wait.h"
#include "text.h"

/* Closes the metatable on top, and pops it: scripts neither see nor change it.
 * [-1, +0, m] */
static void close_metatable(lua_State *L) {
  lua_pushboolean(L, false);
  lua_setfield(L, -2, "__metatable");
  lua_pop(L, 1);
}

/* Closes all metatables that are registered by a name, or are those of an
 * object that is registered, as neap.json.null is. [-0, +0, v] */
static void close_registered(lua_State *L) {
  for (lua_pushnil(L); lua_next(L, LUA_REGISTRYINDEX); lua_pop(L, 1)) {
    if (lua_type(L, -2) != LUA_TSTRING)
      continue;
    if (lua_isuserdata(L, -1) && lua_getmetatable(L, -1))
      close_metatable(L);
    if (!lua_istable(L, -1))
      continue;
    lua_pushliteral(L, "__name");
    lua_rawget(L, -2);
    bool is_meta = lua_rawequal(L, -1, -3);
    lua_pop(L, 1);
    if (is_meta) {
      lua_pushvalue(L, -1);
      close_metatable(L);
    }
  }
}

/* Removes all fields of the table at an index. [-0, +0, -] */
static void empty(lua_State *L, int index) {
  index = lua_absindex(L, index);
  for (lua_pushnil(L); lua_next(L, index);) {
    lua_pop(L, 1);
    lua_pushvalue(L, -1);
    lua_pushnil(L);
    lua_rawset(L, index); /* fields may be cleared during a traversal */
  }
}

/* Leaves of the modules that Lua knows neap.core alone, and the libraries of
 * the template, for the names of functions in messages. [-0, +0, v] */
static void forget_modules(lua_State *L) {
  int top = lua_gettop(L);
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_getfield(L, -1, "neap.core");
  empty(L, -2);
  lua_setfield(L, -2, "neap.core");
  neapL_globals_name(L);
  lua_newtable(L);
  lua_setfield(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushglobaltable(L);
  empty(L, -1);
  lua_settop(L, top);
}

/* Gives strings methods in a table that no script has. [-0, +0, v] */
static void close_strings(lua_State *L) {
  lua_pushliteral(L, "");
  lua_getmetatable(L, -1);
  neapL_globals_push_template(L);
  lua_getfield(L, -1, "string");
  neapL_globals_push_copy(L, -1, 0);
  lua_setfield(L, -4, "__index");
  lua_pop(L, 2);
  close_metatable(L);
  lua_pop(L, 1);
}

void neapL_sandbox_open(lua_State *L, const neap_lua_opts *opts) {
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  int top = lua_gettop(L);
  uint64_t mask = 0;
  if (getrandom(&mask, sizeof mask, 0) < 0)
    luaL_error(L, "the system has no random numbers");
  neapL_text_open(L, mask);
  neapL_output_open(L, opts);
  neapL_host *host = neapL_host_of(L);
  neapL_error_read_raw(L);
  host->is_sandbox = true;
  host->max_tasks = opts->max_tasks ? opts->max_tasks : 10000;
  host->epoch = neap_now(host->engine);
  neapL_globals_open(L, opts);
  close_registered(L);
  forget_modules(L);
  close_strings(L);
  /* The modules of the host, which no script can reach: what they say of
   * errors and of options holds for all scripts. */
  neapL_script_push(L);
  static const char *const modules[] = {"neap.error", "neap.base.options",
                                        NULL};
  for (int i = 0; modules[i]; i++) {
    lua_pushvalue(L, -1);
    lua_pushstring(L, modules[i]);
    lua_call(L, 1, 0);
  }
  lua_setglobal(L, "require");
  lua_settop(L, top);
}

bool neapL_sandbox_is(lua_State *L) {
  bool is = neapL_globals_push_template(L);
  lua_pop(L, 1);
  return is;
}
