/* The store in a file: runs that begin, saves, signals, schedules.
 * SPDX-License-Identifier: MIT */
#include "write.h"

#include <string.h>

#include "read.h"
#include "store/life.h"
#include "crew.h"

/* ---- Starting ------------------------------------------------------------ */

/* Tells of the run that is there already. */
static int meet(neap__db *db, int64_t run, const uint64_t digest[2],
                neap_store_result *out) {
  bool is_same = false;
  sqlite3_stmt *row =
      neap__db_query(db, "SELECT digest FROM starts WHERE run=?", "i", run);
  if (neap__db_next(db, row)) {
    neap_span was = neap__db_span(row, 0);
    is_same = was.size == 16 && memcmp(was.bytes, digest, 16) == 0;
    neap__db_end(row);
  }
  neap__read_run(db, out, run);
  out->number = 1;
  return is_same || db->code != SQLITE_OK ? 0 : NEAP_EEXISTS;
}

static bool is_full(neap__db *db, const neap_store_start_opts *o) {
  return o->max_queued > 0 &&
         neap__db_number(db, 0,
                         "SELECT count(*) FROM (SELECT 1 FROM runs WHERE"
                         " status=0 AND queue=? LIMIT ?)",
                         "ti", o->queue, o->max_queued) >= o->max_queued;
}

/* Writes what a run is started with into the other tables. */
static void fill(neap__db *db, int64_t run, const neap_store_start_opts *o,
                 const uint64_t digest[2]) {
  neap_span hash = {.bytes = (const char *)digest, .size = 16};
  neap__db_run(db, "INSERT INTO starts VALUES(?,?,?)", "ibb", run, hash,
               o->params);
  for (size_t i = 0; i < o->var_count; i++)
    neap__db_run(db, "INSERT INTO vars VALUES(?,?,0,0,0,?)", "isb", run,
                 o->vars[i].name, o->vars[i].value);
  for (size_t i = 0; i < o->part_count; i++)
    neap__db_run(db, "INSERT INTO parts VALUES(?,?,?)", "isb", run,
                 o->parts[i].name, o->parts[i].value);
  for (size_t i = 0; i < o->tag_count; i++)
    neap__db_run(db, "INSERT OR IGNORE INTO tags VALUES(?,?,?)", "tti",
                 o->tags[i].key, o->tags[i].value, run);
}

int neap__write_start(neap__db *db, const neap_store_start_opts *given,
                      neap_store_result *out) {
  uint64_t digest[2];
  neap__life_digest(given, digest);
  int64_t run = neap__read_find(db, given->id);
  if (run > 0)
    return meet(db, run, digest, out);
  if (is_full(db, given))
    return NEAP_EFULL;
  int64_t status = given->delay > 0 ? NEAP_STORE_WAITING : NEAP_STORE_QUEUED;
  neap__db_run(db,
               "INSERT INTO runs(id, flow, version, status, queue, priority,"
               " due, seq, claims, mark, unread, keep, keep_until, parent,"
               " parent_seq, created, updated, frames)"
               " VALUES(?,?,?,?,?,?,?,0,0,0,0,?,0,?,?,?,?,?)",
               "ttiitiiiiiiib", given->id, given->flow, given->version, status,
               given->queue, (int64_t)given->priority, db->now + given->delay,
               given->keep, given->parent, given->parent_seq, db->now, db->now,
               given->frames);
  run = sqlite3_last_insert_rowid(db->sql);
  fill(db, run, given, digest);
  neap__read_run(db, out, run);
  return 0;
}

/* ---- Saves --------------------------------------------------------------- */

/* What a save has to know of its run. */
typedef struct saved {
  bool is_owned; /* by who saves, with nothing in between */
  neap_store_mark mark;
  int64_t unread;
  bool waited; /* it has a signal or a time that it waits for */
} saved;

static saved look(neap__db *db, const neap_store_save_opts *o,
                  neap_store_run *shown, neap_store_result *out) {
  saved was = {0};
  sqlite3_stmt *row = neap__db_query(
      db,
      "SELECT seq, token, status, mark, unread, due<>0 OR waits IS NOT NULL,"
      " reason FROM runs WHERE n=?",
      "i", o->run);
  if (!neap__db_next(db, row))
    return was;
  neap_span token = neap__db_span(row, 1);
  was.is_owned = neap__db_int(row, 0) == o->seq &&
                 token.size == sizeof o->token &&
                 memcmp(token.bytes, o->token, sizeof o->token) == 0 &&
                 neap__db_int(row, 2) == NEAP_STORE_RUNNING;
  was.mark = (neap_store_mark)neap__db_int(row, 3);
  was.unread = neap__db_int(row, 4);
  was.waited = neap__db_int(row, 5) != 0;
  neap_span reason = neap__db_span(row, 6);
  if (reason.size > 0)
    shown->reason = neap__result_span(out, reason.bytes, reason.size);
  neap__db_end(row);
  return was;
}

