/* Timers: in order, never early, on either clock.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "failing_alloc.h"
#include "neap.h"

enum { MS = 1000000 };

static const uint64_t SECOND = UINT64_C(1000000000);
static const uint64_t YEAR = UINT64_C(31557600) * 1000000000;

/* A timer that checks itself when it ends. */
typedef struct timer {
  neap_op op;
  neap_engine *engine;
  uint64_t deadline;
  uint64_t began; /* the order of starting, from 1 */
  uint64_t ended; /* the order of ending, from 1; 0: has not */
} timer;

static uint64_t began, ended;
static const timer *last; /* to end */

static neap_engine *new_engine(neap_clock clock) {
  neap_engine_opts opts = NEAP_ENGINE_OPTS_INIT;
  opts.clock = clock;
  neap_engine *engine;
  assert_int_equal(0, neap_engine_new(&opts, &engine));
  began = ended = 0;
  last = NULL;
  return engine;
}

static void check_order(neap_op *op) {
  timer *t = op->data;
  t->ended = ++ended;
  if (op->status < 0)
    return;
  assert_true(neap_now(t->engine) >= t->deadline);
  if (last) {
    assert_true(last->deadline <= t->deadline);
    if (last->deadline == t->deadline)
      assert_true(last->began < t->began);
  }
  last = t;
}

static void start(timer *t, neap_engine *engine, neap_op_fn done,
                  uint64_t deadline) {
  neap_op_init(&t->op, done, t);
  t->engine = engine;
  t->deadline = deadline;
  t->began = ++began;
  t->ended = 0;
  neap_sleep_until(engine, &t->op, deadline);
}

static void poll_until_idle(neap_engine *engine) {
  while (neap_pending(engine) > 0)
    neap_poll(engine, NEAP_FOREVER);
}

static uint64_t draw(uint64_t *random) {
  *random =
      *random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return *random >> 16;
}

static void the_virtual_clock_is_exact_and_costs_nothing(void **state) {
  (void)state;
  neap_engine *engine = new_engine(NEAP_CLOCK_VIRTUAL);
  const uint64_t deadlines[] = {
      0, 1, 999999, SECOND, YEAR, 100 * YEAR + 7, UINT64_MAX, UINT64_MAX};
  timer timers[sizeof deadlines / sizeof *deadlines];
  assert_true(neap_now(engine) == 0);
  for (size_t i = 0; i < sizeof deadlines / sizeof *deadlines; i++) {
    start(&timers[i], engine, check_order, deadlines[i]);
    assert_int_equal(1, neap_poll(engine, NEAP_FOREVER));
    assert_true(neap_now(engine) == deadlines[i]);
    assert_int_equal(i + 1, timers[i].ended);
  }
  neap_engine_free(engine);
}

static void the_virtual_clock_goes_no_further_than_told(void **state) {
  (void)state;
  neap_engine *engine = new_engine(NEAP_CLOCK_VIRTUAL);
  timer t;
  start(&t, engine, check_order, SECOND);
  assert_int_equal(0, neap_poll(engine, SECOND - 1));
  assert_true(neap_now(engine) == SECOND - 1);
  assert_int_equal(1, neap_poll(engine, 1));
  assert_true(neap_now(engine) == SECOND);
  neap_engine_free(engine);
}

/* As a host with a frame rate does, which does not want to wait. */
static void the_virtual_clock_goes_on_for_who_never_waits(void **state) {
  (void)state;
  neap_engine *engine = new_engine(NEAP_CLOCK_VIRTUAL);
  timer t[2];
  start(&t[0], engine, check_order, SECOND);
  start(&t[1], engine, check_order, 2 * SECOND);
  assert_int_equal(1, neap_poll(engine, 0));
  assert_true(neap_now(engine) == SECOND);
  assert_int_equal(1, neap_poll(engine, 0));
  assert_true(neap_now(engine) == 2 * SECOND);
  assert_int_equal(0, neap_poll(engine, 0));
  assert_true(neap_now(engine) == 2 * SECOND);
  neap_engine_free(engine);
}

static void the_virtual_clock_stands_still_without_timers(void **state) {
  (void)state;
  neap_engine *engine = new_engine(NEAP_CLOCK_VIRTUAL);
  assert_int_equal(0, neap_poll(engine, SECOND));
  assert_true(neap_now(engine) == 0);
  neap_engine_free(engine);
}

