/* The cases for stores find each of 20 stores that do one thing wrong. This
 * program has a memory store of its own, built with these faults.
 * SPDX-License-Identifier: MIT */
#include "store/kinds.h"
#include "waiter.h"

enum { WRONG_STORES = 20 };

extern int neap__wrong_store; /* of engine/store/world.c */

/* The number of cases that a wrong store fails. */
static int count_failures(int wrong) {
  int count = 0;
  store_kind kind = memory_kind();
  neap__wrong_store = wrong;
  for (int i = 0; i < conformance_count(); i++)
    count += conformance_run(i, &kind) != NULL;
  return count;
}

static void the_right_one_fails_no_case(void **state) {
  (void)state;
  assert_int_equal(0, count_failures(0));
}

static void each_wrong_one_is_found(void **state) {
  (void)state;
  for (int wrong = 1; wrong <= WRONG_STORES; wrong++)
    if (count_failures(wrong) == 0)
      fail_msg("no case finds the wrong store %d", wrong);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_right_one_fails_no_case),
      cmocka_unit_test(each_wrong_one_is_found),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
