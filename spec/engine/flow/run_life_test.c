/* The run: its numbers, its limits and its life.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "run_text.h"

/* Builds a graph and begins a run of its first node. */
static neap_run *begin(text_run *t, const char *graph, uint64_t seed) {
  t->graph = graph;
  assert_int_equal(0, text_build(t, NULL));
  neap_run_opts opts = NEAP_RUN_OPTS_INIT;
  opts.seed = seed;
  opts.data = t;
  neap_run *run;
  assert_int_equal(0, neap_run_new(t->flow, t->nodes[0], &opts, &run));
  return run;
}

static void end(text_run *t, neap_run *run) {
  neap_run_free(run);
  neap_flow_free(t->flow);
}

static void jitter_takes_off_no_more_than_its_share(void **state) {
  (void)state;
  text_run t;
  neap_run *run =
      begin(&t, "A exec tries=1000 wait=1000 jitter=0.25", 20251122);
  neap_run_ok(run);
  uint64_t least = UINT64_MAX, most = 0;
  for (int i = 0; i < 999; i++) {
    const neap_step *step = neap_run_fail(run, NULL);
    assert_int_equal(NEAP_DO_WAIT, step->what);
    if (step->delay_ns < least)
      least = step->delay_ns;
    if (step->delay_ns > most)
      most = step->delay_ns;
    neap_run_ok(run);
  }
  assert_in_range(least, 750, 755);
  assert_in_range(most, 995, 1000);
  end(&t, run);
}

/* 0 times a power that has become infinite is not a number. */
static void no_wait_stays_none_however_often(void **state) {
  (void)state;
  text_run t;
  neap_run *run = begin(&t, "A exec tries=5000 backoff=10 cap=7", 1);
  neap_run_ok(run);
  for (uint32_t i = 1; i < 5000; i++) {
    const neap_step *step = neap_run_fail(run, NULL);
    assert_int_equal(NEAP_DO_CALL, step->what);
    assert_int_equal(i, step->attempt);
  }
  assert_int_equal(NEAP_DO_END, neap_run_fail(run, NULL)->what);
  end(&t, run);
}

static void a_wait_without_bound_stays_a_number(void **state) {
  (void)state;
  text_run t;
  neap_run *run = begin(&t, "A exec tries=5000 wait=1 backoff=10", 1);
  neap_run_ok(run);
  uint64_t last = 0;
  for (int i = 1; i < 5000; i++) {
    const neap_step *step = neap_run_fail(run, NULL);
    assert_int_equal(NEAP_DO_WAIT, step->what);
    assert_true(step->delay_ns >= last);
    last = step->delay_ns;
    neap_run_ok(run);
  }
  assert_true(last == NEAP_FOREVER);
  end(&t, run);
}

static void a_batch_counts_its_items(void **state) {
  (void)state;
  text_run t;
  neap_run *run = begin(&t, "B batch collect exec post", 0);
  uint64_t items, failed;
  neap_run_counts(run, 0, &items, &failed);
  assert_int_equal(0, items);
  assert_int_equal(1, neap_run_steps(run));
  neap_run_ok(run);
  neap_run_items(run, 3);
  for (uint64_t i = 0; i < 3; i++) {
    assert_int_equal(NEAP_DO_CALL, neap_run_ok(run)->what);
    const neap_step *step =
        i == 1 ? neap_run_fail(run, NULL) : neap_run_ok(run);
    assert_int_equal(NEAP_DO_ITEM_END, step->what);
    neap_run_counts(run, 0, &items, &failed);
    assert_int_equal(i + 1, items);
    assert_int_equal(i >= 1, failed);
    neap_run_ok(run);
  }
  assert_int_equal(NEAP_POST, neap_run_step(run)->phase);
  neap_run_counts(run, 0, &items, &failed);
  assert_int_equal(3, items);
  assert_int_equal(1, failed);
  assert_int_equal(4, neap_run_steps(run));
  end(&t, run);
}

