/* The run: saved, and loaded from what was saved.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "failing_alloc.h"
#include "run_saved.h"

/* A graph in which a run goes some steps, fails there or not, and dies. */
static void dies_after(const char *graph, int steps, bool fails,
                       const char *expected) {
  text_run t;
  neap_run *run = saved_begin(&t, graph);
  saved_go(run, steps);
  if (fails)
    neap_run_fail(run, NULL);
  run = saved_die(&t, run);
  saved_tells(run, expected);
  saved_end(&t, run);
}

static void a_node_begins_again(void **state) {
  (void)state;
  for (int steps = 0; steps < 4; steps++)
    dies_after("A all", steps, false, "+A0! A.prep0 A.exec0 A.post0 end");
  dies_after("A exec tries=3", 1, true, "+A1! A.exec1 end");
  dies_after("A exec fallback", 1, true, "+A0! A.exec0 end");
}

static void a_flow_goes_on_inside(void **state) {
  (void)state;
  const char *graph = "F flow start=A all; A exec; B exec post; A > B";
  dies_after(graph, 2, false,
             "~F0 +A0! A.exec0 +B0 B.exec0 B.post0 F< F.post0 end");
  dies_after(graph, 4, false, "~F0 +B0! B.exec0 B.post0 F< F.post0 end");
  dies_after(graph, 7, false, "~F0 F< F.post0 end");
  dies_after(graph, 8, false, "~F0 F< F.post0 end");
  dies_after(graph, 0, false,
             "+F0! F.prep0 +A0 A.exec0 +B0 B.exec0 B.post0 F< F.post0 end");
}

static void a_flow_returns_with_its_action(void **state) {
  (void)state;
  text_run t;
  neap_run *run =
      saved_begin(&t, "F flow start=G; G flow start=A post; A post; "
                      "H exec; G -x> H");
  saved_go(run, 3);
  assert_int_equal(NEAP_DO_RETURN, neap_run_action(run, "gone", 4)->what);
  run = saved_die(&t, run);
  saved_go(run, 2);
  assert_memory_equal("gone", neap_run_step(run)->action, 4);
  run = saved_die(&t, run);
  saved_go(run, 2);
  assert_int_equal(NEAP_POST, saved_go(run, 1)->phase);
  assert_int_equal(NEAP_DO_WARN, neap_run_action(run, "odd", 3)->what);
  run = saved_die(&t, run);
  saved_tells(run, "~F0 ~G0 G:warn(odd) F<odd end");
  saved_end(&t, run);
}

static void an_attempt_that_waits_waits_again(void **state) {
  (void)state;
  text_run t;
  neap_run *run =
      saved_begin(&t, "F flow start=A tries=2 wait=9; A exec tries=2 wait=5");
  saved_go(run, 2);
  assert_int_equal(5, neap_run_fail(run, NULL)->delay_ns);
  for (int i = 0; i < 2; i++) {
    run = saved_die(&t, run);
    assert_int_equal(NEAP_DO_ENTER, saved_go(run, 1)->what);
    assert_int_equal(5, neap_run_step(run)->delay_ns);
    assert_int_equal(1, neap_run_step(run)->attempt);
  }
  saved_go(run, 1);
  assert_int_equal(9, neap_run_fail(run, NULL)->delay_ns);
  run = saved_die(&t, run);
  saved_tells(run, "~F0 F:wait(9) +A0 A.exec0 F< end");
  saved_end(&t, run);
}

static void what_has_been_kept_is_not_done_again(void **state) {
  (void)state;
  text_run t;
  neap_run *run = saved_begin(&t, "A all tries=2 wait=3");
  assert_int_equal(NEAP_EINVAL, neap_run_keep(run));
  saved_go(run, 2);
  assert_int_equal(0, neap_run_keep(run));
  run = saved_die(&t, run);
  assert_int_equal(NEAP_EXEC, neap_run_step(run)->phase);
  saved_go(run, 1);
  neap_run_fail(run, NULL);
  run = saved_die(&t, run);
  saved_go(run, 1);
  assert_int_equal(NEAP_DO_WAIT, neap_run_step(run)->what);
  saved_go(run, 2);
  assert_int_equal(NEAP_POST, neap_run_step(run)->phase);
  assert_int_equal(0, neap_run_keep(run));
  for (int i = 0; i < 2; i++) {
    run = saved_die(&t, run);
    assert_int_equal(NEAP_DO_RESUME, neap_run_step(run)->what);
    assert_int_equal(NEAP_POST, neap_run_step(run)->phase);
  }
  saved_tells(run, "~A1 A.post1 end");
  saved_end(&t, run);
}

