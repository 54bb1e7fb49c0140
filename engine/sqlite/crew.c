/* The store in a file: workers, and the runs that they have.
 * SPDX-License-Identifier: MIT */
#include "crew.h"

#include <string.h>
#include <unistd.h>

#include "file.h"
#include "read.h"
#include "store/life.h"

/* ---- Where a run goes ---------------------------------------------------- */

void neap__crew_end(neap__db *db, int64_t run, neap_store_status status,
                    int64_t keep_until, bool by_mark) {
  if (by_mark && status == NEAP_STORE_CANCELLED)
    neap__db_run(db,
                 "UPDATE runs SET result=reason WHERE n=? AND"
                 " length(reason)>0",
                 "i", run);
  neap__db_run(db,
               "UPDATE runs SET status=?2, owner=NULL, due=0, waits=NULL,"
               " mark=0, reason=NULL, updated=?3,"
               " keep_until=CASE WHEN ?4<0 THEN keep_until ELSE ?4 END"
               " WHERE n=?1",
               "iiii", run, (int64_t)status, db->now, keep_until);
  if (neap__life_is_final(status))
    neap__db_run(db, "DELETE FROM parts WHERE run=?", "i", run);
}

static void queue(neap__db *db, int64_t run) {
  neap__db_run(db,
               "UPDATE runs SET status=0, owner=NULL, due=?2, waits=NULL,"
               " updated=?2 WHERE n=?1",
               "ii", run, db->now);
}

neap_store_status neap__crew_let_go(neap__db *db, int64_t run) {
  neap__life life = {0};
  sqlite3_stmt *row = neap__db_query(
      db,
      "SELECT mark, waits IS NOT NULL, due, waits IS NOT NULL AND"
      " EXISTS(SELECT 1 FROM signals WHERE run=runs.n AND taken=0 AND"
      " name=waits) FROM runs WHERE n=?",
      "i", run);
  if (!neap__db_next(db, row))
    return NEAP_STORE_RUNNING;
  life.mark = (neap_store_mark)neap__db_int(row, 0);
  life.waits = neap__db_int(row, 1) != 0;
  life.due = neap__db_int(row, 2);
  life.has_signal = neap__db_int(row, 3) != 0;
  neap__db_end(row);
  neap_store_status status = neap__life_after(&life, db->now);
  if (status == NEAP_STORE_CANCELLED)
    neap__crew_end(db, run, status, -1, true);
  else if (status == NEAP_STORE_QUEUED)
    queue(db, run);
  else
    neap__db_run(db,
                 "UPDATE runs SET status=?2, owner=NULL, mark=0, reason=NULL,"
                 " updated=?3 WHERE n=?1",
                 "iii", run, (int64_t)status, db->now);
  return status;
}

/* Lets go of the runs of a worker, at most `limit`. `counts` is whether the
 * claims still count. Returns how many. */
static int64_t let_go_all(neap__db *db, const char *owner, int64_t limit,
                          bool counts) {
  int64_t count = 0, run;
  while (count < limit &&
         (run = neap__db_number(
              db, 0, "SELECT n FROM runs WHERE status=1 AND owner=? LIMIT 1",
              "t", owner)) > 0) {
    if (!counts)
      neap__db_run(db, "UPDATE runs SET claims=max(claims-1,0) WHERE n=?", "i",
                   run);
    neap__crew_let_go(db, run);
    count++;
    if (db->code != SQLITE_OK)
      break;
  }
  return count;
}

static void remove_worker(neap__db *db, const char *owner) {
  neap__db_run(db, "DELETE FROM workers WHERE owner=?", "t", owner);
}

/* ---- Workers ------------------------------------------------------------- */

/* A worker of this machine whose process has ended: its name, copied; NULL. */
static const char *find_gone(neap__db *db, const char *machine,
                             neap_store_result *out) {
  const char *gone = NULL;
  sqlite3_stmt *row = neap__db_query(
      db, "SELECT owner, pid, started FROM workers WHERE host=?", "t", machine);
  while (!gone && neap__db_next(db, row)) {
    int64_t started = neap__db_int(row, 2);
    if (started != neap__file_process_start(neap__db_int(row, 1)))
      gone = neap__result_text(out, neap__db_text(row, 0));
  }
  neap__db_end(row);
  return gone;
}

int neap__crew_join(neap__db *db, const neap_store_join_opts *given,
                    neap_store_result *out) {
  char machine[128];
  const char *gone;
  neap__file_machine(machine, sizeof machine);
  if (neap__db_number(db, 0, "SELECT 1 FROM workers WHERE owner=?", "t",
                      given->owner))
    return NEAP_EEXISTS;
  while ((gone = find_gone(db, machine, out)) && db->code == SQLITE_OK) {
    out->number += let_go_all(db, gone, INT64_MAX, true);
    remove_worker(db, gone);
  }
  neap__db_run(db, "INSERT INTO workers VALUES(?,?,0,?,?,?)", "titii",
               given->owner, db->now + given->lease, machine, (int64_t)getpid(),
               neap__file_process_start(getpid()));
  return 0;
}

