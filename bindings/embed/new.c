/* neap_lua_new: a Lua state with neap in it, and memory of its own.
 * SPDX-License-Identifier: MIT */
#include <lauxlib.h>
#include <lualib.h>

#include "base/opts.h"
#include "neap_lua.h"
#include "sandbox/sandbox.h"
#include "task/memory.h"

static int open_libraries(lua_State *L) {
  luaL_openlibs(L);
  return 0;
}

static int make_sandbox(lua_State *L) {
  neapL_sandbox_open(L, lua_touserdata(L, 1));
  return 0;
}

/* Opens the libraries of Lua and neap in a new state. */
static int fill(lua_State *L, neap_lua_opts *opts) {
  lua_pushcfunction(L, open_libraries); /* a new state has room for it */
  if (lua_pcall(L, 0, 0, 0) != LUA_OK)
    return NEAP_ENOMEM;
  neap_lua_profile profile = opts->profile;
  opts->profile = NEAP_TRUSTED;
  int status = neap_lua_open(L, opts);
  if (status < 0 || profile == NEAP_TRUSTED)
    return status;
  lua_pushcfunction(L, make_sandbox);
  lua_pushlightuserdata(L, opts);
  return lua_pcall(L, 1, 0, 0) == LUA_OK ? 0 : NEAP_ENOMEM;
}

/* The collector's parameters: how many objects it visits for 16 bytes that are
 * allocated, and after how many bytes, by powers of 2, it goes on. With Lua's
 * own, 100 and 13, it may free 50,000 objects in one go, in some 5 ms. It does
 * the same work in smaller steps so; a cycle lasts until the live objects have
 * grown by a third. */
enum { GC_SPEED = 4, GC_STEP = 11 };

int neap_lua_new(const neap_lua_opts *opts, lua_State **out) {
  neap_lua_opts own = {0};
  neap_engine_opts engine = {0};
  size_t first = NEAP__SIZE_WITH(neap_lua_opts, engine);
  if (!out || (opts && neap__opts_take(&own, sizeof own, first, opts) < 0))
    return NEAP_EINVAL;
  first = NEAP__SIZE_WITH(neap_engine_opts, http_library);
  if (own.engine &&
      neap__opts_take(&engine, sizeof engine, first, own.engine) < 0)
    return NEAP_EINVAL;
  if (own.profile != NEAP_TRUSTED && own.profile != NEAP_UNTRUSTED)
    return NEAP_EINVAL;
  neap_grants none = NEAP_GRANTS_INIT;
  if (own.profile == NEAP_UNTRUSTED && !engine.grants)
    engine.grants = &none;
  neapL_memory *memory = neapL_memory_new(&engine.alloc);
  if (!memory)
    return NEAP_ENOMEM;
  memory->cap = own.memory_cap;
  lua_State *L = lua_newstate(neapL_memory_alloc, memory);
  if (!L) {
    neapL_memory_free(memory);
    return NEAP_ENOMEM;
  }
  memory->has_begun = true;
  lua_gc(L, LUA_GCINC, 0, GC_SPEED, GC_STEP);
  engine.size = sizeof engine;
  engine.alloc = (neap_alloc){.fn = neapL_memory_alloc_engine, .ud = memory};
  own.size = sizeof own;
  own.engine = &engine;
  int status = fill(L, &own);
  if (status < 0) {
    lua_close(L);
    return status;
  }
  *out = L;
  return 0;
}

int neap_lua_usage(lua_State *L, neap_lua_memory *out) {
  const neapL_memory *memory = L ? neapL_memory_of(L) : NULL;
  if (!memory || !out || out->size < sizeof *out)
    return NEAP_EINVAL;
  out->used = memory->used;
  out->peak = memory->peak;
  out->cap = memory->cap;
  out->full = memory->is_full && memory->used > memory->cap / 4 * 3;
  return 0;
}
