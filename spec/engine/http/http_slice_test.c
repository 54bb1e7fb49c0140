/* HTTP in slices: what libcurl does stays within the budget, and nothing is
 * lost by that.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "failing_alloc.h"
#include "neap.h"
#include "server.h"
#include "waiter.h"

#define MS UINT64_C(1000000)

enum { MANY = 300 };

static failing_state memory;
static server *peer;
static neap_engine *engine;
static char urls[2][64];

typedef struct get {
  neap_op op;
  neap_http_response *response;
  int calls, status;
} get;

static void note(neap_op *op) {
  get *g = op->data;
  g->calls++;
  g->status = op->status;
}

static void prepare_get(get *g) {
  *g = (get){0};
  neap_op_init(&g->op, note, g);
}

static void send_get(get *g, const char *url) {
  neap_http_opts opts = NEAP_HTTP_OPTS_INIT;
  opts.url = url;
  assert_int_equal(0, neap_http_send(engine, &g->op, &opts, &g->response));
}

static void start_engine(void) {
  neap_engine_opts opts = NEAP_ENGINE_OPTS_INIT;
  opts.alloc = failing_alloc(&memory, 0);
  opts.http_library = NEAP_TEST_HTTP_LIBRARY;
  assert_int_equal(0, neap_engine_new(&opts, &engine));
}

static int set_up(void **state) {
  (void)state;
  peer = server_start();
  assert_non_null(peer);
  snprintf(urls[0], sizeof urls[0], "http://127.0.0.1:%d/hello",
           server_port(peer));
  snprintf(urls[1], sizeof urls[1], "http://127.0.0.1:%d/hang",
           server_port(peer));
  start_engine();
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  neap_engine_free(engine);
  assert_int_equal(0, memory.live);
  server_stop(peer);
  return 0;
}

static uint64_t cpu_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return (uint64_t)now.tv_sec * 1000 * MS + (uint64_t)now.tv_nsec;
}

static void load(void) {
  waiter w;
  prepare(&w);
  assert_int_equal(0, finish(engine, &w, neap_http_preload(engine, &w.op)));
}

static void wait_for_engine(void) {
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event event = {.events = EPOLLIN};
  assert_int_equal(0, epoll_ctl(epoll, EPOLL_CTL_ADD, neap_fd(engine), &event));
  int ms = neap_timeout_ms(engine);
  epoll_wait(epoll, &event, 1, ms >= 0 && ms < 5000 ? ms : 5000);
  close(epoll);
}

/* The limit is loose, since sanitizers and other work make all of it slow; a
 * slice without a limit would take some 50 ms. */
static void a_burst_does_not_make_a_long_slice(void **state) {
  (void)state;
  static get gets[MANY];
  load();
  for (int i = 0; i < MANY; i++) {
    prepare_get(&gets[i]);
    send_get(&gets[i], urls[0]);
  }
  int answered = 0, slices = 0;
  uint64_t longest = 0;
  while (answered < MANY) {
    neap_slice_info info = NEAP_SLICE_INFO_INIT;
    uint64_t before = cpu_ns();
    assert_true(neap_slice(engine, MS / 2, &info) >= 0);
    uint64_t took = cpu_ns() - before;
    longest = took > longest ? took : longest;
    answered += (int)info.delivered;
    slices++;
    if (!info.more)
      wait_for_engine();
  }
  assert_in_range(longest, 0, 8 * MS);
  assert_in_range(slices, 8, 1000000);
  for (int i = 0; i < MANY; i++) {
    assert_int_equal(1, gets[i].calls);
    assert_int_equal(0, gets[i].status);
    assert_int_equal(200, neap_http_status(gets[i].response));
    neap_http_free(gets[i].response);
  }
  assert_int_equal(0, neap_pending(engine));
}

static void the_smallest_slices_get_through(void **state) {
  (void)state;
  get gets[10];
  for (int i = 0; i < 10; i++) {
    prepare_get(&gets[i]);
    send_get(&gets[i], urls[0]);
  }
  assert_int_equal(0, neap_timeout_ms(engine)); /* libcurl has them not yet */
  while (neap_pending(engine) > 0) {
    neap_slice(engine, 1, NULL);
    wait_for_engine();
  }
  for (int i = 0; i < 10; i++) {
    assert_int_equal(200, neap_http_status(gets[i].response));
    neap_http_free(gets[i].response);
  }
}

static void one_may_be_cancelled_before_it_is_launched(void **state) {
  (void)state;
  static get gets[3]; /* one is under way when the engine ends */
  for (int i = 0; i < 3; i++) {
    prepare_get(&gets[i]);
    send_get(&gets[i], urls[0]);
  }
  neap_op_cancel(&gets[0].op, NEAP_ECANCELED);
  neap_op_forget(&gets[2].op);
  while (neap_pending(engine) > 0)
    neap_poll(engine, NEAP_FOREVER);
  assert_int_equal(NEAP_ECANCELED, gets[0].status);
  assert_null(gets[0].response);
  assert_int_equal(0, gets[1].status);
  assert_int_equal(0, gets[2].calls);
  neap_http_free(gets[1].response);
  prepare_get(&gets[0]);
  send_get(&gets[0], urls[0]);
}

