/* The run: loaded into a flow that it fits, or no longer.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "run_saved.h"

static void a_usual_run_takes_few_bytes(void **state) {
  (void)state;
  text_run t;
  saved s;
  neap_run *run = saved_begin(&t, "article flow start=draft; draft exec; "
                                  "publish exec; draft > publish");
  saved_go(run, 1);
  saved_save(run, &s);
  assert_in_range(s.size, 10, 60);
  saved_go(run, 2);
  saved_save(run, &s);
  assert_in_range(s.size, 10, 60);
  saved_end(&t, run);
}

/* Tells where saved bytes are: each visit or item, its depth before it. */
static void shows(const saved *s, const char *expected) {
  char text[512];
  size_t size = 0;
  neap_saved at = {0};
  while (neap_saved_next(s->bytes, s->size, &at) == 0) {
    size +=
        (size_t)snprintf(text + size, sizeof text - size, "%u:%.*s", at.depth,
                         (int)at.name_size, at.name ? at.name : "");
    if (at.is_item)
      size += (size_t)snprintf(text + size, sizeof text - size, "[%d]",
                               (int)at.index);
    size += (size_t)snprintf(text + size, sizeof text - size, "%s ",
                             at.begins ? "+" : "");
  }
  assert_int_equal(NEAP_ENOVALUE, neap_saved_next(s->bytes, s->size, &at));
  assert_string_equal(expected, text);
}

static const char *draft_is_edit(void *data, const neap_saved *visit) {
  int *calls = data;
  ++*calls;
  return visit->name_size == 5 && memcmp(visit->name, "draft", 5) == 0 ? "edit"
                                                                       : NULL;
}

/* Loads bytes into another flow and returns what does not fit. */
static neap_stuck get_stuck(const saved *s, const char *graph) {
  text_run t;
  neap_run *run = NULL;
  neap_stuck stuck = {0};
  saved_build(&t, graph);
  assert_int_equal(NEAP_ESTUCK, neap_run_load(t.flow, t.nodes[0], s->bytes,
                                              s->size, NULL, &stuck, &run));
  assert_null(run);
  assert_int_equal(NEAP_ESTUCK, neap_run_load(t.flow, t.nodes[0], s->bytes,
                                              s->size, NULL, NULL, &run));
  neap_flow_free(t.flow);
  return stuck;
}

static void a_run_that_no_longer_fits_says_where(void **state) {
  (void)state;
  text_run t;
  saved s;
  neap_run *run = saved_begin(&t, "app flow start=B; B batchflow start=draft; "
                                  "draft exec");
  saved_go(run, 4);
  saved_save(run, &s);
  saved_end(&t, run);
  shows(&s, "0:app 1:B 2:[0] 3:draft+ ");

  neap_stuck stuck = get_stuck(&s, "app flow start=B; B batchflow start=edit; "
                                   "edit exec; draft exec");
  assert_int_equal(NEAP_STUCK_GONE, stuck.why);
  assert_memory_equal("draft", stuck.name, stuck.name_size);
  assert_int_equal(5, stuck.name_size);
  assert_int_equal(3, stuck.depth);
  assert_int_equal(3, stuck.number);
  assert_non_null(stuck.inside);
  stuck = get_stuck(&s, "app flow start=B; B flow start=draft; draft exec");
  assert_int_equal(NEAP_STUCK_KIND, stuck.why);
  assert_int_equal(NEAP_BATCH_FLOW, stuck.kind);
  assert_int_equal(1, stuck.number);
  stuck = get_stuck(&s, "other flow start=B; B batchflow start=draft; draft");
  assert_int_equal(NEAP_STUCK_GONE, stuck.why);
  assert_int_equal(0, stuck.number);
  assert_null(stuck.inside);

  saved_build(&t,
              "app flow start=B; B batchflow start=new; new exec; edit exec; "
              "new > edit; edit -back> new");
  neap_load_opts opts = NEAP_LOAD_OPTS_INIT;
  int calls = 0;
  opts.rename = draft_is_edit;
  opts.rename_data = &calls;
  opts.data = &t;
  assert_int_equal(
      0, neap_run_load(t.flow, t.nodes[0], s.bytes, s.size, &opts, NULL, &run));
  assert_int_equal(3, calls);
  assert_ptr_equal(&t, neap_run_data(run));
  saved_save(run, &s);
  shows(&s, "0:app 1:B 2:[0] 3:edit+ ");
  saved_end(&t, run);
}

