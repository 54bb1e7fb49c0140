/* A run: the state machine that walks a flow.
 * SPDX-License-Identifier: MIT
 *
 * A run is a stack of frames, one for each visit that has begun and not ended.
 * The current step belongs to the top frame, whose `state` says what an answer
 * to it means. The answers (neap_run_ok and the like) are the only way in. Each
 * leads through the functions below to exactly one call of `set_step`. A
 * failure pops frames until one of them handles it: by another attempt, by a
 * fallback, or as a batch that collects what its items raise. The popped frames
 * stay in memory until the next visit begins, so that the host can say where
 * the run was.
 *
 * A parallel is a batch here: its items are its branches, and inside an item is
 * one visit instead of a walk.
 *
 * A run that has been loaded (load.c) begins at its outermost visit and goes
 * inwards: `resume` is the place at which it has to take up what is on top.
 *
 * The file is long because it is one machine: each function leads into others,
 * and none could be understood without the rest.
 */
#include "run.h"

#include "base/alloc.h"
#include "base/opts.h"
#include "flow.h"

#include <assert.h>
#include <string.h>

typedef neap__frame frame;
typedef neap__batch batch;
typedef neap__place place;

static const neap_step *begin_visit(neap_run *run, const neap_node *node);
static const neap_step *end_item(neap_run *run, bool failed);
static const neap_step *go_on_inside(neap_run *run);
static const neap_step *restore_visit(neap_run *run);
static const neap_step *unwind(neap_run *run, const neap_failure *failure);

static frame *top(neap_run *run) {
  return &run->frames[run->depth];
}

/* True of the first frame of a run that was made for one attempt or for some
 * items. The other phases of that visit are left to the parent. */
static bool is_partial(const neap_run *run) {
  return run->depth == 0 && run->root != NEAP_ROOT_VISIT;
}

/* True when a failure of exec in the top frame is no failure of its visit. */
static bool handles_failure(neap_run *run) {
  const frame *f = top(run);
  return !is_partial(run) && (f->attempt + 1 < f->node->opts.max_attempts ||
                              neap__node_has(f->node, NEAP_FALLBACK));
}

/* True when the visit on top is a branch of a parallel, where its successors do
 * not count. */
static bool is_branch(const neap_run *run) {
  return run->depth > 0 &&
         neap__node_is_parallel(run->frames[run->depth - 1].node);
}

/* True once `max_steps` has been passed. From then on no failure is caught: a
 * limit would be none if passing it could be retried or collected. */
static bool is_exhausted(const neap_run *run) {
  return run->top->steps > run->top->max_steps;
}

/* Sets the next step. `phase` matters to steps that have one. `caught`
 * foretells what `unwind` would do in this state. */
static const neap_step *set_step(neap_run *run, neap_do what, neap_phase phase,
                                 uint8_t state) {
  frame *f = top(run);
  f->state = state;
  neap_step *step = &run->step;
  step->what = what;
  step->phase = phase;
  step->node = f->node;
  step->note = &f->note;
  step->depth = run->depth;
  step->attempt = f->attempt;
  step->index = f->is_item ? f->index : 0;
  step->caught = !is_exhausted(run) &&
                 (f->caught || (state == EXECUTING && handles_failure(run)));
  return step;
}

static const neap_step *raise(neap_run *run, int status, neap_phase phase,
                              uint8_t state) {
  run->step.status = status;
  return set_step(run, NEAP_DO_RAISE, phase, state);
}

static const neap_step *end(neap_run *run, bool failed) {
  top(run)->state = ENDED;
  run->step.what = NEAP_DO_END;
  run->step.depth = run->depth;
  run->step.failed = failed;
  run->step.status = failed ? NEAP_EFAILED : 0;
  return &run->step;
}

/* Puts a frame on top; false when there is no memory. */
static bool push(neap_run *run, const neap_node *node, bool is_item) {
  size_t used = (size_t)run->depth + 1;
  if (used == run->capacity) {
    const neap_alloc *alloc = &run->flow->alloc;
    frame *old = run->frames == run->inline_frames ? NULL : run->frames;
    size_t capacity = old ? run->capacity : 0;
    if (neap__reserve(alloc, &old, &capacity, used * 2, sizeof *old) < 0)
      return false;
    if (run->frames == run->inline_frames)
      memcpy(old, run->inline_frames, sizeof run->inline_frames);
    /* A host may ask for a depth that no visit has reached. */
    memset(old + used, 0, (capacity - used) * sizeof *old);
    run->frames = old;
    run->capacity = capacity;
  }
  bool caught =
      top(run)->caught || (is_item ? node->opts.collect : handles_failure(run));
  uint64_t visit = is_item ? top(run)->visit : 0;
  run->frames[++run->depth] = (frame){
      .node = node, .visit = visit, .is_item = is_item, .caught = caught};
  return true;
}

