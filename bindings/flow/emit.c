/* Events of the script's own.
 * SPDX-License-Identifier: MIT */
#include "emit.h"

#include <lauxlib.h>

#include "events.h"
#include "task/check.h"

/* emit(kind, fields) -> the task of the run to whose observers this reports an
 * event; nil where no run is. The names of the fields are strings. */
static int emit(lua_State *L) {
  const char *kind = neapL_check_string(L, 1);
  neapL_check_type(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  neapL_task *task = neapL_events_runner(neapL_task_current(L));
  if (!task)
    return 0;
  const neapL_task *owner = task;
  while (owner->internal)
    owner = owner->parent;
  neapL_task_push(L, owner); /* first, for observers may do anything */
  neapL_events_emit(L, task, kind, 2);
  return 1;
}

void neapL_emit_open(lua_State *L) {
  lua_pushcfunction(L, emit);
  lua_setfield(L, -2, "emit");
  lua_newtable(L); /* the names of neap's own kinds */
  for (int kind = 0; kind < NEAP_EVENT_EMIT; kind++) {
    lua_pushboolean(L, 1);
    lua_setfield(L, -2, neap_event_name((neap_event_kind)kind));
  }
  lua_setfield(L, -2, "event_kinds");
}
