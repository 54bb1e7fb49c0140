/* The events of runs that the engine drives.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_DRIVE_TELL_H
#define NEAP_DRIVE_TELL_H

#include "neap.h"

/* Each reports what the step of a run, which has not been answered, tells of.
 * They do nothing where nobody watches the engine. */
void neap__tell_enter(neap_engine *engine, neap_run *run);
void neap__tell_leave(neap_engine *engine, const neap_run *run);
void neap__tell_items(neap_engine *engine, const neap_run *run, uint64_t count);
void neap__tell_item_start(neap_engine *engine, const neap_run *run);
void neap__tell_item_end(neap_engine *engine, const neap_run *run);
void neap__tell_warning(neap_engine *engine, const neap_run *run);

/* The run has been answered with a failure: reports what follows from it. */
void neap__tell_failure(neap_engine *engine, const neap_run *run);

/* The run is given up: reports that the visits end which it leaves behind. */
void neap__tell_end(neap_engine *engine, neap_run *run);

#endif
