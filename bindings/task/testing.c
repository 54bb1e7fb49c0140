/* The C functions for lua/neap/testing/init.lua.
 * SPDX-License-Identifier: MIT */
#include "testing.h"

#include <lauxlib.h>

#include "check.h"
#include "error.h"
#include "wait.h"

/* set_clock(virtual) */
static int set_clock(lua_State *L) {
  neap_set_clock(neapL_engine(L),
                 lua_toboolean(L, 1) ? NEAP_CLOCK_VIRTUAL : NEAP_CLOCK_REAL);
  return 0;
}

/* seed(n) */
static int seed(lua_State *L) {
  neapL_host_of(L)->seed = (uint64_t)neapL_opt_integer(L, 1, 0);
  return 0;
}

static int turned(lua_State *L, const neap_op *op) {
  lua_pushboolean(L, op->detail == 1);
  return 1;
}

/* turn(may_wait) -> boolean */
static int turn(lua_State *L) {
  static const neapL_wait_then then = {.finish = turned};
  neap_op *op = neapL_wait_begin(L, "a step of others");
  if (neap_turn(neapL_engine(L), op, lua_toboolean(L, 1)) < 0)
    return neapL_error_raise(L, "busy",
                             "another task is already going step by step");
  return neapL_wait(L, op, 0, &then);
}

/* wait_idle() */
static int wait_idle(lua_State *L) {
  neap_op *op = neapL_wait_begin(L, "a deadlock");
  if (neap_wait_idle(neapL_engine(L), op) < 0)
    return neapL_error_raise(L, "busy",
                             "another task is already waiting for a deadlock");
  return neapL_wait(L, op, 0, NULL);
}

/* Whether `task` is the current task, or owns it. */
static bool is_ours(lua_State *L, const neapL_task *task) {
  const neapL_task *t = neapL_task_current(L);
  while (t && t != task)
    t = t->parent;
  return t != NULL;
}

/* others() -> integer */
static int others(lua_State *L) {
  lua_Integer count = (lua_Integer)neapL_host_of(L)->live;
  for (const neapL_task *t = neapL_host_of(L)->current; t && t->parent;
       t = t->parent)
    count--;
  lua_pushinteger(L, count);
  return 1;
}

/* cancel_others() */
static int cancel_others(lua_State *L) {
  neapL_task *root = neapL_host_of(L)->root;
  for (neap_link *link = root->children.next; link != &root->children;
       link = link->next) {
    neapL_task *task = NEAP__ITEM(link, neapL_task, sibling);
    if (!is_ours(L, task))
      neapL_task_cancel(task, NEAP_ECANCELED);
  }
  return 0;
}

int neapL_testing_open(lua_State *L) {
  static const luaL_Reg functions[] = {{"set_clock", set_clock},
                                       {"seed", seed},
                                       {"turn", turn},
                                       {"wait_idle", wait_idle},
                                       {"others", others},
                                       {"cancel_others", cancel_others},
                                       {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
