/* What a flow means, in the plainest way, and flows made by chance.
 * SPDX-License-Identifier: MIT */
#include "run_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HOUR UINT64_C(3600000000000)

const char *const model_actions[4] = {"default", "a", "b", "c"};

void model_tell(story *s, uint64_t key, int what, int phase, uint32_t attempt,
                uint64_t number) {
  if (s->plan->driven && (what == NEAP_DO_ITEMS || what == NEAP_DO_FETCH ||
                          what == NEAP_DO_RETURN))
    return;
  if (s->plan->driven && what == NEAP_DO_WARN)
    phase = 0;
  if (s->plan->driven && what == NEAP_DO_CALL)
    number = 0;
  assert_in_range(s->count, 0, EVENTS - 1);
  s->events[s->count++] = (event){key, number, attempt, what, phase};
}

static bool is_parallel(const plan_node *n) {
  return n->opts.kind == NEAP_PARALLEL;
}

/* How many items a batch has, which a random number says. */
static uint64_t count_of(const plan *p, const plan_node *node, unsigned more) {
  bool unknown = p->driven && !(node->opts.methods >> NEAP_PREP & 1);
  return unknown || more % 5 == 4 ? NEAP_UNCOUNTED : more % 5;
}

/* Whether the engine does a step by itself, when it drives the run. */
static bool is_given(const plan *p, const plan_node *node, neap_do what,
                     uint64_t key) {
  if (what == NEAP_DO_ITEMS || what != NEAP_DO_FETCH || is_parallel(node))
    return what != NEAP_DO_CALL;
  return model_answer(p, node, NEAP_DO_ITEMS, NEAP_PREP, key, 0).count !=
         NEAP_UNCOUNTED;
}

host_answer model_answer(const plan *p, const plan_node *node, neap_do what,
                         neap_phase phase, uint64_t key, uint64_t number) {
  uint64_t n = host_mix(host_mix(p->seed, key),
                        host_mix((uint64_t)what * 8 + phase, number));
  unsigned percent = (unsigned)(n >> 8) % 100, more = (unsigned)(n >> 32) % 100;
  bool is_item = what == NEAP_DO_FETCH && more % 3 > 0;
  bool is_whole = what == NEAP_DO_FETCH && p->sort == COLLECTING && !is_item;
  if (p->driven && is_given(p, node, what, key))
    percent = 100;
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
  if (what == NEAP_DO_ITEMS)
    return (host_answer){.reply = HOST_ITEMS, .count = count_of(p, node, more)};
  if (what == NEAP_DO_FETCH && percent < 100)
    return (host_answer){.reply = number > more % 6 ? HOST_NONE : HOST_OK};
  if (phase == NEAP_POST)
    return (host_answer){.reply = HOST_ACTION,
                         .action = model_actions[more % 4]};
  return (host_answer){.reply = HOST_OK};
}

static result visit(story *s, int node, uint64_t key, bool alone);

static bool has(const plan_node *n, neap_phase phase) {
  return n->opts.methods >> phase & 1;
}

bool model_walks(const plan_node *n) {
  return n->opts.kind == NEAP_FLOW || n->opts.kind == NEAP_BATCH_FLOW;
}

static bool is_wired(const plan_node *n) {
  for (int i = 0; i < 4; i++)
    if (n->wires[i] != UNWIRED)
      return true;
  return false;
}

int model_number(const char *action) {
  int i = 0;
  if (!action)
    return 0;
  while (strcmp(action, model_actions[i]) != 0)
    i++;
  return i;
}

static int target(const plan_node *n, const char *action) {
  return n->wires[model_number(action)];
}

static bool takes_step(story *s) {
  return s->steps++ < s->plan->max_steps;
}

static const result past_limit = {.failed = true, .fatal = true};

bool model_is_watched(const plan *p, uint64_t key) {
  return p->driven || host_mix(p->seed, key) & 1;
}

/* The visit, in which a phase has been called, is over. */
static void leave(story *s, uint64_t key, bool failed, const char *action) {
  if (model_is_watched(s->plan, key))
    model_tell(s, key, NEAP_DO_LEAVE, failed ? -1 : model_number(action), 0, 0);
}

uint64_t model_counts(uint64_t items, uint64_t failed) {
  return items << 32 | failed;
}

static result ask_node(story *s, const plan_node *n, neap_phase phase,
                       uint64_t key, uint32_t attempt, uint64_t counts) {
  model_tell(s, key, NEAP_DO_CALL, (int)phase, attempt, counts);
  host_answer a = model_answer(s->plan, n, NEAP_DO_CALL, phase, key, attempt);
  return (result){.failed = a.reply == HOST_FAIL,
                  .failure = a.failure,
                  .action = a.action ? a.action : "default"};
}

