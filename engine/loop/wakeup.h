/* Telling the host that a slice is wanted.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_LOOP_WAKEUP_H
#define NEAP_LOOP_WAKEUP_H

#include "neap.h"

/* Tells the host, unless it has been told since the last slice began. For the
 * engine's own thread, outside of slices and polls, where the engine may be
 * amid a change: what the host calls then is refused. */
void neap__wakeup_from_inside(neap_engine *engine);

/* To be called when a slice or poll begins, and when it ends; `more` is whether
 * it leaves work. */
void neap__wakeup_begin(neap_engine *engine);
void neap__wakeup_end(neap_engine *engine, bool more);

#endif
