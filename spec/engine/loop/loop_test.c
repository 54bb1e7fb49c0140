/* The loop: the life of an operation, and what neap_poll promises.
 * SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "failing_alloc.h"
#include "neap.h"

enum { MS = 1000000 };

/* What the `done` of the operations here leaves behind. */
typedef struct record {
  neap_engine *engine;
  neap_op ops[4];
  char order[16]; /* "ab": first ops[0] was done, then ops[1] */
  int count;
  int status;
} record;

static record *record_of(neap_op *op) {
  return op->data;
}

static void note(neap_op *op) {
  record *r = record_of(op);
  assert_false(neap_op_active(op));
  assert_in_range(r->count, 0, sizeof r->order - 2);
  r->order[r->count++] = (char)('a' + (op - r->ops));
  r->order[r->count] = '\0';
  r->status = op->status;
}

static int set_up(void **state) {
  record *r = calloc(1, sizeof *r);
  neap_engine_opts opts = NEAP_ENGINE_OPTS_INIT;
  opts.clock = NEAP_CLOCK_VIRTUAL;
  assert_int_equal(0, neap_engine_new(&opts, &r->engine));
  for (int i = 0; i < 4; i++)
    neap_op_init(&r->ops[i], note, r);
  *state = r;
  return 0;
}

static int tear_down(void **state) {
  record *r = *state;
  assert_int_equal(0, neap_pending(r->engine));
  neap_engine_free(r->engine);
  free(r);
  return 0;
}

static void poll_delivers(record *r, const char *order) {
  r->count = 0;
  r->order[0] = '\0';
  int count = neap_poll(r->engine, 0);
  assert_string_equal(order, r->order);
  assert_int_equal(strlen(order), count);
}

static void a_held_operation_waits_for_settle(void **state) {
  record *r = *state;
  neap_op *op = &r->ops[0];
  assert_false(neap_op_active(op));
  neap_op_hold(r->engine, op);
  assert_true(neap_op_active(op));
  assert_int_equal(0, neap_pending(r->engine));
  poll_delivers(r, "");
  neap_op_settle(op, NEAP_ETIMEDOUT);
  assert_int_equal(0, r->count);
  assert_true(neap_op_active(op));
  assert_int_equal(1, neap_pending(r->engine));
  poll_delivers(r, "a");
  assert_int_equal(NEAP_ETIMEDOUT, r->status);
  assert_int_equal(0, neap_pending(r->engine));
  poll_delivers(r, "");
}

static void a_turn_ends_after_each_delivery(void **state) {
  record *r = *state;
  for (int i = 1; i < 4; i++) {
    neap_op_hold(r->engine, &r->ops[i]);
    neap_op_settle(&r->ops[i], 0);
  }
  assert_int_equal(0, neap_turn(r->engine, &r->ops[0], false));
  neap_op other;
  neap_op_init(&other, note, r);
  assert_int_equal(NEAP_EBUSY, neap_turn(r->engine, &other, false));
  poll_delivers(r, "bacd");
  assert_int_equal(1, r->ops[0].detail);
}

static void break_all(neap_op *op) {
  note(op);
  neap_break(record_of(op)->engine);
}

static void done_may_end_the_poll(void **state) {
  record *r = *state;
  for (int i = 0; i < 4; i++) {
    neap_op_init(&r->ops[i], i == 1 ? break_all : note, r);
    neap_op_hold(r->engine, &r->ops[i]);
    neap_op_settle(&r->ops[i], 0);
  }
  poll_delivers(r, "ab");
  poll_delivers(r, "cd");
}

static void a_turn_ends_when_nothing_is_ready(void **state) {
  record *r = *state;
  neap_sleep_until(r->engine, &r->ops[1], 5 * (uint64_t)MS);
  assert_int_equal(0, neap_turn(r->engine, &r->ops[0], false));
  poll_delivers(r, "a");
  assert_int_equal(0, r->ops[0].detail);
  assert_int_equal(0, neap_now(r->engine));
  assert_int_equal(0, neap_turn(r->engine, &r->ops[0], true));
  neap_poll(r->engine, NEAP_FOREVER);
  assert_string_equal("aba", r->order);
  assert_int_equal(1, r->ops[0].detail);
  assert_int_equal(5 * MS, neap_now(r->engine));
  assert_int_equal(0, neap_turn(r->engine, &r->ops[0], true));
  poll_delivers(r, "a");
  assert_int_equal(0, r->ops[0].detail);
}

