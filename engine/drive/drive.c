/* The driver: takes the steps of runs whose nodes are functions in C.
 * SPDX-License-Identifier: MIT
 *
 * The work of a run that neap_start has begun is done by walkers: one for the
 * run itself, and one for each run that the state machine asks for, which is an
 * attempt with a time limit or a worker of a batch. A walker takes the steps of
 * its run until it has to wait; its operation wakes it. So walkers interleave
 * as tasks do, and none ever calls another.
 *
 * The call of a phase, an event and the freeing of results run code of the
 * host's. It may do anything but end a walker: a run that it cancels ends in a
 * delivery of its own.
 */
#include "base/opts.h"
#include "base/units.h"
#include "course.h"
#include "flow/flow.h"
#include "loop/clock.h"
#include "loop/engine.h"
#include "loop/home.h"
#include "loop/loop.h"
#include "tell.h"

/* How many steps a walker takes before others, and I/O, get their turn. */
enum { STEPS_IN_TURN = 256 };

typedef neap__walker walker;

static neap_engine *engine_of(const walker *w) {
  return w->course->engine;
}

/* The walker waits until somebody wakes it. */
static const neap_step *rest(walker *w, neap__waiting waiting) {
  w->waiting = (uint8_t)waiting;
  return NULL;
}

/* The run has been answered with a failure: the visits that it has ended are
 * left, and what follows is told. */
static const neap_step *unwound(walker *w, const neap_step *next) {
  while (next->what == NEAP_DO_LEAVE) {
    neap__tell_leave(engine_of(w), w->run);
    next = neap_run_ok(w->run);
  }
  neap__tell_failure(engine_of(w), w->run);
  return next;
}

/* Answers with the failure that the walker has. */
static const neap_step *fail(walker *w) {
  return unwound(w, neap_run_fail(w->run, &w->reason.failure));
}

static const neap_step *fail_as(walker *w, int status) {
  neap__walker_forget_failure(w);
  w->reason.status = status;
  return fail(w);
}

/* Answers with the failure of a walker that has worked for it. */
static const neap_step *fail_with(walker *w, walker *child) {
  neap__walker_forget_failure(w);
  w->reason = neap__reason_take(&child->reason);
  w->place = child->place;
  w->path = child->path;
  child->path = NULL;
  return fail(w);
}

static const neap_step *enter(walker *w, const neap_step *step) {
  int status = neap__walker_visit(w, step);
  if (status < 0)
    return fail_as(w, status);
  neap__tell_enter(engine_of(w), w->run);
  return neap_run_ok(w->run);
}

/* Whose batch a walker fetches from. */
static walker *owner_of(walker *w) {
  return w->base && neap_run_step(w->run)->depth == 0 ? w->parent : w;
}

/* Gives the turn to fetch to the next walker in line; to all of them when
 * nothing is left to fetch. */
static void pass_turn(walker *w, bool all) {
  walker *owner = owner_of(w);
  while (!neap__list_empty(&owner->turns)) {
    walker *next = NEAP__ITEM(owner->turns.next, walker, line);
    neap__list_remove(&next->line);
    neap__walker_wake(next);
    if (!all)
      return;
  }
}

/* Between two turns of this walker, who was fetching may have ended that. So
 * the run is asked once more before it waits. */
static const neap_step *wait_for_turn(walker *w) {
  const neap_step *step = neap_run_ok(w->run);
  if (step->what != NEAP_DO_TURN)
    return step;
  neap__list_append(&owner_of(w)->turns, &w->line);
  return rest(w, NEAP__IN_LINE);
}

/* An item has been fetched, or has not: begins it, and lets others fetch. */
static int fetched(walker *w, neap_call *call, int status) {
  const neap_step *step = neap_run_step(w->run);
  bool is_branch = neap__node_is_parallel(step->node);
  bool found = status == 0 && (call->has_fetched || is_branch);
  bool refused = status < 0 && call->reason.failure.item;
  if (found)
    status = neap__walker_item(w, step);
  pass_turn(w, status < 0 ? !refused : !found);
  if ((status == 0 && found && !is_branch) || refused)
    neap__tell_item_start(engine_of(w), w->run);
  return status;
}

/* A step has been done with a call, with this status. Returns the next, or NULL
 * when the walker waits. */
static const neap_step *done(walker *w, neap_call *call, int status) {
  if (status == NEAP_LATER) {
    w->active = call;
    neap_call_wait(call, &w->op);
    return rest(w, NEAP__CALLING);
  }
  const neap_step *step = neap_run_step(w->run);
  w->active = NULL;
  if (step->what == NEAP_DO_FETCH)
    status = fetched(w, call, status);
  neap__walker_forget_failure(w);
  if (status < 0) {
    w->reason = neap__reason_take(&call->reason);
    w->reason.status = status;
    return fail(w);
  }
  if (step->what == NEAP_DO_ITEMS && !neap__node_is_parallel(step->node))
    neap__tell_items(engine_of(w), w->run, neap__call_count(call));
  return neap_call_answer(call, w->run);
}

