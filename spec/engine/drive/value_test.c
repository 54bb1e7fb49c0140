/* Values by path: the form of paths, and what is asked of a store.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "neap.h"

/* A store that notes the keys, and has one value at every path. */
typedef struct store {
  char keys[256];
  neap_datum datum;
  int status;
} store;

static void note(store *s, const neap_key *keys, size_t count) {
  s->keys[0] = '\0';
  for (size_t i = 0; i < count; i++) {
    size_t length = strlen(s->keys);
    if (keys[i].name)
      snprintf(s->keys + length, sizeof s->keys - length, "<%.*s>",
               (int)keys[i].size, keys[i].name);
    else
      snprintf(s->keys + length, sizeof s->keys - length, "#%lld",
               (long long)keys[i].index);
  }
}

static int get(void *self, const neap_key *keys, size_t count,
               neap_datum *out) {
  store *s = self;
  note(s, keys, count);
  if (out->type == NEAP_TYPE_JSON) {
    *out = (neap_datum){.type = NEAP_TYPE_JSON, .text = "[1]", .size = 3};
    return s->status;
  }
  *out = s->datum;
  return s->status;
}

static int set(void *self, const neap_key *keys, size_t count,
               const neap_datum *datum) {
  store *s = self;
  note(s, keys, count);
  s->datum = *datum;
  return s->status;
}

static const neap_value_ops ops = {.size = sizeof ops, .get = get, .set = set};

static void a_path_has_names_and_indices(void **state) {
  (void)state;
  static const struct {
    const char *path, *keys;
  } cases[] = {
      {"", ""},
      {"a", "<a>"},
      {"npc.mood", "<npc><mood>"},
      {"npc.bag[2].name", "<npc><bag>#2<name>"},
      {"[1]", "#1"},
      {"[1][20].x", "#1#20<x>"},
      {"[\"a. [b\"].c", "<a. [b><c>"},
      {"[\"\"]", "<>"},
      {"two words", "<two words>"},
      {"x]", "<x]>"},
  };
  store s = {.datum = {.type = NEAP_TYPE_NUMBER, .number = 2.5}};
  neap_value value = {&ops, &s};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    double number = 0;
    assert_int_equal(0, neap_get_number(value, cases[i].path, &number));
    assert_string_equal(cases[i].keys, s.keys);
    assert_true(number == 2.5);
  }
}

static void what_is_no_path_is_refused(void **state) {
  (void)state;
  static const char *const paths[] = {".",
                                      "a.",
                                      ".a",
                                      "a..b",
                                      "[",
                                      "[]",
                                      "[0]",
                                      "[-1]",
                                      "[x]",
                                      "a[1",
                                      "[1]b",
                                      "[\"a]",
                                      "[\"a\"",
                                      "[\"a\"]b",
                                      "a.[1]",
                                      "[1 ]",
                                      "[99999999999999999999]"};
  store s = {.datum = {.type = NEAP_TYPE_BOOL}};
  neap_value value = {&ops, &s};
  bool out;
  for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
    if (neap_get_bool(value, paths[i], &out) != NEAP_EINVAL)
      fail_msg("'%s' was taken for a path", paths[i]);
  char deep[2 * 40];
  for (int i = 0; i < 40; i++)
    memcpy(deep + 2 * i, "a.", 2);
  deep[2 * 40 - 1] = '\0';
  assert_int_equal(NEAP_EINVAL, neap_get_bool(value, deep, &out));
  assert_int_equal(NEAP_EINVAL, neap_get_bool(value, NULL, &out));
  assert_int_equal(NEAP_EINVAL, neap_set_bool(value, "", true));
  /* A plain pointer has no values by path. */
  value.ops = NULL;
  assert_int_equal(NEAP_EINVAL, neap_get_bool(value, "a", &out));
  assert_int_equal(NEAP_EINVAL, neap_set_bool(value, "a", true));
}

static void a_value_has_a_type(void **state) {
  (void)state;
  store s = {.datum = {.type = NEAP_TYPE_NIL}};
  neap_value value = {&ops, &s};
  double number;
  int64_t integer;
  bool boolean;
  const char *text;
  size_t size;
  assert_int_equal(NEAP_ENOVALUE, neap_get_number(value, "a", &number));
  assert_int_equal(0, neap_set_integer(value, "a", 7));
  assert_int_equal(0, neap_get_number(value, "a", &number));
  assert_true(number == 7);
  assert_int_equal(0, neap_get_integer(value, "a", &integer));
  assert_int_equal(7, integer);
  assert_int_equal(NEAP_ETYPE, neap_get_bool(value, "a", &boolean));
  assert_int_equal(NEAP_ETYPE, neap_get_string(value, "a", &text, &size));
  assert_int_equal(0, neap_set_number(value, "a", 8));
  assert_int_equal(0, neap_get_integer(value, "a", &integer));
  assert_int_equal(8, integer);
  static const double no_integers[] = {0.5, 0x1p63, -0x1p64};
  for (int i = 0; i < 3; i++) {
    neap_set_number(value, "a", no_integers[i]);
    assert_int_equal(NEAP_ETYPE, neap_get_integer(value, "a", &integer));
  }
  assert_int_equal(0, neap_set_string(value, "a", "b\0c", 3));
  assert_int_equal(0, neap_get_string(value, "a", &text, &size));
  assert_int_equal(3, size);
  assert_memory_equal("b\0c", text, 3);
  assert_int_equal(NEAP_ETYPE, neap_get_number(value, "a", &number));
  assert_int_equal(0, neap_set_bool(value, "a", true));
  assert_int_equal(0, neap_get_bool(value, "a", &boolean));
  assert_true(boolean);
  assert_int_equal(0, neap_get_json(value, "a", &text, &size));
  assert_memory_equal("[1]", text, size);
  assert_int_equal(0, neap_set_json(value, "a.b", "{}", 2));
  assert_int_equal(NEAP_TYPE_JSON, s.datum.type);
  assert_string_equal("<a><b>", s.keys);
  assert_int_equal(NEAP_EINVAL, neap_set_json(value, "a", NULL, 0));
  assert_int_equal(0, neap_set_nil(value, "a"));
  assert_int_equal(NEAP_TYPE_NIL, s.datum.type);
  s.status = NEAP_ETYPE; /* what the store says is passed on */
  assert_int_equal(NEAP_ETYPE, neap_set_bool(value, "a.b", true));
  assert_int_equal(NEAP_ETYPE, neap_get_bool(value, "a.b", &boolean));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_path_has_names_and_indices),
      cmocka_unit_test(what_is_no_path_is_refused),
      cmocka_unit_test(a_value_has_a_type),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
