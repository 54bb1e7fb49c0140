/* Time limits of tasks, of which a task may have several.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_TASK_TIME_LIMIT_H
#define NEAP_BINDINGS_TASK_TIME_LIMIT_H

#include "task.h"

/* Cancels a task when `seconds` have passed. A limit that `wakes` is something
 * that a deadlock is not; other limits only bound what would end anyway. Where
 * memory is refused the task, which nobody would limit, is cancelled, too.
 * [-0, +0, m] */
void neapL_time_limit_set(lua_State *L, neapL_task *task, double seconds,
                          bool wakes);

/* Lets go of all that a task has, when it has ended. [-0, +0, -] */
void neapL_time_limit_end(neapL_task *task);

#endif