/* No further item is to be fetched, nor again one that had begun. */
static void close_batch(neap_run *run, batch *b) {
  b->over = true;
  neap__places_free(&run->flow->alloc, b->again);
  b->again = NULL;
}

static void release_batch(neap_run *run, frame *f) {
  if (f->is_item || !f->batch)
    return;
  if (--f->batch->holders == 0) {
    close_batch(run, f->batch);
    neap__free(&run->flow->alloc, f->batch, sizeof *f->batch);
  }
  f->batch = NULL;
}

/* Takes the place that the run has to go on from. Without it, goes nowhere. */
static place *take_place(neap_run *run) {
  place *p = run->resume;
  run->resume = NULL;
  return p;
}

/* What is inside the frame on top is over: the attempt that was left to another
 * run, and the place that this was to go on from. */
static void forget_inside(neap_run *run) {
  neap__place_free(&run->flow->alloc, take_place(run));
  run->attempt = NULL;
}

static void pop(neap_run *run) {
  release_batch(run, top(run));
  run->depth--;
}

static bool count_step(neap_run *run) {
  run->top->steps++;
  return !is_exhausted(run);
}

static const neap_step *call(neap_run *run, neap_phase phase, uint8_t state) {
  return set_step(run, NEAP_DO_CALL, phase, state);
}

/* The visit on top, which is watched, has ended. */
static const neap_step *leave(neap_run *run, bool failed) {
  top(run)->watched = false;
  run->step.failed = failed;
  return set_step(run, NEAP_DO_LEAVE, NEAP_POST,
                  failed ? LEAVING_FAILED : LEAVING);
}

/* The visit on top of the stack, the last of its walk, has ended with
 * `run->step.action`. The item of a batch flow has no use for that. */
static const neap_step *end_walk(neap_run *run) {
  if (top(run)->watched)
    return leave(run, false);
  pop(run);
  frame *outer = top(run);
  if (outer->is_item && !is_partial(run) &&
      !neap__node_is_parallel(outer->node))
    return end_item(run, false);
  return set_step(run, NEAP_DO_RETURN, NEAP_EXEC, RETURNING);
}

static const neap_step *follow(neap_run *run,
                               const neap__successor *successor) {
  if (!successor || !successor->to)
    return end_walk(run);
  if (top(run)->watched)
    return leave(run, false);
  pop(run);
  return begin_visit(run, successor->to);
}

/* The visit on top has an action that it is not wired for. */
static const neap_step *refuse_action(neap_run *run, neap_phase phase,
                                      uint8_t state) {
  if (run->frames[run->depth - 1].node->opts.strict)
    return raise(run, NEAP_EACTION, NEAP_POST, RAISING);
  return set_step(run, NEAP_DO_WARN, phase, state);
}

static const neap_step *end_visit(neap_run *run, const char *action,
                                  size_t size) {
  run->step.action = action;
  run->step.action_size = size;
  if (run->depth == 0)
    return top(run)->watched ? leave(run, false) : end(run, false);
  const neap_node *node = top(run)->node;
  if (node->count == 0 || is_branch(run))
    return end_walk(run);
  const neap__successor *successor = neap__node_successor(node, action, size);
  return successor ? follow(run, successor)
                   : refuse_action(run, NEAP_POST, WARNING);
}

/* The host knows that the visit on top has ended with `run->step.action`. */
static const neap_step *go_on(neap_run *run) {
  if (run->depth == 0)
    return end(run, false);
  const neap_node *node = top(run)->node;
  if (node->count == 0 || is_branch(run))
    return end_walk(run);
  return follow(
      run, neap__node_successor(node, run->step.action, run->step.action_size));
}

/* The flow on top has no post, and the walk inside it has ended with an action.
 * The flow returns that action if it is wired for it, or if no successor of its
 * own counts. Otherwise it returns "default", with a warning. */