/* Writes a value of a variable that has no history: in place of all that it
 * had. */
static void set_var(neap__db *db, int64_t run, const neap_store_change *c) {
  neap__db_run(db,
               "INSERT INTO vars VALUES(?,?,0,0,0,?) ON CONFLICT DO UPDATE SET"
               " kind=0, value=excluded.value",
               "isb", run, c->name, c->value);
  neap__db_run(db, "DELETE FROM vars WHERE run=? AND name=? AND seq>0", "is",
               run, c->name);
}

static void change_var(neap__db *db, const neap_store_save_opts *o,
                       size_t index) {
  const neap_store_change *c = &o->changes[index];
  if (c->kind == NEAP_STORE_SET && !o->values)
    set_var(db, o->run, c);
  else if (c->kind == NEAP_STORE_GONE && !o->values)
    neap__db_run(db, "DELETE FROM vars WHERE run=? AND name=?", "is", o->run,
                 c->name);
  else
    neap__db_run(db, "INSERT INTO vars VALUES(?,?,?,?,?,?)", "isiiib", o->run,
                 c->name, o->seq + 1, (int64_t)index, (int64_t)c->kind,
                 c->value);
}

/* Removes the parts whose names begin so: up to the next name that does not,
 * which is the prefix with its last byte that can be raised raised. */
static void remove_parts(neap__db *db, int64_t run, neap_span prefix) {
  size_t size = prefix.size;
  while (size > 0 && (unsigned char)prefix.bytes[size - 1] == 0xff)
    size--;
  if (size == 0) {
    neap__db_run(db, "DELETE FROM parts WHERE run=? AND path>=?", "is", run,
                 prefix);
    return;
  }
  char *end = sqlite3_malloc64(size);
  if (!end) {
    db->code = SQLITE_NOMEM;
    return;
  }
  memcpy(end, prefix.bytes, size);
  end[size - 1]++;
  neap__db_run(db, "DELETE FROM parts WHERE run=? AND path>=? AND path<?",
               "iss", run, prefix, (neap_span){.bytes = end, .size = size});
  sqlite3_free(end);
}

static void make_changes(neap__db *db, const neap_store_save_opts *o) {
  for (size_t i = 0; i < o->change_count; i++) {
    const neap_store_change *c = &o->changes[i];
    if (c->kind == NEAP_STORE_PART)
      neap__db_run(db, "INSERT OR REPLACE INTO parts VALUES(?,?,?)", "isb",
                   o->run, c->name, c->value);
    else if (c->kind == NEAP_STORE_PARTS_GONE)
      remove_parts(db, o->run, c->name);
    else
      change_var(db, o, i);
  }
}

static void add_row(neap__db *db, const neap_store_save_opts *o,
                    neap_store_result *out) {
  neap_span changed = {.size = neap__life_names(o, NULL)};
  char *names = changed.size ? neap__result_alloc(out, changed.size) : NULL;
  if (changed.size > 0 && !names)
    return; /* the result has failed */
  neap__life_names(o, names);
  changed.bytes = names;
  neap__db_run(db,
               "INSERT INTO steps VALUES(?1,?2,?3,?4,?5,?6,?7,"
               "(SELECT owner FROM runs WHERE n=?1),?8,?9,?10)",
               "iititiiibb", o->run, o->seq + 1, o->node, (int64_t)o->attempt,
               o->action, db->now, o->took, (int64_t)o->values, changed,
               o->values ? o->frames : (neap_span){0});
}

/* Uses up a signal; returns how many are left. */
static int64_t take_signal(neap__db *db, const neap_store_save_opts *o,
                           int64_t unread) {
  neap__db_run(db,
               "UPDATE signals SET taken=?3 WHERE run=?1 AND n=?2 AND taken=0",
               "iii", o->run, o->taken, o->seq + 1);
  if (sqlite3_changes(db->sql) == 0)
    return unread;
  neap__db_run(db, "UPDATE runs SET unread=unread-1 WHERE n=?", "i", o->run);
  return unread - 1;
}

/* Moves a run to where the save says; returns its status. */
static neap_store_status move(neap__db *db, const neap_store_save_opts *o,
                              neap_store_mark mark) {
  if (o->status == NEAP_STORE_RUNNING)
    return o->status;
  if (neap__life_is_over(o->status)) {
    neap__crew_end(db, o->run, o->status, db->now + o->keep,
                   o->result.size == 0);
    return o->status;
  }
  bool stops = o->status == NEAP_STORE_PAUSED || o->status == NEAP_STORE_STUCK;
  if (!stops || mark != NEAP_STORE_UNMARKED)
    return neap__crew_let_go(db, o->run);
  neap__db_run(db, "UPDATE runs SET status=?2, owner=NULL WHERE n=?1", "ii",
               o->run, (int64_t)o->status);
  return o->status;
}