int neap__crew_beat(neap__db *db, const neap__store_owner *given,
                    neap_store_result *out) {
  neap__db_run(db, "UPDATE workers SET until=?2 WHERE owner=?1 AND dead=0",
               "ti", given->owner, db->now + given->lease);
  if (db->code == SQLITE_OK && sqlite3_changes(db->sql) == 0)
    return NEAP_EFENCED;
  sqlite3_stmt *row =
      neap__db_query(db,
                     "SELECT n FROM runs WHERE owner=? AND status=1 AND"
                     " (mark<>0 OR unread<>0)",
                     "t", given->owner);
  while (neap__db_next(db, row))
    neap__read_run(db, out, neap__db_int(row, 0));
  return 0;
}

int neap__crew_leave(neap__db *db, const neap__store_owner *given,
                     neap_store_result *out) {
  out->number = let_go_all(db, given->owner, INT64_MAX, false);
  remove_worker(db, given->owner);
  return 0;
}

/* ---- Claims -------------------------------------------------------------- */

/* Claims the run that is next in a queue; false when there is none. */
static bool claim_one(neap__db *db, const char *name, const char *owner,
                      neap_span token, neap_store_result *out) {
  int64_t run = neap__db_number(db, 0,
                                "SELECT n FROM runs WHERE status=0 AND queue=?"
                                " ORDER BY priority DESC, due, n LIMIT 1",
                                "t", name);
  if (run == 0)
    return false;
  neap__db_run(db,
               "UPDATE runs SET status=1, owner=?2, token=?3,"
               " claims=claims+1, due=0, waits=NULL, updated=?4 WHERE n=?1",
               "itbi", run, owner, token, db->now);
  neap_store_run *shown = neap__read_run(db, out, run);
  if (!shown)
    return false;
  memcpy(shown->token, token.bytes, sizeof shown->token);
  neap__read_vars(db, out, shown, INT64_MAX);
  neap__read_parts(db, out, shown);
  neap__read_signals(db, out, shown);
  return !out->failed && db->code == SQLITE_OK;
}

int neap__crew_claim(neap__db *db, const neap__store_claim *given,
                     neap_store_result *out) {
  uint8_t token[16];
  if (!neap__db_number(db, 0, "SELECT 1 FROM workers WHERE owner=? AND dead=0",
                       "t", given->owner))
    return db->code == SQLITE_OK ? NEAP_EFENCED : 0;
  sqlite3_randomness(sizeof token, token);
  neap_span span = {.bytes = (const char *)token, .size = sizeof token};
  for (size_t i = 0; i < given->count; i++) {
    uint32_t room = given->rooms[i].room;
    while (room > 0 &&
           claim_one(db, given->rooms[i].queue, given->owner, span, out))
      room--;
  }
  return 0;
}

int neap__crew_release(neap__db *db, const neap__store_release *given,
                       neap_store_result *out) {
  for (size_t i = 0; i < given->count; i++) {
    const neap_store_held *held = &given->held[i];
    neap_span token = {.bytes = (const char *)held->token,
                       .size = sizeof held->token};
    neap__db_run(db,
                 "UPDATE runs SET claims=max(claims-1,0) WHERE n=? AND"
                 " status=1 AND token=?",
                 "ib", held->run, token);
    if (db->code != SQLITE_OK || sqlite3_changes(db->sql) == 0)
      continue;
    neap__crew_let_go(db, held->run);
    out->number++;
  }
  return 0;
}

/* ---- Time ---------------------------------------------------------------- */

/* A worker that has not been heard of: its name, copied; NULL. */
static const char *find_silent(neap__db *db, neap_store_result *out) {
  const char *silent = NULL;
  sqlite3_stmt *row = neap__db_query(
      db, "SELECT owner FROM workers WHERE until<? OR dead=1 LIMIT 1", "i",
      db->now);
  if (neap__db_next(db, row)) {
    silent = neap__result_text(out, neap__db_text(row, 0));
    neap__db_end(row);
  }
  return silent;
}

/* Takes the runs of such workers. One that has lost some of its runs has lost
 * all. Returns how many. */
static int64_t reap(neap__db *db, int64_t limit, neap_store_result *out) {
  int64_t count = 0;
  const char *owner;
  while (count < limit && (owner = find_silent(db, out)) &&
         db->code == SQLITE_OK) {
    neap__db_run(db, "UPDATE workers SET dead=1 WHERE owner=?", "t", owner);
    count += let_go_all(db, owner, limit - count, true);
    if (count < limit)
      remove_worker(db, owner);
  }
  return count;
}