static void branches_are_found_by_index_and_name(void **state) {
  (void)state;
  text_run t;
  saved s;
  neap_run *run =
      saved_begin(&t, "P parallel branch=A branch=C at=1; A exec; C exec");
  saved_go(run, 8);
  saved_save(run, &s);
  shows(&s, "0:P 1:[1] 2:C+ ");
  saved_end(&t, run);
  neap_stuck stuck =
      get_stuck(&s, "P parallel branch=C branch=A at=1; A exec; C exec");
  assert_int_equal(NEAP_STUCK_GONE, stuck.why);
  assert_int_equal(2, stuck.number);
  stuck = get_stuck(&s, "P parallel branch=A; A exec");
  assert_int_equal(NEAP_STUCK_BRANCHES, stuck.why);
  saved_build(&t, "P parallel branch=A branch=C branch=A at=1; A exec; C exec");
  run = saved_load(&t, &s);
  saved_tells(
      run, "~P0 P:fetch(1)! +C0! C.exec0 P< P:item(1) P:fetch(2) +A0 A.exec0 "
           "P< P:item(2) end");
  saved_end(&t, run);
}

static void names_must_differ_within_a_walk(void **state) {
  (void)state;
  text_run t;
  saved s;
  const neap_node *node = NULL;
  neap_flow *flow = saved_build(&t, "F flow start=A; A exec; C exec; A > C");
  assert_int_equal(0, neap_flow_check_names(flow, &node));
  assert_null(node);
  neap_flow_free(flow);
  neap_run *run = saved_begin(&t, "F flow start=A; A exec; C exec; A > C");
  saved_go(run, 1);
  saved_save(run, &s);
  saved_end(&t, run);
  /* The text finds nodes by name: two of one name have to be made by hand. */
  neap_node_opts opts = NEAP_NODE_OPTS_INIT;
  neap_node *nodes[3];
  assert_int_equal(0, neap_flow_new(NULL, &flow));
  for (int i = 0; i < 3; i++) {
    opts.name = i == 0 ? "F" : "A";
    opts.kind = i == 0 ? NEAP_FLOW : NEAP_NODE;
    assert_int_equal(0, neap_flow_add(flow, &opts, &nodes[i]));
  }
  neap_flow_start(flow, nodes[0], nodes[1]);
  neap_flow_wire(flow, nodes[1], "x", 1, false, nodes[2]);
  neap_flow_seal(flow);
  assert_int_equal(NEAP_ESTUCK, neap_flow_check_names(flow, &node));
  assert_ptr_equal(nodes[2], node);
  neap_stuck stuck;
  assert_int_equal(NEAP_ESTUCK, neap_run_load(flow, nodes[0], s.bytes, s.size,
                                              NULL, &stuck, &run));
  assert_int_equal(NEAP_STUCK_TWICE, stuck.why);
  neap_flow_free(flow);
}

static void a_run_is_loaded_into_its_flow_only(void **state) {
  (void)state;
  text_run t, other;
  saved s;
  neap_run *run = saved_begin(&t, "A exec"), *none = NULL;
  saved_save(run, &s);
  saved_build(&other, "A exec");
  neap_load_opts opts = NEAP_LOAD_OPTS_INIT;
  opts.size = 8;
  assert_int_equal(NEAP_EINVAL, neap_run_load(t.flow, t.nodes[0], s.bytes,
                                              s.size, &opts, NULL, &none));
  assert_int_equal(NEAP_EINVAL, neap_run_load(t.flow, other.nodes[0], s.bytes,
                                              s.size, NULL, NULL, &none));
  assert_null(none);
  neap_flow_free(other.flow);
  saved_end(&t, run);
}

#define HEAD 1, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0
#define BYTES(...)                                                             \
  {                                                                            \
    sizeof((uint8_t[]){__VA_ARGS__}), {                                        \
      __VA_ARGS__                                                              \
    }                                                                          \
  }

/* Saved bytes by hand, as the format says. */
typedef struct handmade {
  size_t size;
  uint8_t bytes[64];
} handmade;

static int load_handmade(text_run *t, const handmade *h, neap_run **out) {
  return neap_run_load(t->flow, t->nodes[0], h->bytes, h->size, NULL, NULL,
                       out);
}

