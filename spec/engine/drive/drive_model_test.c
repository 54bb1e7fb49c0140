/* The engine's own driver against the model: random flows of nodes in C, whose
 * phases go on after they have returned, or do not, as they like.
 * SPDX-License-Identifier: MIT
 *
 * Events and calls are told as a story and compared with that of the model.
 * What a call has to do with depends on the way to it (run_model.h), which the
 * test follows by the events: the note of each visit leads to its `scope`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "drive/call.h"
#include "failing_alloc.h"
#include "flow/run_model.h"

enum {
  CASES = 1000 /* of each kind */,
  THOROUGH = 20,
  SCOPES = 200000,
  MANY = 256
};

typedef struct scope {
  uint64_t key;
  uint64_t last; /* the key of the visit inside that was the last to begin */
  uint32_t attempt;
} scope;

/* What the phases of a play share. */
typedef struct play {
  const plan *plan;
  story *story;
  scope *scopes;
  size_t scope_count;
  neap_engine *engine;
  neap_token open[MANY]; /* phases that go on */
  size_t open_count;
  uint64_t random;
  long results;        /* that have not been dropped */
  long calls, stop_at; /* the call that cancels the run; 0: none does */
  neap_token run;
  bool lame; /* memory fails: nothing is told */
} play;

static play *current; /* results are dropped without a word of the play */

static unsigned roll(play *p, unsigned limit) {
  p->random = host_mix(p->random, 7);
  return (unsigned)(p->random >> 20) % limit;
}

/* The scope of a visit. That of a run which works for another is the one that
 * the other is at. */
static scope *scope_at(play *p, const neap_run *run, uint32_t depth) {
  uint64_t *note = neap_run_note((neap_run *)run, depth);
  if (*note > 0)
    return &p->scopes[*note - 1];
  bool is_item;
  uint64_t index;
  neap_run_node_at(run, depth, &is_item, &index);
  neap_run *parent = neap_run_parent(run);
  if (depth == 0 && parent) {
    neap_place place;
    neap_run_place(parent, &place);
    scope *s = scope_at(p, parent, place.depth);
    *note = (uint64_t)(s - p->scopes) + 1;
    return s;
  }
  uint64_t key = 1;
  if (is_item) {
    key = host_item_key(scope_at(p, run, depth - 1)->key, index);
  } else if (depth > 0) {
    scope *outer = scope_at(p, run, depth - 1);
    uint32_t attempt = neap_run_attempt(run, depth - 1);
    if (outer->last == 0 || outer->attempt != attempt)
      outer->last = host_attempt_key(outer->key, attempt);
    outer->attempt = attempt;
    key = outer->last = host_next_key(outer->last);
  }
  assert_true(p->scope_count < SCOPES);
  p->scopes[p->scope_count] = (scope){.key = key};
  *note = ++p->scope_count;
  return &p->scopes[p->scope_count - 1];
}

static void tell(play *p, uint64_t key, int what, int phase, uint32_t attempt,
                 uint64_t number) {
  if (!p->lame)
    model_tell(p->story, key, what, phase, attempt, number);
}

static const plan_node *node_at(const neap_run *run, uint32_t depth) {
  bool is_item;
  uint64_t index;
  return neap_node_data(neap_run_node_at(run, depth, &is_item, &index));
}