static const neap_step *pass_on(neap_run *run) {
  const char *action = run->step.action;
  size_t size = run->step.action_size;
  const neap_node *node = top(run)->node;
  if (run->depth == 0 || node->count == 0 || is_branch(run))
    return end_visit(run, action, size);
  const neap__successor *successor = neap__node_successor(node, action, size);
  if (successor)
    return follow(run, successor);
  if (neap__is_default(action, size))
    return end_visit(run, NULL, 0);
  bool goes_on = neap__node_successor(node, NULL, 0);
  return refuse_action(run, goes_on ? NEAP_EXEC : NEAP_POST, WARNING_INSIDE);
}

/* The host has warned that the action of the walk inside leads nowhere. */
static const neap_step *go_on_with_default(neap_run *run) {
  run->step.action = NULL;
  run->step.action_size = 0;
  return follow(run, neap__node_successor(top(run)->node, NULL, 0));
}

/* Exec, or the fallback in its place, has a result. */
static const neap_step *end_exec(neap_run *run, bool walked) {
  frame *f = top(run);
  if (is_partial(run))
    return end(run, false);
  if (f->is_item)
    return end_item(run, false);
  if (neap__node_has(f->node, NEAP_POST))
    return call(run, NEAP_POST, POSTING);
  return walked ? pass_on(run) : end_visit(run, NULL, 0);
}

static const neap_step *begin_attempt(neap_run *run) {
  frame *f = top(run);
  if (f->node->opts.timeout_ns > 0 && !is_partial(run))
    return set_step(run, NEAP_DO_ATTEMPT, NEAP_EXEC, EXECUTING);
  const neap_node *inner = neap__node_is_parallel(f->node)
                               ? f->node->branches[f->index]
                               : f->node->start;
  if (inner) {
    f->state = EXECUTING;
    return begin_visit(run, inner);
  }
  if (neap__node_has(f->node, NEAP_EXEC))
    return call(run, NEAP_EXEC, EXECUTING);
  return end_exec(run, false);
}

static const neap_step *begin_exec(neap_run *run) {
  if (neap__node_has_items(top(run)->node))
    return set_step(run, NEAP_DO_ITEMS, NEAP_PREP, LISTING);
  return begin_attempt(run);
}

static const neap_step *enter(neap_run *run) {
  if (!count_step(run))
    return raise(run, NEAP_EMAXSTEPS, NEAP_PREP, RAISING);
  return set_step(run, NEAP_DO_ENTER, NEAP_PREP, ENTERING);
}

/* Begins the visit of a node inside the frame on top. Where there is no memory
 * for it, exec of that frame has failed, of which the walk is a part. */
static const neap_step *begin_visit(neap_run *run, const neap_node *node) {
  if (!push(run, node, false))
    return raise(run, NEAP_ENOMEM, NEAP_EXEC, EXECUTING);
  return enter(run);
}

/* The first of the items that had begun when the run was saved is fetched. */
static const neap_step *fetch_again(neap_run *run) {
  batch *b = top(run)->batch;
  run->resume = b->again;
  b->again = b->again->next;
  run->resume->next = NULL;
  run->step.index = run->resume->record.index;
  return &run->step;
}

static const neap_step *fetch(neap_run *run) {
  batch *b = top(run)->batch;
  if (!b->again && (b->over || b->next == b->count))
    return end_exec(run, false);
  if (b->fetching)
    return set_step(run, NEAP_DO_TURN, NEAP_PREP, TAKING_TURN);
  b->fetching = true;
  set_step(run, NEAP_DO_FETCH, NEAP_PREP, FETCHING);
  run->step.index = b->next;
  return b->again ? fetch_again(run) : &run->step;
}

/* The item whose index is in the step has been fetched. */
static void take_item(neap_run *run) {
  batch *b = top(run)->batch;
  b->fetching = false;
  b->busy++;
  if (run->resume)
    return;
  assert(run->step.index == b->next);
  b->next++;
}

/* Puts the frame of that item on top; false when there is no memory. */
static bool push_item(neap_run *run, uint64_t index) {
  if (!push(run, top(run)->node, true))
    return false;
  top(run)->index = index;
  return true;
}

/* A branch is counted when its visit begins. */
static const neap_step *begin_item(neap_run *run, bool is_counted) {
  if (!push_item(run, run->step.index))
    return raise(run, NEAP_ENOMEM, NEAP_EXEC, RAISING);
  if (run->resume)
    return go_on_inside(run);
  if (neap__node_is_parallel(top(run)->node))
    return begin_attempt(run);
  if (is_counted ? is_exhausted(run) : !count_step(run))
    return raise(run, NEAP_EMAXSTEPS, NEAP_EXEC, RAISING);
  return begin_attempt(run);
}