int neap__crew_due(neap__db *db, const neap__store_page *given,
                   neap_store_result *out) {
  out->number = reap(db, given->limit, out);
  neap__db_run(db,
               "UPDATE runs SET status=0, waits=NULL WHERE n IN (SELECT n FROM"
               " runs WHERE status=2 AND due>0 AND due<=? ORDER BY due, n"
               " LIMIT ?)",
               "ii", db->now, (int64_t)given->limit);
  out->number += sqlite3_changes(db->sql);
  neap__result_add_row(out)->time = neap__db_number(
      db, 0,
      "SELECT due FROM runs WHERE status=2 AND due>0 ORDER BY due LIMIT 1", "");
  return 0;
}

/* ---- From outside -------------------------------------------------------- */

/* Puts a run that has no owner where a wish wants it. */
static void move(neap__db *db, int64_t run, const neap__store_wish *given,
                 neap_store_status status) {
  if (given->wish == NEAP_STORE_WISH_RESUME) {
    neap__crew_let_go(db, run);
  } else if (status == NEAP_STORE_CANCELLED) {
    neap__db_run(db, "UPDATE runs SET reason=?2 WHERE n=?1", "ib", run,
                 given->reason);
    neap__crew_end(db, run, status, db->now + given->keep, true);
  } else if (given->wish == NEAP_STORE_WISH_RETRY) {
    neap__db_run(db,
                 "UPDATE runs SET status=0, claims=0, keep_until=0,"
                 " result=NULL, due=?2, updated=?2 WHERE n=?1",
                 "ii", run, db->now);
  } else { /* what was queued will be again */
    neap__db_run(db,
                 "UPDATE runs SET status=?2, updated=?3, due=CASE WHEN due<=?3"
                 " THEN 0 ELSE due END WHERE n=?1",
                 "iii", run, (int64_t)status, db->now);
  }
}

int neap__crew_wish(neap__db *db, const neap__store_wish *given,
                    neap_store_result *out) {
  sqlite3_stmt *row = neap__db_query(
      db, "SELECT n, status, mark FROM runs WHERE id=?", "t", given->id);
  if (!neap__db_next(db, row))
    return db->code == SQLITE_OK ? NEAP_ENORUN : 0;
  int64_t run = neap__db_int(row, 0);
  neap_store_status was = (neap_store_status)neap__db_int(row, 1), status = was;
  neap_store_mark old = (neap_store_mark)neap__db_int(row, 2), mark = old;
  neap__db_end(row);
  int refusal = neap__life_wish(given->wish, &status, &mark);
  if (refusal < 0)
    return refusal;
  if (was != NEAP_STORE_RUNNING && status != was)
    move(db, run, given, status);
  else if (mark != old)
    neap__db_run(db, "UPDATE runs SET mark=?2, reason=?3 WHERE n=?1", "iib",
                 run, (int64_t)mark, given->reason);
  if (was == NEAP_STORE_RUNNING && mark == NEAP_STORE_CANCEL)
    neap__db_run(db, "UPDATE runs SET keep_until=?2 WHERE n=?1", "ii", run,
                 db->now + given->keep);
  neap__read_run(db, out, run);
  return 0;
}

static void remove_run(neap__db *db, int64_t run) {
  neap__db_run(db, "DELETE FROM vars WHERE run=?", "i", run);
  neap__db_run(db, "DELETE FROM parts WHERE run=?", "i", run);
  neap__db_run(db, "DELETE FROM steps WHERE run=?", "i", run);
  neap__db_run(db, "DELETE FROM signals WHERE run=?", "i", run);
  neap__db_run(db, "DELETE FROM tags WHERE run=?", "i", run);
  neap__db_run(db, "DELETE FROM starts WHERE run=?", "i", run);
  neap__db_run(db, "DELETE FROM runs WHERE n=?", "i", run);
}

int neap__crew_prune(neap__db *db, const neap__store_page *given,
                     neap_store_result *out) {
  int64_t run = 0;
  while (out->number < given->limit && db->code == SQLITE_OK) {
    run = given->after > 0
              ? neap__db_number(db, 0,
                                "SELECT n FROM runs WHERE n>? AND status>=7 AND"
                                " updated<? ORDER BY n LIMIT 1",
                                "ii", run, given->after)
              : neap__db_number(db, 0,
                                "SELECT n FROM runs WHERE status>=7 AND"
                                " keep_until<=? ORDER BY keep_until LIMIT 1",
                                "i", db->now);
    if (run == 0)
      break;
    remove_run(db, run);
    out->number++;
  }
  return 0;
}
