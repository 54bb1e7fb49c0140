/* Clocks that a host moves, stops and slows down.
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <unistd.h>

#include "waiter.h"

#define MS UINT64_C(1000000)
#define S  UINT64_C(1000000000)

static neap_engine *make(neap_clock clock) {
  neap_engine_opts opts = NEAP_ENGINE_OPTS_INIT;
  opts.clock = clock;
  neap_engine *engine;
  assert_int_equal(0, neap_engine_new(&opts, &engine));
  return engine;
}

static void sleep_for(neap_engine *engine, waiter *w, uint64_t ns) {
  prepare(w);
  assert_int_equal(0, neap_sleep_until(engine, &w->op, neap_now(engine) + ns));
}

/* The real time that a poll takes. */
static uint64_t time_poll(neap_engine *engine, uint64_t max_wait_ns) {
  neap_engine *clock = make(NEAP_CLOCK_REAL);
  uint64_t begin = neap_now(clock);
  neap_poll(engine, max_wait_ns);
  uint64_t spent = neap_now(clock) - begin;
  neap_engine_free(clock);
  return spent;
}

static void sleeps_follow_the_host(void **state) {
  (void)state;
  neap_engine *engine = make(NEAP_CLOCK_HOST);
  waiter w[3];
  assert_int_equal(0, neap_now(engine));
  sleep_for(engine, &w[0], 100 * MS);
  sleep_for(engine, &w[1], 3 * S);
  sleep_for(engine, &w[2], 1000 * 3600 * S);
  assert_int_equal(0, neap_poll(engine, 0));
  assert_int_equal(0, neap_clock_advance(engine, 100 * MS - 1));
  assert_int_equal(0, neap_poll(engine, 0));
  assert_int_equal(0, neap_clock_advance(engine, 1));
  assert_int_equal(1, neap_poll(engine, 0));
  assert_int_equal(1, w[0].calls);
  assert_int_equal(100 * MS, neap_now(engine));
  assert_int_equal(100 * MS, neap_tick(engine));
  assert_int_equal(0, neap_clock_advance(engine, 3 * S));
  assert_int_equal(1, neap_slice(engine, MS, NULL));
  assert_int_equal(1, w[1].calls);
  assert_int_equal(0, neap_clock_advance(engine, 1000 * 3600 * S));
  assert_int_equal(1, neap_poll(engine, 0));
  assert_int_equal(0, neap_clock_advance(engine, NEAP_FOREVER));
  assert_int_equal(0, neap_poll(engine, 0));
  neap_engine_free(engine);
}

/* Small steps, as of a game, of many timers. */
static void each_ends_in_the_step_in_which_it_is_due(void **state) {
  (void)state;
  neap_engine *engine = make(NEAP_CLOCK_HOST);
  enum { COUNT = 500 };
  static waiter w[COUNT];
  for (int i = 0; i < COUNT; i++)
    sleep_for(engine, &w[i], (uint64_t)(i * 7919 % COUNT + 1) * 10 * MS);
  const uint64_t step = 16 * MS + 666667;
  while (neap_now(engine) < (uint64_t)COUNT * 10 * MS) {
    assert_int_equal(0, neap_clock_advance(engine, step));
    neap_poll(engine, 0);
    for (int i = 0; i < COUNT; i++)
      assert_int_equal((uint64_t)(i * 7919 % COUNT + 1) * 10 * MS <=
                           neap_now(engine),
                       w[i].calls);
  }
  neap_engine_free(engine);
}

static void nothing_is_pending_while_the_clock_stands(void **state) {
  (void)state;
  neap_engine *engine = make(NEAP_CLOCK_HOST);
  waiter w;
  assert_true(neap_clock_is_stopped(engine));
  sleep_for(engine, &w, S);
  assert_int_equal(0, neap_pending(engine));
  assert_int_equal(0, neap_slice(engine, MS, NULL));
  assert_int_equal(-1, neap_timeout_ms(engine));
  assert_in_range(time_poll(engine, NEAP_FOREVER), 0, S);
  assert_int_equal(0, neap_clock_advance(engine, S));
  assert_int_equal(1, neap_pending(engine));
  assert_int_equal(0, neap_timeout_ms(engine));
  assert_int_equal(1, neap_poll(engine, NEAP_FOREVER));
  neap_engine_free(engine);
}

/* I/O is waited for, in real time, and has nothing to do with the clock. */
static void io_goes_on_meanwhile(void **state) {
  (void)state;
  neap_engine *engine = make(NEAP_CLOCK_HOST);
  waiter w, file;
  sleep_for(engine, &w, S);
  prepare(&file);
  assert_int_equal(0, finish(engine, &file,
                             neap_fs_read(engine, &file.op, "/proc/self/stat",
                                          0, &file.result)));
  assert_int_equal(0, w.calls);
  assert_int_equal(0, neap_now(engine));
  neap_stream *pair[2];
  assert_int_equal(0, neap_stream_pair(engine, pair));
  prepare(&file);
  assert_int_equal(0, neap_stream_read(pair[0], &file.op));
  assert_in_range(time_poll(engine, 20 * MS), 19 * MS, 10 * S);
  neap_stream_close(pair[0]);
  neap_stream_close(pair[1]);
  assert_int_equal(1, neap_poll(engine, 0));
  neap_engine_free(engine);
}