/* Where the number of items is known, so is that of the workers. Otherwise a
 * worker that has fetched an item, while all others have one, asks for one more
 * worker before it begins with its item. */
static const neap_step *end_fetch(neap_run *run) {
  uint64_t index = run->step.index;
  take_item(run);
  const frame *f = top(run);
  const batch *b = f->batch;
  if (!is_partial(run) || b->count != NEAP_UNCOUNTED || b->over ||
      b->busy < b->workers || b->workers >= f->node->opts.concurrency)
    return begin_item(run, false);
  if (!run->resume)
    count_step(run); /* before it can be saved */
  set_step(run, NEAP_DO_FORK, NEAP_EXEC, FORKING);
  run->step.index = index;
  run->step.count = 1;
  return &run->step;
}

/* What has been fetched cannot be used: the item fails as soon as it begins. */
static const neap_step *refuse_item(neap_run *run,
                                    const neap_failure *failure) {
  uint64_t index = run->step.index;
  take_item(run);
  if (!push_item(run, index))
    return raise(run, NEAP_ENOMEM, NEAP_EXEC, RAISING);
  if (!run->resume && !count_step(run))
    return raise(run, NEAP_EMAXSTEPS, NEAP_EXEC, RAISING);
  run->failed_at.depth = run->depth;
  top(run)->state = RAISING;
  return unwind(run, failure);
}

static const neap_step *end_item(neap_run *run, bool failed) {
  run->step.failed = failed;
  return set_step(run, NEAP_DO_ITEM_END, NEAP_EXEC, ENDING_ITEM);
}

static const neap_step *join(neap_run *run) {
  batch *b = top(run)->batch;
  if (b->workers > 0) {
    run->step.failed = b->broken;
    return set_step(run, NEAP_DO_JOIN, NEAP_EXEC, JOINING);
  }
  if (!b->broken)
    return end_exec(run, false);
  neap_failure failure = b->failure; /* unwinding frees the batch */
  return unwind(run, &failure);
}

/* How many items there are to be fetched, as far as that is known. */
static uint64_t count_left(const batch *b) {
  uint64_t left = b->over ? 0 : b->count;
  if (left == NEAP_UNCOUNTED)
    return left;
  left -= b->over ? 0 : b->next;
  for (const place *p = b->again; p; p = p->next)
    left++;
  return left;
}

static const neap_step *fork_workers(neap_run *run) {
  frame *f = top(run);
  uint64_t count = f->node->opts.concurrency, left = count_left(f->batch);
  if (count > left)
    count = left;
  if (count <= 1)
    return fetch(run);
  set_step(run, NEAP_DO_FORK, NEAP_EXEC, FORKING);
  run->step.count = left == NEAP_UNCOUNTED ? 1 : (uint32_t)count;
  return &run->step;
}

/* The batch on top begins. */
static const neap_step *begin_batch(neap_run *run, uint64_t count) {
  frame *f = top(run);
  f->batch = neap__alloc(&run->flow->alloc, sizeof *f->batch);
  if (!f->batch)
    return raise(run, NEAP_ENOMEM, NEAP_PREP, RAISING);
  f->batch->holders = 1;
  f->batch->count = count;
  return fork_workers(run);
}

/* One random number in [0, 1): splitmix64 (Steele, Lea and Flood, "Fast
 * Splittable Pseudorandom Number Generators", OOPSLA 2014). */
static double next_random(neap_run *run) {
  uint64_t z = run->random += UINT64_C(0x9e3779b97f4a7c15);
  z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
  return (double)((z ^ z >> 31) >> 11) * 0x1p-53;
}

static const neap_step *retry(neap_run *run, const neap_failure *failure) {
  frame *f = top(run);
  uint64_t delay =
      neap_retry_delay(&f->node->opts, f->attempt, next_random(run),
                       failure ? failure->retry_after_ns : 0);
  if (delay == 0) {
    f->attempt++;
    return begin_attempt(run);
  }
  set_step(run, NEAP_DO_WAIT, NEAP_EXEC, WAITING);
  run->step.delay_ns = delay;
  return &run->step;
}

