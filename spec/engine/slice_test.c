/* Slices: what is delivered within a budget, and what a slice tells of itself.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "failing_alloc.h"
#include "neap.h"

#define US UINT64_C(1000)
#define MS UINT64_C(1000000)

enum { OPS = 100 };

static failing_state memory;
static neap_engine *engine;
static neap_op ops[OPS];
static char order[2 * OPS]; /* "ab": first ops[0] was done, then ops[1] */
static int count;
static int left; /* how often the operation that computes goes on */

static uint64_t clock_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000 * MS + (uint64_t)now.tv_nsec;
}

static void spin(uint64_t ns) {
  uint64_t until = clock_ns() + ns;
  while (clock_ns() < until)
    ;
}

static void note(neap_op *op) {
  order[count++] = (char)('a' + (op - ops));
}

static int set_up(void **state) {
  (void)state;
  neap_engine_opts opts = NEAP_ENGINE_OPTS_INIT;
  opts.alloc = failing_alloc(&memory, 0);
  assert_int_equal(0, neap_engine_new(&opts, &engine));
  for (int i = 0; i < OPS; i++)
    neap_op_init(&ops[i], note, NULL);
  memset(order, 0, sizeof order);
  count = 0;
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  assert_int_equal(0, neap_pending(engine));
  neap_engine_free(engine);
  assert_int_equal(0, memory.live);
  return 0;
}

static void make_ready(neap_op *op) {
  assert_int_equal(0, neap_op_hold(engine, op));
  neap_op_settle(op, 0);
}

static neap_slice_info slice(uint64_t budget_ns) {
  neap_slice_info info = NEAP_SLICE_INFO_INIT;
  int delivered = neap_slice(engine, budget_ns, &info);
  assert_int_equal(info.delivered, delivered);
  return info;
}

static void it_delivers_what_is_ready(void **state) {
  (void)state;
  make_ready(&ops[0]);
  make_ready(&ops[1]);
  neap_slice_info info = slice(10 * MS);
  assert_string_equal("ab", order);
  assert_int_equal(2, info.delivered);
  assert_in_range(info.used_ns, 1, 10 * MS);
  assert_false(info.more || info.preempted || info.overran);
  assert_null(info.in_the_way);
  assert_int_equal(0, neap_slice(engine, MS, NULL));
}

static void compute(neap_op *op) {
  note(op);
  spin(300 * US);
}

static void it_ends_when_its_budget_is_used(void **state) {
  (void)state;
  for (int i = 0; i < 20; i++) {
    neap_op_init(&ops[i], compute, NULL);
    make_ready(&ops[i]);
  }
  neap_slice_info info = slice(MS);
  assert_in_range(info.delivered, 1, 4);
  assert_true(info.more);
  int slices = 1;
  for (; info.more; slices++)
    info = slice(MS);
  assert_in_range(slices, 5, 20);
  assert_string_equal("abcdefghijklmnopqrst", order);
}

static void even_the_smallest_delivers_one(void **state) {
  (void)state;
  make_ready(&ops[0]);
  make_ready(&ops[1]);
  neap_slice_info info = slice(1);
  assert_int_equal(1, info.delivered);
  assert_true(info.more);
  info = slice(1);
  assert_string_equal("ab", order);
  assert_false(info.more);
}

static void make_again(neap_op *op) {
  count++;
  make_ready(op);
}

static void one_that_is_always_ready_does_not_keep_it(void **state) {
  (void)state;
  neap_op_init(&ops[0], make_again, NULL);
  make_ready(&ops[0]);
  neap_slice_info info = slice(2 * MS);
  assert_in_range(info.delivered, 100, 100000000);
  assert_true(info.more);
  neap_op_forget(&ops[0]);
}

static void what_overruns_is_named(void **state) {
  (void)state;
  neap_op_init(&ops[0], compute, NULL);
  make_ready(&ops[0]);
  neap_slice_info info = slice(10 * US);
  assert_true(info.overran);
  assert_string_equal("done", info.in_the_way);
}

static void compute_in_a_library(neap_op *op) {
  compute(op);
  neap_note_overrun(engine, "string.rep");
  neap_note_overrun(engine, "__gc");
}