static void watch(void *ud, const neap_event *e) {
  play *p = ud;
  uint64_t key = scope_at(p, e->run, e->depth)->key;
  switch (e->kind) {
  case NEAP_EVENT_NODE_START:
    tell(p, key, NEAP_DO_ENTER,
         (int)(node_at(e->run, e->depth) - p->plan->nodes), 0, 0);
    break;
  case NEAP_EVENT_NODE_END:
    tell(p, key, NEAP_DO_LEAVE, e->failed ? -1 : model_number(e->action), 0, 0);
    break;
  case NEAP_EVENT_RETRY:
    if (e->delay_ns > 0)
      tell(p, key, NEAP_DO_WAIT, 0, e->attempt, e->delay_ns);
    break;
  case NEAP_EVENT_BRANCH_END:
    key = scope_at(p, e->run, e->depth - 1)->key;
    tell(p, key, NEAP_DO_ITEM_END, e->failed, 0, e->index);
    break;
  case NEAP_EVENT_ITEM_END:
    tell(p, key, NEAP_DO_ITEM_END, e->failed, 0, e->index);
    break;
  case NEAP_EVENT_WARNING:
    tell(p, key, NEAP_DO_WARN, 0, 0, 0);
    break;
  default:
    break;
  }
}

static void drop_result(void *value) {
  current->results--;
  free(value);
}

/* Makes a result that tells whose it is. */
static int give_result(neap_call *call, uint64_t key) {
  uint64_t *value = malloc(sizeof *value);
  assert_non_null(value);
  *value = key;
  current->results++;
  int status = neap_call_set_result(call, value, drop_result);
  if (status < 0)
    drop_result(value);
  return status;
}

static void check_result(const void *value, uint64_t key) {
  if (value)
    assert_true(*(const uint64_t *)value == key);
}

/* What a phase does in the end. */
static int outcome(neap_call *call, play *p) {
  const plan_node *n = neap_node_data(neap_call_node(call));
  bool fetching = call->phase == NEAP__CALL_FETCHING;
  neap_phase phase = fetching ? NEAP_PREP : neap_call_phase(call);
  uint64_t key = scope_at(p, call->run, call->depth)->key;
  uint64_t number = fetching             ? neap_call_index(call)
                    : phase == NEAP_EXEC ? neap_call_attempt(call)
                                         : 0;
  host_answer a = model_answer(
      p->plan, n, fetching ? NEAP_DO_FETCH : NEAP_DO_CALL, phase, key, number);
  if (a.reply == HOST_FAIL) {
    neap_call_set_failure(call, &a.failure);
    return neap_call_fail(call, NEAP_EFAILED, "trouble", "as was drawn");
  }
  if (fetching)
    return a.reply == HOST_NONE
               ? 0
               : neap_call_set_item(call, (void *)(uintptr_t)(number + 1),
                                    NULL);
  if (phase == NEAP_POST && !p->lame && !call->outer) {
    check_result(neap_call_prep_result(call), key);
    if (n->opts.kind == NEAP_NODE)
      check_result(neap_call_exec_result(call), key);
    for (uint64_t i = 0; i < 4; i++)
      check_result(neap_call_item_result(call, i), host_item_key(key, i));
  }
  if (phase == NEAP_POST)
    return neap_call_set_action(call, a.action, strlen(a.action));
  if (phase == NEAP_PREP &&
      (n->opts.kind == NEAP_BATCH_NODE || n->opts.kind == NEAP_BATCH_FLOW)) {
    host_answer items =
        model_answer(p->plan, n, NEAP_DO_ITEMS, NEAP_PREP, key, 0);
    if (items.count != NEAP_UNCOUNTED)
      assert_int_equal(0, neap_call_set_items(call, (void *)1, 1, items.count));
  }
  if (phase == NEAP_EXEC && n->opts.kind == NEAP_BATCH_NODE)
    assert_true((uintptr_t)neap_call_item(call).self ==
                neap_call_index(call) + 1);
  return give_result(call, key);
}

static int go_on(neap_call *call);

/* Any phase: goes on, or does not. */
static int phase(neap_call *call) {
  play *p = neap_call_shared(call).self;
  if (call->phase != NEAP__CALL_FETCHING) {
    neap_phase which = neap_call_phase(call);
    tell(p, scope_at(p, call->run, call->depth)->key, NEAP_DO_CALL, (int)which,
         which == NEAP_EXEC ? neap_call_attempt(call) : 0, 0);
  }
  if (++p->calls == p->stop_at)
    neap_cancel(p->engine, p->run);
  return roll(p, 3) > 0 ? outcome(call, p) : go_on(call);
}

