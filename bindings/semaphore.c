/* Semaphores: at most n at once, the others in line.
 * SPDX-License-Identifier: MIT */
#include "semaphore.h"

#include <lauxlib.h>

#include "error.h"
#include "task.h"
#include "wait.h"

#define SEMAPHORE_META "neap.semaphore"
#define GUARD_META     "neap.guard"

typedef struct semaphore {
  lua_Integer free;
  neap_link queue; /* of guards, by `place.link` */
} semaphore;

/* What acquire gives; its user value is the semaphore. */
typedef struct guard {
  semaphore *semaphore;
  neap__place place;
  bool held;
} guard;

/* Gives a place to the first in line, or back. */
static void give(semaphore *s) {
  if (neap__list_empty(&s->queue)) {
    s->free++;
    return;
  }
  neap_link *first = s->queue.next;
  neap__list_remove(first);
  neap_op_settle(&NEAP__ITEM(first, neap__place, link)->task->op, 0);
}

/* The task is cancelled: it leaves the line, or if it has its place already
 * hands it on. */
static void drop(neap__task *task) {
  guard *g = task->dropped;
  if (neap__list_empty(&g->place.link))
    give(g->semaphore);
  else
    neap__list_remove(&g->place.link);
}

static int acquired(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  neap__wait_end(L);
  guard *g = lua_touserdata(L, 2);
  g->held = true;
  return 1;
}

/* semaphore:acquire() -> guard */
static int acquire(lua_State *L) {
  semaphore *s = luaL_checkudata(L, 1, SEMAPHORE_META);
  lua_settop(L, 1);
  guard *g = lua_newuserdatauv(L, sizeof *g, 1);
  *g = (guard){.semaphore = s};
  luaL_setmetatable(L, GUARD_META);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, 2, 1);
  if (s->free > 0) {
    s->free--;
    g->held = true;
    return 1;
  }
  neap__task *task = neap__task_current(L);
  neap__wait_begin(L, "a semaphore");
  g->place.task = task;
  neap__task_hold(task, drop, g);
  neap__list_append(&s->queue, &g->place.link);
  return neap__wait(L, acquired);
}

/* guard:release() */
static int release(lua_State *L) {
  guard *g = luaL_checkudata(L, 1, GUARD_META);
  if (!g->held)
    return neap__error_raise(L, "released", "the guard was released before");
  g->held = false;
  give(g->semaphore);
  return 0;
}

static int close_guard(lua_State *L) {
  guard *g = luaL_checkudata(L, 1, GUARD_META);
  if (g->held) {
    g->held = false;
    give(g->semaphore);
  }
  return 0;
}

/* semaphore(n) -> semaphore */
static int new_semaphore(lua_State *L) {
  lua_Integer n = luaL_checkinteger(L, 1);
  luaL_argcheck(L, n >= 1, 1, "a semaphore has at least one place");
  semaphore *s = lua_newuserdatauv(L, sizeof *s, 0);
  s->free = n;
  neap__list_init(&s->queue);
  luaL_setmetatable(L, SEMAPHORE_META);
  return 1;
}

void neap__semaphore_open(lua_State *L) {
  static const luaL_Reg methods[] = {{"acquire", acquire}, {NULL, NULL}};
  static const luaL_Reg guard_methods[] = {{"release", release}, {NULL, NULL}};
  luaL_newmetatable(L, SEMAPHORE_META);
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
  luaL_newmetatable(L, GUARD_META);
  luaL_newlib(L, guard_methods);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, close_guard);
  lua_setfield(L, -2, "__close");
  lua_pop(L, 1);
  lua_pushcfunction(L, new_semaphore);
  lua_setfield(L, -2, "semaphore");
}