static void the_overdue_end_in_order_too(void **state) {
  (void)state;
  neap_engine *engine = new_engine(NEAP_CLOCK_VIRTUAL);
  timer first, others[4];
  start(&first, engine, check_order, SECOND);
  poll_until_idle(engine);
  last = NULL;
  const uint64_t deadlines[] = {SECOND, 7, SECOND - 1, 3};
  for (int i = 0; i < 4; i++)
    start(&others[i], engine, check_order, deadlines[i]);
  assert_int_equal(4, neap_poll(engine, 0));
  assert_true(neap_now(engine) == SECOND);
  neap_engine_free(engine);
}

static void zero_is_at_once(void **state) {
  (void)state;
  const neap_clock clocks[] = {NEAP_CLOCK_REAL, NEAP_CLOCK_VIRTUAL};
  for (int i = 0; i < 2; i++) {
    neap_engine *engine = new_engine(clocks[i]);
    timer later, zeros[2];
    start(&later, engine, check_order, neap_now(engine) + YEAR);
    start(&zeros[0], engine, check_order, 0);
    start(&zeros[1], engine, check_order, 0);
    assert_int_equal(2, neap_poll(engine, 0));
    assert_int_equal(2, zeros[1].ended);
    neap_op_forget(&later.op);
    neap_engine_free(engine);
  }
}

static void note_end(neap_op *op) {
  timer *t = op->data;
  t->ended = ++ended;
}

static void the_clock_may_be_set(void **state) {
  (void)state;
  neap_engine *engine = new_engine(NEAP_CLOCK_REAL);
  timer timers[4];
  uint64_t now = neap_now(engine);
  start(&timers[0], engine, note_end, now + YEAR);
  start(&timers[1], engine, note_end, now + SECOND);
  start(&timers[2], engine, note_end, 1); /* overdue */
  start(&timers[3], engine, note_end, UINT64_MAX);
  neap_set_clock(engine, NEAP_CLOCK_VIRTUAL);
  assert_true(neap_now(engine) == 0);
  while (neap_pending(engine) > 2)
    neap_poll(engine, NEAP_FOREVER);
  assert_int_equal(1, timers[2].ended);
  assert_int_equal(2, timers[1].ended);
  assert_in_range(neap_now(engine), SECOND - SECOND / 10, SECOND);
  neap_set_clock(engine, NEAP_CLOCK_REAL);
  assert_true(neap_now(engine) >= now);
  assert_int_equal(0, neap_poll(engine, MS));
  neap_set_clock(engine, NEAP_CLOCK_VIRTUAL);
  while (neap_pending(engine) > 1)
    neap_poll(engine, NEAP_FOREVER);
  assert_int_equal(3, timers[0].ended);
  neap_op_forget(&timers[3].op);
  neap_engine_free(engine);
}

static void the_real_clock_is_never_early(void **state) {
  (void)state;
  enum { COUNT = 300 };
  static timer timers[COUNT];
  neap_engine *engine = new_engine(NEAP_CLOCK_REAL);
  uint64_t random = 1, begin = neap_now(engine);
  for (int i = 0; i < COUNT; i++)
    start(&timers[i], engine, check_order, begin + draw(&random) % (30 * MS));
  poll_until_idle(engine);
  assert_int_equal(COUNT, ended);
  assert_true(neap_now(engine) - begin < 60 * SECOND);
  neap_engine_free(engine);
}

/* While others hang, the wheel's idea of now is older than the clock's. */
static void the_real_clock_serves_those_that_start_late(void **state) {
  (void)state;
  neap_engine *engine = new_engine(NEAP_CLOCK_REAL);
  uint64_t begin = neap_now(engine);
  timer far, near[20];
  start(&far, engine, check_order, begin + 3600 * SECOND);
  for (int i = 0; i < 20; i++) {
    uint64_t deadline = neap_now(engine) + (uint64_t)(i % 4) * MS;
    start(&near[i], engine, check_order, deadline);
    while (near[i].ended == 0)
      neap_poll(engine, NEAP_FOREVER);
  }
  assert_true(neap_now(engine) - begin < 60 * SECOND);
  assert_int_equal(0, far.ended);
  neap_engine_free(engine);
}

/* uv_run calls the timers that are due and then waits for what comes next. */
static void what_came_due_unseen_is_not_late(void **state) {
  (void)state;
  neap_engine *engine = new_engine(NEAP_CLOCK_REAL);
  uint64_t begin = neap_now(engine);
  timer near, far;
  start(&near, engine, check_order, begin + MS);
  start(&far, engine, check_order, begin + 3600 * SECOND);
  while (neap_now(engine) < begin + 10 * MS)
    ; /* the host is busy */
  assert_int_equal(1, neap_poll(engine, 5 * SECOND));
  assert_true(neap_now(engine) < begin + 4 * SECOND);
  assert_int_equal(1, near.ended);
  neap_engine_free(engine);
}

