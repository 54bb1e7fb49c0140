/* The life of a task: how it begins, goes on, and ends.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_TASK_TASK_LIFE_H
#define NEAP_BINDINGS_TASK_TASK_LIFE_H

#include "task.h"

/* Pushes a new task with the owner `parent`. It will call the function below
 * the `count` arguments on the stack, and has user values up to `last`. Raises
 * an error of code "closed" when the parent has ended. [-(count + 1), +1, v] */
neapL_task *neapL_task_spawn(lua_State *L, neapL_task *parent, int count,
                             int last);

/* Warns of the children of `owner` that have not begun, when the script ends.
 * [-0, +0, -] */
void neapL_task_warn_unbegun(neapL_task *owner);

/* Frees what the tasks below `root` hold outside of Lua, when the state is
 * closed. The tasks do not end: Lua runs finalizers in an order in which
 * nothing can wait any more. */
void neapL_task_forget_all(neapL_task *root);

#endif
