/* The file of a store: what is refused, what fails, and that it can be copied.
 * SPDX-License-Identifier: MIT */
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "store/chain.h"
#include "store/kinds.h"
#include "waiter.h"

static char path[STORE_PATH_SIZE];

static int set_up(void **state) {
  (void)state;
  sqlite_kind(path);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  remove_store(path);
  return 0;
}

/* Runs SQL in the file. */
static void run_sql(const char *text) {
  sqlite3 *sql;
  assert_int_equal(SQLITE_OK, sqlite3_open(path, &sql));
  assert_int_equal(SQLITE_OK, sqlite3_exec(sql, text, NULL, NULL, NULL));
  sqlite3_close(sql);
}

static int64_t clock_value(void *ud) {
  return __atomic_load_n((int64_t *)ud, __ATOMIC_RELAXED);
}

/* Opens with further options; what is said about a failure goes to `why`. */
static int open_with(chain *c, bool read_only, int64_t *now, char why[256]) {
  neap_store_opts opts = NEAP_STORE_OPTS_INIT;
  opts.kind = "sqlite";
  opts.path = path;
  opts.library = NEAP_TEST_SQLITE_LIBRARY;
  opts.read_only = read_only;
  if (now) {
    opts.clock = clock_value;
    opts.clock_ud = now;
  }
  *c = (chain){0};
  neap_op_init(&c->op, chain_done, c);
  assert_int_equal(0, neap_engine_new(NULL, &c->engine));
  int status = chain_finish(
      c, neap_store_open(c->engine, &c->op, &opts, &c->store, &c->result));
  if (why)
    snprintf(why, 256, "%s", neap_store_why(c->result));
  return status;
}

static void make_store(void) {
  chain c;
  assert_int_equal(0, open_with(&c, false, NULL, NULL));
  assert_int_equal(0, chain_claim(&c, "a"));
  chain_go(&c, 3);
  assert_false(c.has_failed);
  chain_close(&c);
}

static void a_file_that_is_closed_has_no_log(void **state) {
  (void)state;
  char log[STORE_PATH_SIZE + 8];
  make_store();
  snprintf(log, sizeof log, "%s-wal", path);
  assert_int_equal(0, access(path, F_OK));
  assert_int_equal(-1, access(log, F_OK));
}

static void what_is_no_store_is_refused(void **state) {
  (void)state;
  chain c;
  char why[256];
  run_sql("CREATE TABLE other(x)");
  assert_int_equal(NEAP_EINVAL, open_with(&c, false, NULL, why));
  assert_non_null(strstr(why, "no store of neap"));
  /* What is asked of it fails likewise. */
  assert_int_equal(NEAP_EINVAL, chain_claim(&c, "a"));
  chain_close(&c);
  FILE *file = fopen(path, "w");
  fputs("this is a text, and not a database of SQLite at all", file);
  for (int i = 0; i < 2000; i++)
    fputc('x', file);
  fclose(file);
  assert_int_equal(NEAP_EINVAL, open_with(&c, false, NULL, why));
  chain_close(&c);
}

static void a_later_version_can_only_be_read(void **state) {
  (void)state;
  chain c;
  char why[256];
  make_store();
  run_sql("PRAGMA user_version=99");
  assert_int_equal(NEAP_ENEWER, open_with(&c, false, NULL, why));
  assert_non_null(strstr(why, "later version"));
  chain_close(&c);
  assert_int_equal(0, open_with(&c, true, NULL, why));
  assert_int_equal(3, chain_read(&c, 0));
  assert_int_equal(NEAP_EREADONLY, chain_claim(&c, "b"));
  chain_close(&c);
}

static void no_folder_no_store(void **state) {
  (void)state;
  chain c;
  char why[256];
  snprintf(path, sizeof path, "/tmp/neap_none/%d.db", (int)getpid());
  assert_int_equal(NEAP_ESTORE, open_with(&c, false, NULL, why));
  assert_true(why[0] != '\0');
  chain_close(&c);
}

