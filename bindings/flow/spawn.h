/* The functions of tasks for Lua: spawn, await, cancel, join, status.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_FLOW_SPAWN_H
#define NEAP_BINDINGS_FLOW_SPAWN_H

#include "task/task.h"

/* Adds the functions of tasks to the table on top, and registers the class of
 * task objects. [-0, +0, m] */
void neapL_spawn_open(lua_State *L);

/* Pushes a new task, owned by the current one. It will call the function below
 * the `count` arguments on top. [-count - 1, +1, v] */
neapL_task *neapL_spawn(lua_State *L, int count);

/* A function for Lua: (plan, shared, params, on_event, max_steps, timeout) ->
 * the task of a run, which belongs to the root. */
int neapL_spawn_run(lua_State *L);

#endif
