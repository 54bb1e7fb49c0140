/* A module for specs that has memory of a Lua state be short, or collected at
 * the worst moments: require "lua_memory".
 * SPDX-License-Identifier: MIT
 *
 * It puts an allocator of its own before that of the state, which counts what
 * is asked for: requests for more memory, not what is freed or shrinks.
 *
 * How the n-th request makes a whole collection, finalizers and all, without
 * anything internal of Lua: the collector is incremental, with steps so large
 * that each is a whole cycle, and pauses so long that there is none by itself.
 * An allocator may not collect; but LUA_GCRESTART does no more than set the
 * collector's debt to 0, and the request that is under way then adds to it. So
 * the next look at the debt, which Lua takes after every allocation, collects:
 * in the middle of the function in C, if the request comes from there. */
#include <lauxlib.h>
#include <lua.h>
#include <stdbool.h>

static struct {
  lua_State *L; /* the main coroutine; NULL: the module is not in use */
  lua_Alloc alloc;
  void *ud;
  lua_Integer count;
  lua_Integer every;    /* collect after so many; 0: never */
  bool spares;          /* but after more of them where much is live */
  lua_Integer next;     /* collect at this one */
  size_t live;          /* bytes of the state */
  lua_Integer fail_at;  /* the request that gets nothing; 0: none */
  bool fails_for_good;  /* nor does any after it */
  lua_Integer failures; /* since `fail_at` was set */
} memory;

static bool fails(void) {
  return memory.fail_at > 0 &&
         (memory.count == memory.fail_at ||
          (memory.fails_for_good && memory.count > memory.fail_at));
}

/* A collection takes as long as there is much to look at: with one after so
 * many requests a program takes some ten times as long, however large it is. */
enum { BYTES_PER_REQUEST = 2048 };

static void collect_soon(void) {
  lua_Integer pause = memory.every;
  if (memory.spares && pause < (lua_Integer)(memory.live / BYTES_PER_REQUEST))
    pause = (lua_Integer)(memory.live / BYTES_PER_REQUEST);
  memory.next = memory.count + pause;
  lua_gc(memory.L, LUA_GCRESTART);
}

static void *allocate(void *ud, void *ptr, size_t old_size, size_t new_size) {
  (void)ud;
  if (!ptr)
    old_size = 0; /* it tells the kind of object */
  if (new_size > old_size) {
    memory.count++;
    if (fails()) {
      memory.failures++;
      return NULL;
    }
    if (memory.every > 0 && memory.count >= memory.next)
      collect_soon();
  }
  memory.live += new_size - old_size;
  return memory.alloc(memory.ud, ptr, old_size, new_size);
}

static void use(lua_State *L) {
  if (memory.L)
    return;
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  memory.L = lua_tothread(L, -1);
  lua_pop(L, 1);
  memory.live = (size_t)lua_gc(L, LUA_GCCOUNT) * 1024;
  memory.alloc = lua_getallocf(L, &memory.ud);
  lua_setallocf(L, allocate, NULL);
}

/* collect_every(n [, spares]): a whole collection after every n-th request, or
 * if it spares a large state after more of them; 0: as ever */
static int collect_every(lua_State *L) {
  memory.every = luaL_checkinteger(L, 1);
  memory.spares = lua_toboolean(L, 2);
  memory.next = memory.count + memory.every;
  use(L);
  if (memory.every > 0)
    lua_gc(L, LUA_GCINC, 1000, 1000, 100);
  else
    lua_gc(L, LUA_GCINC, 200, 100, 13);
  return 0;
}

/* fail_at(n [, for_good]): the n-th request from now gets nothing, nor do those
 * after it if for good; 0: all get what they ask for */
static int fail_at(lua_State *L) {
  lua_Integer n = luaL_checkinteger(L, 1);
  memory.fails_for_good = lua_toboolean(L, 2);
  memory.failures = 0;
  use(L);
  memory.fail_at = n > 0 ? memory.count + n : 0;
  return 0;
}

/* failures() -> how many requests have got nothing since fail_at */
static int failures(lua_State *L) {
  lua_pushinteger(L, memory.failures);
  return 1;
}

/* count() -> how many requests there were */
static int count(lua_State *L) {
  lua_pushinteger(L, memory.count);
  return 1;
}

int luaopen_lua_memory(lua_State *L);

int luaopen_lua_memory(lua_State *L) {
  static const luaL_Reg functions[] = {{"collect_every", collect_every},
                                       {"fail_at", fail_at},
                                       {"failures", failures},
                                       {"count", count},
                                       {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
