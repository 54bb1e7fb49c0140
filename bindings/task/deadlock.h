/* Deadlocks: tasks wait, and nothing is left that could wake anyone.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_TASK_DEADLOCK_H
#define NEAP_BINDINGS_TASK_DEADLOCK_H

#include "task.h"

/* True when nothing is left that could wake anyone; idle operations do not
 * count. */
bool neapL_deadlock_is_here(const neapL_host *host);

/* Has the task learn of a deadlock at its outermost wait, where it waits: that
 * ends with an error that tells what all wait for. Where code that runs
 * meanwhile has ended the deadlock, nothing happens. [-0, +0, -] */
void neapL_deadlock_tell(neapL_task *task);

/* The same for a wait that has no end because a finalizer waits between two
 * tasks, while the loop is being driven. [-0, +0, -] */
void neapL_deadlock_refuse(neapL_task *task);

#endif
