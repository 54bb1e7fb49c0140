/* Tickets and calls: what code uses that drives runs by itself.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "failing_alloc.h"
#include "neap.h"

static void count_cancel(void *self) {
  ++*(int *)self;
}

static neap_ticket *new_ticket(neap_engine *engine, int *count,
                               neap_token *token) {
  neap_ticket *ticket;
  assert_int_equal(
      0, neap_ticket_new(engine, count_cancel, count, &ticket, token));
  return ticket;
}

static neap_engine *new_engine(void) {
  neap_engine *engine;
  assert_int_equal(0, neap_engine_new(NULL, &engine));
  return engine;
}

static void a_ticket_is_cancelled_once_and_reported(void **s) {
  (void)s;
  neap_engine *engine = new_engine();
  int count = 0;
  neap_token token;
  neap_ticket *ticket = new_ticket(engine, &count, &token);
  assert_int_equal(0, neap_cancel(engine, token));
  assert_int_equal(0, neap_cancel(engine, token));
  assert_int_equal(0, count);
  assert_false(neap_ticket_is_cancelled(ticket));
  neap_poll(engine, 0);
  neap_poll(engine, 0);
  assert_int_equal(1, count);
  assert_true(neap_ticket_is_cancelled(ticket));
  neap_report given = {.status = NEAP_ECANCELED,
                       .data = &count,
                       .code = "cancelled",
                       .path = "a > b",
                       .phase = "exec",
                       .attempt = 2,
                       .error = "enough"};
  neap_report report = {0};
  assert_int_equal(NEAP_EINVAL, neap_next_report(engine, &report));
  report.size = sizeof report;
  assert_int_equal(NEAP_EAGAIN, neap_next_report(engine, &report));
  neap_ticket_end(ticket, &given);
  assert_int_equal(NEAP_ESTALE, neap_cancel(engine, token));
  assert_int_equal(0, neap_next_report(engine, &report));
  assert_true(report.run == token);
  assert_ptr_equal(&count, report.data);
  assert_string_equal("cancelled", report.code);
  assert_string_equal("a > b", report.path);
  assert_string_equal("exec", report.phase);
  assert_string_equal("enough", report.error);
  assert_string_equal("", report.action);
  assert_int_equal(2, report.attempt);
  assert_int_equal(NEAP_EAGAIN, neap_next_report(engine, &report));
  neap_engine_free(engine);
}

static void word_for_a_ticket_that_is_given_back_is_lost(void **s) {
  (void)s;
  neap_engine *engine = new_engine();
  int count = 0;
  neap_token token, other;
  neap_ticket *ticket = new_ticket(engine, &count, &token);
  assert_int_equal(0, neap_cancel(engine, token));
  neap_ticket_drop(ticket);
  ticket = new_ticket(engine, &count, &other);
  assert_true(token != other);
  assert_int_equal(NEAP_ESTALE, neap_cancel(engine, token));
  neap_poll(engine, 0);
  assert_int_equal(0, count);
  neap_ticket_drop(ticket);
  neap_engine_free(engine);
}

static void a_ticket_may_outlive_its_engine(void **s) {
  (void)s;
  neap_engine *engine = new_engine();
  int count = 0;
  neap_token token;
  neap_ticket *a = new_ticket(engine, &count, &token);
  neap_ticket *b = new_ticket(engine, &count, &token);
  neap_ticket *c = new_ticket(engine, &count, &token);
  neap_ticket_end(c, &(neap_report){0}); /* nobody takes this report */
  neap_cancel(engine, token);
  neap_engine_free(engine);
  neap_ticket_end(a, &(neap_report){0});
  neap_ticket_drop(b);
  assert_int_equal(0, count);
}