/* Overwrites the middle of the file, as if a disk had. */
static void damage(void) {
  FILE *file = fopen(path, "r+");
  fseek(file, 0, SEEK_END);
  long size = ftell(file);
  for (long at = 4096; at < size; at += 4096) {
    fseek(file, at, SEEK_SET);
    for (int i = 0; i < 200; i++)
      fputc(0xa5, file);
  }
  fclose(file);
}

static void damage_is_found(void **state) {
  (void)state;
  chain c;
  make_store();
  damage();
  int status = open_with(&c, false, NULL, NULL);
  if (status == 0) /* nobody has looked yet */
    assert_false(chain_check(&c));
  else
    assert_int_equal(NEAP_EDAMAGED, status);
  chain_close(&c);
}

static void a_removed_file_fails_the_next_save(void **state) {
  (void)state;
  chain c;
  int64_t now = 1000;
  assert_int_equal(0, open_with(&c, false, &now, NULL));
  assert_int_equal(0, chain_claim(&c, "a"));
  chain_go(&c, 1);
  assert_false(c.has_failed);
  remove_store(path);
  __atomic_store_n(&now, 62000, __ATOMIC_RELAXED);
  chain_go(&c, 2);
  assert_true(c.has_failed);
  chain_close(&c);
}

static void a_backup_is_a_store(void **state) {
  (void)state;
  chain c;
  char copy[STORE_PATH_SIZE + 8];
  snprintf(copy, sizeof copy, "%s.copy", path);
  unlink(copy);
  make_store();
  assert_int_equal(0, open_with(&c, false, NULL, NULL));
  chain_prepare(&c);
  assert_int_equal(
      0, chain_finish(&c, neap_store_backup(c.store, &c.op, copy, &c.result)));
  chain_prepare(&c);
  assert_int_equal(
      NEAP_ESTORE,
      chain_finish(&c, neap_store_backup(c.store, &c.op, copy, &c.result)));
  chain_close(&c);
  remove_store(path);
  assert_int_equal(0, rename(copy, path));
  assert_int_equal(0, open_with(&c, false, NULL, NULL));
  assert_int_equal(3, chain_read(&c, 2));
  assert_true(chain_check(&c));
  chain_close(&c);
}

/* One request of many cannot be done: it fails alone. */
static void one_bad_save_fails_alone(void **state) {
  (void)state;
  chain c;
  make_store();
  run_sql("CREATE TRIGGER bad BEFORE INSERT ON steps WHEN new.run=2"
          " BEGIN SELECT raise(ABORT, 'bad'); END");
  assert_int_equal(0, open_with(&c, false, NULL, NULL));
  chain_prepare(&c);
  assert_int_equal(
      0, chain_finish(&c, neap_store_leave(c.store, &c.op, "a", &c.result)));
  assert_int_equal(0, chain_claim(&c, "b"));
  c.most = 4;
  for (int i = 0; i < CHAIN_RUNS; i++) {
    c.links[i].chain = &c;
    chain_step(&c.links[i]);
  }
  while (c.under_way > 0)
    neap_poll(c.engine, NEAP_FOREVER);
  assert_true(c.has_failed);
  for (int i = 0; i < CHAIN_RUNS; i++)
    assert_int_equal(c.links[i].run == 2 ? 3 : 4, chain_read(&c, i));
  chain_close(&c);
}

/* There is no room for a while. What was saved stays, and then it goes on. */
static void a_full_disk_is_waited_out(void **state) {
  (void)state;
  chain c;
  struct rlimit usual, small;
  assert_int_equal(0, open_with(&c, false, NULL, NULL));
  assert_int_equal(0, chain_claim(&c, "a"));
  chain_go(&c, 5);
  assert_false(c.has_failed);
  signal(SIGXFSZ, SIG_IGN);
  assert_int_equal(0, getrlimit(RLIMIT_FSIZE, &usual));
  small = usual;
  small.rlim_cur = 400000;
  assert_int_equal(0, setrlimit(RLIMIT_FSIZE, &small));
  chain_go(&c, 2000);
  assert_int_equal(0, setrlimit(RLIMIT_FSIZE, &usual));
  assert_true(c.has_failed);
  assert_int_equal(NEAP_ESTORE, c.status);
  c.has_failed = false;
  for (int i = 0; i < CHAIN_RUNS; i++)
    assert_int_equal(c.links[i].seq, chain_read(&c, i));
  int64_t most = c.links[0].seq + 10;
  chain_go(&c, most);
  assert_false(c.has_failed);
  assert_int_equal(most, chain_read(&c, 0));
  assert_true(chain_check(&c));
  chain_close(&c);
}

