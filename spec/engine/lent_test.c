/* An engine on a loop of libuv's that the host runs.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <uv.h>

#include "failing_alloc.h"
#include "neap.h"
#include "waiter.h"

#define MS UINT64_C(1000000)

static failing_state memory;
static uv_loop_t loop;
static uv_async_t wanted; /* a slice is */
static uv_timer_t limit;  /* on one test */
static neap_engine *engine;
static const waiter *awaited;
static bool is_late; /* the host does not come to give slices */
static int wakeups, turns;
static uv_prepare_t counter;

static void on_wakeup(void *ud) {
  wakeups++;
  uv_async_send(ud);
}

static void on_wanted(uv_async_t *async) {
  if (is_late)
    return;
  assert_true(neap_slice(engine, MS, NULL) >= 0);
  if (awaited && awaited->calls > 0)
    uv_stop(async->loop);
}

static void on_limit(uv_timer_t *timer) {
  uv_stop(timer->loop);
}

static void on_turn(uv_prepare_t *prepare) {
  (void)prepare;
  turns++;
}

static int open_engine_on(neap_engine **out, long fail_at) {
  neap_engine_opts opts = NEAP_ENGINE_OPTS_INIT;
  opts.alloc = failing_alloc(&memory, fail_at);
  opts.loop = &loop;
  opts.wakeup = on_wakeup;
  opts.wakeup_ud = &wanted;
  return neap_engine_new(&opts, out);
}

static int set_up(void **state) {
  (void)state;
  wakeups = turns = 0;
  is_late = false;
  awaited = NULL;
  uv_loop_init(&loop);
  uv_async_init(&loop, &wanted, on_wanted);
  uv_timer_init(&loop, &limit);
  uv_prepare_init(&loop, &counter);
  uv_prepare_start(&counter, on_turn);
  uv_unref((uv_handle_t *)&counter);
  assert_int_equal(0, open_engine_on(&engine, 0));
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  neap_engine_free(engine);
  uv_close((uv_handle_t *)&wanted, NULL);
  uv_close((uv_handle_t *)&limit, NULL);
  uv_close((uv_handle_t *)&counter, NULL);
  uv_run(&loop, UV_RUN_DEFAULT);
  assert_int_equal(0, uv_loop_close(&loop));
  assert_int_equal(0, memory.live);
  return 0;
}

/* Runs the host's loop for so long, or until an operation has been done. */
static void run(uint64_t ms, const waiter *w) {
  awaited = w;
  turns = 0;
  uv_timer_start(&limit, on_limit, ms, 0);
  uv_run(&loop, UV_RUN_DEFAULT);
  uv_timer_stop(&limit);
}

static void timers_ring_there(void **state) {
  (void)state;
  waiter w;
  prepare(&w);
  uint64_t begin = neap_now(engine);
  neap_sleep_until(engine, &w.op, begin + 30 * MS);
  run(5000, &w);
  assert_int_equal(1, w.calls);
  assert_in_range(neap_now(engine) - begin, 30 * MS, 2000 * MS);
  assert_in_range(turns, 1, 8);
}

static void io_is_seen_there(void **state) {
  (void)state;
  neap_stream *ends[2];
  waiter reader, writer, file;
  bool at_once;
  prepare(&reader);
  prepare(&writer);
  prepare(&file);
  assert_int_equal(0, neap_stream_pair(engine, ends));
  assert_int_equal(0, neap_stream_read(ends[0], &reader.op));
  run(20, &reader);
  assert_int_equal(0, reader.calls);
  assert_int_equal(0, neap_stream_write(ends[1], &writer.op, "x", 1, &at_once));
  run(5000, &reader);
  assert_int_equal(1, reader.calls);
  assert_int_equal(
      0, neap_fs_read(engine, &file.op, "/proc/self/stat", 0, &file.result));
  run(5000, &file);
  assert_int_equal(0, file.status);
  neap_fs_free(file.result);
  neap_stream_close(ends[0]);
  neap_stream_close(ends[1]);
}

