/* The error of a task: where it arose, and its way out.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_TASK_TASK_ERROR_H
#define NEAP_BINDINGS_TASK_TASK_ERROR_H

#include "task.h"

/* The message handler of what is called in a task: notes where an error arises
 * that nobody in between will catch. What is raised while that unwinds does not
 * take its place, but is noted, too. A cancellation has no traceback: it would
 * tell nobody anything, and looking for the names of functions is most of what
 * a cancellation would cost. */
int neapL_task_trace(lua_State *L);

/* A call with that handler has failed with the error at `index`, and has
 * unwound: it suppresses what has been noted meanwhile. [-0, +0, m] */
void neapL_task_unwound(lua_State *L, neapL_task *task, int index);

/* Notes that the origin of the error that the task is about to raise is known
 * already. */
void neapL_task_origin_is_known(neapL_task *task);

/* Warns of the error on top, which is dropped for another one that is raised,
 * and adds it to the field `suppressed` of that error, at `index`, where that
 * is an object of neap's. [-1, +0, m] */
void neapL_task_suppress(lua_State *L, int index);

/* Makes the origin on top, which is known from a task that works for this one,
 * that of the error which the task is about to raise; nil: it is not known.
 * [-1, +0, -] */
void neapL_task_set_origin(lua_State *L, neapL_task *task);

/* Makes the value on top the error that a task has ended with. [-1, +0, -] */
void neapL_task_keep_error(lua_State *L, neapL_task *task);

/* A task fails of the first of its own that failed unheard, `child`: it ends
 * with the error of that. [-0, +?, -] */
void neapL_task_inherit(neapL_task *task, const neapL_task *child);

/* A task that has failed otherwise suppresses the error of that.
 * [-0, +?, -] */
void neapL_task_drop(neapL_task *task);

/* Warns that a task failed for which nobody waits, and lets go of it.
 * [-0, +0, -] */
void neapL_task_hear_of(neapL_task *task);

#endif