/* The frame on top has failed: finds the frame that handles that. */
static const neap_step *unwind(neap_run *run, const neap_failure *failure) {
  bool catching = !is_exhausted(run);
  forget_inside(run);
  for (;;) {
    frame *f = top(run);
    if (catching && f->state == EXECUTING && !is_partial(run)) {
      if (neap__node_retries(&f->node->opts, f->attempt, failure))
        return retry(run, failure);
      if (neap__node_has(f->node, NEAP_FALLBACK))
        return call(run, NEAP_FALLBACK, FALLING_BACK);
    }
    if (f->is_item && !is_partial(run)) {
      batch *b = run->frames[run->depth - 1].batch;
      b->failed++;
      if (catching && f->node->opts.collect)
        return end_item(run, true);
      close_batch(run, b);
    }
    if (f->watched) {
      run->failure = failure ? *failure : (neap_failure){0};
      return leave(run, true);
    }
    if (run->depth == 0)
      return end(run, true);
    pop(run);
  }
}

/* The host knows that the visit on top has failed. */
static const neap_step *unwind_on(neap_run *run) {
  neap_failure failure = run->failure;
  return unwind(run, &failure);
}

/* Puts the visit on top that the run has to go on with. Its steps begin again
 * unless its prep has been done. */
static const neap_step *take_up(neap_run *run) {
  frame *f = top(run);
  const neap__record *saved = &run->resume->record;
  f->attempt = saved->attempt;
  f->visit = saved->visit;
  f->again = true;
  if (saved->stage == NEAP__BEGIN || saved->stage == NEAP__LATER) {
    uint64_t delay = saved->delay_ns;
    neap__place_free(&run->flow->alloc, take_place(run));
    set_step(run, NEAP_DO_ENTER, NEAP_PREP, ENTERING);
    run->step.delay_ns = delay;
    return &run->step;
  }
  neap_phase phase = saved->stage == NEAP__POST ? NEAP_POST : NEAP_EXEC;
  return set_step(run, NEAP_DO_RESUME, phase, RESUMING);
}

/* The same of the visit inside the frame on top. */
static const neap_step *restore_visit(neap_run *run) {
  top(run)->state = EXECUTING;
  if (!push(run, run->resume->node, false))
    return raise(run, NEAP_ENOMEM, NEAP_EXEC, EXECUTING);
  return take_up(run);
}

/* The walk inside the frame on top goes on, by another run where its time is
 * limited. */
static const neap_step *restore_inside(neap_run *run, place *inside) {
  run->resume = inside;
  if (top(run)->node->opts.timeout_ns > 0)
    return set_step(run, NEAP_DO_ATTEMPT, NEAP_EXEC, EXECUTING);
  return restore_visit(run);
}

/* The items of the batch on top go on. */
static const neap_step *restore_batch(neap_run *run, place *p) {
  frame *f = top(run);
  f->batch = neap__alloc(&run->flow->alloc, sizeof *f->batch);
  if (!f->batch)
    return raise(run, NEAP_ENOMEM, NEAP_PREP, RAISING);
  f->batch->holders = 1;
  f->batch->count = p->record.count;
  f->batch->next = p->record.next;
  f->batch->failed = p->record.failed;
  f->batch->over = p->record.over;
  f->batch->again = p->inside;
  p->inside = NULL;
  return fork_workers(run);
}

static const neap_step *restore_wait(neap_run *run, uint64_t delay) {
  set_step(run, NEAP_DO_WAIT, NEAP_EXEC, WAITING);
  run->step.delay_ns = delay;
  return &run->step;
}

static const neap_step *restore_fallback(neap_run *run) {
  if (neap__node_has(top(run)->node, NEAP_FALLBACK))
    return call(run, NEAP_FALLBACK, FALLING_BACK);
  return begin_attempt(run); /* today it has none */
}

static const neap_step *restore_post(neap_run *run) {
  top(run)->kept = KEPT_RESULT;
  if (neap__node_has(top(run)->node, NEAP_POST))
    return call(run, NEAP_POST, POSTING);
  return end_visit(run, NULL, 0); /* today it has none */
}

/* The action that the run had come to is its own from now on. */
static void restore_action(neap_run *run, const neap__record *saved) {
  run->step.action = saved->action;
  run->step.action_size = saved->action_size;
}

