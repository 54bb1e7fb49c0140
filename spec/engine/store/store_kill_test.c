/* A process that saves runs to a file is killed at each write, sync, truncation
 * and removal that it makes, one after the other.
 * SPDX-License-Identifier: MIT */
#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>

#include "store/chain.h"
#include "store/kinds.h"
#include "waiter.h"

enum { STEPS = 4 };

/* ---- A disk that kills --------------------------------------------------- */

/* Stands before the disk of SQLite. Only the child has it. */
typedef struct handle {
  sqlite3_file base;
  sqlite3_file *real;
} handle;

static sqlite3_vfs *usual, counting;
static sqlite3_io_methods methods;
static long points, kill_at;
static bool tears; /* half of the write at which it is killed is done */

static sqlite3_file *real_of(sqlite3_file *base) {
  return ((handle *)base)->real;
}

/* Counts a point; ends the process there. */
static bool is_last(void) {
  return __atomic_add_fetch(&points, 1, __ATOMIC_RELAXED) == kill_at;
}

static void die(void) {
  kill(getpid(), SIGKILL);
  pause();
}

static int k_close(sqlite3_file *base) {
  sqlite3_file *real = real_of(base);
  int code = real->pMethods ? real->pMethods->xClose(real) : SQLITE_OK;
  sqlite3_free(real);
  return code;
}
static int k_read(sqlite3_file *base, void *bytes, int size,
                  sqlite3_int64 offset) {
  return real_of(base)->pMethods->xRead(real_of(base), bytes, size, offset);
}
static int k_write(sqlite3_file *base, const void *bytes, int size,
                   sqlite3_int64 offset) {
  sqlite3_file *real = real_of(base);
  if (is_last()) {
    if (tears)
      real->pMethods->xWrite(real, bytes, size / 2, offset);
    die();
  }
  return real->pMethods->xWrite(real, bytes, size, offset);
}
static int k_truncate(sqlite3_file *base, sqlite3_int64 size) {
  if (is_last())
    die();
  return real_of(base)->pMethods->xTruncate(real_of(base), size);
}
static int k_sync(sqlite3_file *base, int flags) {
  if (is_last())
    die();
  return real_of(base)->pMethods->xSync(real_of(base), flags);
}
static int k_size(sqlite3_file *base, sqlite3_int64 *size) {
  return real_of(base)->pMethods->xFileSize(real_of(base), size);
}
static int k_lock(sqlite3_file *base, int level) {
  return real_of(base)->pMethods->xLock(real_of(base), level);
}
static int k_unlock(sqlite3_file *base, int level) {
  return real_of(base)->pMethods->xUnlock(real_of(base), level);
}
static int k_reserved(sqlite3_file *base, int *out) {
  return real_of(base)->pMethods->xCheckReservedLock(real_of(base), out);
}
static int k_control(sqlite3_file *base, int what, void *value) {
  return real_of(base)->pMethods->xFileControl(real_of(base), what, value);
}
static int k_sector(sqlite3_file *base) {
  return real_of(base)->pMethods->xSectorSize(real_of(base));
}
static int k_character(sqlite3_file *base) {
  return real_of(base)->pMethods->xDeviceCharacteristics(real_of(base));
}
static int k_map(sqlite3_file *base, int region, int size, int extend,
                 void volatile **out) {
  return real_of(base)->pMethods->xShmMap(real_of(base), region, size, extend,
                                          out);
}
static int k_map_lock(sqlite3_file *base, int first, int count, int flags) {
  return real_of(base)->pMethods->xShmLock(real_of(base), first, count, flags);
}
static void k_barrier(sqlite3_file *base) {
  real_of(base)->pMethods->xShmBarrier(real_of(base));
}
static int k_unmap(sqlite3_file *base, int deletes) {
  return real_of(base)->pMethods->xShmUnmap(real_of(base), deletes);
}

static int k_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *base,
                  int flags, int *out) {
  (void)vfs;
  handle *h = (handle *)base;
  h->real = sqlite3_malloc(usual->szOsFile);
  if (!h->real)
    return SQLITE_NOMEM;
  memset(h->real, 0, (size_t)usual->szOsFile);
  int code = usual->xOpen(usual, name, h->real, flags, out);
  h->base.pMethods = &methods;
  return code;
}
static int k_delete(sqlite3_vfs *vfs, const char *name, int syncs) {
  (void)vfs;
  if (is_last())
    die();
  return usual->xDelete(usual, name, syncs);
}

