/* durable neap SYNC RUNS STEPS FILE: runs that save steps to a store at the
 * same time, each its next when the last is saved, of 250 bytes and 32 of
 * frames. durable bare SYNC RUNS STEPS FILE: the same tables by SQLite alone,
 * with one commit for each step. SPDX-License-Identifier: MIT */
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "measure.h"
#include "neap_store.h"

enum { VALUE = 250, FRAMES = 32 };

static neap_engine *engine;
static neap_store *store;
static long left, under_way;
static char value[VALUE], frames[FRAMES];

static _Noreturn void give_up(const char *what) {
  fprintf(stderr, "durable: %s\n", what);
  exit(EXIT_FAILURE);
}

static void remove_file(const char *path) {
  static const char *const endings[] = {"", "-wal", "-shm"};
  char name[4096];
  for (int i = 0; i < 3; i++) {
    snprintf(name, sizeof name, "%s%s", path, endings[i]);
    unlink(name);
  }
}

/* ---- Bare ---------------------------------------------------------------- */

static sqlite3 *sql;

static void run_sql(const char *text) {
  if (sqlite3_exec(sql, text, NULL, NULL, NULL) != SQLITE_OK)
    give_up(sqlite3_errmsg(sql));
}

static sqlite3_stmt *prepare(const char *text) {
  sqlite3_stmt *statement;
  if (sqlite3_prepare_v2(sql, text, -1, &statement, NULL) != SQLITE_OK)
    give_up(sqlite3_errmsg(sql));
  return statement;
}

static void step(sqlite3_stmt *statement) {
  if (sqlite3_step(statement) != SQLITE_DONE)
    give_up(sqlite3_errmsg(sql));
  sqlite3_reset(statement);
}

static void bare(const char *sync, int runs, long steps, const char *path) {
  char text[64];
  if (sqlite3_open(path, &sql) != SQLITE_OK)
    give_up("the file cannot be opened");
  run_sql("PRAGMA journal_mode=WAL");
  snprintf(text, sizeof text, "PRAGMA synchronous=%s", sync);
  run_sql(text);
  run_sql("CREATE TABLE runs(n INTEGER PRIMARY KEY, seq INT, frames BLOB);"
          "CREATE TABLE vars(run INT, name TEXT, value BLOB,"
          " PRIMARY KEY(run, name)) WITHOUT ROWID");
  sqlite3_stmt *insert = prepare("INSERT INTO runs VALUES(?, 0, NULL)");
  for (int i = 1; i <= runs; i++) {
    sqlite3_bind_int(insert, 1, i);
    step(insert);
  }
  sqlite3_stmt *begin = prepare("BEGIN IMMEDIATE"), *end = prepare("COMMIT");
  sqlite3_stmt *update =
      prepare("UPDATE runs SET seq=seq+1, frames=? WHERE n=?");
  sqlite3_stmt *set = prepare("INSERT OR REPLACE INTO vars VALUES(?, 'v', ?)");
  measure began = measure_now();
  for (long i = 0; i < steps; i++) {
    int run = (int)(i % runs) + 1;
    step(begin);
    sqlite3_bind_blob(update, 1, frames, FRAMES, SQLITE_STATIC);
    sqlite3_bind_int(update, 2, run);
    step(update);
    sqlite3_bind_int(set, 1, run);
    sqlite3_bind_blob(set, 2, value, VALUE, SQLITE_STATIC);
    step(set);
    step(end);
  }
  measure_print(&began, "SQLite, one commit a step");
  sqlite3_finalize(insert);
  sqlite3_finalize(begin);
  sqlite3_finalize(end);
  sqlite3_finalize(update);
  sqlite3_finalize(set);
  sqlite3_close(sql);
}

/* ---- neap ---------------------------------------------------------------- */

typedef struct worker {
  neap_op op;
  neap_store_save_opts save;
} worker;

