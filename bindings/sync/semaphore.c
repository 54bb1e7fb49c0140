/* Semaphores: at most n tasks at once, the others in line.
 * SPDX-License-Identifier: MIT
 *
 * A place is an object of its own. Its finalizer gives the place back when a
 * guard is collected without having been released. A place is made once, and
 * goes from guard to guard. So guards, of which there are many, need no
 * finalizer, which would cost as much as all the rest. Free places are in the
 * semaphore's user value, a table whose keys stay: giving a place back needs no
 * memory.
 *
 * When a state is closed, Lua finalizes all objects, also those in use, and a
 * warning of a guard would be wrong. A weak table tells these cases apart: an
 * object that has been collected is no longer in it when it is finalized.
 */
#include "semaphore.h"

#include <lauxlib.h>

#include "task/check.h"
#include "task/class.h"
#include "task/error.h"
#include "task/host.h"
#include "task/task.h"
#include "task/wait.h"

#define SEMAPHORE_META "neap.semaphore"
#define GUARD_META     "neap.guard"
#define PLACE_META     "neap.place"

typedef struct semaphore {
  lua_Integer free; /* free places */
  lua_Integer kept; /* those of them that exist as objects */
  lua_Integer made; /* all places that exist as objects */
  neap_link queue;  /* a line of tasks, each with its guard */
} semaphore;

/* The registry's key of the weak table of all places by their addresses. */
static const char places_key;

/* A place, whose user value is the semaphore. */
typedef struct place {
  semaphore *semaphore;
  bool taken;
} place;

/* What acquire returns. Its user value is the place that it holds, or has held.
 */
typedef struct guard {
  lua_State *waiter; /* the coroutine that acquires it */
  bool held;
} guard;

/* The stack of acquire. A task that waits gets its place at SEMAPHORE. */
enum { SEMAPHORE = 1, GUARD };

/* Gives the place on top to the first task in line, or back to the semaphore.
 * [-1, +0, -] */
static void give(lua_State *L) {
  place *p = lua_touserdata(L, -1);
  semaphore *s = p->semaphore;
  neapL_task *first = neapL_task_next(&s->queue);
  if (first) {
    guard *g = first->dropped;
    neapL_wait_put(L, first, g->waiter, SEMAPHORE);
    g->held = true;
    neap_op_settle(&first->op, 0);
    return;
  }
  p->taken = false;
  s->free++;
  lua_getiuservalue(L, -1, 1);
  lua_getiuservalue(L, -1, 1); /* place semaphore places */
  lua_pushvalue(L, -3);
  lua_rawseti(L, -2, ++s->kept);
  lua_pop(L, 3);
}

/* Adds the place at 1 to the weak table. [-0, +0, m] */
static int note_place(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &places_key);
  lua_pushvalue(L, 1);
  lua_rawsetp(L, -2, lua_touserdata(L, 1));
  return 0;
}

/* The __gc of a place. If the place is taken, its guard was collected without
 * having been released. */
static int collect_place(lua_State *L) {
  const place *p = lua_touserdata(L, 1);
  if (!p->taken)
    return 0;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &places_key);
  bool state_ends = lua_rawgetp(L, -1, p) != LUA_TNIL;
  lua_getmetatable(L, 1); /* so that it is finalized again */
  lua_setmetatable(L, 1);
  lua_settop(L, 1);
  lua_pushcfunction(L, note_place);
  lua_pushvalue(L, 1);
  lua_pcall(L, 1, 0, 0); /* no memory: a needless warning at the end */
  lua_settop(L, 1);
  give(L);
  if (state_ends || neapL_host_of(L)->root->cancel_status != 0)
    return 0; /* the state or the script ends: no warning */
  lua_warning(L,
              "neap: the guard of a semaphore was collected without having "
              "been released; its place is free again",
              0);
  return 0;
}