static timer *victims[3]; /* to cancel, to forget, to cancel too late */

static void end_others(neap_op *op) {
  check_order(op);
  neap_op_cancel(&victims[0]->op, NEAP_ECANCELED);
  neap_op_forget(&victims[1]->op);
  neap_op_cancel(&victims[2]->op, NEAP_ECANCELED);
}

static void done_may_cancel_and_forget_others(void **state) {
  (void)state;
  neap_engine *engine = new_engine(NEAP_CLOCK_VIRTUAL);
  timer first, timers[3];
  start(&first, engine, end_others, 10);
  for (int i = 0; i < 3; i++) {
    start(&timers[i], engine, check_order, i < 2 ? YEAR : 10);
    victims[i] = &timers[i];
  }
  assert_int_equal(4, neap_pending(engine));
  assert_int_equal(3, neap_poll(engine, NEAP_FOREVER));
  assert_true(neap_now(engine) == 10);
  assert_int_equal(NEAP_ECANCELED, timers[0].op.status);
  assert_int_equal(3, timers[0].ended);
  assert_int_equal(0, timers[1].ended);
  assert_int_equal(0, timers[2].op.status); /* it was due already */
  assert_int_equal(2, timers[2].ended);
  assert_int_equal(0, neap_pending(engine));
  neap_engine_free(engine);
}

static void tick(neap_op *op) {
  timer *t = op->data;
  assert_true(neap_now(t->engine) == t->deadline);
  if (++t->ended < 1000)
    neap_sleep_until(t->engine, op, t->deadline += 1234567);
}

static void done_may_start_its_timer_again(void **state) {
  (void)state;
  neap_engine *engine = new_engine(NEAP_CLOCK_VIRTUAL);
  timer t;
  start(&t, engine, tick, 1234567);
  poll_until_idle(engine);
  assert_int_equal(1000, t.ended);
  assert_true(neap_now(engine) == UINT64_C(1234567000));
  neap_engine_free(engine);
}

static void many_may_wait_at_once(void **state) {
  (void)state;
  enum { COUNT = 100000 };
  timer *timers = calloc(COUNT, sizeof *timers);
  neap_engine *engine = new_engine(NEAP_CLOCK_VIRTUAL);
  uint64_t random = 7;
  for (int i = 0; i < COUNT; i++)
    start(&timers[i], engine, check_order,
          i % 2 == 0 ? SECOND : draw(&random) % (1000 * SECOND));
  assert_int_equal(COUNT, neap_pending(engine));
  poll_until_idle(engine);
  assert_int_equal(COUNT, ended);
  neap_engine_free(engine);
  free(timers);
}

static void cancelled_ones_leave_nothing_behind(void **state) {
  (void)state;
  enum { COUNT = 10000 };
  static timer timers[COUNT];
  neap_engine *engine = new_engine(NEAP_CLOCK_REAL);
  uint64_t random = 3;
  for (int i = 0; i < COUNT; i++)
    start(&timers[i], engine, check_order,
          neap_now(engine) + 60 * SECOND + draw(&random));
  for (int i = 0; i < COUNT; i++) {
    if (i % 2 == 0)
      neap_op_forget(&timers[i].op);
    else
      neap_op_cancel(&timers[i].op, NEAP_ECANCELED);
  }
  assert_int_equal(COUNT / 2, neap_poll(engine, 0));
  assert_int_equal(0, neap_pending(engine));
  assert_int_equal(0, neap_poll(engine, NEAP_FOREVER));
  neap_engine_free(engine);
}

enum { TIMERS = 64, MOVES = 20000 };

/* The model: all timers, of which the least ends next. */
typedef struct model {
  neap_engine *engine;
  timer timers[TIMERS];
  uint64_t random;
} model;

/* The timer that must end next; NULL when none waits. */
static const timer *least(const model *m) {
  const timer *found = NULL;
  for (int i = 0; i < TIMERS; i++) {
    const timer *t = &m->timers[i];
    if (!t->op.done || !neap_op_active(&t->op))
      continue;
    if (!found || t->deadline < found->deadline ||
        (t->deadline == found->deadline && t->began < found->began))
      found = t;
  }
  return found;
}

static model *current;

