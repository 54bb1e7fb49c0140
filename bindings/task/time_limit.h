/* The time limits of a task.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_TASK_TIME_LIMIT_H
#define NEAP_BINDINGS_TASK_TIME_LIMIT_H

#include "task.h"

/* Makes a task be cancelled when `seconds` have passed. It may have several
 * limits. With `wakes`, a pending limit means that there is no deadlock; other
 * limits only bound what would end anyway. When there is no memory, the task is
 * cancelled at once. [-0, +0, m] */
void neapL_time_limit_set(lua_State *L, neapL_task *task, double seconds,
                          bool wakes);

/* Frees the time limits of a task that has ended. [-0, +0, -] */
void neapL_time_limit_end(neapL_task *task);

/* Cancels the task if one of its time limits has passed, although the engine
 * has not told so. */
void neapL_time_limit_check(neapL_task *task);

#endif
