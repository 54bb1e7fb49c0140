/* A host of the smallest kind, which drives a run and those it asks for.
 * SPDX-License-Identifier: MIT */
#include "run_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

uint64_t host_mix(uint64_t a, uint64_t b) {
  uint64_t z =
      (a ^ (b + 1) * UINT64_C(0x9e3779b97f4a7c15)) * 0x2545f4914f6cdd1d;
  return z ^ z >> 29;
}

/* Makes a run and gives it its turns from now on. */
static int add_task(host *h, const neap_node *node, const neap_run_opts *opts,
                    host_task *parent) {
  neap_run *run;
  int status = neap_run_new(h->flow, node, opts, &run);
  if (status < 0)
    return status;
  host_task *task = calloc(1, sizeof *task);
  assert_non_null(task);
  task->host = h;
  task->run = run;
  task->parent = parent;
  task->root = opts->root;
  task->number = h->count++;
  if (h->last)
    h->last->next = task;
  else
    h->tasks = task;
  h->last = task;
  return 0;
}

/* Whom a run works for that `task` asks for: a worker asks on behalf of its
 * parent. */
static host_task *parent_of(host_task *task, const neap_step *step) {
  bool is_worker = task->root == NEAP_ROOT_WORKER && step->depth == 0;
  return is_worker && step->what == NEAP_DO_FORK ? task->parent : task;
}

/* Makes a run that `task` has asked for. */
static int add_child(host_task *task, const neap_step *step, neap_root root) {
  host_task *parent = parent_of(task, step);
  neap_run_opts opts = NEAP_RUN_OPTS_INIT;
  opts.root = root;
  opts.parent = parent->run;
  int status = add_task(task->host, NULL, &opts, parent);
  if (status < 0)
    return status;
  assert_ptr_equal(parent->run, neap_run_parent(task->host->last->run));
  host_scope *scope = &task->host->last->scopes[0];
  scope->key = task->scopes[step->depth].key;
  scope->attempt = step->attempt;
  return 0;
}

/* Frees the run of a task and those it has asked for, ended or not. */
static void stop(host_task *task) {
  for (host_task *t = task->next; t; t = t->next)
    if (t->parent == task && t->run)
      stop(t);
  neap_run_free(task->run);
  task->run = NULL;
}

/* The child that has ended first of those not joined; NULL: none has. */
static host_task *ended_child(const host_task *task) {
  host_task *first = NULL;
  for (host_task *t = task->next; t; t = t->next)
    if (t->parent == task && t->run && t->ended_at > 0 &&
        (!first || t->ended_at < first->ended_at))
      first = t;
  return first;
}

static bool has_child(const host_task *task) {
  for (const host_task *t = task->next; t; t = t->next)
    if (t->parent == task && t->run)
      return true;
  return false;
}

/* Another run is fetching from the batch that `task` works on. */
static bool must_wait_for_turn(const host_task *task) {
  for (const host_task *t = task->host->tasks; t; t = t->next)
    if (t->parent == task->parent && t->run && t != task &&
        neap_run_step(t->run)->what == NEAP_DO_FETCH)
      return true;
  return false;
}

/* Opens the scope of the visit or the item that begins. */
static void open_scope(host_task *task, const neap_step *step) {
  if (step->what == NEAP_DO_FETCH) {
    uint64_t key = task->scopes[step->depth].key;
    task->scopes[step->depth + 1] =
        (host_scope){.key = host_mix(key, step->index)};
  } else if (step->depth == 0) {
    task->scopes[0] = (host_scope){.key = 1};
  } else {
    host_scope *outer = &task->scopes[step->depth - 1];
    if (task->unwound) {
      outer->attempt++;
      outer->last = 0;
    }
    if (outer->last == 0)
      outer->last = host_mix(outer->key, outer->attempt);
    outer->last = host_mix(outer->last, 1);
    task->scopes[step->depth] = (host_scope){.key = outer->last};
  }
}

static void answer_fail(host_task *task, const neap_failure *failure) {
  const neap_step *step = neap_run_step(task->run);
  bool is_first = step->what != NEAP_DO_JOIN || !step->failed;
  if (is_first)
    task->failure = failure ? *failure : (neap_failure){0};
  task->seen = false;
  task->unwound = true;
  neap_run_fail(task->run, failure);
}

static void answer_ok(host_task *task, const neap_step *step) {
  if (step->what == NEAP_DO_FETCH)
    open_scope(task, step);
  if (step->what != NEAP_DO_STOP && step->what != NEAP_DO_LEAVE)
    task->unwound = step->what == NEAP_DO_WAIT ||
                    (step->what == NEAP_DO_JOIN && step->failed);
  task->seen = false;
  neap_run_ok(task->run);
}

/* Reports how a child has ended and is done with it. */
static void report(host_task *task, const neap_step *step, host_task *child) {
  neap_failure failure = child->failure;
  const neap_step *end = neap_run_step(child->run);
  const char *action = end->action;
  size_t size = end->action_size;
  neap_kind kind = neap_node_kind(step->node);
  stop(child);
  if (child->failed) {
    answer_fail(task, &failure);
  } else if (step->what == NEAP_DO_ATTEMPT &&
             (kind == NEAP_FLOW || kind == NEAP_BATCH_FLOW)) {
    task->seen = task->unwound = false;
    neap_run_action(task->run, action, size);
  } else {
    answer_ok(task, step);
  }
}