static void a_fallback_is_called_again(void **state) {
  (void)state;
  text_run t;
  neap_run *run = saved_begin(&t, "F flow start=A post fallback; A exec");
  saved_go(run, 2);
  assert_int_equal(NEAP_FALLBACK, neap_run_fail(run, NULL)->phase);
  run = saved_die(&t, run);
  assert_int_equal(NEAP_POST, saved_go(run, 2)->phase);
  run = saved_die(&t, run);
  saved_tells(run, "~F0 F.fallback0 F.post0 end");
  neap_flow_free(t.flow);
  neap_run_free(run);
}

static void a_batch_hands_out_its_items_again(void **state) {
  (void)state;
  const char *graph = "B batch all";
  dies_after(graph, 5, false,
             "~B0 B:fetch(0)! B.exec0 B:item(0) B:fetch(1) B.exec0 B:item(1) "
             "B:fetch(2) B.exec0 B:item(2) B.post0 end");
  dies_after(graph, 7, false,
             "~B0 B:fetch(1)! B.exec0 B:item(1) B:fetch(2) B.exec0 B:item(2) "
             "B.post0 end");
  dies_after(graph, 12, false, "~B0 B.post0 end");
  graph = "B batchflow start=A; A exec; C exec; A > C";
  dies_after(graph, 5, false,
             "~B0 B:fetch(0)! +C0! C.exec0 B:item(0) B:fetch(1) +A0 A.exec0 "
             "+C0 C.exec0 B:item(1) B:fetch(2) +A0 A.exec0 +C0 C.exec0 "
             "B:item(2) end");
  dies_after("P parallel branch=A branch=C at=1; A exec; C exec", 8, false,
             "~P0 P:fetch(1)! +C0! C.exec0 P< P:item(1) end");
}

static void an_item_that_ends_is_over_once_its_result_is_kept(void **state) {
  (void)state;
  text_run t;
  uint64_t items, failed;
  neap_run *run = saved_begin(&t, "B batch exec post collect");
  saved_go(run, 3);
  assert_int_equal(NEAP_DO_ITEM_END, neap_run_fail(run, NULL)->what);
  run = saved_die(&t, run);
  saved_go(run, 2);
  neap_run_counts(run, 0, &items, &failed);
  assert_int_equal(1, items);
  assert_int_equal(0, failed);
  assert_int_equal(NEAP_DO_ITEM_END, neap_run_fail(run, NULL)->what);
  assert_int_equal(0, neap_run_keep(run));
  run = saved_die(&t, run);
  assert_int_equal(1, saved_go(run, 1)->index);
  assert_false(neap_run_redoes(run));
  neap_run_counts(run, 0, &items, &failed);
  assert_int_equal(1, items);
  assert_int_equal(1, failed);
  assert_int_equal(2, neap_run_steps(run));
  saved_end(&t, run);
}

static void items_go_on_with_as_many_workers_as_there_are_today(void **state) {
  (void)state;
  text_run t, fewer, more;
  saved s;
  neap_run *run = saved_begin(&t, "B batchflow start=A at=3; A exec");
  assert_int_equal(NEAP_DO_FORK, saved_go(run, 2)->what);
  assert_int_equal(NEAP_DO_JOIN, saved_go(run, 1)->what);
  neap_run *workers[2];
  for (int i = 0; i < 2; i++) {
    workers[i] = saved_add(run, t.flow, NEAP_ROOT_WORKER);
    assert_int_equal(NEAP_DO_ENTER, saved_go(workers[i], 1)->what);
  }
  saved_save(workers[1], &s);
  for (int i = 0; i < 2; i++)
    neap_run_free(workers[i]);
  saved_end(&t, run);

  saved_build(&fewer, "B batchflow start=A; A exec");
  run = saved_load(&fewer, &s);
  saved_tells(run,
              "~B0 B:fetch(0)! +A0! A.exec0 B:item(0) B:fetch(1)! +A0! A.exec0 "
              "B:item(1) B:fetch(2) +A0 A.exec0 B:item(2) end");
  assert_int_equal(1 + 3 + 3, neap_run_steps(run));
  saved_end(&fewer, run);

  saved_build(&more, "B batchflow start=A at=9; A exec; C exec; A > C");
  run = saved_load(&more, &s);
  saved_tells(run, "~B0 B:fork(3) ");
  saved_go(run, 1);
  neap_run *worker = saved_add(run, more.flow, NEAP_ROOT_WORKER);
  saved_tells(worker,
              "B:fetch(0)! +A0! A.exec0 +C0 C.exec0 B:item(0) B:fetch(1)! "
              "+A0! A.exec0 +C0 C.exec0 B:item(1) B:fetch(2) +A0 A.exec0 "
              "+C0 C.exec0 B:item(2) end");
  neap_run_free(worker);
  saved_end(&more, run);
}