static const neap_step *do_step(walker *w, const neap_step *step) {
  neap_call *call = neap__walker_call(w, step->depth);
  if (step->what == NEAP_DO_CALL && step->phase == NEAP_FALLBACK) {
    neap__reason_clear(&call->earlier, &call->alloc);
    call->earlier = neap__reason_take(&w->reason);
  }
  return done(w, call, neap_call_do(call, w->run));
}

static const neap_step *sleep_on(walker *w, const neap_step *step) {
  neap_engine *engine = engine_of(w);
  neap_sleep_until(engine, &w->op,
                   neap__time_after(neap_now(engine), step->delay_ns));
  return rest(w, NEAP__SLEEPING);
}

/* An attempt by a walker of its own has succeeded. */
static const neap_step *take_attempt(walker *w, const neap_step *step,
                                     walker *child) {
  neap_call *call = neap__walker_call(w, step->depth);
  const neap_step *last = neap_run_step(child->run);
  neap__walker_forget_failure(w);
  neap_call_adopt(call, child->calls[0]);
  if (!neap__node_walks(step->node))
    return neap_run_ok(w->run);
  /* The bytes of the action end with the child. */
  int status = neap__call_keep_action(call, last->action, last->action_size);
  if (status < 0)
    return fail_as(w, status);
  return neap_run_action(w->run, last->action ? call->action : NULL,
                         last->action_size);
}

/* Takes the outcome of a walker that has ended, or waits for one. Of the
 * failures of workers, the first counts. */
static const neap_step *join(walker *w, const neap_step *step) {
  if (neap__list_empty(&w->ended))
    return rest(w, NEAP__JOINING);
  walker *child = NEAP__ITEM(w->ended.next, walker, sibling);
  bool is_attempt = step->what == NEAP_DO_ATTEMPT;
  bool has_failed = !is_attempt && step->failed; /* and that counts */
  const neap_step *next;
  if (child->failed && !has_failed)
    next = fail_with(w, child);
  else if (is_attempt)
    next = take_attempt(w, step, child);
  else if (child->failed)
    next = fail(w);
  else
    next = has_failed ? unwound(w, neap_run_ok(w->run)) : neap_run_ok(w->run);
  neap__walker_free(child);
  return next;
}

static const neap_step *attempt(walker *w, const neap_step *step) {
  if (!neap__list_empty(&w->ended))
    return join(w, step);
  neap_engine *engine = engine_of(w);
  neap_run_opts opts = NEAP_RUN_OPTS_INIT;
  opts.root = NEAP_ROOT_ATTEMPT;
  walker *child;
  int status = neap__walker_new(w->course, w, NULL, &opts, &child);
  if (status < 0)
    return fail_as(w, status);
  status = neap__walker_attempt(child, neap__walker_call(w, step->depth));
  if (status < 0) {
    neap__walker_free(child);
    return fail_as(w, status);
  }
  uint64_t timeout = neap_node_timeout(step->node);
  neap_sleep_until(engine, &child->limit,
                   neap__time_after(neap_now(engine), timeout));
  neap__walker_wake(child);
  return rest(w, NEAP__JOINING);
}

static const neap_step *fork_workers(walker *w, const neap_step *step) {
  walker *owner = owner_of(w);
  for (uint32_t i = 0; i < step->count; i++) {
    neap_run_opts opts = NEAP_RUN_OPTS_INIT;
    opts.root = NEAP_ROOT_WORKER;
    walker *child;
    int status = neap__walker_new(w->course, owner, NULL, &opts, &child);
    if (status < 0) {
      while (owner == w && !neap__list_empty(&w->children))
        neap__walker_free(NEAP__ITEM(w->children.next, walker, sibling));
      return fail_as(w, status);
    }
    child->base = neap__walker_call(w, step->depth);
    neap__walker_wake(child);
  }
  return neap_run_ok(w->run);
}

static const neap_step *stop_workers(walker *w) {
  while (!neap__list_empty(&w->children))
    neap__walker_stop(NEAP__ITEM(w->children.next, walker, sibling),
                      NEAP_ECANCELED);
  return neap_run_ok(w->run);
}

static void late(neap_op *op) {
  walker *child = op->data, *parent = child->parent;
  neap__walker_stop(child, NEAP_ETIMEDOUT);
  if (parent->waiting == NEAP__JOINING)
    neap__walker_wake(parent);
}

