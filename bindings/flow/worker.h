/* Runs that work for another: attempts with a time limit, workers of a batch.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_FLOW_WORKER_H
#define NEAP_BINDINGS_FLOW_WORKER_H

#include "visit.h"

/* Take the steps in which such runs begin, are waited for, and are stopped.
 * [-0, +?, v] */
const neap_step *neapL_worker_attempt(lua_State *L, neapL_task *task,
                                      const neap_step *step);
const neap_step *neapL_worker_fork(lua_State *L, neapL_task *task,
                                   const neap_step *step);
const neap_step *neapL_worker_join(lua_State *L, neapL_task *task,
                                   const neap_step *step);
const neap_step *neapL_worker_stop(neapL_task *task);

#endif
