/* An engine in the loop of a host: when a slice is wanted.
 * SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "failing_alloc.h"
#include "neap.h"
#include "waiter.h"

#define MS UINT64_C(1000000)

static failing_state memory;
static neap_engine *engine;
static int wakeups, refused;

static uint64_t clock_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000 * MS + (uint64_t)now.tv_nsec;
}

static void on_wakeup(void *ud) {
  ++*(int *)ud;
}

static int open_engine(void **state) {
  (void)state;
  neap_engine_opts opts = NEAP_ENGINE_OPTS_INIT;
  opts.alloc = failing_alloc(&memory, 0);
  opts.wakeup = on_wakeup;
  opts.wakeup_ud = &wakeups;
  wakeups = refused = 0;
  assert_int_equal(0, neap_engine_new(&opts, &engine));
  assert_int_equal(0, neap_timeout_ms(engine)); /* uv has not run yet */
  assert_int_equal(0, neap_slice(engine, MS, NULL));
  assert_int_equal(-1, neap_timeout_ms(engine));
  return 0;
}

static int close_engine(void **state) {
  (void)state;
  neap_engine_free(engine);
  assert_int_equal(0, memory.live);
  return 0;
}

/* What a host's loop does, until `until` by the clock, or an operation has been
 * done. Returns the number of turns. */
static int drive(uint64_t until, const waiter *w) {
  int turns = 0, epoll = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event event = {.events = EPOLLIN};
  assert_int_equal(0, epoll_ctl(epoll, EPOLL_CTL_ADD, neap_fd(engine), &event));
  while (clock_ns() < until && (!w || w->calls == 0)) {
    int ms = neap_timeout_ms(engine), most = (int)((until - clock_ns()) / MS);
    assert_true(ms >= -1);
    epoll_wait(epoll, &event, 1, ms >= 0 && ms < most ? ms : most + 1);
    assert_true(neap_slice(engine, MS, NULL) >= 0);
    turns++;
  }
  close(epoll);
  return turns;
}

static void a_loop_that_is_idle_does_not_spin(void **state) {
  (void)state;
  static waiter waiters[1000];
  neap_stream *ends[2];
  waiter reader;
  prepare(&reader);
  assert_int_equal(0, neap_stream_pair(engine, ends));
  assert_int_equal(0, neap_stream_read(ends[0], &reader.op));
  for (int i = 0; i < 1000; i++) {
    prepare(&waiters[i]);
    neap_sleep_until(engine, &waiters[i].op,
                     neap_now(engine) + (uint64_t)(10000 + i) * MS);
  }
  assert_in_range(drive(clock_ns() + 1000 * MS, NULL), 1, 6);
  assert_int_equal(0, wakeups);
  for (int i = 0; i < 1000; i++)
    neap_op_forget(&waiters[i].op);
  neap_op_forget(&reader.op);
  neap_stream_close(ends[0]);
  neap_stream_close(ends[1]);
}

static void it_wakes_for_a_timer(void **state) {
  (void)state;
  waiter w;
  prepare(&w);
  uint64_t begin = clock_ns();
  neap_sleep_until(engine, &w.op, neap_now(engine) + 30 * MS);
  assert_in_range(neap_timeout_ms(engine), 1, 33);
  assert_in_range(drive(begin + 5000 * MS, &w), 1, 5);
  assert_int_equal(1, w.calls);
  assert_in_range(clock_ns() - begin, 30 * MS, 2000 * MS);
  assert_int_equal(-1, neap_timeout_ms(engine));
}

/* The system is asked to watch a descriptor by the next slice only. */
static void it_wakes_for_io_that_began_between_slices(void **state) {
  (void)state;
  neap_stream *ends[2];
  waiter reader, writer;
  bool at_once;
  prepare(&reader);
  prepare(&writer);
  assert_int_equal(0, neap_stream_pair(engine, ends));
  neap_slice(engine, MS, NULL);
  assert_int_equal(0, neap_stream_read(ends[0], &reader.op));
  drive(clock_ns() + 20 * MS, NULL);
  assert_int_equal(0, reader.calls);
  assert_int_equal(0, neap_stream_write(ends[1], &writer.op, "x", 1, &at_once));
  assert_true(at_once);
  assert_in_range(drive(clock_ns() + 5000 * MS, &reader), 1, 3);
  assert_int_equal(1, reader.calls);
  neap_stream_close(ends[0]);
  neap_stream_close(ends[1]);
}

static void it_wakes_for_a_file(void **state) {
  (void)state;
  for (int i = 0; i < 20; i++) {
    waiter w;
    prepare(&w);
    assert_int_equal(
        0, neap_fs_read(engine, &w.op, "/proc/self/stat", 0, &w.result));
    assert_in_range(drive(clock_ns() + 5000 * MS, &w), 1, 12);
    assert_int_equal(0, w.status);
    neap_fs_free(w.result);
  }
}

static void what_is_ready_asks_for_a_slice(void **state) {
  (void)state;
  waiter a, b;
  prepare(&a);
  prepare(&b);
  neap_op_hold(engine, &a.op);
  assert_int_equal(-1, neap_timeout_ms(engine));
  neap_op_settle(&a.op, 0);
  assert_int_equal(1, wakeups);
  neap_op_hold(engine, &b.op);
  neap_op_settle(&b.op, 0);
  assert_int_equal(1, wakeups); /* once for a slice */
  assert_int_equal(0, neap_timeout_ms(engine));
  assert_int_equal(1, neap_slice(engine, 1, NULL));
  assert_int_equal(2, wakeups); /* it has left work */
  assert_int_equal(1, neap_slice(engine, 1, NULL));
  assert_int_equal(2, wakeups);
  assert_int_equal(-1, neap_timeout_ms(engine));
}