static result walk(story *s, const plan_node *flow, uint64_t key) {
  int node = flow->start;
  for (;;) {
    key = host_next_key(key);
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
      model_tell(s, key, NEAP_DO_WARN, goes_on ? NEAP_EXEC : NEAP_POST, 0, 0);
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
  uint64_t inner = host_next_key(host_attempt_key(key, attempt));
  result r = visit(s, n->branches[item], inner, true);
  if (!r.failed) {
    leave(s, inner, false, r.action);
    model_tell(s, key, NEAP_DO_RETURN, model_number(r.action), 0, 0);
  }
  return r;
}

/* Exec, of a node or of an item, as often as it takes, and its fallback. */
static result execute(story *s, const plan_node *n, uint64_t key,
                      uint64_t item) {
  result r = {.action = "default"};
  for (uint32_t attempt = 0;; attempt++) {
    if (model_walks(n))
      r = walk(s, n, host_attempt_key(key, attempt));
    else if (is_parallel(n))
      r = branch(s, n, key, item, attempt);
    else if (has(n, NEAP_EXEC))
      r = ask_node(s, n, NEAP_EXEC, key, attempt, 0);
    if (!r.failed || r.fatal)
      return r;
    if (r.failure.final || attempt + 1 == n->opts.max_attempts ||
        (n->opts.max_retry_after_ns > 0 &&
         r.failure.retry_after_ns > n->opts.max_retry_after_ns))
      break;
    uint64_t delay = delay_of(n, attempt, &r.failure);
    if (delay > 0)
      model_tell(s, key, NEAP_DO_WAIT, 0, attempt, delay);
  }
  if (!has(n, NEAP_FALLBACK))
    return r;
  r = ask_node(s, n, NEAP_FALLBACK, key, 0, 0);
  r.action = NULL; /* it was no walk */
  return r;
}

/* Of a batch or a parallel. */
static result items(story *s, const plan_node *n, uint64_t key) {
  model_tell(s, key, NEAP_DO_ITEMS, 0, 0, 0);
  host_answer list = model_answer(s->plan, n, NEAP_DO_ITEMS, NEAP_PREP, key, 0);
  if (list.reply == HOST_FAIL)
    return (result){.failed = true, .failure = list.failure};
  uint64_t count = is_parallel(n) ? (uint64_t)n->branch_count : list.count;
  uint64_t i = 0, failed = 0;
  for (; i < count; i++) {
    model_tell(s, key, NEAP_DO_FETCH, 0, 0, i);
    host_answer item =
        model_answer(s->plan, n, NEAP_DO_FETCH, NEAP_PREP, key, i);
    if (item.reply == HOST_NONE)
      break;
    result r = {.failed = item.reply == HOST_FAIL, .failure = item.failure};
    if (r.failed && !item.failure.item)
      return r;
    if ((r.failed || !is_parallel(n)) && !takes_step(s))
      return past_limit;
    if (!r.failed)
      r = execute(s, n, host_item_key(key, i), i);
    if (r.failed && (r.fatal || !n->opts.collect))
      return r;
    model_tell(s, key, NEAP_DO_ITEM_END, r.failed, 0, i);
    failed += r.failed;
  }
  return (result){.counts = model_counts(i, failed)};
}

static result phases(story *s, const plan_node *n, uint64_t key, bool alone) {
  result r = {0};
  if (has(n, NEAP_PREP))
    r = ask_node(s, n, NEAP_PREP, key, 0, 0);
  if (r.failed)
    return r;
  bool has_items = n->opts.kind == NEAP_BATCH_NODE ||
                   n->opts.kind == NEAP_BATCH_FLOW || is_parallel(n);
  r = has_items ? items(s, n, key) : execute(s, n, key, 0);
  if (r.failed)
    return r;
  if (has(n, NEAP_POST))
    return ask_node(s, n, NEAP_POST, key, 0, r.counts);
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
  model_tell(s, key, NEAP_DO_ENTER, node, 0, 0);
  result r = phases(s, &s->plan->nodes[node], key, alone);
  if (r.failed)
    leave(s, key, true, NULL);
  return r;
}

result model_run(story *s) {
  result r = visit(s, 0, 1, true);
  if (!r.failed)
    leave(s, 1, false, r.action);
  return r;
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

static const char *const names[NODES] = {"n0", "n1", "n2", "n3",
                                         "n4", "n5", "n6"};

void model_make(plan *p, plan_sort sort, uint64_t seed) {
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
    o->name = names[i];
    o->methods = below(&random, 16);
    o->max_attempts = chance(&random, 40) ? 3 : 1;
    o->wait_ns = chance(&random, 50) ? 10 : 0;
    o->backoff = 2;
    o->max_wait_ns = chance(&random, 50) ? 15 : 0;
    o->max_retry_after_ns = chance(&random, 30) ? 90 : 0;
    o->timeout_ns = chance(&random, 20) ? HOUR : 0;
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

int model_wire(const plan *p, neap_flow *flow, neap_node *const *nodes) {
  int status = 0;
  for (int i = 0; status == 0 && i < NODES; i++) {
    const plan_node *n = &p->nodes[i];
    if (model_walks(n))
      status = neap_flow_start(flow, nodes[i], nodes[n->start]);
    for (int b = 0; status == 0 && b < n->branch_count; b++)
      status = neap_flow_branch(flow, nodes[i], nodes[n->branches[b]]);
    for (int a = 0; status == 0 && a < 4; a++)
      if (n->wires[a] != UNWIRED)
        status = neap_flow_wire(
            flow, nodes[i], model_actions[a], strlen(model_actions[a]),
            a % 2 == 0, n->wires[a] == ENDS ? NULL : nodes[n->wires[a]]);
  }
  return status < 0 ? status : neap_flow_seal(flow);
}

static int compare_events(const void *a, const void *b) {
  return memcmp(a, b, sizeof(event));
}

void model_compare(story *expected, story *actual) {
  if (expected->plan->sort == STOPPING)
    return;
  if (expected->plan->sort == COLLECTING) {
    qsort(expected->events, expected->count, sizeof(event), compare_events);
    qsort(actual->events, actual->count, sizeof(event), compare_events);
  }
  for (size_t i = 0; i < expected->count && i < actual->count; i++)
    if (compare_events(&expected->events[i], &actual->events[i]) != 0)
      fail_msg("seed %llu: event %zu is %d (%d) instead of %d (%d)",
               (unsigned long long)expected->plan->seed, i,
               actual->events[i].what, actual->events[i].phase,
               expected->events[i].what, expected->events[i].phase);
  assert_int_equal(expected->count, actual->count);
  if (!expected->plan->driven)
    assert_int_equal(expected->steps, actual->steps);
}