/* What has been saved once must be read for ever. */
static void the_format_stays(void **state) {
  (void)state;
  static const handmade old =
      BYTES(1, 0x80, 1, 2,               /* 128 steps, two numbered visits */
            1, 2, 3, 4, 5, 6, 7, 8,      /* the random state */
            0x94, 4, 1, 1, 'F',          /* INSIDE flow F, visit 1 */
            0xb5, 4, 2, 1, 'B', 4, 2, 1, /* ITEMS of B, visit 2: 3, 2, 1 */
            0x74, 0,                     /* INSIDE item 0 */
            0x00, 1, 'A',                /* BEGIN of A */
            0xf3, 3, 2, 1, 1, 5);        /* two up: item 1 WAITs, attempt 1 */
  text_run t;
  saved s;
  neap_run *run;
  saved_build(&t, "F flow start=B; B batchflow start=A at=1; A exec");
  assert_int_equal(0, load_handmade(&t, &old, &run));
  saved_save(run, &s);
  assert_int_equal(old.size, s.size);
  assert_memory_equal(old.bytes, s.bytes, s.size);
  saved_tells(run, "~F0 ~B0 B:fetch(0)! +A0! A.exec0 B:item(0) B:fetch(1)! "
                   "B:wait(5) +A0 A.exec0 B:item(1) B:fetch(2) +A0 A.exec0 "
                   "B:item(2) F< end");
  assert_int_equal(128 + 1 + 2, neap_run_steps(run));
  saved_end(&t, run);
}

static void a_later_format_is_told_from_damage(void **state) {
  (void)state;
  static const handmade newer =
      BYTES(2, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 'N');
  text_run t;
  neap_run *run = NULL;
  neap_saved at = {0};
  saved_build(&t, "N exec");
  assert_int_equal(NEAP_ENEWER, load_handmade(&t, &newer, &run));
  assert_int_equal(NEAP_ENEWER, neap_saved_next(newer.bytes, newer.size, &at));
  neap_flow_free(t.flow);
}

static void bytes_that_cannot_have_been_saved_are_refused(void **state) {
  (void)state;
  static const handmade wrong[] = {
      BYTES(HEAD),                                 /* no visit */
      BYTES(HEAD, 0x00, 1),                        /* no name */
      BYTES(HEAD, 0x0a, 1, 'N'),                   /* no such stage */
      BYTES(HEAD, 0x50, 1, 'N'),                   /* no such kind */
      BYTES(HEAD, 0x80, 16, 1, 'N'),               /* no such mark */
      BYTES(HEAD, 0x80, 8, 1, 'N'),                /* over, without items */
      BYTES(HEAD, 0x73, 0, 0),                     /* an item alone */
      BYTES(HEAD, 0x04, 1, 'N'),                   /* a node that walks */
      BYTES(HEAD, 0x00, 1, 'N', 0x00, 1, 'N'),     /* two outermost */
      BYTES(HEAD, 0x14, 1, 'N'),                   /* nothing inside */
      BYTES(HEAD, 0x25, 1, 'N', 4, 1, 2),          /* more failed than were */
      BYTES(HEAD, 0x25, 1, 'N', 4, 4, 0),          /* more than there are */
      BYTES(HEAD, 0x25, 1, 'N', 4, 1, 0, 0x72, 1), /* not fetched so far */
      BYTES(HEAD, 0x25, 1, 'N', 4, 2, 0, 0x72, 1, 0xf2, 1, 1, 1), /* twice */
      BYTES(HEAD, 0x25, 1, 'N', 4, 2, 0, 0x74, 1), /* no walk in an item */
      BYTES(HEAD, 0x80, 2, 0xff, 0xff, 0xff, 0xff, 0x0f, 1, 'N'), /* attempt */
      BYTES(1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0,
            0, 0, 0, 0, 0, 0, 0x00, 1, 'N'), /* 2 ^ 64 steps */
  };
  static const char *const graphs[] = {"N exec", "N flow start=A; A",
                                       "N batch exec"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
    for (size_t g = 0; g < 3; g++) {
      text_run t;
      neap_run *run = NULL;
      saved_build(&t, graphs[g]);
      int status = load_handmade(&t, &wrong[i], &run);
      if (status != NEAP_EDAMAGED && status != NEAP_ESTUCK)
        fail_msg("%zu in %s: %d", i, graphs[g], status);
      neap_flow_free(t.flow);
    }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_usual_run_takes_few_bytes),
      cmocka_unit_test(a_run_that_no_longer_fits_says_where),
      cmocka_unit_test(branches_are_found_by_index_and_name),
      cmocka_unit_test(names_must_differ_within_a_walk),
      cmocka_unit_test(a_run_is_loaded_into_its_flow_only),
      cmocka_unit_test(the_format_stays),
      cmocka_unit_test(a_later_format_is_told_from_damage),
      cmocka_unit_test(bytes_that_cannot_have_been_saved_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