/* Moves on a run of which there is no news and that has waited for nothing, as
 * nearly all do: by one statement, which touches no index. */
static bool move_on(neap__db *db, const neap_store_save_opts *o) {
  neap_span token = {.bytes = (const char *)o->token, .size = sizeof o->token};
  if (o->stays)
    return false;
  neap__db_run(db,
               "UPDATE runs SET seq=seq+1, frames=?4, updated=?5, claims=0"
               " WHERE n=?1 AND seq=?2 AND token=?3 AND status=1 AND mark=0"
               " AND unread=0 AND due=0 AND waits IS NULL",
               "iibbi", o->run, o->seq, token, o->frames, db->now);
  return db->code == SQLITE_OK && sqlite3_changes(db->sql) == 1;
}

int neap__write_save(neap__db *db, const neap_store_save_opts *given,
                     neap_store_result *out) {
  const neap_store_save_opts *o = given;
  neap_store_run *shown = neap__result_add_run(out);
  saved was = {.is_owned = true};
  if (!move_on(db, o)) {
    was = look(db, o, shown, out);
    if (!was.is_owned) {
      out->run_count = 0;
      return db->code == SQLITE_OK ? NEAP_EFENCED : 0;
    }
    neap__db_run(db,
                 "UPDATE runs SET seq=?2, frames=?3, updated=?4,"
                 " claims=CASE WHEN ?5 THEN claims ELSE 0 END WHERE n=?1",
                 "iibii", o->run, o->seq + 1, o->frames, db->now,
                 (int64_t)o->stays);
  }
  if (was.waited || o->delay > 0 || o->waits)
    neap__db_run(db, "UPDATE runs SET due=?2, waits=?3 WHERE n=?1", "iit",
                 o->run, o->delay > 0 ? db->now + o->delay : (int64_t)0,
                 o->waits);
  if (o->has_flow_version)
    neap__db_run(db, "UPDATE runs SET version=?2 WHERE n=?1", "ii", o->run,
                 o->version);
  if (o->result.size > 0)
    neap__db_run(db, "UPDATE runs SET result=?2 WHERE n=?1", "ib", o->run,
                 o->result);
  make_changes(db, o);
  if (o->node)
    add_row(db, o, out);
  shown->unread = o->taken ? take_signal(db, o, was.unread) : was.unread;
  shown->number = o->run;
  shown->mark = was.mark;
  shown->seq = out->number = o->seq + 1;
  shown->status = move(db, o, was.mark);
  return 0;
}

/* ---- Signals ------------------------------------------------------------- */

int neap__write_send(neap__db *db, const neap__store_send *given,
                     neap_store_result *out) {
  int64_t run = neap__read_find(db, given->id);
  if (run == 0)
    return db->code == SQLITE_OK ? NEAP_ENORUN : 0;
  if (given->dedupe)
    out->number =
        neap__db_number(db, 0, "SELECT n FROM signals WHERE run=? AND dedupe=?",
                        "it", run, given->dedupe);
  if (out->number > 0) {
    neap__read_run(db, out, run);
    return 0;
  }
  if (neap__db_number(db, 0, "SELECT status>=7 FROM runs WHERE n=?", "i", run))
    return NEAP_EENDED;
  out->number = neap__db_number(
      db, 0, "SELECT ifnull(max(n),0)+1 FROM signals WHERE run=?", "i", run);
  neap__db_run(db, "INSERT INTO signals VALUES(?,?,?,?,?,?,0)", "iittbi", run,
               out->number, given->name, given->dedupe, given->value, db->now);
  neap__db_run(db, "UPDATE runs SET unread=unread+1 WHERE n=?", "i", run);
  neap__db_run(db,
               "UPDATE runs SET status=0, due=?3, waits=NULL WHERE n=?1 AND"
               " status=2 AND waits=?2",
               "iti", run, given->name, db->now);
  neap__read_run(db, out, run);
  return 0;
}

/* ---- Schedules ----------------------------------------------------------- */

int neap__write_schedule(neap__db *db, const neap__store_schedule *given,
                         neap_store_result *out) {
  (void)out;
  int64_t due = neap__db_number(
      db, 0, "SELECT next FROM schedules WHERE name=?", "t", given->name);
  if (db->code == SQLITE_OK && given->expected >= 0 && given->expected != due)
    return NEAP_EFENCED;
  if (given->next == 0)
    neap__db_run(db, "DELETE FROM schedules WHERE name=?", "t", given->name);
  else
    neap__db_run(db, "INSERT OR REPLACE INTO schedules VALUES(?,?,?)", "tbi",
                 given->name, given->spec, given->next);
  return 0;
}