static void what_a_worker_has_not_kept_does_not_count(void **state) {
  (void)state;
  text_run t;
  saved s;
  uint64_t items, failed;
  neap_run *run = saved_begin(&t, "B batch exec at=2 collect");
  saved_go(run, 3);
  neap_run *worker = saved_add(run, t.flow, NEAP_ROOT_WORKER);
  saved_go(worker, 1);
  assert_int_equal(NEAP_DO_ITEM_END, neap_run_fail(worker, NULL)->what);
  saved_save(run, &s);
  neap_run_free(worker);
  neap_run_free(run);
  run = saved_load(&t, &s);
  assert_int_equal(NEAP_DO_FORK, saved_go(run, 1)->what);
  neap_run_counts(run, 0, &items, &failed);
  assert_int_equal(1, items);
  assert_int_equal(0, failed);
  saved_go(run, 1);
  worker = saved_add(run, t.flow, NEAP_ROOT_WORKER);
  assert_true(neap_run_redoes(worker));
  /* Today it is of no use. It is not counted as another item. */
  neap_run_fail(worker, &(neap_failure){.item = true});
  neap_run_counts(run, 0, &items, &failed);
  assert_int_equal(1, items);
  assert_int_equal(1, failed);
  assert_int_equal(2, neap_run_steps(run));
  neap_run_free(worker);
  saved_end(&t, run);
}

static void an_item_that_is_gone_ends_the_batch(void **state) {
  (void)state;
  text_run t;
  neap_run *run = saved_begin(&t, "B batch exec post");
  saved_go(run, 6);
  run = saved_die(&t, run);
  saved_go(run, 1);
  assert_true(neap_run_redoes(run));
  assert_int_equal(NEAP_POST, neap_run_none(run)->phase);
  saved_end(&t, run);
}

static void an_iterator_that_has_ended_is_not_asked_again(void **state) {
  (void)state;
  text_run t;
  neap_run *run = saved_begin(&t, "B batch exec post");
  saved_go(run, 1);
  assert_int_equal(NEAP_DO_FETCH, neap_run_items(run, NEAP_UNCOUNTED)->what);
  saved_go(run, 3);
  neap_run_none(run);
  run = saved_die(&t, run);
  saved_tells(run, "~B0 B.post0 end");
  saved_end(&t, run);
}

static void an_attempt_goes_on_in_a_run_of_its_own(void **state) {
  (void)state;
  text_run t;
  saved s;
  neap_run *run =
      saved_begin(&t, "F flow start=A timeout=9 post; A exec; C exec; "
                      "A > C");
  assert_int_equal(NEAP_DO_ATTEMPT, saved_go(run, 1)->what);
  neap_run *child = saved_add(run, t.flow, NEAP_ROOT_ATTEMPT);
  saved_go(child, 2);
  saved_save(child, &s);
  neap_run_free(child);
  neap_run_free(run);
  run = saved_load(&t, &s);
  saved_tells(run, "~F0 F:attempt ");
  run = saved_die(&t, run);
  saved_go(run, 1);
  child = saved_add(run, t.flow, NEAP_ROOT_ATTEMPT);
  saved_tells(child, "+C0! C.exec0 F< end");
  saved_save(run, &s); /* it has not been told of the end */
  neap_run *other = saved_load(&t, &s);
  saved_tells(other, "~F0 F< F.post0 end");
  neap_run_free(other);
  neap_run_free(child);
  neap_run_ok(run);
  saved_tells(run, "F.post0 end");
  saved_end(&t, run);
}