static void a_visit_tells_its_attempt(void **state) {
  (void)state;
  text_run t;
  neap_run *run = begin(&t, "F flow tries=3 start=A; A exec tries=2 wait=1", 0);
  neap_run_ok(run);
  neap_run_ok(run);
  assert_int_equal(0, neap_run_attempt(run, 1));
  assert_int_equal(NEAP_DO_WAIT, neap_run_fail(run, NULL)->what);
  assert_int_equal(0, neap_run_attempt(run, 1));
  neap_run_ok(run);
  assert_int_equal(1, neap_run_attempt(run, 1));
  assert_int_equal(0, neap_run_attempt(run, 0));
  assert_int_equal(NEAP_DO_ENTER, neap_run_fail(run, NULL)->what);
  assert_int_equal(1, neap_run_attempt(run, 0));
  assert_int_equal(0, neap_run_attempt(run, 1));
  end(&t, run);
}

static void a_run_may_be_dropped_at_any_step(void **state) {
  (void)state;
  text_run t;
  for (int steps = 0; steps < 9; steps++) {
    neap_run *run = begin(
        &t, "F flow start=B; B batchflow prep start=C; C batch prep exec", 0);
    for (int i = 0; i < steps; i++) {
      if (neap_run_step(run)->what == NEAP_DO_ITEMS)
        neap_run_items(run, 5);
      else
        neap_run_ok(run);
    }
    assert_int_equal(neap_run_step(run)->what == NEAP_DO_END, false);
    end(&t, run);
  }
}

static void a_parallel_may_be_dropped_at_any_step(void **state) {
  (void)state;
  text_run t;
  for (int steps = 0; steps < 14; steps++) {
    neap_run *run = begin(&t,
                          "P parallel at=1 prep branch=Q branch=A; "
                          "Q parallel at=1 branch=A branch=A; A exec",
                          0);
    for (int i = 0; i < steps; i++)
      neap_run_ok(run);
    assert_int_equal(neap_run_step(run)->what == NEAP_DO_END, false);
    end(&t, run);
  }
}

static void a_parallel_counts_its_branches(void **state) {
  (void)state;
  text_run t;
  neap_run *run =
      begin(&t, "P parallel at=1 collect post branch=A branch=A; A exec", 0);
  while (neap_run_step(run)->what != NEAP_DO_CALL)
    neap_run_ok(run);
  bool is_item;
  uint64_t index;
  assert_ptr_equal(t.nodes[0], neap_run_node_at(run, 1, &is_item, &index));
  assert_true(is_item);
  assert_int_equal(0, index);
  assert_ptr_equal(t.nodes[1], neap_run_node_at(run, 2, &is_item, &index));
  assert_false(is_item);
  assert_int_equal(NEAP_DO_ITEM_END, neap_run_fail(run, NULL)->what);
  while (neap_run_step(run)->phase != NEAP_POST)
    neap_run_ok(run);
  uint64_t items, failed;
  neap_run_counts(run, 0, &items, &failed);
  assert_int_equal(2, items);
  assert_int_equal(1, failed);
  end(&t, run);
}

static void runs_of_one_flow_do_not_see_each_other(void **state) {
  (void)state;
  text_run t;
  neap_run *a = begin(&t, "F flow start=A; A post; B; A > B", 0), *b;
  neap_run_opts opts = NEAP_RUN_OPTS_INIT;
  opts.parent = a;
  assert_int_equal(0, neap_run_new(t.flow, t.nodes[0], &opts, &b));
  neap_run_ok(a);
  neap_run_ok(a);
  *neap_run_note(a, 1) = 7;
  assert_int_equal(0, *neap_run_note(b, 0));
  assert_int_equal(NEAP_DO_ENTER, neap_run_step(b)->what);
  assert_int_equal(0, neap_run_step(b)->depth);
  assert_ptr_equal(t.nodes[2], neap_run_ok(a)->node);
  assert_ptr_equal(t.nodes[1], neap_run_ok(b)->node);
  assert_int_equal(0, *neap_run_note(a, 1));
  assert_ptr_equal(a, neap_run_parent(b));
  assert_null(neap_run_parent(a));
  assert_ptr_equal(&t, neap_run_data(a));
  neap_run_free(b);
  end(&t, a);
}