static void one_can_wait_until_nothing_is_left(void **state) {
  record *r = *state;
  neap_op other;
  neap_op_init(&other, note, r);
  assert_int_equal(0, neap_wait_idle(r->engine, &r->ops[0]));
  assert_int_equal(NEAP_EBUSY, neap_wait_idle(r->engine, &other));
  neap_sleep_until(r->engine, &r->ops[1], 5 * (uint64_t)MS);
  assert_int_equal(0, neap_turn(r->engine, &r->ops[2], false));
  poll_delivers(r, "c");
  neap_poll(r->engine, NEAP_FOREVER);
  assert_string_equal("cb", r->order);
  assert_int_equal(0, neap_turn(r->engine, &r->ops[2], true));
  poll_delivers(r, "c");
  poll_delivers(r, "a");
  assert_int_equal(0, neap_wait_idle(r->engine, &r->ops[0]));
  neap_op_cancel(&r->ops[0], NEAP_ECANCELED);
  poll_delivers(r, "a");
}

static void a_turn_can_be_dropped(void **state) {
  record *r = *state;
  assert_int_equal(0, neap_turn(r->engine, &r->ops[0], true));
  neap_op_cancel(&r->ops[0], NEAP_ECANCELED);
  poll_delivers(r, "a");
  assert_int_equal(NEAP_ECANCELED, r->status);
  assert_int_equal(0, neap_turn(r->engine, &r->ops[0], true));
  neap_op_forget(&r->ops[0]);
  poll_delivers(r, "");
}

static void the_first_outcome_stays(void **state) {
  record *r = *state;
  neap_op *op = &r->ops[0];
  neap_op_hold(r->engine, op);
  neap_op_settle(op, 0);
  neap_op_settle(op, NEAP_ENOMEM);
  neap_op_cancel(op, NEAP_ECANCELED);
  assert_int_equal(1, neap_pending(r->engine));
  poll_delivers(r, "a");
  assert_int_equal(0, r->status);
}

static void what_is_idle_stays_idle(void **state) {
  record *r = *state;
  neap_op_settle(&r->ops[0], 0);
  neap_op_cancel(&r->ops[0], NEAP_ECANCELED);
  neap_op_forget(&r->ops[0]);
  assert_false(neap_op_active(&r->ops[0]));
  poll_delivers(r, "");
}

static void cancelling_ends_a_wait(void **state) {
  record *r = *state;
  neap_op_hold(r->engine, &r->ops[0]);
  neap_sleep_until(r->engine, &r->ops[1], 5);
  neap_op_settle(&r->ops[1], 0); /* not ours to settle */
  assert_int_equal(1, neap_pending(r->engine));
  neap_op_cancel(&r->ops[1], NEAP_ECANCELED);
  neap_op_cancel(&r->ops[0], NEAP_ECANCELED);
  neap_op_cancel(&r->ops[0], NEAP_ETIMEDOUT);
  assert_int_equal(0, r->count);
  assert_int_equal(2, neap_pending(r->engine));
  poll_delivers(r, "ba");
  assert_int_equal(NEAP_ECANCELED, r->status);
  assert_int_equal(0, neap_now(r->engine));
}

static void forgetting_ends_it_unheard(void **state) {
  record *r = *state;
  neap_op_hold(r->engine, &r->ops[0]);
  neap_sleep_until(r->engine, &r->ops[1], 5);
  neap_op_hold(r->engine, &r->ops[2]);
  neap_op_settle(&r->ops[2], 0);
  neap_op_hold(r->engine, &r->ops[3]);
  neap_op_settle(&r->ops[3], 0);
  for (int i = 0; i < 3; i++) {
    neap_op_forget(&r->ops[i]);
    assert_false(neap_op_active(&r->ops[i]));
  }
  assert_int_equal(1, neap_pending(r->engine));
  poll_delivers(r, "d");
  for (int i = 0; i < 3; i++) { /* and it may be used again */
    neap_op_hold(r->engine, &r->ops[i]);
    neap_op_settle(&r->ops[i], 0);
  }
  poll_delivers(r, "abc");
}

static void cancel_and_forget_others(neap_op *op) {
  record *r = record_of(op);
  note(op);
  neap_op_forget(&r->ops[1]);
  neap_op_cancel(&r->ops[2], NEAP_ECANCELED); /* is ready already */
  neap_op_cancel(&r->ops[3], NEAP_ECANCELED);
}

static void done_may_end_others(void **state) {
  record *r = *state;
  r->ops[0].done = cancel_and_forget_others;
  for (int i = 0; i < 4; i++)
    neap_op_hold(r->engine, &r->ops[i]);
  for (int i = 0; i < 3; i++)
    neap_op_settle(&r->ops[i], 0);
  poll_delivers(r, "acd");
  assert_int_equal(NEAP_ECANCELED, r->status);
}

static void start_again(neap_op *op) {
  record *r = record_of(op);
  note(op);
  if (r->count < 5) {
    neap_op_hold(r->engine, op);
    neap_op_settle(op, 0);
  }
}

