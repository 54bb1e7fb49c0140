/* Status codes, their names and sentences.
 * SPDX-License-Identifier: MIT */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <stdio.h>

#include "neap.h"

static const neap_status all[] = {
#define CODE(name, code, text) NEAP_##name,
    NEAP_STATUS_MAP(CODE)
#undef CODE
};

static void each_has_a_name_and_a_sentence_of_its_own(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    for (size_t j = 0; j < i; j++) {
      assert_int_not_equal(all[j], all[i]);
      assert_string_not_equal(neap_status_name(all[j]),
                              neap_status_name(all[i]));
      assert_string_not_equal(neap_status_text(all[j]),
                              neap_status_text(all[i]));
    }
}

static void the_numbers_stay(void **state) {
  (void)state;
  assert_int_equal(0, NEAP_OK);
  assert_int_equal(-1, NEAP_ENOMEM);
  assert_string_equal("OK", neap_status_name(0));
  assert_string_equal("ENOMEM", neap_status_name(-1));
  assert_string_equal("out of memory", neap_status_text(-1));
}

static void other_numbers_are_unknown(void **state) {
  (void)state;
  const int others[] = {1, -1000, INT_MIN, INT_MAX};
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    assert_string_equal("EUNKNOWN", neap_status_name(others[i]));
    assert_string_equal("unknown status", neap_status_text(others[i]));
  }
}

static void the_version_is_that_of_the_header(void **state) {
  (void)state;
  assert_string_equal(NEAP_VERSION, neap_version());
  assert_int_equal(NEAP_VERSION_NUMBER, neap_version_number());
  char text[32];
  snprintf(text, sizeof text, "%d.%d.%d", NEAP_VERSION_NUMBER >> 16,
           NEAP_VERSION_NUMBER >> 8 & 0xff, NEAP_VERSION_NUMBER & 0xff);
  assert_string_equal(NEAP_VERSION, text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_has_a_name_and_a_sentence_of_its_own),
      cmocka_unit_test(the_numbers_stay),
      cmocka_unit_test(other_numbers_are_unknown),
      cmocka_unit_test(the_version_is_that_of_the_header),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
