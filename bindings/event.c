/* Events: once set, nobody waits for them.
 * SPDX-License-Identifier: MIT */
#include "event.h"

#include <lauxlib.h>

#include "object.h"
#include "task.h"
#include "wait.h"

#define EVENT_META "neap.event"

typedef struct event {
  bool is_set;
  neap_link waiters; /* a line of tasks */
} event;

/* event:wait() */
static int wait(lua_State *L) {
  event *e = neap__object_check(L, 1, EVENT_META);
  if (e->is_set)
    return 0;
  lua_settop(L, 1);
  neap_op *op = neap__wait_begin(L, "an event");
  neap__task_line_up(op->data, &e->waiters, neap__task_leave, NULL);
  return neap__wait(L, op, 0, NULL);
}

/* event:set() */
static int set(lua_State *L) {
  event *e = neap__object_check(L, 1, EVENT_META);
  e->is_set = true;
  neap__task *waiter;
  while ((waiter = neap__task_next(&e->waiters)))
    neap_op_settle(&waiter->op, 0);
  return 0;
}

/* event:clear() */
static int clear(lua_State *L) {
  event *e = neap__object_check(L, 1, EVENT_META);
  e->is_set = false;
  return 0;
}

/* event:is_set() -> boolean */
static int is_set(lua_State *L) {
  const event *e = neap__object_check(L, 1, EVENT_META);
  lua_pushboolean(L, e->is_set);
  return 1;
}

/* event() -> event */
static int new_event(lua_State *L) {
  event *e = lua_newuserdatauv(L, sizeof *e, 0);
  e->is_set = false;
  neap__list_init(&e->waiters);
  neap__object_mark(L);
  return 1;
}

void neap__event_open(lua_State *L) {
  static const luaL_Reg methods[] = {{"wait", wait},
                                     {"set", set},
                                     {"clear", clear},
                                     {"is_set", is_set},
                                     {NULL, NULL}};
  neap__object_class(L, EVENT_META, methods, 0);
  lua_pushcclosure(L, new_event, 1);
  lua_setfield(L, -2, "event");
}