static void a_run_inside_a_run_counts_its_steps_there(void **state) {
  (void)state;
  text_run t = {.graph = "A"};
  assert_int_equal(0, text_build(&t, NULL));
  neap_run_opts opts = NEAP_RUN_OPTS_INIT;
  opts.max_steps = 2;
  neap_run *outer, *inner[2];
  assert_int_equal(0, neap_run_new(t.flow, t.nodes[0], &opts, &outer));
  opts.parent = outer;
  for (int i = 0; i < 2; i++)
    assert_int_equal(0, neap_run_new(t.flow, t.nodes[0], &opts, &inner[i]));
  assert_int_equal(NEAP_DO_ENTER, neap_run_step(inner[0])->what);
  assert_int_equal(NEAP_DO_RAISE, neap_run_step(inner[1])->what);
  assert_int_equal(NEAP_EMAXSTEPS, neap_run_step(inner[1])->status);
  assert_true(neap_run_fail(inner[1], NULL)->failed);
  neap_run_free(inner[0]);
  neap_run_free(inner[1]);
  end(&t, outer);
}

/* A host that does not stop its workers, as it is asked to, harms nothing. */
static void a_worker_may_go_on_when_its_batch_has_ended(void **state) {
  (void)state;
  text_run t;
  neap_run *run = begin(&t, "B batch exec at=2", 0), *worker;
  assert_int_equal(NEAP_DO_ITEMS, neap_run_ok(run)->what);
  assert_int_equal(NEAP_DO_FORK, neap_run_items(run, 9)->what);
  neap_run_opts opts = NEAP_RUN_OPTS_INIT;
  opts.root = NEAP_ROOT_WORKER;
  opts.parent = run;
  assert_int_equal(0, neap_run_new(t.flow, NULL, &opts, &worker));
  assert_int_equal(NEAP_DO_JOIN, neap_run_ok(run)->what);
  const neap_step *step = neap_run_fail(run, NULL);
  for (int i = 0; i < 9 && step->what != NEAP_DO_END; i++)
    step = neap_run_ok(run);
  assert_int_equal(NEAP_DO_END, step->what);
  for (int i = 0; i < 99; i++)
    neap_run_ok(worker);
  neap_run_free(worker);
  end(&t, run);
}

static void nothing_is_at_a_depth_that_no_visit_has_reached(void **state) {
  (void)state;
  text_run t;
  neap_run *run =
      begin(&t, "F flow start=G; G flow start=H; H flow start=A; A", 0);
  while (neap_run_step(run)->depth < 2)
    neap_run_ok(run);
  for (uint32_t depth = 3; depth < 99; depth++) {
    bool item;
    uint64_t index, other;
    assert_null(neap_run_node_at(run, depth, &item, &index));
    assert_false(item);
    assert_int_equal(0, neap_run_attempt(run, depth));
    assert_int_equal(0, neap_run_visit(run, depth, &index));
    assert_false(neap_run_unwatch(run, depth));
    neap_run_counts(run, depth, &index, &other);
    assert_int_equal(0, index + other);
  }
  end(&t, run);
}

static void a_run_needs_a_sealed_flow_and_a_parent(void **state) {
  (void)state;
  neap_flow *flow;
  neap_node *node;
  neap_node_opts node_opts = NEAP_NODE_OPTS_INIT;
  assert_int_equal(0, neap_flow_new(NULL, &flow));
  assert_int_equal(0, neap_flow_add(flow, &node_opts, &node));
  neap_run_opts opts = NEAP_RUN_OPTS_INIT;
  neap_run *run = NULL;
  assert_int_equal(NEAP_EINVAL, neap_run_new(flow, node, &opts, &run));
  assert_int_equal(0, neap_flow_seal(flow));
  opts.root = NEAP_ROOT_WORKER;
  assert_int_equal(NEAP_EINVAL, neap_run_new(flow, node, &opts, &run));
  assert_null(run);
  neap_run_free(NULL);
  neap_flow_free(flow);
}