/* The runs of a process that has ended are given to others at once. */
static void a_dead_process_has_no_runs(void **state) {
  (void)state;
  chain c;
  int status;
  pid_t child = fork();
  if (child == 0) {
    if (open_with(&c, false, NULL, NULL) < 0 || chain_claim(&c, "child") < 0)
      _exit(1);
    _exit(c.links[0].run > 0 ? 0 : 2);
  }
  assert_int_equal(child, waitpid(child, &status, 0));
  assert_int_equal(0, status);
  assert_int_equal(0, open_with(&c, false, NULL, NULL));
  neap_store_join_opts join = NEAP_STORE_JOIN_OPTS_INIT;
  join.owner = "heir";
  join.lease = 1000;
  chain_prepare(&c);
  assert_int_equal(
      0, chain_finish(&c, neap_store_join(c.store, &c.op, &join, &c.result)));
  assert_int_equal(CHAIN_RUNS, neap_store_number(c.result));
  chain_close(&c);
}

/* Two processes save to one file. */
static void two_processes_share_a_file(void **state) {
  (void)state;
  chain c;
  int status;
  make_store();
  pid_t child = fork();
  if (child == 0) {
    if (open_with(&c, false, NULL, NULL) < 0 || chain_claim(&c, "child") < 0)
      _exit(1);
    chain_go(&c, 300);
    _exit(c.has_failed ? 2 : 0);
  }
  assert_int_equal(0, open_with(&c, false, NULL, NULL));
  char name[16];
  for (int i = 0; i < 200; i++) {
    snprintf(name, sizeof name, "s%d", i);
    chain_prepare(&c);
    assert_int_equal(0, chain_finish(&c, neap_store_schedule(
                                             c.store, &c.op, name,
                                             (neap_span){0}, 0, 1, &c.result)));
  }
  assert_int_equal(child, waitpid(child, &status, 0));
  assert_int_equal(0, status);
  assert_true(chain_check(&c));
  chain_close(&c);
}

static void a_store_may_outlive_its_engine(void **state) {
  (void)state;
  chain c;
  assert_int_equal(0, open_with(&c, false, NULL, NULL));
  neap_engine_free(c.engine);
  chain_prepare(&c);
  assert_int_equal(NEAP_ECLOSED, neap_store_check(c.store, &c.op, &c.result));
  c.engine = NULL;
  chain_close(&c);
}

/* Freed amid requests, a store ends each of them once. */
static void freeing_ends_what_is_under_way(void **state) {
  (void)state;
  enum { MANY = 200 };
  static waiter waiters[MANY];
  chain c;
  assert_int_equal(0, open_with(&c, false, NULL, NULL));
  for (int i = 0; i < MANY; i++) {
    char name[16];
    snprintf(name, sizeof name, "s%d", i);
    prepare(&waiters[i]);
    assert_int_equal(0, neap_store_schedule(c.store, &waiters[i].op, name,
                                            (neap_span){0}, 0, 1, NULL));
  }
  neap_store_free(c.store);
  c.store = NULL;
  for (int i = 0; i < MANY; i++) {
    while (waiters[i].calls == 0)
      neap_poll(c.engine, NEAP_FOREVER);
    assert_true(waiters[i].status == 0 || waiters[i].status == NEAP_ECLOSED);
  }
  chain_close(&c);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_file_that_is_closed_has_no_log),
      TEST(what_is_no_store_is_refused),
      TEST(a_later_version_can_only_be_read),
      TEST(no_folder_no_store),
      TEST(damage_is_found),
      TEST(a_removed_file_fails_the_next_save),
      TEST(a_backup_is_a_store),
      TEST(one_bad_save_fails_alone),
      TEST(a_full_disk_is_waited_out),
      TEST(a_dead_process_has_no_runs),
      TEST(two_processes_share_a_file),
      TEST(a_store_may_outlive_its_engine),
      TEST(freeing_ends_what_is_under_way),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
