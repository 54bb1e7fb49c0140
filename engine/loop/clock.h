/* The clock of an engine: the system's, or one that is kept here.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_LOOP_CLOCK_H
#define NEAP_LOOP_CLOCK_H

#include "neap.h"

/* Makes the clock one of these. Timers have to be set anew. */
void neap__clock_set(neap_engine *engine, neap_clock clock);

/* The time of the real clock, whatever the clock of an engine is. */
uint64_t neap__clock_real_now(void);

/* Sets a clock that does not go by itself. */
void neap__clock_move(neap_engine *engine, uint64_t now);

/* How long it is, in real time, until the clock says so; NEAP_FOREVER when it
 * does not go by itself. */
uint64_t neap__clock_left(neap_engine *engine, uint64_t at_ns);

#endif
