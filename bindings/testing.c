/* What lua/neap/testing.lua is made of.
 * SPDX-License-Identifier: MIT */
#include "testing.h"

#include <lauxlib.h>

#include "check.h"
#include "error.h"
#include "wait.h"

/* set_clock(virtual) */
static int set_clock(lua_State *L) {
  neap_set_clock(neap__engine(L),
                 lua_toboolean(L, 1) ? NEAP_CLOCK_VIRTUAL : NEAP_CLOCK_REAL);
  return 0;
}

/* seed(n) */
static int seed(lua_State *L) {
  neap__host_of(L)->seed = (uint64_t)neap__opt_integer(L, 1, 0);
  return 0;
}

static int turned(lua_State *L, const neap_op *op) {
  lua_pushboolean(L, op->detail == 1);
  return 1;
}

/* turn(may_wait) -> boolean */
static int turn(lua_State *L) {
  static const neap__wait_then then = {.finish = turned};
  neap_op *op = neap__wait_begin(L, "a step of others");
  if (neap_turn(neap__engine(L), op, lua_toboolean(L, 1)) < 0)
    return neap__error_raise(L, "busy", "another task goes step by step");
  return neap__wait(L, op, 0, &then);
}

/* wait_idle() */
static int wait_idle(lua_State *L) {
  neap_op *op = neap__wait_begin(L, "a deadlock");
  if (neap_wait_idle(neap__engine(L), op) < 0)
    return neap__error_raise(L, "busy", "another task waits for a deadlock");
  return neap__wait(L, op, 0, NULL);
}

/* Whether `task` runs, or owns who does. */
static bool is_ours(lua_State *L, const neap__task *task) {
  const neap__task *t = neap__task_current(L);
  while (t && t != task)
    t = t->parent;
  return t != NULL;
}

/* others() -> integer */
static int others(lua_State *L) {
  lua_Integer count = (lua_Integer)neap__host_of(L)->live;
  for (const neap__task *t = neap__host_of(L)->current; t && t->parent;
       t = t->parent)
    count--;
  lua_pushinteger(L, count);
  return 1;
}

/* cancel_others() */
static int cancel_others(lua_State *L) {
  neap__task *root = neap__host_of(L)->root;
  for (neap_link *link = root->children.next; link != &root->children;
       link = link->next) {
    neap__task *task = NEAP__ITEM(link, neap__task, sibling);
    if (!is_ours(L, task))
      neap__task_cancel(task, NEAP_ECANCELED);
  }
  return 0;
}

int neap__testing_open(lua_State *L) {
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
