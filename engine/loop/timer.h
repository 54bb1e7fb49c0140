/* Timers: a hierarchical wheel of operations that wait for a time.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_LOOP_TIMER_H
#define NEAP_LOOP_TIMER_H

#include "neap.h"

/* Makes the timers of an engine, which use the alarm of its loop. */
int neap__timers_open(neap_engine *engine);

/* Forgets the operations that still wait, and frees the timers. */
void neap__timers_close(neap_engine *engine);

/* Ends all operations whose time has come. */
void neap__timers_expire(neap_engine *engine);

/* Does what the alarm would, if that is due at `now` of the real clock. */
void neap__timers_ring(neap_engine *engine, uint64_t now);

/* How many operations wait for a time. */
size_t neap__timers_count(const neap_engine *engine);

/* The earliest deadline, NEAP_FOREVER when there is none. Its cost grows with
 * the number of timers in one slot of the wheel; only the virtual clock needs
 * it. */
uint64_t neap__timers_next(neap_engine *engine);

#endif
