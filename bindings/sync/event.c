/* Events: a task waits for an event until it is set.
 * SPDX-License-Identifier: MIT */
#include "event.h"

#include <lauxlib.h>

#include "task/class.h"
#include "task/task.h"
#include "task/wait.h"

#define EVENT_META "neap.event"

typedef struct event {
  bool is_set;
  neap_link waiters; /* a line of tasks */
} event;

/* event:wait() */
static int wait(lua_State *L) {
  event *e = neapL_class_check(L, 1, EVENT_META);
  if (e->is_set)
    return 0;
  lua_settop(L, 1);
  neap_op *op = neapL_wait_begin(L, "an event");
  neapL_task_line_up(op->data, &e->waiters, neapL_task_leave, NULL);
  return neapL_wait(L, op, 0, NULL);
}

/* event:set() */
static int set(lua_State *L) {
  event *e = neapL_class_check(L, 1, EVENT_META);
  e->is_set = true;
  neapL_task *waiter;
  while ((waiter = neapL_task_next(&e->waiters)))
    neap_op_settle(&waiter->op, 0);
  return 0;
}

/* event:clear() */
static int clear(lua_State *L) {
  event *e = neapL_class_check(L, 1, EVENT_META);
  e->is_set = false;
  return 0;
}

/* event:is_set() -> boolean */
static int is_set(lua_State *L) {
  const event *e = neapL_class_check(L, 1, EVENT_META);
  lua_pushboolean(L, e->is_set);
  return 1;
}

/* event() -> event */
static int new_event(lua_State *L) {
  event *e = lua_newuserdatauv(L, sizeof *e, 0);
  e->is_set = false;
  neap__list_init(&e->waiters);
  neapL_class_mark(L);
  return 1;
}

void neapL_event_open(lua_State *L) {
  static const luaL_Reg methods[] = {{"wait", wait},
                                     {"set", set},
                                     {"clear", clear},
                                     {"is_set", is_set},
                                     {NULL, NULL}};
  neapL_class_define(L, EVENT_META, methods, 0);
  lua_pushcclosure(L, new_event, 1);
  lua_setfield(L, -2, "event");
}
