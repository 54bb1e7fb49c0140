/* The events of a run, for whoever watches it or the engine.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_REPORT_H
#define NEAP_BINDINGS_REPORT_H

#include "visit.h"

/* Tells whoever watches the run; each does nothing when nobody does.
 * [-0, +0, m] */
void neap__report_start(lua_State *L, neap__task *task, uint32_t depth);
void neap__report_items(lua_State *L, neap__task *task, const neap_step *step,
                        uint64_t count);
void neap__report_item_start(lua_State *L, neap__task *task, uint32_t depth,
                             uint64_t index);
void neap__report_item_end(lua_State *L, neap__task *task,
                           const neap_step *step);
void neap__report_failure(lua_State *L, neap__task *task,
                          const neap_step *next);

/* Warns with the text on top, and tells whoever watches the run of `task`, if
 * it has one, of the visit at `depth`. [-1, +0, m] */
void neap__report_warning(lua_State *L, neap__task *task, uint32_t depth);

/* Tells those who watch the run of a task, if it has one, that it has spawned
 * another, waits, has been woken, or is told of its cancellation. They may do
 * anything but wait. [-0, +0, -] */
void neap__report_task(neap__task *task, neap_event_kind kind);

/* Tells those who watch the run of `task` that `what` has failed, with the
 * error at stack index `error`, and is tried again after a delay. `attempt`
 * counts from 0. [-0, +0, v] */
void neap__report_retry(lua_State *L, neap__task *task, const char *what,
                        uint32_t attempt, uint64_t delay_ns, int error);

#endif