/* Walks into 10,000 flows, one inside the other, and fails or returns. */
static int walk_deep(const neap_alloc *alloc, bool fails) {
  enum { DEPTH = 10000 };
  neap_flow *flow;
  neap_node *outer = NULL, *root = NULL;
  neap_node_opts node_opts = NEAP_NODE_OPTS_INIT;
  assert_int_equal(0, neap_flow_new(alloc, &flow));
  for (int i = 0; i <= DEPTH; i++) {
    neap_node *node;
    node_opts.kind = i < DEPTH ? NEAP_FLOW : NEAP_NODE;
    node_opts.methods = i < DEPTH ? 0 : 1u << NEAP_EXEC;
    assert_int_equal(0, neap_flow_add(flow, &node_opts, &node));
    if (outer)
      assert_int_equal(0, neap_flow_start(flow, outer, node));
    else
      root = node;
    outer = node;
  }
  assert_int_equal(0, neap_flow_seal(flow));
  neap_run_opts opts = NEAP_RUN_OPTS_INIT;
  neap_run *run;
  assert_int_equal(0, neap_run_new(flow, root, &opts, &run));
  const neap_step *step = neap_run_step(run);
  for (uint32_t i = 0; i <= DEPTH; i++) {
    assert_int_equal(i, step->depth);
    step = neap_run_ok(run);
  }
  assert_int_equal(NEAP_DO_CALL, step->what);
  step = fails ? neap_run_fail(run, NULL) : neap_run_ok(run);
  for (uint32_t i = DEPTH; i > 0 && !fails; i--) {
    assert_int_equal(NEAP_DO_RETURN, step->what);
    assert_int_equal(i - 1, step->depth);
    step = neap_run_ok(run);
  }
  assert_int_equal(NEAP_DO_END, step->what);
  assert_int_equal(0, step->depth);
  int status = step->status;
  neap_place place;
  neap_run_place(run, &place);
  assert_int_equal(fails ? DEPTH : 0, place.depth);
  neap_run_free(run);
  neap_flow_free(flow);
  return status;
}

static void flows_may_be_nested_deep(void **state) {
  (void)state;
  assert_int_equal(0, walk_deep(NULL, false));
  assert_int_equal(NEAP_EFAILED, walk_deep(NULL, true));
}

enum answer { OK, NONE, ACTION, ITEMS, FAIL, ANSWERS };

static const neap_step *answer(neap_run *run, enum answer a) {
  switch (a) {
  case OK:
    return neap_run_ok(run);
  case NONE:
    return neap_run_none(run);
  case ACTION:
    return neap_run_action(run, "x", 1);
  case ITEMS:
    return neap_run_items(run, 2);
  default:
    return neap_run_fail(run, NULL);
  }
}

/* Whether a step, of a node that is a parallel or not, may be answered so. */
static bool allows(const neap_step *step, enum answer a) {
  bool parallel = neap_node_kind(step->node) == NEAP_PARALLEL;
  if (step->what == NEAP_DO_END)
    return false;
  switch (a) {
  case OK:
    return step->what != NEAP_DO_RAISE &&
           (step->what != NEAP_DO_ITEMS || parallel);
  case NONE:
    return step->what == NEAP_DO_FETCH && !parallel;
  case ACTION:
    return step->what == NEAP_DO_ATTEMPT ||
           (step->what == NEAP_DO_CALL && step->phase != NEAP_PREP);
  case ITEMS:
    return step->what == NEAP_DO_ITEMS && !parallel;
  default:
    return step->what != NEAP_DO_LEAVE;
  }
}

