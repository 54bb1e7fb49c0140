/* The host of a Lua state: its engine, and the task that runs.
 * SPDX-License-Identifier: MIT */
#include "host.h"

#include <lauxlib.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "error.h"

/* The key of the host in the registry, by address. */
static const char host_key;

/* The host that was looked up last in this thread, and has not ended. A Lua
 * state is known by the address of its registry. Once any host has been closed,
 * another state may have that address. */
static _Thread_local struct {
  const void *registry;
  neapL_host *host;
  unsigned closed; /* the count at that time */
} last;

/* The coroutine that runs in this thread, and its host. Both live while it
 * runs. */
static _Thread_local struct {
  lua_State *L;
  neapL_host *host;
} running;

static atomic_uint closed;

/* How many forks lie between the first process that used neap and this one. */
static unsigned forks;

/* In the child of a fork no host is known from before. */
static void forget_hosts(void) {
  forks++;
  atomic_fetch_add_explicit(&closed, 1, memory_order_release);
  running.L = NULL;
}

static void watch_forks(void) {
  pthread_atfork(NULL, NULL, forget_hosts);
}

bool neapL_host_is_left(const neapL_host *host) {
  return host->forks != forks;
}

void neapL_host_run(neapL_host *host, lua_State *L) {
  host->running = L;
  running.L = L;
  running.host = host;
}

/* Looks the host up, also one that has ended; NULL when there is none.
 * [-0, +0, -] */
static neapL_host *look_up(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &host_key);
  neapL_host *host = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return host;
}

neapL_host *neapL_host_find(lua_State *L) {
  if (running.L == L)
    return running.host;
  const void *registry = lua_topointer(L, LUA_REGISTRYINDEX);
  unsigned count = atomic_load_explicit(&closed, memory_order_acquire);
  if (last.registry == registry && last.closed == count)
    return last.host;
  neapL_host *host = look_up(L);
  if (!host || !host->engine || neapL_host_is_left(host))
    return NULL;
  last.registry = registry;
  last.host = host;
  last.closed = count;
  return host;
}

bool neapL_host_was_forked(lua_State *L) {
  const neapL_host *host = look_up(L);
  return host && neapL_host_is_left(host);
}

/* Raises why a state has no host. [-0, +0, v] */
static void refuse(lua_State *L) {
  if (neapL_host_was_forked(L))
    neapL_error_raise(L, "closed",
                      "neap has ended here, for this process is a child of "
                      "the one that uses it; the child needs a Lua state of "
                      "its own");
  neapL_error_raise(L, "closed",
                    "neap has ended, for its Lua state is being closed; an "
                    "object whose finalizer uses neap has to be made after "
                    "neap is loaded");
}

neapL_host *neapL_host_of(lua_State *L) {
  neapL_host *host = neapL_host_find(L);
  if (!host)
    refuse(L);
  return host;
}

void neapL_host_push(lua_State *L, const neapL_host *host, int place) {
  lua_pushvalue(host->values, place);
  lua_xmove(host->values, L, 1);
}

/* The table of anchors holds a coroutine at 2 * slot - 1. At 2 * slot it holds
 * the task that uses it, or false. Both keys are made with the slot, so that a
 * later assignment allocates nothing. */

void neapL_host_push_task(lua_State *L, const neapL_host *host, uint32_t slot) {
  lua_rawgeti(host->values, NEAPL_HOST_ANCHORS, 2 * (lua_Integer)slot);
  lua_xmove(host->values, L, 1);
}

/* Makes sure that the pool has a free slot on top. It allocates without a step
 * of the collector, so that no finalizer runs. [-0, +0, m] */
static void need_slot(lua_State *L, neapL_host *host) {
  if (host->pooled > 0)
    return;
  /* The pool has room for every coroutine that there is, so that giving one
   * back cannot fail. */
  if (host->slots == host->pool_capacity) {
    size_t capacity = host->pool_capacity ? host->pool_capacity * 2 : 16;
    void *ud;
    lua_Alloc alloc = lua_getallocf(L, &ud);
    struct neapL_coroutine *pool =
        alloc(ud, host->pool, host->pool_capacity * sizeof *pool,
              capacity * sizeof *pool);
    if (!pool)
      neapL_error_no_memory(L);
    host->pool = pool;
    host->pool_capacity = capacity;
  }
  neapL_host_push(L, host, NEAPL_HOST_ANCHORS);
  lua_Integer slot = (lua_Integer)host->slots + 1;
  lua_pushboolean(L, 0);
  lua_rawseti(L, -2, 2 * slot);
  lua_pushboolean(L, 0);
  lua_rawseti(L, -2, 2 * slot - 1);
  lua_pop(L, 1);
  host->slots++;
  host->pool[host->pooled++] = (struct neapL_coroutine){.slot = (uint32_t)slot};
}

