/* The store in a file: workers, and the runs that they have.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_SQLITE_CREW_H
#define NEAP_SQLITE_CREW_H

#include "db.h"
#include "store/call.h"
#include "store/result.h"

/* The calls of these names in neap_store.h. */
int neap__crew_join(neap__db *db, const neap_store_join_opts *given,
                    neap_store_result *out);
int neap__crew_beat(neap__db *db, const neap__store_owner *given,
                    neap_store_result *out);
int neap__crew_leave(neap__db *db, const neap__store_owner *given,
                     neap_store_result *out);
int neap__crew_claim(neap__db *db, const neap__store_claim *given,
                     neap_store_result *out);
int neap__crew_release(neap__db *db, const neap__store_release *given,
                       neap_store_result *out);
int neap__crew_due(neap__db *db, const neap__store_page *given,
                   neap_store_result *out);
int neap__crew_wish(neap__db *db, const neap__store_wish *given,
                    neap_store_result *out);
int neap__crew_prune(neap__db *db, const neap__store_page *given,
                     neap_store_result *out);

/* Moves a run to where it is without an owner; returns its status. */
neap_store_status neap__crew_let_go(neap__db *db, int64_t run);

/* Ends a run. Its result is the reason of its mark if it is cancelled, has a
 * reason, and `by_mark` is true. `keep_until` of -1 leaves that as it is. */
void neap__crew_end(neap__db *db, int64_t run, neap_store_status status,
                    int64_t keep_until, bool by_mark);

#endif