/* Makes a place, which is free. [-0, +0, m] */
static void make_place(lua_State *L, semaphore *s) {
  lua_getiuservalue(L, SEMAPHORE, 1);
  place *p = lua_newuserdatauv(L, sizeof *p, 1); /* places place */
  *p = (place){.semaphore = s};
  lua_pushvalue(L, SEMAPHORE);
  lua_setiuservalue(L, -2, 1);
  luaL_setmetatable(L, PLACE_META);
  lua_pushcfunction(L, note_place);
  lua_pushvalue(L, -2);
  lua_call(L, 1, 0);
  lua_pushboolean(L, false);
  lua_rawseti(L, -3, s->made + 1); /* allocates the key now */
  s->made++;
  lua_rawseti(L, -2, ++s->kept);
  lua_pop(L, 1);
}

/* The task is cancelled: it leaves the line. If it has got its place already,
 * it passes that on. */
static void drop(neapL_task *task) {
  guard *g = task->dropped;
  if (!g->held) {
    neapL_task_leave(task);
    return;
  }
  lua_State *S = task->host->scratch;
  g->held = false;
  neapL_wait_take(S, task, g->waiter, SEMAPHORE);
  give(S);
}

static int acquired(lua_State *L, const neap_op *op) {
  neapL_wait_accept(L, op->data, SEMAPHORE);
  lua_pushvalue(L, SEMAPHORE);
  lua_setiuservalue(L, GUARD, 1);
  return 1;
}

/* semaphore:acquire() -> guard, whose metatable is in upvalue 2 */
static int acquire(lua_State *L) {
  semaphore *s = neapL_class_check(L, SEMAPHORE, SEMAPHORE_META);
  lua_settop(L, SEMAPHORE);
  guard *g = lua_newuserdatauv(L, sizeof *g, 1);
  *g = (guard){.waiter = L};
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_setmetatable(L, GUARD);
  while (s->free > 0 && s->kept == 0)
    make_place(L, s);
  if (s->free > 0) {
    lua_getiuservalue(L, SEMAPHORE, 1);
    lua_rawgeti(L, -1, s->kept);
    lua_pushboolean(L, false);
    lua_rawseti(L, -3, s->kept--);
    s->free--;
    ((place *)lua_touserdata(L, -1))->taken = true;
    lua_setiuservalue(L, GUARD, 1);
    g->held = true;
    lua_settop(L, GUARD);
    return 1;
  }
  static const neapL_wait_then then = {.finish = acquired};
  neap_op *op = neapL_wait_begin(L, "a semaphore");
  neapL_task_line_up(op->data, &s->queue, drop, g);
  return neapL_wait(L, op, 0, &then);
}

/* Gives back the place of the guard at index 1, which holds it. */
static void release_guard(lua_State *L, guard *g) {
  g->held = false;
  lua_getiuservalue(L, 1, 1);
  give(L);
}

/* guard:release() */
static int release(lua_State *L) {
  guard *g = neapL_class_check(L, 1, GUARD_META);
  if (!g->held)
    return neapL_error_raise(L, "released", "the guard was released before");
  release_guard(L, g);
  return 0;
}

static int close_guard(lua_State *L) {
  guard *g = neapL_class_check(L, 1, GUARD_META);
  if (g->held)
    release_guard(L, g);
  return 0;
}

/* semaphore(n) -> semaphore */
static int new_semaphore(lua_State *L) {
  lua_Integer n = neapL_check_integer(L, 1);
  if (n < 1)
    neapL_check_type_fail(L, 1, "whole number from 1");
  semaphore *s = lua_newuserdatauv(L, sizeof *s, 1);
  *s = (semaphore){.free = n};
  neap__list_init(&s->queue);
  neapL_class_mark(L);
  lua_newtable(L);
  lua_setiuservalue(L, -2, 1);
  return 1;
}

void neapL_semaphore_open(lua_State *L) {
  static const luaL_Reg methods[] = {{"acquire", acquire}, {NULL, NULL}};
  static const luaL_Reg guard_methods[] = {
      {"release", release}, {"__close", close_guard}, {NULL, NULL}};
  neapL_host_push_weak(L, "v");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &places_key);
  luaL_newmetatable(L, PLACE_META);
  lua_pushcfunction(L, collect_place);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
  neapL_class_define(L, GUARD_META, guard_methods, 0);
  neapL_class_define(L, SEMAPHORE_META, methods, 1);
  lua_pushcclosure(L, new_semaphore, 1);
  lua_setfield(L, -2, "semaphore");
}
