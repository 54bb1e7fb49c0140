/* What is in the file of a store.
 * SPDX-License-Identifier: MIT */
#include "schema.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "file.h"

enum { APPLICATION = 0x6e656170 /* "neap" */ };

/* A step leads from the version before to that of its number, from 1. Steps
 * that have been released are never changed. */
static const char *const steps[] = {
    "CREATE TABLE runs(n INTEGER PRIMARY KEY AUTOINCREMENT,"
    " id TEXT NOT NULL UNIQUE, flow TEXT NOT NULL, version INT NOT NULL,"
    " status INT NOT NULL, queue TEXT NOT NULL, priority INT NOT NULL,"
    " due INT NOT NULL, seq INT NOT NULL, token BLOB, owner TEXT,"
    " claims INT NOT NULL, mark INT NOT NULL, waits TEXT, unread INT NOT NULL,"
    " keep INT NOT NULL, keep_until INT NOT NULL, parent INT NOT NULL,"
    " parent_seq INT NOT NULL, created INT NOT NULL, updated INT NOT NULL,"
    " reason BLOB, frames BLOB, result BLOB);"
    "CREATE INDEX runs_ready ON runs(queue, priority DESC, due, n)"
    " WHERE status=0;"
    "CREATE INDEX runs_owned ON runs(owner) WHERE status=1;"
    "CREATE INDEX runs_news ON runs(owner)"
    " WHERE status=1 AND (mark<>0 OR unread<>0);"
    "CREATE INDEX runs_due ON runs(due) WHERE status=2 AND due>0;"
    "CREATE INDEX runs_kept ON runs(keep_until) WHERE status>=7;"
    "CREATE TABLE starts(run INTEGER PRIMARY KEY, digest BLOB, params BLOB);"
    "CREATE TABLE vars(run INT, name TEXT, seq INT, part INT, kind INT,"
    " value BLOB, PRIMARY KEY(run, name, seq, part)) WITHOUT ROWID;"
    "CREATE TABLE parts(run INT, path TEXT, value BLOB,"
    " PRIMARY KEY(run, path)) WITHOUT ROWID;"
    "CREATE TABLE steps(run INT, seq INT, node TEXT, attempt INT, action TEXT,"
    " at INT, took INT, worker TEXT, has_values INT, changed BLOB, frames BLOB,"
    " PRIMARY KEY(run, seq)) WITHOUT ROWID;"
    "CREATE TABLE signals(run INT, n INT, name TEXT, dedupe TEXT, value BLOB,"
    " at INT, taken INT, PRIMARY KEY(run, n)) WITHOUT ROWID;"
    "CREATE UNIQUE INDEX signals_dedupe ON signals(run, dedupe)"
    " WHERE dedupe IS NOT NULL;"
    "CREATE TABLE tags(key TEXT, value TEXT, run INT,"
    " PRIMARY KEY(key, value, run)) WITHOUT ROWID;"
    "CREATE INDEX tags_run ON tags(run);"
    "CREATE TABLE schedules(name TEXT PRIMARY KEY, spec BLOB, next INT)"
    " WITHOUT ROWID;"
    "CREATE TABLE workers(owner TEXT PRIMARY KEY, until INT, dead INT,"
    " host TEXT, pid INT, started INT) WITHOUT ROWID;"
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;",
};
enum { VERSION = sizeof steps / sizeof *steps };

static int refuse(neap__db *db, int status, const char *format,
                  const char *path) {
  snprintf(db->why, sizeof db->why, format, path);
  return status;
}

static bool run_all(neap__db *db, const char *text) {
  int code = sqlite3_exec(db->sql, text, NULL, NULL, NULL);
  if (code == SQLITE_OK || db->code != SQLITE_OK)
    return db->code == SQLITE_OK;
  db->code = code;
  snprintf(db->why, sizeof db->why, "%s", sqlite3_errmsg(db->sql));
  return false;
}

/* Makes the tables, or what is new of them. Another process may do so at the
 * same time, so the version is looked at again. */
static int migrate(neap__db *db) {
  if (!run_all(db, "PRAGMA journal_mode=WAL") ||
      !neap__db_run(db, "BEGIN IMMEDIATE", ""))
    return neap__db_status(db);
  int64_t version = neap__db_number(db, 0, "PRAGMA user_version", "");
  char text[64];
  for (; version < VERSION && db->code == SQLITE_OK; version++)
    run_all(db, steps[version]);
  snprintf(text, sizeof text, "PRAGMA application_id=%d", APPLICATION);
  run_all(db, text);
  snprintf(text, sizeof text, "PRAGMA user_version=%d", VERSION);
  run_all(db, text);
  if (!neap__db_run(db, "COMMIT", ""))
    run_all(db, "ROLLBACK");
  return neap__db_status(db);
}

/* Whether there is a log whose contents have not been taken over. */
static bool has_log(const char *path) {
  char name[4096];
  struct stat info;
  snprintf(name, sizeof name, "%s-wal", path);
  return stat(name, &info) == 0 && info.st_size > 0;
}

/* Checks the file if the machine, and not just a process, has ended amid
 * writes: what a process has written is whole, whenever it ends. */
static int check(neap__db *db, const char *path, bool had_log) {
  char machine[128], last[128] = "";
  neap__file_machine(machine, sizeof machine);
  sqlite3_stmt *row =
      neap__db_query(db, "SELECT value FROM meta WHERE key='machine'", "");
  if (neap__db_next(db, row)) {
    snprintf(last, sizeof last, "%s", neap__db_text(row, 0));
    neap__db_end(row);
  }
  if (strcmp(last, machine) == 0)
    return neap__db_status(db);
  if (had_log && last[0] != '\0') {
    row = neap__db_query(db, "PRAGMA quick_check(1)", "");
    if (neap__db_next(db, row)) {
      bool is_sound = strcmp(neap__db_text(row, 0), "ok") == 0;
      neap__db_end(row);
      if (!is_sound)
        return refuse(db, NEAP_EDAMAGED,
                      "%s is damaged; go back to a backup of it", path);
    }
  }
  neap__db_run(db, "INSERT OR REPLACE INTO meta VALUES('machine', ?)", "t",
               machine);
  return neap__db_status(db);
}

int neap__schema_open(neap__db *db, const neap__db_opts *opts) {
  bool had_log = has_log(opts->path);
  int64_t application = neap__db_number(db, 0, "PRAGMA application_id", "");
  int64_t version = neap__db_number(db, 0, "PRAGMA user_version", "");
  int64_t tables =
      neap__db_number(db, 0, "SELECT count(*) FROM sqlite_master", "");
  if (db->code != SQLITE_OK)
    return neap__db_status(db);
  if (tables > 0 && application != APPLICATION)
    return refuse(db, NEAP_EINVAL, "%s is no store of neap", opts->path);
  if (opts->is_read_only)
    return tables > 0 ? 0 : refuse(db, NEAP_EINVAL, "%s is empty", opts->path);
  if (version > VERSION)
    return refuse(db, NEAP_ENEWER,
                  "%s was written by a later version of neap; this one can "
                  "only read it",
                  opts->path);
  int status = version < VERSION ? migrate(db) : 0;
  return status < 0 ? status : check(db, opts->path, had_log);
}