/* Long texts, and an action with a zero in it. */
static void texts_are_copied_and_shortened_without_memory(void **s) {
  (void)s;
  char text[1000];
  memset(text, 'x', sizeof text - 1);
  text[sizeof text - 1] = '\0';
  for (int lack = 0; lack < 2; lack++) {
    failing_state memory;
    neap_engine_opts opts = NEAP_ENGINE_OPTS_INIT;
    opts.alloc = failing_alloc(&memory, 0);
    neap_engine *engine;
    assert_int_equal(0, neap_engine_new(&opts, &engine));
    int count = 0;
    neap_token token;
    neap_ticket *failed = new_ticket(engine, &count, &token);
    neap_ticket *done = new_ticket(engine, &count, &token);
    neap_ticket *long_one = new_ticket(engine, &count, &token);
    memory.fail_at = lack ? memory.calls + 1 : 0;
    memory.for_good = true;
    neap_ticket_end(failed, &(neap_report){.status = NEAP_EFAILED,
                                           .code = "bank",
                                           .path = text,
                                           .error = text});
    neap_ticket_end(done, &(neap_report){.action = "a\0b", .action_size = 3});
    neap_ticket_end(long_one,
                    &(neap_report){.action = text, .action_size = 999});
    neap_report report = NEAP_REPORT_INIT;
    assert_int_equal(0, neap_next_report(engine, &report));
    assert_string_equal("bank", report.code);
    assert_int_equal(NEAP_EFAILED, report.status);
    assert_int_equal(lack ? 0 : 1, strlen(report.path) == 999);
    assert_true(strlen(report.path) > 40 && strlen(report.error) > 40);
    assert_memory_equal(text, report.path, strlen(report.path));
    assert_int_equal(0, neap_next_report(engine, &report));
    assert_int_equal(3, report.action_size);
    assert_memory_equal("a\0b", report.action, 4);
    assert_int_equal(0, neap_next_report(engine, &report));
    assert_int_equal(lack ? NEAP_ENOMEM : 0, report.status);
    assert_string_equal(lack ? "memory" : "", report.code);
    assert_int_equal(lack ? 0 : 999, report.action_size);
    neap_engine_free(engine);
    assert_int_equal(0, memory.live);
  }
}

typedef struct listener {
  neap_engine *engine;
  int count, calls;
} listener;

static void listen(void *ud, const neap_report *report) {
  listener *l = ud;
  assert_int_equal(l->calls++, report->attempt);
  assert_int_equal(NEAP_EBUSY, neap_poll(l->engine, 0));
  if (l->calls == 1) { /* an end within a report is reported, too */
    neap_token token;
    neap_ticket *ticket = new_ticket(l->engine, &l->count, &token);
    neap_ticket_end(ticket, &(neap_report){.attempt = 3});
  }
  if (l->calls == 4)
    neap_on_report(l->engine, NULL, NULL);
}

static void reports_come_to_a_function_in_their_order(void **s) {
  (void)s;
  neap_engine *engine = new_engine();
  listener l = {.engine = engine};
  neap_token token;
  for (uint32_t i = 0; i < 3; i++) {
    if (i == 2)
      neap_on_report(engine, listen, &l);
    neap_ticket *ticket = new_ticket(engine, &l.count, &token);
    neap_ticket_end(ticket, &(neap_report){.attempt = i});
  }
  assert_int_equal(0, l.calls);
  while (l.calls < 4)
    assert_true(neap_poll(engine, 0) > 0);
  neap_ticket *ticket = new_ticket(engine, &l.count, &token);
  neap_ticket_end(ticket, &(neap_report){.attempt = 9});
  neap_poll(engine, 0);
  assert_int_equal(4, l.calls);
  neap_report report = NEAP_REPORT_INIT;
  assert_int_equal(0, neap_next_report(engine, &report));
  assert_int_equal(9, report.attempt);
  neap_engine_free(engine);
}

/* A node in C whose exec goes on, in a run that the test drives. */
typedef struct guard {
  neap_token token;
  int cancelled, dropped;
} guard;

static void drop_guard(void *result) {
  ((guard *)result)->dropped++;
}

static int guard_exec(neap_call *call) {
  guard *g = neap_call_self(call);
  assert_int_equal(0, neap_call_set_result(call, g, drop_guard));
  assert_int_equal(0, neap_later(call, &g->token));
  return NEAP_LATER;
}

static int guard_post(neap_call *call) {
  assert_ptr_equal(neap_call_self(call), neap_call_exec_result(call));
  assert_true(neap_call_run(call) == 0);
  return neap_call_set_action(call, "open", 4);
}

static void guard_cancel(neap_call *call) {
  ((guard *)neap_call_self(call))->cancelled++;
}

static void note_done(neap_op *op) {
  ++*(int *)op->data;
}

typedef enum fate { COMPLETED, FAILED, GIVEN_UP, WITHOUT_ENGINE } fate;

