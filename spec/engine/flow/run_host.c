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

uint64_t host_item_key(uint64_t key, uint64_t index) {
  return host_mix(host_mix(key, 1), index);
}

uint64_t host_attempt_key(uint64_t key, uint64_t attempt) {
  return host_mix(host_mix(key, 2), attempt);
}

uint64_t host_next_key(uint64_t key) {
  return host_mix(key, 3);
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
  *scope = task->scopes[step->depth];
  scope->attempt = step->attempt;
  task->scopes[step->depth].last = 0;
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

static uint64_t hash_name(const char *name) {
  uint64_t hash = 1;
  for (; *name; name++)
    hash = host_mix(hash, (unsigned char)*name);
  return hash;
}

/* Which visit is open at a depth, as a number that no other open visit has, nor
 * one of the same run in another process. A run that works for another begins
 * with the visit that the other is at. */
static uint64_t path_of(const neap_run *run, uint32_t depth) {
  uint64_t path = 0;
  const neap_run *parent = neap_run_parent(run);
  if (parent) {
    neap_place place;
    neap_run_place(parent, &place);
    path = path_of(parent, place.depth);
  }
  for (uint32_t i = parent ? 1 : 0; i <= depth; i++) {
    bool is_item;
    uint64_t index;
    const neap_node *node = neap_run_node_at(run, i, &is_item, &index);
    path = host_mix(path, is_item ? index : hash_name(neap_node_name(node)));
  }
  return path;
}

static void keep(host *h, uint64_t path, const host_scope *scope) {
  size_t i = 0;
  while (i < h->kept_count && h->kept[i].path != path)
    i++;
  if (i == h->kept_count) {
    if (h->kept_count == h->kept_room) {
      h->kept_room = h->kept_room * 2 + 64;
      h->kept = realloc(h->kept, h->kept_room * sizeof *h->kept);
      assert_non_null(h->kept);
    }
    h->kept_count++;
  }
  h->kept[i] = (host_kept){.path = path, .scope = *scope};
}

/* Keeps the scopes of all visits that are open. Those that have not been got
 * back since the last death stay. */
static void keep_all(host *h) {
  for (host_task *t = h->tasks; t; t = t->next) {
    if (!t->run || t->ended_at > 0)
      continue;
    neap_place place;
    neap_run_place(t->run, &place);
    uint32_t first = t->root == NEAP_ROOT_WORKER ? 1 : 0;
    for (uint32_t depth = first; depth <= place.depth; depth++)
      keep(h, path_of(t->run, depth), &t->scopes[depth]);
    const neap_step *step = neap_run_step(t->run);
    if (first == 1 && step->what == NEAP_DO_FORK && step->depth == 0)
      keep(h, host_mix(path_of(t->run, 0), step->index), &t->scopes[1]);
  }
}

/* Gets the scope of a visit or an item back, if it has been kept. */
static bool get_back(const host *h, uint64_t path, host_scope *scope) {
  for (size_t i = 0; i < h->kept_count; i++)
    if (h->kept[i].path == path) {
      *scope = h->kept[i].scope;
      return true;
    }
  return false;
}

/* Opens the scope of the visit or the item that begins. */
static void open_scope(host_task *task, const neap_step *step) {
  if (step->what == NEAP_DO_FETCH) {
    uint64_t key = task->scopes[step->depth].key;
    host_scope *scope = &task->scopes[step->depth + 1];
    *scope = (host_scope){.key = host_item_key(key, step->index)};
    if (neap_run_redoes(task->run))
      assert_true(get_back(
          task->host, host_mix(path_of(task->run, step->depth), step->index),
          scope));
  } else if (step->depth == 0) {
    task->scopes[0] = (host_scope){.key = 1};
  } else {
    host_scope *outer = &task->scopes[step->depth - 1];
    if (task->unwound) {
      outer->attempt++;
      outer->last = 0;
    }
    if (outer->last == 0)
      outer->last = host_attempt_key(outer->key, outer->attempt);
    outer->last = host_next_key(outer->last);
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
  const char *action = NULL;
  size_t size = end->action_size;
  neap_kind kind = neap_node_kind(step->node);
  if (end->what == NEAP_DO_END && end->action) {
    char *copy = task->scopes[step->depth].action; /* the bytes may be its */
    assert_in_range(size, 0, sizeof task->scopes->action - 1);
    memcpy(copy, end->action, size);
    copy[size] = '\0';
    action = copy;
  }
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
  if (step->what == NEAP_DO_ENTER || step->what == NEAP_DO_RESUME)
    assert_true(*note == 0);
  ++*note;
}

static bool chance(host *h, unsigned percent) {
  h->random = host_mix(h->random, 3);
  return (unsigned)(h->random >> 20) % 100 < percent;
}

/* Keeps what there is to be kept at a step, now and then. How an item has
 * failed it always keeps: else the item would be tried again. */
static void keep_result(host_task *task, const neap_step *step) {
  bool may_keep = step->what == NEAP_DO_CALL || step->what == NEAP_DO_ATTEMPT ||
                  step->what == NEAP_DO_WAIT || step->what == NEAP_DO_ITEM_END;
  bool must_keep = step->what == NEAP_DO_ITEM_END && step->failed;
  if (must_keep || (may_keep && chance(task->host, 30)))
    neap_run_keep(task->run);
}

/* Looks at a step that is new. */
static void look(host_task *task) {
  const neap_step *step = neap_run_step(task->run);
  if (task->seen)
    return;
  task->seen = true;
  check_step(task, step);
  if (step->what == NEAP_DO_RESUME ||
      (step->what == NEAP_DO_ENTER && neap_run_redoes(task->run)))
    assert_true(get_back(task->host, path_of(task->run, step->depth),
                         &task->scopes[step->depth]));
  else if (step->what == NEAP_DO_ENTER)
    open_scope(task, step);
  task->host->watch(task, step);
  if (task->host->death == HOST_DIES_ANYWHERE)
    keep_result(task, step);
}

/* Whether the host dies at the step that a run is at. */
static bool dies(host_task *task, const neap_step *step) {
  host *h = task->host;
  if (h->death == HOST_DIES_AT_ENTER)
    return step->what == NEAP_DO_ENTER && !neap_run_redoes(task->run);
  return h->death == HOST_DIES_ANYWHERE && h->deaths < HOST_DEATHS &&
         chance(h, 8);
}

/* Saves the run, frees all there is, and loads it, unless that is impossible
 * for now or for lack of memory. */
static bool rise_again(host_task *task) {
  host *h = task->host;
  host_task *first = task;
  while (first->parent)
    first = first->parent;
  static char bytes[1 << 16];
  size_t size;
  for (host_task *t = h->tasks; t; t = t->next)
    if (t->run && t->ended_at == 0)
      look(t);
  int status = neap_run_save(task->run, bytes, sizeof bytes, &size);
  if (status < 0) {
    assert_true(status == NEAP_EAGAIN || status == NEAP_EENDED);
    return false;
  }
  neap_load_opts opts = NEAP_LOAD_OPTS_INIT;
  opts.max_steps = h->max_steps;
  opts.data = neap_run_data(first->run);
  neap_run *run;
  status = neap_run_load(h->flow, h->root, bytes, size, &opts, NULL, &run);
  if (status < 0) {
    assert_int_equal(NEAP_ENOMEM, status);
    return false;
  }
  assert_int_equal(0, neap_run_save(run, bytes, sizeof bytes, &size));
  keep_all(h);
  stop(first);
  first->run = run;
  first->seen = first->stuck = first->unwound = false;
  h->deaths++;
  return true;
}

/* Lets a run go one step; false when it has to wait for another. */
static bool advance(host_task *task) {
  const neap_step *step = neap_run_step(task->run);
  bool is_new = !task->seen;
  look(task);
  if (is_new && dies(task, step) && rise_again(task))
    return true;
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
  h->root = node;
  h->max_steps = opts->max_steps;
  h->random = h->deaths = 0;
  h->kept = NULL;
  h->kept_count = h->kept_room = 0;
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
  free(h->kept);
  return status;
}
