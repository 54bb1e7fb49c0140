/* The flow: options of nodes, wiring, sealing.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "failing_alloc.h"
#include "flow/node.h"

static neap_flow *new_flow(void) {
  neap_flow *flow;
  assert_int_equal(0, neap_flow_new(NULL, &flow));
  return flow;
}

static neap_node *add(neap_flow *flow, neap_node_opts opts) {
  neap_node *node = NULL;
  opts.size = sizeof opts;
  assert_int_equal(0, neap_flow_add(flow, &opts, &node));
  return node;
}

static neap_node *successor(const neap_node *node, const char *action) {
  const neap__successor *s =
      neap__node_successor(node, action, action ? strlen(action) : 0);
  assert_non_null(s);
  return s->to;
}

static void zero_means_the_default(void **state) {
  (void)state;
  neap_flow *flow = new_flow();
  neap_node *node = add(flow, (neap_node_opts){0});
  assert_string_equal("", neap_node_name(node));
  assert_int_equal(NEAP_NODE, neap_node_kind(node));
  assert_int_equal(1, neap_node_max_attempts(node));
  assert_int_equal(1, neap_node_concurrency(node));
  assert_int_equal(0, neap_node_timeout(node));
  assert_false(neap_node_collects(node));
  assert_null(neap_node_data(node));
  neap_flow_free(flow);
}

static void a_node_tells_its_options(void **state) {
  (void)state;
  neap_flow *flow = new_flow();
  char name[] = "Summarize";
  neap_node *node = add(flow, (neap_node_opts){.kind = NEAP_BATCH_FLOW,
                                               .name = name,
                                               .max_attempts = 3,
                                               .timeout_ns = 5,
                                               .concurrency = 7,
                                               .collect = true,
                                               .data = &flow});
  name[0] = 'X';
  assert_string_equal("Summarize", neap_node_name(node));
  assert_int_equal(NEAP_BATCH_FLOW, neap_node_kind(node));
  assert_int_equal(3, neap_node_max_attempts(node));
  assert_int_equal(7, neap_node_concurrency(node));
  assert_int_equal(5, neap_node_timeout(node));
  assert_true(neap_node_collects(node));
  assert_ptr_equal(&flow, neap_node_data(node));
  neap_flow_free(flow);
}

static void options_out_of_range_are_refused(void **state) {
  (void)state;
  neap_flow *flow = new_flow();
  const neap_node_opts wrong[] = {
      {.kind = (neap_kind)5}, {.kind = (neap_kind)-1}, {.backoff = -1},
      {.backoff = NAN},       {.backoff = INFINITY},   {.jitter = -0.01},
      {.jitter = 1.01},       {.jitter = NAN},
  };
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    neap_node_opts opts = wrong[i];
    opts.size = sizeof opts;
    neap_node *node = NULL;
    assert_int_equal(NEAP_EINVAL, neap_flow_add(flow, &opts, &node));
    assert_null(node);
  }
  add(flow, (neap_node_opts){.backoff = 0.5, .jitter = 1});
  neap_flow_free(flow);
}

/* A host compiled with a newer header has a longer struct; opts_test.c has what
 * is refused. */
static void options_may_be_of_another_size(void **state) {
  (void)state;
  neap_flow *flow = new_flow();
  struct {
    neap_node_opts opts;
    char future[64];
  } longer = {.opts = {.size = sizeof longer, .max_attempts = 2}};
  neap_node *node;
  assert_int_equal(0, neap_flow_add(flow, &longer.opts, &node));
  assert_int_equal(2, neap_node_max_attempts(node));
  neap_flow_free(flow);
}

