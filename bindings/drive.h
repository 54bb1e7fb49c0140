/* Driving a run: the C function that calls the methods of Lua nodes.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_DRIVE_H
#define NEAP_BINDINGS_DRIVE_H

#include "task.h"

/* What the data pointer of a Lua node's neap_node points at. */
typedef struct neap__record {
  int methods;        /* where the plan has what NEAP__PLAN_* names */
  bool params;        /* whether the node has some of its own */
  bool is_batch;      /* its prep says what there is to do */
  bool selfless;      /* a flow without methods: its visits need no self */
  const char *atomic; /* the node's name if its methods must not wait */
} neap__record;

/* What the plan, a table, holds for each node, from `methods` on. */
enum {
  NEAP__PLAN_VIEW,  /* the metatable of a visit's self */
  NEAP__PLAN_PHASE, /* the four methods, in the order of neap_phase */
  NEAP__PLAN_PARAMS = NEAP__PLAN_PHASE + 4, /* the node's own, or false */
  NEAP__PLAN_BRANCHES, /* of a parallel: the list of its branches, or false */
  NEAP__PLAN_SIZE,
};

/* What the task of a run calls. */
int neap__drive_begin(lua_State *L);

/* Pushes a new task that walks `node` of `flow`. On the stack are, and are
 * popped: neap__drive_begin, the plan's table, shared, params or nil. The
 * function for events is at the index `on_event`, or nil. `max_steps` is 0 for
 * no limit. [-4, +1, v] */
neap__task *neap__drive_spawn(lua_State *L, neap_flow *flow,
                              const neap_node *node, int on_event,
                              uint64_t max_steps);

/* Notes on the failed task at stack index 1 where its run failed. [-0, +?, v]
 */
void neap__drive_locate(lua_State *L, neap__task *task);

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
