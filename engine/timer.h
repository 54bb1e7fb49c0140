/* Timers: a hierarchical wheel of operations that wait for a time.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_TIMER_H
#define NEAP_TIMER_H

#include "loop.h"

typedef struct neap__timers neap__timers;

/* Makes the timers of a loop, whose alarm they use. *out is *owned*. */
int neap__timers_new(neap_loop *loop, neap__timers **out);
/* Forgets the operations that still wait, and frees the timers. */
void neap__timers_free(neap__timers *timers);

/* Starts `op`, which is idle, to end once the clock has reached `deadline`; 0
 * is at once, whatever else is overdue. */
void neap__timers_add(neap__timers *timers, neap_op *op, uint64_t deadline);

/* Ends all operations whose time has come. */
void neap__timers_expire(neap__timers *timers);

/* The clock has been set, from `before`: those that wait do so for as long as
 * they had left. */
void neap__timers_rebase(neap__timers *timers, uint64_t before);

/* How many operations wait for a time. */
size_t neap__timers_count(const neap__timers *timers);

/* The earliest deadline, NEAP_FOREVER when there is none. Its cost grows with
 * the number of timers that are due within one slot of the wheel; only the
 * virtual clock asks. */
uint64_t neap__timers_next(neap__timers *timers);

#endif
