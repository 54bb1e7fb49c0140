/* Runs that the engine drives: phases in C, tokens, reports.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "failing_alloc.h"
#include "neap.h"

/* What phases of a test share. */
typedef struct world {
  char log[512];
  neap_token token; /* of the phase that goes on */
  int cancelled, dropped;
} world;

static void note(world *w, const char *text) {
  strcat(w->log, text);
  strcat(w->log, " ");
}

static world *world_of(neap_call *call) {
  return neap_call_shared(call).self;
}

/* Notes "name.phase" of each phase of a node. */
static int tell(neap_call *call) {
  char text[64];
  snprintf(text, sizeof text, "%s.%s", neap_node_name(neap_call_node(call)),
           neap_phase_name(neap_call_phase(call)));
  note(world_of(call), text);
  return 0;
}

static int fail_twice(neap_call *call) {
  tell(call);
  if (neap_call_attempt(call) < 2)
    return neap_call_fail(call, NEAP_EFAILED, "bank", "the bank is closed");
  return 0;
}

static int go_on(neap_call *call) {
  tell(call);
  assert_int_equal(0, neap_later(call, &world_of(call)->token));
  return NEAP_LATER;
}

static void give_up(neap_call *call) {
  world_of(call)->cancelled++;
}

static int go_left(neap_call *call) {
  tell(call);
  return neap_call_set_action(call, "left", 4);
}

/* Adds a node to a flow. */
static neap_node *add(neap_flow *flow, const char *name, neap_kind kind,
                      neap_node_opts opts, neap_node_ops ops) {
  neap_node *node;
  opts.size = sizeof opts;
  opts.name = name;
  opts.kind = kind;
  ops.size = sizeof ops;
  assert_int_equal(0, neap_flow_add_ops(flow, &opts, &ops, NULL, &node));
  return node;
}

static neap_flow *new_flow(void) {
  neap_flow *flow;
  assert_int_equal(0, neap_flow_new(NULL, &flow));
  return flow;
}

static neap_engine *new_engine(void) {
  neap_engine_opts opts = NEAP_ENGINE_OPTS_INIT;
  opts.clock = NEAP_CLOCK_VIRTUAL;
  neap_engine *engine;
  assert_int_equal(0, neap_engine_new(&opts, &engine));
  return engine;
}

static neap_token start(neap_engine *engine, neap_flow *flow, world *w) {
  neap_start_opts opts = NEAP_START_OPTS_INIT;
  opts.shared.self = w;
  opts.data = w;
  neap_token run = 0;
  assert_int_equal(0, neap_start(engine, flow, &opts, &run));
  assert_true(run != 0);
  return run;
}

/* Polls until a run is reported. */
static neap_report await_report(neap_engine *engine) {
  neap_report report = NEAP_REPORT_INIT;
  while (neap_next_report(engine, &report) == NEAP_EAGAIN)
    assert_true(neap_poll(engine, NEAP_FOREVER) >= 0);
  return report;
}

static void phases_are_called_in_order_and_the_action_is_reported(void **s) {
  (void)s;
  neap_engine *engine = new_engine();
  neap_flow *flow = new_flow();
  neap_node *root = add(flow, "root", NEAP_FLOW, (neap_node_opts){0},
                        (neap_node_ops){.prep = tell});
  neap_node *a =
      add(flow, "a", NEAP_NODE, (neap_node_opts){0},
          (neap_node_ops){.prep = tell, .exec = tell, .post = go_left});
  neap_node *b = add(flow, "b", NEAP_NODE, (neap_node_opts){0},
                     (neap_node_ops){.exec = tell, .post = go_left});
  neap_flow_wire(flow, a, "left", 4, false, b);
  neap_flow_start(flow, root, a);
  assert_int_equal(0, neap_flow_seal(flow));
  world w = {0};
  neap_token run = start(engine, flow, &w);
  assert_string_equal("", w.log);
  neap_report report = await_report(engine);
  assert_string_equal("root.prep a.prep a.exec a.post b.exec b.post ", w.log);
  assert_int_equal(0, report.status);
  assert_string_equal("left", report.action);
  assert_string_equal("", report.code);
  assert_true(report.run == run);
  assert_ptr_equal(&w, report.data);
  assert_int_equal(NEAP_ESTALE, neap_cancel(engine, run));
  assert_int_equal(NEAP_EAGAIN, neap_next_report(engine, &report));
  neap_flow_free(flow);
  neap_engine_free(engine);
}

static void attempts_are_repeated_and_a_failure_says_where(void **s) {
  (void)s;
  neap_engine *engine = new_engine();
  neap_flow *flow = new_flow();
  neap_node *root =
      add(flow, "order", NEAP_FLOW, (neap_node_opts){0}, (neap_node_ops){0});
  neap_node *pay = add(flow, "pay", NEAP_NODE,
                       (neap_node_opts){.max_attempts = 2, .wait_ns = 1000},
                       (neap_node_ops){.exec = fail_twice});
  neap_flow_start(flow, root, pay);
  neap_flow_seal(flow);
  world w = {0};
  start(engine, flow, &w);
  neap_report report = await_report(engine);
  assert_string_equal("pay.exec pay.exec ", w.log);
  assert_int_equal(NEAP_EFAILED, report.status);
  assert_string_equal("bank", report.code);
  assert_string_equal("the bank is closed", report.error);
  assert_string_equal("order > pay", report.path);
  assert_string_equal("exec", report.phase);
  assert_int_equal(1, report.attempt);
  assert_true(neap_now(engine) >= 1000);
  neap_flow_free(flow);
  neap_engine_free(engine);
}

