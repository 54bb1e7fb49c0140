/* The run against a model: random graphs whose nodes end as they like.
 * SPDX-License-Identifier: MIT
 *
 * The model says what a flow means in the plainest way, as functions that call
 * each other: a visit calls its walk or its branches, these their visits. How a
 * call ends depends on a number drawn from the way to it (host_scope), so that
 * it ends alike in whichever order items come to their turn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "failing_alloc.h"
#include "run_host.h"

enum {
  CASES = 2000, /* of each kind */
  NODES = 7,
  WIRES = 3,
  BRANCHES = 3,
  EVENTS = 100000,
  MAX_STEPS = 400,
};

static const char *const actions[] = {"default", "a", "b", "c"};

typedef struct plan_node {
  neap_node_opts opts;
  int start;
  int branches[BRANCHES], branch_count;
  int wires[4]; /* for each action: a node, ENDS or UNWIRED */
} plan_node;

enum { ENDS = -1, UNWIRED = -2 };

typedef struct event {
  uint64_t key, number; /* of a wait or an item */
  uint64_t attempt;
  int what, phase; /* no padding: events are compared as bytes */
} event;

/* How much of a story is determined, whoever takes an item first. */
typedef enum plan_sort {
  IN_SEQUENCE, /* every event has its place */
  COLLECTING,  /* which events there are: no item cancels another */
  STOPPING,    /* how it ends */
} plan_sort;

typedef struct plan {
  plan_sort sort;
  uint64_t seed;
  plan_node nodes[NODES];
  uint64_t max_steps;
  unsigned trouble; /* of 100 calls fail */
} plan;

typedef struct story {
  const plan *plan;
  event events[EVENTS];
  size_t count;
  uint64_t steps;
  bool failed;
  const char *action;
} story;

static void tell(story *s, uint64_t key, int what, int phase, uint32_t attempt,
                 uint64_t number) {
  assert_in_range(s->count, 0, EVENTS - 1);
  s->events[s->count++] = (event){key, number, attempt, what, phase};
}

static bool is_parallel(const plan_node *n) {
  return n->opts.kind == NEAP_PARALLEL;
}

static host_answer answer_of(const plan *p, const plan_node *node, neap_do what,
                             neap_phase phase, uint64_t key, uint64_t number) {
  uint64_t n = host_mix(host_mix(p->seed, key),
                        host_mix((uint64_t)what * 8 + phase, number));
  unsigned percent = (unsigned)(n >> 8) % 100, more = (unsigned)(n >> 32) % 100;
  bool is_item = what == NEAP_DO_FETCH && more % 3 > 0;
  bool is_whole = what == NEAP_DO_FETCH && p->sort == COLLECTING && !is_item;
  if (percent < p->trouble && !is_whole) {
    neap_failure failure = {.item = is_item,
                            .final = p->sort != STOPPING &&
                                             more<20, .retry_after_ns = more> 80
                                         ? more
                                         : 0};
    return (host_answer){.reply = HOST_FAIL, .failure = failure};
  }
  if (is_parallel(node) && (what == NEAP_DO_ITEMS || what == NEAP_DO_FETCH))
    return (host_answer){.reply = HOST_OK};
  if (what == NEAP_DO_ITEMS) {
    uint64_t count = more % 5;
    return (host_answer){.reply = HOST_ITEMS,
                         .count = count == 4 ? NEAP_UNCOUNTED : count};
  }
  if (what == NEAP_DO_FETCH)
    return (host_answer){.reply = number > more % 6 ? HOST_NONE : HOST_OK};
  if (phase == NEAP_POST)
    return (host_answer){.reply = HOST_ACTION, .action = actions[more % 4]};
  return (host_answer){.reply = HOST_OK};
}

typedef struct result {
  bool failed;
  bool fatal; /* past the limit of visits */
  bool stray; /* a flow has no successor for the action that it hands on */
  neap_failure failure;
  const char *action;
} result;

static result visit(story *s, int node, uint64_t key, bool alone);

static bool has(const plan_node *n, neap_phase phase) {
  return n->opts.methods >> phase & 1;
}