/* Goes on with a place that is that of the frame on top. */
static const neap_step *go_on_at(neap_run *run, place *p) {
  frame *f = top(run);
  place *inside = p->inside;
  switch (p->record.stage) {
  case NEAP__WAIT:
    return restore_wait(run, p->record.delay_ns);
  case NEAP__INSIDE:
    p->inside = NULL;
    return restore_inside(run, inside);
  case NEAP__ITEMS:
    return restore_batch(run, p);
  case NEAP__RETURNED:
    restore_action(run, &p->record);
    return set_step(run, NEAP_DO_RETURN, NEAP_EXEC, RETURNING);
  case NEAP__FALLBACK:
    return restore_fallback(run);
  case NEAP__POST:
    return restore_post(run);
  case NEAP__DONE:
    restore_action(run, &p->record);
    return f->is_item ? end_item(run, false)
                      : end_visit(run, p->record.action, p->record.action_size);
  default:
    return f->is_item ? begin_attempt(run) : begin_exec(run);
  }
}

/* The host has got what it had kept of the frame on top: goes on there. */
static const neap_step *go_on_inside(neap_run *run) {
  frame *f = top(run);
  place *p = take_place(run);
  neap__place_free(&run->flow->alloc, run->reached);
  run->reached = p;
  f->attempt = p->record.attempt;
  f->again = true;
  f->kept = f->is_item ? KEPT_NOTHING : KEPT_PREP;
  return go_on_at(run, p);
}

/* The step does not allow the host's answer. Where the run should go from here
 * is unknown, so it ends. Its memory stays until it is freed, since workers may
 * share it. */
static const neap_step *refuse_answer(neap_run *run) {
  if (top(run)->state == ENDED)
    return &run->step;
  neap_run_place(run, &run->failed_at);
  end(run, true);
  run->step.status = NEAP_EINVAL;
  return &run->step;
}

/* The step of a run that is none. */
static const neap_step no_step = {
    .what = NEAP_DO_END, .failed = true, .status = NEAP_EINVAL};

/* Exec has succeeded that was no call. Where the attempt was left to another
 * run, the host may have done without it. */
static const neap_step *take_attempt(neap_run *run, bool walked) {
  if (run->step.what == NEAP_DO_RAISE)
    return refuse_answer(run);
  forget_inside(run);
  return end_exec(run, walked);
}

const neap_step *neap_run_ok(neap_run *run) {
  if (!run)
    return &no_step;
  frame *f = top(run);
  switch (f->state) {
  case ENTERING:
    if (neap__node_has(f->node, NEAP_PREP))
      return call(run, NEAP_PREP, PREPARING);
    return begin_exec(run);
  case PREPARING:
    return begin_exec(run);
  case EXECUTING:
    return run->step.what == NEAP_DO_CALL ? end_exec(run, false)
                                          : take_attempt(run, false);
  case FALLING_BACK:
    f->fell_back = true;
    return end_exec(run, false);
  case RETURNING:
    return end_exec(run, true);
  case POSTING:
    return end_visit(run, NULL, 0);
  case WAITING:
    f->attempt++;
    return begin_attempt(run);
  case WARNING:
    return end_walk(run);
  case WARNING_INSIDE:
    return go_on_with_default(run);
  case LEAVING:
    return go_on(run);
  case LEAVING_FAILED:
    return unwind_on(run);
  case LISTING:
    if (!neap__node_is_parallel(f->node))
      return refuse_answer(run);
    return begin_batch(run, f->node->branch_count);
  case FORKING:
    f->batch->workers += run->step.count;
    return is_partial(run) ? begin_item(run, true) : join(run);
  case JOINING:
    f->batch->workers--;
    return join(run);
  case STOPPING:
    return join(run);
  case FETCHING:
    return end_fetch(run);
  case TAKING_TURN:
    return fetch(run);
  case ENDING_ITEM:
    pop(run);
    top(run)->batch->busy--;
    return fetch(run);
  case RESUMING:
    return go_on_inside(run);
  default:
    return refuse_answer(run);
  }
}

const neap_step *neap_run_none(neap_run *run) {
  if (!run)
    return &no_step;
  if (top(run)->state != FETCHING || neap__node_is_parallel(top(run)->node))
    return refuse_answer(run);
  batch *b = top(run)->batch;
  b->fetching = false;
  forget_inside(run);
  close_batch(run, b);
  return end_exec(run, false);
}

