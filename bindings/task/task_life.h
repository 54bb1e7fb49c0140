/* The life of a task: how it begins, goes on, and ends.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_TASK_TASK_LIFE_H
#define NEAP_BINDINGS_TASK_TASK_LIFE_H

#include "task.h"

/* Pushes a new task, owned by `parent`, that will call the function below the
 * `count` arguments on the stack, and has its results. It has user values up to
 * `last`. Raises an error of code "closed" when the parent has ended.
 * [-(count + 1), +1, v] */
neapL_task *neapL_task_spawn(lua_State *L, neapL_task *parent, int count,
                             int last);

/* Warns of the tasks of `owner` that the end of the script comes before: those
 * that have not begun. [-0, +0, -] */
void neapL_task_warn_unbegun(neapL_task *owner);

/* Lets go of all that the tasks below `root` wait for and own outside of Lua,
 * when the state is closed: they are not ended, for Lua runs finalizers in an
 * order in which nobody can wait any more. */
void neapL_task_forget_all(neapL_task *root);

#endif