static void kill_at_point(long point, bool tearing) {
  usual = sqlite3_vfs_find(NULL);
  counting = *usual;
  counting.zName = "killing";
  counting.szOsFile = sizeof(handle);
  counting.xOpen = k_open;
  counting.xDelete = k_delete;
  methods = (sqlite3_io_methods){2,           k_close,    k_read,     k_write,
                                 k_truncate,  k_sync,     k_size,     k_lock,
                                 k_unlock,    k_reserved, k_control,  k_sector,
                                 k_character, k_map,      k_map_lock, k_barrier,
                                 k_unmap,     NULL,       NULL};
  kill_at = point;
  tears = tearing;
  sqlite3_vfs_register(&counting, 1);
}

/* ---- The child, and who looks what it has left --------------------------- */

static int told_pipe = -1;

static void tell(int index, int64_t seq) {
  char word[2] = {(char)index, (char)seq};
  if (write(told_pipe, word, 2) != 2)
    _exit(3);
}

/* Does the same things each time. Ends with 0 when it was not killed. */
static void be_child(const char *path, const char *sync) {
  chain c = {.told = tell};
  if (chain_open(&c, path, sync, NEAP_TEST_SQLITE_LIBRARY) < 0 ||
      chain_claim(&c, "child") < 0)
    _exit(2);
  chain_go(&c, STEPS);
  if (c.has_failed)
    _exit(4);
  chain_close(&c);
  _exit(0);
}

/* Runs a child that is killed at a point. Returns whether it came so far; what
 * it has told goes into told[]. */
static bool is_killed(const char *path, const char *sync, long point,
                      bool tearing, int64_t told[CHAIN_RUNS]) {
  int ends[2], status;
  assert_int_equal(0, pipe(ends));
  pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    told_pipe = ends[1];
    kill_at_point(point, tearing);
    be_child(path, sync);
  }
  close(ends[1]);
  char word[2];
  while (read(ends[0], word, 2) == 2)
    told[(unsigned char)word[0]] = (unsigned char)word[1];
  close(ends[0]);
  assert_int_equal(child, waitpid(child, &status, 0));
  if (WIFSIGNALED(status))
    return true;
  assert_int_equal(0, WEXITSTATUS(status));
  return false;
}

/* Whoever comes next takes the runs over at once, finds all that was told, and
 * goes on from there. */
static void look(const char *path, const int64_t told[CHAIN_RUNS], long point) {
  chain c = {0};
  assert_int_equal(0, chain_open(&c, path, "normal", NEAP_TEST_SQLITE_LIBRARY));
  for (int i = 0; i < CHAIN_RUNS; i++) {
    int64_t seq = chain_read(&c, i);
    if (seq == -2 || (seq < 0 ? 0 : seq) < told[i])
      fail_msg("killed at %ld: run %d has %lld steps, and told of %lld", point,
               i, (long long)seq, (long long)told[i]);
  }
  assert_int_equal(0, chain_claim(&c, "heir"));
  for (int i = 0; i < CHAIN_RUNS; i++)
    assert_true(c.links[i].run > 0);
  chain_go(&c, STEPS + 1);
  assert_false(c.has_failed);
  for (int i = 0; i < CHAIN_RUNS; i++)
    assert_int_equal(STEPS + 1, chain_read(&c, i));
  assert_true(chain_check(&c));
  chain_close(&c);
}

static void sweep(const char *sync, bool tearing) {
  char path[STORE_PATH_SIZE];
  long point = 1;
  for (bool killed = true; killed; point++) {
    int64_t told[CHAIN_RUNS] = {0};
    sqlite_kind(path); /* removes the file */
    killed = is_killed(path, sync, point, tearing, told);
    look(path, told, point);
  }
  remove_store(path);
  print_message("%s: %ld points\n", sync, point - 2);
  assert_true(point > 30);
}

static void no_step_is_lost_wherever_it_is_killed(void **state) {
  (void)state;
  sweep("full", false);
}

static void neither_where_a_write_is_torn(void **state) {
  (void)state;
  sweep("normal", true);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(no_step_is_lost_wherever_it_is_killed),
      cmocka_unit_test(neither_where_a_write_is_torn),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
