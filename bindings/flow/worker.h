/* Workers: runs for attempts with a time limit and for items of a batch.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_FLOW_WORKER_H
#define NEAP_BINDINGS_FLOW_WORKER_H

#include "visit.h"

/* Each takes a step that begins workers, waits for them or stops them, and
 * returns the next step. [-0, +?, v] */
const neap_step *neapL_worker_attempt(lua_State *L, neapL_task *task,
                                      const neap_step *step);
const neap_step *neapL_worker_fork(lua_State *L, neapL_task *task,
                                   const neap_step *step);
const neap_step *neapL_worker_join(lua_State *L, neapL_task *task,
                                   const neap_step *step);
const neap_step *neapL_worker_stop(neapL_task *task);

#endif
