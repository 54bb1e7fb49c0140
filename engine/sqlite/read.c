/* The store in a file: what only reads.
 * SPDX-License-Identifier: MIT */
#include "read.h"

#include <string.h>

#include "file.h"
#include "store/life.h"

static neap_span copy_span(neap_store_result *out, sqlite3_stmt *row, int at) {
  neap_span span = neap__db_span(row, at);
  return span.size > 0 ? neap__result_span(out, span.bytes, span.size)
                       : (neap_span){0};
}

static const char *copy_text(neap_store_result *out, sqlite3_stmt *row,
                             int at) {
  return neap__result_text(out, neap__db_text(row, at));
}

/* The columns of the query below, in its order. */
static void show(neap_store_result *out, neap_store_run *run,
                 sqlite3_stmt *row) {
  int at = 0;
  run->number = neap__db_int(row, at++);
  run->id = copy_text(out, row, at++);
  run->flow = copy_text(out, row, at++);
  run->version = neap__db_int(row, at++);
  run->status = (neap_store_status)neap__db_int(row, at++);
  run->queue = copy_text(out, row, at++);
  run->priority = (int)neap__db_int(row, at++);
  run->due = neap__db_int(row, at++);
  run->seq = neap__db_int(row, at++);
  run->owner = copy_text(out, row, at++);
  run->claims = neap__db_int(row, at++);
  run->mark = (neap_store_mark)neap__db_int(row, at++);
  run->waits = copy_text(out, row, at++);
  run->unread = neap__db_int(row, at++);
  run->keep = neap__db_int(row, at++);
  run->keep_until = neap__db_int(row, at++);
  run->parent = neap__db_int(row, at++);
  run->parent_seq = neap__db_int(row, at++);
  run->created = neap__db_int(row, at++);
  run->updated = neap__db_int(row, at++);
  run->parent_id = copy_text(out, row, at++);
  run->reason = copy_span(out, row, at++);
  run->frames = copy_span(out, row, at++);
  run->result = copy_span(out, row, at++);
  run->params = copy_span(out, row, at++);
  if (run->status == NEAP_STORE_QUEUED)
    run->due = 0;
  if (!neap__life_is_over(run->status))
    run->keep_until = 0;
}

neap_store_run *neap__read_run(neap__db *db, neap_store_result *out,
                               int64_t run) {
  sqlite3_stmt *row = neap__db_query(
      db,
      "SELECT n, id, flow, version, status, queue, priority, due, seq, owner,"
      " claims, mark, waits, unread, keep, keep_until, parent, parent_seq,"
      " created, updated, CASE WHEN parent=0 THEN NULL ELSE"
      " (SELECT p.id FROM runs p WHERE p.n=runs.parent) END,"
      " reason, frames, result, params"
      " FROM runs LEFT JOIN starts ON starts.run=n WHERE n=?",
      "i", run);
  if (!neap__db_next(db, row))
    return NULL;
  neap_store_run *shown = neap__result_add_run(out);
  show(out, shown, row);
  neap__db_end(row);
  return shown;
}

void neap__read_vars(neap__db *db, neap_store_result *out,
                     neap_store_run *shown, int64_t seq) {
  sqlite3_stmt *row =
      neap__db_query(db,
                     "SELECT kind, name, value FROM vars WHERE run=? AND seq<=?"
                     " ORDER BY name, seq, part",
                     "ii", shown->number, seq);
  while (neap__db_next(db, row))
    neap__result_add_change(out, shown,
                            (neap_store_change_kind)neap__db_int(row, 0),
                            neap__db_span(row, 1), neap__db_span(row, 2));
}

void neap__read_parts(neap__db *db, neap_store_result *out,
                      neap_store_run *shown) {
  sqlite3_stmt *row = neap__db_query(
      db, "SELECT path, value FROM parts WHERE run=? ORDER BY path", "i",
      shown->number);
  while (neap__db_next(db, row))
    neap__result_add_part(out, shown, neap__db_span(row, 0),
                          neap__db_span(row, 1));
}

void neap__read_signals(neap__db *db, neap_store_result *out,
                        neap_store_run *shown) {
  sqlite3_stmt *row = neap__db_query(
      db,
      "SELECT n, name, value, at FROM signals WHERE run=? AND taken=0"
      " ORDER BY n",
      "i", shown->number);
  while (neap__db_next(db, row)) {
    const neap_store_signal signal = {.number = neap__db_int(row, 0),
                                      .name = neap__db_text(row, 1),
                                      .value = neap__db_span(row, 2),
                                      .at = neap__db_int(row, 3)};
    neap__result_add_signal(out, shown, &signal);
  }
}

void neap__read_tags(neap__db *db, neap_store_result *out,
                     neap_store_run *shown) {
  sqlite3_stmt *row =
      neap__db_query(db, "SELECT key, value FROM tags WHERE run=? ORDER BY key",
                     "i", shown->number);
  while (neap__db_next(db, row))
    neap__result_add_tag(out, shown, neap__db_text(row, 0),
                         neap__db_text(row, 1));
}