static const neap_step *end_item(walker *w, const neap_step *step) {
  if (!step->failed)
    neap_call_adopt(w->calls[step->depth]->outer, w->calls[step->depth]);
  neap__walker_clear(w, step->depth);
  neap__walker_forget_failure(w);
  neap__tell_item_end(engine_of(w), w->run);
  return neap_run_ok(w->run);
}

static const neap_step *take(walker *w, const neap_step *step) {
  switch (step->what) {
  case NEAP_DO_ENTER:
    return enter(w, step);
  case NEAP_DO_CALL:
  case NEAP_DO_ITEMS:
  case NEAP_DO_FETCH:
    return do_step(w, step);
  case NEAP_DO_WAIT:
    return sleep_on(w, step);
  case NEAP_DO_ATTEMPT:
    return attempt(w, step);
  case NEAP_DO_FORK:
    return fork_workers(w, step);
  case NEAP_DO_JOIN:
    return join(w, step);
  case NEAP_DO_STOP:
    return stop_workers(w);
  case NEAP_DO_TURN:
    return wait_for_turn(w);
  case NEAP_DO_ITEM_END:
    return end_item(w, step);
  case NEAP_DO_RAISE:
    return fail_as(w, step->status);
  case NEAP_DO_WARN:
    neap__tell_warning(engine_of(w), w->run);
    break;
  case NEAP_DO_LEAVE:
    neap__tell_leave(engine_of(w), w->run);
    break;
  case NEAP_DO_RETURN:
  case NEAP_DO_RESUME: /* it does not load runs */
  case NEAP_DO_END:
    break;
  }
  return neap_run_ok(w->run);
}

/* The run of a walker has ended. */
static void end(walker *w, const neap_step *step) {
  walker *parent = w->parent;
  w->failed = step->failed;
  if (w->failed && w->reason.status == 0)
    w->reason.status = step->status;
  if (!parent) {
    neap__course_end(w->course, step);
    return;
  }
  if (w->failed)
    neap__walker_note_place(w);
  neap_op_forget(&w->limit);
  neap__list_remove(&w->sibling);
  neap__list_append(&parent->ended, &w->sibling);
  if (parent->waiting == NEAP__JOINING)
    neap__walker_wake(parent);
}

/* Whether the slice in force, if there is one, has used its budget. */
static bool slice_is_over(const neap_engine *engine) {
  return engine->slice_until != 0 && engine->slice_until != NEAP_FOREVER &&
         neap__clock_real_now() >= engine->slice_until;
}

/* Lets a walker go on until it waits, or its run has ended. */
static void advance(walker *w, const neap_step *step) {
  for (int count = 0; step; count++) {
    if (step->what == NEAP_DO_END) {
      end(w, step);
      return;
    }
    if (count == STEPS_IN_TURN || (count > 0 && slice_is_over(engine_of(w)))) {
      neap__walker_wake(w);
      return;
    }
    step = take(w, step);
  }
}

static void woken(neap_op *op) {
  walker *w = op->data;
  neap__waiting waiting = (neap__waiting)w->waiting;
  w->waiting = NEAP__READY;
  if (waiting == NEAP__CALLING)
    advance(w, done(w, w->active, neap_call_settle(w->active)));
  else if (waiting == NEAP__SLEEPING)
    advance(w, neap_run_ok(w->run));
  else
    advance(w, neap_run_step(w->run));
}

static const neap_node *first_node(const neap_flow *flow) {
  const neap_node *node = flow->nodes;
  while (node && node->next)
    node = node->next;
  return node;
}

int neap_start(neap_engine *engine, neap_flow *flow,
               const neap_start_opts *opts, neap_token *run) {
  neap_start_opts o = {0};
  const size_t first = NEAP__SIZE_WITH(neap_start_opts, data);
  if (!neap__home_allows(engine) || !flow || !run || !flow->sealed ||
      (opts && neap__opts_take(&o, sizeof o, first, opts) < 0))
    return neap__home_fault(engine);
  if (!o.node)
    o.node = first_node(flow);
  if (!o.node || o.compute_limit_ns != 0)
    return NEAP_EINVAL;
  if (engine->is_closing)
    return NEAP_ECLOSED;
  neap__course *course;
  int status = neap__course_new(engine, flow, &o, woken, late, &course, run);
  if (status == 0)
    neap__walker_wake(course->root);
  return status;
}

int neap_complete(neap_engine *engine, neap_token token, int status) {
  if (!engine || (status > 0 && !neap__home_is_left(engine)))
    return NEAP_EINVAL;
  return neap__token_send(engine, token, NEAP__TOKEN_PHASE, status);
}

int neap_cancel(neap_engine *engine, neap_token run) {
  if (!engine)
    return NEAP_EINVAL;
  return neap__token_send(engine, run, NEAP__TOKEN_RUN, 0);
}
