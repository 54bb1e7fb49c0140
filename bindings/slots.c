/* Where the coroutines of tasks are kept, and taken from again.
 * SPDX-License-Identifier: MIT */
#include "slots.h"

#include <lauxlib.h>

#include "error.h"

/* The table of anchors holds a coroutine at 2 * slot - 1 and the task that uses
 * it, or false, at 2 * slot. Both places exist since the slot does, so that
 * writing there allocates nothing. */

void neap__slots_anchor(lua_State *L, const neap__host *host, uint32_t slot) {
  lua_pushvalue(L, -1);
  lua_xmove(L, host->shelf, 1);
  lua_rawseti(host->shelf, NEAP__SHELF_ANCHORS, 2 * (lua_Integer)slot);
}

void neap__slots_push(lua_State *L, const neap__host *host, uint32_t slot) {
  lua_rawgeti(host->shelf, NEAP__SHELF_ANCHORS, 2 * (lua_Integer)slot);
  lua_xmove(host->shelf, L, 1);
}

/* Sees to it that the pool has a free slot on top. What is done here has memory
 * without a step of the collector, so that nothing of Lua's runs.
 * [-0, +0, m] */
static void need_slot(lua_State *L, neap__host *host) {
  if (host->pooled > 0)
    return;
  /* The pool has room for every coroutine that there is, so that giving one
   * back cannot fail. */
  if (host->slots == host->pool_capacity) {
    size_t capacity = host->pool_capacity ? host->pool_capacity * 2 : 16;
    void *ud;
    lua_Alloc alloc = lua_getallocf(L, &ud);
    struct coroutine *pool =
        alloc(ud, host->pool, host->pool_capacity * sizeof *pool,
              capacity * sizeof *pool);
    if (!pool)
      neap__error_no_memory(L);
    host->pool = pool;
    host->pool_capacity = capacity;
  }
  neap__host_push(L, host, NEAP__SHELF_ANCHORS);
  lua_Integer slot = (lua_Integer)host->slots + 1;
  lua_pushboolean(L, 0);
  lua_rawseti(L, -2, 2 * slot);
  lua_pushboolean(L, 0);
  lua_rawseti(L, -2, 2 * slot - 1);
  lua_pop(L, 1);
  host->slots++;
  host->pool[host->pooled++] = (struct coroutine){.slot = (uint32_t)slot};
}

void neap__slots_fill(lua_State *L, neap__host *host) {
  if (host->pooled > 0 && host->pool[host->pooled - 1].L)
    return;
  /* First what may run finalizers, which may spawn: they use the pool. */
  lua_State *co = lua_newthread(L);
  need_slot(L, host);
  struct coroutine *top = &host->pool[host->pooled - 1];
  if (!top->L) {
    top->L = co;
    neap__host_push(L, host, NEAP__SHELF_ANCHORS);
    lua_insert(L, -2);
    lua_rawseti(L, -2, 2 * (lua_Integer)top->slot - 1);
  }
  lua_pop(L, 1);
}

void neap__slots_give(neap__host *host, uint32_t slot, lua_State *co) {
  lua_State *shelf = host->shelf;
  lua_pushboolean(shelf, 0);
  lua_rawseti(shelf, NEAP__SHELF_ANCHORS, 2 * (lua_Integer)slot);
  if (co) {
    lua_settop(co, 0);
    lua_sethook(co, NULL, 0, 0);
  } else { /* drops the coroutine */
    lua_pushboolean(shelf, 0);
    lua_rawseti(shelf, NEAP__SHELF_ANCHORS, 2 * (lua_Integer)slot - 1);
  }
  host->pool[host->pooled++] = (struct coroutine){.L = co, .slot = slot};
}

void neap__slots_open(lua_State *L) {
  lua_newtable(L);
}

void neap__slots_close(lua_State *L, neap__host *host) {
  void *ud;
  lua_Alloc alloc = lua_getallocf(L, &ud);
  alloc(ud, host->pool, host->pool_capacity * sizeof *host->pool, 0);
  host->pool = NULL;
  host->pool_capacity = host->pooled = 0;
}
