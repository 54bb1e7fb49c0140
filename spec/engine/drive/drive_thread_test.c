/* Phases that are completed, and runs that are cancelled, from other threads.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>

#include "neap.h"

enum { THREADS = 4, RUNS = 2000, AT_ONCE = 64, PLACES = 256 };

/* Where the engine's thread leaves tokens for the others. A place is emptied by
 * whoever takes the token. Tokens that have been used stay known to a thread,
 * which uses them again: they are stale then. */
static struct office {
  neap_engine *engine;
  _Atomic(neap_token) phases[PLACES], runs[PLACES];
  atomic_bool closed;
  atomic_long completed, stale, cancelled;
} office;

static uint32_t next_random(uint32_t *state) {
  *state = *state * 1664525u + 1013904223u;
  return *state >> 8;
}

static void *work(void *seed) {
  uint32_t random = (uint32_t)(uintptr_t)seed;
  neap_token old = 0;
  while (!atomic_load(&office.closed)) {
    uint32_t place = next_random(&random) % PLACES;
    neap_token token = atomic_exchange(&office.phases[place], 0);
    if (token) {
      int status = neap_complete(office.engine, token, 0);
      atomic_fetch_add(status == 0 ? &office.completed : &office.stale, 1);
      old = token;
    }
    if (old && next_random(&random) % 4 == 0)
      neap_complete(office.engine, old, NEAP_EFAILED);
    token = atomic_load(&office.runs[place]);
    if (token && next_random(&random) % 64 == 0 &&
        neap_cancel(office.engine, token) == 0)
      atomic_fetch_add(&office.cancelled, 1);
  }
  return NULL;
}

static int go_on(neap_call *call) {
  static uint32_t random = 1;
  neap_token token;
  int status = neap_later(call, &token);
  if (status < 0)
    return status;
  _Atomic(neap_token) *place = &office.phases[next_random(&random) % PLACES];
  neap_token other = 0;
  /* Where it is taken, the engine's own thread does what the others would. */
  if (!atomic_compare_exchange_strong(place, &other, token))
    assert_int_equal(0, neap_complete(office.engine, token, 0));
  return NEAP_LATER;
}

static int list(neap_call *call) {
  return neap_call_set_items(call, NULL, 0, 3);
}

static int sum_up(neap_call *call) {
  uint64_t items, failed;
  neap_call_counts(call, &items, &failed);
  assert_int_equal(3, items);
  ++*(int *)neap_call_shared(call).self;
  return 0;
}

static void any_thread_completes_and_cancels(void **state) {
  (void)state;
  neap_flow *flow;
  neap_node *node;
  neap_node_opts opts = NEAP_NODE_OPTS_INIT;
  neap_node_ops ops = NEAP_NODE_OPS_INIT;
  assert_int_equal(0, neap_engine_new(NULL, &office.engine));
  assert_int_equal(0, neap_flow_new(NULL, &flow));
  opts.name = "ask";
  opts.kind = NEAP_BATCH_NODE;
  opts.concurrency = 2;
  opts.timeout_ns = UINT64_C(30000000000);
  ops.prep = list;
  ops.exec = go_on;
  ops.post = sum_up;
  assert_int_equal(0, neap_flow_add_ops(flow, &opts, &ops, NULL, &node));
  assert_int_equal(0, neap_flow_seal(flow));
  pthread_t threads[THREADS];
  for (uintptr_t i = 0; i < THREADS; i++)
    assert_int_equal(0,
                     pthread_create(&threads[i], NULL, work, (void *)(i + 1)));
  int counted = 0, done = 0, cancelled = 0, started = 0;
  while (done + cancelled < RUNS) {
    while (started < RUNS && started - done - cancelled < AT_ONCE) {
      neap_start_opts start = NEAP_START_OPTS_INIT;
      neap_token run;
      start.shared.self = &counted;
      assert_int_equal(0, neap_start(office.engine, flow, &start, &run));
      atomic_store(&office.runs[started % PLACES], run);
      started++;
    }
    neap_poll(office.engine, NEAP_FOREVER);
    neap_report report = NEAP_REPORT_INIT;
    while (neap_next_report(office.engine, &report) == 0) {
      assert_true(report.status == 0 || report.status == NEAP_ECANCELED);
      if (report.status == 0)
        done++;
      else
        cancelled++;
    }
  }
  assert_int_equal(counted, done);
  assert_true(cancelled > 0 && done > 0);
  assert_true(atomic_load(&office.completed) > 0);
  atomic_store(&office.closed, true);
  for (int i = 0; i < THREADS; i++)
    pthread_join(threads[i], NULL);
  assert_int_equal(0, neap_pending(office.engine));
  neap_flow_free(flow);
  neap_engine_free(office.engine);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(any_thread_completes_and_cancels),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