static void done_may_start_its_operation_again(void **state) {
  record *r = *state;
  r->ops[0].done = start_again;
  neap_op_hold(r->engine, &r->ops[0]);
  neap_op_settle(&r->ops[0], 0);
  poll_delivers(r, "aaaaa");
}

static int freed;

static void free_it(neap_op *op) {
  free(op);
  freed++;
}

static void done_may_free_its_operation(void **state) {
  record *r = *state;
  freed = 0;
  for (int i = 0; i < 3; i++) {
    neap_op *op = malloc(sizeof *op);
    neap_op_init(op, free_it, NULL);
    neap_op_hold(r->engine, op);
    neap_op_settle(op, 0);
  }
  assert_int_equal(3, neap_poll(r->engine, 0));
  assert_int_equal(3, freed);
}

static void poll_inside(neap_op *op) {
  note(op);
  assert_int_equal(NEAP_EBUSY, neap_poll(record_of(op)->engine, 0));
}

static void polling_inside_done_is_refused(void **state) {
  record *r = *state;
  r->ops[0].done = poll_inside;
  neap_op_hold(r->engine, &r->ops[0]);
  neap_op_hold(r->engine, &r->ops[1]);
  neap_op_settle(&r->ops[0], 0);
  neap_op_settle(&r->ops[1], 0);
  poll_delivers(r, "ab");
}

static void for_ever(neap_op *op) {
  neap_op_hold(op->data, op);
  neap_op_settle(op, 0);
}

static void flag(neap_op *op) {
  *(bool *)op->data = true;
}

static neap_engine *new_engine(void) {
  neap_engine *engine;
  assert_int_equal(0, neap_engine_new(NULL, &engine));
  return engine;
}

static void the_busy_starve_nobody(void **state) {
  (void)state;
  neap_engine *engine = new_engine();
  neap_op busy, timer;
  bool rang = false;
  neap_op_init(&busy, for_ever, engine);
  neap_op_init(&timer, flag, &rang);
  for_ever(&busy);
  uint64_t begin = neap_now(engine);
  neap_sleep_until(engine, &timer, begin + 2 * MS);
  while (!rang) {
    assert_true(neap_poll(engine, NEAP_FOREVER) > 0);
    assert_true(neap_now(engine) < begin + UINT64_C(10000) * MS);
  }
  neap_op_forget(&busy);
  neap_engine_free(engine);
}

/* However many are ready over and over, none of them comes twice before timers
 * get their turn. */
static void many_that_are_busy_starve_nobody(void **state) {
  (void)state;
  enum { COUNT = 1000 };
  neap_engine *engine = new_engine();
  static neap_op busy[COUNT];
  for (int i = 0; i < COUNT; i++) {
    neap_op_init(&busy[i], for_ever, engine);
    for_ever(&busy[i]);
  }
  assert_int_equal(COUNT, neap_poll(engine, 0));
  assert_int_equal(COUNT, neap_poll(engine, 0));
  for (int i = 0; i < COUNT; i++)
    neap_op_forget(&busy[i]);
  neap_engine_free(engine);
}

/* A host that settles something before each poll keeps the queue from ever
 * being found empty. */
static void a_busy_host_starves_nobody(void **state) {
  (void)state;
  neap_engine *engine = new_engine();
  neap_op busy, timer;
  bool settled = false, rang = false;
  neap_op_init(&busy, flag, &settled);
  neap_op_init(&timer, flag, &rang);
  uint64_t begin = neap_now(engine);
  neap_sleep_until(engine, &timer, begin + 2 * MS);
  while (!rang) {
    neap_op_hold(engine, &busy);
    neap_op_settle(&busy, 0);
    assert_true(neap_poll(engine, 0) > 0);
    assert_true(neap_now(engine) < begin + UINT64_C(10000) * MS);
  }
  assert_true(settled);
  neap_engine_free(engine);
}

static void without_anything_pending_it_does_not_wait(void **state) {
  (void)state;
  neap_engine *engine = new_engine();
  neap_op op;
  bool done = false;
  assert_int_equal(0, neap_poll(engine, NEAP_FOREVER));
  neap_op_init(&op, flag, &done);
  neap_op_hold(engine, &op);
  assert_int_equal(0, neap_poll(engine, NEAP_FOREVER));
  assert_false(done);
  neap_engine_free(engine);
}

static void it_waits_no_longer_than_told(void **state) {
  (void)state;
  neap_engine *engine = new_engine();
  neap_op op;
  bool done = false;
  neap_op_init(&op, flag, &done);
  uint64_t begin = neap_now(engine);
  neap_sleep_until(engine, &op, begin + UINT64_C(3600000) * MS);
  assert_int_equal(0, neap_poll(engine, 0));
  assert_int_equal(0, neap_poll(engine, 3 * MS));
  assert_in_range(neap_now(engine) - begin, 0, UINT64_C(10000) * MS);
  assert_false(done);
  neap_engine_free(engine);
}

