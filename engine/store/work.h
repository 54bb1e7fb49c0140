/* The memory store: workers, and the runs that they have.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_STORE_WORK_H
#define NEAP_STORE_WORK_H

#include "result.h"
#include "world.h"

/* The calls of these names in neap_store.h, at a time. */
int neap__work_join(neap__world *world, int64_t now,
                    const neap_store_join_opts *given, neap_store_result *out);
int neap__work_beat(neap__world *world, int64_t now,
                    const neap__store_owner *given, neap_store_result *out);
int neap__work_leave(neap__world *world, int64_t now,
                     const neap__store_owner *given, neap_store_result *out);
int neap__work_claim(neap__world *world, int64_t now,
                     const neap__store_claim *given, neap_store_result *out);
int neap__work_release(neap__world *world, int64_t now,
                       const neap__store_release *given,
                       neap_store_result *out);
int neap__work_due(neap__world *world, int64_t now,
                   const neap__store_page *given, neap_store_result *out);
int neap__work_wish(neap__world *world, int64_t now,
                    const neap__store_wish *given, neap_store_result *out);
int neap__work_prune(neap__world *world, int64_t now,
                     const neap__store_page *given, neap_store_result *out);

/* Moves a run to where it is without an owner: queued, waiting, paused or
 * cancelled. There is room for an alarm. */
void neap__work_let_go(neap__world *world, neap__run *run, int64_t now);

/* Queues a waiting run: its place in line is by the time `due`. */
void neap__work_queue(neap__world *world, neap__run *run, int64_t due);

/* Ends a run, which is nowhere: neap__world_leave has been called. */
void neap__work_end(neap__world *world, neap__run *run,
                    neap_store_status status);

#endif
