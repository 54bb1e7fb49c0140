/* Tasks as Lua sees them: spawn, await, cancel, join, status.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_FLOW_SPAWN_H
#define NEAP_BINDINGS_FLOW_SPAWN_H

#include "task/task.h"

/* Adds the functions spawn, run, start, call, join and is_task to the table on
 * top, and the methods of task objects to their metatable. [-0, +0, m] */
void neapL_spawn_open(lua_State *L);

/* Pushes a new task, owned by the one that runs, that calls the function below
 * the `count` arguments on top. [-count - 1, +1, v] */
neapL_task *neapL_spawn(lua_State *L, int count);

#endif