static void an_attempt_that_is_given_up_does_not_go_on_later(void **state) {
  (void)state;
  text_run t;
  saved s;
  neap_run *run =
      saved_begin(&t, "F flow start=A timeout=9 tries=2; A exec; C exec; "
                      "A > C");
  saved_go(run, 1);
  neap_run *child = saved_add(run, t.flow, NEAP_ROOT_ATTEMPT);
  saved_go(child, 2);
  saved_save(child, &s);
  neap_run_free(child);
  neap_run_free(run);
  run = saved_load(&t, &s);
  saved_go(run, 1);
  assert_int_equal(1, neap_run_fail(run, NULL)->attempt);
  child = saved_add(run, t.flow, NEAP_ROOT_ATTEMPT);
  saved_tells(child, "+A0 A.exec0 +C0 C.exec0 F< end");
  neap_run_free(child);
  saved_end(&t, run);
}

static void a_run_that_cannot_be_saved_says_so(void **state) {
  (void)state;
  text_run t;
  size_t size = 0, least;
  uint8_t bytes[64];
  neap_run *run = saved_begin(&t, "B batch exec at=2");
  assert_int_equal(NEAP_ETOOBIG, neap_run_save(run, NULL, 0, &least));
  memset(bytes, 7, sizeof bytes);
  assert_int_equal(NEAP_ETOOBIG, neap_run_save(run, bytes, least - 1, &size));
  assert_int_equal(7, bytes[least - 1]);
  assert_int_equal(least, size);
  assert_int_equal(0, neap_run_save(run, bytes, least, &size));
  saved_go(run, 3);
  neap_run *worker = saved_add(run, t.flow, NEAP_ROOT_WORKER);
  neap_run *late = saved_add(run, t.flow, NEAP_ROOT_WORKER);
  saved_go(worker, 1);
  neap_run_fail(worker, NULL);
  size = 99;
  assert_int_equal(NEAP_EAGAIN, neap_run_save(late, bytes, 64, &size));
  assert_int_equal(NEAP_DO_STOP, neap_run_fail(run, NULL)->what);
  assert_int_equal(NEAP_EAGAIN, neap_run_save(late, bytes, 64, &size));
  assert_int_equal(99, size);
  neap_run_free(worker);
  neap_run_free(late);
  saved_go(run, 2);
  assert_int_equal(NEAP_EENDED, neap_run_save(run, bytes, 64, &size));
  saved_end(&t, run);
}

static void visits_keep_their_numbers(void **state) {
  (void)state;
  text_run t;
  uint64_t since;
  neap_run *run = saved_begin(&t, "F flow start=A; A exec; C exec; A > C");
  assert_int_equal(1, neap_run_watch(run, 10));
  saved_go(run, 1);
  assert_int_equal(2, neap_run_watch(run, 20));
  run = saved_die(&t, run);
  assert_int_equal(1, neap_run_watch(run, 30));
  saved_go(run, 1);
  assert_int_equal(2, neap_run_watch(run, 40));
  assert_int_equal(2, neap_run_steps(run));
  assert_int_equal(NEAP_DO_LEAVE, saved_go(run, 2)->what);
  run = saved_die(&t, run);
  assert_int_equal(1, neap_run_watch(run, 50));
  saved_go(run, 1);
  assert_int_equal(2, neap_run_watch(run, 60));
  assert_int_equal(NEAP_DO_LEAVE, saved_go(run, 1)->what);
  assert_int_equal(2, neap_run_visit(run, 1, &since));
  assert_int_equal(60, since);
  saved_go(run, 1);
  assert_int_equal(3, neap_run_watch(run, 70));
  saved_tells(run, "+C0 C.exec0 -C F< -F end");
  saved_end(&t, run);
}

static void jitter_is_drawn_as_it_would_have_been(void **state) {
  (void)state;
  uint64_t delays[2][20];
  for (int dies = 0; dies < 2; dies++) {
    text_run t;
    neap_run *run = saved_begin(&t, "A exec tries=99 wait=1000 jitter=0.9");
    for (int i = 0; i < 20; i++) {
      saved_go(run, 1);
      delays[dies][i] = neap_run_fail(run, NULL)->delay_ns;
      if (dies)
        run = saved_die(&t, run);
    }
    saved_end(&t, run);
  }
  assert_memory_equal(delays[0], delays[1], sizeof delays[0]);
}