void neapL_host_fill_pool(lua_State *L, neapL_host *host) {
  if (host->pooled > 0 && host->pool[host->pooled - 1].L)
    return;
  /* This comes first: it may run finalizers, and these may use the pool. */
  lua_State *co = lua_newthread(L);
  need_slot(L, host);
  struct neapL_coroutine *top = &host->pool[host->pooled - 1];
  if (!top->L) {
    top->L = co;
    neapL_host_push(L, host, NEAPL_HOST_ANCHORS);
    lua_insert(L, -2);
    lua_rawseti(L, -2, 2 * (lua_Integer)top->slot - 1);
  }
  lua_pop(L, 1);
}

uint32_t neapL_host_take(lua_State *L, neapL_host *host) {
  uint32_t slot = host->pool[--host->pooled].slot;
  lua_pushvalue(L, -1);
  lua_xmove(L, host->values, 1);
  lua_rawseti(host->values, NEAPL_HOST_ANCHORS, 2 * (lua_Integer)slot);
  return slot;
}

void neapL_host_give(neapL_host *host, uint32_t slot, lua_State *co) {
  lua_State *values = host->values;
  lua_pushboolean(values, 0);
  lua_rawseti(values, NEAPL_HOST_ANCHORS, 2 * (lua_Integer)slot);
  if (co) {
    lua_settop(co, 0);
    lua_sethook(co, NULL, 0, 0);
  } else { /* drops the coroutine */
    lua_pushboolean(values, 0);
    lua_rawseti(values, NEAPL_HOST_ANCHORS, 2 * (lua_Integer)slot - 1);
  }
  host->pool[host->pooled++] = (struct neapL_coroutine){.L = co, .slot = slot};
}

void *neapL_host_allocate(lua_State *L, size_t size) {
  void *ud;
  lua_Alloc alloc = lua_getallocf(L, &ud);
  return alloc(ud, NULL, 0, size);
}

void neapL_host_release(lua_State *L, void *ptr, size_t size) {
  void *ud;
  lua_Alloc alloc = lua_getallocf(L, &ud);
  if (ptr)
    alloc(ud, ptr, size, 0);
}

bool neapL_host_is_open(lua_State *L) {
  if (!look_up(L))
    return false;
  neapL_host_of(L);
  return true;
}

/* Makes a coroutine that lasts as long as the state. [-0, +0, m] */
static lua_State *new_thread(lua_State *L, const void *key) {
  lua_State *thread = lua_newthread(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, key);
  return thread;
}

void neapL_host_push_weak(lua_State *L, const char *mode) {
  lua_newtable(L);
  lua_createtable(L, 0, 1);
  lua_pushstring(L, mode);
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
}

neapL_host *neapL_host_new(lua_State *L, size_t size, const char *task_meta) {
  neapL_host *host = lua_newuserdatauv(L, size, 0);
  memset(host, 0, size);
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, watch_forks);
  host->forks = forks;
  host->can_yield = true;
  host->driver = L;
  host->scratch = new_thread(L, &host->scratch);
  host->teller = new_thread(L, &host->teller);
  host->values = new_thread(L, &host->values);
  host->peek = new_thread(L, &host->peek);
  lua_pushvalue(L, -1);
  lua_newtable(L); /* host host anchors */
  luaL_newmetatable(L, task_meta);
  neapL_host_push_weak(L, "k"); /* host host anchors meta kills */
  lua_pushnil(L);               /* deadlock */
  lua_pushnil(L);               /* offer */
  lua_pushnil(L);               /* memory */
  lua_pushnil(L);               /* obstacle */
  lua_xmove(L, host->values, NEAPL_HOST_OBSTACLE);
  return host;
}

void neapL_host_open(lua_State *L) {
  lua_rawsetp(L, LUA_REGISTRYINDEX, &host_key);
}

neap_engine *neapL_host_close(neapL_host *host) {
  neap_engine *engine = host->engine;
  host->engine = NULL;
  if (running.host == host)
    running.L = NULL;
  atomic_fetch_add_explicit(&closed, 1, memory_order_release);
  return engine;
}

void neapL_host_free(lua_State *L, neapL_host *host) {
  neapL_host_release(L, host->pool, host->pool_capacity * sizeof *host->pool);
  host->pool = NULL;
  host->pool_capacity = host->pooled = 0;
}
