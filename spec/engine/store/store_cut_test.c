/* Power cuts while runs are saved to a file. An argument is how many.
 * SPDX-License-Identifier: MIT */
#include "store/chain.h"
#include "store/cut_vfs.h"
#include "waiter.h"

static long cuts = 1000;

/* What became of steps that had been confirmed. */
typedef struct losses {
  long confirmed, lost, torn, broken;
} losses;

/* Opens the store after a cut and compares it with what was confirmed. */
static void compare(chain *c, int64_t confirmed[CHAIN_RUNS], losses *l) {
  for (int i = 0; i < CHAIN_RUNS; i++) {
    int64_t seq = chain_read(c, i);
    if (seq == -2)
      l->torn++;
    if (seq < confirmed[i])
      l->lost += (long)(confirmed[i] - (seq < 0 ? 0 : seq));
    confirmed[i] = seq < 0 ? 0 : seq;
  }
}

/* Takes the runs of those who were cut off: they have the number of this
 * process, which lives. */
static void let_all_go(chain *c) {
  chain_prepare(c);
  chain_finish(c, neap_store_workers(c->store, &c->op, &c->result));
  neap_store_result *workers = c->result;
  c->result = NULL;
  for (size_t i = 0; i < neap_store_row_count(workers); i++) {
    const char *owner = neap_store_row_at(workers, i)->name;
    chain_prepare(c);
    chain_finish(c, neap_store_leave(c->store, &c->op, owner, &c->result));
  }
  neap_store_result_free(workers);
}

static losses cut_often(const char *sync, long count, bool lies) {
  losses l = {0};
  int64_t confirmed[CHAIN_RUNS] = {0};
  uint32_t seed = 1;
  cut_vfs_use(42);
  for (long i = 0; i < count; i++) {
    chain c = {0};
    char owner[32];
    snprintf(owner, sizeof owner, "w%ld", i);
    cut_vfs_lie(lies && i > 0);
    if (chain_open(&c, "/cut/store.db", sync, NEAP_TEST_SQLITE_LIBRARY) < 0) {
      l.broken++;
      chain_close(&c);
      break;
    }
    compare(&c, confirmed, &l);
    if (i % 16 == 0 && !chain_check(&c))
      l.broken++;
    let_all_go(&c);
    if (i > 0) {
      seed = seed * 1664525 + 1013904223;
      cut_vfs_arm(1 + (long)(seed >> 8) % 300);
    }
    if (chain_claim(&c, owner) == 0) {
      for (int k = 0; k < CHAIN_RUNS; k++)
        confirmed[k] = c.links[k].run ? c.links[k].seq : confirmed[k];
      chain_go(&c, confirmed[0] + (i > 0 ? 200 : 1));
      for (int k = 0; k < CHAIN_RUNS; k++)
        confirmed[k] = c.links[k].run ? c.links[k].seq : confirmed[k];
    }
    l.confirmed += c.confirmed;
    chain_close(&c);
    cut_vfs_restore();
  }
  cut_vfs_leave();
  return l;
}

static void full_loses_nothing(void **state) {
  (void)state;
  losses l = cut_often("full", cuts, false);
  print_message("full: %ld steps confirmed in %ld cuts\n", l.confirmed, cuts);
  assert_int_equal(0, l.broken);
  assert_int_equal(0, l.torn);
  assert_int_equal(0, l.lost);
  assert_true(l.confirmed > cuts);
}

static void normal_tears_nothing(void **state) {
  (void)state;
  losses l = cut_often("normal", cuts, false);
  print_message("normal: %ld steps confirmed, %ld lost in %ld cuts\n",
                l.confirmed, l.lost, cuts);
  assert_int_equal(0, l.broken);
  assert_int_equal(0, l.torn);
  assert_true(l.lost > 0); /* or the cuts would be none */
}

/* A disk that does not do what it says shows that losses are seen. */
static void a_disk_that_lies_loses_steps(void **state) {
  (void)state;
  losses l = cut_often("full", 60, true);
  assert_true(l.lost + l.torn + l.broken > 0);
}

int main(int argc, char **argv) {
  if (argc > 1)
    cuts = strtol(argv[1], NULL, 10);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(full_loses_nothing),
      cmocka_unit_test(normal_tears_nothing),
      cmocka_unit_test(a_disk_that_lies_loses_steps),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