static bool follow(host_task *task, const neap_step *step) {
  host_answer answer = task->host->decide(task, step);
  if (answer.reply == HOST_LATER)
    return true;
  if (answer.reply == HOST_NEVER) {
    task->stuck = true;
    return false;
  }
  if (answer.reply == HOST_FAIL) {
    answer_fail(task, &answer.failure);
    return true;
  }
  if (answer.reply == HOST_OK) {
    answer_ok(task, step);
    return true;
  }
  task->seen = task->unwound = false;
  if (answer.reply == HOST_NONE)
    neap_run_none(task->run);
  else if (answer.reply == HOST_ITEMS)
    neap_run_items(task->run, answer.count);
  else
    neap_run_action(task->run, answer.action, strlen(answer.action));
  return true;
}

static bool attempt(host_task *task, const neap_step *step) {
  host_task *child = ended_child(task);
  if (child)
    report(task, step, child);
  else if (has_child(task))
    return false;
  else if (add_child(task, step, NEAP_ROOT_ATTEMPT) < 0)
    answer_fail(task, NULL);
  return true;
}

static void fork_workers(host_task *task, const neap_step *step) {
  for (uint32_t i = 0; i < step->count; i++) {
    if (add_child(task, step, NEAP_ROOT_WORKER) == 0)
      continue;
    for (host_task *t = task->next; t; t = t->next)
      if (t->parent == task && t->run)
        stop(t);
    answer_fail(task, NULL);
    return;
  }
  answer_ok(task, step);
}

static bool join(host_task *task, const neap_step *step) {
  host_task *child = ended_child(task);
  if (child)
    report(task, step, child);
  return child;
}

/* A run that is cancelled has failed, as far as who waits for it sees. */
static void cancel_children(host_task *task) {
  for (host_task *t = task->next; t; t = t->next)
    if (t->parent == task && t->run && t->ended_at == 0) {
      for (host_task *inner = t->next; inner; inner = inner->next)
        if (inner->parent == t && inner->run)
          stop(inner);
      t->ended_at = ++task->host->clock;
      t->failed = true;
    }
}

/* What must hold at each step. */
static void check_step(host_task *task, const neap_step *step) {
  bool is_item;
  uint64_t index;
  if (step->what == NEAP_DO_END)
    return;
  assert_ptr_equal(step->node,
                   neap_run_node_at(task->run, step->depth, &is_item, &index));
  if (is_item && step->what != NEAP_DO_ENTER)
    assert_true(step->what == NEAP_DO_WAIT || index == step->index);
  uint64_t *note = neap_run_note(task->run, step->depth);
  if (step->what == NEAP_DO_ENTER)
    assert_true(*note == 0);
  ++*note;
}

/* Lets a run go one step; false when it has to wait for another. */
static bool advance(host_task *task) {
  const neap_step *step = neap_run_step(task->run);
  if (!task->seen) {
    task->seen = true;
    check_step(task, step);
    if (step->what == NEAP_DO_ENTER)
      open_scope(task, step);
    task->host->watch(task, step);
  }
  switch (step->what) {
  case NEAP_DO_CALL:
  case NEAP_DO_ITEMS:
  case NEAP_DO_FETCH:
    return follow(task, step);
  case NEAP_DO_ATTEMPT:
    return attempt(task, step);
  case NEAP_DO_FORK:
    fork_workers(task, step);
    return true;
  case NEAP_DO_JOIN:
    return join(task, step);
  case NEAP_DO_STOP:
    cancel_children(task);
    break;
  case NEAP_DO_TURN:
    if (must_wait_for_turn(task))
      return false;
    break;
  case NEAP_DO_RAISE:
    answer_fail(task, NULL);
    return true;
  case NEAP_DO_END:
    task->ended_at = ++task->host->clock;
    task->failed = step->failed;
    return true;
  default:
    break;
  }
  answer_ok(task, step);
  return true;
}

/* Lets the timeout of the attempt that was the last to begin pass. */
static void pass_timeout(host *h) {
  host_task *found = NULL;
  for (host_task *t = h->tasks; t; t = t->next)
    if (t->run && t->ended_at == 0 &&
        neap_run_step(t->run)->what == NEAP_DO_ATTEMPT)
      found = t;
  if (!found) {
    fail_msg("the runs wait for each other");
    return;
  }
  assert_true(neap_node_timeout(neap_run_step(found->run)->node) > 0);
  for (host_task *t = found->next; t; t = t->next)
    if (t->parent == found && t->run)
      stop(t);
  answer_fail(found, NULL);
}

int host_run(host *h, neap_flow *flow, const neap_node *node,
             const neap_run_opts *opts) {
  h->flow = flow;
  h->tasks = h->last = NULL;
  h->count = 0;
  h->clock = 0;
  int status = add_task(h, node, opts, NULL);
  if (status < 0)
    return status;
  while (h->tasks->ended_at == 0) {
    bool progress = false;
    for (host_task *t = h->tasks; t; t = t->next)
      if (t->run && t->ended_at == 0 && !t->stuck)
        progress |= advance(t);
    if (!progress)
      pass_timeout(h);
  }
  for (host_task *t = h->tasks->next; t; t = t->next)
    assert_null(t->run); /* all were asked for, and none is left */
  status = h->tasks->failed ? NEAP_EFAILED : 0;
  stop(h->tasks);
  while (h->tasks) {
    host_task *task = h->tasks;
    h->tasks = task->next;
    free(task);
  }
  return status;
}
