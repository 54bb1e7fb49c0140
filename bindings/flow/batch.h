/* Driving the items of a batch, and the branches of a parallel.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_BINDINGS_FLOW_BATCH_H
#define NEAP_BINDINGS_FLOW_BATCH_H

#include "visit.h"

/* Each takes a step of a batch, and returns the next step. [-0, +?, v] */
const neap_step *neapL_batch_items(lua_State *L, neapL_task *task,
                                   const neap_step *step);
const neap_step *neapL_batch_fetch(lua_State *L, neapL_task *task,
                                   const neap_step *step);
const neap_step *neapL_batch_turn(lua_State *L, neapL_task *task,
                                  const neap_step *step);
const neap_step *neapL_batch_item_end(lua_State *L, neapL_task *task,
                                      const neap_step *step);

/* Pushes what stands above the prep_res of a batch that goes on in a run that
 * was loaded, in place of the results and errors on top, each a table or nil,
 * that have been kept. [-2, +1, m] */
void neapL_batch_resume(lua_State *L, int self);

/* Notes where the self of a fetched item is. Does nothing when the step `next`
 * says that the run has not begun with the item. */
void neapL_batch_note_item(neapL_task *task, uint32_t depth,
                           const neap_step *next);

/* Returns the task in whose run the batch at a depth is: for a worker, its
 * owner. */
neapL_task *neapL_batch_owner(neapL_task *task, uint32_t depth);

/* Adds to the results what else post of a batch gets: the counts and the
 * errors. */
void neapL_batch_finish(lua_State *L, neapL_task *task, const neap_step *step);

#endif