static void a_real_clock_is_paused_and_goes_on(void **state) {
  (void)state;
  neap_engine *engine = make(NEAP_CLOCK_REAL);
  waiter w;
  sleep_for(engine, &w, 20 * MS);
  assert_int_equal(0, neap_clock_scale(engine, 0));
  assert_true(neap_clock_is_stopped(engine));
  uint64_t now = neap_now(engine);
  usleep(30000);
  assert_int_equal(now, neap_now(engine));
  assert_int_equal(now, neap_tick(engine));
  assert_int_equal(0, neap_poll(engine, 0));
  assert_int_equal(0, neap_slice(engine, MS, NULL));
  assert_int_equal(-1, neap_timeout_ms(engine));
  assert_int_equal(0, neap_clock_scale(engine, 1));
  assert_false(neap_clock_is_stopped(engine));
  assert_in_range(neap_timeout_ms(engine), 1, 25);
  while (w.calls == 0)
    neap_poll(engine, NEAP_FOREVER);
  assert_true(neap_now(engine) >= now + 15 * MS);
  neap_engine_free(engine);
}

static void a_real_clock_goes_faster_and_slower(void **state) {
  (void)state;
  neap_engine *engine = make(NEAP_CLOCK_REAL);
  waiter w;
  assert_int_equal(0, neap_clock_scale(engine, 1000));
  uint64_t begin = neap_now(engine);
  sleep_for(engine, &w, 20 * S);
  uint64_t deadline = begin + 20 * S;
  assert_in_range(neap_timeout_ms(engine), 0, 21);
  assert_in_range(time_poll(engine, 10 * S), 0, 9 * S);
  while (w.calls == 0)
    neap_poll(engine, NEAP_FOREVER);
  assert_true(neap_now(engine) >= deadline);
  assert_int_equal(0, neap_clock_scale(engine, 0.001));
  begin = neap_now(engine);
  usleep(2000);
  assert_true(neap_now(engine) > begin);
  sleep_for(engine, &w, 10 * S); /* that is hours */
  assert_int_equal(0, neap_slice(engine, MS, NULL));
  /* It is less than that where the wheel turns before, which its third level
   * does every 275 seconds of the clock; at another scale it is 10 seconds. */
  assert_in_range(neap_timeout_ms(engine), 11 * 1000, 10000 * 1000);
  assert_int_equal(0, neap_clock_scale(engine, 1e6));
  while (w.calls == 0)
    neap_slice(engine, MS, NULL);
  neap_engine_free(engine);
}

/* The clock never goes back, whatever is set. */
static void it_goes_on_from_what_it_says(void **state) {
  (void)state;
  static const double factors[] = {0, 1, 0.5, 1e6, 0, 0.25, 2, 0};
  neap_engine *engine = make(NEAP_CLOCK_REAL);
  uint64_t last = neap_now(engine);
  for (int i = 0; i < 1000; i++) {
    assert_int_equal(0, neap_clock_scale(engine, factors[i % 8]));
    assert_true(neap_now(engine) >= last);
    last = neap_now(engine);
  }
  neap_engine_free(engine);
}

static void what_makes_no_sense_is_refused(void **state) {
  (void)state;
  neap_engine *real = make(NEAP_CLOCK_REAL), *host = make(NEAP_CLOCK_HOST),
              *virtual = make(NEAP_CLOCK_VIRTUAL);
  assert_int_equal(NEAP_EINVAL, neap_clock_advance(real, 1));
  assert_int_equal(NEAP_EINVAL, neap_clock_advance(virtual, 1));
  assert_int_equal(NEAP_EINVAL, neap_clock_scale(host, 1));
  assert_int_equal(NEAP_EINVAL, neap_clock_scale(virtual, 1));
  assert_int_equal(NEAP_EINVAL, neap_clock_scale(real, -1));
  assert_int_equal(NEAP_EINVAL, neap_clock_scale(real, NAN));
  assert_int_equal(NEAP_EINVAL, neap_clock_scale(real, INFINITY));
  assert_int_equal(0, neap_clock_scale(real, 0));
  assert_int_equal(NEAP_EINVAL, neap_clock_advance(real, 1));
  assert_int_equal(NEAP_EINVAL, neap_set_clock(real, (neap_clock)9));
  neap_engine_free(real);
  neap_engine_free(host);
  neap_engine_free(virtual);
}

/* What is left of a sleep stays the same when the clock becomes another. */
static void sleeps_outlast_their_clock(void **state) {
  (void)state;
  neap_engine *engine = make(NEAP_CLOCK_REAL);
  waiter w;
  assert_int_equal(0, neap_clock_scale(engine, 0));
  sleep_for(engine, &w, 5 * S);
  assert_int_equal(0, neap_set_clock(engine, NEAP_CLOCK_HOST));
  assert_int_equal(0, neap_clock_advance(engine, 5 * S - 1));
  assert_int_equal(0, neap_poll(engine, 0));
  assert_int_equal(0, neap_set_clock(engine, NEAP_CLOCK_REAL));
  assert_false(neap_clock_is_stopped(engine));
  while (w.calls == 0)
    neap_poll(engine, NEAP_FOREVER);
  neap_engine_free(engine);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sleeps_follow_the_host),
      cmocka_unit_test(each_ends_in_the_step_in_which_it_is_due),
      cmocka_unit_test(nothing_is_pending_while_the_clock_stands),
      cmocka_unit_test(io_goes_on_meanwhile),
      cmocka_unit_test(a_real_clock_is_paused_and_goes_on),
      cmocka_unit_test(a_real_clock_goes_faster_and_slower),
      cmocka_unit_test(it_goes_on_from_what_it_says),
      cmocka_unit_test(what_makes_no_sense_is_refused),
      cmocka_unit_test(sleeps_outlast_their_clock),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
