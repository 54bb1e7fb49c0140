/* Semaphores: at most n at once, the others in line.
 * SPDX-License-Identifier: MIT */
#include "semaphore.h"

#include <lauxlib.h>

#include "error.h"
#include "object.h"
#include "task.h"
#include "wait.h"

#define SEMAPHORE_META "neap.semaphore"
#define GUARD_META     "neap.guard"

typedef struct semaphore {
  lua_Integer free;
  neap_link queue; /* a line of tasks, each with its guard */
} semaphore;

/* What acquire gives; its user value is the semaphore. */
typedef struct guard {
  semaphore *semaphore;
  bool held;
} guard;

/* Gives a place to the first in line, or back. */
static void give(semaphore *s) {
  neap__task *first = neap__task_next(&s->queue);
  if (first)
    neap_op_settle(&first->op, 0);
  else
    s->free++;
}

/* The task is cancelled: it leaves the line, or if it has its place already
 * hands it on. */
static void drop(neap__task *task) {
  const guard *g = task->dropped;
  if (neap__list_empty(&task->line))
    give(g->semaphore);
  else
    neap__task_leave(task);
}

static int acquired(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  neap__wait_end(L);
  guard *g = lua_touserdata(L, 2);
  g->held = true;
  return 1;
}

/* semaphore:acquire() -> guard, whose metatable is in upvalue 2 */
static int acquire(lua_State *L) {
  semaphore *s = neap__object_check(L, 1, SEMAPHORE_META);
  lua_settop(L, 1);
  guard *g = lua_newuserdatauv(L, sizeof *g, 1);
  *g = (guard){.semaphore = s};
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_setmetatable(L, 2);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, 2, 1);
  if (s->free > 0) {
    s->free--;
    g->held = true;
    return 1;
  }
  neap__wait_begin(L, "a semaphore");
  neap__task_line_up(neap__task_current(L), &s->queue, drop, g);
  return neap__wait(L, acquired);
}

/* guard:release() */
static int release(lua_State *L) {
  guard *g = neap__object_check(L, 1, GUARD_META);
  if (!g->held)
    return neap__error_raise(L, "released", "the guard was released before");
  g->held = false;
  give(g->semaphore);
  return 0;
}

static int close_guard(lua_State *L) {
  guard *g = neap__object_check(L, 1, GUARD_META);
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
  neap__object_mark(L);
  return 1;
}

void neap__semaphore_open(lua_State *L) {
  static const luaL_Reg methods[] = {{"acquire", acquire}, {NULL, NULL}};
  static const luaL_Reg guard_methods[] = {
      {"release", release}, {"__close", close_guard}, {NULL, NULL}};
  neap__object_class(L, GUARD_META, guard_methods, 0);
  neap__object_class(L, SEMAPHORE_META, methods, 1);
  lua_pushcclosure(L, new_semaphore, 1);
  lua_setfield(L, -2, "semaphore");
}