static void the_first_that_is_noted_counts(void **state) {
  (void)state;
  neap_op_init(&ops[0], compute_in_a_library, NULL);
  make_ready(&ops[0]);
  neap_slice_info info = slice(10 * US);
  assert_string_equal("string.rep", info.in_the_way);
  make_ready(&ops[0]);
  info = slice(1000 * MS); /* in time: nothing was in the way */
  assert_null(info.in_the_way);
  neap_note_overrun(engine, "outside");
  neap_op_init(&ops[1], compute, NULL);
  make_ready(&ops[1]);
  info = slice(10 * US);
  assert_string_equal("done", info.in_the_way);
}

/* Goes on in the next slice until `left` is 0. */
static void go_on(neap_op *op) {
  note(op);
  if (left-- > 0)
    assert_int_equal(0, neap_preempt(engine, op));
}

static void one_cut_short_comes_before_all_others(void **state) {
  (void)state;
  neap_op_init(&ops[0], go_on, NULL);
  left = 2;
  for (int i = 0; i < 3; i++)
    make_ready(&ops[i]);
  assert_int_equal(0, neap_sleep_until(engine, &ops[3], 1));
  neap_slice_info info = slice(10 * MS);
  assert_string_equal("a", order);
  assert_true(info.preempted && info.more);
  assert_true(neap_op_active(&ops[0]));
  assert_int_equal(4, neap_pending(engine));
  neap_op_cancel(&ops[0], NEAP_ECANCELED);
  info = slice(10 * MS);
  assert_string_equal("aa", order);
  assert_int_equal(0, ops[0].status);
  assert_true(info.preempted);
  spin(3 * MS); /* the timer is due */
  info = slice(10 * MS);
  assert_string_equal("aaabcd", order);
  assert_false(info.preempted || info.more);
}

static void a_poll_goes_on_with_it(void **state) {
  (void)state;
  neap_op_init(&ops[1], go_on, NULL);
  left = 1;
  for (int i = 0; i < 3; i++)
    make_ready(&ops[i]);
  assert_true(slice(10 * MS).preempted);
  assert_int_equal(2, neap_poll(engine, 0));
  assert_string_equal("abbc", order);
}

static void forgetting_it_ends_the_preemption(void **state) {
  (void)state;
  neap_op_init(&ops[0], go_on, NULL);
  left = 100;
  make_ready(&ops[0]);
  make_ready(&ops[1]);
  assert_true(slice(10 * MS).preempted);
  neap_op_forget(&ops[0]);
  neap_slice_info info = slice(10 * MS);
  assert_string_equal("ab", order);
  assert_false(info.preempted);
}

static void a_turn_waits_for_its_end(void **state) {
  (void)state;
  neap_op_init(&ops[0], go_on, NULL);
  left = 1;
  make_ready(&ops[0]);
  make_ready(&ops[1]);
  assert_int_equal(0, neap_turn(engine, &ops[2], false));
  assert_true(slice(10 * MS).preempted);
  slice(10 * MS);
  assert_string_equal("aacb", order);
}

static void an_engine_may_be_freed_meanwhile(void **state) {
  (void)state;
  neap_op_init(&ops[0], go_on, NULL);
  left = 1;
  make_ready(&ops[0]);
  assert_true(slice(10 * MS).preempted);
  neap_engine_free(engine);
  assert_false(neap_op_active(&ops[0]));
  assert_int_equal(0, neap_engine_new(NULL, &engine));
}

static uint64_t deadline;

static void look_at_deadline(neap_op *op) {
  (void)op;
  deadline = neap_slice_deadline(engine);
}

static void the_deadline_is_known_inside(void **state) {
  (void)state;
  neap_op_init(&ops[0], look_at_deadline, NULL);
  make_ready(&ops[0]);
  uint64_t before = clock_ns();
  slice(5 * MS);
  assert_in_range(deadline, before + 5 * MS, clock_ns() + 5 * MS);
  assert_int_equal(0, neap_slice_deadline(engine));
  make_ready(&ops[0]);
  slice(NEAP_FOREVER);
  assert_true(deadline == NEAP_FOREVER);
  make_ready(&ops[0]);
  neap_poll(engine, 0);
  assert_int_equal(0, deadline);
}

static void break_it(neap_op *op) {
  note(op);
  neap_break(engine);
}