static void an_action_leads_to_its_node(void **state) {
  (void)state;
  neap_flow *flow = new_flow();
  neap_node *a = add(flow, (neap_node_opts){0});
  neap_node *b = add(flow, (neap_node_opts){0});
  assert_int_equal(0, neap_flow_wire(flow, a, "default", 7, false, b));
  assert_int_equal(0, neap_flow_wire(flow, a, "", 0, false, a));
  assert_int_equal(0, neap_flow_wire(flow, a, "x\0y", 3, false, NULL));
  assert_ptr_equal(b, successor(a, "default"));
  assert_ptr_equal(b, successor(a, NULL));
  assert_ptr_equal(a, successor(a, ""));
  assert_null(neap__node_successor(a, "x", 1));
  assert_null(neap__node_successor(a, "x\0y", 3)->to);
  assert_null(neap__node_successor(b, NULL, 0));
  neap_flow_free(flow);
}

static void wiring_anew_replaces(void **state) {
  (void)state;
  neap_flow *flow = new_flow();
  neap_node *a = add(flow, (neap_node_opts){0});
  neap_node *b = add(flow, (neap_node_opts){0});
  const char *action;
  size_t size;
  assert_int_equal(0, neap_flow_wire(flow, a, "x", 1, false, b));
  assert_int_equal(0, neap_flow_wire(flow, a, "x", 1, false, NULL));
  assert_null(successor(a, "x"));
  assert_int_equal(0, neap_flow_wire(flow, a, "x", 1, true, a));
  assert_ptr_equal(a, successor(a, "x"));
  assert_true(neap_node_action(a, 0, &action, &size));
  assert_false(neap_node_action(a, 1, &action, &size));
  neap_flow_free(flow);
}

static void kept_actions_stay_where_they_are(void **state) {
  (void)state;
  neap_flow *flow = new_flow();
  neap_node *a = add(flow, (neap_node_opts){0});
  static const char kept[] = "kept";
  char copied[] = "copied";
  assert_int_equal(0, neap_flow_wire(flow, a, kept, 4, true, a));
  assert_int_equal(0, neap_flow_wire(flow, a, copied, 6, false, a));
  memset(copied, 'x', 6);
  const char *action;
  size_t size;
  assert_true(neap_node_action(a, 0, &action, &size));
  assert_ptr_equal(kept, action);
  assert_int_equal(4, size);
  assert_true(neap_node_action(a, 1, &action, &size));
  assert_memory_equal("copied", action, 6);
  assert_int_equal(6, size);
  assert_ptr_equal(a, successor(a, "copied"));
  char elsewhere[] = "kept";
  assert_ptr_equal(a, successor(a, elsewhere));
  neap_flow_free(flow);
}

/* Wires `count` actions and finds each, however many there are. */
static int wire_many(const neap_alloc *alloc, int count) {
  neap_flow *flow = NULL;
  int status = neap_flow_new(alloc, &flow);
  neap_node_opts opts = NEAP_NODE_OPTS_INIT;
  neap_node *nodes[3];
  for (int i = 0; status == 0 && i < 3; i++)
    status = neap_flow_add(flow, &opts, &nodes[i]);
  int wired = 0;
  char action[32];
  while (status == 0 && wired < count) {
    snprintf(action, sizeof action, "action%d", wired);
    status = neap_flow_wire(flow, nodes[0], action, strlen(action), false,
                            nodes[wired % 3]);
    wired += status == 0;
  }
  /* Those before one that failed are there, and no others. */
  for (int i = 0; i < count && wired > 0; i++) {
    snprintf(action, sizeof action, "action%d", i);
    if (i < wired)
      assert_ptr_equal(nodes[i % 3], successor(nodes[0], action));
    else
      assert_null(neap__node_successor(nodes[0], action, strlen(action)));
  }
  neap_flow_free(flow);
  return status;
}

static void many_actions_are_found(void **state) {
  (void)state;
  assert_int_equal(0, wire_many(NULL, 5000));
}