static bool walks(const plan_node *n) {
  return n->opts.kind == NEAP_FLOW || n->opts.kind == NEAP_BATCH_FLOW;
}

static bool is_wired(const plan_node *n) {
  for (int i = 0; i < 4; i++)
    if (n->wires[i] != UNWIRED)
      return true;
  return false;
}

static int number_of(const char *action) {
  int i = 0;
  while (strcmp(action, actions[i]) != 0)
    i++;
  return i;
}

static int target(const plan_node *n, const char *action) {
  return n->wires[number_of(action)];
}

static bool takes_step(story *s) {
  return s->steps++ < s->plan->max_steps;
}

static const result past_limit = {.failed = true, .fatal = true};

/* Some visits are watched. */
static bool is_watched(const story *s, uint64_t key) {
  return host_mix(s->plan->seed, key) & 1;
}

/* The visit, in which a phase has been called, is over. */
static void leave(story *s, uint64_t key, bool failed, const char *action) {
  if (is_watched(s, key))
    tell(s, key, NEAP_DO_LEAVE, failed ? -1 : number_of(action), 0, 0);
}

static result ask_node(story *s, const plan_node *n, neap_phase phase,
                       uint64_t key, uint32_t attempt) {
  tell(s, key, NEAP_DO_CALL, (int)phase, attempt, 0);
  host_answer a = answer_of(s->plan, n, NEAP_DO_CALL, phase, key, attempt);
  return (result){.failed = a.reply == HOST_FAIL,
                  .failure = a.failure,
                  .action = a.action ? a.action : "default"};
}

static result walk(story *s, const plan_node *flow, uint64_t key) {
  int node = flow->start;
  for (;;) {
    key = host_mix(key, 1);
    result r = visit(s, node, key, false);
    if (r.failed)
      return r;
    const plan_node *n = &s->plan->nodes[node];
    if (!is_wired(n) || target(n, r.action) == ENDS) {
      leave(s, key, false, r.action);
      return r;
    }
    if (r.stray || target(n, r.action) == UNWIRED) {
      if (flow->opts.strict) {
        leave(s, key, true, NULL);
        return (result){.failed = true};
      }
      bool goes_on = r.stray && target(n, "default") != UNWIRED;
      tell(s, key, NEAP_DO_WARN, goes_on ? NEAP_EXEC : NEAP_POST, 0, 0);
      if (r.stray)
        r = (result){.action = "default"};
      if (!goes_on || target(n, r.action) == ENDS) {
        leave(s, key, false, r.action);
        return r;
      }
    }
    leave(s, key, false, r.action);
    node = target(n, r.action);
  }
}

static uint64_t delay_of(const plan_node *n, uint32_t attempt,
                         const neap_failure *failure) {
  uint64_t delay = n->opts.wait_ns;
  for (uint32_t i = 0; i < attempt; i++)
    delay = (uint64_t)((double)delay * n->opts.backoff);
  if (n->opts.max_wait_ns > 0 && delay > n->opts.max_wait_ns)
    delay = n->opts.max_wait_ns;
  return delay > failure->retry_after_ns ? delay : failure->retry_after_ns;
}

static result branch(story *s, const plan_node *n, uint64_t key, uint64_t item,
                     uint32_t attempt) {
  uint64_t inner = host_mix(host_mix(key, attempt), 1);
  result r = visit(s, n->branches[item], inner, true);
  if (!r.failed) {
    leave(s, inner, false, r.action);
    tell(s, key, NEAP_DO_RETURN, number_of(r.action), 0, 0);
  }
  return r;
}

