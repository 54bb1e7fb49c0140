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
 * The file is long because it is one machine: each function leads into others,
 * and none could be understood without the rest.
 */
#include "base/alloc.h"
#include "base/opts.h"
#include "flow.h"

#include <assert.h>
#include <string.h>

enum state {
  ENTERING,
  PREPARING,
  EXECUTING, /* a call, a walk inside, or an attempt by another run */
  WAITING,
  RETURNING,
  FALLING_BACK,
  POSTING,
  WARNING,
  WARNING_INSIDE, /* the same, of an action that the walk inside ended with */
  RAISING,
  LEAVING, /* a visit that is watched has ended */
  LEAVING_FAILED,
  LISTING, /* from here on of batches */
  FORKING,
  JOINING,
  STOPPING,
  FETCHING,
  TAKING_TURN,
  ENDING_ITEM,
  ENDED, /* the run has; no answer changes anything */
};

/* What the runs that share a batch know of it. It lives as long as any of them:
 * a host may answer a worker although the run that forked it has gone on. */
typedef struct batch {
  uint64_t count; /* of items; NEAP_UNCOUNTED: unknown until the last fetch */
  uint64_t next;  /* the index of the item to be fetched next */
  uint64_t failed;
  uint32_t workers; /* that have not been joined */
  uint32_t busy;    /* how many of them have an item */
  uint32_t holders; /* frames that have the batch: of each run one */
  bool fetching;
  bool over;   /* no further item is to be fetched */
  bool broken; /* a worker has failed, the first with `failure` */
  neap_failure failure;
} batch;

typedef struct frame {
  const neap_node *node;
  union {
    batch *batch;   /* of a visit of a batch, once its items have begun */
    uint64_t index; /* of an item */
  };
  uint64_t note;            /* the host's */
  uint64_t visit, since_ns; /* its number and its begin, where it is watched */
  uint32_t attempt;
  uint8_t state;
  bool is_item;
  bool caught;  /* a frame below would handle a failure of this visit */
  bool watched; /* the end of the visit is to be a step */
} frame;

struct neap_run {
  neap_flow *flow;
  neap_run *top; /* the outermost parent, whose steps are counted */
  neap_run *parent;
  void *data;
  frame *frames;
  size_t capacity;
  uint32_t depth; /* of the top frame */
  uint8_t root;
  uint64_t steps, max_steps;
  uint64_t visits; /* that were watched, also in the runs that work for it */
  uint64_t random;
  neap_place failed_at;
  neap_failure failure; /* with which the run unwinds, in LEAVING_FAILED */
  neap_step step; /* its action is that of the visit that has ended last */
  frame inline_frames[2];
};

static const neap_step *begin_visit(neap_run *run, const neap_node *node);
static const neap_step *end_item(neap_run *run, bool failed);
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

static void release_batch(neap_run *run, frame *f) {
  if (f->is_item || !f->batch)
    return;
  if (--f->batch->holders == 0)
    neap__free(&run->flow->alloc, f->batch, sizeof *f->batch);
  f->batch = NULL;
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

static const neap_step *fetch(neap_run *run) {
  batch *b = top(run)->batch;
  if (b->over || b->next == b->count)
    return end_exec(run, false);
  if (b->fetching)
    return set_step(run, NEAP_DO_TURN, NEAP_PREP, TAKING_TURN);
  b->fetching = true;
  set_step(run, NEAP_DO_FETCH, NEAP_PREP, FETCHING);
  run->step.index = b->next;
  return &run->step;
}

/* The item whose index is in the step has been fetched. */
static void take_item(neap_run *run) {
  batch *b = top(run)->batch;
  assert(run->step.index == b->next);
  b->fetching = false;
  b->next++;
  b->busy++;
}

/* Puts the frame of that item on top; false when there is no memory. */
static bool push_item(neap_run *run, uint64_t index) {
  if (!push(run, top(run)->node, true))
    return false;
  top(run)->index = index;
  return true;
}

/* A branch is counted when its visit begins. */
static const neap_step *begin_item(neap_run *run) {
  if (!push_item(run, run->step.index))
    return raise(run, NEAP_ENOMEM, NEAP_EXEC, RAISING);
  if (!neap__node_is_parallel(top(run)->node) && !count_step(run))
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
    return begin_item(run);
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
  if (!count_step(run))
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

static const neap_step *fork_workers(neap_run *run) {
  frame *f = top(run);
  uint64_t count = f->node->opts.concurrency;
  if (count > f->batch->count)
    count = f->batch->count;
  if (count <= 1)
    return fetch(run);
  set_step(run, NEAP_DO_FORK, NEAP_EXEC, FORKING);
  run->step.count = f->batch->count == NEAP_UNCOUNTED ? 1 : (uint32_t)count;
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
      b->over = true;
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
    if (run->step.what == NEAP_DO_RAISE)
      return refuse_answer(run);
    return end_exec(run, false);
  case FALLING_BACK:
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
    return is_partial(run) ? begin_item(run) : join(run);
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
  b->over = true;
  return end_exec(run, false);
}

const neap_step *neap_run_action(neap_run *run, const char *action,
                                 size_t size) {
  if (!run)
    return &no_step;
  if (top(run)->state == POSTING)
    return end_visit(run, action, size);
  if ((top(run)->state != EXECUTING && top(run)->state != FALLING_BACK) ||
      run->step.what == NEAP_DO_RAISE)
    return refuse_answer(run);
  run->step.action = action;
  run->step.action_size = size;
  return end_exec(run, true);
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
    f->batch->over = true;
    break;
  case JOINING:
    f->batch->workers--;
    if (f->batch->broken)
      return join(run);
    f->batch->broken = f->batch->over = true;
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

int neap_run_new(neap_flow *flow, const neap_node *node,
                 const neap_run_opts *opts, neap_run **out) {
  neap_run_opts o;
  const size_t first = NEAP__SIZE_WITH(neap_run_opts, data);
  if (!flow || !flow->sealed || !out ||
      neap__opts_take(&o, sizeof o, first, opts) < 0 ||
      !is_asked_for(flow, &o, node))
    return NEAP_EINVAL;
  neap_run *run = neap__alloc(&flow->alloc, sizeof *run);
  if (!run)
    return NEAP_ENOMEM;
  run->flow = flow;
  neap__flow_retain(flow);
  run->parent = o.parent;
  run->top = o.parent ? o.parent->top : run;
  run->data = o.data;
  run->root = (uint8_t)o.root;
  run->max_steps = o.max_steps > 0 ? o.max_steps : UINT64_MAX;
  run->random = o.seed;
  run->frames = run->inline_frames;
  run->capacity = sizeof run->inline_frames / sizeof *run->inline_frames;
  begin(run, node);
  *out = run;
  return 0;
}

void neap_run_free(neap_run *run) {
  if (!run)
    return;
  neap_flow *flow = run->flow;
  for (size_t i = 0; i <= run->depth; i++)
    release_batch(run, &run->frames[i]);
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
  if (f->state != ENTERING)
    return 0;
  f->watched = true;
  f->since_ns = time_ns;
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
