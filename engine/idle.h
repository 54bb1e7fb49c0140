/* What is done when nothing is ready: who waits for that, and the virtual
 * clock. SPDX-License-Identifier: MIT */
#ifndef NEAP_IDLE_H
#define NEAP_IDLE_H

#include "neap.h"

/* How many operations are pending but for those that wait for the others. */
size_t neap__idle_others(const neap_engine *engine);

/* The operation that waits for there to be nothing ready, or nothing pending,
 * and that has come true, if nothing is ready; NULL when there is no such one.
 * neap__idle_end_waiter ends it, and is false when there is none. */
neap_op *neap__idle_waiter(const neap_engine *engine, size_t others);
bool neap__idle_end_waiter(neap_engine *engine, size_t others);

/* How long, in real time, to wait for I/O before the virtual clock jumps, so
 * that results do not depend on the speed of I/O. */
uint64_t neap__idle_patience(const neap_engine *engine, size_t others);

/* Lets the virtual clock jump to the next deadline, but by no more than
 * `max_wait_ns`. With 0 it jumps however far, since that costs no time, but not
 * before polls without a wait have found nothing ready for all of `patience`.
 */
void neap__idle_jump(neap_engine *engine, uint64_t patience,
                     uint64_t max_wait_ns);

#endif
