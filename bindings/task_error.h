/* The error of a task: where it arose, and its way out.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_TASK_ERROR_H
#define NEAP_BINDINGS_TASK_ERROR_H

#include "task.h"

/* The message handler of what is called in a task: notes where an error arises
 * that nobody in between will catch. What is raised while that unwinds does not
 * take its place, but is noted, too. A cancellation has no traceback: it would
 * tell nobody anything, and looking for the names of functions is most of what
 * a cancellation would cost. */
int neap__task_trace(lua_State *L);

/* A call with that handler has failed with the error at `index`, and has
 * unwound: it suppresses what has been noted meanwhile. [-0, +0, m] */
void neap__task_unwound(lua_State *L, neap__task *task, int index);

/* Notes that the origin of the error that the task is about to raise is known
 * already. */
void neap__task_origin_is_known(neap__task *task);

/* Warns of the error on top, which is dropped for another one that is raised,
 * and adds it to the field `suppressed` of that error, at `index`, where that
 * is an object of neap's. [-1, +0, m] */
void neap__task_suppress(lua_State *L, int index);

/* Makes the origin on top, which is known from a task that works for this one,
 * that of the error which the task is about to raise; nil: it is not known.
 * [-1, +0, -] */
void neap__task_set_origin(lua_State *L, neap__task *task);

/* Makes the value on top the error that a task has ended with. [-1, +0, -] */
void neap__task_keep_error(lua_State *L, neap__task *task);

/* A task fails of the first of its own that failed unheard, `child`: it ends
 * with the error of that. [-0, +?, -] */
void neap__task_inherit(neap__task *task, const neap__task *child);

/* A task that has failed otherwise suppresses the error of that.
 * [-0, +?, -] */
void neap__task_drop(neap__task *task);

/* Warns that a task failed for which nobody waits, and lets go of it.
 * [-0, +0, -] */
void neap__task_hear_of(neap__task *task);

#endif
