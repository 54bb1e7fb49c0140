/* The events of a run, for the observers of the run and of the engine.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_FLOW_EVENTS_H
#define NEAP_BINDINGS_FLOW_EVENTS_H

#include "visit.h"

/* Whether anybody observes the run of a task. */
static inline bool neapL_events_wanted(const neapL_task *task) {
  return task->observed || neap_is_watched(task->host->engine);
}

/* Each reports an event to the observers of the run. To be called only where
 * there are any: few runs have them, and a call costs. [-0, +0, m] */
void neapL_events_start(lua_State *L, neapL_task *task, uint32_t depth);
void neapL_events_items(lua_State *L, neapL_task *task, const neap_step *step,
                        uint64_t count);
void neapL_events_item_start(lua_State *L, neapL_task *task, uint32_t depth,
                             uint64_t index);
void neapL_events_item_end(lua_State *L, neapL_task *task,
                           const neap_step *step);

/* The same of a failure, if there are any. */
void neapL_events_failure(lua_State *L, neapL_task *task,
                          const neap_step *next);

/* Reports the end of a visit, which the step LEAVE tells of, and takes the next
 * step. neapL_events_leave_all does so as long as visits end. [-0, +0, m] */
const neap_step *neapL_events_leave(lua_State *L, neapL_task *task,
                                    const neap_step *step);
const neap_step *neapL_events_leave_all(lua_State *L, neapL_task *task,
                                        const neap_step *step);

/* Reports the ends of the visits that the run of a task leaves behind, which
 * ends with the task's error. The task waits for nothing any more, and does not
 * run. [-0, +0, -] */
void neapL_events_abandon(neapL_task *task);

/* Reports an event of the script's own: its kind, and a table of its fields,
 * whose names are strings, at stack index `fields`. `task` has a run.
 * [-0, +0, v] */
void neapL_events_emit(lua_State *L, neapL_task *task, const char *kind,
                       int fields);

/* Returns the task whose run `task` is part of: itself, or the nearest of those
 * that own it. NULL: none. */
neapL_task *neapL_events_runner(neapL_task *task);

/* Warns with the text on top, and reports that to the observers of the run of
 * `task`, if it has one, as an event of the visit at `depth`. [-1, +0, m] */
void neapL_events_warning(lua_State *L, neapL_task *task, uint32_t depth);

/* Reports to the observers of a task's run, if it has one, that the task has
 * spawned another, waits, has been woken, or gets its cancellation. They may do
 * anything but wait. [-0, +0, -] */
void neapL_events_task(neapL_task *task, neap_event_kind kind);

/* Reports to the observers of the run of `task` that `what` has failed, with
 * the error at stack index `error`, and will be tried again after a delay.
 * `attempt` counts from 0. [-0, +0, v] */
void neapL_events_retry(lua_State *L, neapL_task *task, const char *what,
                        uint32_t attempt, uint64_t delay_ns, int error);

#endif
