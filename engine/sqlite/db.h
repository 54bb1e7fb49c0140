/* A connection to the file of a store: statements, and what went wrong.
 * SPDX-License-Identifier: MIT */
#ifndef NEAP_SQLITE_DB_H
#define NEAP_SQLITE_DB_H

#include <sqlite3.h>

#include "neap_store.h"

enum { NEAP__DB_STATEMENTS = 256 }; /* more than there are; a power of two */

/* `code` is the first code of SQLite that was none of success since it was last
 * cleared, and `why` what SQLite said. After it, nothing more is done. */
typedef struct neap__db {
  sqlite3 *sql; /* NULL: it is not open */
  int code;
  char why[256];
  int64_t now;   /* the time of what is being done */
  int wal_pages; /* how long the log has become by this connection's writes */
  struct {
    const char *text; /* a literal, by whose address it is found; NULL: free */
    sqlite3_stmt *statement;
  } cache[NEAP__DB_STATEMENTS];
} neap__db;

/* How a file is opened. */
typedef struct neap__db_opts {
  const char *path;
  bool is_writer; /* it makes the file */
  bool is_read_only;
  bool is_normal; /* synchronous = normal */
} neap__db_opts;

/* Opens a file; on failure `why` says what was wrong, and the connection is to
 * be closed all the same. 0, or a status as of neap__db_status. */
int neap__db_open(neap__db *db, const neap__db_opts *opts);
void neap__db_close(neap__db *db);

/* The status of what was done since `code` was cleared; 0: all went well. */
int neap__db_status(const neap__db *db);
void neap__db_clear(neap__db *db);

/* Statements are literals. `types` has a letter for each parameter: i int64_t,
 * t const char *, s neap_span as a text, b neap_span. What they point to has to
 * stay until the statement has been used. */

/* Does one that has no rows. Returns whether that worked. */
bool neap__db_run(neap__db *db, const char *text, const char *types, ...);

/* Begins one that has rows; NULL on failure. Then goes to the next row; false
 * when there is none, or on failure. It is over then; end it before that if not
 * all rows are wanted. NULL has no rows. */
sqlite3_stmt *neap__db_query(neap__db *db, const char *text, const char *types,
                             ...);
bool neap__db_next(neap__db *db, sqlite3_stmt *statement);
void neap__db_end(sqlite3_stmt *statement);

/* The only number that a query gives, `otherwise` if it has no row. */
int64_t neap__db_number(neap__db *db, int64_t otherwise, const char *text,
                        const char *types, ...);

/* A column of the row. The bytes are SQLite's until the next row. */
int64_t neap__db_int(sqlite3_stmt *statement, int column);
const char *neap__db_text(sqlite3_stmt *statement, int column);
neap_span neap__db_span(sqlite3_stmt *statement, int column);

#endif
