/* Runs that the engine drives: phases in C, tokens, reports.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "failing_alloc.h"
#include "neap.h"
#include "patience.h"

/* What phases of a test share. */
typedef struct world {
  char log[512];
  neap_token token; /* of the phase that goes on */
  int cancelled, dropped;
} world;

static void note(world *w, const char *text) {
  size_t size = strlen(w->log);
  snprintf(w->log + size, sizeof w->log - size, "%s ", text);
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

/* A batch: its items come from an array, or are fetched one by one. */
typedef struct list {
  int numbers[4];
  int fetched, dropped;
} list;

static int set_numbers(neap_call *call) {
  list *l = neap_call_shared(call).self;
  return neap_call_set_items(call, l->numbers, sizeof *l->numbers, 4);
}

static void drop_number(void *item) {
  list *l = (list *)((char *)item - offsetof(list, numbers));
  l->dropped++;
}

static int fetch_number(neap_call *call) {
  list *l = neap_call_shared(call).self;
  assert_true(neap_call_index(call) == (uint64_t)l->fetched);
  if (l->fetched++ == 3)
    return 0;
  return neap_call_set_item(call, &l->numbers[0], drop_number);
}

static int double_number(neap_call *call) {
  int *number = neap_call_item(call).self;
  char path[64];
  assert_int_equal(10, neap_call_path(call, path, sizeof path));
  assert_int_equal('1' + (int)neap_call_index(call), path[8]);
  *number *= 2;
  return *number == 6 ? neap_call_fail(call, NEAP_EFAILED, NULL, NULL)
                      : neap_call_set_result(call, number, NULL);
}

static int check_numbers(neap_call *call) {
  list *l = neap_call_shared(call).self;
  uint64_t items, failed;
  neap_call_counts(call, &items, &failed);
  assert_int_equal(l->fetched > 0 ? 3 : 4, items);
  if (l->fetched == 0) {
    assert_int_equal(1, failed);
    assert_ptr_equal(&l->numbers[0], neap_call_item_result(call, 0));
    assert_null(neap_call_item_result(call, 2));
  }
  assert_null(neap_call_item_result(call, 4));
  assert_int_equal(NEAP_EINVAL, neap_call_set_items(call, l, 1, 1));
  assert_int_equal(NEAP_EINVAL, neap_call_set_result(call, l, NULL));
  return 0;
}

static void items_come_from_an_array_or_are_fetched(void **s) {
  (void)s;
  for (int concurrency = 1; concurrency <= 3; concurrency++) {
    neap_engine *engine = new_engine();
    neap_node_opts opts = {.concurrency = (uint32_t)concurrency,
                           .collect = true};
    neap_flow *array = new_flow(), *fetched = new_flow();
    add(array, "numbers", NEAP_BATCH_NODE, opts,
        (neap_node_ops){
            .prep = set_numbers, .exec = double_number, .post = check_numbers});
    add(fetched, "numbers", NEAP_BATCH_NODE, opts,
        (neap_node_ops){.fetch = fetch_number,
                        .exec = double_number,
                        .post = check_numbers});
    neap_flow_seal(array);
    neap_flow_seal(fetched);
    list a = {{1, 2, 3, 4}, 0, 0}, b = {{1}, 0, 0};
    neap_start_opts start_opts = NEAP_START_OPTS_INIT;
    neap_token run;
    start_opts.shared.self = &a;
    assert_int_equal(0, neap_start(engine, array, &start_opts, &run));
    neap_report report = await_report(engine);
    assert_int_equal(0, report.status);
    assert_int_equal(8, a.numbers[3]);
    start_opts.shared.self = &b;
    assert_int_equal(0, neap_start(engine, fetched, &start_opts, &run));
    report = await_report(engine);
    assert_int_equal(0, report.status);
    assert_int_equal(8, b.numbers[0]);
    assert_int_equal(3, b.dropped);
    neap_flow_free(array);
    neap_flow_free(fetched);
    neap_engine_free(engine);
  }
}

static int see_param(neap_call *call) {
  const int *number = neap_call_params(call).self;
  assert_ptr_equal(number, neap_call_item(call).self);
  if (*number == 7)
    return neap_call_fail(call, NEAP_EFAILED, NULL, NULL);
  return 0;
}

static void nodes_in_a_batch_flow_have_the_item_as_params(void **s) {
  (void)s;
  neap_engine *engine = new_engine();
  neap_flow *flow = new_flow();
  neap_node *root =
      add(flow, "each", NEAP_BATCH_FLOW, (neap_node_opts){.concurrency = 2},
          (neap_node_ops){.prep = set_numbers});
  neap_node *inner = add(flow, "look", NEAP_NODE, (neap_node_opts){0},
                         (neap_node_ops){.exec = see_param});
  neap_flow_start(flow, root, inner);
  neap_flow_seal(flow);
  list l = {{1, 2, 7, 4}, 0, 0};
  neap_start_opts opts = NEAP_START_OPTS_INIT;
  opts.shared.self = &l;
  neap_token run;
  assert_int_equal(0, neap_start(engine, flow, &opts, &run));
  neap_report report = await_report(engine);
  assert_int_equal(NEAP_EFAILED, report.status);
  assert_string_equal("each[3] > look", report.path);
  assert_string_equal("failed", report.code);
  assert_string_equal(neap_status_text(NEAP_EFAILED), report.error);
  neap_flow_free(flow);
  neap_engine_free(engine);
}

static void a_run_has_a_time_and_a_number_of_steps(void **s) {
  (void)s;
  neap_engine *engine = new_engine();
  neap_flow *flow = waiting_flow((neap_node_opts){0});
  world w = {0};
  neap_start_opts opts = NEAP_START_OPTS_INIT;
  opts.shared.self = &w;
  opts.timeout_ns = 5000;
  neap_token run;
  assert_int_equal(0, neap_start(engine, flow, &opts, &run));
  neap_report report = await_report(engine);
  assert_int_equal(NEAP_ETIMEDOUT, report.status);
  assert_string_equal("timeout", report.code);
  assert_string_equal("ask", report.path);
  assert_int_equal(1, w.cancelled);
  neap_flow_free(flow);
  flow = new_flow();
  neap_node *root =
      add(flow, "root", NEAP_FLOW, (neap_node_opts){0}, (neap_node_ops){0});
  neap_node *a = add(flow, "a", NEAP_NODE, (neap_node_opts){0},
                     (neap_node_ops){.exec = tell});
  neap_flow_start(flow, root, a);
  neap_flow_wire(flow, a, "default", 7, false, a);
  neap_flow_seal(flow);
  w = (world){0};
  opts.max_steps = 4;
  opts.timeout_ns = 0;
  assert_int_equal(0, neap_start(engine, flow, &opts, &run));
  report = await_report(engine);
  assert_int_equal(NEAP_EMAXSTEPS, report.status);
  assert_string_equal("max_steps", report.code);
  assert_string_equal("a.exec a.exec a.exec ", w.log);
  neap_flow_free(flow);
  neap_engine_free(engine);
}

static int tick(neap_call *call) {
  ++*(long *)neap_call_shared(call).self;
  return 0;
}

/* A flow without an end, which never waits. */
static void a_run_that_never_waits_leaves_time_to_others(void **s) {
  (void)s;
  neap_engine *engine;
  assert_int_equal(0, neap_engine_new(NULL, &engine));
  neap_flow *flow = new_flow();
  neap_node *root =
      add(flow, "root", NEAP_FLOW, (neap_node_opts){0}, (neap_node_ops){0});
  neap_node *a = add(flow, "a", NEAP_NODE, (neap_node_opts){0},
                     (neap_node_ops){.exec = tick});
  neap_flow_start(flow, root, a);
  neap_flow_wire(flow, a, "default", 7, false, a);
  neap_flow_seal(flow);
  long ticks = 0;
  neap_start_opts opts = NEAP_START_OPTS_INIT;
  opts.shared.self = &ticks;
  neap_token run;
  assert_int_equal(0, neap_start(engine, flow, &opts, &run));
  neap_slice_info info = NEAP_SLICE_INFO_INIT;
  for (int i = 1; i <= 10; i++) {
    long before = ticks;
    assert_true(neap_slice(engine, 200000 * patience(), &info) > 0);
    assert_true(info.more);
    assert_true(ticks > before); /* each slice goes on with the run */
  }
  assert_true(neap_poll(engine, 0) > 0); /* which returns */
  neap_cancel(engine, run);
  neap_report report = await_report(engine);
  assert_int_equal(NEAP_ECANCELED, report.status);
  neap_flow_free(flow);
  neap_engine_free(engine);
}

static int promise_nothing(neap_call *call) {
  (void)call;
  return NEAP_LATER;
}

static int promise_twice(neap_call *call) {
  world *w = world_of(call);
  neap_token other;
  assert_int_equal(0, neap_later(call, &w->token));
  assert_int_equal(NEAP_EBUSY, neap_later(call, &other));
  return 0; /* it does not go on */
}

static int return_seven(neap_call *call) {
  (void)call;
  return 7;
}

static void what_a_phase_does_wrong_is_a_failure(void **s) {
  (void)s;
  neap_engine *engine = new_engine();
  int (*const phases[])(neap_call *) = {promise_nothing, return_seven,
                                        promise_twice};
  for (int i = 0; i < 3; i++) {
    neap_flow *flow = new_flow();
    add(flow, "odd", NEAP_NODE, (neap_node_opts){0},
        (neap_node_ops){.exec = phases[i]});
    neap_flow_seal(flow);
    world w = {0};
    start(engine, flow, &w);
    neap_report report = await_report(engine);
    assert_int_equal(i == 2 ? 0 : NEAP_EINVAL, report.status);
    if (i == 2)
      assert_int_equal(NEAP_ESTALE, neap_complete(engine, w.token, 0));
    neap_flow_free(flow);
  }
  neap_flow *flow = new_flow(); /* a node without functions */
  neap_node_opts opts = NEAP_NODE_OPTS_INIT;
  neap_node *node;
  opts.methods = 1 << NEAP_EXEC;
  neap_flow_add(flow, &opts, &node);
  neap_token run;
  assert_int_equal(NEAP_EINVAL, neap_start(engine, flow, NULL, &run));
  neap_flow_seal(flow);
  neap_start_opts limited = NEAP_START_OPTS_INIT;
  limited.compute_limit_ns = 1;
  assert_int_equal(NEAP_EINVAL, neap_start(engine, flow, &limited, &run));
  assert_int_equal(0, neap_start(engine, flow, NULL, &run));
  assert_int_equal(NEAP_EINVAL, await_report(engine).status);
  neap_flow_free(flow);
  flow = new_flow();
  neap_flow_seal(flow);
  assert_int_equal(NEAP_EINVAL, neap_start(engine, flow, NULL, &run));
  neap_flow_free(flow);
  neap_engine_free(engine);
}

static void count_drop(void *self) {
  ++*(int *)self;
}

static void a_node_is_dropped_when_the_last_run_has_ended(void **s) {
  (void)s;
  neap_engine *engine = new_engine();
  neap_flow *flow = new_flow();
  neap_node_opts opts = NEAP_NODE_OPTS_INIT;
  neap_node_ops ops = NEAP_NODE_OPS_INIT;
  neap_node *node;
  int drops = 0;
  ops.drop = count_drop;
  ops.exec = go_on;
  assert_int_equal(NEAP_EINVAL,
                   neap_flow_add_ops(flow, &opts, NULL, &drops, &node));
  assert_int_equal(0, neap_flow_add_ops(flow, &opts, &ops, &drops, &node));
  neap_flow_seal(flow);
  world w = {0};
  start(engine, flow, &w);
  neap_poll(engine, 0);
  neap_flow_free(flow);
  assert_int_equal(0, drops);
  neap_complete(engine, w.token, 0);
  await_report(engine);
  assert_int_equal(1, drops);
  neap_engine_free(engine);
}

/* Many runs, whose phases go on: none leaves anything. */
static void a_hundred_thousand_runs_need_no_more_memory_than_some(void **s) {
  (void)s;
  failing_state memory;
  neap_engine_opts engine_opts = NEAP_ENGINE_OPTS_INIT;
  engine_opts.alloc = failing_alloc(&memory, 0);
  neap_engine *engine;
  assert_int_equal(0, neap_engine_new(&engine_opts, &engine));
  neap_flow *flow =
      waiting_flow((neap_node_opts){.timeout_ns = UINT64_MAX / 4});
  size_t live = 0;
  for (int i = 0; i < 100000; i++) {
    world w = {0};
    start(engine, flow, &w);
    neap_poll(engine, 0);
    assert_int_equal(0, neap_complete(engine, w.token, 0));
    neap_report report = await_report(engine);
    assert_int_equal(0, report.status);
    if (i == 100)
      live = memory.live;
    if (i > 100)
      assert_int_equal(live, memory.live);
  }
  neap_flow_free(flow);
  neap_engine_free(engine);
  assert_int_equal(0, memory.live);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(phases_are_called_in_order_and_the_action_is_reported),
      cmocka_unit_test(attempts_are_repeated_and_a_failure_says_where),
      cmocka_unit_test(a_phase_goes_on_until_it_is_completed),
      cmocka_unit_test(a_time_limit_gives_the_phase_up),
      cmocka_unit_test(a_run_is_cancelled),
      cmocka_unit_test(tokens_of_another_engine_are_stale),
      cmocka_unit_test(items_come_from_an_array_or_are_fetched),
      cmocka_unit_test(nodes_in_a_batch_flow_have_the_item_as_params),
      cmocka_unit_test(a_run_has_a_time_and_a_number_of_steps),
      cmocka_unit_test(a_run_that_never_waits_leaves_time_to_others),
      cmocka_unit_test(what_a_phase_does_wrong_is_a_failure),
      cmocka_unit_test(a_node_is_dropped_when_the_last_run_has_ended),
      cmocka_unit_test(a_hundred_thousand_runs_need_no_more_memory_than_some),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
