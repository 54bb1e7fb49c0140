/* Driving a run: the C function that calls the methods of Lua nodes.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_FLOW_DRIVE_H
#define NEAP_BINDINGS_FLOW_DRIVE_H

#include "task/wait.h"
#include "visit.h"

/* What tasks need to know of runs. */
extern const neapL_runs neapL_drive_runs;

/* The function of the task of a run. */
int neapL_drive_begin(lua_State *L);

/* Pushes a new task of `owner` that walks `node` of `flow`. It pops four
 * values: neapL_drive_begin, the plan's table, shared, and params or nil. The
 * on_event is at the index `on_event`, or nil. `max_steps` is 0 for no limit.
 * [-4, +1, v] */
neapL_task *neapL_drive_spawn(lua_State *L, neapL_task *owner, neap_flow *flow,
                              const neap_node *node, int on_event,
                              uint64_t max_steps);

/* Drives a run from `step` on, until it ends or waits. Continuations return the
 * result. */
int neapL_drive(lua_State *L, neapL_task *task, const neap_step *step);

/* Calls the function below the `count` arguments on top, for so many results.
 * If a failure would be caught, the call is protected, with the run's message
 * handler. Returns as lua_pcallk does; `k` is the continuation after a wait.
 * [-count - 1, +results, v] */
int neapL_drive_call(lua_State *L, neapL_task *task, const neap_step *step,
                     int count, int results, lua_KFunction k);

static inline bool call_failed(int status) {
  return status != LUA_OK && status != LUA_YIELD;
}

/* Tell the run that the step has failed, and return its next step.
 * neapL_drive_fail_as is for the error on top of a call that has returned
 * `status`, neapL_drive_fail for an error that did not come out of a call.
 * [-1, +0, v] */
const neap_step *neapL_drive_fail_as(lua_State *L, neapL_task *task,
                                     int status);
const neap_step *neapL_drive_fail(lua_State *L, neapL_task *task);

/* The same when the origin of the error is noted already. [-1, +0, v] */
const neap_step *neapL_drive_failed(lua_State *L, neapL_task *task);

/* The run has failed with the error at ERROR, and goes on with the step `next`:
 * tells of it, and ends the tasks of the attempt. [-0, +0, v] */
const neap_step *neapL_drive_unwound(lua_State *L, neapL_task *task,
                                     const neap_step *next);

/* Waits for `op`, and then tells the run that the step has been taken. A run is
 * always driven in a task, so this suspends and does not return. */
const neap_step *neapL_drive_wait(lua_State *L, neap_op *op);

/* Waits until one of the task's children has ended; `then` goes on. Does not
 * return either. */
const neap_step *neapL_drive_wait_child(lua_State *L, neapL_task *task,
                                        const char *what,
                                        const neapL_wait_then *then);

#endif
