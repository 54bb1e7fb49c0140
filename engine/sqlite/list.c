/* The store in a file: lists of runs, and how many there are.
 *
 * Every filter is in one statement, where it does nothing unless it is wanted;
 * tags behind the first are looked at run by run.
 * SPDX-License-Identifier: MIT */
#include "list.h"

#include <string.h>

#include "read.h"

/* A run that waits is waiting, also if it has an owner: as neap__life_shown. */
#define SHOWN                                                                  \
  "(CASE WHEN status=1 AND waits IS NOT NULL THEN 2 ELSE status END)"

/* Parameters: flow, statuses, since, then tags. */
#define FILTER                                                                 \
  "(?1 IS NULL OR flow=?1) AND (?2=0 OR (?2>>" SHOWN ")&1) AND created>=?3"

/* Whether a run has the tags from `first` on. */
static bool has_tags(neap__db *db, int64_t run, const neap_store_list_opts *o,
                     size_t first) {
  for (size_t i = first; i < o->tag_count; i++)
    if (!neap__db_number(db, 0,
                         "SELECT 1 FROM tags WHERE key=? AND value=? AND run=?",
                         "tti", o->tags[i].key, o->tags[i].value, run))
      return false;
  return true;
}

/* Begins to go through the runs, the newest first: number and status. */
static sqlite3_stmt *begin(neap__db *db, const neap_store_list_opts *o,
                           int64_t after) {
  int64_t before = after > 0 ? after : INT64_MAX;
  if (o->tag_count > 0)
    return neap__db_query(db,
                          "SELECT n, " SHOWN " FROM tags JOIN runs ON n=run"
                          " WHERE key=?5 AND value=?6 AND run<?4 AND " FILTER
                          " ORDER BY run DESC",
                          "tiiitt", o->flow, (int64_t)o->statuses, o->since,
                          before, o->tags[0].key, o->tags[0].value);
  return neap__db_query(
      db,
      "SELECT n, " SHOWN " FROM runs WHERE n<?4 AND " FILTER " ORDER BY n DESC",
      "tiii", o->flow, (int64_t)o->statuses, o->since, before);
}

/* Adds what lists show of a run. */
static void show(neap__db *db, neap_store_result *out, int64_t run) {
  neap_store_run *shown = neap__read_run(db, out, run);
  if (!shown)
    return;
  shown->frames = shown->params = (neap_span){0};
  neap__read_tags(db, out, shown);
}

int neap__list_runs(neap__db *db, const neap_store_list_opts *given,
                    neap_store_result *out) {
  sqlite3_stmt *row = begin(db, given, given->after);
  while (neap__db_next(db, row)) {
    int64_t run = neap__db_int(row, 0);
    if (!has_tags(db, run, given, 1))
      continue;
    if (out->run_count == given->limit) {
      out->number = out->runs[out->run_count - 1].number;
      neap__db_end(row);
      break;
    }
    show(db, out, run);
    if (out->failed) {
      neap__db_end(row);
      break;
    }
  }
  return 0;
}

int neap__list_count(neap__db *db, const neap_store_list_opts *given,
                     neap_store_result *out) {
  int64_t counts[NEAP_STORE_POISONED + 1] = {0};
  sqlite3_stmt *row = begin(db, given, 0);
  while (neap__db_next(db, row))
    if (has_tags(db, neap__db_int(row, 0), given, 1))
      counts[neap__db_int(row, 1)]++;
  for (int status = 0; status <= NEAP_STORE_POISONED; status++) {
    if (counts[status] == 0)
      continue;
    neap_store_row *shown = neap__result_add_row(out);
    shown->status = (neap_store_status)status;
    shown->number = counts[status];
    out->number += counts[status];
  }
  return 0;
}