/* All of them have the same limit, and end in one slice or several. */
static void time_limits_that_pass_together_are_served(void **state) {
  (void)state;
  static get gets[50];
  for (int i = 0; i < 50; i++) {
    neap_http_opts opts = NEAP_HTTP_OPTS_INIT;
    opts.url = urls[1];
    opts.timeout_ns = 60 * MS;
    prepare_get(&gets[i]);
    assert_int_equal(
        0, neap_http_send(engine, &gets[i].op, &opts, &gets[i].response));
  }
  while (neap_pending(engine) > 0) {
    neap_slice(engine, 1, NULL);
    wait_for_engine();
  }
  for (int i = 0; i < 50; i++) {
    assert_int_equal(NEAP_ETIMEDOUT, gets[i].status);
    neap_http_free(gets[i].response);
  }
}

static void loading_ahead_is_an_operation(void **state) {
  (void)state;
  waiter a, b, c;
  prepare(&a);
  prepare(&b);
  prepare(&c);
  assert_int_equal(NEAP_EINVAL, neap_http_preload(NULL, &a.op));
  assert_int_equal(NEAP_EINVAL, neap_http_preload(engine, NULL));
  assert_int_equal(0, neap_http_preload(engine, &a.op));
  assert_int_equal(NEAP_EINVAL, neap_http_preload(engine, &a.op));
  assert_int_equal(0, neap_http_preload(engine, &b.op));
  neap_op_cancel(&b.op, NEAP_ECANCELED);
  while (neap_pending(engine) > 0)
    neap_poll(engine, NEAP_FOREVER);
  assert_int_equal(0, a.status);
  assert_int_equal(NEAP_ECANCELED, b.status);
  assert_int_equal(0, neap_http_preload(engine, &c.op));
  assert_int_equal(1, neap_poll(engine, 0)); /* at once */
  assert_int_equal(0, c.status);
  neap_engine_free(engine);
  start_engine();
  static waiter late; /* under way when the engine ends */
  prepare(&late);
  assert_int_equal(0, neap_http_preload(engine, &late.op));
}

static void a_library_that_is_not_there_is_told_of(void **state) {
  (void)state;
  neap_engine_free(engine);
  neap_engine_opts opts = NEAP_ENGINE_OPTS_INIT;
  opts.alloc = failing_alloc(&memory, 0);
  opts.http_library = "/no/such/library.so";
  assert_int_equal(0, neap_engine_new(&opts, &engine));
  waiter w;
  prepare(&w);
  assert_int_equal(NEAP_ENOLIB,
                   finish(engine, &w, neap_http_preload(engine, &w.op)));
  assert_non_null(strstr(neap_http_why(engine), "/no/such/library.so"));
}

/* Sends, which loads the library, and is refused. */
static void load_for_nothing(neap_op *op) {
  get *g = op->data;
  neap_op request;
  neap_op_init(&request, note, g);
  neap_http_opts opts = NEAP_HTTP_OPTS_INIT;
  opts.url = "no URL";
  g->status = neap_http_send(engine, &request, &opts, &g->response);
}

static void loading_is_named_when_it_is_in_the_way(void **state) {
  (void)state;
  get g = {0};
  neap_op_init(&g.op, load_for_nothing, &g);
  neap_op_hold(engine, &g.op);
  neap_op_settle(&g.op, 0);
  neap_slice_info info = NEAP_SLICE_INFO_INIT;
  neap_slice(engine, 1, &info);
  assert_int_equal(NEAP_EINVAL, g.status);
  if (info.overran) /* by 20 ms, the first time */
    assert_string_equal("http", info.in_the_way);
}

#ifdef __SANITIZE_ADDRESS__
/* What OpenSSL keeps of a thread in which it was initialized is freed when that
 * ends: those of libuv's pool, which preload here alone, end after OpenSSL has.
 * The function that asks for it is not known: OpenSSL has no frame pointers, so
 * the stack ends at its allocator, behind which much else would be hidden in
 * other programs. */
__attribute__((visibility("default"))) const char *
__lsan_default_suppressions(void); /* NOLINT */

const char *__lsan_default_suppressions(void) { /* NOLINT */
  return "leak:CRYPTO_zalloc\n";
}
#endif

int main(void) {
  const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
      TEST(loading_is_named_when_it_is_in_the_way),
      TEST(a_burst_does_not_make_a_long_slice),
      TEST(the_smallest_slices_get_through),
      TEST(one_may_be_cancelled_before_it_is_launched),
      TEST(time_limits_that_pass_together_are_served),
      TEST(loading_ahead_is_an_operation),
      TEST(a_library_that_is_not_there_is_told_of),
#undef TEST
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