static int go_on(neap_call *call) {
  play *p = current;
  neap_token token;
  if (p->open_count == MANY)
    return outcome(call, p);
  int status = neap_later(call, &token);
  if (status < 0)
    return status;
  if (roll(p, 3) == 0)
    neap_complete(p->engine, token, 0);
  else
    p->open[p->open_count++] = token;
  return NEAP_LATER;
}

static int resume(neap_call *call, int status) {
  assert_int_equal(0, status);
  return roll(current, 8) == 0 ? go_on(call) : outcome(call, current);
}

/* Completes one of the phases that go on; false when there is none. */
static bool complete_one(play *p) {
  if (p->open_count == 0)
    return false;
  unsigned i = roll(p, (unsigned)p->open_count);
  neap_token token = p->open[i];
  p->open[i] = p->open[--p->open_count];
  int status = neap_complete(p->engine, token, 0);
  assert_true(status == 0 || status == NEAP_ESTALE);
  if (status == NEAP_ESTALE)
    assert_true(p->lame || p->stop_at > 0 || p->plan->sort == STOPPING);
  return true;
}

static int add(neap_flow *flow, const plan_node *n, neap_node **out) {
  neap_node_ops ops = NEAP_NODE_OPS_INIT;
  int (**const functions[])(neap_call *) = {&ops.prep, &ops.exec, &ops.fallback,
                                            &ops.post};
  for (int i = NEAP_PREP; i <= NEAP_POST; i++)
    if (n->opts.methods >> i & 1)
      *functions[i] = phase;
  ops.resume = resume;
  ops.fetch = phase;
  return neap_flow_add_ops(flow, &n->opts, &ops, NULL, out);
}

/* Has the engine tell a story of a plan. Returns with what the run ended, or
 * NEAP_ENOMEM when it could not begin; *memory holds what allocations there
 * were. */
static int run_plan(play *p, failing_state *memory, long fail_at,
                    bool for_good) {
  static scope scopes[SCOPES];
  neap_engine_opts engine_opts = NEAP_ENGINE_OPTS_INIT;
  engine_opts.alloc = failing_alloc(memory, fail_at);
  memory->for_good = for_good;
  engine_opts.clock = NEAP_CLOCK_VIRTUAL;
  neap_flow *flow = NULL;
  neap_node *nodes[NODES];
  p->engine = NULL;
  p->scopes = scopes;
  p->scope_count = 0;
  p->open_count = 0;
  p->results = p->calls = 0;
  p->story->plan = p->plan;
  p->story->count = 0;
  p->story->action = NULL;
  current = p;
  int status = neap_engine_new(&engine_opts, &p->engine);
  if (status == 0)
    status = neap_flow_new(&engine_opts.alloc, &flow);
  for (int i = 0; status == 0 && i < NODES; i++)
    status = add(flow, &p->plan->nodes[i], &nodes[i]);
  if (status == 0)
    status = model_wire(p->plan, flow, nodes);
  if (status == 0) {
    neap_on_event(p->engine, watch, p);
    neap_start_opts opts = NEAP_START_OPTS_INIT;
    opts.shared.self = p;
    if (p->plan->sort == IN_SEQUENCE)
      opts.max_steps = p->plan->max_steps;
    status = neap_start(p->engine, flow, &opts, &p->run);
  }
  if (status == 0) {
    neap_report report = NEAP_REPORT_INIT;
    int turns = 0;
    while (neap_next_report(p->engine, &report) == NEAP_EAGAIN) {
      neap_poll(p->engine, complete_one(p) ? 0 : NEAP_FOREVER);
      assert_in_range(++turns, 0, 1000000);
    }
    status = report.status;
    if (status == 0 && !p->lame)
      p->story->action = model_actions[model_number(report.action)];
    if (status == NEAP_EFAILED && !p->lame)
      assert_string_equal("trouble", report.code);
    assert_true(report.run == p->run);
    assert_int_equal(NEAP_ESTALE, neap_cancel(p->engine, p->run));
    assert_int_equal(NEAP_EAGAIN, neap_next_report(p->engine, &report));
    /* What is left of the run is nothing. */
    while (complete_one(p))
      ;
  }
  neap_flow_free(flow);
  neap_engine_free(p->engine);
  assert_int_equal(0, memory->live);
  assert_int_equal(0, p->results);
  return status;
}