static void done_may_end_it(void **state) {
  (void)state;
  neap_op_init(&ops[0], break_it, NULL);
  make_ready(&ops[0]);
  make_ready(&ops[1]);
  assert_true(slice(10 * MS).more);
  assert_string_equal("a", order);
  assert_false(slice(10 * MS).more);
}

static void timers_are_served(void **state) {
  (void)state;
  neap_sleep_until(engine, &ops[0], neap_now(engine) + 3 * MS);
  assert_int_equal(0, slice(MS).delivered);
  while (slice(MS).delivered == 0)
    assert_int_equal(1, neap_pending(engine));
  assert_string_equal("a", order);
}

static void the_virtual_clock_jumps(void **state) {
  (void)state;
  neap_set_clock(engine, NEAP_CLOCK_VIRTUAL);
  for (int i = 0; i < 3; i++)
    neap_sleep_until(engine, &ops[i], (uint64_t)(3 - i) * 3600 * 1000 * MS);
  assert_int_equal(0, neap_wait_idle(engine, &ops[3]));
  slice(1000 * MS);
  assert_string_equal("cbad", order);
  neap_set_clock(engine, NEAP_CLOCK_REAL);
}

static int inner[3];

static void drive_from_inside(neap_op *op) {
  note(op);
  inner[0] = neap_slice(engine, MS, NULL);
  inner[1] = neap_poll(engine, 0);
  neap_op other;
  neap_op_init(&other, note, NULL);
  inner[2] = neap_preempt(engine, &other);
}

static void misuse_is_a_status(void **state) {
  (void)state;
  neap_slice_info info = NEAP_SLICE_INFO_INIT;
  assert_int_equal(NEAP_EINVAL, neap_slice(NULL, MS, &info));
  assert_int_equal(NEAP_EINVAL, neap_slice(engine, 0, &info));
  info.size = 0;
  assert_int_equal(NEAP_EINVAL, neap_slice(engine, MS, &info));
  assert_int_equal(0, neap_slice_deadline(NULL));
  neap_note_overrun(NULL, "nothing");
  assert_int_equal(NEAP_EINVAL, neap_preempt(engine, NULL));
  assert_int_equal(NEAP_EINVAL, neap_preempt(NULL, &ops[0]));
  assert_int_equal(NEAP_EBUSY, neap_preempt(engine, &ops[0]));
  neap_op_init(&ops[0], drive_from_inside, NULL);
  make_ready(&ops[0]);
  assert_int_equal(1, neap_poll(engine, 0));
  assert_int_equal(NEAP_EBUSY, inner[0]);
  assert_int_equal(NEAP_EBUSY, inner[1]);
  assert_int_equal(NEAP_EBUSY, inner[2]);
  make_ready(&ops[1]);
  assert_int_equal(NEAP_EINVAL, neap_preempt(engine, &ops[1]));
  slice(MS);
  assert_string_equal("ab", order);
}

static void preempt_two(neap_op *op) {
  note(op);
  if (count > 1)
    return;
  inner[0] = neap_preempt(engine, op);
  inner[1] = neap_preempt(engine, &ops[5]);
}

static void only_one_is_the_next(void **state) {
  (void)state;
  neap_op_init(&ops[0], preempt_two, NULL);
  make_ready(&ops[0]);
  slice(MS);
  assert_int_equal(0, inner[0]);
  assert_int_equal(NEAP_EBUSY, inner[1]);
  assert_false(neap_op_active(&ops[5]));
  slice(MS);
  assert_string_equal("aa", order);
}

int main(void) {
  const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
      TEST(it_delivers_what_is_ready),
      TEST(it_ends_when_its_budget_is_used),
      TEST(even_the_smallest_delivers_one),
      TEST(one_that_is_always_ready_does_not_keep_it),
      TEST(what_overruns_is_named),
      TEST(the_first_that_is_noted_counts),
      TEST(one_cut_short_comes_before_all_others),
      TEST(a_poll_goes_on_with_it),
      TEST(forgetting_it_ends_the_preemption),
      TEST(a_turn_waits_for_its_end),
      TEST(an_engine_may_be_freed_meanwhile),
      TEST(the_deadline_is_known_inside),
      TEST(done_may_end_it),
      TEST(timers_are_served),
      TEST(the_virtual_clock_jumps),
      TEST(misuse_is_a_status),
      TEST(only_one_is_the_next),
#undef TEST
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
