/* Events: once set, nobody waits for them.
 * SPDX-License-Identifier: MIT */
#include "event.h"

#include <lauxlib.h>

#include "task.h"
#include "wait.h"

#define EVENT_META "neap.event"

typedef struct event {
  bool is_set;
  neap_link waiters; /* of neap__place, on the stacks of those who wait */
} event;

static void drop(neap__task *task) {
  neap__place *place = task->dropped;
  neap__list_remove(&place->link);
}

static int woken(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  neap__wait_end(L);
  return 0;
}

/* event:wait() */
static int wait(lua_State *L) {
  event *e = luaL_checkudata(L, 1, EVENT_META);
  if (e->is_set)
    return 0;
  lua_settop(L, 1);
  neap__task *task = neap__task_current(L);
  neap__place *place = lua_newuserdatauv(L, sizeof *place, 0);
  place->task = task;
  neap__wait_begin(L, "an event");
  neap__task_hold(task, drop, place);
  neap__list_append(&e->waiters, &place->link);
  return neap__wait(L, woken);
}

/* event:set() */
static int set(lua_State *L) {
  event *e = luaL_checkudata(L, 1, EVENT_META);
  e->is_set = true;
  while (!neap__list_empty(&e->waiters)) {
    neap_link *link = e->waiters.next;
    neap__list_remove(link);
    neap_op_settle(&NEAP__ITEM(link, neap__place, link)->task->op, 0);
  }
  return 0;
}

/* event:clear() */
static int clear(lua_State *L) {
  event *e = luaL_checkudata(L, 1, EVENT_META);
  e->is_set = false;
  return 0;
}

/* event:is_set() -> boolean */
static int is_set(lua_State *L) {
  const event *e = luaL_checkudata(L, 1, EVENT_META);
  lua_pushboolean(L, e->is_set);
  return 1;
}

/* event() -> event */
static int new_event(lua_State *L) {
  event *e = lua_newuserdatauv(L, sizeof *e, 0);
  e->is_set = false;
  neap__list_init(&e->waiters);
  luaL_setmetatable(L, EVENT_META);
  return 1;
}

void neap__event_open(lua_State *L) {
  static const luaL_Reg methods[] = {{"wait", wait},
                                     {"set", set},
                                     {"clear", clear},
                                     {"is_set", is_set},
                                     {NULL, NULL}};
  luaL_newmetatable(L, EVENT_META);
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
  lua_pushcfunction(L, new_event);
  lua_setfield(L, -2, "event");
}