int64_t neap__read_find(neap__db *db, const char *id) {
  return neap__db_number(db, 0, "SELECT n FROM runs WHERE id=?", "t", id);
}

/* Shows a run as it was; NEAP_ENOVALUE. */
static int read_past(neap__db *db, neap_store_result *out,
                     neap_store_run *shown, int64_t seq) {
  sqlite3_stmt *row = neap__db_query(
      db, "SELECT frames FROM steps WHERE run=? AND seq=? AND has_values=1",
      "ii", shown->number, seq);
  if (!neap__db_next(db, row)) {
    out->run_count = 0;
    return db->code == SQLITE_OK ? NEAP_ENOVALUE : 0;
  }
  shown->seq = seq;
  shown->frames = copy_span(out, row, 0);
  neap__db_end(row);
  return 0;
}

int neap__read(neap__db *db, const neap__store_read *given,
               neap_store_result *out) {
  int64_t run = neap__read_find(db, given->id);
  neap_store_run *shown = run > 0 ? neap__read_run(db, out, run) : NULL;
  if (!shown)
    return db->code == SQLITE_OK ? NEAP_ENORUN : 0;
  bool is_past = given->seq >= 0 && given->seq != shown->seq;
  int status = is_past ? read_past(db, out, shown, given->seq) : 0;
  if (status < 0)
    return status;
  if (given->parts & NEAP_STORE_VARS)
    neap__read_vars(db, out, shown, shown->seq);
  if (given->parts & NEAP_STORE_TAGS)
    neap__read_tags(db, out, shown);
  if (given->parts & NEAP_STORE_PARTS && !is_past)
    neap__read_parts(db, out, shown);
  if (given->parts & NEAP_STORE_SIGNALS && !is_past)
    neap__read_signals(db, out, shown);
  return 0;
}

int neap__read_history(neap__db *db, const neap__store_page *given,
                       neap_store_result *out) {
  int64_t run = neap__read_find(db, given->id);
  if (run == 0)
    return db->code == SQLITE_OK ? NEAP_ENORUN : 0;
  sqlite3_stmt *row = neap__db_query(
      db,
      "SELECT seq, node, action, worker, attempt, at, took, has_values, changed"
      " FROM steps WHERE run=? AND seq>? ORDER BY seq LIMIT ?",
      "iii", run, given->after, (int64_t)given->limit);
  while (neap__db_next(db, row)) {
    neap_store_step *step = neap__result_add_step(out);
    neap_span changed = copy_span(out, row, 8);
    *step = (neap_store_step){
        .seq = neap__db_int(row, 0),
        .node = copy_text(out, row, 1),
        .action = copy_text(out, row, 2),
        .worker = copy_text(out, row, 3),
        .attempt = (uint32_t)neap__db_int(row, 4),
        .at = neap__db_int(row, 5),
        .took = neap__db_int(row, 6),
        .has_values = neap__db_int(row, 7) != 0,
        .changed = changed.bytes,
        .changed_size = changed.size,
    };
  }
  return 0;
}

int neap__read_workers(neap__db *db, neap_store_result *out) {
  sqlite3_stmt *row = neap__db_query(
      db,
      "SELECT owner, host, pid, until, (SELECT count(*) FROM runs WHERE"
      " status=1 AND runs.owner=workers.owner) FROM workers ORDER BY owner",
      "");
  while (neap__db_next(db, row)) {
    neap_store_row *shown = neap__result_add_row(out);
    shown->name = copy_text(out, row, 0);
    shown->host = copy_text(out, row, 1);
    shown->pid = neap__db_int(row, 2);
    shown->time = neap__db_int(row, 3);
    shown->number = neap__db_int(row, 4);
  }
  return 0;
}

int neap__read_schedules(neap__db *db, neap_store_result *out) {
  sqlite3_stmt *row = neap__db_query(
      db, "SELECT name, next, spec FROM schedules ORDER BY name", "");
  while (neap__db_next(db, row)) {
    neap_store_row *shown = neap__result_add_row(out);
    shown->name = copy_text(out, row, 0);
    shown->time = neap__db_int(row, 1);
    shown->value = copy_span(out, row, 2);
  }
  return 0;
}

int neap__read_check(neap__db *db, neap_store_result *out) {
  int status = 0;
  sqlite3_stmt *row = neap__db_query(db, "PRAGMA integrity_check(1)", "");
  if (neap__db_next(db, row) && strcmp(neap__db_text(row, 0), "ok") != 0) {
    neap__result_explain(out, "%s", neap__db_text(row, 0));
    status = NEAP_EDAMAGED;
  }
  neap__db_end(row);
  return status;
}

int neap__read_backup(neap__db *db, const neap__store_file *given,
                      neap_store_result *out) {
  if (!neap__db_run(db, "VACUUM INTO ?", "t", given->path))
    return 0;
  if (neap__file_sync(given->path))
    return 0;
  neap__result_explain(out, "%s could not be written to its disk", given->path);
  return NEAP_ESTORE;
}
