/* The error of a task: its origin, and how it leaves the task.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_TASK_TASK_ERROR_H
#define NEAP_BINDINGS_TASK_TASK_ERROR_H

#include "task.h"

/* The message handler of what is called in a task: notes the origin of an error
 * that nothing on its way will catch. An error that is raised while that one
 * unwinds does not take its place, but is noted as well. A cancellation has no
 * traceback: it would be of no use, and looking up the names of functions is
 * most of its cost. */
int neapL_task_trace(lua_State *L);

/* To be called when a call with that handler has failed with the error at
 * `index`, and has unwound. The error suppresses those that have been noted
 * meanwhile. [-0, +0, m] */
void neapL_task_unwound(lua_State *L, neapL_task *task, int index);

/* Notes that the task is about to raise an error whose origin is known. */
void neapL_task_origin_is_known(neapL_task *task);

/* Warns of the error on top, which is dropped for the one at `index`. Adds it
 * to the field `suppressed` of that, if that is an error object. [-1, +0, m] */
void neapL_task_suppress(lua_State *L, int index);

/* Makes the origin on top that of the error which the task is about to raise:
 * it comes from a worker. With nil there is none. [-1, +0, -] */
void neapL_task_set_origin(lua_State *L, neapL_task *task);

/* Makes the value on top the error with which a task ends. [-1, +0, -] */
void neapL_task_keep_error(lua_State *L, neapL_task *task);

/* Makes a task fail with the error of `child`, the first of its children that
 * failed unheard. [-0, +?, -] */
void neapL_task_inherit(neapL_task *task, const neapL_task *child);

/* Adds the error of that child to those that the task's own error suppresses.
 * [-0, +?, -] */
void neapL_task_drop(neapL_task *task);

/* Warns that a task failed and nothing awaits it, and releases it. [-0, +0, -]
 */
void neapL_task_hear_of(neapL_task *task);

/* Pushes the error that ends a task which has been cancelled, or has used too
 * much. [-0, +1, m] */
void neapL_task_push_end(lua_State *L, const neapL_task *task);

#endif
