/* The store that keeps runs in memory.
 * SPDX-License-Identifier: MIT */
#include "store/conformance.h"
#include "store/kinds.h"
#include "waiter.h"

static void does_what_every_store_does(void **state) {
  (void)state;
  store_kind kind = memory_kind();
  for (int i = 0; i < conformance_count(); i++) {
    const char *why = conformance_run(i, &kind);
    if (why)
      fail_msg("%s: %s", conformance_name(i), why);
  }
  assert_true(conformance_count() > 120);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(does_what_every_store_does),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
