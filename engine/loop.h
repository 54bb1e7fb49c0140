/* The event loop: libuv, the clock, and the queue of what is ready.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_LOOP_H
#define NEAP_LOOP_H

#include "neap.h"

typedef struct neap_loop neap_loop;
struct uv_loop_s;

/* Makes a loop; on success *out is *owned*. */
int neap__loop_new(const neap_alloc *alloc, neap_clock clock, neap_loop **out);

/* Forgets the operations that are ready and those of I/O: what they waited for
 * ends unseen. */
void neap__loop_forget(neap_loop *loop);

/* Closes every handle that is left on the loop, waits for requests that the
 * thread pool has begun, and frees the loop. Its operations have been forgotten
 * and the owners of handles have begun to close them before. */
void neap__loop_free(neap_loop *loop);

/* The allocator, and the uv loop for those who put handles on it. */
const neap_alloc *neap__loop_alloc(neap_loop *loop);
struct uv_loop_s *neap__loop_uv(neap_loop *loop);

/* Others put handles on the uv loop, too, our guests. They are known by being
 * referenced; whoever of us makes a handle has to uv_unref it. */
void neap__loop_share(neap_loop *loop);

/* Whether any of these is active. It counts as one more that is pending. */
bool neap__loop_has_guests(const neap_loop *loop);

/* Starts `op`, which ends when there is none. */
void neap__loop_await_guests(neap_loop *loop, neap_op *op);

/* See neap_uv_settle. */
void neap__loop_settle_guests(neap_loop *loop);

uint64_t neap__loop_now(neap_loop *loop);
uint64_t neap__loop_tick(neap_loop *loop); /* see neap_tick */
uint64_t neap__loop_real_now(void);        /* whatever the clock of a loop is */
bool neap__loop_is_virtual(const neap_loop *loop);
size_t neap__loop_pending(const neap_loop *loop);

/* The operations that are ready, and those that a drain has taken up. */
bool neap__loop_has_ready(const neap_loop *loop);

/* Calls `done` of the operations that are ready, and of those that become
 * ready meanwhile, for a bounded number of rounds. Returns how many. */
int neap__loop_drain(neap_loop *loop);

/* Has the drain that is going on end after the operation that it is at. */
void neap__loop_break(neap_loop *loop);

/* Runs uv's callbacks once, waiting for the first at most `max_wait_ns`. */
void neap__loop_wait(neap_loop *loop, uint64_t max_wait_ns);

/* Sets the virtual clock. */
void neap__loop_set_now(neap_loop *loop, uint64_t now);

/* Makes the clock real, or virtual from 0 on. The alarm is no longer set. */
void neap__loop_set_clock(neap_loop *loop, neap_clock clock);

/* See neap_turn. Returns NEAP_EBUSY when there is one already. */
int neap__loop_turn(neap_loop *loop, neap_op *op, bool may_wait);

/* See neap_wait_idle. */
int neap__loop_wait_idle(neap_loop *loop, neap_op *op);

/* The operation of that; NULL when there is none. */
neap_op *neap__loop_idler(const neap_loop *loop);

/* The operation of a turn that is pending, NULL when there is none; and whether
 * it may wait. */
neap_op *neap__loop_turning(const neap_loop *loop, bool *may_wait);

void neap__loop_wake(neap_loop *loop);

/* The one alarm of a loop: calls `fn` from neap__loop_wait once `at_ns` is
 * past, and no more; set anew it moves. On the virtual clock it never rings. */
typedef void (*neap__alarm_fn)(void *ud);
void neap__loop_on_alarm(neap_loop *loop, neap__alarm_fn fn, void *ud);
void *neap__loop_alarm_user(neap_loop *loop); /* that `ud` */
void neap__loop_set_alarm(neap_loop *loop, uint64_t at_ns);

/* Begins an operation that is idle: it counts as pending, and `drop` (which
 * must not call anybody back) gives up what it waits for. While it is pending
 * `op->link` is the caller's. */
void neap__op_begin(neap_loop *loop, neap_op *op, neap_op_fn drop);

/* The same for I/O, which neap__loop_forget has to know of: `op->link` is the
 * loop's. */
void neap__op_begin_io(neap_loop *loop, neap_op *op, neap_op_fn drop);

/* The same for what ends by itself, whatever anybody else does: work of a
 * thread. */
void neap__op_begin_work(neap_loop *loop, neap_op *op, neap_op_fn drop);

/* Whether any such is pending. */
bool neap__loop_has_work(const neap_loop *loop);

/* Ends an operation that is pending: it is ready now, with this outcome. */
void neap__op_finish(neap_op *op, int status, int detail);

/* neap_op_hold for those who have the loop in hand. */
void neap__op_hold(neap_loop *loop, neap_op *op);

#endif