/* An answer that leads on, a failure now and then. */
static enum answer sensible(const neap_step *step, int turn) {
  if (step->what == NEAP_DO_RAISE)
    return FAIL;
  if (step->what == NEAP_DO_ITEMS && allows(step, ITEMS))
    return ITEMS;
  if (step->what == NEAP_DO_FETCH && allows(step, NONE) && step->index > 1)
    return NONE;
  if (step->what == NEAP_DO_CALL && turn % 5 == 4)
    return FAIL;
  return OK;
}

/* Goes some steps into a run and gives an answer there. Returns false when the
 * run has ended before. */
static bool answer_at(const char *graph, int turns, enum answer a) {
  text_run t = {0};
  neap_run *run = begin(&t, graph, 1);
  const neap_step *step = neap_run_step(run);
  for (int i = 0; i < turns && step->what != NEAP_DO_END; i++) {
    if (step->what == NEAP_DO_ENTER)
      neap_run_watch(run, 0);
    step = answer(run, sensible(step, i));
  }
  bool before_end = step->what != NEAP_DO_END;
  bool allowed = allows(step, a);
  int status = step->status;
  step = answer(run, a);
  if (before_end && !allowed) {
    assert_int_equal(NEAP_DO_END, step->what);
    assert_true(step->failed);
    assert_int_equal(NEAP_EINVAL, step->status);
    status = NEAP_EINVAL;
  }
  if (step->what == NEAP_DO_END) {
    int ended = before_end ? step->status : status;
    for (enum answer again = OK; again < ANSWERS; again++) {
      assert_int_equal(NEAP_DO_END, answer(run, again)->what);
      assert_int_equal(ended, neap_run_step(run)->status);
    }
    neap_place place;
    neap_run_place(run, &place);
    bool item;
    uint64_t index;
    assert_non_null(neap_run_node_at(run, place.depth, &item, &index));
  }
  end(&t, run);
  return before_end;
}

static void an_answer_that_was_not_asked_for_ends_the_run(void **state) {
  (void)state;
  static const char *const graphs[] = {
      "A all tries=2 wait=5",
      "F flow start=B post; B prep exec post; B -x> C; B > C; C exec",
      "B batch all tries=2",
      "B batch all at=2",
      "B batchflow start=A prep post; A exec post; A > C; C exec",
      "P parallel branch=A branch=B post; A exec; B all",
      "A exec tries=2 timeout=9 post",
      "F flow start=B timeout=9 strict; B post; B -y> B",
  };
  for (size_t g = 0; g < sizeof graphs / sizeof *graphs; g++)
    for (enum answer a = OK; a < ANSWERS; a++)
      for (int turns = 0; answer_at(graphs[g], turns, a); turns++)
        ;
}

/* Watches all visits of a graph up to the `turns`th step, and looks there at
 * which are open: those above the step's, and no others. */
static bool look_at(const char *graph, int turns) {
  text_run t = {0};
  neap_run *run = begin(&t, graph, 1);
  const neap_step *step = neap_run_step(run);
  uint64_t last = 0, since, watched = 0, left = 0;
  for (int i = 0; i < turns && step->what != NEAP_DO_END; i++) {
    if (step->what == NEAP_DO_ENTER) {
      assert_true(neap_run_watch(run, 1000 + last) == last + 1);
      watched++;
      last++;
    } else {
      assert_true(neap_run_watch(run, 0) == 0);
    }
    if (step->what == NEAP_DO_LEAVE) {
      uint64_t number = neap_run_visit(run, step->depth, &since);
      assert_true(number > 0 && number <= last && since == 999 + number);
      left++;
    }
    step = answer(run, sensible(step, i));
  }
  bool before_end = step->what != NEAP_DO_END;
  left += step->what == NEAP_DO_LEAVE;
  neap_place place;
  neap_run_place(run, &place);
  uint64_t open = 0;
  for (uint32_t depth = 0; depth <= place.depth; depth++) {
    bool item;
    uint64_t index, outer = 0;
    neap_run_node_at(run, depth, &item, &index);
    if (item) {
      outer = neap_run_visit(run, depth - 1, &since);
      assert_true(neap_run_visit(run, depth, &since) == outer);
    }
    open += neap_run_unwatch(run, depth);
    assert_false(neap_run_unwatch(run, depth));
  }
  assert_int_equal(watched, left + open);
  if (!before_end)
    assert_int_equal(0, open);
  end(&t, run);
  return before_end;
}

