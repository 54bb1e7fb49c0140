/* The list of the tasks that wait: for what, since when, and where.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_TASK_DUMP_H
#define NEAP_BINDINGS_TASK_DUMP_H

#include <lua.h>

/* The registry's key of the function that tells more of a task: it gets the
 * task and returns a text and a table, or nothing. */
#define NEAPL_DUMP_DESCRIBE "neap.describe"

/* Pushes the text of neap.dump(): for each task what it waits for, since when,
 * and where. [-0, +1, m] */
void neapL_task_dump(lua_State *L);

/* Pushes the list of neap.tasks(): the same, as tables. [-0, +1, m] */
void neapL_task_list(lua_State *L);

#endif