/* What is readable stays so until there is a slice. */
static void a_slice_that_is_late_costs_nothing(void **state) {
  (void)state;
  neap_stream *ends[2];
  waiter reader, writer;
  bool at_once;
  prepare(&reader);
  prepare(&writer);
  assert_int_equal(0, neap_stream_pair(engine, ends));
  assert_int_equal(0, neap_stream_read(ends[0], &reader.op));
  neap_slice(engine, MS, NULL);
  neap_stream_write(ends[1], &writer.op, "x", 1, &at_once);
  is_late = true;
  run(200, NULL);
  assert_int_equal(0, reader.calls);
  assert_in_range(turns, 1, 6);
  assert_int_equal(1, wakeups);
  assert_int_equal(1, neap_slice(engine, MS, NULL));
  assert_int_equal(1, reader.calls);
  neap_stream_close(ends[0]);
  neap_stream_close(ends[1]);
}

static void an_idle_engine_does_not_keep_it_busy(void **state) {
  (void)state;
  waiter w;
  prepare(&w);
  neap_sleep_until(engine, &w.op, neap_now(engine) + 60000 * MS);
  run(1000, NULL);
  assert_in_range(turns, 1, 6);
  neap_op_forget(&w.op);
}

/* Only what is the host's own. */
static void nor_alive(void **state) {
  (void)state;
  uv_unref((uv_handle_t *)&wanted);
  assert_int_equal(0, uv_run(&loop, UV_RUN_DEFAULT));
}

static void it_can_be_polled_all_the_same(void **state) {
  (void)state;
  waiter w;
  prepare(&w);
  neap_sleep_until(engine, &w.op, neap_now(engine) + 5 * MS);
  while (w.calls == 0)
    neap_poll(engine, NEAP_FOREVER);
  assert_int_equal(0, neap_pending(engine));
}

static void free_engine(uv_timer_t *timer) {
  neap_engine_free(engine);
  engine = NULL;
  uv_stop(timer->loop);
}

static void it_may_be_freed_from_a_callback(void **state) {
  (void)state;
  neap_stream *ends[2];
  waiter reader, sleeper;
  prepare(&reader);
  prepare(&sleeper);
  assert_int_equal(0, neap_stream_pair(engine, ends));
  assert_int_equal(0, neap_stream_read(ends[0], &reader.op));
  neap_sleep_until(engine, &sleeper.op, neap_now(engine) + 60000 * MS);
  uv_timer_start(&limit, free_engine, 10, 0);
  uv_run(&loop, UV_RUN_DEFAULT);
  assert_null(engine);
  assert_int_equal(0, reader.calls);
  neap_stream_close(ends[0]);
  neap_stream_close(ends[1]);
}

static void its_memory_lives_until_the_loop_has_run(void **state) {
  (void)state;
  neap_engine_free(engine);
  engine = NULL;
  assert_true(memory.live > 0);
  assert_int_equal(UV_EBUSY, uv_loop_close(&loop));
  uv_run(&loop, UV_RUN_NOWAIT);
  assert_int_equal(0, memory.live);
}

static void a_loop_needs_a_wakeup(void **state) {
  (void)state;
  neap_engine *none = NULL;
  neap_engine_opts opts = NEAP_ENGINE_OPTS_INIT;
  opts.loop = &loop;
  assert_int_equal(NEAP_EINVAL, neap_engine_new(&opts, &none));
  assert_null(none);
}

static void making_one_fails_whole(void **state) {
  (void)state;
  neap_engine_free(engine);
  engine = NULL;
  uv_run(&loop, UV_RUN_NOWAIT);
  bool failed = true;
  for (long n = 1; failed; n++) {
    int status = open_engine_on(&engine, n);
    failed = memory.failed;
    assert_int_equal(failed ? NEAP_ENOMEM : 0, status);
    neap_engine_free(engine);
    engine = NULL;
    uv_run(&loop, UV_RUN_NOWAIT);
    assert_int_equal(0, memory.live);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
      TEST(timers_ring_there),
      TEST(io_is_seen_there),
      TEST(a_slice_that_is_late_costs_nothing),
      TEST(an_idle_engine_does_not_keep_it_busy),
      TEST(nor_alive),
      TEST(it_can_be_polled_all_the_same),
      TEST(it_may_be_freed_from_a_callback),
      TEST(its_memory_lives_until_the_loop_has_run),
      TEST(a_loop_needs_a_wakeup),
      TEST(making_one_fails_whole),
#undef TEST
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