/* Exec, of a node or of an item, as often as it takes, and its fallback. */
static result execute(story *s, const plan_node *n, uint64_t key,
                      uint64_t item) {
  result r = {.action = "default"};
  for (uint32_t attempt = 0;; attempt++) {
    if (walks(n))
      r = walk(s, n, host_mix(key, attempt));
    else if (is_parallel(n))
      r = branch(s, n, key, item, attempt);
    else if (has(n, NEAP_EXEC))
      r = ask_node(s, n, NEAP_EXEC, key, attempt);
    if (!r.failed || r.fatal)
      return r;
    if (r.failure.final || attempt + 1 == n->opts.max_attempts ||
        (n->opts.max_retry_after_ns > 0 &&
         r.failure.retry_after_ns > n->opts.max_retry_after_ns))
      break;
    uint64_t delay = delay_of(n, attempt, &r.failure);
    if (delay > 0)
      tell(s, key, NEAP_DO_WAIT, 0, 0, delay);
  }
  if (!has(n, NEAP_FALLBACK))
    return r;
  r = ask_node(s, n, NEAP_FALLBACK, key, 0);
  r.action = NULL; /* it was no walk */
  return r;
}

/* Of a batch or a parallel. */
static result items(story *s, const plan_node *n, uint64_t key) {
  tell(s, key, NEAP_DO_ITEMS, 0, 0, 0);
  host_answer list = answer_of(s->plan, n, NEAP_DO_ITEMS, NEAP_PREP, key, 0);
  if (list.reply == HOST_FAIL)
    return (result){.failed = true, .failure = list.failure};
  uint64_t count = is_parallel(n) ? (uint64_t)n->branch_count : list.count;
  for (uint64_t i = 0; i < count; i++) {
    tell(s, key, NEAP_DO_FETCH, 0, 0, i);
    host_answer item = answer_of(s->plan, n, NEAP_DO_FETCH, NEAP_PREP, key, i);
    if (item.reply == HOST_NONE)
      break;
    result r = {.failed = item.reply == HOST_FAIL, .failure = item.failure};
    if (r.failed && !item.failure.item)
      return r;
    if ((r.failed || !is_parallel(n)) && !takes_step(s))
      return past_limit;
    if (!r.failed)
      r = execute(s, n, host_mix(key, i), i);
    if (r.failed && (r.fatal || !n->opts.collect))
      return r;
    tell(s, key, NEAP_DO_ITEM_END, r.failed, 0, i);
  }
  return (result){.action = NULL};
}

static result phases(story *s, const plan_node *n, uint64_t key, bool alone) {
  result r = {0};
  if (has(n, NEAP_PREP))
    r = ask_node(s, n, NEAP_PREP, key, 0);
  if (r.failed)
    return r;
  bool has_items = n->opts.kind == NEAP_BATCH_NODE ||
                   n->opts.kind == NEAP_BATCH_FLOW || is_parallel(n);
  r = has_items ? items(s, n, key) : execute(s, n, key, 0);
  if (r.failed)
    return r;
  if (has(n, NEAP_POST))
    return ask_node(s, n, NEAP_POST, key, 0);
  if (n->opts.kind != NEAP_FLOW || !r.action ||
      strcmp(r.action, "default") == 0)
    return (result){.action = "default"};
  r.stray = !alone && is_wired(n) && target(n, r.action) == UNWIRED;
  return r;
}

/* The successors of a node that is visited alone, the root or a branch, do not
 * count. Where the visit succeeds, whoever calls lets it end. */
static result visit(story *s, int node, uint64_t key, bool alone) {
  if (!takes_step(s))
    return past_limit;
  tell(s, key, NEAP_DO_ENTER, node, 0, 0);
  result r = phases(s, &s->plan->nodes[node], key, alone);
  if (r.failed)
    leave(s, key, true, NULL);
  return r;
}

static host_answer decide(host_task *task, const neap_step *step) {
  const story *s = task->host->ud;
  uint64_t key = task->scopes[step->depth].key;
  uint64_t number = step->what == NEAP_DO_FETCH ? step->index
                    : step->phase == NEAP_EXEC  ? step->attempt
                                                : 0;
  return answer_of(s->plan, neap_node_data(step->node), step->what, step->phase,
                   key, number);
}

