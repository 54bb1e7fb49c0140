/* The store in a file: runs that begin, saves, signals, schedules.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_SQLITE_WRITE_H
#define NEAP_SQLITE_WRITE_H

#include "db.h"
#include "store/call.h"
#include "store/result.h"

/* The calls of these names in neap_store.h. */
int neap__write_start(neap__db *db, const neap_store_start_opts *given,
                      neap_store_result *out);
int neap__write_save(neap__db *db, const neap_store_save_opts *given,
                     neap_store_result *out);
int neap__write_send(neap__db *db, const neap__store_send *given,
                     neap_store_result *out);
int neap__write_schedule(neap__db *db, const neap__store_schedule *given,
                         neap_store_result *out);

#endif
