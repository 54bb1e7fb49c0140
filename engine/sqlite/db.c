/* A connection to the file of a store: statements, and what went wrong.
 * SPDX-License-Identifier: MIT */
#include "db.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "file.h"

/* How long to wait for other processes that write, in ms. */
enum { PATIENCE = 5000 };

/* ---- What went wrong ----------------------------------------------------- */

/* Notes the first failure. Returns whether there is none. */
static bool note(neap__db *db, int code) {
  if (code == SQLITE_OK || code == SQLITE_ROW || code == SQLITE_DONE)
    return db->code == SQLITE_OK;
  if (db->code == SQLITE_OK) {
    db->code = code;
    snprintf(db->why, sizeof db->why, "%s",
             db->sql ? sqlite3_errmsg(db->sql) : sqlite3_errstr(code));
  }
  return false;
}

void neap__db_clear(neap__db *db) {
  db->code = SQLITE_OK;
  db->why[0] = '\0';
}

int neap__db_status(const neap__db *db) {
  switch (db->code & 0xff) {
  case SQLITE_OK:
    return 0;
  case SQLITE_NOMEM:
    return NEAP_ENOMEM;
  case SQLITE_TOOBIG:
    return NEAP_ETOOBIG;
  case SQLITE_CORRUPT:
    return NEAP_EDAMAGED;
  case SQLITE_NOTADB:
    return NEAP_EINVAL;
  case SQLITE_READONLY:
    return NEAP_EREADONLY;
  default:
    return NEAP_ESTORE;
  }
}

/* ---- Statements ---------------------------------------------------------- */

/* The statement of a text, prepared when it is first wanted. */
static sqlite3_stmt *find(neap__db *db, const char *text) {
  size_t at = ((uintptr_t)text >> 3) * 31;
  for (;; at++) {
    at &= NEAP__DB_STATEMENTS - 1;
    if (db->cache[at].text == text)
      return db->cache[at].statement;
    if (!db->cache[at].text)
      break;
  }
  sqlite3_stmt *statement = NULL;
  int code = sqlite3_prepare_v3(db->sql, text, -1, SQLITE_PREPARE_PERSISTENT,
                                &statement, NULL);
  if (!note(db, code))
    return NULL;
  db->cache[at].text = text;
  db->cache[at].statement = statement;
  return statement;
}

static int bind_span(sqlite3_stmt *statement, int at, neap_span span,
                     bool is_text) {
  if (is_text)
    return sqlite3_bind_text64(statement, at, span.bytes ? span.bytes : "",
                               span.size, SQLITE_STATIC, SQLITE_UTF8);
  if (span.size == 0)
    return sqlite3_bind_zeroblob(statement, at, 0);
  return sqlite3_bind_blob64(statement, at, span.bytes, span.size,
                             SQLITE_STATIC);
}

static sqlite3_stmt *prepare(neap__db *db, const char *text, const char *types,
                             va_list values) {
  if (db->code != SQLITE_OK)
    return NULL;
  sqlite3_stmt *statement = find(db, text);
  if (!statement)
    return NULL;
  int code = SQLITE_OK;
  for (int at = 1; *types && code == SQLITE_OK; types++, at++) {
    switch (*types) {
    case 'i':
      code = sqlite3_bind_int64(statement, at, va_arg(values, int64_t));
      break;
    case 't':
      code = sqlite3_bind_text(statement, at, va_arg(values, const char *), -1,
                               SQLITE_STATIC);
      break;
    default:
      code = bind_span(statement, at, va_arg(values, neap_span), *types == 's');
    }
  }
  return note(db, code) ? statement : NULL;
}

bool neap__db_next(neap__db *db, sqlite3_stmt *statement) {
  if (!statement)
    return false;
  int code = sqlite3_step(statement);
  if (code == SQLITE_ROW)
    return true;
  note(db, code);
  sqlite3_reset(statement);
  return false;
}

void neap__db_end(sqlite3_stmt *statement) {
  if (statement)
    sqlite3_reset(statement);
}

bool neap__db_run(neap__db *db, const char *text, const char *types, ...) {
  va_list values;
  va_start(values, types);
  sqlite3_stmt *statement = prepare(db, text, types, values);
  va_end(values);
  if (neap__db_next(db, statement))
    neap__db_end(statement);
  return db->code == SQLITE_OK;
}

sqlite3_stmt *neap__db_query(neap__db *db, const char *text, const char *types,
                             ...) {
  va_list values;
  va_start(values, types);
  sqlite3_stmt *statement = prepare(db, text, types, values);
  va_end(values);
  return statement;
}

int64_t neap__db_number(neap__db *db, int64_t otherwise, const char *text,
                        const char *types, ...) {
  va_list values;
  va_start(values, types);
  sqlite3_stmt *statement = prepare(db, text, types, values);
  va_end(values);
  if (!neap__db_next(db, statement))
    return otherwise;
  int64_t number = sqlite3_column_int64(statement, 0);
  neap__db_end(statement);
  return number;
}

int64_t neap__db_int(sqlite3_stmt *statement, int column) {
  return sqlite3_column_int64(statement, column);
}

const char *neap__db_text(sqlite3_stmt *statement, int column) {
  return (const char *)sqlite3_column_text(statement, column);
}

neap_span neap__db_span(sqlite3_stmt *statement, int column) {
  const char *bytes = sqlite3_column_blob(statement, column);
  size_t size = (size_t)sqlite3_column_bytes(statement, column);
  return (neap_span){.bytes = bytes ? bytes : "", .size = size};
}

/* ---- Opening and closing ------------------------------------------------- */

static int note_wal(void *ud, sqlite3 *sql, const char *name, int pages) {
  (void)sql;
  (void)name;
  ((neap__db *)ud)->wal_pages = pages;
  return SQLITE_OK;
}

/* Sets what is not kept in the file. */
static void configure(neap__db *db, const neap__db_opts *opts) {
  sqlite3_busy_timeout(db->sql, PATIENCE);
  sqlite3_wal_hook(db->sql, note_wal, db);
  neap__db_run(db,
               opts->is_normal ? "PRAGMA synchronous=NORMAL"
                               : "PRAGMA synchronous=FULL",
               "");
  neap__db_run(db, "PRAGMA cache_size=-16000", "");
  neap__db_run(db, "PRAGMA temp_store=MEMORY", "");
}

int neap__db_open(neap__db *db, const neap__db_opts *opts) {
  *db = (neap__db){0};
  int status = neap__file_refusal(opts->path, db->why, sizeof db->why);
  if (status < 0)
    return status;
  int flags = SQLITE_OPEN_NOMUTEX;
  if (opts->is_read_only)
    flags |= SQLITE_OPEN_READONLY;
  else
    flags |= SQLITE_OPEN_READWRITE | (opts->is_writer ? SQLITE_OPEN_CREATE : 0);
  int code = sqlite3_open_v2(opts->path, &db->sql, flags, NULL);
  if (note(db, code))
    configure(db, opts);
  return neap__db_status(db);
}

void neap__db_close(neap__db *db) {
  for (size_t i = 0; i < NEAP__DB_STATEMENTS; i++)
    if (db->cache[i].text)
      sqlite3_finalize(db->cache[i].statement);
  sqlite3_close(db->sql);
  *db = (neap__db){0};
}