static void a_visit_that_is_watched_ends_once(void **state) {
  (void)state;
  static const char *const graphs[] = {
      "A all tries=2 wait=5",
      "A exec",
      "F flow start=B tries=2; B prep exec post; B > C; C exec",
      "F flow start=B; B flow start=C tries=2; C exec post; C > C2; C2 all",
      "B batch all tries=2 collect",
      "B batchflow start=A prep post; A exec post; A > C; C exec",
      "P parallel branch=A branch=B post tries=2; A exec; B all",
      "F flow start=B strict; B post; B -y> B",
  };
  for (size_t g = 0; g < sizeof graphs / sizeof *graphs; g++)
    for (int turns = 0; look_at(graphs[g], turns); turns++)
      ;
}

static void what_is_no_place_and_no_phase_has_no_name(void **state) {
  (void)state;
  text_run t;
  neap_run *run = begin(&t, "A exec", 1);
  bool item;
  uint64_t items, failed;
  assert_null(neap_run_node_at(run, 1000000, &item, &items));
  assert_null(neap_run_note(run, 1000000));
  assert_int_equal(0, neap_run_attempt(run, 1000000));
  assert_int_equal(0, neap_run_visit(run, 1000000, &items));
  assert_false(neap_run_unwatch(run, 1000000));
  neap_run_counts(run, 1000000, &items, &failed);
  assert_int_equal(0, items);
  assert_int_equal(0, failed);
  assert_string_equal("post", neap_phase_name(NEAP_POST));
  assert_string_equal("unknown", neap_phase_name((neap_phase)4));
  assert_string_equal("unknown", neap_phase_name((neap_phase)-1));
  assert_string_equal("unknown", neap_event_name((neap_event_kind)1000));
  neap_run_opts opts = NEAP_RUN_OPTS_INIT;
  neap_run *other;
  assert_int_equal(NEAP_EINVAL, neap_run_new(t.flow, NULL, &opts, &other));
  opts.parent = run;
  for (int root = NEAP_ROOT_ATTEMPT; root < NEAP_ROOT_WORKER + 2; root++) {
    opts.root = (neap_root)root;
    assert_int_equal(NEAP_EINVAL,
                     neap_run_new(t.flow, t.nodes[0], &opts, &other));
  }
  end(&t, run);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(jitter_takes_off_no_more_than_its_share),
      cmocka_unit_test(no_wait_stays_none_however_often),
      cmocka_unit_test(a_wait_without_bound_stays_a_number),
      cmocka_unit_test(a_batch_counts_its_items),
      cmocka_unit_test(a_visit_tells_its_attempt),
      cmocka_unit_test(a_run_may_be_dropped_at_any_step),
      cmocka_unit_test(a_parallel_may_be_dropped_at_any_step),
      cmocka_unit_test(a_parallel_counts_its_branches),
      cmocka_unit_test(runs_of_one_flow_do_not_see_each_other),
      cmocka_unit_test(a_run_inside_a_run_counts_its_steps_there),
      cmocka_unit_test(a_worker_may_go_on_when_its_batch_has_ended),
      cmocka_unit_test(nothing_is_at_a_depth_that_no_visit_has_reached),
      cmocka_unit_test(a_run_needs_a_sealed_flow_and_a_parent),
      cmocka_unit_test(flows_may_be_nested_deep),
      cmocka_unit_test(an_answer_that_was_not_asked_for_ends_the_run),
      cmocka_unit_test(a_visit_that_is_watched_ends_once),
      cmocka_unit_test(what_is_no_place_and_no_phase_has_no_name),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