static void a_run_may_be_saved_ten_thousand_flows_deep(void **state) {
  (void)state;
  enum { DEPTH = 10000, BYTES = 16 * DEPTH };
  neap_flow *flow;
  neap_node *outer = NULL, *root = NULL;
  neap_node_opts opts = NEAP_NODE_OPTS_INIT;
  assert_int_equal(0, neap_flow_new(NULL, &flow));
  opts.name = "nested";
  for (int i = 0; i <= DEPTH; i++) {
    neap_node *node;
    opts.kind = i < DEPTH ? NEAP_FLOW : NEAP_NODE;
    assert_int_equal(0, neap_flow_add(flow, &opts, &node));
    if (outer)
      neap_flow_start(flow, outer, node);
    else
      root = node;
    outer = node;
  }
  assert_int_equal(0, neap_flow_seal(flow));
  neap_run_opts run_opts = NEAP_RUN_OPTS_INIT;
  neap_run *run;
  assert_int_equal(0, neap_run_new(flow, root, &run_opts, &run));
  saved_go(run, DEPTH);
  static uint8_t bytes[BYTES];
  size_t size;
  assert_int_equal(0, neap_run_save(run, bytes, BYTES, &size));
  neap_run_free(run);
  assert_int_equal(0, neap_run_load(flow, root, bytes, size, NULL, NULL, &run));
  assert_int_equal(NEAP_DO_ENTER, saved_go(run, DEPTH)->what);
  assert_int_equal(DEPTH, neap_run_step(run)->depth);
  neap_run_free(run);
  assert_int_equal(0, neap_run_load(flow, root, bytes, size, NULL, NULL, &run));
  neap_run_free(run);
  neap_flow_free(flow);
}

/* Loads while allocation `fail_at` fails, and goes on to the end. */
static bool load_survives(long fail_at) {
  text_run t = {.graph = "F flow start=B; B batchflow start=A prep; A exec; "
                         "C exec post; A > C"};
  failing_state memory;
  neap_alloc alloc = failing_alloc(&memory, 0);
  saved s;
  assert_int_equal(0, text_build(&t, &alloc));
  neap_run_opts opts = NEAP_RUN_OPTS_INIT;
  neap_run *run;
  assert_int_equal(0, neap_run_new(t.flow, t.nodes[0], &opts, &run));
  saved_go(run, 7);
  saved_save(run, &s);
  neap_run_free(run);
  memory.calls = 0;
  memory.fail_at = fail_at;
  int status =
      neap_run_load(t.flow, t.nodes[0], s.bytes, s.size, NULL, NULL, &run);
  if (status == 0) {
    const neap_step *step = neap_run_step(run);
    while (step->what != NEAP_DO_END)
      step = step->what == NEAP_DO_RAISE ? neap_run_fail(run, NULL)
                                         : saved_go(run, 1);
    status = step->status;
    neap_run_free(run);
  } else {
    assert_int_equal(NEAP_ENOMEM, status);
  }
  assert_int_equal(memory.failed, status < 0);
  neap_flow_free(t.flow);
  assert_int_equal(0, memory.live);
  return memory.failed;
}

static void a_load_survives_a_lack_of_memory(void **state) {
  (void)state;
  assert_in_range(fail_each(load_survives), 8, 30);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_node_begins_again),
      cmocka_unit_test(a_flow_goes_on_inside),
      cmocka_unit_test(a_flow_returns_with_its_action),
      cmocka_unit_test(an_attempt_that_waits_waits_again),
      cmocka_unit_test(what_has_been_kept_is_not_done_again),
      cmocka_unit_test(a_fallback_is_called_again),
      cmocka_unit_test(a_batch_hands_out_its_items_again),
      cmocka_unit_test(an_item_that_ends_is_over_once_its_result_is_kept),
      cmocka_unit_test(items_go_on_with_as_many_workers_as_there_are_today),
      cmocka_unit_test(what_a_worker_has_not_kept_does_not_count),
      cmocka_unit_test(an_item_that_is_gone_ends_the_batch),
      cmocka_unit_test(an_iterator_that_has_ended_is_not_asked_again),
      cmocka_unit_test(an_attempt_goes_on_in_a_run_of_its_own),
      cmocka_unit_test(an_attempt_that_is_given_up_does_not_go_on_later),
      cmocka_unit_test(a_run_that_cannot_be_saved_says_so),
      cmocka_unit_test(visits_keep_their_numbers),
      cmocka_unit_test(jitter_is_drawn_as_it_would_have_been),
      cmocka_unit_test(a_run_may_be_saved_ten_thousand_flows_deep),
      cmocka_unit_test(a_load_survives_a_lack_of_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
