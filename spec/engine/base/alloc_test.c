/* The base: the allocator's funnel, buffers and lists.
 * SPDX-License-Identifier: MIT */
#include "base/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/list.h"
#include "failing_alloc.h"

static void without_a_function_it_is_that_of_the_library(void **state) {
  (void)state;
  const neap_alloc empty = {0};
  const neap_alloc *given[] = {NULL, &empty};
  for (int i = 0; i < 2; i++) {
    neap_alloc alloc = neap__alloc_or_default(given[i]);
    char *bytes = neap__alloc(&alloc, 3);
    assert_non_null(bytes);
    assert_memory_equal("\0\0\0", bytes, 3);
    memset(bytes, 'a', 3);
    bytes = alloc.fn(alloc.ud, bytes, 3, 5000);
    assert_memory_equal("aaa", bytes, 3);
    neap__free(&alloc, bytes, 5000);
    neap__free(&alloc, NULL, 7);
  }
}

static void all_memory_comes_through_the_function_given(void **state) {
  (void)state;
  failing_state memory;
  neap_alloc given = failing_alloc(&memory, 0);
  neap_alloc alloc = neap__alloc_or_default(&given);
  char *bytes = neap__alloc(&alloc, 10);
  char *copy = neap__copy(&alloc, "a\0b", 3);
  assert_memory_equal("a\0b", copy, 4);
  assert_int_equal(14, memory.live);
  neap__free(&alloc, bytes, 10);
  assert_int_equal(4, memory.live);
  neap__free(&alloc, copy, 4);
  assert_int_equal(0, memory.live);
}

static void an_empty_copy_is_terminated(void **state) {
  (void)state;
  neap_alloc alloc = neap__alloc_or_default(NULL);
  char *copy = neap__copy(&alloc, NULL, 0);
  assert_string_equal("", copy);
  neap__free(&alloc, copy, 1);
}

static void reserving_at_least_doubles(void **state) {
  (void)state;
  failing_state memory;
  neap_alloc alloc = failing_alloc(&memory, 0);
  uint32_t *items = NULL;
  size_t capacity = 0;
  for (uint32_t i = 0; i < 1000; i++) {
    assert_int_equal(
        0, neap__reserve(&alloc, &items, &capacity, i + 1, sizeof *items));
    assert_in_range(capacity, i + 1, 2 * i + 1);
    items[i] = i;
  }
  for (uint32_t i = 0; i < 1000; i++)
    assert_int_equal(i, items[i]);
  assert_in_range(memory.calls, 10, 11);
  neap__free(&alloc, items, capacity * sizeof *items);
  assert_int_equal(0, memory.live);
}

static void what_cannot_be_reserved_changes_nothing(void **state) {
  (void)state;
  failing_state memory;
  neap_alloc alloc = failing_alloc(&memory, 2);
  uint64_t *items = NULL;
  size_t capacity = 0;
  assert_int_equal(0, neap__reserve(&alloc, &items, &capacity, 4, 8));
  items[3] = 7;
  const uint64_t *before = items;
  assert_int_equal(NEAP_ENOMEM, neap__reserve(&alloc, &items, &capacity, 5, 8));
  assert_int_equal(NEAP_ENOMEM, neap__reserve(&alloc, &items, &capacity,
                                              SIZE_MAX / 8 + 2, 8));
  assert_ptr_equal(before, items);
  assert_int_equal(4, capacity);
  assert_int_equal(7, items[3]);
  neap__free(&alloc, items, capacity * 8);
  assert_int_equal(0, memory.live);
}

static int fill(const neap_alloc *alloc, neap__buf *buf) {
  for (int i = 0; i < 100; i++) {
    size_t size = buf->size;
    int status = neap__buf_append(buf, alloc, "0123456789", 10);
    if (status < 0) {
      assert_int_equal(size, buf->size);
      return status;
    }
  }
  return 0;
}

static void a_buffer_grows_and_survives_failure(void **state) {
  (void)state;
  bool failed = true;
  for (long n = 1; failed; n++) {
    failing_state memory;
    neap_alloc alloc = failing_alloc(&memory, n);
    neap__buf buf = {0};
    int status = fill(&alloc, &buf);
    failed = memory.failed;
    assert_int_equal(failed ? NEAP_ENOMEM : 0, status);
    for (size_t i = 0; i < buf.size; i++)
      assert_int_equal('0' + i % 10, buf.bytes[i]);
    neap__buf_free(&buf, &alloc);
    assert_int_equal(0, buf.size);
    assert_int_equal(0, memory.live);
  }
}

static void a_buffer_has_limits(void **state) {
  (void)state;
  neap_alloc alloc = neap__alloc_or_default(NULL);
  neap__buf buf = {0};
  assert_int_equal(0, neap__buf_append(&buf, &alloc, NULL, 0));
  assert_null(buf.bytes);
  assert_int_equal(0, neap__buf_append(&buf, &alloc, "a", 1));
  assert_int_equal(NEAP_ENOMEM, neap__buf_reserve(&buf, &alloc, SIZE_MAX));
  assert_int_equal(1, buf.size);
  neap__buf_free(&buf, &alloc);
}

typedef struct letter {
  char name;
  neap_link link;
} letter;

static void assert_spells(const char *word, const neap_link *list) {
  size_t count = 0;
  for (const neap_link *link = list->next; link != list; link = link->next) {
    assert_ptr_equal(link, link->next->prev);
    assert_int_equal(word[count], NEAP__ITEM(link, letter, link)->name);
    count++;
  }
  assert_int_equal(strlen(word), count);
  assert_int_equal(count == 0, neap__list_empty(list));
}

static void a_list_keeps_its_order(void **state) {
  (void)state;
  letter letters[5];
  neap_link list, other;
  neap__list_init(&list);
  neap__list_init(&other);
  assert_spells("", &list);
  for (int i = 0; i < 5; i++) {
    letters[i].name = (char)('a' + i);
    neap__list_append(i < 3 ? &list : &other, &letters[i].link);
  }
  assert_spells("abc", &list);
  neap__list_remove(&letters[1].link);
  neap__list_remove(&letters[1].link); /* harmless: it is in none */
  assert_spells("ac", &list);
  neap__list_splice(&list, &other);
  assert_spells("acde", &list);
  assert_spells("", &other);
  neap__list_splice(&list, &other);
  assert_spells("acde", &list);
  neap__list_splice(&other, &list);
  assert_spells("acde", &other);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(without_a_function_it_is_that_of_the_library),
      cmocka_unit_test(all_memory_comes_through_the_function_given),
      cmocka_unit_test(an_empty_copy_is_terminated),
      cmocka_unit_test(reserving_at_least_doubles),
      cmocka_unit_test(what_cannot_be_reserved_changes_nothing),
      cmocka_unit_test(a_buffer_grows_and_survives_failure),
      cmocka_unit_test(a_buffer_has_limits),
      cmocka_unit_test(a_list_keeps_its_order),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
