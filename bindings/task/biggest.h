/* What uses most of the memory, and how it is ended.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_TASK_BIGGEST_H
#define NEAP_BINDINGS_TASK_BIGGEST_H

#include <stdbool.h>
#include <stddef.h>

#include "task.h"

/* The cap has been reached, and nothing is left to collect: chooses among the
 * `families` what is to be ended, and sets `to_end` of the host. Returns false
 * when none uses enough. *sum is what is used by all of which tasks live.
 * Allocates nothing. */
bool neapL_biggest_find(neapL_host *host, const neap_link *families,
                        size_t *sum);

/* Whether a task is among what has been chosen. */
bool neapL_biggest_has(const neapL_task *task);

/* Pushes the error of a task that is being ended for its memory.
 * [-0, +1, m] */
void neapL_biggest_push_error(lua_State *L, const neapL_task *task);

/* Ends what has been chosen. To be called where no task runs. Returns how many
 * tasks that are. [-0, +0, -] */
size_t neapL_biggest_end(neapL_host *host);

#endif
