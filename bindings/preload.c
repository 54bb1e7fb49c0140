/* The Lua modules that are part of libneap_lua and of the executable.
 * SPDX-License-Identifier: MIT */
#include "preload.h"

#include <lauxlib.h>

#include "base/opts.h"
#include "core.h"
#include "modules.h"
#include "neap_lua.h"
#include "task/memory.h"

/* Loads a module of modules.h. Upvalue 1 says which. */
static int load_module(lua_State *L) {
  const struct neapL_lua_module *module =
      lua_touserdata(L, lua_upvalueindex(1));
  lua_pushfstring(L, "=%s", module->name);
  if (luaL_loadbufferx(L, module->code, module->size, lua_tostring(L, -1),
                       "b") != LUA_OK)
    return lua_error(L);
  lua_pushstring(L, module->name);
  lua_call(L, 1, 1);
  return 1;
}

void neapL_preload(lua_State *L) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, luaopen_neap_core);
  lua_setfield(L, -2, "neap.core");
  for (size_t i = 0; neapL_lua_modules[i].name; i++) {
    lua_pushlightuserdata(L, (void *)&neapL_lua_modules[i]);
    lua_pushcclosure(L, load_module, 1);
    lua_setfield(L, -2, neapL_lua_modules[i].name);
  }
  lua_pop(L, 1);
}

typedef struct opening {
  const neap_lua_opts *opts;
  int status;
} opening;

/* Everything of neap_lua_open that may raise. */
static int open_protected(lua_State *L) {
  opening *o = lua_touserdata(L, 1);
  luaL_checkversion(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  if (lua_getfield(L, -1, "neap.core") != LUA_TNIL) {
    o->status = NEAP_EBUSY;
    return 0;
  }
  lua_pop(L, 1);
  neapL_preload(L);
  o->status = neapL_core_open(L, o->opts);
  if (o->status == 0)
    lua_setfield(L, -2, "neap.core");
  return 0;
}

int neap_lua_open(lua_State *L, const neap_lua_opts *opts) {
  neap_lua_opts own = {0};
  if (!L ||
      (opts &&
       neap__opts_take(&own, sizeof own, NEAP__SIZE_WITH(neap_lua_opts, engine),
                       opts) < 0) ||
      own.profile != NEAP_TRUSTED ||
      (own.memory_cap > 0 && !neapL_memory_of(L)))
    return NEAP_EINVAL;
  opening o = {.opts = &own};
  if (!lua_checkstack(L, 2))
    return NEAP_ENOMEM;
  lua_pushcfunction(L, open_protected);
  lua_pushlightuserdata(L, &o);
  int status = lua_pcall(L, 1, 0, 0);
  if (status == LUA_OK)
    return o.status;
  lua_pop(L, 1);
  return status == LUA_ERRMEM ? NEAP_ENOMEM : NEAP_EINVAL;
}
