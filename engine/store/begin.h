/* The memory store: runs that begin, signals, schedules.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_STORE_BEGIN_H
#define NEAP_STORE_BEGIN_H

#include "result.h"
#include "world.h"

/* The calls of these names in neap_store.h, at a time. */
int neap__begin_run(neap__world *world, int64_t now,
                    const neap_store_start_opts *given, neap_store_result *out);
int neap__begin_signal(neap__world *world, int64_t now,
                       const neap__store_send *given, neap_store_result *out);
int neap__begin_schedule(neap__world *world, int64_t now,
                         const neap__store_schedule *given,
                         neap_store_result *out);

#endif
