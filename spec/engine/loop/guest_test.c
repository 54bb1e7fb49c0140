/* Handles of others on the engine's loop.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <uv.h>

#include "failing_alloc.h"
#include "neap.h"

static failing_state memory;

static int open_engine(void **state) {
  neap_engine_opts opts = NEAP_ENGINE_OPTS_INIT;
  opts.alloc = failing_alloc(&memory, 0);
  neap_engine *engine;
  assert_int_equal(0, neap_engine_new(&opts, &engine));
  *state = engine;
  return 0;
}

static int close_engine(void **state) {
  neap_engine_free(*state);
  assert_int_equal(0, memory.live);
  return 0;
}

static void count(uv_timer_t *timer) {
  ++*(int *)timer->data;
}

static void note(neap_op *op) {
  *(bool *)op->data = true;
}

static void a_guest_is_served_and_counts_as_pending(void **state) {
  neap_engine *engine = *state;
  assert_int_equal(0, neap_pending(engine));
  static uv_timer_t timer; /* open until the engine ends */
  static int rings;
  rings = 0;
  timer.data = &rings;
  assert_int_equal(0, uv_timer_init(neap_uv_loop(engine), &timer));
  assert_int_equal(0, neap_pending(engine));
  uv_timer_start(&timer, count, 5, 0);
  assert_int_equal(1, neap_pending(engine));
  assert_true(neap_uv_alive(engine));
  while (neap_pending(engine) > 0)
    neap_poll(engine, NEAP_FOREVER);
  assert_int_equal(1, rings);
  uv_timer_start(&timer, count, 5, 0);
  uv_unref((uv_handle_t *)&timer);
  assert_int_equal(0, neap_pending(engine));
  assert_false(neap_uv_alive(engine));
}

/* uv calls the timers that are due before it waits. */
static void the_last_guest_to_leave_ends_the_wait(void **state) {
  neap_engine *engine = *state;
  static uv_timer_t timer; /* open until the engine ends */
  static int rings;
  rings = 0;
  timer.data = &rings;
  uv_timer_init(neap_uv_loop(engine), &timer);
  uv_timer_start(&timer, count, 0, 0);
  neap_poll(engine, NEAP_FOREVER);
  assert_int_equal(1, rings);
  assert_int_equal(0, neap_pending(engine));
}

static void finish(uv_timer_t *timer) {
  neap_op_cancel(timer->data, 0);
}

static void what_a_guest_ends_is_delivered_at_once(void **state) {
  neap_engine *engine = *state;
  static uv_timer_t timer; /* open until the engine ends */
  bool done = false;
  neap_op op;
  neap_op_init(&op, note, &done);
  neap_sleep_until(engine, &op, neap_now(engine) + UINT64_C(3600000000000));
  timer.data = &op;
  uv_timer_init(neap_uv_loop(engine), &timer);
  uv_timer_start(&timer, finish, 0, 0);
  neap_poll(engine, NEAP_FOREVER);
  assert_true(done);
}

static void one_can_wait_for_guests_to_leave(void **state) {
  neap_engine *engine = *state;
  static uv_timer_t timer; /* open until the engine ends */
  static int rings;
  rings = 0;
  bool done[3] = {false};
  neap_op ops[3];
  timer.data = &rings;
  for (int i = 0; i < 3; i++)
    neap_op_init(&ops[i], note, &done[i]);
  uv_timer_init(neap_uv_loop(engine), &timer);
  neap_uv_wait(engine, &ops[0]);
  neap_poll(engine, 0);
  assert_true(done[0]);
  uv_timer_start(&timer, count, 5, 0);
  neap_uv_wait(engine, &ops[1]);
  neap_uv_wait(engine, &ops[2]);
  neap_poll(engine, 0);
  assert_false(done[1]);
  neap_op_forget(&ops[2]);
  while (!done[1])
    neap_poll(engine, NEAP_FOREVER);
  assert_int_equal(1, rings);
  assert_false(done[2]);
}

static void ours_are_no_guests(void **state) {
  neap_engine *engine = *state;
  neap_stream *pair[2];
  bool done[2] = {false};
  neap_op ops[2];
  neap_uv_loop(engine);
  for (int i = 0; i < 2; i++)
    neap_op_init(&ops[i], note, &done[i]);
  assert_int_equal(0, neap_stream_pair(engine, pair));
  assert_int_equal(0, neap_stream_read(pair[0], &ops[0]));
  neap_sleep_until(engine, &ops[1], neap_now(engine) + 3000000);
  assert_int_equal(2, neap_pending(engine));
  while (!done[1])
    neap_poll(engine, NEAP_FOREVER);
  assert_int_equal(1, neap_pending(engine));
  neap_stream_close(pair[0]);
  neap_stream_close(pair[1]);
  while (neap_pending(engine) > 0)
    neap_poll(engine, 0);
  assert_true(done[0]);
}

static void guests_that_stay_are_closed(void **state) {
  static uv_timer_t timer;
  static int rings;
  timer.data = &rings;
  uv_timer_init(neap_uv_loop(*state), &timer);
  uv_timer_start(&timer, count, 0, 1);
  neap_poll(*state, 0);
}

/* A handle whose end is counted. */
typedef struct guest {
  uv_timer_t timer;
  struct guest *next; /* closed when this one has been, or NULL */
  int *ends;
} guest;

static void on_guest_closed(uv_handle_t *handle) {
  const guest *g = handle->data;
  ++*g->ends;
  if (g->next)
    uv_close((uv_handle_t *)&g->next->timer, on_guest_closed);
}

static void guests_that_are_closing_are_settled(void **state) {
  neap_engine *engine = *state;
  neap_uv_settle(engine); /* nobody shares the loop: nothing */
  static guest guests[3]; /* the last is open until the engine ends */
  int ends = 0, rings = 0;
  for (int i = 0; i < 3; i++) {
    uv_timer_init(neap_uv_loop(engine), &guests[i].timer);
    guests[i].timer.data = &guests[i];
    guests[i].ends = &ends;
  }
  guests[0].next = &guests[1];
  bool done = false;
  neap_op op;
  neap_op_init(&op, note, &done);
  neap_sleep_until(engine, &op, 0);
  uv_close((uv_handle_t *)&guests[0].timer, on_guest_closed);
  guests[2].timer.data = &rings;
  uv_timer_start(&guests[2].timer, count, 3600000, 0);
  neap_uv_settle(engine);
  assert_int_equal(2, ends);
  assert_int_equal(0, rings);
  assert_false(done); /* that is for neap_poll to say */
  neap_poll(engine, 0);
  assert_true(done);
}

#define TEST(name)                                                             \
  cmocka_unit_test_setup_teardown(name, open_engine, close_engine)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_guest_is_served_and_counts_as_pending),
      TEST(the_last_guest_to_leave_ends_the_wait),
      TEST(what_a_guest_ends_is_delivered_at_once),
      TEST(one_can_wait_for_guests_to_leave),
      TEST(ours_are_no_guests),
      TEST(guests_that_stay_are_closed),
      TEST(guests_that_are_closing_are_settled),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
