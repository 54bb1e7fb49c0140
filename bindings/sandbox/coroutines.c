/* The coroutines of scripts of a sandbox: a limited number.
 * SPDX-License-Identifier: MIT */
#include "coroutines.h"

#include <lauxlib.h>

#include "task/error.h"
#include "task/host.h"

/* The upvalues of create and wrap. */
enum { ORIGINAL = 1, KNOWN, LIMIT };

typedef struct limit {
  lua_Integer most, made; /* `made` since they were last counted, and what was
                             there then */
} limit;

/* Counts the coroutines that are left. [-0, +0, -] */
static lua_Integer count_known(lua_State *L) {
  lua_Integer count = 0;
  for (lua_pushnil(L); lua_next(L, lua_upvalueindex(KNOWN)); lua_pop(L, 1))
    count++;
  return count;
}

/* create(f), wrap(f): Lua's or neap's, of which the limit lets only so many. */
static int make(lua_State *L) {
  limit *l = lua_touserdata(L, lua_upvalueindex(LIMIT));
  if (l->made >= l->most) {
    lua_gc(L, LUA_GCCOLLECT);
    l->made = count_known(L);
    /* Were it one that is free, each call would collect. */
    if (l->made > l->most - l->most / 8)
      return neapL_error_raise(L, "limit", "coroutine: more than %d are in use",
                               (int)l->most);
  }
  l->made++;
  lua_tocfunction(L, lua_upvalueindex(ORIGINAL))(L); /* has no upvalues */
  int made = lua_gettop(L);
  if (lua_isthread(L, made))
    lua_pushvalue(L, made);
  else
    lua_getupvalue(L, made, 1);
  lua_pushboolean(L, true);
  lua_rawset(L, lua_upvalueindex(KNOWN));
  lua_settop(L, made);
  return 1;
}

void neapL_coroutines_bound(lua_State *L, uint32_t most) {
  int library = lua_gettop(L);
  neapL_host_push_weak(L, "k");
  limit *l = lua_newuserdatauv(L, sizeof *l, 0);
  *l = (limit){.most = most};
  static const char *const names[] = {"create", "wrap", NULL};
  for (int i = 0; names[i]; i++) {
    lua_getfield(L, library, names[i]);
    lua_pushvalue(L, library + 1);
    lua_pushvalue(L, library + 2);
    lua_pushcclosure(L, make, 3);
    lua_setfield(L, library, names[i]);
  }
  lua_settop(L, library);
}