const neap_step *neap_run_action(neap_run *run, const char *action,
                                 size_t size) {
  if (!run)
    return &no_step;
  if (top(run)->state == POSTING)
    return end_visit(run, action, size);
  frame *f = top(run);
  if ((f->state != EXECUTING && f->state != FALLING_BACK) ||
      run->step.what == NEAP_DO_RAISE)
    return refuse_answer(run);
  run->step.action = action;
  run->step.action_size = size;
  f->fell_back = f->state == FALLING_BACK;
  return take_attempt(run, true);
}

const neap_step *neap_run_items(neap_run *run, uint64_t count) {
  if (!run)
    return &no_step;
  if (top(run)->state != LISTING || neap__node_is_parallel(top(run)->node))
    return refuse_answer(run);
  return begin_batch(run, count);
}

const neap_step *neap_run_fail(neap_run *run, const neap_failure *failure) {
  if (!run)
    return &no_step;
  frame *f = top(run);
  if (f->state == LEAVING || f->state == LEAVING_FAILED)
    return refuse_answer(run);
  neap_run_place(run, &run->failed_at);
  switch (f->state) {
  case ENDED:
    return &run->step;
  case FETCHING:
    if (failure && failure->item)
      return refuse_item(run, failure);
    f->batch->fetching = false;
    close_batch(run, f->batch);
    break;
  case JOINING:
    f->batch->workers--;
    if (f->batch->broken)
      return join(run);
    f->batch->broken = true;
    close_batch(run, f->batch);
    if (failure)
      f->batch->failure = *failure;
    if (f->batch->workers > 0)
      return set_step(run, NEAP_DO_STOP, NEAP_EXEC, STOPPING);
    break;
  default:
    break;
  }
  return unwind(run, failure);
}

const neap_step *neap_run_step(neap_run *run) {
  return run ? &run->step : &no_step;
}

static void begin(neap_run *run, const neap_node *node) {
  frame *f = top(run);
  f->node = node;
  if (run->root == NEAP_ROOT_VISIT) {
    enter(run);
    return;
  }
  const frame *origin = top(run->parent);
  f->node = origin->node;
  f->visit = origin->visit;
  if (run->root == NEAP_ROOT_WORKER) {
    f->batch = origin->batch;
    f->batch->holders++;
    fetch(run);
  } else {
    f->is_item = origin->is_item;
    f->index = origin->index;
    f->attempt = origin->attempt;
    run->parent->attempt = run;
    run->resume = take_place(run->parent);
    if (run->resume)
      restore_visit(run);
    else
      begin_attempt(run);
  }
}

/* Whether a new run has something to begin with: a node, or a parent whose step
 * is an attempt, or a parent with items to be shared. */
static bool is_asked_for(const neap_flow *flow, const neap_run_opts *o,
                         const neap_node *node) {
  if (o->parent && o->parent->flow != flow)
    return false;
  switch (o->root) {
  case NEAP_ROOT_VISIT:
    return node && node->flow == flow;
  case NEAP_ROOT_ATTEMPT:
    return o->parent && o->parent->step.what == NEAP_DO_ATTEMPT;
  case NEAP_ROOT_WORKER:
    return o->parent && !top(o->parent)->is_item && top(o->parent)->batch;
  default:
    return false;
  }
}

int neap__run_make(neap_flow *flow, const neap_run_opts *opts, neap_run **out) {
  neap_run *run = neap__alloc(&flow->alloc, sizeof *run);
  if (!run)
    return NEAP_ENOMEM;
  run->flow = flow;
  neap__flow_retain(flow);
  run->parent = opts->parent;
  run->top = run->parent ? run->parent->top : run;
  neap__list_init(&run->children);
  neap__list_init(&run->sibling);
  if (run->parent)
    neap__list_append(&run->parent->children, &run->sibling);
  run->data = opts->data;
  run->root = (uint8_t)opts->root;
  run->max_steps = opts->max_steps > 0 ? opts->max_steps : UINT64_MAX;
  run->random = opts->seed;
  run->frames = run->inline_frames;
  run->capacity = sizeof run->inline_frames / sizeof *run->inline_frames;
  *out = run;
  return 0;
}

void neap__run_resume(neap_run *run, const neap_node *node, place *from) {
  top(run)->node = node;
  run->resume = from;
  take_up(run);
}

