/* Runs that work for another: attempts with a time limit, workers of a batch.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_WORKER_H
#define NEAP_BINDINGS_WORKER_H

#include "visit.h"

/* Take the steps in which such runs begin, are waited for, and are stopped.
 * [-0, +?, v] */
answer neap__worker_attempt(lua_State *L, neap__task *task,
                            const neap_step *step);
answer neap__worker_fork(lua_State *L, neap__task *task, const neap_step *step);
answer neap__worker_join(lua_State *L, neap__task *task, const neap_step *step);
answer neap__worker_stop(neap__task *task);

#endif
