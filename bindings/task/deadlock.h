/* Deadlocks: tasks wait, and nothing is left that could wake one.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_TASK_DEADLOCK_H
#define NEAP_BINDINGS_TASK_DEADLOCK_H

#include "task.h"

/* True when nothing is left that could wake a task. Idle operations do not
 * count. */
bool neapL_deadlock_is_here(const neapL_host *host);

/* Ends the outermost wait of a task, if it waits, with the error of a deadlock,
 * which tells what all tasks wait for. Making the error may run code that ends
 * the deadlock; then nothing happens. [-0, +0, -] */
void neapL_deadlock_tell(neapL_task *task);

/* The same for a wait that cannot end: that of a finalizer that runs between
 * two tasks, while the loop is being driven. [-0, +0, -] */
void neapL_deadlock_refuse(neapL_task *task);

#endif
