/* Driving the items of a batch, and the branches of a parallel.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_FLOW_BATCH_H
#define NEAP_BINDINGS_FLOW_BATCH_H

#include "visit.h"

/* Take the steps of a batch. [-0, +?, v] */
const neap_step *neapL_batch_items(lua_State *L, neapL_task *task,
                                   const neap_step *step);
const neap_step *neapL_batch_fetch(lua_State *L, neapL_task *task,
                                   const neap_step *step);
const neap_step *neapL_batch_turn(lua_State *L, neapL_task *task,
                                  const neap_step *step);
const neap_step *neapL_batch_item_end(lua_State *L, neapL_task *task,
                                      const neap_step *step);

/* Notes where the self of the item is that has been fetched, if the run has
 * begun with it: that led to the step `next`. */
void neapL_batch_note_item(neapL_task *task, uint32_t depth,
                           const neap_step *next);

/* The task in whose run the batch at a depth is: a worker's batch is its
 * owner's. */
neapL_task *neapL_batch_owner(neapL_task *task, uint32_t depth);

/* Fills in what post of a batch gets besides the items' results. */
void neapL_batch_finish(lua_State *L, neapL_task *task, const neap_step *step);

#endif