static void save_next(worker *w) {
  static const neap_store_change change = {
      .kind = NEAP_STORE_SET, .name = {"v", 1}, .value = {value, VALUE}};
  if (left == 0)
    return;
  left--;
  under_way++;
  w->save.changes = &change;
  w->save.change_count = 1;
  w->save.frames = (neap_span){frames, FRAMES};
  if (neap_store_save(store, &w->op, &w->save, NULL) < 0)
    give_up("a save was refused");
}

static void on_saved(neap_op *op) {
  worker *w = op->data;
  if (op->status < 0)
    give_up(neap_status_text(op->status));
  under_way--;
  w->save.seq++;
  save_next(w);
}

static void on_done(neap_op *op) {
  if (op->status < 0)
    give_up(neap_status_text(op->status));
}

static void finish(neap_op *op, int status) {
  if (status < 0)
    give_up(neap_status_text(status));
  while (neap_op_active(op))
    neap_poll(engine, NEAP_FOREVER);
}

static void neap(const char *sync, int runs, long steps, const char *path) {
  neap_op op;
  neap_store_opts opts = NEAP_STORE_OPTS_INIT;
  neap_store_start_opts start = NEAP_STORE_START_OPTS_INIT;
  neap_store_join_opts join = NEAP_STORE_JOIN_OPTS_INIT;
  neap_store_result *result = NULL;
  neap_op_init(&op, on_done, NULL);
  opts.kind = "sqlite";
  opts.path = path;
  opts.sync = sync;
  opts.library = NEAP_BENCH_SQLITE_LIBRARY;
  if (neap_engine_new(NULL, &engine) < 0)
    give_up("there is no engine");
  finish(&op, neap_store_open(engine, &op, &opts, &store, NULL));
  for (int i = 0; i < runs; i++) {
    char id[16];
    snprintf(id, sizeof id, "%d", i);
    start.id = id;
    start.flow = "bench";
    finish(&op, neap_store_start(store, &op, &start, NULL));
  }
  join.owner = "bench";
  join.lease = 3600000;
  finish(&op, neap_store_join(store, &op, &join, NULL));
  neap_store_room room = {.queue = "default", .room = (uint32_t)runs};
  finish(&op, neap_store_claim(store, &op, "bench", &room, 1, &result));
  worker *workers = calloc((size_t)runs, sizeof *workers);
  if (!workers || neap_store_run_count(result) != (size_t)runs)
    give_up("the runs were not claimed");
  left = steps;
  measure began = measure_now();
  for (int i = 0; i < runs; i++) {
    const neap_store_run *run = neap_store_run_at(result, (size_t)i);
    workers[i].save = (neap_store_save_opts)NEAP_STORE_SAVE_OPTS_INIT;
    workers[i].save.run = run->number;
    workers[i].save.status = NEAP_STORE_RUNNING;
    memcpy(workers[i].save.token, run->token, sizeof run->token);
    neap_op_init(&workers[i].op, on_saved, &workers[i]);
    save_next(&workers[i]);
  }
  while (under_way > 0)
    neap_poll(engine, NEAP_FOREVER);
  measure_print(&began, "neap's store");
  neap_store_result_free(result);
  neap_store_free(store);
  neap_engine_free(engine);
  free(workers);
}

int main(int argc, char **argv) {
  if (argc != 6) {
    fputs("usage: durable neap|bare SYNC RUNS STEPS FILE\n", stderr);
    return EXIT_FAILURE;
  }
  int runs = (int)strtol(argv[3], NULL, 10);
  long steps = strtol(argv[4], NULL, 10);
  for (int i = 0; i < VALUE; i++)
    value[i] = (char)(i * 37);
  remove_file(argv[5]);
  if (strcmp(argv[1], "neap") == 0)
    neap(argv[2], runs, steps, argv[5]);
  else
    bare(argv[2], runs, steps, argv[5]);
  remove_file(argv[5]);
  return 0;
}