static void building_survives_every_failed_allocation(void **state) {
  (void)state;
  bool failed = true;
  for (long n = 1; failed; n++) {
    failing_state memory;
    neap_alloc alloc = failing_alloc(&memory, n);
    int status = wire_many(&alloc, 40);
    failed = memory.failed;
    assert_int_equal(failed ? NEAP_ENOMEM : 0, status);
    assert_int_equal(0, memory.live);
  }
}

/* The table of actions must not be left too small by a failure. */
static void wiring_goes_on_after_a_failure(void **state) {
  (void)state;
  for (long n = 1; n < 100; n++) {
    failing_state memory;
    neap_alloc alloc = failing_alloc(&memory, n + 3);
    neap_flow *flow;
    neap_node *node;
    neap_node_opts opts = NEAP_NODE_OPTS_INIT;
    assert_int_equal(0, neap_flow_new(&alloc, &flow));
    assert_int_equal(0, neap_flow_add(flow, &opts, &node));
    char action[32];
    for (int i = 0; i < 70; i++) {
      snprintf(action, sizeof action, "%d", i);
      if (neap_flow_wire(flow, node, action, strlen(action), false, node) < 0)
        assert_int_equal(
            0, neap_flow_wire(flow, node, action, strlen(action), false, node));
    }
    for (int i = 0; i < 70; i++) {
      snprintf(action, sizeof action, "%d", i);
      assert_ptr_equal(node, successor(node, action));
    }
    assert_null(neap__node_successor(node, "70", 2));
    neap_flow_free(flow);
    assert_int_equal(0, memory.live);
  }
}

static void only_what_walks_has_a_start(void **state) {
  (void)state;
  neap_flow *flow = new_flow();
  neap_node *a = add(flow, (neap_node_opts){.kind = NEAP_NODE});
  neap_node *b = add(flow, (neap_node_opts){.kind = NEAP_BATCH_NODE});
  neap_node *f = add(flow, (neap_node_opts){.kind = NEAP_FLOW});
  neap_node *g = add(flow, (neap_node_opts){.kind = NEAP_BATCH_FLOW});
  assert_int_equal(NEAP_EINVAL, neap_flow_start(flow, a, b));
  assert_int_equal(NEAP_EINVAL, neap_flow_start(flow, b, a));
  assert_int_equal(NEAP_ENOSTART, neap_flow_seal(flow));
  assert_int_equal(0, neap_flow_start(flow, f, a));
  assert_int_equal(NEAP_ENOSTART, neap_flow_seal(flow));
  assert_int_equal(0, neap_flow_start(flow, g, f));
  assert_int_equal(0, neap_flow_seal(flow));
  neap_flow_free(flow);
}

static void only_a_parallel_has_branches(void **state) {
  (void)state;
  neap_flow *flow = new_flow();
  neap_node *a = add(flow, (neap_node_opts){.kind = NEAP_NODE});
  neap_node *f = add(flow, (neap_node_opts){.kind = NEAP_FLOW});
  neap_node *p = add(flow, (neap_node_opts){.kind = NEAP_PARALLEL});
  neap_node *q =
      add(flow, (neap_node_opts){.kind = NEAP_PARALLEL, .concurrency = 2});
  assert_int_equal(0, neap_flow_start(flow, f, p));
  assert_int_equal(NEAP_EINVAL, neap_flow_branch(flow, a, f));
  assert_int_equal(NEAP_EINVAL, neap_flow_branch(flow, f, a));
  assert_int_equal(NEAP_EINVAL, neap_flow_start(flow, p, a));
  assert_int_equal(0, neap_flow_branch(flow, q, a));
  assert_null(neap_node_branch(p, 0));
  assert_null(neap_node_branch(a, 0));
  assert_int_equal(NEAP_ENOSTART, neap_flow_seal(flow));
  assert_int_equal(0, neap_flow_branch(flow, p, a));
  assert_int_equal(0, neap_flow_branch(flow, p, q));
  assert_int_equal(0, neap_flow_branch(flow, p, a));
  assert_int_equal(0, neap_flow_seal(flow));
  assert_ptr_equal(a, neap_node_branch(p, 0));
  assert_ptr_equal(q, neap_node_branch(p, 1));
  assert_ptr_equal(a, neap_node_branch(p, 2));
  assert_null(neap_node_branch(p, 3));
  assert_int_equal(3, neap_node_concurrency(p));
  assert_int_equal(2, neap_node_concurrency(q));
  assert_int_equal(NEAP_EBUSY, neap_flow_branch(flow, p, a));
  neap_flow_free(flow);
}