static void *wake(void *engine) {
  neap_wake(engine);
  return NULL;
}

static void another_thread_may_wake_it(void **state) {
  (void)state;
  neap_engine *engine = new_engine();
  neap_op op;
  bool done = false;
  neap_op_init(&op, flag, &done);
  uint64_t begin = neap_now(engine);
  neap_sleep_until(engine, &op, begin + UINT64_C(3600000) * MS);
  for (int i = 0; i < 20; i++) {
    pthread_t thread;
    assert_int_equal(0, pthread_create(&thread, NULL, wake, engine));
    assert_int_equal(0, neap_poll(engine, NEAP_FOREVER));
    assert_int_equal(0, pthread_join(thread, NULL));
  }
  assert_true(neap_now(engine) - begin < UINT64_C(60000) * MS);
  assert_false(done);
  neap_engine_free(engine);
}

static void never(neap_op *op) {
  (void)op;
  fail_msg("done was called");
}

static void an_engine_may_end_with_all_pending(void **state) {
  (void)state;
  neap_engine *engine = new_engine();
  neap_op ops[3];
  for (int i = 0; i < 3; i++)
    neap_op_init(&ops[i], never, NULL);
  neap_op_hold(engine, &ops[0]);
  neap_op_hold(engine, &ops[1]);
  neap_op_settle(&ops[1], 0);
  neap_sleep_until(engine, &ops[2], 0);
  neap_engine_free(engine);
  assert_false(neap_op_active(&ops[1]));
  assert_false(neap_op_active(&ops[2]));
  neap_engine_free(NULL);
}

static void engines_are_independent(void **state) {
  (void)state;
  neap_engine *a = new_engine(), *b = new_engine();
  neap_op op;
  bool done = false;
  neap_op_init(&op, flag, &done);
  neap_op_hold(a, &op);
  neap_op_settle(&op, 0);
  assert_int_equal(0, neap_poll(b, NEAP_FOREVER));
  neap_engine_free(b);
  assert_int_equal(1, neap_poll(a, 0));
  assert_true(done);
  neap_engine_free(a);
}

/* The memory of uv_loop_init is not the engine's and not tested here. */
static void an_engine_survives_every_failed_allocation(void **state) {
  (void)state;
  bool failed = true;
  for (long n = 1; failed; n++) {
    failing_state memory;
    neap_engine_opts opts = NEAP_ENGINE_OPTS_INIT;
    opts.alloc = failing_alloc(&memory, n);
    neap_engine *engine = NULL;
    int status = neap_engine_new(&opts, &engine);
    failed = memory.failed;
    assert_int_equal(failed ? NEAP_ENOMEM : 0, status);
    assert_int_equal(failed, engine == NULL);
    /* Waiting takes no memory. */
    long calls = memory.calls;
    neap_op ops[2];
    bool done = false;
    if (engine) {
      neap_op_init(&ops[0], flag, &done);
      neap_op_init(&ops[1], flag, &done);
      neap_sleep_until(engine, &ops[0], 1);
      neap_op_hold(engine, &ops[1]);
      neap_op_settle(&ops[1], 0);
      assert_int_equal(1, neap_poll(engine, 0));
      assert_true(done);
      assert_int_equal(calls, memory.calls);
    }
    neap_engine_free(engine);
    assert_int_equal(0, memory.live);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(a_held_operation_waits_for_settle, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(a_turn_ends_after_each_delivery, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(a_turn_ends_when_nothing_is_ready, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(one_can_wait_until_nothing_is_left,
                                      set_up, tear_down),
      cmocka_unit_test_setup_teardown(done_may_end_the_poll, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_turn_can_be_dropped, set_up, tear_down),
      cmocka_unit_test_setup_teardown(the_first_outcome_stays, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(what_is_idle_stays_idle, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(cancelling_ends_a_wait, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(forgetting_ends_it_unheard, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(done_may_end_others, set_up, tear_down),
      cmocka_unit_test_setup_teardown(done_may_start_its_operation_again,
                                      set_up, tear_down),
      cmocka_unit_test_setup_teardown(done_may_free_its_operation, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(polling_inside_done_is_refused, set_up,
                                      tear_down),
      cmocka_unit_test(the_busy_starve_nobody),
      cmocka_unit_test(many_that_are_busy_starve_nobody),
      cmocka_unit_test(a_busy_host_starves_nobody),
      cmocka_unit_test(without_anything_pending_it_does_not_wait),
      cmocka_unit_test(it_waits_no_longer_than_told),
      cmocka_unit_test(another_thread_may_wake_it),
      cmocka_unit_test(an_engine_may_end_with_all_pending),
      cmocka_unit_test(engines_are_independent),
      cmocka_unit_test(an_engine_survives_every_failed_allocation),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
