/* How long a task may compute without a wait, and how one is ended that does
 * for longer. SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_TASK_COMPUTE_H
#define NEAP_BINDINGS_TASK_COMPUTE_H

#include "host.h"
#include "task.h"

/* Called under a budget, in code that may be ended: whether it has to be, since
 * the task has been cancelled, has to give memory back, or has computed for too
 * long. Pushes the error then. `now` is the monotonic clock's.
 * [-0, +(0|1), m] */
bool neapL_compute_has_to_end(lua_State *L, neapL_host *host, uint64_t now);

/* Returns when that has to be called again, or the budget is over. */
uint64_t neapL_compute_next_look(const neapL_host *host);

/* Counts what the task has computed since that was called last, when it is
 * suspended. */
void neapL_compute_count_rest(const neapL_budget *budget, neapL_task *task,
                              uint64_t now);

#endif