static void watch(host_task *task, const neap_step *step) {
  story *s = task->host->ud;
  uint64_t key = task->scopes[step->depth].key, since;
  const plan_node *n;
  switch (step->what) {
  case NEAP_DO_ENTER:
    n = neap_node_data(step->node);
    tell(s, key, step->what, (int)(n - s->plan->nodes), 0, 0);
    if (is_watched(s, key))
      assert_true(neap_run_watch(task->run, key) > 0);
    break;
  case NEAP_DO_LEAVE:
    assert_true(neap_run_visit(task->run, step->depth, &since) > 0);
    assert_true(since == key);
    tell(s, key, step->what,
         step->failed   ? -1
         : step->action ? number_of(step->action)
                        : 0,
         0, 0);
    break;
  case NEAP_DO_CALL:
    tell(s, key, step->what, (int)step->phase,
         step->phase == NEAP_EXEC ? step->attempt : 0, 0);
    break;
  case NEAP_DO_RETURN:
    n = neap_node_data(step->node);
    if (is_parallel(n))
      tell(s, key, step->what,
           number_of(step->action ? step->action : "default"), 0, 0);
    break;
  case NEAP_DO_WAIT:
    tell(s, key, step->what, 0, 0, step->delay_ns);
    break;
  case NEAP_DO_ITEMS:
    tell(s, key, step->what, 0, 0, 0);
    break;
  case NEAP_DO_WARN:
    tell(s, key, step->what, (int)step->phase, 0, 0);
    break;
  case NEAP_DO_FETCH:
    tell(s, key, step->what, 0, 0, step->index);
    break;
  case NEAP_DO_ITEM_END:
    tell(s, task->scopes[step->depth - 1].key, step->what, step->failed, 0,
         step->index);
    break;
  case NEAP_DO_END:
    if (task->number == 0 && !step->failed)
      s->action = step->action ? step->action : "default";
    break;
  default:
    break;
  }
}

static uint64_t draw(uint64_t *random) {
  return *random = host_mix(*random, 1);
}

static unsigned below(uint64_t *random, unsigned limit) {
  return (unsigned)(draw(random) >> 8) % limit;
}

static bool chance(uint64_t *random, unsigned percent) {
  return below(random, 100) < percent;
}

/* Makes a graph. Flows hold nodes of higher numbers only and wires lead back
 * no further than to their own node, so that nesting ends. */
static void make_plan(plan *p, plan_sort sort, uint64_t seed) {
  uint64_t random = host_mix(seed, sort);
  *p = (plan){.sort = sort, .seed = random, .max_steps = MAX_STEPS};
  p->trouble = below(&random, 25);
  if (sort == IN_SEQUENCE && chance(&random, 20))
    p->max_steps = 10;
  for (int i = 0; i < NODES; i++) {
    plan_node *n = &p->nodes[i];
    neap_node_opts *o = &n->opts;
    bool may_walk = i < NODES - 1;
    bool is_batch = chance(&random, 30);
    *o = (neap_node_opts)NEAP_NODE_OPTS_INIT;
    if (may_walk && chance(&random, i < 3 ? 25 : 10))
      o->kind = NEAP_PARALLEL;
    else if (may_walk && chance(&random, i < 3 ? 80 : 30))
      o->kind = is_batch ? NEAP_BATCH_FLOW : NEAP_FLOW;
    else
      o->kind = is_batch ? NEAP_BATCH_NODE : NEAP_NODE;
    o->data = n;
    o->methods = below(&random, 16);
    o->max_attempts = chance(&random, 40) ? 3 : 1;
    o->wait_ns = chance(&random, 50) ? 10 : 0;
    o->backoff = 2;
    o->max_wait_ns = chance(&random, 50) ? 15 : 0;
    o->max_retry_after_ns = chance(&random, 30) ? 90 : 0;
    o->timeout_ns = chance(&random, 20);
    o->strict = chance(&random, 20);
    o->collect = sort == COLLECTING || chance(&random, 50);
    o->concurrency = sort == IN_SEQUENCE ? 1 : 1 + below(&random, 4);
    if (is_parallel(n) && sort != IN_SEQUENCE && chance(&random, 50))
      o->concurrency = 0;
    n->start = may_walk ? i + 1 + (int)below(&random, NODES - 1 - i) : i;
    while (is_parallel(n) && n->branch_count < BRANCHES &&
           (n->branch_count == 0 || chance(&random, 70)))
      n->branches[n->branch_count++] =
          i + 1 + (int)below(&random, NODES - 1 - i);
    for (int action = 0; action < 4; action++)
      n->wires[action] = UNWIRED;
    for (int wire = 0; wire < WIRES && chance(&random, 60); wire++) {
      int to = (int)below(&random, NODES);
      n->wires[below(&random, 4)] = to < i ? ENDS : to;
    }
  }
}