static void drive_from_wakeup(void *ud) {
  (void)ud;
  refused = neap_slice(engine, MS, NULL);
  if (refused == NEAP_EBUSY)
    refused = neap_poll(engine, 0);
  neap_engine_free(engine);
}

static void wakeup_may_not_drive(void **state) {
  (void)state;
  neap_engine_opts opts = NEAP_ENGINE_OPTS_INIT;
  opts.wakeup = drive_from_wakeup;
  neap_engine_free(engine);
  assert_int_equal(0, neap_engine_new(&opts, &engine));
  waiter w;
  prepare(&w);
  neap_op_hold(engine, &w.op);
  neap_op_settle(&w.op, 0);
  assert_int_equal(NEAP_EBUSY, refused);
  assert_int_equal(0, w.calls);
  assert_int_equal(1, neap_slice(engine, MS, NULL));
}

static void *wake_soon(void *ud) {
  usleep(20000);
  neap_wake(ud);
  return NULL;
}

static void an_owed_operation_is_waited_for(void **state) {
  (void)state;
  static waiter w; /* owed until the engine ends */
  pthread_t thread;
  prepare(&w);
  assert_int_equal(NEAP_EINVAL, neap_owe(NULL, &w.op));
  assert_int_equal(NEAP_EINVAL, neap_owe(engine, NULL));
  assert_int_equal(0, neap_op_hold(engine, &w.op));
  assert_int_equal(0, neap_pending(engine));
  assert_int_equal(0, neap_owe(engine, &w.op));
  assert_int_equal(NEAP_EINVAL, neap_owe(engine, &w.op));
  assert_int_equal(1, neap_pending(engine));
  assert_int_equal(-1, neap_timeout_ms(engine));
  uint64_t begin = clock_ns();
  assert_int_equal(0, pthread_create(&thread, NULL, wake_soon, engine));
  assert_int_equal(0, neap_poll(engine, NEAP_FOREVER));
  assert_in_range(clock_ns() - begin, 15 * MS, 5000 * MS);
  pthread_join(thread, NULL);
  assert_int_equal(1, wakeups);
  neap_op_settle(&w.op, NEAP_ETIMEDOUT);
  neap_op_settle(&w.op, 0);
  assert_int_equal(0, w.calls);
  assert_int_equal(1, neap_poll(engine, 0));
  assert_int_equal(NEAP_ETIMEDOUT, w.status);
  assert_int_equal(0, neap_pending(engine));

  prepare(&w);
  assert_int_equal(0, neap_owe(engine, &w.op));
  neap_op_cancel(&w.op, NEAP_ECANCELED);
  assert_int_equal(1, neap_poll(engine, 0));
  assert_int_equal(NEAP_ECANCELED, w.status);
  assert_int_equal(0, neap_owe(engine, &w.op));
  neap_op_forget(&w.op);
  assert_int_equal(0, neap_pending(engine));
  assert_int_equal(0, neap_owe(engine, &w.op)); /* until the engine's end */
}

static void another_thread_wakes_the_loop(void **state) {
  (void)state;
  pthread_t thread;
  assert_int_equal(0, pthread_create(&thread, NULL, wake_soon, engine));
  neap_slice(engine, MS, NULL);
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event event = {.events = EPOLLIN};
  epoll_ctl(epoll, EPOLL_CTL_ADD, neap_fd(engine), &event);
  assert_int_equal(1, epoll_wait(epoll, &event, 1, 5000));
  pthread_join(thread, NULL);
  assert_int_equal(1, wakeups);
  neap_slice(engine, MS, NULL); /* even one that is quiet takes the wake-up */
  assert_int_equal(0, epoll_wait(epoll, &event, 1, 0));
  close(epoll);
}

static void the_virtual_clock_has_its_patience(void **state) {
  (void)state;
  neap_set_clock(engine, NEAP_CLOCK_VIRTUAL);
  neap_stream *ends[2];
  waiter reader, sleeper;
  prepare(&reader);
  prepare(&sleeper);
  neap_sleep_until(engine, &sleeper.op, 3600 * 1000 * MS);
  assert_int_equal(0, neap_timeout_ms(engine));
  assert_int_equal(0, neap_stream_pair(engine, ends));
  assert_int_equal(0, neap_stream_read(ends[0], &reader.op));
  uint64_t begin = clock_ns();
  assert_in_range(drive(begin + 5000 * MS, &sleeper), 2, 8);
  assert_in_range(clock_ns() - begin, 50 * MS, 2000 * MS);
  neap_op_forget(&reader.op);
  neap_stream_close(ends[0]);
  neap_stream_close(ends[1]);
}

static void nobody_is_no_engine(void **state) {
  (void)state;
  assert_int_equal(NEAP_EINVAL, neap_fd(NULL));
  assert_int_equal(NEAP_EINVAL, neap_timeout_ms(NULL));
  neap_wake(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
#define TEST(name)                                                             \
  cmocka_unit_test_setup_teardown(name, open_engine, close_engine)
      TEST(a_loop_that_is_idle_does_not_spin),
      TEST(it_wakes_for_a_timer),
      TEST(it_wakes_for_io_that_began_between_slices),
      TEST(it_wakes_for_a_file),
      TEST(what_is_ready_asks_for_a_slice),
      TEST(wakeup_may_not_drive),
      TEST(an_owed_operation_is_waited_for),
      TEST(another_thread_wakes_the_loop),
      TEST(the_virtual_clock_has_its_patience),
      TEST(nobody_is_no_engine),
#undef TEST
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
