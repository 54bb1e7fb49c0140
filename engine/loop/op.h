/* Operations: from their start, through the ready queue, to their `done`.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_LOOP_OP_H
#define NEAP_LOOP_OP_H

#include "base/list.h"
#include "home.h"

/* The state of an operation that is idle. Smaller is one that has not been
 * initialized, greater one that is active. */
enum { NEAP__OP_IDLE = 1 };

/* Whether a host may start an operation. It is asked often. */
static inline bool neap__op_is_free(const neap_op *op) {
  return op && op->state == NEAP__OP_IDLE;
}

/* Whether a host may start it in this engine, here and now. */
static inline bool neap__op_may_start(const neap_engine *engine,
                                      const neap_op *op) {
  return neap__op_is_free(op) && neap__home_allows(engine);
}

/* Begins an operation that is idle: it counts as pending, and `drop` (which
 * must not call anybody back) gives up what it waits for. While it is pending
 * `op->link` is the caller's. */
void neap__op_begin(neap_engine *engine, neap_op *op, neap_op_fn drop);

/* The same for I/O, which neap_engine_free has to know of: `op->link` is the
 * engine's. */
void neap__op_begin_io(neap_engine *engine, neap_op *op, neap_op_fn drop);

/* The same for the work of a thread, which ends by itself, whatever others do.
 */
void neap__op_begin_work(neap_engine *engine, neap_op *op, neap_op_fn drop);

/* The same for an operation that does no more than wait in a list, as its last
 * item. */
void neap__op_begin_in(neap_engine *engine, neap_op *op, neap_link *list);

/* Begins an operation that has ended already: with NEAP_EPERM, and the number
 * of the refusal. Returns 0. */
int neap__op_refuse(neap_engine *engine, neap_op *op, int number);

/* Ends an operation that is pending: it is ready now, with this outcome. */
void neap__op_finish(neap_op *op, int status, int detail);

/* Has an operation that is idle delivered before all others, with status and
 * detail as they are. There is no such one. */
void neap__op_preempt(neap_engine *engine, neap_op *op);

/* Calls `done` of an operation that is ready. It may free the operation. */
void neap__op_deliver(neap_op *op);

/* Ends all operations of a list, or forgets them. */
void neap__ops_finish(neap_link *list, int status, int detail);
void neap__ops_forget(neap_link *list);

/* Forgets all operations of a list without dropping what they wait for: in the
 * child of a fork that is the parent's. */
void neap__ops_disown(neap_link *list);

/* Ends the first operation of a list, if it has any. */
void neap__ops_finish_first(neap_link *list, int status, int detail);

#endif