/* Adds `count` branches; those before one that failed are there. */
static int add_branches(const neap_alloc *alloc, size_t count) {
  neap_flow *flow = NULL;
  int status = neap_flow_new(alloc, &flow);
  neap_node_opts opts = NEAP_NODE_OPTS_INIT;
  opts.kind = NEAP_PARALLEL;
  neap_node *node = NULL;
  if (status == 0)
    status = neap_flow_add(flow, &opts, &node);
  size_t added = 0;
  while (status == 0 && added < count) {
    status = neap_flow_branch(flow, node, node);
    added += status == 0;
  }
  for (size_t i = 0; i < added; i++)
    assert_ptr_equal(node, neap_node_branch(node, i));
  if (node)
    assert_null(neap_node_branch(node, added));
  neap_flow_free(flow);
  return status;
}

static void adding_branches_survives_every_failed_allocation(void **state) {
  (void)state;
  bool failed = true;
  for (long n = 1; failed; n++) {
    failing_state memory;
    neap_alloc alloc = failing_alloc(&memory, n);
    int status = add_branches(&alloc, 100);
    failed = memory.failed;
    assert_int_equal(failed ? NEAP_ENOMEM : 0, status);
    assert_int_equal(0, memory.live);
  }
}

static void a_sealed_flow_is_only_read(void **state) {
  (void)state;
  neap_flow *flow = new_flow();
  neap_node *f = add(flow, (neap_node_opts){.kind = NEAP_FLOW});
  neap_node_opts opts = NEAP_NODE_OPTS_INIT;
  assert_int_equal(0, neap_flow_start(flow, f, f));
  assert_int_equal(0, neap_flow_seal(flow));
  assert_int_equal(0, neap_flow_seal(flow));
  neap_node *node = NULL;
  assert_int_equal(NEAP_EBUSY, neap_flow_add(flow, &opts, &node));
  assert_int_equal(NEAP_EBUSY, neap_flow_start(flow, f, f));
  assert_int_equal(NEAP_EBUSY, neap_flow_wire(flow, f, "x", 1, false, f));
  neap_flow_free(flow);
  neap_flow_free(NULL);
}

static void phases_have_names(void **state) {
  (void)state;
  assert_string_equal("prep", neap_phase_name(NEAP_PREP));
  assert_string_equal("exec", neap_phase_name(NEAP_EXEC));
  assert_string_equal("fallback", neap_phase_name(NEAP_FALLBACK));
  assert_string_equal("post", neap_phase_name(NEAP_POST));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(zero_means_the_default),
      cmocka_unit_test(a_node_tells_its_options),
      cmocka_unit_test(options_out_of_range_are_refused),
      cmocka_unit_test(options_may_be_of_another_size),
      cmocka_unit_test(an_action_leads_to_its_node),
      cmocka_unit_test(wiring_anew_replaces),
      cmocka_unit_test(kept_actions_stay_where_they_are),
      cmocka_unit_test(many_actions_are_found),
      cmocka_unit_test(building_survives_every_failed_allocation),
      cmocka_unit_test(wiring_goes_on_after_a_failure),
      cmocka_unit_test(only_what_walks_has_a_start),
      cmocka_unit_test(only_a_parallel_has_branches),
      cmocka_unit_test(adding_branches_survives_every_failed_allocation),
      cmocka_unit_test(a_sealed_flow_is_only_read),
      cmocka_unit_test(phases_have_names),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
