/* The run against a model: random graphs whose nodes end as they like.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "failing_alloc.h"
#include "run_model.h"

enum { CASES = 2000 }; /* of each kind */

static host_answer decide(host_task *task, const neap_step *step) {
  const story *s = task->host->ud;
  uint64_t key = task->scopes[step->depth].key;
  uint64_t number = step->what == NEAP_DO_FETCH ? step->index
                    : step->phase == NEAP_EXEC  ? step->attempt
                                                : 0;
  return model_answer(s->plan, neap_node_data(step->node), step->what,
                      step->phase, key, number);
}

/* Whether the begin or the end of a visit has been told. */
static bool is_told(const story *s, neap_do what, uint64_t key) {
  for (size_t i = 0; i < s->count; i++)
    if (s->events[i].what == (int)what && s->events[i].key == key)
      return true;
  return false;
}

static void watch(host_task *task, const neap_step *step) {
  story *s = task->host->ud;
  uint64_t key = task->scopes[step->depth].key, since, items, failed;
  const plan_node *n;
  switch (step->what) {
  case NEAP_DO_ENTER:
    n = neap_node_data(step->node);
    if (neap_run_redoes(task->run)) {
      assert_false(is_told(s, NEAP_DO_LEAVE, key));
    } else {
      assert_false(is_told(s, NEAP_DO_ENTER, key));
      model_tell(s, key, step->what, (int)(n - s->plan->nodes), 0, 0);
    }
    if (model_is_watched(s->plan, key))
      assert_true(neap_run_watch(task->run, key) > 0);
    break;
  case NEAP_DO_RESUME:
    assert_true(neap_run_watch(task->run, key) > 0);
    if (!model_is_watched(s->plan, key))
      neap_run_unwatch(task->run, step->depth);
    break;
  case NEAP_DO_LEAVE:
    assert_true(neap_run_visit(task->run, step->depth, &since) > 0);
    assert_true(since == key);
    model_tell(s, key, step->what,
               step->failed ? -1 : model_number(step->action), 0, 0);
    break;
  case NEAP_DO_CALL:
    neap_run_counts(task->run, step->depth, &items, &failed);
    model_tell(s, key, step->what, (int)step->phase,
               step->phase == NEAP_EXEC ? step->attempt : 0,
               step->phase == NEAP_POST ? model_counts(items, failed) : 0);
    break;
  case NEAP_DO_RETURN:
    n = neap_node_data(step->node);
    if (n->opts.kind == NEAP_PARALLEL)
      model_tell(s, key, step->what, model_number(step->action), 0, 0);
    break;
  case NEAP_DO_WAIT:
    model_tell(s, key, step->what, 0, step->attempt, step->delay_ns);
    break;
  case NEAP_DO_ITEMS:
    model_tell(s, key, step->what, 0, 0, 0);
    break;
  case NEAP_DO_WARN:
    model_tell(s, key, step->what, (int)step->phase, 0, 0);
    break;
  case NEAP_DO_FETCH:
    if (neap_run_redoes(task->run))
      break;
    model_tell(s, key, step->what, 0, 0, step->index);
    break;
  case NEAP_DO_ITEM_END:
    model_tell(s, task->scopes[step->depth - 1].key, step->what, step->failed,
               0, step->index);
    break;
  case NEAP_DO_END:
    if (task->number == 0)
      s->steps = neap_run_steps(task->run);
    if (task->number == 0 && !step->failed)
      s->action = model_actions[model_number(step->action)];
    break;
  default:
    break;
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
  if (status < 0)
    return status;
  *root = nodes[0];
  return model_wire(p, *flow, nodes);
}

/* Forgets events that have been told before: what is done again after a death
 * is told again. */
static void forget_repeated(story *s) {
  enum { PLACES = 4 * EVENTS };
  static size_t places[PLACES]; /* a hash table of position + 1 */
  memset(places, 0, sizeof places);
  size_t count = 0;
  for (size_t i = 0; i < s->count; i++) {
    const event *e = &s->events[i];
    uint64_t hash = host_mix(e->key, e->number);
    hash = host_mix(hash, e->attempt);
    hash = host_mix(hash, (uint64_t)e->what * 16 + (uint64_t)e->phase);
    size_t at = hash % PLACES;
    while (places[at] > 0 &&
           memcmp(&s->events[places[at] - 1], e, sizeof *e) != 0)
      at = (at + 1) % PLACES;
    if (places[at] > 0)
      continue;
    s->events[count++] = *e;
    places[at] = count;
  }
  s->count = count;
}

static int deaths;

/* Lets the engine tell a story; *memory holds what allocations there were. */
static int play(story *s, const plan *p, host_death death,
                failing_state *memory, long fail_at) {
  neap_alloc alloc = failing_alloc(memory, fail_at);
  s->plan = p;
  s->count = 0;
  s->action = NULL;
  neap_flow *flow;
  neap_node *root;
  int status = build(p, &alloc, &flow, &root);
  if (status == 0) {
    host h = {.ud = s, .decide = decide, .watch = watch, .death = death};
    neap_run_opts opts = NEAP_RUN_OPTS_INIT;
    if (p->sort == IN_SEQUENCE)
      opts.max_steps = p->max_steps;
    status = host_run(&h, flow, root, &opts);
    deaths += h.deaths;
  }
  neap_flow_free(flow);
  assert_int_equal(0, memory->live);
  return status;
}

/* Tries one plan; false when it leads too far to be told. */
static bool try_plan(const plan *p, host_death death) {
  static story expected, actual;
  memset(&expected, 0, sizeof expected); /* too large for a literal */
  expected.plan = p;
  result r = model_run(&expected);
  if (r.fatal && p->sort != IN_SEQUENCE)
    return false;
  failing_state memory;
  int status = play(&actual, p, death, &memory, 0);
  assert_int_equal(r.failed ? NEAP_EFAILED : 0, status);
  if (!r.failed)
    assert_string_equal(r.action ? r.action : "default", actual.action);
  if (death == HOST_DIES_ANYWHERE)
    forget_repeated(&actual);
  model_compare(&expected, &actual);
  /* Once more, with one allocation that fails: it ends, and leaves nothing. */
  play(&actual, p, death, &memory,
       1 + (long)(p->seed % (uint64_t)memory.calls));
  assert_true(memory.failed);
  return true;
}

static void try_many(plan_sort sort, host_death death) {
  int tried = 0, failed = 0;
  deaths = 0;
  for (uint64_t seed = 1; tried < CASES; seed++) {
    plan p;
    model_make(&p, sort, seed);
    if (try_plan(&p, death))
      tried++;
    else
      failed++;
    assert_in_range(failed, 0, CASES);
  }
  if (death != HOST_LIVES)
    assert_true(deaths > CASES);
}

static void in_sequence_every_step_is_as_the_model_says(void **state) {
  (void)state;
  try_many(IN_SEQUENCE, HOST_LIVES);
}

static void workers_do_what_one_run_would_do(void **state) {
  (void)state;
  try_many(COLLECTING, HOST_LIVES);
}

static void workers_that_stop_each_other_end_alike(void **state) {
  (void)state;
  try_many(STOPPING, HOST_LIVES);
}

static void in_sequence_each_visit_may_be_the_last_of_its_host(void **state) {
  (void)state;
  try_many(IN_SEQUENCE, HOST_DIES_AT_ENTER);
}

static void in_sequence_a_host_may_die_anywhere(void **state) {
  (void)state;
  try_many(IN_SEQUENCE, HOST_DIES_ANYWHERE);
}

static void workers_may_die_anywhere(void **state) {
  (void)state;
  try_many(COLLECTING, HOST_DIES_ANYWHERE);
}

static void workers_that_stop_each_other_may_die_anywhere(void **state) {
  (void)state;
  try_many(STOPPING, HOST_DIES_ANYWHERE);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(in_sequence_every_step_is_as_the_model_says),
      cmocka_unit_test(workers_do_what_one_run_would_do),
      cmocka_unit_test(workers_that_stop_each_other_end_alike),
      cmocka_unit_test(in_sequence_each_visit_may_be_the_last_of_its_host),
      cmocka_unit_test(in_sequence_a_host_may_die_anywhere),
      cmocka_unit_test(workers_may_die_anywhere),
      cmocka_unit_test(workers_that_stop_each_other_may_die_anywhere),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