int neap_run_new(neap_flow *flow, const neap_node *node,
                 const neap_run_opts *opts, neap_run **out) {
  neap_run_opts o;
  const size_t first = NEAP__SIZE_WITH(neap_run_opts, data);
  if (!flow || !flow->sealed || !out ||
      neap__opts_take(&o, sizeof o, first, opts) < 0 ||
      !is_asked_for(flow, &o, node))
    return NEAP_EINVAL;
  int status = neap__run_make(flow, &o, out);
  if (status == 0)
    begin(*out, node);
  return status;
}

/* A run that is freed is no longer known to its parent, nor is it a parent. */
static void leave_parent(neap_run *run) {
  if (run->parent && run->parent->attempt == run)
    run->parent->attempt = NULL;
  neap__list_remove(&run->sibling);
  while (!neap__list_empty(&run->children)) {
    neap_run *child = NEAP__ITEM(run->children.next, neap_run, sibling);
    neap__list_remove(&child->sibling);
    child->parent = NULL;
  }
}

void neap_run_free(neap_run *run) {
  if (!run)
    return;
  neap_flow *flow = run->flow;
  for (size_t i = 0; i <= run->depth; i++)
    release_batch(run, &run->frames[i]);
  neap__place_free(&flow->alloc, run->resume);
  neap__place_free(&flow->alloc, run->reached);
  leave_parent(run);
  if (run->frames != run->inline_frames)
    neap__free(&flow->alloc, run->frames, run->capacity * sizeof *run->frames);
  neap__free(&flow->alloc, run, sizeof *run);
  neap__flow_release(flow);
}

void neap_run_place(const neap_run *run, neap_place *out) {
  if (!out)
    return;
  if (!run) {
    *out = (neap_place){0};
    return;
  }
  const neap_step *step = &run->step;
  if (step->what == NEAP_DO_END && step->failed) {
    *out = run->failed_at;
    return;
  }
  *out = (neap_place){
      .depth = step->depth, .phase = step->phase, .attempt = step->attempt};
}

/* Whether there is, or has been, a frame for a depth. The frame of a visit that
 * has ended can be read until another takes its place. */
static bool has_frame(const neap_run *run, uint32_t depth) {
  return run && depth < run->capacity;
}

const neap_node *neap_run_node_at(const neap_run *run, uint32_t depth,
                                  bool *is_item, uint64_t *index) {
  const frame *f = has_frame(run, depth) ? &run->frames[depth] : NULL;
  if (is_item)
    *is_item = f && f->is_item;
  if (index)
    *index = f && f->is_item ? f->index : 0;
  return f ? f->node : NULL;
}

uint32_t neap_run_attempt(const neap_run *run, uint32_t depth) {
  return has_frame(run, depth) ? run->frames[depth].attempt : 0;
}

uint64_t *neap_run_note(neap_run *run, uint32_t depth) {
  return has_frame(run, depth) ? &run->frames[depth].note : NULL;
}

uint64_t neap_run_watch(neap_run *run, uint64_t time_ns) {
  if (!run)
    return 0;
  frame *f = top(run);
  if (f->state != ENTERING && f->state != RESUMING)
    return 0;
  f->watched = true;
  f->since_ns = time_ns;
  if (f->visit == 0)
    f->visit = ++run->top->visits;
  return f->visit;
}

bool neap_run_unwatch(neap_run *run, uint32_t depth) {
  if (!has_frame(run, depth) || !run->frames[depth].watched)
    return false;
  run->frames[depth].watched = false;
  return true;
}

uint64_t neap_run_visit(const neap_run *run, uint32_t depth,
                        uint64_t *time_ns) {
  const frame *f = has_frame(run, depth) ? &run->frames[depth] : NULL;
  if (time_ns)
    *time_ns = f ? f->since_ns : 0;
  return f ? f->visit : 0;
}

uint64_t neap_run_steps(const neap_run *run) {
  return run ? run->top->steps : 0;
}

void neap_run_counts(const neap_run *run, uint32_t depth, uint64_t *items,
                     uint64_t *failed) {
  const frame *f = has_frame(run, depth) ? &run->frames[depth] : NULL;
  const batch *b = f && !f->is_item ? f->batch : NULL;
  if (items)
    *items = b ? b->next : 0;
  if (failed)
    *failed = b ? b->failed : 0;
}

neap_run *neap_run_parent(const neap_run *run) {
  return run ? run->parent : NULL;
}

void *neap_run_data(const neap_run *run) {
  return run ? run->data : NULL;
}
