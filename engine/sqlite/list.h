/* The store in a file: lists of runs, and how many there are.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_SQLITE_LIST_H
#define NEAP_SQLITE_LIST_H

#include "db.h"
#include "store/call.h"
#include "store/result.h"

/* The calls of these names in neap_store.h. */
int neap__list_runs(neap__db *db, const neap_store_list_opts *given,
                    neap_store_result *out);
int neap__list_count(neap__db *db, const neap_store_list_opts *given,
                     neap_store_result *out);

#endif