static void end_as_modelled(neap_op *op) {
  timer *t = op->data;
  t->ended = ++ended;
  if (op->status == NEAP_ECANCELED)
    return;
  assert_int_equal(0, op->status);
  assert_true(t->deadline <= neap_now(t->engine));
  const timer *next = least(current);
  if (next) {
    assert_true(t->deadline <= next->deadline);
    if (t->deadline == next->deadline)
      assert_true(t->began < next->began);
  }
}

/* A deadline near or far, sometimes past, often one that others have; 0 is
 * another matter. */
static uint64_t draw_deadline(model *m) {
  uint64_t now = neap_now(m->engine);
  unsigned bits = (unsigned)(draw(&m->random) % 64);
  uint64_t distance = draw(&m->random) << 16 >> bits;
  switch (draw(&m->random) % 16) {
  case 0:
    return now > 0 ? now - distance % now : 1;
  case 1:
    return UINT64_MAX;
  case 2:
    distance = m->timers[draw(&m->random) % TIMERS].deadline;
    return distance > 0 ? distance : 1;
  case 3: /* just about the edge of a slot */
    return ((now >> 26) + 1) * (UINT64_C(1) << 26) + draw(&m->random) % 3 - 1;
  default:
    return distance > UINT64_MAX - now ? UINT64_MAX
                                       : now + 1 + distance % (300 * YEAR);
  }
}

static void poll_as_modelled(model *m) {
  uint64_t before = neap_now(m->engine);
  const timer *next = least(m);
  uint64_t deadline = next ? next->deadline : 0;
  size_t pending = neap_pending(m->engine);
  uint64_t most = draw(&m->random) >> draw(&m->random) % 48;
  if (draw(&m->random) % 4 == 0)
    most = draw(&m->random) % 16 == 0 ? NEAP_FOREVER : 0;
  bool nothing_ready = true;
  for (int i = 0; i < TIMERS; i++)
    if (m->timers[i].op.status == NEAP_ECANCELED &&
        neap_op_active(&m->timers[i].op))
      nothing_ready = false;
  int count = neap_poll(m->engine, most);
  assert_int_equal(pending - (size_t)count, neap_pending(m->engine));
  uint64_t now = neap_now(m->engine);
  if (!nothing_ready || !next) {
    assert_true(now == before);
    return;
  }
  if (deadline <= before)
    assert_true(now == before);
  else if (most == 0 ? deadline < NEAP_FOREVER : deadline - before <= most)
    assert_true(now == deadline);
  else
    assert_true(now == before + most);
  assert_int_equal(deadline <= now, count > 0);
  assert_true(!least(m) || least(m)->deadline > now);
}

static void the_wheel_does_what_a_list_would(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= 20; seed++) {
    static model m;
    m = (model){.engine = new_engine(NEAP_CLOCK_VIRTUAL), .random = seed};
    current = &m;
    for (int move = 0; move < MOVES; move++) {
      timer *t = &m.timers[draw(&m.random) % TIMERS];
      bool active = t->op.done && neap_op_active(&t->op);
      unsigned choice = (unsigned)(draw(&m.random) % 8);
      if (choice < 2)
        poll_as_modelled(&m);
      else if (!active)
        start(t, m.engine, end_as_modelled, draw_deadline(&m));
      else if (choice == 2)
        neap_op_cancel(&t->op, NEAP_ECANCELED);
      else if (choice == 3)
        neap_op_forget(&t->op);
    }
    poll_until_idle(m.engine);
    assert_null(least(&m));
    neap_engine_free(m.engine);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_virtual_clock_is_exact_and_costs_nothing),
      cmocka_unit_test(the_virtual_clock_goes_no_further_than_told),
      cmocka_unit_test(the_virtual_clock_goes_on_for_who_never_waits),
      cmocka_unit_test(the_virtual_clock_stands_still_without_timers),
      cmocka_unit_test(the_overdue_end_in_order_too),
      cmocka_unit_test(zero_is_at_once),
      cmocka_unit_test(the_clock_may_be_set),
      cmocka_unit_test(the_real_clock_is_never_early),
      cmocka_unit_test(the_real_clock_serves_those_that_start_late),
      cmocka_unit_test(what_came_due_unseen_is_not_late),
      cmocka_unit_test(done_may_cancel_and_forget_others),
      cmocka_unit_test(done_may_start_its_timer_again),
      cmocka_unit_test(many_may_wait_at_once),
      cmocka_unit_test(cancelled_ones_leave_nothing_behind),
      cmocka_unit_test(the_wheel_does_what_a_list_would),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
