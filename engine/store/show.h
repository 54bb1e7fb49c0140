/* Showing runs of the memory store in results.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_STORE_SHOW_H
#define NEAP_STORE_SHOW_H

#include "result.h"
#include "world.h"

/* Adds a run with its numbers and texts: id, flow, queue, owner, ... */
neap_store_run *neap__show_run(const neap__world *world,
                               neap_store_result *result, const neap__run *run);

/* Adds to that what a worker needs: frames and params, vars, parts, signals. */
void neap__show_frames(neap_store_result *result, neap_store_run *shown,
                       const neap__run *run);

/* Adds variables as they were when the run had been saved as `seq`. */
void neap__show_vars(neap_store_result *result, neap_store_run *shown,
                     const neap__run *run, int64_t seq);
void neap__show_parts(neap_store_result *result, neap_store_run *shown,
                      const neap__run *run);
void neap__show_signals(neap_store_result *result, neap_store_run *shown,
                        const neap__run *run);
void neap__show_tags(neap_store_result *result, neap_store_run *shown,
                     const neap__run *run);

/* The calls that only read. */
int neap__show_read(neap__world *world, const neap__store_read *given,
                    neap_store_result *out);
int neap__show_history(neap__world *world, const neap__store_page *given,
                       neap_store_result *out);
int neap__show_list(neap__world *world, const neap_store_list_opts *given,
                    neap_store_result *out);
int neap__show_count(neap__world *world, const neap_store_list_opts *given,
                     neap_store_result *out);
int neap__show_workers(neap__world *world, neap_store_result *out);
int neap__show_schedules(neap__world *world, neap_store_result *out);

#endif