/* Builds the flow of a plan. Afterwards, also when this failed, free *flow. */
static int build(const plan *p, const neap_alloc *alloc, neap_flow **flow,
                 neap_node **root) {
  neap_node *nodes[NODES] = {0};
  *flow = NULL;
  int status = neap_flow_new(alloc, flow);
  for (int i = 0; status == 0 && i < NODES; i++)
    status = neap_flow_add(*flow, &p->nodes[i].opts, &nodes[i]);
  for (int i = 0; status == 0 && i < NODES; i++) {
    const plan_node *n = &p->nodes[i];
    if (walks(n))
      status = neap_flow_start(*flow, nodes[i], nodes[n->start]);
    for (int b = 0; status == 0 && b < n->branch_count; b++)
      status = neap_flow_branch(*flow, nodes[i], nodes[n->branches[b]]);
    for (int a = 0; status == 0 && a < 4; a++)
      if (n->wires[a] != UNWIRED)
        status = neap_flow_wire(
            *flow, nodes[i], actions[a], strlen(actions[a]), a % 2 == 0,
            n->wires[a] == ENDS ? NULL : nodes[n->wires[a]]);
  }
  if (status < 0)
    return status;
  *root = nodes[0];
  return neap_flow_seal(*flow);
}

/* Lets the engine tell a story; *memory holds what allocations there were. */
static int play(story *s, const plan *p, failing_state *memory, long fail_at) {
  neap_alloc alloc = failing_alloc(memory, fail_at);
  s->plan = p;
  s->count = 0;
  s->action = NULL;
  neap_flow *flow;
  neap_node *root;
  int status = build(p, &alloc, &flow, &root);
  if (status == 0) {
    host h = {.ud = s, .decide = decide, .watch = watch};
    neap_run_opts opts = NEAP_RUN_OPTS_INIT;
    if (p->sort == IN_SEQUENCE)
      opts.max_steps = p->max_steps;
    status = host_run(&h, flow, root, &opts);
  }
  neap_flow_free(flow);
  assert_int_equal(0, memory->live);
  return status;
}

static int compare_events(const void *a, const void *b) {
  return memcmp(a, b, sizeof(event));
}

/* Tries one plan; false when it leads too far to be told. */
static bool try_plan(const plan *p) {
  static story expected, actual;
  memset(&expected, 0, sizeof expected); /* too large for a literal */
  expected.plan = p;
  result r = visit(&expected, 0, 1, true);
  if (!r.failed)
    leave(&expected, 1, false, r.action);
  if (r.fatal && p->sort != IN_SEQUENCE)
    return false;
  failing_state memory;
  int status = play(&actual, p, &memory, 0);
  assert_int_equal(r.failed ? NEAP_EFAILED : 0, status);
  if (!r.failed)
    assert_string_equal(r.action ? r.action : "default", actual.action);
  if (p->sort == COLLECTING) {
    qsort(expected.events, expected.count, sizeof(event), compare_events);
    qsort(actual.events, actual.count, sizeof(event), compare_events);
  }
  if (p->sort != STOPPING) {
    for (size_t i = 0; i < expected.count && i < actual.count; i++)
      if (compare_events(&expected.events[i], &actual.events[i]) != 0)
        fail_msg("event %zu is %d instead of %d", i, actual.events[i].what,
                 expected.events[i].what);
    assert_int_equal(expected.count, actual.count);
  }
  /* Once more, with one allocation that fails: it ends, and leaves nothing. */
  play(&actual, p, &memory, 1 + (long)(p->seed % (uint64_t)memory.calls));
  assert_true(memory.failed);
  return true;
}

static void try_many(plan_sort sort) {
  int tried = 0, failed = 0;
  for (uint64_t seed = 1; tried < CASES; seed++) {
    plan p;
    make_plan(&p, sort, seed);
    if (try_plan(&p))
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