static void drive_guard(fate how) {
  neap_engine *engine = new_engine();
  neap_flow *flow;
  neap_node *node;
  neap_run *run;
  neap_call *call;
  guard g = {0};
  int calls = 0;
  neap_op op;
  neap_node_opts node_opts = NEAP_NODE_OPTS_INIT;
  neap_node_ops ops = NEAP_NODE_OPS_INIT;
  neap_run_opts run_opts = NEAP_RUN_OPTS_INIT;
  neap_call_opts call_opts = NEAP_CALL_OPTS_INIT;
  ops.exec = guard_exec;
  ops.post = guard_post;
  ops.cancel = guard_cancel;
  neap_op_init(&op, note_done, &calls);
  assert_int_equal(0, neap_flow_new(NULL, &flow));
  assert_int_equal(0, neap_flow_add_ops(flow, &node_opts, &ops, &g, &node));
  assert_int_equal(0, neap_flow_seal(flow));
  assert_int_equal(0, neap_run_new(flow, node, &run_opts, &run));
  assert_int_equal(0, neap_call_new(engine, &call_opts, &call));
  assert_int_equal(NEAP_EINVAL, neap_call_do(call, run)); /* it is at ENTER */
  neap_run_ok(run);
  assert_int_equal(NEAP_LATER, neap_call_do(call, run));
  assert_int_equal(NEAP_EINVAL, neap_call_do(call, run));
  assert_int_equal(NEAP_EINVAL, neap_call_settle(call));
  assert_int_equal(0, neap_call_wait(call, &op));
  if (how == COMPLETED || how == FAILED) {
    neap_complete(engine, g.token, how == FAILED ? NEAP_ETIMEDOUT : 0);
    while (calls == 0)
      neap_poll(engine, NEAP_FOREVER);
    int status = neap_call_settle(call);
    assert_int_equal(how == FAILED ? NEAP_ETIMEDOUT : 0, status);
    assert_int_equal(NEAP_ESTALE, neap_complete(engine, g.token, 0));
  } else if (how == GIVEN_UP) {
    neap_op_cancel(&op, NEAP_ECANCELED);
    neap_poll(engine, 0);
    assert_int_equal(1, calls);
    assert_int_equal(0, g.cancelled);
    neap_call_cancel(call);
    neap_call_cancel(call);
    assert_int_equal(1, g.cancelled);
    assert_int_equal(NEAP_ESTALE, neap_complete(engine, g.token, 0));
  } else {
    neap_engine_free(engine);
    engine = NULL;
    assert_int_equal(1, g.cancelled);
    assert_false(neap_op_active(&op));
  }
  if (how == COMPLETED) {
    const neap_step *step = neap_call_answer(call, run);
    assert_int_equal(NEAP_DO_CALL, step->what);
    assert_int_equal(0, neap_call_do(call, run));
    step = neap_call_answer(call, run);
    assert_int_equal(NEAP_DO_END, step->what);
    assert_int_equal(4, step->action_size);
    assert_memory_equal("open", step->action, 4);
  }
  if (how == FAILED) {
    const char *code, *text;
    neap_failure failure;
    assert_int_equal(NEAP_ETIMEDOUT,
                     neap_call_why(call, &failure, &code, &text));
    assert_string_equal("timeout", code);
    assert_string_equal(neap_status_text(NEAP_ETIMEDOUT), text);
  }
  assert_int_equal(0, g.dropped);
  neap_call_free(call);
  assert_int_equal(1, g.dropped);
  neap_run_free(run);
  neap_flow_free(flow);
  neap_engine_free(engine);
}

static void another_driver_calls_a_node_in_c(void **s) {
  (void)s;
  drive_guard(COMPLETED);
  drive_guard(FAILED);
  drive_guard(GIVEN_UP);
  drive_guard(WITHOUT_ENGINE);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_ticket_is_cancelled_once_and_reported),
      cmocka_unit_test(word_for_a_ticket_that_is_given_back_is_lost),
      cmocka_unit_test(a_ticket_may_outlive_its_engine),
      cmocka_unit_test(texts_are_copied_and_shortened_without_memory),
      cmocka_unit_test(reports_come_to_a_function_in_their_order),
      cmocka_unit_test(another_driver_calls_a_node_in_c),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