static int expected_status(const plan *p, const result *r) {
  if (!r->failed)
    return 0;
  return r->fatal ? NEAP_EMAXSTEPS : p->sort == STOPPING ? 1 : 2;
}

/* Once more, cancelled by one of the calls, and twice more with an allocation
 * that fails, alone or with all others after it: by each of them if `step` is
 * 1, else by one. The run ends, and leaves nothing. */
static void spoil(play *p, long calls, long allocations, long step) {
  failing_state memory;
  uint64_t seed = p->plan->seed;
  long first = step == 1 || calls == 0 ? 1 : 1 + (long)(seed % (uint64_t)calls);
  for (p->stop_at = first; p->stop_at <= calls;
       p->stop_at += step == 1 ? 1 : calls) {
    p->random = seed;
    run_plan(p, &memory, 0, false);
  }
  p->stop_at = 0;
  first = step == 1 ? 1 : 1 + (long)(seed % (uint64_t)allocations);
  for (long n = first; n <= allocations; n += step == 1 ? 1 : allocations)
    for (int for_good = 0; for_good < 2; for_good++) {
      p->random = seed;
      run_plan(p, &memory, n, for_good);
      assert_true(memory.failed);
    }
}

/* Tries one plan; false when it leads too far to be told. A thorough try spoils
 * it in every place. */
static bool try_plan(const plan *p, bool thorough) {
  static story expected, actual;
  memset(&expected, 0, sizeof expected); /* too large for a literal */
  expected.plan = p;
  result r = model_run(&expected);
  if (r.fatal && p->sort != IN_SEQUENCE)
    return false;
  play now = {.plan = p, .story = &actual, .random = p->seed};
  failing_state memory;
  int status = run_plan(&now, &memory, 0, false);
  long calls = now.calls, allocations = memory.calls;
  if (expected_status(p, &r) <= 0)
    assert_int_equal(expected_status(p, &r), status);
  else
    assert_true(status == NEAP_EFAILED || status == NEAP_EACTION);
  if (!r.failed)
    assert_string_equal(r.action ? r.action : "default", actual.action);
  model_compare(&expected, &actual);
  now.lame = true;
  long step = thorough && calls < 100 && allocations < 400 ? 1 : 0;
  spoil(&now, calls, allocations, step);
  return true;
}

static void try_many(plan_sort sort) {
  int tried = 0, failed = 0;
  for (uint64_t seed = 1; tried < CASES; seed++) {
    plan p;
    model_make(&p, sort, seed);
    p.driven = true;
    if (try_plan(&p, tried < THOROUGH))
      tried++;
    else
      failed++;
    assert_in_range(failed, 0, CASES);
  }
}

static void in_sequence_every_step_is_as_the_model_says(void **state) {
  (void)state;
  try_many(IN_SEQUENCE);
}

static void workers_do_what_one_run_would_do(void **state) {
  (void)state;
  try_many(COLLECTING);
}

static void workers_that_stop_each_other_end_alike(void **state) {
  (void)state;
  try_many(STOPPING);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(in_sequence_every_step_is_as_the_model_says),
      cmocka_unit_test(workers_do_what_one_run_would_do),
      cmocka_unit_test(workers_that_stop_each_other_end_alike),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