static neap_flow *waiting_flow(neap_node_opts opts) {
  neap_flow *flow = new_flow();
  add(flow, "ask", NEAP_NODE, opts,
      (neap_node_ops){.exec = go_on, .post = go_left, .cancel = give_up});
  neap_flow_seal(flow);
  return flow;
}

static void a_phase_goes_on_until_it_is_completed(void **s) {
  (void)s;
  neap_engine *engine = new_engine();
  neap_flow *flow = waiting_flow((neap_node_opts){0});
  world w = {0};
  neap_token run = start(engine, flow, &w);
  neap_poll(engine, 0);
  assert_string_equal("ask.exec ", w.log);
  assert_int_equal(NEAP_EINVAL, neap_complete(engine, run, 0));
  assert_int_equal(NEAP_EINVAL, neap_cancel(engine, w.token));
  assert_int_equal(NEAP_EINVAL, neap_complete(engine, w.token, 1));
  assert_int_equal(0, neap_complete(engine, w.token, 0));
  assert_int_equal(0, neap_complete(engine, w.token, NEAP_EFAILED));
  neap_report report = await_report(engine);
  assert_int_equal(0, report.status);
  assert_string_equal("ask.exec ask.post ", w.log);
  assert_int_equal(NEAP_ESTALE, neap_complete(engine, w.token, 0));
  assert_int_equal(0, w.cancelled);
  neap_flow_free(flow);
  neap_engine_free(engine);
}

static void a_time_limit_gives_the_phase_up(void **s) {
  (void)s;
  neap_engine *engine = new_engine();
  neap_flow *flow = waiting_flow((neap_node_opts){.timeout_ns = 1000});
  world w = {0};
  start(engine, flow, &w);
  neap_report report = await_report(engine);
  assert_int_equal(NEAP_ETIMEDOUT, report.status);
  assert_string_equal("timeout", report.code);
  assert_string_equal("ask", report.path);
  assert_int_equal(1, w.cancelled);
  assert_int_equal(NEAP_ESTALE, neap_complete(engine, w.token, 0));
  neap_flow_free(flow);
  neap_engine_free(engine);
}

static void a_run_is_cancelled(void **s) {
  (void)s;
  neap_engine *engine = new_engine();
  neap_flow *flow = waiting_flow((neap_node_opts){0});
  world w = {0};
  neap_token run = start(engine, flow, &w);
  neap_poll(engine, 0);
  assert_int_equal(0, neap_cancel(engine, run));
  assert_int_equal(0, neap_cancel(engine, run));
  assert_int_equal(0, w.cancelled);
  neap_report report = await_report(engine);
  assert_int_equal(NEAP_ECANCELED, report.status);
  assert_string_equal("cancelled", report.code);
  assert_int_equal(1, w.cancelled);
  assert_int_equal(NEAP_ESTALE, neap_cancel(engine, run));
  neap_flow_free(flow);
  neap_engine_free(engine);
}

static void tokens_of_another_engine_are_stale(void **s) {
  (void)s;
  neap_engine *one = new_engine(), *other = new_engine();
  neap_flow *flow = waiting_flow((neap_node_opts){0});
  world w = {0}, v = {0};
  neap_token run = start(one, flow, &w), run_there = start(other, flow, &v);
  neap_poll(one, 0);
  neap_poll(other, 0);
  assert_int_equal(NEAP_ESTALE, neap_cancel(one, run_there));
  assert_int_equal(NEAP_ESTALE, neap_complete(one, v.token, 0));
  neap_engine_free(other);
  assert_int_equal(1, v.cancelled);
  assert_int_equal(NEAP_ESTALE, neap_cancel(one, run_there));
  assert_int_equal(NEAP_ESTALE, neap_complete(one, v.token, 0));
  assert_int_equal(NEAP_ESTALE, neap_complete(one, 0, 0));
  assert_int_equal(NEAP_ESTALE, neap_complete(one, UINT64_MAX, 0));
  assert_int_equal(0, neap_cancel(one, run));
  await_report(one);
  neap_flow_free(flow);
  neap_engine_free(one);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(phases_are_called_in_order_and_the_action_is_reported),
      cmocka_unit_test(attempts_are_repeated_and_a_failure_says_where),
      cmocka_unit_test(a_phase_goes_on_until_it_is_completed),
      cmocka_unit_test(a_time_limit_gives_the_phase_up),
      cmocka_unit_test(a_run_is_cancelled),
      cmocka_unit_test(tokens_of_another_engine_are_stale),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
