/* The store in a file: what only reads.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_SQLITE_READ_H
#define NEAP_SQLITE_READ_H

#include "db.h"
#include "store/call.h"
#include "store/result.h"

/* Adds a run with its numbers and texts, frames and params; NULL when there is
 * none of this number. */
neap_store_run *neap__read_run(neap__db *db, neap_store_result *out,
                               int64_t run);

/* Adds to it what is in other tables. */
void neap__read_vars(neap__db *db, neap_store_result *out,
                     neap_store_run *shown, int64_t seq);
void neap__read_parts(neap__db *db, neap_store_result *out,
                      neap_store_run *shown);
void neap__read_signals(neap__db *db, neap_store_result *out,
                        neap_store_run *shown);
void neap__read_tags(neap__db *db, neap_store_result *out,
                     neap_store_run *shown);

/* The number of a run; 0: there is none of this id. */
int64_t neap__read_find(neap__db *db, const char *id);

/* The calls of these names in neap_store.h. */
int neap__read(neap__db *db, const neap__store_read *given,
               neap_store_result *out);
int neap__read_history(neap__db *db, const neap__store_page *given,
                       neap_store_result *out);
int neap__read_workers(neap__db *db, neap_store_result *out);
int neap__read_schedules(neap__db *db, neap_store_result *out);
int neap__read_check(neap__db *db, neap_store_result *out);
int neap__read_backup(neap__db *db, const neap__store_file *given,
                      neap_store_result *out);

#endif
